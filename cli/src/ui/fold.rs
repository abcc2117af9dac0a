//! Many host names as one: `worker[01-18,20-23]`.

use std::collections::BTreeMap;

/// Folds names that differ in their last number only; the others stand by themselves, in the order given.
pub(crate) fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut order: Vec<(&str, &str)> = Vec::new();
    let mut numbers: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for name in names {
        let (before, digits, after) = split(name);
        let digits_of = numbers.entry((before, after)).or_insert_with(|| {
            order.push((before, after));
            Vec::new()
        });
        digits_of.push(digits);
    }
    let folded = order.iter().map(|key| join(*key, &numbers[key]));
    folded.collect::<Vec<_>>().join(",")
}

/// Splits a name around its last number that is short enough to count with.
fn split(name: &str) -> (&str, &str, &str) {
    let Some(end) = name
        .rfind(|c: char| c.is_ascii_digit())
        .map(|last| last + 1)
    else {
        return (name, "", "");
    };
    let start = name[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |last| last + 1);
    match end - start {
        0..=18 => (&name[..start], &name[start..end], &name[end..]),
        _ => (name, "", ""),
    }
}

fn join((before, after): (&str, &str), digits: &[&str]) -> String {
    match digits {
        [only] => format!("{before}{only}{after}"),
        _ => format!("{before}[{}]{after}", ranges(digits)),
    }
}

fn ranges(digits: &[&str]) -> String {
    let mut ranges: Vec<(&str, &str)> = Vec::new();
    for text in digits {
        match ranges.last_mut() {
            Some((first, last)) if follows(first, last, text) => *last = text,
            _ => ranges.push((text, text)),
        }
    }
    let text = ranges.iter().map(|(first, last)| match first == last {
        true => (*first).to_owned(),
        false => format!("{first}-{last}"),
    });
    text.collect::<Vec<_>>().join(",")
}

/// Whether a number comes after a range, written as wide as the range's first.
fn follows(first: &str, last: &str, next: &str) -> bool {
    let width = first.len();
    last.parse::<u64>()
        .is_ok_and(|last| format!("{:0width$}", last + 1) == next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_by_their_last_number() {
        for (names, folded) in [
            ("node1", "node1"),
            ("node01 node02 node03", "node[01-03]"),
            ("node1 node2 node4", "node[1-2,4]"),
            ("node8 node9 node10", "node[8-10]"),
            ("node08 node09 node10", "node[08-10]"),
            ("node9 node010", "node[9,010]"),
            (
                "db web1 web2 db1.example db2.example",
                "db,web[1-2],db[1-2].example",
            ),
            ("a99999999999999999999 b", "a99999999999999999999,b"),
        ] {
            assert_eq!(fold(names.split(' ')), folded);
        }
    }
}
