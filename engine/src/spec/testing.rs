//! What the tests of this stage share: complaints as one line each, and trees as text.

use super::{Node, Value};
use crate::diagnostic::Problems;
use crate::source::Sources;

/// Returns the complaints as `line:column code message`, in the order of their places.
pub(crate) fn lines(sources: &Sources, problems: Problems) -> Vec<String> {
    let line = |diagnostic: crate::diagnostic::Diagnostic| {
        let place = diagnostic.span.map_or("-".to_owned(), |span| {
            let position = sources.position(span);
            format!("{}:{}", position.line, position.column)
        });
        format!("{place} {} {}", diagnostic.code, diagnostic.message)
    };
    problems.into_sorted().into_iter().map(line).collect()
}

/// Returns a tree as JSON-like text, without places; numbers that are refused stand as `<1.30>`.
pub(crate) fn show(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(raw) => format!("<{raw}>"),
        Value::String(text) => format!("{text:?}"),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(show).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|entry| format!("{}: {}", entry.key, show(&entry.node)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// Reads a text that is one good document.
pub(crate) fn parse_one(text: &str) -> (Sources, Node) {
    let mut sources = Sources::default();
    let source = sources.add("a.yaml", text);
    let mut problems = Problems::default();
    let mut documents = super::yaml::parse(&sources, source, &mut problems);
    assert_eq!(lines(&sources, problems), Vec::<String>::new(), "{text}");
    (sources, documents.remove(0))
}
