//! Tables: upper-case headers, no borders, columns as wide as what is in them.

use super::text::{BOLD, Line, columns};

/// Renders rows under headers. An empty cell shows as `-`; the last column is not padded.
pub(crate) fn render<const N: usize>(headers: [&str; N], rows: &[[String; N]]) -> String {
    let widths = widths(&headers, rows);
    let mut out = String::new();
    let mut header = Line::default();
    let mut column = 0;
    for (text, width) in headers.iter().zip(widths) {
        header = header.pad_to(column).paint(BOLD, text);
        column += width + 2;
    }
    header.end(&mut out);
    for row in rows {
        let mut line = Line::default();
        let mut column = 0;
        for (text, width) in row.iter().zip(widths) {
            line = line.pad_to(column).add(shown(text));
            column += width + 2;
        }
        line.end(&mut out);
    }
    out
}

fn widths<const N: usize>(headers: &[&str; N], rows: &[[String; N]]) -> [usize; N] {
    std::array::from_fn(|n| {
        let cells = rows.iter().map(|row| columns(shown(&row[n])));
        cells.max().unwrap_or(0).max(columns(headers[n]))
    })
}

fn shown(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
