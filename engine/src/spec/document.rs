//! The envelope of a document: `apiVersion`, `kind`, `metadata`, and what the kind says stands beside them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;

use super::schema::{self, Field, Texts, missing, missing_in_document, unknown_field};
use super::suggest::{nearest, one_of};
use super::{Entry, Node, Value, decode, place_within, vars};
use crate::diagnostic::{Diagnostic, Problems};
use crate::inventory::{self, Host, Selector};
use crate::resource::Section;
use crate::source::{Sources, Span};

/// The version of the documents that this version reads.
pub const API_VERSION: &str = "hardstand.dev/v1alpha1";

/// How a document begins.
pub(super) const FIRST_LINES: &str = "a document starts with `apiVersion: hardstand.dev/v1alpha1` and `kind: NodeSpec` or \
                                      `kind: Inventory`";

pub(super) const KINDS: [&str; 2] = ["NodeSpec", "Inventory"];

/// What some hosts should be like, as written.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSpec {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub span: Span,
    /// The hosts it is about.
    pub hosts: Selector,
    /// Where the selector stands.
    pub hosts_span: Span,
    /// The fields of `spec:` but `hosts`, by name.
    pub sections: BTreeMap<String, Node>,
}

/// The schema of `metadata:`.
pub(super) static METADATA: LazyLock<Schema> = LazyLock::new(|| schema_for!(Metadata));

/// What a document says about itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Metadata {
    /// Name of the document; two of one kind must differ.
    #[schemars(length(max = 128))]
    name: String,
    /// Free to use.
    #[expect(dead_code, reason = "for other tools")]
    labels: Option<BTreeMap<String, String>>,
    /// Free to use.
    #[expect(dead_code, reason = "for other tools")]
    annotations: Option<BTreeMap<String, String>>,
}

/// Reads a document: returns a NodeSpec, or adds the hosts of an inventory. What is wrong is reported; what cannot be used
/// at all is left out.
pub(super) fn read(
    sources: &Sources,
    node: &Node,
    sections: &[Section],
    hosts: &mut Vec<Host>,
    problems: &mut Problems,
) -> Option<NodeSpec> {
    let Value::Map(entries) = &node.value else {
        let message = "a document is a map with the fields `apiVersion` and `kind`";
        problems.push(Diagnostic::error("E120", node.span, message).help(FIRST_LINES));
        return None;
    };
    check_version(node, problems)?;
    match kind(node, problems)? {
        "NodeSpec" => node_spec(sources, node, sections, problems),
        _ => {
            read_hosts(sources, node, entries, hosts, problems);
            None
        }
    }
}

/// Whether a document is a NodeSpec, sound or not.
pub(super) fn is_node_spec(node: &Node) -> bool {
    node.get("kind").and_then(Node::text) == Some("NodeSpec")
}

fn check_version(node: &Node, problems: &mut Problems) -> Option<()> {
    let Some(entry) = node.entry("apiVersion") else {
        let help = format!("write `apiVersion: {API_VERSION}`");
        problems.push(missing_in_document("apiVersion", start(node)).help(help));
        return Some(());
    };
    let text = text_of(entry, problems)?;
    if text == API_VERSION {
        return Some(());
    }
    let message = format!("this version reads `{API_VERSION}`, not {text:?}");
    let help = match text.starts_with("hardstand.dev/") {
        true => "a newer version of hardstand may read it".to_owned(),
        false => format!("write `apiVersion: {API_VERSION}`"),
    };
    problems.push(Diagnostic::error("E121", entry.node.span, message).help(help));
    None
}

fn kind<'n>(node: &'n Node, problems: &mut Problems) -> Option<&'n str> {
    let Some(entry) = node.entry("kind") else {
        let help = "write `kind: NodeSpec` or `kind: Inventory`";
        problems.push(missing_in_document("kind", start(node)).help(help));
        return None;
    };
    let text = text_of(entry, problems)?;
    if KINDS.contains(&text) {
        return Some(text);
    }
    let help = match nearest(text, KINDS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected {}", one_of(KINDS)),
    };
    let message = format!("there is no kind {text:?}");
    problems.push(Diagnostic::error("E124", entry.node.span, message).help(help));
    None
}

fn node_spec(
    sources: &Sources,
    node: &Node,
    sections: &[Section],
    problems: &mut Problems,
) -> Option<NodeSpec> {
    check_fields(node, &["apiVersion", "kind", "metadata", "spec"], problems);
    let name = match node.entry("metadata") {
        Some(entry) => metadata_name(entry, problems),
        None => {
            let help = "write `metadata: { name: NAME }`; each NodeSpec has a name of its own";
            problems.push(missing_in_document("metadata", start(node)).help(help));
            None
        }
    };
    let Some(spec) = node.entry("spec") else {
        problems.push(missing_in_document("spec", start(node)));
        return None;
    };
    let sections = read_sections(sources, spec, sections, problems);
    let hosts = selector(sources, spec, problems);
    let ((name, span), (hosts, hosts_span)) = (name?, hosts?);
    Some(NodeSpec {
        name,
        span,
        hosts,
        hosts_span,
        sections,
    })
}

