//! Several NodeSpecs that select one host become one: maps join, lists append, and what disagrees is an error that names
//! both places.

use std::collections::BTreeMap;

use super::{Entry, Node, Value};
use crate::diagnostic::{Diagnostic, Problems};
use crate::source::Span;

/// Fields that tell what an item of a list is about.
const IDENTIFYING: [&str; 2] = ["path", "name"];

/// The sections of several NodeSpecs as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MergedSpec {
    /// The sections by name.
    pub sections: BTreeMap<String, Node>,
    /// The names of the NodeSpecs, in the order they were read.
    pub specs: Vec<String>,
}

impl MergedSpec {
    /// Merges the sections of a NodeSpec in.
    pub fn add(&mut self, spec: &str, sections: &BTreeMap<String, Node>, problems: &mut Problems) {
        self.specs.push(spec.to_owned());
        for (name, node) in sections {
            match self.sections.get_mut(name) {
                Some(base) => merge(name, base, node, problems),
                None => {
                    self.sections.insert(name.clone(), node.clone());
                }
            }
        }
    }
}

/// Returns what a tree says as text, without places and without the order of its keys.
pub(super) fn content(node: &Node) -> String {
    let mut text = String::new();
    write_content(node, &mut text);
    text
}

fn write_content(node: &Node, text: &mut String) {
    match &node.value {
        Value::Null => text.push('~'),
        Value::Bool(value) => text.push_str(&value.to_string()),
        Value::Integer(value) => text.push_str(&value.to_string()),
        Value::Float(raw) => text.push_str(raw),
        Value::String(value) => text.push_str(&format!("{value:?}")),
        Value::List(items) => {
            text.push('[');
            for item in items {
                write_content(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Map(entries) => {
            let sorted: BTreeMap<&str, &Node> = entries
                .iter()
                .map(|entry| (entry.key.as_str(), &entry.node))
                .collect();
            text.push('{');
            for (key, node) in sorted {
                text.push_str(&format!("{key:?}:"));
                write_content(node, text);
                text.push(',');
            }
            text.push('}');
        }
    }
}

fn merge(path: &str, base: &mut Node, other: &Node, problems: &mut Problems) {
    match (&mut base.value, &other.value) {
        (_, Value::Null) => {}
        (Value::Null, _) => *base = other.clone(),
        (Value::Map(entries), Value::Map(others)) => merge_maps(path, entries, others, problems),
        (Value::List(items), Value::List(others)) => merge_lists(path, items, others, problems),
        (one, two) if one == two => {}
        _ => problems.push(conflict(path, base, other)),
    }
}

fn merge_maps(path: &str, entries: &mut Vec<Entry>, others: &[Entry], problems: &mut Problems) {
    let index: BTreeMap<String, usize> = entries
        .iter()
        .enumerate()
        .map(|(index, entry)| (entry.key.clone(), index))
        .collect();
    for other in others {
        match index.get(&other.key) {
            Some(index) => {
                let below = format!("{path}.{}", other.key);
                merge(&below, &mut entries[*index].node, &other.node, problems);
            }
            None => entries.push(other.clone()),
        }
    }
}

fn merge_lists(path: &str, items: &mut Vec<Node>, others: &[Node], problems: &mut Problems) {
    let mut contents: BTreeMap<String, Span> = BTreeMap::new();
    let mut identities: BTreeMap<(&str, String), Span> = BTreeMap::new();
    for item in &*items {
        contents.insert(content(item), item.span);
        identities.extend(identity(item).map(|identity| (identity, item.span)));
    }
    let mut added = Vec::new();
    for other in others {
        if contents.contains_key(&content(other)) {
            continue;
        }
        if let Some(identity) = identity(other)
            && let Some(place) = identities.get(&identity)
        {
            let message = format!("`{path}` already holds a different `{}`", identity.1);
            problems
                .push(Diagnostic::error("E201", other.span, message).related(*place, "it is here"));
            continue;
        }
        added.push(other.clone());
    }
    items.extend(added);
}

/// Returns the field and the text that tell what an item is about.
fn identity(item: &Node) -> Option<(&'static str, String)> {
    IDENTIFYING
        .into_iter()
        .find_map(|field| item.get(field)?.text().map(|text| (field, text.to_owned())))
}

fn conflict(path: &str, base: &Node, other: &Node) -> Diagnostic {
    let message = format!(
        "`{path}` is {} here and {} elsewhere",
        words(other),
        words(base)
    );
    Diagnostic::error("E201", other.span, message)
        .related(base.span, format!("{} here", words(base)))
}

fn words(node: &Node) -> String {
    match &node.value {
        Value::Null => "empty".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Integer(value) => format!("`{value}`"),
        Value::Float(raw) => format!("`{raw}`"),
        Value::String(text) if text.len() <= 60 && !text.contains('\n') => format!("{text:?}"),
        Value::String(_) => "a text".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;
    use crate::spec::testing::{lines, show};
    use crate::spec::yaml;

    /// Merges the documents of a text, each a map of sections.
    fn merged(text: &str) -> (String, Vec<String>) {
        let mut sources = Sources::default();
        let source = sources.add("a.yaml", text);
        let mut problems = Problems::default();
        let mut spec = MergedSpec::default();
        for document in yaml::parse(&sources, source, &mut problems) {
            let sections = document
                .entries()
                .iter()
                .map(|entry| (entry.key.clone(), entry.node.clone()))
                .collect();
            spec.add("spec", &sections, &mut problems);
        }
        let shown: Vec<String> = spec
            .sections
            .iter()
            .map(|(name, node)| format!("{name}={}", show(node)))
            .collect();
        (shown.join(" "), lines(&sources, problems))
    }

    #[test]
    fn what_agrees_is_joined() {
        for (text, expected) in [
            (
                "a: {x: 1}\n---\na: {y: {z: 2}}\nb: 3\n---\na: {y: {q: 1}}",
                "a={x: 1, y: {z: 2, q: 1}} b=3",
            ),
            ("a: {x: 1}\n---\na: {x: 1}", "a={x: 1}"),
            ("a: [1, x]\n---\na: [x, 2]", r#"a=[1, "x", 2]"#),
            ("a:\n---\na: [1]\n---\na:\n", "a=[1]"),
            (
                "f: [{path: /a, mode: m}]\n---\nf: [{mode: m, path: /a}, {path: /b}]",
                r#"f=[{path: "/a", mode: "m"}, {path: "/b"}]"#,
            ),
        ] {
            assert_eq!(merged(text), (expected.to_owned(), vec![]), "{text}");
        }
    }

    #[test]
    fn what_disagrees_names_both_places() {
        for (text, expected) in [
            (
                "a: {x: {y: 1}}\n---\na: {x: {y: 2}}",
                "3:12 E201 `a.x.y` is `2` here and `1` elsewhere",
            ),
            (
                "a: \"1\"\n---\na: 1",
                "3:4 E201 `a` is `1` here and \"1\" elsewhere",
            ),
            (
                "a: {x: 1}\n---\na: [1]",
                "3:4 E201 `a` is a list here and a map elsewhere",
            ),
            (
                "f: [{path: /a, mode: m}]\n---\nf: [{path: /a}]",
                "3:5 E201 `f` already holds a different `/a`",
            ),
        ] {
            assert_eq!(merged(text).1, [expected], "{text}");
        }
    }
}
