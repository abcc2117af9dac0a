//! What kind a value is, and which kinds a schema accepts.

use serde_json::Value as Json;

use super::Leaf;
use crate::spec::Value;
use crate::spec::suggest::{join_or, one_of};

/// What a value is, as far as a schema can choose by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Integer,
    Float,
    String,
    List,
    Map,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Null,
        Self::Bool,
        Self::Integer,
        Self::Float,
        Self::String,
        Self::List,
        Self::Map,
    ];

    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Integer(_) => Self::Integer,
            Value::Float(_) => Self::Float,
            Value::String(_) => Self::String,
            Value::List(_) => Self::List,
            Value::Map(_) => Self::Map,
        }
    }

    fn of_type(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "boolean" => Self::Bool,
            "integer" | "number" => Self::Integer,
            "string" => Self::String,
            "array" => Self::List,
            "object" => Self::Map,
            _ => return None,
        })
    }

    fn of_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(_) => Self::Bool,
            Json::Number(_) => Self::Integer,
            Json::String(_) => Self::String,
            Json::Array(_) => Self::List,
            Json::Object(_) => Self::Map,
        }
    }
}

/// Returns the kinds that a schema without alternatives accepts.
pub(super) fn accepted(leaf: &Leaf) -> Vec<Kind> {
    match leaf.get("type") {
        Some(Json::String(name)) => Kind::of_type(name).into_iter().collect(),
        Some(Json::Array(names)) => names
            .iter()
            .filter_map(Json::as_str)
            .filter_map(Kind::of_type)
            .collect(),
        _ => match (listed(leaf), leaf.contains_key("properties")) {
            (Some(values), _) => values.into_iter().map(Kind::of_json).collect(),
            (None, true) => vec![Kind::Map],
            (None, false) => Kind::ALL.to_vec(),
        },
    }
}

/// Returns the texts that a schema lists, if it lists its values.
pub(super) fn words(leaf: &Leaf) -> Option<Vec<&str>> {
    listed(leaf).map(|values| values.into_iter().filter_map(Json::as_str).collect())
}

/// Returns the properties of an object schema.
pub(super) fn properties(leaf: &Leaf) -> Vec<&str> {
    leaf.get("properties")
        .and_then(Json::as_object)
        .map(|properties| properties.keys().map(String::as_str).collect())
        .unwrap_or_default()
}

/// Returns the key and the schema of an alternative that is a map with one key.
pub(super) fn variant(leaf: &Leaf) -> Option<(&str, &Json)> {
    let properties = leaf.get("properties")?.as_object()?;
    let required = leaf.get("required")?.as_array()?;
    let (name, schema) = properties.iter().next()?;
    let is_alone = properties.len() == 1 && required.len() == 1;
    (is_alone && required[0] == **name).then_some((name.as_str(), schema))
}

/// Returns what the alternatives expect, in words.
pub(super) fn expectation(leaves: &[&Leaf]) -> String {
    let mut phrases: Vec<String> = Vec::new();
    for phrase in leaves.iter().flat_map(|leaf| leaf_phrases(leaf)) {
        if !phrases.contains(&phrase) {
            phrases.push(phrase);
        }
    }
    join_or(&phrases)
}

fn leaf_phrases(leaf: &Leaf) -> Vec<String> {
    if let Some(words) = words(leaf).filter(|words| !words.is_empty()) {
        return vec![one_of(words)];
    }
    let format = leaf.get("format").and_then(Json::as_str);
    accepted(leaf)
        .into_iter()
        .filter_map(|kind| phrase(kind, format))
        .map(str::to_owned)
        .collect()
}

fn phrase(kind: Kind, format: Option<&str>) -> Option<&'static str> {
    Some(match kind {
        Kind::Null | Kind::Float => return None,
        Kind::Bool => "true or false",
        Kind::Integer => "a whole number",
        Kind::String => format.and_then(format_phrase).unwrap_or("a text"),
        Kind::List => "a list",
        Kind::Map => "a map",
    })
}

fn format_phrase(format: &str) -> Option<&'static str> {
    Some(match format {
        "host-name" => "a host name",
        "user-name" => "a user name",
        "absolute-path" => "an absolute path",
        "sysctl-key" => "a sysctl key",
        "module-name" => "a module name",
        "unit-name" => "a unit name",
        "package-name" => "a package name",
        "package-version" => "a package version",
        "file-mode" => "a quoted file mode",
        "resource-id" => "a resource as kind/name",
        _ => return None,
    })
}

fn listed(leaf: &Leaf) -> Option<Vec<&Json>> {
    if let Some(only) = leaf.get("const") {
        return Some(vec![only]);
    }
    leaf.get("enum")
        .and_then(Json::as_array)
        .map(|values| values.iter().collect())
}
