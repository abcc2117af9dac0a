//! What somebody may have meant who wrote a name that does not exist.

/// Returns the candidate that is nearest to a word, if one is near.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .filter(|candidate| {
            is_of_like_length(word, candidate) || is_longer_by_words(word, candidate)
        })
        .map(|candidate| (likeness(word, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= 0.6)
        .max_by(|(a, name_a), (b, name_b)| a.total_cmp(b).then_with(|| name_b.cmp(name_a)))
        .map(|(_, candidate)| candidate)
}

/// Returns `a`, `a or b`, `a, b or c`, each in backticks.
pub(crate) fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    join_or(&quoted)
}

/// Joins phrases with commas and a final `or`.
pub(crate) fn join_or(phrases: &[String]) -> String {
    match phrases {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// Whether the lengths alone leave a chance, so that long texts are not compared letter by letter.
fn is_of_like_length(word: &str, candidate: &str) -> bool {
    word.len() <= 2 * candidate.len() && candidate.len() <= 2 * word.len()
}

/// Whether one is the other and further words, as `timeoutSeconds` is `timeout`.
fn is_longer_by_words(a: &str, b: &str) -> bool {
    let extends = |long: &str, short: &str| {
        long.strip_prefix(short)
            .is_some_and(|tail| tail.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    extends(a, b) || extends(b, a)
}

/// Returns how like two names are, from 0 to 1.
fn likeness(word: &str, candidate: &str) -> f64 {
    match similarity(word, candidate) {
        similarity if is_longer_by_words(word, candidate) => similarity.max(0.75),
        similarity => similarity,
    }
}

fn similarity(word: &str, candidate: &str) -> f64 {
    let (word, candidate) = (word.to_lowercase(), candidate.to_lowercase());
    strsim::normalized_damerau_levenshtein(&word, &candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let names = ["sysctls", "modules", "packages"];
        for (word, expected) in [
            ("sysctl", Some("sysctls")),
            ("Modules", Some("modules")),
            ("pakages", Some("packages")),
            ("runtime", None),
        ] {
            assert_eq!(nearest(word, names), expected, "{word}");
        }
        let fields = ["no", "http", "https", "timeoutSeconds", "noticePeriod"];
        for (word, expected) in [
            ("noProxy", Some("no")),
            ("httpProxy", Some("http")),
            ("timeout", Some("timeoutSeconds")),
            ("note", None),
        ] {
            assert_eq!(nearest(word, fields), expected, "{word}");
        }
        assert_eq!(one_of(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
