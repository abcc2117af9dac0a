//! A schema as a table of fields.

use serde_json::Value;

/// Returns the fields of a schema, one a line; `path` is where it stands.
pub(crate) fn table(path: &str, schema: &Value) -> String {
    let mut table = Table {
        root: schema,
        lines: vec![
            "| Field | Type | Default | What it says |".to_owned(),
            "|---|---|---|---|".to_owned(),
        ],
    };
    match path {
        "" => table.children(path, schema),
        _ => table.field(path, schema, false, None),
    }
    table.lines.join("\n")
}

struct Table<'s> {
    root: &'s Value,
    lines: Vec<String>,
}

impl<'s> Table<'s> {
    fn field(&mut self, path: &str, schema: &'s Value, is_required: bool, default: Option<&str>) {
        let own = schema["default"].clone();
        let default = match (is_required, default) {
            (true, _) => "required".to_owned(),
            (false, Some(default)) => default.to_owned(),
            (false, None) => said(&own),
        };
        let description = self.description(schema);
        let kind = self.kind(schema);
        self.lines
            .push(format!("| `{path}` | {kind} | {default} | {description} |"));
        self.children(path, schema);
    }

    /// Adds what stands below a field.
    fn children(&mut self, path: &str, schema: &'s Value) {
        for leaf in self.leaves(schema) {
            for (name, field) in leaf["properties"].as_object().into_iter().flatten() {
                let below = [path, name].into_iter().filter(|part| !part.is_empty());
                let below = below.collect::<Vec<_>>().join(".");
                let is_required = leaf["required"]
                    .as_array()
                    .is_some_and(|required| required.iter().any(|r| r == name));
                self.field(&below, field, is_required, None);
            }
            for (keyword, mark) in [("items", "[]"), ("additionalProperties", ".<name>")] {
                if leaf[keyword].is_object() && self.is_deep(&leaf[keyword]) {
                    self.field(&format!("{path}{mark}"), &leaf[keyword], false, Some(""));
                }
            }
        }
    }

    /// Whether something stands below a value that one word does not say.
    fn is_deep(&self, schema: &'s Value) -> bool {
        let leaves = self.leaves(schema);
        leaves.len() > 1 || leaves.iter().any(|leaf| leaf["properties"].is_object())
    }

    /// Returns the alternatives of a schema but null.
    fn leaves(&self, schema: &'s Value) -> Vec<&'s Value> {
        if let Some(target) = schema["$ref"].as_str() {
            let target = self.root.pointer(target.trim_start_matches('#'));
            return self.leaves(target.expect("references lead somewhere"));
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            if let Some(branches) = schema[keyword].as_array() {
                return branches.iter().flat_map(|b| self.leaves(b)).collect();
            }
        }
        match schema["type"].as_str() {
            Some("null") => Vec::new(),
            _ => vec![schema],
        }
    }

    fn description(&self, schema: &'s Value) -> String {
        let own = schema["description"].as_str();
        let mut all = vec![own.unwrap_or_default()];
        if own.is_none() {
            all = self
                .leaves(schema)
                .iter()
                .filter_map(|leaf| leaf["description"].as_str())
                .collect();
        }
        all.join(" ")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .replace('|', "\\|")
    }

    fn kind(&self, schema: &'s Value) -> String {
        let mut kinds: Vec<String> = Vec::new();
        for leaf in self.leaves(schema) {
            for kind in self.kinds_of_leaf(leaf) {
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
        }
        kinds.join(" or ")
    }

    fn kinds_of_leaf(&self, leaf: &'s Value) -> Vec<String> {
        if let Some(word) = leaf.get("const") {
            return vec![said(word)];
        }
        if let Some(words) = leaf["enum"].as_array() {
            return words.iter().filter(|w| !w.is_null()).map(said).collect();
        }
        let types: Vec<&str> = match &leaf["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => vec!["any"],
        };
        let types = types.into_iter().filter(|kind| *kind != "null");
        types.map(|kind| self.kind_of_type(leaf, kind)).collect()
    }

    fn kind_of_type(&self, leaf: &'s Value, kind: &str) -> String {
        match kind {
            "string" => match leaf["format"].as_str() {
                Some(format) => format.replace('-', " "),
                None => "text".to_owned(),
            },
            "integer" => match (leaf["minimum"].as_i64(), leaf["maximum"].as_i64()) {
                (Some(least), Some(most)) => format!("whole number, {least} to {most}"),
                _ => "whole number".to_owned(),
            },
            "boolean" => "`true` or `false`".to_owned(),
            "array" => format!("list of {}", self.inner(&leaf["items"])),
            "object" if leaf["additionalProperties"].is_object() => {
                format!("map of {}", self.inner(&leaf["additionalProperties"]))
            }
            "object" => "map".to_owned(),
            other => other.to_owned(),
        }
    }

    fn inner(&self, schema: &'s Value) -> String {
        self.kind(schema)
    }
}

/// Returns a value as it is written in a spec.
fn said(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => format!("`{text}`"),
        value => format!("`{value}`"),
    }
}
