//! Values of sysctls: what may be written, and when two spellings are the same.

/// What is wrong with a value as a person wrote it.
pub(super) fn fault(text: &str) -> Option<(&'static str, &'static str, &'static str)> {
    if text.contains(['\n', '\r', '\0']) {
        return Some((
            "E213",
            "the value holds a line break",
            "write it on one line",
        ));
    }
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Some(("E213", "the value holds a control character", "remove it"));
    }
    if text.trim().is_empty() {
        return Some((
            "E215",
            "the value is empty, which the kernel ignores",
            "write a value",
        ));
    }
    if text.len() > 4096 {
        return Some((
            "E215",
            "the value has more than 4096 characters",
            "shorten it",
        ));
    }
    if text.split_whitespace().any(is_other_base) {
        return Some((
            "E215",
            "the kernel reads a leading `0` as octal and `0x` as hexadecimal",
            "write the number in decimal",
        ));
    }
    None
}

/// Returns the form in which the kernel shows a value: single spaces, and numbers in decimal.
pub(super) fn canonical(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !shown.is_empty() {
            shown.push(' ');
        }
        match number(word) {
            Some(number) => shown.push_str(&number.to_string()),
            None => shown.push_str(word),
        }
    }
    shown
}

/// Returns a number in any base that the kernel takes.
pub(super) fn number(word: &str) -> Option<i64> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let magnitude = if let Some(hex) = digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8)
    } else {
        digits.parse()
    };
    magnitude
        .ok()
        .map(|magnitude| if negative { -magnitude } else { magnitude })
}

fn is_other_base(word: &str) -> bool {
    let digits = word.strip_prefix('-').unwrap_or(word);
    digits.len() > 1 && digits.starts_with('0') && number(word).is_some()
}
