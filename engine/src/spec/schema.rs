//! Checks a tree against a schema and reports everything that is wrong, in words and with how to mend it.
//!
//! Understood is what schemars derives for closed structs: objects, maps, lists, texts, whole numbers, booleans, nullable
//! fields, enumerations and maps with one key. An alternative is chosen by the kind of the value, so that a complaint is
//! about what was meant. Start at [`check`].

use std::collections::BTreeSet;

use schemars::Schema;
use serde_json::{Map, Value as Json};

use super::{Entry, Node, Value, vars};
use crate::diagnostic::{Diagnostic, Problems};
use crate::source::Span;

mod complaint;
mod conform;
mod kind;
mod limits;

pub(crate) use complaint::{missing, missing_in_document, unknown_field, unknown_value};
use kind::Kind;

/// Set to `true` on an object schema, it says that exactly one of the properties must be set.
pub const ONE_OF: &str = "x-hardstand-one-of";

/// Most references that lead to one schema.
const MOST_HOPS: usize = 32;

type Leaf = Map<String, Json>;

/// A value with the name and the place that a complaint about it carries.
#[derive(Debug, Clone)]
pub struct Field<'a> {
    /// What it is called, such as the key it stands under.
    pub name: String,
    /// Where to point when something is missing: the key, or the value if it has none.
    pub place: Span,
    /// The value.
    pub node: &'a Node,
}

/// Whether the texts are what the providers will see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// They are.
    Final,
    /// Variables are still to be put in, so a text with one is not looked at.
    WithVariables,
}

/// Checks a field against a schema and reports all that is wrong.
pub fn check(field: &Field<'_>, schema: &Schema, texts: Texts, problems: &mut Problems) {
    let root = schema.as_value();
    Checker { root, texts }.walk(field, root, problems);
}

/// Turns texts that came out of variables into the numbers and booleans that the schema asks for.
pub(super) fn conform(node: &mut Node, schema: &Schema) {
    let root = schema.as_value();
    let texts = Texts::Final;
    Checker { root, texts }.conform(node, root);
}

impl<'a> Field<'a> {
    /// Returns the field that an entry of a map is.
    pub fn of(entry: &'a Entry) -> Self {
        Self {
            name: entry.key.clone(),
            place: entry.key_span,
            node: &entry.node,
        }
    }
}

struct Checker<'s> {
    root: &'s Json,
    texts: Texts,
}

impl<'s> Checker<'s> {
    fn walk(&self, field: &Field<'_>, schema: &'s Json, problems: &mut Problems) {
        let leaves = self.leaves(schema, 0);
        if leaves.is_empty() || self.is_variable(field.node) {
            return;
        }
        let kind = Kind::of(&field.node.value);
        let fitting: Vec<&Leaf> = leaves
            .iter()
            .copied()
            .filter(|leaf| kind::accepted(leaf).contains(&kind))
            .collect();
        match fitting[..] {
            [] => problems.push(complaint::wrong_kind(field, &leaves)),
            [leaf] => self.leaf(field, leaf, problems),
            _ => self.choose(field, &fitting, problems),
        }
    }

    /// Returns the alternatives of a schema, none if it accepts anything.
    fn leaves(&self, schema: &'s Json, hops: usize) -> Vec<&'s Leaf> {
        let Some(object) = schema.as_object().filter(|_| hops < MOST_HOPS) else {
            return Vec::new();
        };
        if let Some(target) = object.get("$ref").and_then(|r| self.resolve(r)) {
            return self.leaves(target, hops + 1);
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            if let Some(branches) = object.get(keyword).and_then(Json::as_array) {
                return branches
                    .iter()
                    .flat_map(|branch| self.leaves(branch, hops + 1))
                    .collect();
            }
        }
        vec![object]
    }

    fn resolve(&self, reference: &Json) -> Option<&'s Json> {
        self.root.pointer(reference.as_str()?.strip_prefix('#')?)
    }

    /// Whether a text is nothing but a variable, which may yet become anything.
    fn is_variable(&self, node: &Node) -> bool {
        self.texts == Texts::WithVariables && node.text().is_some_and(vars::is_reference)
    }

    fn leaf(&self, field: &Field<'_>, leaf: &'s Leaf, problems: &mut Problems) {
        match &field.node.value {
            Value::Null | Value::Bool(_) | Value::Float(_) => {}
            Value::Integer(value) => {
                push_all(problems, limits::integer(field, *value, leaf));
            }
            Value::String(text) => self.text(field, text, &[leaf], problems),
            Value::List(items) => self.list(field, items, leaf, problems),
            Value::Map(entries) => self.map(field, entries, leaf, problems),
        }
    }

