//! The `modules` section as written, and the files that all modules share.

use std::collections::BTreeMap;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{ModuleName, ResourceId};
use engine::resource::{Declared, Resource, Sections};
use engine::spec::Node;
use schemars::JsonSchema;
use serde::Deserialize;

use super::resource::Module;
use super::{LOAD_FILE, OPTIONS_FILE, boot};
use crate::file::FileTarget;
use crate::file::shared::{Part, SharedFile};
use crate::runtime::{FromRuntime, from_runtime};
use crate::section::{constant_path, decode, files_below, items, written};

/// First lines of both files.
const HEADER: &str =
    "# Managed by hardstand: changes made here are undone. The modules are in the node's spec.\n";

/// A module: its name, or its name with options.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum ModuleEntry {
    /// The name of a kernel module; `-` and `_` are the same.
    Name(ModuleName),
    /// A module with options or with an order.
    Detailed(DetailedModule),
}

/// A module with options or with an order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DetailedModule {
    /// The name of a kernel module; `-` and `_` are the same.
    #[schemars(example = &"br_netfilter")]
    name: ModuleName,
    /// Options to load it with, by name; none by default. They are written to /etc/modprobe.d/hardstand.conf and take effect
    /// when the module is loaded, so for one that is loaded already only after a reboot. The options of a module that is
    /// built into the kernel come from the kernel's command line.
    #[schemars(example = serde_json::json!({ "hashsize": 131_072 }))]
    #[schemars(extend(
        "x-default" = "none",
        "x-changes" = "`/etc/modprobe.d/hardstand.conf`",
        "x-disrupts" = "a reboot is needed where the module is loaded already"
    ))]
    #[serde(default)]
    options: BTreeMap<String, OptionValue>,
    /// Resources that come first, such as a package with further kernel modules.
    #[serde(default)]
    requires: Vec<ResourceId>,
    /// Resources that take notice when the module is loaded.
    #[serde(default)]
    notifies: Vec<ResourceId>,
}

/// The value of a module option.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum OptionValue {
    /// A whole number.
    Integer(i64),
    /// Any other value, without white space.
    Text(String),
}

/// Turns the section into resources.
pub(super) fn compile(sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
    let others = [&boot::LOAD_DIRECTORIES[..], &boot::MODPROBE_DIRECTORIES[..]].concat();
    let others = files_below(sections, &others);
    let modules: Vec<_> = items(sections, "modules")
        .iter()
        .filter_map(|node| {
            let entry = decode(node, problems)?;
            Some(module(entry, node, &others, problems))
        })
        .collect();
    let names: Vec<_> = modules.iter().map(|(module, _)| module).collect();
    let mut declared: Vec<_> = match sections.all.get("modules") {
        Some(section) => {
            let from_runtime = from_runtime(section, "modules", sections);
            shared_files(&names, section, &from_runtime)
        }
        None => Vec::new(),
    };
    declared.extend(modules.into_iter().map(|(module, declaration)| Declared {
        resource: Box::new(module),
        ..declaration
    }));
    declared
}

/// Returns a module and the rest of its declaration.
fn module(
    entry: ModuleEntry,
    node: &Node,
    others: &[ResourceId],
    problems: &mut Problems,
) -> (Module, Declared) {
    let detailed = match entry {
        ModuleEntry::Name(name) => DetailedModule {
            name,
            options: BTreeMap::new(),
            requires: Vec::new(),
            notifies: Vec::new(),
        },
        ModuleEntry::Detailed(detailed) => detailed,
    };
    let DetailedModule {
        name,
        options,
        requires,
        notifies,
    } = detailed;
    let written = written(node, &requires, &notifies);
    let module = Module {
        name,
        options: options
            .into_iter()
            .filter_map(|(name, value)| checked_option(name, value, node, problems))
            .collect(),
        after: others.iter().cloned().chain(requires).collect(),
    };
    let declared = Declared {
        resource: Box::new(module.clone()),
        span: node.span,
        written,
    };
    (module, declared)
}

fn checked_option(
    name: String,
    value: OptionValue,
    node: &Node,
    problems: &mut Problems,
) -> Option<(String, String)> {
    let value = match value {
        OptionValue::Integer(value) => value.to_string(),
        OptionValue::Text(text) => text,
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_value = |c: char| c.is_ascii_graphic() && !matches!(c, '#' | '\\' | '"' | '\'');
    let fine = !name.is_empty() && name.chars().all(is_name) && value.chars().all(is_value);
    if !fine {
        problems.push(
            Diagnostic::error(
                "E127",
                node.span_at(&["options", &name]),
                format!("`{name}={value}` is not a module option"),
            )
            .help("a name of letters, digits and `_`, and a value without white space and quotes"),
        );
    }
    fine.then_some((name, value))
}

/// Returns the files that all modules share.
fn shared_files(modules: &[&Module], section: &Node, from_runtime: &FromRuntime) -> Vec<Declared> {
    let part = |module: &Module, subject: String, line: String| Part {
        resource: module.id(),
        subject,
        line,
    };
    let load = modules
        .iter()
        .map(|module| part(module, module.name.to_string(), module.name.to_string()))
        .collect();
    let options: Vec<_> = modules
        .iter()
        .filter(|module| !module.options.is_empty())
        .map(|module| {
            part(
                module,
                format!("options {}", module.name),
                module.options_line(),
            )
        })
        .collect();
    let files = [(LOAD_FILE, load), (OPTIONS_FILE, options)].into_iter();
    files
        .filter(|(_, parts)| !parts.is_empty())
        .map(|(path, parts)| Declared {
            resource: Box::new(SharedFile {
                target: FileTarget::new(constant_path(path)),
                header: HEADER,
                parts,
                from_runtime: from_runtime.clone(),
            }),
            span: section.span,
            written: Vec::new(),
        })
        .collect()
}
