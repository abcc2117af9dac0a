//! Variables in texts: `${name}` stands for a value of the host's inventory, `$${` for a literal `${`. There is no logic,
//! no default and no environment; a name that a host does not define is an error at its place.

use std::collections::{BTreeMap, BTreeSet};

use super::suggest::nearest;
use super::{Entry, Node, Value};
use crate::diagnostic::{Diagnostic, Problems};
use crate::source::{Sources, Span};

/// A part of a text.
enum Piece<'a> {
    Text(&'a str),
    /// A variable by name.
    Reference(&'a str),
    /// A `${` that is not followed by a name and `}`.
    Malformed,
}

/// Returns the names of all variables in the texts of a tree.
pub fn used(node: &Node) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for_each_text(node, &mut |_, text| {
        names.extend(pieces(text).into_iter().filter_map(|piece| match piece {
            Piece::Reference(name) => Some(name.to_owned()),
            Piece::Text(_) | Piece::Malformed => None,
        }));
    });
    names
}

/// Puts the values of the variables into the texts of a tree; every place keeps its span.
///
/// An undefined variable is left as it is and reported at its column.
pub fn substitute(
    sources: &Sources,
    node: &Node,
    vars: &BTreeMap<String, String>,
) -> (Node, Problems) {
    let mut problems = Problems::default();
    check(sources, node, &mut problems);
    let known: Vec<&str> = vars.keys().map(String::as_str).collect();
    let undefined = |name: &str| (!vars.contains_key(name)).then(String::new);
    report_undefined(sources, node, &known, &undefined, &mut problems);
    let lookup = |name: &str| vars.get(name).map(String::as_str);
    (replace(node, &lookup), problems)
}

/// Whether a text is one variable and nothing else.
pub(super) fn is_reference(text: &str) -> bool {
    matches!(pieces(text)[..], [Piece::Reference(_)])
}

/// Reports each text with a `${` that is not a variable.
pub(super) fn check(sources: &Sources, node: &Node, problems: &mut Problems) {
    for_each_reference(sources, node, &mut |piece, span| {
        if matches!(piece, Piece::Malformed) {
            problems.push(
                Diagnostic::error("E241", span, "`${` without a variable name and `}`").help(
                    "write `${name}` for a variable of the inventory, or `$${` for a literal `${`",
                ),
            );
        }
    });
}

/// Reports each variable that `undefined` knows to be missing, with what it says about it.
pub(super) fn report_undefined(
    sources: &Sources,
    node: &Node,
    known: &[&str],
    undefined: &dyn Fn(&str) -> Option<String>,
    problems: &mut Problems,
) {
    for_each_reference(sources, node, &mut |piece, span| {
        let Piece::Reference(name) = piece else {
            return;
        };
        let Some(where_) = undefined(name) else {
            return;
        };
        let message = format!("the variable `{name}` is not defined{where_}");
        let problem = Diagnostic::error("E240", span, message);
        problems.push(match nearest(name, known.iter().copied()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help("define it under `vars:` in the inventory"),
        });
    });
}

/// Returns the tree with the variables that are found replaced, and the escapes undone.
pub(super) fn replace<'v>(node: &Node, lookup: &dyn Fn(&str) -> Option<&'v str>) -> Node {
    let value = match &node.value {
        Value::String(text) if text.contains("${") => Value::String(replace_text(text, lookup)),
        Value::List(items) => Value::List(items.iter().map(|item| replace(item, lookup)).collect()),
        Value::Map(entries) => {
            let replaced = entries.iter().map(|entry| Entry {
                key: entry.key.clone(),
                key_span: entry.key_span,
                node: replace(&entry.node, lookup),
            });
            Value::Map(replaced.collect())
        }
        value => value.clone(),
    };
    Node {
        span: node.span,
        value,
    }
}

fn replace_text<'v>(text: &str, lookup: &dyn Fn(&str) -> Option<&'v str>) -> String {
    let mut replaced = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(part) => replaced.push_str(part),
            Piece::Reference(name) => match lookup(name) {
                Some(value) => replaced.push_str(value),
                None => replaced.push_str(&format!("${{{name}}}")),
            },
            Piece::Malformed => replaced.push_str("${"),
        }
    }
    replaced
}

fn references(text: &str) -> impl Iterator<Item = Piece<'_>> {
    pieces(text)
        .into_iter()
        .filter(|piece| !matches!(piece, Piece::Text(_)))
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            pieces.push(Piece::Text(&rest[..at - 1]));
            pieces.push(Piece::Text("${"));
            rest = &rest[at + 2..];
            continue;
        }
        pieces.push(Piece::Text(&rest[..at]));
        let (piece, behind) = reference(&rest[at + 2..]);
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| !matches!(piece, Piece::Text("")));
    pieces
}

