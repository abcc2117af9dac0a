//! What the code of a complaint about a spec or an inventory means: its line in docs/codes.md.

use serde::Serialize;

use super::text::{BOLD, CYAN, Line, PLAIN, paragraph};
use super::{Ui, json};

const PAGE: &str = include_str!("../../../docs/codes.md");

/// A code, as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Code {
    code: &'static str,
    /// What is wrong.
    title: &'static str,
    /// How to mend it.
    help: &'static str,
}

/// Whether a text is written as a code is: `E`, or `W` for a warning, and three digits.
pub(crate) fn is_code(text: &str) -> bool {
    let digits = text.strip_prefix(['E', 'W']).unwrap_or_default();
    digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns what a code means, if there is such a code.
pub(crate) fn find(code: &str) -> Option<Code> {
    all().find(|known| known.code == code)
}

fn all() -> impl Iterator<Item = Code> {
    PAGE.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let code = cells.next().filter(|code| is_code(code))?;
        let (title, help) = (cells.next()?, cells.next()?);
        Some(Code { code, title, help })
    })
}

/// Renders what a code means, as text or as JSON.
pub(crate) fn shown(ui: &Ui, code: &Code) -> String {
    if ui.json {
        return json::render(code);
    }
    let mut out = String::new();
    let head = Line::default().paint(BOLD, code.code).add("  ");
    paragraph(&mut out, head, 6, PLAIN, code.title, ui.width);
    let help = Line::indent(6).paint(CYAN, "help:").add(" ");
    paragraph(&mut out, help, 8, PLAIN, code.help, ui.width);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_page_is_a_code_of_its_own() {
        let rows = PAGE
            .lines()
            .filter(|line| line.starts_with("| E") || line.starts_with("| W"))
            .count();
        let codes: Vec<_> = all().map(|code| code.code).collect();
        assert_eq!(codes.len(), rows, "a row has other than three cells");
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(codes, sorted, "the codes are not in order");
        assert!(all().all(|code| !code.title.is_empty() && !code.help.is_empty()));
    }
}
