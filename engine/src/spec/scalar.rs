//! What a plain scalar means: the core schema of YAML 1.2, with every number that some reader takes otherwise set apart.

use super::Value;

/// Returns the value of a scalar written without quotes.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => resolve_number(text).unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

/// Returns the length of the quoted text that the text starts with, quotes included.
pub(super) fn quoted_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let quote = bytes.first().copied().unwrap_or(b'"');
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        let is_pair = match quote {
            b'\'' => *byte == quote && bytes.get(at + 1) == Some(&quote),
            _ => *byte == b'\\',
        };
        match (is_pair, *byte == quote) {
            (true, _) => at += 2,
            (false, true) => return at + 1,
            (false, false) => at += 1,
        }
    }
    text.len()
}

/// Whether the text is a plain fraction such as `1.30`, which would lose its zero as a number.
pub(super) fn is_plain_fraction(raw: &str) -> bool {
    raw.split_once('.')
        .is_some_and(|(whole, fraction)| is_digits(whole) && is_digits(fraction))
}

fn resolve_number(text: &str) -> Option<Value> {
    let starts_like_a_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    if !starts_like_a_number {
        return None;
    }
    if is_plain_decimal(text)
        && let Ok(integer) = text.parse()
    {
        return Some(Value::Integer(integer));
    }
    is_ambiguous(text).then(|| Value::Float(text.to_owned()))
}

/// Whether all readers agree on this integer: no sign but `-`, no leading zero, no separators.
fn is_plain_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    is_digits(digits) && (digits == "0" && text == "0" || !digits.starts_with('0'))
}

fn is_ambiguous(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    is_special(unsigned)
        || is_based(unsigned)
        || is_digits(&unsigned.replace('_', ""))
        || is_float(&unsigned.replace('_', ""))
        || is_sexagesimal(unsigned)
}

fn is_special(unsigned: &str) -> bool {
    matches!(
        unsigned,
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN"
    )
}

/// `0x10`, `0o10`, `0b10`.
fn is_based(unsigned: &str) -> bool {
    let radix = match unsigned.get(..2) {
        Some("0x" | "0X") => 16,
        Some("0o" | "0O") => 8,
        Some("0b" | "0B") => 2,
        _ => return false,
    };
    let digits = &unsigned[2..];
    !digits.is_empty() && digits.chars().all(|c| c == '_' || c.is_digit(radix))
}

/// `1.5`, `1.`, `.5`, `1e3`, `1.5e-3`.
fn is_float(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_fits =
        exponent.is_none_or(|text| is_digits(text.strip_prefix(['+', '-']).unwrap_or(text)));
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, "")) => is_digits(whole),
        Some(("", fraction)) => is_digits(fraction),
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
        None => exponent.is_some() && is_digits(mantissa),
    };
    exponent_fits && mantissa_fits
}

/// `12:30:45`, a number to the base 60 for readers of YAML 1.1.
fn is_sexagesimal(unsigned: &str) -> bool {
    let mut parts = unsigned.split(':');
    let first = parts.next().unwrap_or("");
    let mut rest = parts.peekable();
    rest.peek().is_some()
        && is_digits(first)
        && rest.all(|part| is_digits(part) && part.parse::<u64>().is_ok_and(|n| n < 60))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_resolve_by_the_core_schema() {
        for (text, expected) in [
            ("", Value::Null),
            ("~", Value::Null),
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("FALSE", Value::Bool(false)),
            ("0", Value::Integer(0)),
            ("-12", Value::Integer(-12)),
            ("9223372036854775807", Value::Integer(i64::MAX)),
        ] {
            assert_eq!(resolve(text), expected, "{text}");
        }
    }

    #[test]
    fn quoted_texts_end_at_their_quote() {
        for (text, expected) in [
            (r#""a" # b"#, r#""a""#),
            (r#""a\"b" c"#, r#""a\"b""#),
            ("'it''s' x", "'it''s'"),
            ("''", "''"),
            ("\"open", "\"open"),
        ] {
            assert_eq!(&text[..quoted_length(text)], expected, "{text}");
        }
    }

    #[test]
    fn words_and_versions_are_texts() {
        for text in [
            "yes",
            "no",
            "on",
            "off",
            "y",
            "1.31.2",
            "v1.31",
            "1:1.6.20",
            "8080:80",
            "-",
            ".",
            "+",
            "..",
            "1e",
            "0x",
            "0xg",
            "2024-01-01",
            "10.0.0.1",
            "e3",
            "1.5e",
            "_1",
            "fe80::1",
        ] {
            assert_eq!(resolve(text), Value::String(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn numbers_that_readers_disagree_on_stay_as_written() {
        for text in [
            "010",
            "0644",
            "0x10",
            "0o10",
            "0b1",
            "1_000",
            "1e3",
            "1.30",
            "-1.5",
            ".5",
            "1.",
            ".inf",
            "-.INF",
            ".nan",
            "12:30:45",
            "+1",
            "-0",
            "00",
            "9223372036854775808",
        ] {
            assert_eq!(resolve(text), Value::Float(text.to_owned()), "{text}");
        }
    }
}