fn metadata_name(entry: &Entry, problems: &mut Problems) -> Option<(String, Span)> {
    let mut found = Problems::default();
    schema::check(&Field::of(entry), &METADATA, Texts::Final, &mut found);
    let is_sound = !found.has_errors();
    problems.append(found);
    let metadata: Metadata = decode(&entry.node).ok().filter(|_| is_sound)?;
    let span = entry.node.span_at(&["name"]);
    if !is_name(&metadata.name) {
        let message = format!("{:?} is not a name of a document", metadata.name);
        problems.push(
            Diagnostic::error("E127", span, message)
                .help("start with a letter or digit, then letters, digits, `-`, `_` and `.`"),
        );
    }
    Some((metadata.name, span))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn read_sections(
    sources: &Sources,
    spec: &Entry,
    sections: &[Section],
    problems: &mut Problems,
) -> BTreeMap<String, Node> {
    if !matches!(spec.node.value, Value::Map(_)) {
        problems.push(not_a_map(spec));
    }
    let mut read = BTreeMap::new();
    for entry in spec
        .node
        .entries()
        .iter()
        .filter(|entry| entry.key != "hosts")
    {
        let Some(section) = sections.iter().find(|section| section.name == entry.key) else {
            let known: Vec<&str> = sections
                .iter()
                .map(|section| section.name)
                .chain(["hosts"])
                .collect();
            problems.push(unknown_field(&entry.key, entry.key_span, &known));
            continue;
        };
        schema::check(
            &Field::of(entry),
            &section.schema,
            Texts::WithVariables,
            problems,
        );
        vars::check(sources, &entry.node, problems);
        read.insert(entry.key.clone(), entry.node.clone());
    }
    read
}

fn selector(sources: &Sources, spec: &Entry, problems: &mut Problems) -> Option<(Selector, Span)> {
    let Some(entry) = spec.node.entry("hosts") else {
        if matches!(spec.node.value, Value::Map(_)) {
            let help = "write a selector such as `hosts: \"@worker\"`, or `hosts: all`";
            problems.push(missing("hosts", "spec", spec.key_span).help(help));
        }
        return None;
    };
    if let Value::List(items) = &entry.node.value {
        problems.push(listed_hosts(entry, items));
        return None;
    }
    let text = text_of(entry, problems)?;
    match text.parse::<Selector>() {
        Ok(selector) => Some((selector, entry.node.span)),
        Err(error) => {
            let span = place_within(sources, entry.node.span, text, error.at, 1);
            let problem = Diagnostic::error("E243", span, error.reason);
            problems.push(match error.help {
                Some(help) => problem.help(help),
                None => problem,
            });
            None
        }
    }
}

/// Complains about a list where a selector is one text.
fn listed_hosts(entry: &Entry, items: &[Node]) -> Diagnostic {
    let problem = Diagnostic::error(
        "E120",
        entry.key_span,
        "`hosts`: expected a text, found a list",
    );
    let names: Option<Vec<&str>> = items.iter().map(Node::text).collect();
    match names.filter(|names| !names.is_empty()) {
        Some(names) => problem.help(format!("write `hosts: \"{}\"`", names.join(","))),
        None => problem.help("write a selector in quotes, such as `\"node[01-03]\"`"),
    }
}

/// Reads an inventory, whose fields stand beside the envelope or under `spec:`.
fn read_hosts(
    sources: &Sources,
    node: &Node,
    entries: &[Entry],
    hosts: &mut Vec<Host>,
    problems: &mut Problems,
) {
    if let Some(entry) = node.entry("metadata") {
        metadata_name(entry, problems);
    }
    if let Some(spec) = node.entry("spec") {
        check_fields(node, &["apiVersion", "kind", "metadata", "spec"], problems);
        return inventory::read(sources, &spec.node, spec.key_span, hosts, problems);
    }
    let is_envelope =
        |entry: &&Entry| matches!(entry.key.as_str(), "apiVersion" | "kind" | "metadata");
    let fields = entries.iter().filter(|entry| !is_envelope(entry)).cloned();
    let body = Node {
        span: node.span,
        value: Value::Map(fields.collect()),
    };
    inventory::read(sources, &body, start(node), hosts, problems);
}

fn check_fields(node: &Node, known: &[&str], problems: &mut Problems) {
    for entry in node.entries() {
        if !known.contains(&entry.key.as_str()) {
            problems.push(unknown_field(&entry.key, entry.key_span, known));
        }
    }
}

fn text_of<'n>(entry: &'n Entry, problems: &mut Problems) -> Option<&'n str> {
    let text = entry.node.text();
    if text.is_none() {
        let mut found = Problems::default();
        schema::check(
            &Field::of(entry),
            &schema_for!(String),
            Texts::Final,
            &mut found,
        );
        problems.append(found);
    }
    text
}

fn not_a_map(entry: &Entry) -> Diagnostic {
    match entry.node.value {
        Value::Null => {
            Diagnostic::error("E115", entry.key_span, format!("`{}` is empty", entry.key))
        }
        _ => Diagnostic::error(
            "E120",
            entry.key_span,
            format!("`{}`: expected a map", entry.key),
        ),
    }
}

/// Returns the first byte of a document, to point at what it lacks.
fn start(node: &Node) -> Span {
    Span {
        end: node.span.start,
        ..node.span
    }
}
