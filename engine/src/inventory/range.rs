//! Many names in one text: `node[01-20]`, `node[1,3,5-9/2]`, `dc[1-2]n[01-99]`, and Ansible's `www[01:50]`.
//!
//! Zeros in front are significant: `[08-11]` is 08, 09, 10, 11. [`fold`](super::fold) is the way back.

/// Most names that one text may stand for.
pub(super) const MOST_NAMES: usize = 100_000;
/// Longest pattern, in bytes.
const LONGEST_PATTERN: usize = 1024;
/// Most digits of a number.
const MOST_DIGITS: usize = 18;

/// Why a text is not a list of names and ranges.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RangeError {
    /// Offset of the first byte that is wrong.
    pub at: usize,
    /// What is wrong, as a lowercase fragment.
    pub reason: String,
}

/// A part of a pattern.
enum Part<'a> {
    Literal(&'a str),
    Numbers(Vec<Numbers>),
}

/// Numbers between two bounds.
struct Numbers {
    first: u64,
    last: u64,
    step: u64,
    width: usize,
}

/// Returns all names that a text stands for, in the order it gives them.
pub fn expand(text: &str) -> Result<Vec<String>, RangeError> {
    let mut patterns = Vec::new();
    let mut total: u128 = 0;
    for (at, pattern) in split_list(text) {
        let parts = parse(pattern, at)?;
        total = total.saturating_add(count(&parts));
        patterns.push(parts);
    }
    if total > MOST_NAMES as u128 {
        let reason = format!("this stands for {total} names, more than {MOST_NAMES}");
        return Err(RangeError { at: 0, reason });
    }
    Ok(patterns.iter().flat_map(|parts| names(parts)).collect())
}

/// Splits a text at the commas outside brackets, with the offset of each piece.
pub(super) fn split_list(text: &str) -> Vec<(usize, &str)> {
    let mut pieces = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                pieces.push((start, &text[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push((start, &text[start..]));
    pieces
}

fn parse(pattern: &str, base: usize) -> Result<Vec<Part<'_>>, RangeError> {
    let error = |at: usize, reason: &str| RangeError {
        at: base + at,
        reason: reason.to_owned(),
    };
    if pattern.is_empty() {
        return Err(error(0, "a name is missing"));
    }
    if pattern.len() > LONGEST_PATTERN {
        return Err(error(0, "a name is longer than 1024 bytes"));
    }
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(found) = pattern[at..].find(['[', ']']) {
        let open = at + found;
        if pattern[open..].starts_with(']') {
            return Err(error(open, "`]` without `[`"));
        }
        let Some(length) = pattern[open..].find(']') else {
            return Err(error(open, "`[` without `]`"));
        };
        parts.push(Part::Literal(&pattern[at..open]));
        let inside = &pattern[open + 1..open + length];
        parts.push(Part::Numbers(parse_numbers(inside, base + open + 1)?));
        at = open + length + 1;
    }
    parts.push(Part::Literal(&pattern[at..]));
    Ok(parts)
}

fn parse_numbers(inside: &str, base: usize) -> Result<Vec<Numbers>, RangeError> {
    let mut at = base;
    inside
        .split(',')
        .map(|item| {
            let numbers = parse_item(item).map_err(|reason| RangeError { at, reason });
            at += item.len() + 1;
            numbers
        })
        .collect()
}

fn parse_item(item: &str) -> Result<Numbers, String> {
    let (bounds, step) = match item.split_once('/') {
        Some((bounds, step)) => (bounds, number(step)?),
        None => match item.match_indices(':').nth(1) {
            Some((at, _)) => (&item[..at], number(&item[at + 1..])?),
            None => (item, 1),
        },
    };
    let (first, last) = bounds.split_once(['-', ':']).unwrap_or((bounds, bounds));
    let width = width_of(first, last)?;
    let numbers = Numbers {
        first: number(first)?,
        last: number(last)?,
        step,
        width,
    };
    if numbers.last < numbers.first {
        return Err(format!("the range `{item}` counts down"));
    }
    if numbers.step == 0 {
        return Err("the step of a range is 0".to_owned());
    }
    Ok(numbers)
}

fn number(text: &str) -> Result<u64, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(format!(
            "brackets hold numbers and ranges of numbers, such as [01-20], not `{text}`"
        ));
    }
    match text.parse() {
        Ok(number) if text.len() <= MOST_DIGITS => Ok(number),
        _ => Err(format!("the number `{text}` is too large")),
    }
}

