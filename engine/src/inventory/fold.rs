//! Many names as one short text that [`expand`](super::expand) turns back into the same names.

use std::collections::{BTreeMap, BTreeSet};

use super::natural::{natural_cmp, split_part};

/// Longest run of digits that counts as a number.
const MOST_DIGITS: usize = 18;

/// The texts between the numbers of a name; names with the same one fold together.
type Shape = Vec<String>;

/// The numbers of a name, each as written or already folded.
type Numbers = Vec<String>;

/// Folds names into `worker[01-18,20-23]`; groups that do not fold together stand in natural order with commas between.
pub fn fold<T: AsRef<str>>(names: &[T]) -> String {
    let mut shapes: BTreeMap<Shape, BTreeSet<Numbers>> = BTreeMap::new();
    for name in names {
        let (shape, numbers) = split(name.as_ref());
        shapes.entry(shape).or_default().insert(numbers);
    }
    let mut groups: Vec<(String, String)> = shapes
        .into_iter()
        .flat_map(|(shape, numbers)| fold_shape(&shape, numbers))
        .collect();
    groups.sort_by(|(a, _), (b, _)| natural_cmp(a, b));
    let texts: Vec<String> = groups.into_iter().map(|(_, text)| text).collect();
    texts.join(",")
}

fn split(name: &str) -> (Shape, Numbers) {
    let (mut shape, mut numbers) = (vec![String::new()], Vec::new());
    let mut rest = name;
    while !rest.is_empty() {
        let (part, behind) = split_part(rest);
        let is_number = part.len() <= MOST_DIGITS && part.starts_with(|c: char| c.is_ascii_digit());
        match shape.last_mut() {
            Some(text) if !is_number => text.push_str(part),
            _ => {
                numbers.push(part.to_owned());
                shape.push(String::new());
            }
        }
        rest = behind;
    }
    (shape, numbers)
}

/// Returns the texts of one shape, each after the first name it stands for.
fn fold_shape(shape: &Shape, numbers: BTreeSet<Numbers>) -> Vec<(String, String)> {
    let n_numbers = shape.len() - 1;
    let rows: Vec<(Numbers, Numbers)> = numbers
        .into_iter()
        .map(|numbers| (numbers.clone(), numbers))
        .collect();
    (0..n_numbers)
        .rev()
        .fold(rows, fold_column)
        .into_iter()
        .map(|(first, folded)| (join(shape, &first), join(shape, &folded)))
        .collect()
}

/// Folds the rows that agree in all numbers but one.
fn fold_column(rows: Vec<(Numbers, Numbers)>, column: usize) -> Vec<(Numbers, Numbers)> {
    let mut groups: BTreeMap<Numbers, Vec<(Numbers, Numbers)>> = BTreeMap::new();
    for (first, folded) in rows {
        let mut key = folded.clone();
        key[column].clear();
        groups.entry(key).or_default().push((first, folded));
    }
    groups
        .into_values()
        .filter_map(|mut group| {
            group.sort_by(|(_, a), (_, b)| natural_cmp(&a[column], &b[column]));
            let texts: Vec<&str> = group.iter().map(|(_, row)| row[column].as_str()).collect();
            let folded = fold_numbers(&texts);
            let (first, mut row) = group.into_iter().next()?;
            row[column] = folded;
            Some((first, row))
        })
        .collect()
}

/// Folds numbers as written; one alone stays as it is.
fn fold_numbers(texts: &[&str]) -> String {
    if let [only] = texts {
        return (*only).to_owned();
    }
    let widths: BTreeSet<usize> = texts
        .iter()
        .filter(|text| is_padded(text))
        .map(|text| text.len())
        .collect();
    let mut classes: BTreeMap<usize, Vec<(u64, &str)>> = BTreeMap::new();
    for text in texts {
        let value = text.parse().unwrap_or(u64::MAX);
        classes
            .entry(class(text, &widths))
            .or_default()
            .push((value, text));
    }
    let runs: Vec<String> = classes.into_values().flat_map(runs).collect();
    format!("[{}]", runs.join(","))
}

fn is_padded(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0')
}

/// Returns the padding a number belongs to: its own, or the widest padded one that writes it the same.
fn class(text: &str, widths: &BTreeSet<usize>) -> usize {
    match is_padded(text) {
        true => text.len(),
        false => widths
            .range(..=text.len())
            .next_back()
            .copied()
            .unwrap_or(1),
    }
}

/// Returns the runs of consecutive numbers, as `first-last` or the number alone.
fn runs(mut numbers: Vec<(u64, &str)>) -> Vec<String> {
    numbers.sort_unstable();
    numbers
        .chunk_by(|(a, _), (b, _)| a.checked_add(1) == Some(*b))
        .map(|run| match run {
            [(_, first), .., (_, last)] => format!("{first}-{last}"),
            _ => run.iter().map(|(_, text)| *text).collect(),
        })
        .collect()
}

fn join(shape: &Shape, numbers: &[String]) -> String {
    let numbers = numbers.iter().map(String::as_str).chain([""]);
    let parts = shape.iter().map(String::as_str).zip(numbers);
    parts.flat_map(|(text, number)| [text, number]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::expand;

    #[test]
    fn names_fold_into_ranges() {
        for (names, expected) in [
            ("", ""),
            ("web", "web"),
            ("web web", "web"),
            ("w1 w2 w3 w5", "w[1-3,5]"),
            ("w10 w9 w8", "w[8-10]"),
            ("w09 w08 w10 w11", "w[08-11]"),
            ("w1 w01 w2 w02", "w[1-2,01-02]"),
            ("n98 n99 n100", "n[98-100]"),
            ("n01 n99 n100 n02", "n[01-02,99-100]"),
            ("dc1n01 dc1n02 dc2n01 dc2n02", "dc[1-2]n[01-02]"),
            ("dc1n1 dc1n2 dc2n1", "dc1n[1-2],dc2n1"),
            ("web2 db1 web10 cache", "cache,db1,web[2,10]"),
            ("10.0.0.1 10.0.0.2", "10.0.0.[1-2]"),
            ("a1b a2b a1c", "a[1-2]b,a1c"),
        ] {
            let names: Vec<&str> = names.split_whitespace().collect();
            assert_eq!(fold(&names), expected, "{names:?}");
        }
    }

    #[test]
    fn folding_and_expanding_returns_the_same_names() {
        let mut state = 7_u64;
        let mut next = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        for round in 0..300 {
            let mut names: Vec<String> = (0..next(60))
                .map(|_| {
                    let (prefix, width) =
                        (["n", "w-", "", "0x"][next(4) as usize], next(4) as usize);
                    let (one, two) = (next(120), next(4));
                    match next(3) {
                        0 => format!("{prefix}{one:0width$}"),
                        1 => format!("dc{two}{prefix}{one:0width$}"),
                        _ => format!("{prefix}{one:0width$}.r{two}.x"),
                    }
                })
                .collect();
            let folded = fold(&names);
            names.sort();
            names.dedup();
            let mut again = match names.is_empty() {
                true => Vec::new(),
                false => expand(&folded).unwrap(),
            };
            again.sort();
            assert_eq!(again, names, "round {round}: {folded}");
            let mut reversed = names.clone();
            reversed.reverse();
            assert_eq!(
                fold(&reversed),
                folded,
                "the order of the names does not matter"
            );
        }
    }

    #[test]
    fn folding_is_fast() {
        let names: Vec<String> = (0..20_000)
            .map(|n| format!("r{}n{:05}", n % 97, n))
            .collect();
        let start = std::time::Instant::now();
        fold(&names);
        assert!(start.elapsed().as_secs() < 5);
    }
}
