//! The `services` section as written, and what is wrong with it before any host is asked.

use std::collections::{BTreeMap, BTreeSet};

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{AbsPath, ResourceId, UnitName};
use engine::resource::{Declared, Sections};
use engine::spec::Node;
use schemars::JsonSchema;
use serde::Deserialize;

use super::owner::{asked_paths, configs_of, owned_units, take_up};
use super::resource::{OnChange, ServiceResource, Wishes};
use super::{limit, systemd};
use crate::dropin::{self, DropIn};
use crate::file::{FileResource, managed_directory, managed_file};
use crate::section::{decode, items, written};

/// Units without which the node is out of reach.
const LIFELINES: [&str; 7] = [
    "NetworkManager.service",
    "dbus.service",
    "networking.service",
    "ssh.service",
    "sshd.service",
    "systemd-logind.service",
    "systemd-networkd.service",
];

/// A systemd unit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ServiceEntry {
    /// The unit with its suffix, such as `chrony.service`.
    #[schemars(example = &"chrony.service")]
    #[schemars(extend("x-changes" = "nothing by itself", "x-disrupts" = "nothing"))]
    pub(super) name: UnitName,
    /// Whether it starts at boot; left as it is by default.
    #[schemars(extend(
        "x-default" = "left as it is",
        "x-changes" = "whether it starts at boot",
        "x-disrupts" = "nothing"
    ))]
    pub(super) enabled: Option<bool>,
    /// Whether it runs now; left as it is by default. `false` stops it.
    #[schemars(extend(
        "x-default" = "left as it is",
        "x-changes" = "whether it runs",
        "x-disrupts" = "the unit starts or stops"
    ))]
    pub(super) active: Option<bool>,
    /// Whether it is masked, so that nothing can start it; left as it is by default. `true` also stops and disables it.
    #[schemars(extend(
        "x-default" = "left as it is",
        "x-changes" = "whether anything can start it",
        "x-disrupts" = "with `true`, the unit stops"
    ))]
    pub(super) masked: Option<bool>,
    /// Drop-ins by name, each with its whole content: `limits` is written to /etc/systemd/system/UNIT.d/limits.conf. The
    /// unit restarts when one changes.
    #[schemars(example = serde_json::json!({ "limits": "[Service]\nLimitNOFILE=65536\n" }))]
    #[schemars(extend(
        "x-changes" = "`/etc/systemd/system/UNIT.d/NAME.conf`",
        "x-disrupts" = "the unit restarts"
    ))]
    #[serde(default)]
    pub(super) drop_ins: BTreeMap<String, String>,
    /// What happens when a resource that notifies the unit changes: `restart` (the default), or `reload`, which falls back to
    /// a restart where the unit cannot reload.
    #[schemars(extend(
        "x-changes" = "how the unit takes notice",
        "x-disrupts" = "the unit restarts or reloads when it is notified"
    ))]
    #[serde(default)]
    pub(super) on_change: OnChange,
    /// How many seconds the unit may take to start before a restart counts as failed; 60 by default.
    #[schemars(example = 120)]
    #[schemars(extend(
        "x-default" = "60, or longer for a runtime that needs it",
        "x-changes" = "nothing: the gate of a restart",
        "x-disrupts" = "nothing"
    ))]
    #[schemars(range(min = 1, max = 3600))]
    pub(super) start_seconds: Option<u32>,
    /// How many seconds the unit must then stay up; 5 by default. If it does not, the files that made it restart are put back.
    #[schemars(example = 30)]
    #[schemars(extend(
        "x-default" = "5, or longer for a runtime that needs it",
        "x-changes" = "nothing: the gate of a restart",
        "x-disrupts" = "nothing"
    ))]
    #[schemars(range(min = 1, max = 600))]
    pub(super) steady_seconds: Option<u32>,
    /// A CRI socket on which the unit must answer after a restart; none by default.
    #[schemars(example = &"/run/containerd/containerd.sock")]
    #[schemars(extend(
        "x-default" = "none",
        "x-changes" = "nothing: the gate of a restart",
        "x-disrupts" = "nothing"
    ))]
    pub(super) cri_socket: Option<AbsPath>,
    /// Resources that come first, such as the package that brings the unit.
    #[serde(default)]
    pub(super) requires: Vec<ResourceId>,
    /// Resources that take notice when the unit changes.
    #[serde(default)]
    pub(super) notifies: Vec<ResourceId>,
}

