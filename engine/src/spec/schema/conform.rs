//! Numbers and booleans that came out of variables, which are texts.

use serde_json::Value as Json;

use super::kind::{self, Kind};
use super::{Checker, Leaf};
use crate::spec::{Node, Value, scalar};

impl Checker<'_> {
    /// Turns each text where no text is accepted into what it would be without quotes, if that is accepted.
    pub(super) fn conform(&self, node: &mut Node, schema: &Json) {
        let leaves = self.leaves(schema, 0);
        match &mut node.value {
            Value::String(text) => {
                if let Some(value) = accepted_instead(text, &leaves) {
                    node.value = value;
                }
            }
            Value::List(items) => {
                let Some(schema) = leaves.iter().find_map(|leaf| leaf.get("items")) else {
                    return;
                };
                items.iter_mut().for_each(|item| self.conform(item, schema));
            }
            Value::Map(entries) => {
                for entry in entries {
                    if let Some(schema) = leaves.iter().find_map(|leaf| of_key(leaf, &entry.key)) {
                        self.conform(&mut entry.node, schema);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) => {}
        }
    }
}

fn accepted_instead(text: &str, leaves: &[&Leaf]) -> Option<Value> {
    let accepts = |kind| {
        leaves
            .iter()
            .any(|leaf| kind::accepted(leaf).contains(&kind))
    };
    let value = scalar::resolve(text);
    let is_wanted = matches!(value, Value::Integer(_) | Value::Bool(_))
        && !accepts(Kind::String)
        && accepts(Kind::of(&value));
    is_wanted.then_some(value)
}

fn of_key<'s>(leaf: &'s Leaf, key: &str) -> Option<&'s Json> {
    let property = leaf.get("properties").and_then(|all| all.get(key));
    property.or_else(|| leaf.get("additionalProperties"))
}
