//! Text that a host had a hand in: kept whole, and shown only through the one escaping function.
//!
//! A host may answer with terminal control sequences, with characters that reorder or hide others, or with megabytes.
//! Nothing a host said goes to a person or a pipeline unless it went through [`escape`] first.

use std::fmt::{self, Write as _};

/// How many bytes [`escape`] shows before it cuts.
pub const SHOWN_BYTES: usize = 4096;

/// Bytes from a host, whole. There is no `Display`; [`Untrusted::shown`] is the way out to a person.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Untrusted(Vec<u8>);

impl Untrusted {
    /// Takes bytes as they came.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes as they came, for parsing.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the text in a form that is safe to show.
    pub fn shown(&self) -> String {
        escape(&self.0)
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Untrusted(\"{}\")", self.shown())
    }
}

/// Returns bytes of unknown origin as text on one line that is safe to show.
///
/// Control characters, bidirectional and invisible characters, private use and bytes that are no UTF-8 become escapes
/// such as `\n`, `\x1b` and `\u{202e}`; a backslash is doubled, so the result is unambiguous. What follows the first
/// [`SHOWN_BYTES`] bytes is counted, not shown.
pub fn escape(bytes: &[u8]) -> String {
    escape_up_to(bytes, SHOWN_BYTES)
}

/// Does what [`escape`] does, with a limit of the caller's.
pub fn escape_up_to(bytes: &[u8], limit: usize) -> String {
    let cut = cut_at(bytes, limit);
    let mut shown = String::with_capacity(cut);
    for chunk in bytes[..cut].utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_char(&mut shown, c));
        chunk
            .invalid()
            .iter()
            .for_each(|byte| push_byte(&mut shown, *byte));
    }
    match bytes.len() - cut {
        0 => shown,
        n_hidden => format!("{shown}… ({n_hidden} more bytes)"),
    }
}

/// Returns the greatest length up to `limit` that does not cut a UTF-8 sequence in two.
fn cut_at(bytes: &[u8], limit: usize) -> usize {
    if bytes.len() <= limit {
        return bytes.len();
    }
    let is_continuation = |at: &usize| bytes[*at] & 0xc0 == 0x80;
    (limit.saturating_sub(3)..=limit)
        .rev()
        .find(|at| !is_continuation(at))
        .unwrap_or(limit)
}

fn push_char(shown: &mut String, c: char) {
    match c {
        '\\' => shown.push_str("\\\\"),
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        '\0'..='\x1f' | '\x7f' => push_byte(shown, c as u8),
        c if is_deceptive(c) => shown.extend(c.escape_unicode()),
        c => shown.push(c),
    }
}

fn push_byte(shown: &mut String, byte: u8) {
    write!(shown, "\\x{byte:02x}").expect("writing to a string cannot fail");
}

/// Whether a character controls, hides or reorders, or has no agreed look.
fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'         // C1 controls
        | '\u{ad}' | '\u{34f}'      // soft hyphen, grapheme joiner
        | '\u{61c}'                 // Arabic letter mark
        | '\u{115f}' | '\u{1160}'   // Hangul fillers
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'   // zero width, direction marks
        | '\u{2028}'..='\u{202e}'   // separators, bidirectional embedding
        | '\u{2060}'..='\u{206f}'   // invisible operators, bidirectional isolates
        | '\u{3164}' | '\u{ffa0}'   // Hangul fillers
        | '\u{e000}'..='\u{f8ff}'   // private use
        | '\u{fe00}'..='\u{fe0f}'   // variation selectors
        | '\u{feff}' | '\u{fff0}'..='\u{ffff}'
        | '\u{e0000}'..             // tags, and private use above
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(escape(bytes), expected, "{bytes:?}");
    }

    #[test]
    fn plain_text_stays() {
        check(b"", "");
        check(
            b"sudo: a password is required",
            "sudo: a password is required",
        );
        check("Größe 10 µs, 漢字".as_bytes(), "Größe 10 µs, 漢字");
    }

    #[test]
    fn what_controls_a_terminal_is_escaped() {
        check(b"\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07");
        check(
            b"one\r\ntwo\tthree\x08\x7f\0",
            "one\\r\\ntwo\\tthree\\x08\\x7f\\x00",
        );
        check("\u{9b}2J".as_bytes(), "\\u{9b}2J");
        check(b"\x9b2J", "\\x9b2J");
    }

    #[test]
    fn what_hides_or_reorders_is_escaped() {
        check(
            "a\u{202e}b\u{200b}c\u{feff}".as_bytes(),
            "a\\u{202e}b\\u{200b}c\\u{feff}",
        );
        check(
            "\u{2066}\u{e0041}\u{e000}".as_bytes(),
            "\\u{2066}\\u{e0041}\\u{e000}",
        );
    }

    #[test]
    fn an_escape_in_the_text_is_told_apart_from_ours() {
        check(br"\x1b", r"\\x1b");
    }

    #[test]
    fn the_cut_is_counted_and_never_splits_a_character() {
        assert_eq!(escape_up_to(b"0123456789", 4), "0123… (6 more bytes)");
        assert_eq!(escape_up_to("ää".as_bytes(), 3), "ä… (2 more bytes)");
        assert_eq!(
            escape_up_to(&[0x80; 9], 4),
            "\\x80\\x80\\x80\\x80… (5 more bytes)"
        );
        assert!(escape(&vec![b'x'; 1 << 20]).len() < SHOWN_BYTES + 64);
    }

    #[test]
    fn no_byte_string_leaves_a_control_character() {
        for first in 0..=255_u8 {
            for second in 0..=255_u8 {
                let shown = escape(&[first, second, 0xc2, second]);
                assert!(
                    !shown.chars().any(char::is_control),
                    "{first} {second}: {shown:?}"
                );
            }
        }
    }

    #[test]
    fn debug_escapes_too() {
        let said = Untrusted::new(b"\x1b[2J".to_vec());
        assert_eq!(format!("{said:?}"), r#"Untrusted("\x1b[2J")"#);
    }
}
