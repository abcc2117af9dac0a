//! A failed command as text: the message, its causes, and hints.

use std::error::Error;

use serde::Serialize;

use super::json;
use super::text::{CYAN, Line, PLAIN, RED, Width, paragraph};
use crate::error::CommandError;

/// Renders an error with every cause on its own line.
pub(crate) fn render(error: &CommandError, width: Width) -> String {
    let mut out = String::new();
    let start = Line::default().paint(RED.bold(), "error:").add(" ");
    paragraph(&mut out, start, 2, PLAIN, &error.source.to_string(), width);
    for cause in causes(error.source.as_ref()) {
        paragraph(
            &mut out,
            Line::indent(2).add("because: "),
            4,
            PLAIN,
            &cause,
            width,
        );
    }
    for hint in &error.hints {
        let start = Line::default().paint(CYAN.bold(), "hint:").add(" ");
        paragraph(&mut out, start, 2, PLAIN, hint, width);
    }
    out
}

/// Renders an error as JSON, with the exit code.
pub(crate) fn render_json(error: &CommandError) -> String {
    json::render(&Failure {
        error: Told {
            message: error.source.to_string(),
            causes: causes(error.source.as_ref()),
            hints: &error.hints,
        },
        exit_code: error.status().code(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    error: Told<'a>,
    exit_code: u8,
}

#[derive(Serialize)]
struct Told<'a> {
    message: String,
    causes: Vec<String>,
    hints: &'a [String],
}

/// Returns the causes below an error, without one that only repeats the text above it.
fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut causes = vec![error.to_string()];
    let chain = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.extend(chain.map(ToString::to_string));
    causes.dedup();
    causes.split_off(1)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn errors_show_message_causes_and_hints_without_hostile_bytes() {
        let cause = io::Error::other("no \x1b[31mroute\nto host");
        let error = CommandError::caused(ErrorKind::Failed, "cannot read plan.json", cause)
            .hint("try again");
        let text = render(&error, None);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(
            plain,
            "error: cannot read plan.json\n  because: no \\x1b[31mroute\n    to host\nhint: try again\n"
        );
    }
}