    /// Checks against the one of several alternatives that was meant.
    fn choose(&self, field: &Field<'_>, fitting: &[&'s Leaf], problems: &mut Problems) {
        match &field.node.value {
            Value::Map(entries) if fitting.iter().all(|leaf| kind::variant(leaf).is_some()) => {
                self.variants(field, entries, fitting, problems);
            }
            Value::String(text) if fitting.iter().all(|leaf| kind::words(leaf).is_some()) => {
                self.text(field, text, fitting, problems);
            }
            _ => self.nearest(field, fitting, problems),
        }
    }

    fn nearest(&self, field: &Field<'_>, fitting: &[&'s Leaf], problems: &mut Problems) {
        let found = fitting.iter().map(|leaf| {
            let mut found = Problems::default();
            self.leaf(field, leaf, &mut found);
            found
        });
        if let Some(fewest) = found.min_by_key(|found| found.iter().count()) {
            problems.append(fewest);
        }
    }

    fn text(&self, field: &Field<'_>, text: &str, leaves: &[&'s Leaf], problems: &mut Problems) {
        if self.texts == Texts::WithVariables && text.contains("${") {
            return;
        }
        let words: Option<Vec<Vec<&str>>> = leaves.iter().map(|leaf| kind::words(leaf)).collect();
        if let Some(words) = words.map(|words| words.concat()) {
            if !words.contains(&text) {
                problems.push(unknown_value(&field.name, text, field.node.span, &words));
            }
        } else if let [leaf] = leaves {
            push_all(problems, limits::text(field, text, leaf));
        }
    }

    fn list(&self, field: &Field<'_>, items: &[Node], leaf: &'s Leaf, problems: &mut Problems) {
        push_all(problems, limits::list(field, items, leaf));
        let Some(schema) = leaf.get("items") else {
            return;
        };
        for (index, node) in items.iter().enumerate() {
            let item = Field {
                name: format!("{}[{index}]", field.name),
                place: node.span,
                node,
            };
            self.walk(&item, schema, problems);
        }
    }

    fn map(&self, field: &Field<'_>, entries: &[Entry], leaf: &'s Leaf, problems: &mut Problems) {
        let properties = leaf.get("properties").and_then(Json::as_object);
        for entry in entries {
            match properties.and_then(|properties| properties.get(&entry.key)) {
                Some(schema) => self.walk(&Field::of(entry), schema, problems),
                None => self.additional(entry, leaf, problems),
            }
        }
        self.check_required(field, entries, leaf, problems);
        if leaf.get(ONE_OF) == Some(&Json::Bool(true)) {
            check_one_of(field, entries, &kind::properties(leaf), problems);
        }
        if entries.is_empty() && leaf.get("minProperties").is_some_and(|least| *least != 0) {
            problems.push(complaint::empty(field));
        }
    }

    fn additional(&self, entry: &Entry, leaf: &'s Leaf, problems: &mut Problems) {
        match leaf.get("additionalProperties") {
            Some(Json::Bool(false)) => {
                let known = kind::properties(leaf);
                problems.push(unknown_field(&entry.key, entry.key_span, &known));
            }
            Some(schema) => {
                self.property_name(entry, leaf, problems);
                self.walk(&Field::of(entry), schema, problems);
            }
            None => self.property_name(entry, leaf, problems),
        }
    }

    fn property_name(&self, entry: &Entry, leaf: &'s Leaf, problems: &mut Problems) {
        let Some(schema) = leaf.get("propertyNames") else {
            return;
        };
        let key = Node {
            span: entry.key_span,
            value: Value::String(entry.key.clone()),
        };
        let field = Field {
            name: entry.key.clone(),
            place: entry.key_span,
            node: &key,
        };
        let of_keys = Checker {
            root: self.root,
            texts: Texts::Final,
        };
        of_keys.walk(&field, schema, problems);
    }

    fn check_required(
        &self,
        field: &Field<'_>,
        entries: &[Entry],
        leaf: &Leaf,
        problems: &mut Problems,
    ) {
        let required = leaf.get("required").and_then(Json::as_array);
        for name in required.into_iter().flatten().filter_map(Json::as_str) {
            if !entries.iter().any(|entry| entry.key == name) {
                problems.push(missing(name, &field.name, field.place));
            }
        }
    }

    /// Checks a map with one key against alternatives that are told apart by it.
    fn variants(
        &self,
        field: &Field<'_>,
        entries: &[Entry],
        leaves: &[&'s Leaf],
        problems: &mut Problems,
    ) {
        let variants: Vec<(&str, &Json)> = leaves
            .iter()
            .filter_map(|leaf| kind::variant(leaf))
            .collect();
        let names: Vec<&str> = variants.iter().map(|(name, _)| *name).collect();
        for entry in entries {
            match variants.iter().find(|(name, _)| *name == entry.key) {
                Some((_, schema)) => self.walk(&Field::of(entry), schema, problems),
                None => problems.push(unknown_field(&entry.key, entry.key_span, &names)),
            }
        }
        check_one_of(field, entries, &names, problems);
    }
}

/// Complains unless exactly one of the names is a key. An unknown key was complained about before.
fn check_one_of(field: &Field<'_>, entries: &[Entry], names: &[&str], problems: &mut Problems) {
    let names: BTreeSet<&str> = names.iter().copied().collect();
    let mut set = entries
        .iter()
        .filter(|entry| names.contains(entry.key.as_str()));
    let Some(first) = set.next() else {
        if entries.is_empty() {
            problems.push(complaint::none_of(field, &names));
        }
        return;
    };
    if first.node.value == Value::Null {
        let help = format!("write `{}: {{}}` for its defaults", first.key);
        problems.push(complaint::empty(&Field::of(first)).help(help));
    }
    for second in set {
        problems.push(complaint::several_of(field, first, second));
    }
}

fn push_all(problems: &mut Problems, found: impl IntoIterator<Item = Diagnostic>) {
    for problem in found {
        problems.push(problem);
    }
}

#[cfg(test)]
mod tests;
