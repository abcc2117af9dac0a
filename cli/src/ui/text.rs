//! Lines of output: everything that is added to one is made harmless first, and counts the columns it takes.
//!
//! Styles are always written; the stream takes them out again where no colors are wanted (see `terminal`).

use std::borrow::Cow;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Effects, Style};
use unicode_width::UnicodeWidthStr as _;

pub(crate) const PLAIN: Style = Style::new();
pub(crate) const BOLD: Style = Style::new().effects(Effects::BOLD);
pub(crate) const DIM: Style = Style::new().effects(Effects::DIMMED);
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const RED: Style = AnsiColor::Red.on_default();
pub(crate) const MAGENTA: Style = AnsiColor::Magenta.on_default();
pub(crate) const BLUE: Style = AnsiColor::Blue.on_default();
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default();

/// The columns of a stream; none means that lines are never broken, as in files and pipes.
pub(crate) type Width = Option<usize>;

/// Returns text in which no character can move the cursor, color, hide, reorder or break a line.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if !is_hostile(c) => escaped.push(c),
            c if u32::from(c) < 0x100 => {
                push(&mut escaped, format_args!("\\x{:02x}", u32::from(c)));
            }
            c => push(&mut escaped, format_args!("\\u{{{:x}}}", u32::from(c))),
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character is a control, changes the direction of text, takes no columns, or ends a line.
///
/// These are Unicode's controls, its separators of lines and paragraphs, and its default-ignorable code points.
pub(crate) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f
            | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
            | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// Replaces tabs by spaces as a terminal would show them, for texts whose layout matters.
pub(crate) fn expand_tabs(text: &str) -> Cow<'_, str> {
    if !text.contains('\t') {
        return Cow::Borrowed(text);
    }
    let mut expanded = String::with_capacity(text.len() + 16);
    for (n, part) in text.split('\t').enumerate() {
        if n > 0 {
            let column = expanded.width();
            expanded.extend(std::iter::repeat_n(' ', 8 - column % 8));
        }
        expanded.push_str(part);
    }
    Cow::Owned(expanded)
}

/// Returns a number with its noun, such as `1 host` or `22 hosts`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

/// Returns a time in the largest two units, such as `40s`, `2m05s` or `1h10m`.
pub(crate) fn elapsed(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// One line in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    text: String,
    width: usize,
}

impl Line {
    /// Returns a line that starts with some spaces.
    pub(crate) fn indent(columns: usize) -> Self {
        Self::default().pad_to(columns)
    }

    /// Adds text.
    pub(crate) fn add(self, text: &str) -> Self {
        self.paint(PLAIN, text)
    }

    /// Adds text in a style.
    pub(crate) fn paint(mut self, style: Style, text: &str) -> Self {
        let text = escape(text);
        self.width += text.width();
        if style == PLAIN || text.is_empty() {
            self.text.push_str(&text);
        } else {
            push(&mut self.text, format_args!("{style}{text}{style:#}"));
        }
        self
    }

    /// Adds spaces up to a column, if it is not reached yet.
    pub(crate) fn pad_to(mut self, column: usize) -> Self {
        self.text
            .extend(std::iter::repeat_n(' ', column.saturating_sub(self.width)));
        self.width = self.width.max(column);
        self
    }

    /// Adds a text at the right edge if it fits, else behind two spaces.
    pub(crate) fn right(self, style: Style, text: &str, width: Width) -> Self {
        if text.is_empty() {
            return self;
        }
        let column = width.map_or(0, |width| width.saturating_sub(escape(text).width()));
        let column = column.max(self.width + 2);
        self.pad_to(column).paint(style, text)
    }

    /// Returns the columns it takes so far.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Ends the line.
    pub(crate) fn end(self, out: &mut String) {
        out.push_str(self.text.trim_end_matches(' '));
        out.push('\n');
    }
}

/// Returns the columns that some text takes once it is made harmless.
pub(crate) fn columns(text: &str) -> usize {
    escape(text).width()
}

/// Adds text to a line word by word and ends it; what does not fit goes on below, behind an indentation.
///
/// Only line feeds end a line of the text; all other characters stay, or become visible.
pub(crate) fn paragraph(
    out: &mut String,
    start: Line,
    hanging: usize,
    style: Style,
    text: &str,
    width: Width,
) {
    let mut line = start;
    let parts = text.lines().filter(|part| !part.trim().is_empty());
    for (n, part) in parts.enumerate() {
        if n > 0 {
            std::mem::replace(&mut line, Line::indent(hanging)).end(out);
        }
        line = words(out, line, hanging, style, part, width);
    }
    line.end(out);
}

fn words(
    out: &mut String,
    start: Line,
    hanging: usize,
    style: Style,
    text: &str,
    width: Width,
) -> Line {
    let mut line = start;
    let mut pending = String::new();
    for (n, word) in text.split(' ').enumerate() {
        let needed = line.width() + columns(&pending) + 1 + columns(word);
        let started = line.width() > hanging || !pending.trim().is_empty();
        if started && width.is_some_and(|width| needed > width + usize::from(n == 0)) {
            let full = std::mem::replace(&mut line, Line::indent(hanging));
            full.paint(style, &std::mem::take(&mut pending)).end(out);
        } else if n > 0 {
            pending.push(' ');
        }
        pending.push_str(word);
    }
    line.paint(style, &pending)
}

/// Appends formatted text to a string.
pub(crate) fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text)
        .expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_characters_become_visible() {
        for (hostile, shown) in [
            ("\x1b[2J", "\\x1b[2J"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\u{9b}31m\u{7f}", "\\x9b31m\\x7f"),
            ("user\u{202e}txt\u{200b}", "user\\u{202e}txt\\u{200b}"),
            ("\u{2028}\u{feff}\u{e0041}", "\\u{2028}\\u{feff}\\u{e0041}"),
            ("wörld 世界", "wörld 世界"),
        ] {
            assert_eq!(escape(hostile), shown);
        }
    }

    #[test]
    fn paragraphs_break_between_words() {
        let mut out = String::new();
        paragraph(
            &mut out,
            Line::indent(2).add("x "),
            4,
            PLAIN,
            "one two three\nfour",
            Some(12),
        );
        assert_eq!(out, "  x one two\n    three\n    four\n");
        let mut out = String::new();
        paragraph(&mut out, Line::indent(2), 4, PLAIN, "one two three", None);
        assert_eq!(out, "  one two three\n");
        let mut out = String::new();
        paragraph(
            &mut out,
            Line::indent(2),
            2,
            PLAIN,
            "muchtoolongforthis line",
            Some(8),
        );
        assert_eq!(out, "  muchtoolongforthis\n  line\n");
    }

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!(
            (count(1, "host"), count(0, "host")),
            ("1 host".into(), "0 hosts".into())
        );
        let times = [40, 125, 4200].map(elapsed);
        assert_eq!(times, ["40s", "2m05s", "1h10m"]);
    }

    #[test]
    fn tabs_reach_the_next_stop() {
        assert_eq!(expand_tabs("a\tb\t\tc"), "a       b               c");
    }
}