/// Returns how many digits the numbers have at least. A bound that is padded sets it, and the other must agree.
fn width_of(first: &str, last: &str) -> Result<usize, String> {
    let padded = |text: &str| text.len() > 1 && text.starts_with('0');
    if padded(last) && first.len() != last.len() {
        return Err(format!(
            "`{first}` and `{last}` are padded to different lengths"
        ));
    }
    Ok(if padded(first) || padded(last) {
        first.len()
    } else {
        1
    })
}

fn count(parts: &[Part<'_>]) -> u128 {
    parts.iter().fold(1, |product, part| match part {
        Part::Literal(_) => product,
        Part::Numbers(numbers) => {
            let sum: u128 = numbers.iter().map(Numbers::count).sum();
            product.saturating_mul(sum)
        }
    })
}

fn names(parts: &[Part<'_>]) -> Vec<String> {
    parts
        .iter()
        .fold(vec![String::new()], |names, part| match part {
            Part::Literal(text) => names.into_iter().map(|name| name + text).collect(),
            Part::Numbers(numbers) => names
                .iter()
                .flat_map(|name| {
                    let texts = numbers.iter().flat_map(Numbers::texts);
                    texts.map(move |text| format!("{name}{text}"))
                })
                .collect(),
        })
}

impl Numbers {
    fn count(&self) -> u128 {
        u128::from((self.last - self.first) / self.step) + 1
    }

    fn texts(&self) -> impl Iterator<Item = String> {
        let (first, step, width) = (self.first, self.step, self.width);
        let n_steps = (self.last - first) / step;
        (0..=n_steps).map(move |index| format!("{:0width$}", first + index * step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stand_for_names() {
        for (text, expected) in [
            ("web", "web"),
            ("node[08-11]", "node08 node09 node10 node11"),
            ("node[8-11]", "node8 node9 node10 node11"),
            ("n[1,3,5-9/2]x", "n1x n3x n5x n7x n9x"),
            ("www[01:03]", "www01 www02 www03"),
            ("www[01:05:2]", "www01 www03 www05"),
            ("dc[1-2]n[01-02]", "dc1n01 dc1n02 dc2n01 dc2n02"),
            ("a,b[1-2],c", "a b1 b2 c"),
            ("n[0-1]", "n0 n1"),
            ("n[099-100]", "n099 n100"),
            ("n[99-101]", "n99 n100 n101"),
            ("n[5]", "n5"),
        ] {
            assert_eq!(expand(text).unwrap().join(" "), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused_at_its_place() {
        for (text, at, reason) in [
            ("", 0, "a name is missing"),
            ("a,,b", 2, "a name is missing"),
            ("a[1-2", 1, "`[` without `]`"),
            ("a1]", 2, "`]` without `[`"),
            (
                "a[]",
                2,
                "brackets hold numbers and ranges of numbers, such as [01-20], not ``",
            ),
            (
                "a[1,b]",
                4,
                "brackets hold numbers and ranges of numbers, such as [01-20], not `b`",
            ),
            (
                "a[a:f]",
                2,
                "brackets hold numbers and ranges of numbers, such as [01-20], not `a`",
            ),
            ("a[5-1]", 2, "the range `5-1` counts down"),
            ("a[1-5/0]", 2, "the step of a range is 0"),
            (
                "a[8-011]",
                2,
                "`8` and `011` are padded to different lengths",
            ),
            (
                "a[0-9999999999]",
                0,
                "this stands for 10000000000 names, more than 100000",
            ),
            (
                "a[1-400]b[1-400]",
                0,
                "this stands for 160000 names, more than 100000",
            ),
            (
                "a[1-9999999999999999999]",
                2,
                "the number `9999999999999999999` is too large",
            ),
        ] {
            let error = expand(text).unwrap_err();
            assert_eq!((error.at, error.reason.as_str()), (at, reason), "{text}");
        }
    }
}
