//! The words of the complaints about a value that does not fit its schema.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::kind::{self, Kind};
use super::{Field, Leaf, ONE_OF};
use crate::diagnostic::Diagnostic;
use crate::name::FileMode;
use crate::source::Span;
use crate::spec::suggest::{nearest, one_of};
use crate::spec::{Entry, Value, scalar};

/// Complains about a field that does not exist.
pub(crate) fn unknown_field(name: &str, span: Span, known: &[&str]) -> Diagnostic {
    let problem = Diagnostic::error("E119", span, format!("unknown field `{name}`"));
    suggest(problem, name, known)
}

/// Complains about a text that is none of those listed.
pub(crate) fn unknown_value(field: &str, text: &str, span: Span, known: &[&str]) -> Diagnostic {
    let message = format!("`{field}` cannot be {text:?}");
    suggest(Diagnostic::error("E128", span, message), text, known)
}

/// Complains about a field that must be there.
pub(crate) fn missing(name: &str, parent: &str, place: Span) -> Diagnostic {
    Diagnostic::error(
        "E122",
        place,
        format!("`{parent}` lacks the field `{name}`"),
    )
}

/// Complains about a field that every document must have.
pub(crate) fn missing_in_document(name: &str, place: Span) -> Diagnostic {
    Diagnostic::error(
        "E122",
        place,
        format!("the document lacks the field `{name}`"),
    )
}

/// Complains about a field without a value.
pub(super) fn empty(field: &Field<'_>) -> Diagnostic {
    Diagnostic::error("E115", field.place, format!("`{}` is empty", field.name))
}

/// Complains about a map that has none of the keys of which it must have one.
pub(super) fn none_of(field: &Field<'_>, names: &BTreeSet<&str>) -> Diagnostic {
    Diagnostic::error(
        "E126",
        field.place,
        format!("`{}` must choose one", field.name),
    )
    .help(format!("write one of {}", one_of(names.iter().copied())))
}

/// Complains about a map that has two of the keys of which it must have one.
pub(super) fn several_of(field: &Field<'_>, first: &Entry, second: &Entry) -> Diagnostic {
    let message = format!(
        "`{}` must choose one, and has both `{}` and `{}`",
        field.name, first.key, second.key
    );
    Diagnostic::error("E126", second.key_span, message)
        .related(first.key_span, format!("`{}` is set here", first.key))
}

/// Complains about a value of a kind that no alternative accepts.
pub(super) fn wrong_kind(field: &Field<'_>, leaves: &[&Leaf]) -> Diagnostic {
    let wants = |kind| {
        leaves
            .iter()
            .any(|leaf| kind::accepted(leaf).contains(&kind))
    };
    match &field.node.value {
        Value::Null => {
            let help = format!(
                "expected {}; write it, or remove the field",
                kind::expectation(leaves)
            );
            empty(field).help(help)
        }
        Value::Integer(_) | Value::Float(_) if wants_file_mode(leaves) => unquoted_mode(field),
        Value::Bool(_) if wants(Kind::Integer) => other(field, leaves),
        Value::Integer(_) | Value::Bool(_) if wants(Kind::String) && !lists_words(leaves) => {
            unquoted(field)
        }
        Value::Float(raw) if wants(Kind::String) || wants(Kind::Integer) => {
            number(field, raw, wants(Kind::String))
        }
        Value::String(text) if wants(Kind::Bool) && !wants(Kind::String) => boolean(field, text),
        _ => other(field, leaves),
    }
}

/// Returns the code of a text that is not in the grammar of a `format`, if it has one of its own.
pub(super) fn code_of_format(format: &str, text: &str) -> Option<&'static str> {
    Some(match format {
        "host-name" if text.starts_with('-') || text.contains("://") => "E301",
        "host-name" => "E302",
        "user-name" => "E303",
        "port" => "E304",
        "absolute-path" if text.starts_with('/') => "E204",
        "absolute-path" => "E203",
        "file-mode" => "E207",
        "sysctl-key" => "E212",
        "module-name" => "E216",
        "package-name" | "package-version" => "E228",
        "unit-name" => "E229",
        _ => return None,
    })
}

fn suggest(problem: Diagnostic, name: &str, known: &[&str]) -> Diagnostic {
    match nearest(name, known.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None if known.is_empty() => problem,
        None => problem.help(format!("expected {}", one_of(known.iter().copied()))),
    }
}

fn wants_file_mode(leaves: &[&Leaf]) -> bool {
    leaves
        .iter()
        .any(|leaf| leaf.get("format").and_then(Json::as_str) == Some(FileMode::FORMAT))
}

fn lists_words(leaves: &[&Leaf]) -> bool {
    leaves.iter().any(|leaf| kind::words(leaf).is_some())
}

fn unquoted_mode(field: &Field<'_>) -> Diagnostic {
    let raw = written(&field.node.value);
    let mode = if raw.len() == 3 {
        format!("0{raw}")
    } else {
        raw
    };
    let help = match mode.parse::<FileMode>() {
        Ok(_) => format!("write `{}: \"{mode}\"`", field.name),
        Err(_) => "write four octal digits in quotes, such as \"0644\"".to_owned(),
    };
    let message = format!("`{}` must be an octal text in quotes", field.name);
    Diagnostic::error("E111", field.node.span, message).help(help)
}

