//! Complaints about YAML itself, in words for people who did not write the parser.

use saphyr_parser::Tag;

use super::Value;
use super::lines::Lines;
use super::yaml::DEEPEST;
use crate::diagnostic::Diagnostic;
use crate::source::{SourceId, Span};

/// Where the parser stopped.
pub(super) struct Place<'a, 'text> {
    pub(super) source: SourceId,
    pub(super) lines: &'a Lines<'text>,
    pub(super) at: usize,
    /// The innermost list or map in brackets that is open.
    pub(super) open: Option<Span>,
}

/// Turns an error of the parser into a complaint.
pub(super) fn explain(info: &str, place: &Place<'_, '_>) -> Diagnostic {
    let span = Span {
        source: place.source,
        start: place.at,
        end: place.at,
    };
    let (_, rest) = place.lines.around(place.at);
    if let Some(tab) = place.lines.indenting_tab(place.at) {
        return Diagnostic::error(
            "E104",
            Span {
                start: tab,
                end: tab + 1,
                ..span
            },
            "a tab is used for indentation",
        )
        .help("indent with spaces");
    }
    if info.contains("recursion limit") {
        return too_deep(span);
    }
    if info.contains("unknown anchor") || info.contains("scanning an anchor or alias") {
        return alias(span);
    }
    if info.contains("quoted scalar, found unexpected end of stream") {
        return Diagnostic::error(
            "E110",
            span,
            "the text in quotes that starts here is never closed",
        )
        .help("close it with the same quote");
    }
    if let Some(open) = place.open.filter(|_| is_unclosed(info, rest)) {
        return unclosed(span, open, place);
    }
    if info.contains("mapping values are not allowed") {
        return Diagnostic::error("E110", span, "a `:` is not expected here")
            .help("put a text that holds `: ` in quotes, and start each field on its own line, aligned with the others");
    }
    if rest.starts_with(['@', '`', '%']) {
        let word = rest
            .split([' ', '\n', '\r', ',', ']', '}'])
            .next()
            .unwrap_or(rest);
        return Diagnostic::error(
            "E110",
            span,
            format!("a text may not start with {:?}", &rest[..1]),
        )
        .help(format!("put it in quotes: \"{word}\""));
    }
    let words = plain_words(info);
    let problem = Diagnostic::error("E110", span, format!("this is not YAML: {words}"));
    match words.contains("expected key") || words.contains("'-' indicator") {
        true => problem.help("check the indentation: it differs from the lines above it"),
        false => problem,
    }
}

fn is_unclosed(info: &str, rest: &str) -> bool {
    rest.trim().is_empty()
        || info.contains("while parsing a flow")
        || info.contains("illegal placement of ':'")
        || info.contains("invalid indentation in flow")
}

/// Complains about an anchor, an alias or what looks like one.
pub(super) fn alias(span: Span) -> Diagnostic {
    Diagnostic::error("E106", span, "anchors and aliases are not allowed")
        .help("write the value out; a text that starts with `*` or `&` needs quotes")
}

/// Complains about a merge key.
pub(super) fn merge_key(span: Span) -> Diagnostic {
    Diagnostic::error("E106", span, "merge keys are not allowed")
        .help("write the fields out, or use a second NodeSpec that selects the same hosts")
}

/// Complains about a tag.
pub(super) fn tag(tag: &Tag, span: Span) -> Diagnostic {
    let written = if tag.is_yaml_core_schema() {
        format!("!!{}", tag.suffix)
    } else {
        format!("{}{}", tag.handle, tag.suffix)
    };
    Diagnostic::error("E108", span, format!("the tag `{written}` is not allowed"))
        .help("remove it; a text that starts with `!` needs quotes")
}

/// Complains about a key that stands twice in one map.
pub(super) fn duplicate(key: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("E105", span, format!("`{key}` is already set"))
        .related(first, "set here first")
}

/// Complains about nesting beyond the budget.
pub(super) fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error("E107", span, format!("nested deeper than {DEEPEST} levels"))
}

/// Complains about a key that is not a text.
pub(super) fn not_a_key(value: &Value, written: &str, span: Span) -> Diagnostic {
    match value {
        Value::List(_) | Value::Map(_) => {
            Diagnostic::error("E116", span, "a key must be plain text")
        }
        Value::Null => Diagnostic::error("E116", span, "a key is empty"),
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::String(_) => {
            Diagnostic::error("E116", span, format!("the key `{written}` is not a text"))
                .help(format!("put it in quotes: \"{written}\""))
        }
    }
}

fn unclosed(span: Span, open: Span, place: &Place<'_, '_>) -> Diagnostic {
    let start = Span {
        end: open.start + 1,
        ..open
    };
    let (what, bracket) = match place.lines.slice(start) {
        "{" => ("map", '}'),
        _ => ("list", ']'),
    };
    let read = place.lines.slice(Span {
        end: place.at,
        ..open
    });
    let help = match read.contains("${") {
        true => "inside brackets, a text with `${...}` needs quotes".to_owned(),
        false => format!("expected `,` or `{bracket}`"),
    };
    Diagnostic::error(
        "E110",
        start,
        format!("the {what} that starts here is not closed"),
    )
    .related(span, "read up to here")
    .help(help)
}

/// Drops the parser's own circumstance, as in "while parsing a block mapping, did not find expected key".
fn plain_words(info: &str) -> &str {
    match info.split_once(", ") {
        Some((circumstance, what)) if circumstance.starts_with("while ") => what,
        _ => info,
    }
}
