//! Characters that a text for people must not hold: control codes, and what shows as nothing or turns the reading order.

/// Returns the first refused character of a text and its byte offset.
pub(crate) fn find_refused(text: &str) -> Option<(usize, char)> {
    refused(text).next()
}

/// Returns all refused characters of a text with their byte offsets. A tab, a newline and the pair CR LF are fine.
pub(crate) fn refused(text: &str) -> impl Iterator<Item = (usize, char)> {
    text.char_indices().filter(|(at, c)| match c {
        '\r' => text.as_bytes().get(at + 1) != Some(&b'\n'),
        c => is_refused(*c),
    })
}

/// Returns how a refused character is named in a message, such as `U+202E`.
pub(crate) fn name(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

fn is_refused(c: char) -> bool {
    match c {
        '\t' | '\n' => false,
        c if c.is_control() => true,
        // Soft hyphen, fillers and blanks that show as nothing.
        '\u{ad}'
        | '\u{34f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180e}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{ffa0}' => true,
        // Zero width, reading order, line and paragraph separators, invisible operators, byte order mark.
        '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' => true,
        // Musical formatting, tags and the supplementary variation selectors, which can carry hidden text.
        '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_refused() {
        for (text, expected) in [
            ("plain\ttext\r\n", None),
            ("größe 日本", None),
            ("a\u{202e}b", Some("U+202E")),
            ("a\u{200b}", Some("U+200B")),
            ("a\u{feff}", Some("U+FEFF")),
            ("a\0", Some("U+0000")),
            ("a\u{1b}[0m", Some("U+001B")),
            ("a\u{85}", Some("U+0085")),
            ("a\rb", Some("U+000D")),
            ("a\u{e0041}", Some("U+E0041")),
        ] {
            let found = find_refused(text).map(|(_, c)| name(c));
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
    }
}
