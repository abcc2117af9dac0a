//! A spec with its defaults filled in, as YAML that can be read again: each value says where it was written, or why it is so.

use engine::effective::{Effective, Origin};
use engine::name::HostName;
use engine::source::Position;
use serde::Serialize;
use serde_json::Value as Json;

use super::json;
use super::text::{DIM, Line};

/// What the specs come to for one host.
#[derive(Debug)]
pub(crate) struct EffectiveSpec<'a> {
    /// The host.
    pub(crate) host: &'a HostName,
    /// The NodeSpecs that select it.
    pub(crate) names: &'a [String],
    /// Their sections.
    pub(crate) spec: Effective,
}

/// A value, as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    path: String,
    value: &'a Json,
    source: Option<&'a Position>,
    reason: Option<&'a str>,
}

/// All values of a host, as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entries<'a> {
    host: &'a HostName,
    specs: &'a [String],
    values: Vec<Entry<'a>>,
}

/// Renders YAML.
pub(crate) fn render(shown: &EffectiveSpec<'_>) -> String {
    let EffectiveSpec { host, names, spec } = shown;
    let mut out = String::new();
    for line in [
        "apiVersion: hardstand.dev/v1alpha1".to_owned(),
        "kind: NodeSpec".to_owned(),
        format!("metadata: {{ name: {} }}", scalar(&names.join("-").into())),
        "spec:".to_owned(),
        format!("  hosts: {}", scalar(&host.as_str().into())),
    ] {
        Line::default().add(&line).end(&mut out);
    }
    parts(&mut out, spec, 2);
    out
}

/// Renders every value with its path.
pub(crate) fn render_json(shown: &EffectiveSpec<'_>) -> String {
    let mut values = Vec::new();
    collect(&mut values, String::new(), &shown.spec);
    json::render(&Entries {
        host: shown.host,
        specs: shown.names,
        values,
    })
}

fn parts(out: &mut String, value: &Effective, indent: usize) {
    match value {
        Effective::Leaf(..) => {}
        Effective::Map(entries) => {
            for (key, value) in entries {
                entry(
                    out,
                    Line::indent(indent)
                        .add(&scalar(&key.as_str().into()))
                        .add(":"),
                    value,
                    indent,
                );
            }
        }
        Effective::List(items) => {
            for item in items {
                entry(out, Line::indent(indent).add("-"), item, indent);
            }
        }
    }
}

fn entry(out: &mut String, head: Line, value: &Effective, indent: usize) {
    match value {
        Effective::Leaf(value, origin) => {
            head.add(" ")
                .add(&scalar(value))
                .paint(DIM, &format!("  # {}", comment(origin)))
                .end(out);
        }
        Effective::Map(entries) if entries.is_empty() => head.add(" {}").end(out),
        Effective::List(items) if items.is_empty() => head.add(" []").end(out),
        Effective::Map(_) | Effective::List(_) => {
            head.end(out);
            parts(out, value, indent + 2);
        }
    }
}

fn comment(origin: &Origin) -> String {
    match origin {
        Origin::Written(place) => format!("{}:{}", place.file, place.line),
        Origin::Default(reason) => format!("default: {reason}"),
    }
}

/// Returns a scalar that YAML reads as it is: plain where that is safe, and else in JSON's quotes.
fn scalar(value: &Json) -> String {
    let Json::String(text) = value else {
        return value.to_string();
    };
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let is_reserved = ["true", "false", "null", "yes", "no", "on", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    match starts && !is_reserved && text.chars().all(is_word) {
        true => text.clone(),
        false => value.to_string(),
    }
}

fn collect<'a>(values: &mut Vec<Entry<'a>>, path: String, value: &'a Effective) {
    let below = |name: &str| match path.is_empty() {
        true => name.to_owned(),
        false => format!("{path}.{name}"),
    };
    match value {
        Effective::Leaf(value, origin) => {
            let (source, reason) = match origin {
                Origin::Written(place) => (Some(place), None),
                Origin::Default(reason) => (None, Some(reason.as_str())),
            };
            values.push(Entry {
                path,
                value,
                source,
                reason,
            });
        }
        Effective::Map(entries) => {
            for (key, value) in entries {
                collect(values, below(key), value);
            }
        }
        Effective::List(items) => {
            for (place, item) in items.iter().enumerate() {
                collect(values, format!("{path}[{place}]"), item);
            }
        }
    }
}