fn unquoted(field: &Field<'_>) -> Diagnostic {
    let raw = written(&field.node.value);
    let message = format!("`{}` must be a text in quotes, found `{raw}`", field.name);
    Diagnostic::error("E113", field.node.span, message).help(format!("write \"{raw}\""))
}

fn number(field: &Field<'_>, raw: &str, wants_text: bool) -> Diagnostic {
    if wants_text && scalar::is_plain_fraction(raw) {
        return unquoted(field);
    }
    let message = format!("`{}` is the ambiguous number `{raw}`", field.name);
    let help = match wants_text {
        true => format!("write \"{raw}\" for the text, or a plain decimal number"),
        false => {
            "write a plain decimal number, without leading zero, sign, point or exponent".to_owned()
        }
    };
    Diagnostic::error("E114", field.node.span, message).help(help)
}

fn boolean(field: &Field<'_>, text: &str) -> Diagnostic {
    let message = format!("expected true or false, found the text `{text}`");
    let problem = Diagnostic::error("E112", field.node.span, message);
    match text.to_lowercase().as_str() {
        "true" | "false" => problem.help("remove the quotes"),
        "yes" | "on" | "y" => problem.help("write `true`"),
        "no" | "off" | "n" => problem.help("write `false`"),
        _ => problem,
    }
}

fn other(field: &Field<'_>, leaves: &[&Leaf]) -> Diagnostic {
    let value = &field.node.value;
    let expected = kind::expectation(leaves);
    let found = match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Integer(_) | Value::Float(_) => format!("the number `{}`", written(value)),
        Value::String(text) if text.chars().count() <= 40 => format!("the text {text:?}"),
        Value::String(_) => "a text".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
    };
    let message = format!("`{}`: expected {expected}, found {found}", field.name);
    let span = match value {
        Value::List(_) | Value::Map(_) => field.place,
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::String(_) => {
            field.node.span
        }
    };
    let code = leaves
        .iter()
        .find_map(|leaf| {
            leaf.get("format")
                .and_then(Json::as_str)
                .filter(|format| *format == "port")
        })
        .and_then(|format| code_of_format(format, ""))
        .unwrap_or("E120");
    let problem = Diagnostic::error(code, span, message);
    let help = shape_help(value, &expected).or_else(|| {
        let map = leaves
            .iter()
            .find(|leaf| kind::accepted(leaf).contains(&Kind::Map));
        map.filter(|_| expected == "a map")
            .and_then(|leaf| map_help(field, leaf))
    });
    match help {
        Some(help) => problem.help(help),
        None => problem,
    }
}

/// Returns what a map would look like that says what was meant by one value alone.
fn map_help(field: &Field<'_>, leaf: &Leaf) -> Option<String> {
    let raw = written(&field.node.value);
    let name = &field.name;
    if leaf.get(ONE_OF) == Some(&Json::Bool(true)) {
        let chosen = nearest(&raw, kind::properties(leaf))?;
        return Some(format!("write `{name}: {{ {chosen}: {{}} }}`"));
    }
    let properties = leaf.get("properties")?;
    let required = leaf.get("required").and_then(Json::as_array);
    match (required.map_or(&[][..], Vec::as_slice), &field.node.value) {
        ([], Value::Bool(true)) => Some(format!("write `{name}: {{}}` for its defaults")),
        ([Json::String(only)], Value::Integer(_) | Value::Float(_) | Value::String(_)) => {
            let is_text = properties.pointer(&format!("/{only}/type")) == Some(&"string".into());
            let quoted = match &field.node.value {
                Value::String(_) => raw,
                _ if is_text => format!("\"{raw}\""),
                _ => raw,
            };
            Some(format!("write `{{ {only}: {quoted} }}`"))
        }
        _ => None,
    }
}

fn shape_help(value: &Value, expected: &str) -> Option<String> {
    Some(match value {
        Value::Bool(true) if expected.starts_with("a whole number") => "write `1`".to_owned(),
        Value::Bool(false) if expected.starts_with("a whole number") => "write `0`".to_owned(),
        Value::Map(_) if expected == "a list" => "start each item with `- `".to_owned(),
        Value::List(_) if expected == "a map" => {
            "write `name: value` lines, without `- `".to_owned()
        }
        Value::String(text) if expected == "a list" => format!("write `[{text}]`"),
        Value::String(text) if expected == "a whole number" && text.parse::<i64>().is_ok() => {
            "remove the quotes".to_owned()
        }
        Value::String(text) if expected == "a whole number" => {
            let unit = text
                .find(|c: char| !c.is_ascii_digit())
                .filter(|at| *at > 0)?;
            format!("write a number without a unit, such as `{}`", &text[..unit])
        }
        _ => return None,
    })
}

fn written(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(raw) | Value::String(raw) => raw.clone(),
        Value::Null | Value::List(_) | Value::Map(_) => String::new(),
    }
}