/// Returns the entries of the section with their nodes.
pub(super) fn entries<'a>(
    sections: &Sections<'a>,
    problems: &mut Problems,
) -> Vec<(&'a Node, ServiceEntry)> {
    items(sections, "services")
        .iter()
        .filter_map(|node| Some((node, decode(node, problems)?)))
        .collect()
}

/// Turns the section into resources.
pub(super) fn compile(sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
    let owned = owned_units(sections);
    let mut declared = Vec::new();
    let mut seen = BTreeMap::new();
    let mut with_drop_ins = BTreeSet::new();
    for (node, entry) in entries(sections, problems) {
        if let Some(earlier) = seen.insert(entry.name.clone(), node.span) {
            let message = format!("`{}` is managed twice", entry.name);
            problems.push(
                Diagnostic::error("E201", node.span_at(&["name"]), message)
                    .related(earlier, "it is managed here already")
                    .help("keep one of the two"),
            );
            continue;
        }
        check(&entry, node, problems);
        declared.extend(drop_ins(&entry, node, sections, problems));
        if !entry.drop_ins.is_empty() {
            with_drop_ins.insert(entry.name.clone());
        }
        if owned.contains(entry.name.as_str()) {
            continue;
        }
        let mut resource = ServiceResource::new(entry.name.clone());
        resource.configs = configs_of(&entry.name, sections);
        resource.configs.extend(asked_paths(&entry.name, sections));
        resource.open_files = limit::of_spec(&entry.name, sections);
        resource.after = systemd::comes_before(&entry.name, sections);
        take_up(&entry, &mut resource);
        declared.push(Declared {
            resource: Box::new(resource),
            span: node.span,
            written: written(node, &entry.requires, &entry.notifies),
        });
    }
    declared.extend(asked_drop_ins(with_drop_ins, sections));
    let asked = dropin::asked_for(sections);
    for (unit, span) in asked
        .into_iter()
        .map(|drop_in| (drop_in.unit, drop_in.span))
    {
        if owned.contains(unit.as_str()) || seen.insert(unit.clone(), span).is_some() {
            continue;
        }
        let mut resource = ServiceResource::new(unit.clone());
        resource.configs = configs_of(&unit, sections);
        resource.configs.extend(asked_paths(&unit, sections));
        resource.open_files = limit::of_spec(&unit, sections);
        declared.push(Declared {
            resource: Box::new(resource),
            span,
            written: Vec::new(),
        });
    }
    let named = |unit: &str| owned.contains(unit) || seen.keys().any(|name| name.as_str() == unit);
    declared.extend(systemd::compile(sections, &named));
    declared
}

/// Returns the drop-ins that other sections ask for as files, and their directories unless the spec has them already.
fn asked_drop_ins(
    mut with_directory: BTreeSet<UnitName>,
    sections: &Sections<'_>,
) -> Vec<Declared> {
    let listed = listed_directories(sections);
    let mut declared = Vec::new();
    for drop_in in dropin::asked_for(sections) {
        let DropIn {
            unit,
            path,
            text,
            span,
            after,
        } = drop_in;
        let directory = path.parent();
        if with_directory.insert(unit.clone()) && !listed.contains(directory.as_str()) {
            declared.push(Declared {
                resource: Box::new(managed_directory(directory)),
                span,
                written: Vec::new(),
            });
        }
        let file = managed_file(path, text.into_bytes()).read_by(unit);
        let file = after.into_iter().fold(file, FileResource::after);
        declared.push(Declared {
            resource: Box::new(file),
            span,
            written: Vec::new(),
        });
    }
    declared
}

