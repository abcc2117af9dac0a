//! The fields of a schema as people read about them: type, default, example, and what each does to a host.
//!
//! What a field changes and disrupts, and what holds where it is left out, is said in its schema ([`CHANGES`], [`DISRUPTS`],
//! [`DEFAULT`]), or by the nearest field above it that says so. An example that the schema lacks follows from the kind of the
//! value.

use serde_json::Value as Json;

use super::suggest::nearest;

/// In a schema: what the field changes on the host.
pub const CHANGES: &str = "x-changes";
/// In a schema: what a change of it disrupts.
pub const DISRUPTS: &str = "x-disrupts";
/// In a schema: what holds where the field is left out, in words, where that is no constant. Below a map, it is about fields
/// that have no default of their own.
pub const DEFAULT: &str = "x-default";

/// A field of a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPage {
    /// Where it stands; `[]` is any item of a list, `<name>` any key of a map.
    pub path: String,
    /// What it may hold, in words.
    pub kind: String,
    /// It must not be left out.
    pub is_required: bool,
    /// What holds where it is left out; none if it must not be.
    pub default: Option<String>,
    /// A value, as it is written in a spec.
    pub example: Option<String>,
    /// What it changes on the host.
    pub changes: Option<String>,
    /// What a change of it disrupts.
    pub disrupts: Option<String>,
    /// What it is.
    pub description: String,
    /// How many fields follow that stand below it.
    pub below: usize,
}

/// Returns the fields of a schema, each before those below it. The path is where the schema stands, empty for a document.
pub fn fields(path: &str, schema: &Json) -> Vec<FieldPage> {
    let mut walk = Walk {
        root: schema,
        pages: Vec::new(),
    };
    let top = Inherited::default();
    match path {
        "" => walk.children("", schema, top.at(schema)),
        _ => walk.field(path, schema, false, top),
    }
    walk.pages
}

/// Returns the position of the field that a person means, or else the path of one that is spelled alike.
pub fn find_field(pages: &[FieldPage], wanted: &str) -> Result<usize, Option<String>> {
    let wanted = plain(wanted);
    let plain_paths: Vec<String> = pages.iter().map(|page| plain(&page.path)).collect();
    // Of a list and its items, the list is meant.
    match plain_paths.iter().position(|path| *path == wanted) {
        Some(index) => Ok(index),
        None => {
            let last = wanted.rsplit('.').next().unwrap_or(&wanted);
            let below = plain_paths
                .iter()
                .find(|path| path.rsplit('.').next() == Some(last));
            let near = || nearest(&wanted, plain_paths.iter().map(String::as_str));
            Err(below.map(String::as_str).or_else(near).map(str::to_owned))
        }
    }
}

/// Returns a path without the marks of lists and maps.
fn plain(path: &str) -> String {
    let parts = path.split('.').map(|part| match part.split_once('[') {
        Some((name, _)) => name,
        None => part,
    });
    let parts = parts.filter(|part| !part.is_empty() && *part != "<name>");
    parts.collect::<Vec<_>>().join(".")
}

/// What the fields above say for those below.
#[derive(Debug, Clone, Copy, Default)]
struct Inherited<'s> {
    changes: Option<&'s str>,
    disrupts: Option<&'s str>,
    default: Option<&'s str>,
}

impl<'s> Inherited<'s> {
    fn at(self, schema: &'s Json) -> Self {
        let own = |keyword: &str| schema[keyword].as_str();
        Self {
            changes: own(CHANGES).or(self.changes),
            disrupts: own(DISRUPTS).or(self.disrupts),
            default: own(DEFAULT).or(self.default),
        }
    }
}

struct Walk<'s> {
    root: &'s Json,
    pages: Vec<FieldPage>,
}

