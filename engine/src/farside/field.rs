//! One field of the wire form: printable ASCII without space and `%`; every other byte is `%XX`.
//!
//! A field holds no space and no newline, so no value can end a field or a line.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns a text as a field, which most often is the text itself. The empty text is an empty field.
pub(crate) fn encode(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut field = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            field.push(char::from(byte));
        } else {
            write!(field, "%{byte:02x}").expect("writing to a string cannot fail");
        }
    }
    Cow::Owned(field)
}

/// Whether a text and its field are the same.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'%')
}

/// Returns what a field means; none if it is not a field. Bytes that are not UTF-8 become the replacement character.
pub(crate) fn decode(field: &str) -> Option<String> {
    decode_lazily(field).map(Cow::into_owned)
}

/// Returns what a field means, which most often is what it says.
pub(crate) fn decode_lazily(field: &str) -> Option<Cow<'_, str>> {
    if is_plain(field) {
        return Some(Cow::Borrowed(field));
    }
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => bytes.push(hex(rest.next()?)? << 4 | hex(rest.next()?)?),
            byte if byte.is_ascii_graphic() => bytes.push(byte),
            _ => return None,
        }
    }
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Some(Cow::Owned(text))
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// Returns the first bytes of something for people: escaped, and at most 80 of them.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(80)].escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back() {
        for text in ["", "a b", "100%", "a\nb\tc", "wörker", "\u{1b}[31m", "%20"] {
            let field = encode(text);
            assert!(field.bytes().all(|byte| byte.is_ascii_graphic()), "{field}");
            assert_eq!(decode(&field).as_deref(), Some(text));
        }
    }

    #[test]
    fn broken_fields_are_refused() {
        for field in ["%", "%2", "%zz", "a b", "%2G", "ö"] {
            assert_eq!(decode(field), None, "{field}");
        }
    }
}