fn listed_directories<'a>(sections: &Sections<'a>) -> BTreeSet<&'a str> {
    items(sections, "directories")
        .iter()
        .filter_map(|node| node.get("path")?.text())
        .collect()
}

/// Returns what an entry wishes for its unit: masked implies stopped and disabled.
pub(super) fn wishes(entry: &ServiceEntry) -> Wishes {
    let off = entry.masked.filter(|masked| *masked).map(|_| false);
    Wishes {
        enabled: entry.enabled.or(off),
        active: entry.active.or(off),
        masked: entry.masked,
    }
}

fn check(entry: &ServiceEntry, node: &Node, problems: &mut Problems) {
    if entry.masked == Some(true) {
        for (field, value) in [("enabled", entry.enabled), ("active", entry.active)] {
            if value == Some(true) {
                let message = format!("`{}` is masked, so it cannot be {field}", entry.name);
                problems.push(
                    Diagnostic::error("E217", node.span_at(&[field]), message)
                        .related(node.span_at(&["masked"]), "it is masked here"),
                );
            }
        }
    }
    let off = [
        ("enabled", entry.enabled == Some(false)),
        ("active", entry.active == Some(false)),
        ("masked", entry.masked == Some(true)),
    ];
    for (field, _) in off.iter().filter(|(_, off)| *off) {
        if LIFELINES.contains(&entry.name.as_str()) {
            let message = format!("without `{}` the node may be out of reach", entry.name);
            problems.push(
                Diagnostic::error("E230", node.span_at(&[field]), message)
                    .help("do this by hand, with another way into the node"),
            );
        }
    }
}

/// Returns the first line of a drop-in that says something, if no section begins there.
fn line_without_section(content: &str) -> Option<String> {
    let first = content
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with(['#', ';']))?;
    (!first.starts_with('[')).then(|| first.escape_debug().to_string())
}

/// Returns the drop-ins of a unit as files, and their directory unless the spec has it already.
fn drop_ins(
    entry: &ServiceEntry,
    node: &Node,
    sections: &Sections<'_>,
    problems: &mut Problems,
) -> Vec<Declared> {
    let directories = listed_directories(sections);
    let mut declared = Vec::new();
    for (name, content) in &entry.drop_ins {
        let place = node.get("dropIns").and_then(|map| map.entry(name));
        let span = place.map_or(node.span, |place| place.key_span);
        let Some(path) = drop_in_path(&entry.name, name) else {
            let message = format!("`{name}` is not the name of a drop-in");
            problems.push(
                Diagnostic::error("E127", span, message)
                    .help("letters, digits, `.`, `-` and `_`, with or without `.conf`"),
            );
            continue;
        };
        if let Some(line) = line_without_section(content) {
            let message = format!("the drop-in `{name}` has a line before any section: `{line}`");
            problems.push(
                Diagnostic::error("E127", span, message)
                    .help("systemd ignores it; begin with a section such as `[Service]`"),
            );
        }
        let directory = managed_directory(path.parent());
        if declared.is_empty() && !directories.contains(path.parent().as_str()) {
            declared.push(Declared {
                resource: Box::new(directory),
                span,
                written: Vec::new(),
            });
        }
        let mut text = content.clone();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let mut file = managed_file(path, text.into_bytes()).read_by(entry.name.clone());
        for resource in &entry.requires {
            file = file.after(resource.clone());
        }
        declared.push(Declared {
            resource: Box::new(file),
            span,
            written: Vec::new(),
        });
    }
    declared
}

/// Returns where a drop-in stands, if its name is one.
pub(super) fn drop_in_path(unit: &UnitName, name: &str) -> Option<AbsPath> {
    let stem = name.strip_suffix(".conf").unwrap_or(name);
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if stem.is_empty() || stem.starts_with('.') || !stem.chars().all(fine) {
        return None;
    }
    format!("/etc/systemd/system/{unit}.d/{stem}.conf")
        .parse()
        .ok()
}
