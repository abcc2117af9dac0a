//! Reading sections of the spec: schemas for the walker, typed values out of nodes, and written edges.

use std::collections::BTreeSet;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{AbsPath, ResourceId};
use engine::resource::{Edge, Relation, Sections};
use engine::source::Span;
use engine::spec::{CHANGES, DISRUPTS, Node};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

/// Returns the schema of a section, whole and without references.
pub fn schema<T: JsonSchema>() -> Schema {
    SchemaSettings::default()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(RecursiveTransform(say_what_order_does))
        .into_generator()
        .into_root_schema_for::<T>()
}

/// Says of written edges, which many sections have, what they do.
fn say_what_order_does(schema: &mut Schema) {
    let fields = schema.get_mut("properties").and_then(Json::as_object_mut);
    for (name, field) in fields.into_iter().flatten() {
        let Some(field) = field.as_object_mut() else {
            continue;
        };
        let (example, changes, disrupts) = match name.as_str() {
            "requires" => ("package/chrony", "nothing: the order of changes", "nothing"),
            "notifies" => (
                "service/chrony.service",
                "nothing: who takes notice of a change",
                "what it names restarts or reloads",
            ),
            _ => continue,
        };
        field.insert("examples".to_owned(), json!([[example]]));
        field.insert(CHANGES.to_owned(), changes.into());
        field.insert(DISRUPTS.to_owned(), disrupts.into());
    }
}

/// What a section that is a list does to a host, unless its fields say otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Effects {
    /// What it changes.
    pub changes: &'static str,
    /// What a change of it disrupts.
    pub disrupts: &'static str,
}

/// Returns the schema of a section that is a list, with what is said of it as a whole.
pub fn list_schema<T: JsonSchema>(description: &str, effects: Effects) -> Schema {
    let mut schema = schema::<Vec<T>>();
    schema.remove("title");
    schema.insert("description".to_owned(), description.into());
    schema.insert(CHANGES.to_owned(), effects.changes.into());
    schema.insert(DISRUPTS.to_owned(), effects.disrupts.into());
    schema
}

/// Reads a value out of a node that was checked against its schema; what the schema could not tell is a problem.
pub fn decode<T: DeserializeOwned>(node: &Node, problems: &mut Problems) -> Option<T> {
    match engine::spec::decode(node) {
        Ok(value) => Some(value),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

/// Returns the edges that an entry writes as `requires` and `notifies`, each with its place.
pub fn written(
    node: &Node,
    requires: &[ResourceId],
    notifies: &[ResourceId],
) -> Vec<(Relation, Span)> {
    [
        ("requires", Edge::Requires, requires),
        ("notifies", Edge::Notifies, notifies),
    ]
    .into_iter()
    .flat_map(|(field, edge, targets)| {
        let places = node.get(field).map_or(&[][..], Node::items);
        targets.iter().enumerate().map(move |(index, target)| {
            let relation = Relation {
                edge,
                target: target.clone(),
            };
            (
                relation,
                places.get(index).map_or(node.span, |place| place.span),
            )
        })
    })
    .collect()
}

/// Returns an edge that makes a resource come after another, and not at all if that one fails.
pub fn requires(target: ResourceId) -> Relation {
    Relation {
        edge: Edge::Requires,
        target,
    }
}

/// Returns an edge that makes a resource come after another, whatever becomes of that.
pub fn after(target: ResourceId) -> Relation {
    Relation {
        edge: Edge::After,
        target,
    }
}

/// Returns an edge that makes another resource take notice of this one.
pub fn notifies(target: ResourceId) -> Relation {
    Relation {
        edge: Edge::Notifies,
        target,
    }
}

/// Returns a path that is known when the program is written.
pub fn constant_path(text: &'static str) -> AbsPath {
    text.parse()
        .expect("the paths written in this program are absolute and canonical")
}

/// Returns the items of a section that is a list.
pub(crate) fn items<'a>(sections: &Sections<'a>, name: &str) -> &'a [Node] {
    sections.all.get(name).map_or(&[], Node::items)
}

/// Returns the paths that the `files` section manages, with the node of each.
pub(crate) fn managed_paths<'a>(
    sections: &Sections<'a>,
) -> impl Iterator<Item = (AbsPath, &'a Node)> + use<'a> {
    items(sections, "files")
        .iter()
        .filter_map(|node| Some((node.get("path")?.text()?.parse().ok()?, node)))
}

/// Returns the files of the spec that stand in one of these directories, as resources to wait for.
pub(crate) fn files_below(sections: &Sections<'_>, directories: &[&str]) -> Vec<ResourceId> {
    let below: BTreeSet<_> = managed_paths(sections)
        .filter(|(path, _)| directories.contains(&path.parent().as_str()))
        .map(|(path, _)| ResourceId::new("file", path))
        .collect();
    below.into_iter().collect()
}

/// Complains if the `files` section manages a path that a provider edits.
pub(crate) fn check_not_managed(
    sections: &Sections<'_>,
    edited: &AbsPath,
    by: (&str, Span),
    problems: &mut Problems,
) {
    for (path, node) in managed_paths(sections).filter(|(path, _)| path == edited) {
        problems.push(
            Diagnostic::error(
                "E201",
                node.span_at(&["path"]),
                format!("`{path}` is managed twice"),
            )
            .related(by.1, format!("`{}` edits it", by.0))
            .help("keep one of the two"),
        );
    }
}
