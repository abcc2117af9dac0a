//! What hosts say about their transactions, as a table or as JSON.

use serde::Serialize;

use super::{Ui, json, table};
use crate::exit::ExitStatus;

/// What one host says.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusRow {
    /// The host.
    pub(crate) host: String,
    /// In a word or two: `idle`, `open`, `wedged`, `unreachable` …
    pub(crate) state: String,
    /// The transaction that is open, or else the last one.
    pub(crate) transaction: Option<String>,
    /// How many transactions were begun on the host.
    pub(crate) generation: Option<u64>,
    /// Anything else a person should know.
    pub(crate) detail: Option<String>,
}

/// What all hosts say, with the verdict.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusResult<'a> {
    hosts: &'a [StatusRow],
    exit_code: u8,
}

/// Renders rows as the person or the program that reads them wants them.
pub(crate) fn shown(ui: &Ui, rows: &[StatusRow], status: ExitStatus) -> String {
    match ui.json {
        true => render_json(rows, status),
        false => render(rows),
    }
}

/// Renders a table.
fn render(rows: &[StatusRow]) -> String {
    let headers = ["HOST", "STATE", "TRANSACTION", "GENERATION", "DETAIL"];
    table::render(headers, &rows.iter().map(cells).collect::<Vec<_>>())
}

/// Renders JSON.
fn render_json(rows: &[StatusRow], status: ExitStatus) -> String {
    json::render(&StatusResult {
        hosts: rows,
        exit_code: status.code(),
    })
}

fn cells(row: &StatusRow) -> [String; 5] {
    let StatusRow {
        host,
        state,
        transaction,
        generation,
        detail,
    } = row;
    [
        host.clone(),
        state.clone(),
        transaction.clone().unwrap_or_default(),
        generation
            .map(|generation| generation.to_string())
            .unwrap_or_default(),
        detail.clone().unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_sends_stays_in_its_cell() {
        let row = StatusRow {
            host: "node01".to_owned(),
            state: "open".to_owned(),
            detail: Some("\x1b[2Jline\nline".to_owned()),
            ..StatusRow::default()
        };
        let text = crate::ui::golden::plain(&render(&[row]));
        assert_eq!(
            text,
            "HOST    STATE  TRANSACTION  GENERATION  DETAIL\nnode01  open   -            -           \\x1b[2Jline\\nline\n"
        );
    }

    #[test]
    fn the_verdict_is_in_the_json() {
        let text = render_json(&[StatusRow::default()], ExitStatus::Unreachable);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&json["exitCode"], &json["hosts"][0]["host"]),
            (&4.into(), &"".into())
        );
    }
}
