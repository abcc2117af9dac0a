//! The limits a schema sets on a value of the right kind: ranges, lengths, grammars.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Field, Leaf, complaint};
use crate::diagnostic::Diagnostic;
use crate::name;
use crate::source::Span;
use crate::spec::{Node, merge};

/// Checks the range of a whole number.
pub(super) fn integer(field: &Field<'_>, value: i64, leaf: &Leaf) -> Option<Diagnostic> {
    let format = leaf.get("format").and_then(Json::as_str).unwrap_or("");
    let (format_least, format_most) = range_of(format);
    let least = bound(leaf, "minimum").or(format_least);
    let most = bound(leaf, "maximum").or(format_most);
    let value = i128::from(value);
    let fits = least.is_none_or(|least| least <= value) && most.is_none_or(|most| value <= most);
    if fits {
        return None;
    }
    let wanted = match (least, most) {
        (Some(least), Some(most)) => format!("between {least} and {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => return None,
    };
    let message = format!("`{}` is {value}, and must be {wanted}", field.name);
    let code = complaint::code_of_format(format, "").unwrap_or("E125");
    Some(Diagnostic::error(code, field.node.span, message))
}

/// Checks the length and the grammar of a text.
pub(super) fn text(field: &Field<'_>, text: &str, leaf: &Leaf) -> Option<Diagnostic> {
    let length = text.chars().count() as i128;
    let span = field.node.span;
    if bound(leaf, "minLength").is_some_and(|least| length < least) {
        return Some(complaint::empty(field));
    }
    if let Some(most) = bound(leaf, "maxLength").filter(|most| length > *most) {
        let message = format!("`{}` is longer than {most} characters", field.name);
        return Some(Diagnostic::error("E118", span, message));
    }
    let format = leaf.get("format").and_then(Json::as_str)?;
    let error = name::check_format(format, text).err()?;
    let code = complaint::code_of_format(format, text).unwrap_or("E127");
    let diagnostic = Diagnostic::error(code, span, error.reason);
    Some(match error.help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    })
}

/// Checks the length of a list and that nothing stands twice where that is not allowed.
pub(super) fn list(field: &Field<'_>, items: &[Node], leaf: &Leaf) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let length = items.len() as i128;
    if let Some(least) = bound(leaf, "minItems").filter(|least| length < *least) {
        found.push(match length {
            0 => complaint::empty(field),
            _ => count(field, &format!("at least {least}")),
        });
    }
    if let Some(most) = bound(leaf, "maxItems").filter(|most| length > *most) {
        found.push(count(field, &format!("at most {most}")));
    }
    if leaf.get("uniqueItems") == Some(&Json::Bool(true)) {
        found.extend(repeated(field, items));
    }
    found
}

fn count(field: &Field<'_>, wanted: &str) -> Diagnostic {
    let message = format!("`{}` must have {wanted} items", field.name);
    Diagnostic::error("E129", field.place, message)
}

fn repeated(field: &Field<'_>, items: &[Node]) -> Vec<Diagnostic> {
    let mut first: BTreeMap<String, Span> = BTreeMap::new();
    let mut found = Vec::new();
    for item in items {
        let content = merge::content(item);
        match first.get(&content) {
            Some(place) => found.push(
                Diagnostic::error(
                    "E105",
                    item.span,
                    format!("`{}` lists this twice", field.name),
                )
                .related(*place, "listed here first"),
            ),
            None => {
                first.insert(content, item.span);
            }
        }
    }
    found
}

fn bound(leaf: &Leaf, keyword: &str) -> Option<i128> {
    let number = leaf.get(keyword)?;
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(value), _, _) => Some(i128::from(value)),
        (None, Some(value), _) => Some(i128::from(value)),
        (None, None, Some(value)) if value.abs() < 1e18 => Some(value as i128),
        (None, None, _) => None,
    }
}

fn range_of(format: &str) -> (Option<i128>, Option<i128>) {
    let unsigned = |most: u64| (Some(0), Some(i128::from(most)));
    match format {
        "uint8" => unsigned(u64::from(u8::MAX)),
        "uint16" => unsigned(u64::from(u16::MAX)),
        "uint32" => unsigned(u64::from(u32::MAX)),
        "uint64" | "uint" => (Some(0), None),
        "int8" => (Some(i8::MIN.into()), Some(i8::MAX.into())),
        "int16" => (Some(i16::MIN.into()), Some(i16::MAX.into())),
        "int32" => (Some(i32::MIN.into()), Some(i32::MAX.into())),
        _ => (None, None),
    }
}