/// Splits what stands behind a `${`.
fn reference(behind: &str) -> (Piece<'_>, &str) {
    let end = behind
        .find(|c| !is_name_character(c))
        .unwrap_or(behind.len());
    let (name, rest) = behind.split_at(end);
    match rest.strip_prefix('}') {
        Some(rest) if is_name(name) => (Piece::Reference(name), rest),
        _ => (Piece::Malformed, behind),
    }
}

/// Whether a text is the name of a variable: a letter or `_`, then letters, digits, `_`, `-` and `.`.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(is_name_character)
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Shows each variable and each malformed `${` with its place; what a text repeats is shown once.
fn for_each_reference(sources: &Sources, node: &Node, see: &mut dyn FnMut(&Piece<'_>, Span)) {
    for_each_text(node, &mut |node, text| {
        let places = places(sources, node, text);
        let mut seen = BTreeSet::new();
        for (index, piece) in references(text).enumerate() {
            let (name, length) = match &piece {
                Piece::Reference(name) => (*name, name.len() + 3),
                Piece::Malformed | Piece::Text(_) => ("", 2),
            };
            if seen.insert(name) {
                let at = places.as_ref().and_then(|places| places.get(index));
                let span = at.map(|at| Span {
                    start: node.span.start + at,
                    end: (node.span.start + at + length).min(node.span.end),
                    ..node.span
                });
                see(&piece, span.unwrap_or(node.span));
            }
        }
    });
}

/// Returns the offsets of all `${` of a text from the start of its span, if the text stands in the source as it is.
fn places(sources: &Sources, node: &Node, text: &str) -> Option<Vec<usize>> {
    let source = &sources.file(node.span.source).text;
    let places = openings(source.get(node.span.start..node.span.end)?);
    (places.len() == openings(text).len()).then_some(places)
}

/// Returns the offsets of all `${` that are not escaped.
fn openings(text: &str) -> Vec<usize> {
    text.match_indices("${")
        .map(|(at, _)| at)
        .filter(|at| !text[..*at].ends_with('$'))
        .collect()
}

fn for_each_text<'n>(node: &'n Node, see: &mut dyn FnMut(&'n Node, &'n str)) {
    match &node.value {
        Value::String(text) if text.contains("${") => see(node, text),
        Value::List(items) => items.iter().for_each(|item| for_each_text(item, see)),
        Value::Map(entries) => entries
            .iter()
            .for_each(|entry| for_each_text(&entry.node, see)),
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::testing::{lines, parse_one, show};

    fn check_text(text: &str, expected: &str, problems: &[&str]) {
        let (sources, node) = parse_one(text);
        let vars: BTreeMap<String, String> = [("version", "1.31"), ("rack", "r1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let (replaced, found) = substitute(&sources, &node, &vars);
        assert_eq!(show(&replaced), expected, "{text}");
        assert_eq!(lines(&sources, found), problems, "{text}");
    }

    #[test]
    fn variables_are_put_into_texts() {
        for (text, expected) in [
            ("a: ${version}", r#"{a: "1.31"}"#),
            ("a: [\"x-${rack}-${version}\"]", r#"{a: ["x-r1-1.31"]}"#),
            (
                "a: $${version} $x $$ ${rack}",
                r#"{a: "${version} $x $$ r1"}"#,
            ),
            ("a: 1", "{a: 1}"),
        ] {
            check_text(text, expected, &[]);
        }
    }

    #[test]
    fn undefined_and_malformed_variables_are_reported_at_their_column() {
        let undefined = "E240 the variable `verson` is not defined";
        let malformed = "E241 `${` without a variable name and `}`";
        for (text, expected, problem) in [
            (
                "a: v${verson}",
                r#"{a: "v${verson}"}"#,
                format!("1:5 {undefined}"),
            ),
            (
                "a: \"ö $${x} ${verson}\"",
                r#"{a: "ö ${x} ${verson}"}"#,
                format!("1:13 {undefined}"),
            ),
            (
                "a: |\n  x\n  y ${verson}\n",
                r#"{a: "x\ny ${verson}\n"}"#,
                format!("3:5 {undefined}"),
            ),
            (
                "a: \"\\u00e4${verson}\"",
                r#"{a: "ä${verson}"}"#,
                format!("1:11 {undefined}"),
            ),
            (
                "a: x${HOME:-/root}",
                r#"{a: "x${HOME:-/root}"}"#,
                format!("1:5 {malformed}"),
            ),
            (
                "a: ${rack} ${",
                r#"{a: "r1 ${"}"#,
                format!("1:12 {malformed}"),
            ),
        ] {
            check_text(text, expected, &[&problem]);
        }
    }

    #[test]
    fn used_names_are_collected_once() {
        let (_, node) = parse_one("a: ['${x}', {b: '${y.z}-${x}'}]\nc: $${no}");
        let names: Vec<String> = used(&node).into_iter().collect();
        assert_eq!(names, ["x", "y.z"]);
    }
}
