//! Words of a POSIX shell, for the program's calls and for commands that a person is to paste.

use std::borrow::Cow;

/// Returns a text as one word of a shell: as it is where no shell would read it otherwise, else in single quotes.
pub fn word(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("'{}'", text.replace('\'', r"'\''"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_one_word() {
        for (text, expected) in [
            ("a/b-c.d", "a/b-c.d"),
            ("", "''"),
            ("n[1-2]", "'n[1-2]'"),
            ("$(id) `id`", "'$(id) `id`'"),
            ("it's\n", "'it'\\''s\n'"),
        ] {
            assert_eq!(word(text), expected);
        }
    }
}
