//! The hosts of an inventory as a table or as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{json, table};

/// How one host is reached, as far as the inventory says.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HostRow {
    /// Its name in the inventory.
    pub(crate) host: String,
    /// Where ssh connects to; the name if none is given.
    pub(crate) address: Option<String>,
    /// Login name.
    pub(crate) user: Option<String>,
    /// Port of sshd.
    pub(crate) port: Option<u16>,
    /// Hosts in between.
    pub(crate) jump: Option<String>,
    /// How root is reached.
    pub(crate) r#become: Option<String>,
    /// Labels.
    pub(crate) labels: BTreeMap<String, String>,
}

/// Renders a table.
pub(crate) fn render(rows: &[HostRow]) -> String {
    let headers = [
        "HOST", "ADDRESS", "USER", "PORT", "JUMP", "BECOME", "LABELS",
    ];
    table::render(headers, &rows.iter().map(cells).collect::<Vec<_>>())
}

/// Renders JSON.
pub(crate) fn render_json(rows: &[HostRow]) -> String {
    json::render(&BTreeMap::from([("hosts", rows)]))
}

fn cells(row: &HostRow) -> [String; 7] {
    let HostRow {
        host,
        address,
        user,
        port,
        jump,
        r#become,
        labels,
    } = row;
    let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
    let labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
    [
        host.clone(),
        text(address),
        text(user),
        port.map(|port| port.to_string()).unwrap_or_default(),
        text(jump),
        text(r#become),
        labels.collect::<Vec<_>>().join(","),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::golden;

    #[test]
    fn hosts_stand_in_columns() {
        let worker = HostRow {
            host: "worker01".to_owned(),
            address: Some("10.0.0.11".to_owned()),
            user: Some("ops".to_owned()),
            port: Some(2222),
            jump: Some("bastion-1".to_owned()),
            r#become: Some("sudo".to_owned()),
            labels: [("role", "worker"), ("zone", "a\x1b[0m")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        };
        let bare = HostRow {
            host: "db".to_owned(),
            ..HostRow::default()
        };
        golden::check("inventory.txt", &golden::plain(&render(&[worker, bare])));
    }
}