impl<'s> Walk<'s> {
    fn field(&mut self, path: &str, schema: &'s Json, is_required: bool, above: Inherited<'s>) {
        let mut inherited = above.at(schema);
        for leaf in self.leaves(schema) {
            inherited = inherited.at(leaf);
        }
        let index = self.pages.len();
        self.pages.push(FieldPage {
            path: path.to_owned(),
            kind: self.kind(schema),
            is_required,
            default: match is_required || path.ends_with(['>', ']']) {
                true => None,
                false => self.default(schema, inherited),
            },
            example: self.example(schema),
            changes: inherited.changes.map(str::to_owned),
            disrupts: inherited.disrupts.map(str::to_owned),
            description: self.description(schema),
            below: 0,
        });
        self.children(path, schema, inherited);
        self.pages[index].below = self.pages.len() - index - 1;
    }

    /// Adds what stands below a field.
    fn children(&mut self, path: &str, schema: &'s Json, inherited: Inherited<'s>) {
        for leaf in self.leaves(schema) {
            for (name, field) in leaf["properties"].as_object().into_iter().flatten() {
                let below = match path {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                let is_required = leaf["required"]
                    .as_array()
                    .is_some_and(|required| required.iter().any(|r| r == name));
                self.field(&below, field, is_required, inherited);
            }
            for (keyword, mark) in [("items", "[]"), ("additionalProperties", ".<name>")] {
                if leaf[keyword].is_object() && self.has_fields(&leaf[keyword]) {
                    self.field(&format!("{path}{mark}"), &leaf[keyword], false, inherited);
                }
            }
        }
    }

    /// Whether fields stand below a value.
    fn has_fields(&self, schema: &'s Json) -> bool {
        let leaves = self.leaves(schema);
        leaves.iter().any(|leaf| leaf["properties"].is_object())
    }

    /// Returns the alternatives of a schema but null.
    fn leaves(&self, schema: &'s Json) -> Vec<&'s Json> {
        if let Some(target) = schema["$ref"].as_str() {
            let target = self.root.pointer(target.trim_start_matches('#'));
            return target.map_or_else(Vec::new, |target| self.leaves(target));
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

    fn description(&self, schema: &'s Json) -> String {
        let own = schema["description"].as_str();
        let all: Vec<&str> = match own {
            Some(own) => vec![own],
            None => {
                let leaves = self.leaves(schema);
                let said = leaves.iter().map(|leaf| leaf["description"].as_str());
                said.flatten().collect()
            }
        };
        let words: Vec<_> = all
            .iter()
            .flat_map(|text| text.split_whitespace())
            .collect();
        words.join(" ")
    }

    /// Returns what holds where a field is left out. What holds for a map with fields, each of them says.
    fn default(&self, schema: &'s Json, inherited: Inherited<'s>) -> Option<String> {
        if let Some(words) = schema[DEFAULT].as_str() {
            return Some(words.to_owned());
        }
        match &schema["default"] {
            Json::Null | Json::Object(_) if self.has_fields(schema) => None,
            Json::Null => inherited.default.map(str::to_owned),
            value => Some(said(value)),
        }
    }

    /// Returns an example: the schema's own, or one that follows from the kind of the value.
    fn example(&self, schema: &'s Json) -> Option<String> {
        if let Some(own) = schema["examples"].get(0) {
            return Some(said(own));
        }
        if self.has_fields(schema) {
            return None;
        }
        let leaves = self.leaves(schema);
        let derived = || leaves.iter().find_map(|leaf| self.derived(leaf));
        let default = &schema["default"];
        let is_something = default.is_string() || default.is_number() || default == true;
        match is_something {
            true => Some(said(default)),
            false => derived(),
        }
    }

    fn derived(&self, leaf: &'s Json) -> Option<String> {
        if let Some(own) = leaf["examples"].get(0) {
            return Some(said(own));
        }
        let words = leaf["enum"].as_array().and_then(|words| words.first());
        if let Some(word) = leaf.get("const").or(words) {
            return Some(said(word));
        }
        let types = &leaf["type"];
        let is_a = |kind: &str| {
            let listed = types.as_array().into_iter().flatten();
            types == kind || listed.into_iter().any(|each| each == kind)
        };
        if is_a("boolean") {
            return Some(said(&true.into()));
        }
        if is_a("array") {
            let item = self.example(&leaf["items"])?;
            return Some(format!("`[{}]`", item.trim_matches('`')));
        }
        None
    }

    fn kind(&self, schema: &'s Json) -> String {
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

    fn kinds_of_leaf(&self, leaf: &'s Json) -> Vec<String> {
        if let Some(word) = leaf.get("const") {
            return vec![said(word)];
        }
        if let Some(words) = leaf["enum"].as_array() {
            return words.iter().filter(|w| !w.is_null()).map(said).collect();
        }
        let types: Vec<&str> = match &leaf["type"] {
            Json::String(kind) => vec![kind],
            Json::Array(kinds) => kinds.iter().filter_map(Json::as_str).collect(),
            _ => vec!["any"],
        };
        let types = types.into_iter().filter(|kind| *kind != "null");
        types.map(|kind| self.kind_of_type(leaf, kind)).collect()
    }

    fn kind_of_type(&self, leaf: &'s Json, kind: &str) -> String {
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
            "array" => format!("list of {}", self.kind(&leaf["items"])),
            "object" if leaf["additionalProperties"].is_object() => {
                format!("map of {}", self.kind(&leaf["additionalProperties"]))
            }
            "object" => "map".to_owned(),
            other => other.to_owned(),
        }
    }
}

/// Returns a value as it is written in a spec.
fn said(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => format!("`{text}`"),
        value => format!("`{value}`"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pages() -> Vec<FieldPage> {
        let schema = json!({
            "description": "A thing.",
            "x-changes": "a file",
            "x-disrupts": "nothing",
            "x-default": "none",
            "type": "object",
            "properties": {
                "mode": { "type": "string", "default": "0644", "description": "Its\nmode." },
                "on": { "type": ["boolean", "null"], "x-default": "as it is" },
                "parts": {
                    "type": "array",
                    "x-disrupts": "a restart",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": { "name": { "type": "string", "examples": ["a"] } },
                    },
                },
            },
        });
        fields("thing", &schema)
    }

    #[test]
    fn a_field_says_its_own_and_what_stands_above_it() {
        let shown: Vec<_> = pages()
            .iter()
            .map(|page| {
                let or_dash = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
                [
                    page.path.clone(),
                    page.kind.clone(),
                    or_dash(&page.default),
                    or_dash(&page.example),
                    or_dash(&page.changes),
                    or_dash(&page.disrupts),
                ]
                .join(" | ")
            })
            .collect();
        assert_eq!(
            shown,
            [
                "thing | map | none | - | a file | nothing",
                "thing.mode | text | `0644` | `0644` | a file | nothing",
                "thing.on | `true` or `false` | as it is | `true` | a file | nothing",
                "thing.parts | list of map | none | - | a file | a restart",
                "thing.parts[] | map | - | - | a file | a restart",
                "thing.parts[].name | text | - | `a` | a file | a restart",
            ]
        );
    }

    #[test]
    fn a_field_is_found_with_and_without_marks() {
        let pages = pages();
        for (wanted, found) in [
            ("thing.mode", Ok("thing.mode")),
            ("thing.parts.name", Ok("thing.parts[].name")),
            ("thing.parts[0].name", Ok("thing.parts[].name")),
            ("thing.parts", Ok("thing.parts")),
            ("thing.moed", Err(Some("thing.mode".to_owned()))),
            ("thing.name", Err(Some("thing.parts.name".to_owned()))),
            ("nonsense", Err(None)),
        ] {
            let index = find_field(&pages, wanted);
            assert_eq!(
                index.map(|index| pages[index].path.as_str()),
                found,
                "{wanted}"
            );
        }
    }
}
