//! The schema of whole documents for editors: draft-07, which all of them read.

use schemars::Schema;
use serde_json::{Map, Value as Json, json};

use super::document::{API_VERSION, KINDS, METADATA};
use super::fields::{CHANGES, DISRUPTS};
use crate::inventory;
use crate::resource::Section;

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// Returns the schema of a document, for the sections that there are.
pub fn json_schema(sections: &[Section]) -> Schema {
    let mut definitions = Map::new();
    let metadata = moved("Metadata", &METADATA, &mut definitions);
    let node_spec = node_spec(sections, &metadata, &mut definitions);
    let inventory = inventory_document(&metadata, &mut definitions);
    let [spec_kind, inventory_kind] = KINDS;
    let root = json!({
        "$schema": DRAFT,
        "title": "hardstand",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": { "apiVersion": { "const": API_VERSION }, "kind": { "enum": KINDS } },
        "allOf": [ when(spec_kind, &node_spec), when(inventory_kind, &inventory) ],
        "definitions": definitions,
    });
    Schema::try_from(root).unwrap_or_default()
}

fn when(kind: &str, then: &Json) -> Json {
    json!({ "if": { "properties": { "kind": { "const": kind } } }, "then": then })
}

/// Returns the schema of `spec`, for the sections that there are, each as its provider gives it.
pub fn spec_schema(sections: &[Section]) -> Schema {
    let mut fields = Map::from_iter([("hosts".to_owned(), hosts())]);
    for section in sections {
        fields.insert(section.name.to_owned(), section.schema.as_value().clone());
    }
    let spec = json!({
        "description": "What some hosts should be like. What it does not name is left as it is.",
        "type": "object",
        "required": ["hosts"],
        "properties": fields,
    });
    Schema::try_from(spec).unwrap_or_default()
}

fn hosts() -> Json {
    json!({
        "type": "string",
        "description": "a selector over the inventory, such as @worker, web[01-20] or zone=eu-1",
        "examples": ["@worker"],
        CHANGES: "nothing by itself",
        DISRUPTS: "nothing",
    })
}

fn node_spec(sections: &[Section], metadata: &Json, definitions: &mut Map<String, Json>) -> Json {
    let hosts = hosts();
    let mut fields = Map::from_iter([("hosts".to_owned(), hosts)]);
    for section in sections {
        let schema = moved(section.name, &section.schema, definitions);
        fields.insert(section.name.to_owned(), schema);
    }
    let spec = json!({
        "type": "object",
        "required": ["hosts"],
        "properties": fields,
        "additionalProperties": false,
    });
    json!({
        "required": ["metadata", "spec"],
        "properties": { "apiVersion": true, "kind": true, "metadata": metadata, "spec": spec },
        "additionalProperties": false,
    })
}

fn inventory_document(metadata: &Json, definitions: &mut Map<String, Json>) -> Json {
    let fields = moved("Inventory", &inventory::schema(), definitions);
    let mut properties = fields["properties"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    properties.insert("apiVersion".to_owned(), Json::Bool(true));
    properties.insert("kind".to_owned(), Json::Bool(true));
    properties.insert("metadata".to_owned(), metadata.clone());
    properties.insert("spec".to_owned(), fields);
    json!({ "properties": properties, "additionalProperties": false })
}

/// Returns a schema for use inside another one; what it defines moves to the common definitions under a name of its own.
fn moved(name: &str, schema: &Schema, definitions: &mut Map<String, Json>) -> Json {
    let mut schema = schema.as_value().clone();
    renamed(name, &mut schema);
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
        object.remove("title");
        for keyword in ["$defs", "definitions"] {
            let own = object.remove(keyword).unwrap_or_default();
            for (key, definition) in own.as_object().cloned().unwrap_or_default() {
                definitions.insert(format!("{name}.{key}"), definition);
            }
        }
    }
    schema
}

fn renamed(name: &str, schema: &mut Json) {
    match schema {
        Json::Object(object) => {
            for (keyword, value) in object {
                match value {
                    Json::String(target) if keyword == "$ref" => {
                        let own = target
                            .strip_prefix("#/$defs/")
                            .or_else(|| target.strip_prefix("#/definitions/"));
                        if let Some(own) = own {
                            *target = format!("#/definitions/{name}.{own}");
                        }
                    }
                    value => renamed(name, value),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| renamed(name, item)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemars::{JsonSchema, schema_for};

    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Limit {
        min: u32,
    }

    fn references(schema: &Json, found: &mut Vec<String>) {
        match schema {
            Json::Object(object) => {
                found.extend(object.get("$ref").and_then(Json::as_str).map(str::to_owned));
                object.values().for_each(|value| references(value, found));
            }
            Json::Array(items) => items.iter().for_each(|item| references(item, found)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    #[test]
    fn all_references_lead_somewhere() {
        let schema = json_schema(&[Section {
            name: "sysctls",
            schema: schema_for!(BTreeMap<String, Limit>),
        }]);
        let mut found = Vec::new();
        references(schema.as_value(), &mut found);
        assert!(
            found.contains(&"#/definitions/sysctls.Limit".to_owned()),
            "{found:?}"
        );
        for reference in found {
            assert!(
                schema.pointer(reference.trim_start_matches('#')).is_some(),
                "{reference}"
            );
        }
    }
}
