//! Results as JSON on stdout.

use engine::plan::Plan;
use engine::report::Report;
use serde::Serialize;

use super::text::{is_hostile, push};
use crate::exit::ExitStatus;
use crate::summary::PlanSummary;

/// A plan with its verdict, so that a pipeline need not read exit codes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PlanResult<'a> {
    plan: &'a Plan,
    summary: PlanSummary,
    exit_code: u8,
}

/// A report with its verdict.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportResult<'a> {
    report: &'a Report,
    exit_code: u8,
}

/// Renders a plan, its summary and the exit code.
pub(crate) fn plan(plan: &Plan, summary: PlanSummary, status: ExitStatus) -> String {
    render(&PlanResult {
        plan,
        summary,
        exit_code: status.code(),
    })
}

/// Renders a report and the exit code.
pub(crate) fn report(report: &Report, status: ExitStatus) -> String {
    render(&ReportResult {
        report,
        exit_code: status.code(),
    })
}

/// Renders any of our data. Characters that could harm a terminal are escaped, as JSON allows everywhere in strings.
pub(crate) fn render<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_string_pretty(value).expect("our data has text keys only");
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            c if is_hostile(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    push(&mut out, format_args!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_characters_are_escaped_and_read_back() {
        let value = ["\x1b[2J\u{9b}m\u{202e}\u{e0041}\n\u{7f}"];
        let text = render(&value);
        assert!(
            !text.chars().any(|c| c != '\n' && is_hostile(c)),
            "{text:?}"
        );
        assert_eq!(serde_json::from_str::<[String; 1]>(&text).unwrap(), value);
    }
}
