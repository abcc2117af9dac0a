//! What a host's merged spec comes to with its defaults filled in, each with where it was written or why it is so.

use std::collections::BTreeMap;

use schemars::Schema;
use serde_json::Value as Json;

use crate::complete::implied;
use crate::facts::Os;
use crate::resource::{Filled, Implied, Provider, Sections};
use crate::source::Position;
use crate::spec::{Node, Value};

/// A value of an effective spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effective {
    /// A value without parts, in JSON, and where it comes from.
    Leaf(Json, Origin),
    /// A map, in the order it was written, defaults last.
    Map(Vec<(String, Self)>),
    /// A list.
    List(Vec<Self>),
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was written.
    Written(Position),
    /// It was filled in, and why.
    Default(String),
}

/// Returns the sections of a host with the defaults of all that they name.
pub fn effective(sections: &Sections<'_>, os: Os, providers: &[Box<dyn Provider>]) -> Effective {
    let filled: Vec<Filled> = providers
        .iter()
        .flat_map(|provider| provider.defaults(sections, os))
        .collect();
    let schemas: Vec<_> = providers
        .iter()
        .flat_map(|provider| provider.sections())
        .collect();
    let written = sections.all.iter().map(|(name, node)| {
        let schema = schemas.iter().find(|section| section.name == name);
        let fill = Fill {
            sections,
            filled: &filled,
            os,
        };
        let schema = schema.map(|section| Schema::as_value(&section.schema));
        (name.clone(), fill.node(name, node, schema))
    });
    let mut all: BTreeMap<String, Effective> = written.collect();
    for implied in implied(sections, os, providers) {
        add(&mut all, implied);
    }
    Effective::Map(all.into_iter().collect())
}

/// Adds an item that follows from another section.
fn add(all: &mut BTreeMap<String, Effective>, implied: Implied) {
    let Implied {
        section,
        key,
        value,
        span: _,
        reason,
    } = implied;
    let leaf = Effective::Leaf(scalar(&value), Origin::Default(reason));
    let section = all
        .entry(section.to_owned())
        .or_insert_with(|| Effective::List(Vec::new()));
    match (key, section) {
        (None, Effective::List(items)) => items.push(leaf),
        (Some(key), Effective::Map(entries)) => entries.push((key, leaf)),
        (Some(key), section) => *section = Effective::Map(vec![(key, leaf)]),
        (None, section) => *section = Effective::List(vec![leaf]),
    }
}

/// Returns a value without parts in JSON. What is implied has none.
fn scalar(value: &Value) -> Json {
    match value {
        Value::Null | Value::List(_) | Value::Map(_) => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Float(text) | Value::String(text) => text.as_str().into(),
    }
}

/// Fills in defaults.
struct Fill<'a> {
    sections: &'a Sections<'a>,
    filled: &'a [Filled],
    os: Os,
}

impl Fill<'_> {
    fn node(&self, path: &str, node: &Node, schema: Option<&Json>) -> Effective {
        let written = || Origin::Written(self.sections.sources.position(node.span));
        match &node.value {
            Value::Map(_) => self.map(path, node, schema),
            Value::Null if schema.is_some_and(has_fields) => self.map(path, node, schema),
            Value::List(items) => {
                let items_schema = schema.and_then(|schema| part(schema, "items"));
                let item = |item: &Node| self.node(&format!("{path}[]"), item, items_schema);
                Effective::List(items.iter().map(item).collect())
            }
            value => Effective::Leaf(scalar(value), written()),
        }
    }

    fn map(&self, path: &str, node: &Node, schema: Option<&Json>) -> Effective {
        let fields = schema.and_then(|schema| part(schema, "properties"));
        let others = schema.and_then(|schema| part(schema, "additionalProperties"));
        let mut parts: Vec<(String, Effective)> = Vec::new();
        for entry in node.entries() {
            let below = fields.and_then(|fields| fields.get(&entry.key)).or(others);
            let value = self.node(&format!("{path}.{}", entry.key), &entry.node, below);
            parts.push((entry.key.clone(), value));
        }
        for (name, field) in fields.and_then(Json::as_object).into_iter().flatten() {
            if node.get(name).is_none()
                && let Some(default) = self.default(&format!("{path}.{name}"), field)
            {
                parts.push((name.clone(), default));
            }
        }
        Effective::Map(parts)
    }

    /// Returns what an absent field comes to: what its provider says, or else what its schema says.
    fn default(&self, path: &str, field: &Json) -> Option<Effective> {
        if let Some(filled) = self.filled.iter().find(|filled| filled.path == path) {
            let origin = Origin::Default(filled.reason.clone());
            return Some(Effective::Leaf(filled.value.clone(), origin));
        }
        // Schemas speak of Linux.
        let value = field.get("default").filter(|_| self.os == Os::Linux)?;
        let is_nothing = match value {
            Json::Null => true,
            Json::Array(items) => items.is_empty(),
            Json::Object(_) => return None,
            Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
        };
        let description = field.get("description").and_then(Json::as_str);
        let reason = first_sentence(description.unwrap_or_default());
        (!is_nothing).then(|| Effective::Leaf(value.clone(), Origin::Default(reason)))
    }
}

/// Returns a part of a schema, also behind alternatives.
fn part<'a>(schema: &'a Json, name: &str) -> Option<&'a Json> {
    if let Some(part) = schema.get(name).filter(|part| !part.is_boolean()) {
        return Some(part);
    }
    ["anyOf", "oneOf", "allOf"]
        .into_iter()
        .filter_map(|keyword| schema.get(keyword)?.as_array())
        .flatten()
        .find_map(|branch| part(branch, name))
}

fn has_fields(schema: &Json) -> bool {
    part(schema, "properties").is_some()
}

/// Returns the first sentence on one line, without its full stop.
fn first_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = text.find(". ").unwrap_or(text.trim_end_matches('.').len());
    text[..end].to_owned()
}
