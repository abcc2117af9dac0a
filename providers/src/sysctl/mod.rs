//! Kernel parameters: running now, persisted, and in effect after a reboot (the `sysctls` section).
//!
//! All lines stand in one file of sysctl.d. What counts at boot is not that file but the sum of all of them, so the whole of
//! it is simulated and a line that beats ours is named. `key` has what is known of single keys.

pub(crate) mod boot;
mod key;
mod resource;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{ResourceId, SysctlKey};
use engine::question::{SysctlState, Unanswered};
use engine::resource::{Declared, Provider, Section, Sections, Situation};
use engine::spec::{Entry, Node};
use engine::step::Step;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::file::FileTarget;
use crate::module;
use crate::runtime::from_runtime;
use crate::section::{constant_path, decode, files_below, schema, written};
use resource::{Sysctl, SysctlFile, Wanted};

/// The file with our lines. Its name comes after `99-sysctl.conf` in bytewise order.
const FILE: &str = "/etc/sysctl.d/99-zz-hardstand.conf";

/// The sysctls of a node by key, such as `net.ipv4.ip_forward: 1`. Each is set now and at every boot.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("propertyNames" = { "format": "sysctl-key" }))]
#[expect(
    dead_code,
    reason = "read entry by entry, for its places; this is its schema"
)]
#[schemars(extend(
    "x-changes" = "the kernel's value, and a line of `/etc/sysctl.d/99-zz-hardstand.conf`",
    "x-disrupts" = "nothing restarts"
))]
struct SysctlMap(BTreeMap<SysctlKey, SysctlEntry>);

/// What a sysctl should be: a number, a text, or a map.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum SysctlEntry {
    /// A whole number, in decimal.
    Integer(i64),
    /// A text; several numbers are separated by spaces.
    Text(String),
    /// A value or a minimum, with an order.
    Detailed(DetailedSysctl),
}

/// A value or a minimum, with an order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DetailedSysctl {
    /// The value. Write either this or `min`.
    #[schemars(example = 1, extend("x-default" = "none: `min`"))]
    value: Option<SysctlValue>,
    /// The least value that will do. A greater one, running or set by another file, is left as it is.
    #[schemars(example = 8192, extend("x-default" = "none: `value`"))]
    min: Option<i64>,
    /// Resources that come first, such as the module that brings the key.
    #[serde(default)]
    requires: Vec<ResourceId>,
    /// Resources that take notice when the value changes.
    #[serde(default)]
    notifies: Vec<ResourceId>,
}

/// The value of a sysctl.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum SysctlValue {
    /// A whole number, in decimal.
    Integer(i64),
    /// A text; several numbers are separated by spaces.
    Text(String),
}

/// Owns `sysctls`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sysctls;

impl Provider for Sysctls {
    fn sections(&self) -> Vec<Section> {
        vec![Section {
            name: "sysctls",
            schema: schema::<SysctlMap>(),
        }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["sysctl"]
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        let Some(section) = sections.all.get("sysctls") else {
            return Vec::new();
        };
        let others = files_below(sections, &[&boot::DIRECTORIES[..], &["/etc"]].concat());
        let others: Vec<_> = others
            .into_iter()
            .filter(|file| is_read_at_boot(file.name()) && file.name() != FILE)
            .collect();
        let sysctls: Vec<_> = section
            .entries()
            .iter()
            .filter_map(|entry| sysctl(entry, &others, problems))
            .collect();
        check_one_switch(section, &sysctls, problems);
        check_modules(&sysctls, sections, problems);
        if sysctls.is_empty() {
            return Vec::new();
        }
        let mut declared = vec![Declared {
            resource: Box::new(SysctlFile {
                target: FileTarget::new(constant_path(FILE)),
                sysctls: lines(&sysctls),
                others,
                from_runtime: from_runtime(section, "sysctls", sections),
            }),
            span: section.span,
            written: Vec::new(),
        }];
        declared.extend(sysctls.into_iter().map(|(_, declared)| declared));
        declared
    }
}

/// Whether the section sets a key, under this or its other name.
pub(crate) fn is_named(key: &SysctlKey, sections: &Sections<'_>) -> bool {
    let other = key::other_name(key);
    let section = sections.all.get("sysctls");
    let keys = section.map_or(&[][..], Node::entries).iter();
    keys.filter_map(|entry| entry.key.parse::<SysctlKey>().ok())
        .any(|named| named == *key || Some(&named) == other.as_ref())
}

/// Returns the running value of a key once what was proposed is done; none if the kernel has no such key.
pub(crate) fn running(
    key: &SysctlKey,
    situation: &Situation<'_>,
) -> Result<Option<String>, Unanswered> {
    let proposal = situation.proposed.get(&ResourceId::new("sysctl", key));
    let steps = proposal.into_iter().flat_map(|proposal| &proposal.steps);
    let set = steps.rev().find_map(|step| match step {
        Step::SetSysctl { value, .. } => Some(value.clone()),
        _ => None,
    });
    if set.is_some() {
        return Ok(set);
    }
    match situation.observed.sysctl(key)? {
        SysctlState::Value(value) => Ok(Some(value.clone())),
        SysctlState::Absent => Ok(None),
        SysctlState::Unreadable(why) => Err(Unanswered(format!("{key} cannot be read: {why}"))),
    }
}

fn is_read_at_boot(path: &str) -> bool {
    path == "/etc/sysctl.conf" || (path.contains("/sysctl.d/") && path.ends_with(".conf"))
}

/// Returns a sysctl and its declaration.
fn sysctl(
    entry: &Entry,
    others: &[ResourceId],
    problems: &mut Problems,
) -> Option<(Sysctl, Declared)> {
    let key = checked_key(entry, problems)?;
    let detailed = match decode(&entry.node, problems)? {
        SysctlEntry::Integer(value) => DetailedSysctl::of(SysctlValue::Integer(value)),
        SysctlEntry::Text(value) => DetailedSysctl::of(SysctlValue::Text(value)),
        SysctlEntry::Detailed(detailed) => detailed,
    };
    let wanted = checked_wanted(&key, &detailed, &entry.node, problems)?;
    let written = written(&entry.node, &detailed.requires, &detailed.notifies);
    let sysctl = Sysctl {
        key,
        wanted,
        file: ResourceId::new("file", FILE),
        others: others.to_vec(),
        requires: detailed.requires,
    };
    let declared = Declared {
        resource: Box::new(sysctl.clone()),
        span: entry.key_span,
        written,
    };
    Some((sysctl, declared))
}

impl DetailedSysctl {
    fn of(value: SysctlValue) -> Self {
        Self {
            value: Some(value),
            min: None,
            requires: Vec::new(),
            notifies: Vec::new(),
        }
    }
}

fn checked_key(entry: &Entry, problems: &mut Problems) -> Option<SysctlKey> {
    // A key that is none was complained of when the section was checked against its schema.
    let key: SysctlKey = entry.key.parse().ok()?;
    let Some((why, dangerous)) = key::refusal(&key) else {
        return Some(key);
    };
    let (code, message) = if dangerous {
        (
            "E214",
            format!("`{key}` is too dangerous to be set from a spec"),
        )
    } else {
        ("E214", format!("`{key}` has no value that could be kept"))
    };
    problems.push(Diagnostic::error(code, entry.key_span, message).help(why));
    None
}

fn checked_wanted(
    key: &SysctlKey,
    detailed: &DetailedSysctl,
    node: &Node,
    problems: &mut Problems,
) -> Option<Wanted> {
    let wanted = match (&detailed.value, detailed.min) {
        (Some(SysctlValue::Integer(value)), None) => Wanted::Exactly(value.to_string()),
        (Some(SysctlValue::Text(text)), None) => {
            if let Some((code, message, help)) = value::fault(text) {
                let span = node.span_at(&["value"]);
                problems.push(Diagnostic::error(code, span, message).help(help));
                return None;
            }
            Wanted::Exactly(value::canonical(text))
        }
        (None, Some(least)) => Wanted::AtLeast(least),
        (value, _) => {
            let count = if value.is_some() { "both" } else { "neither" };
            let message = format!("`{key}` has {count} of `value` and `min`");
            problems.push(Diagnostic::error("E210", node.span, message).help("write one of them"));
            return None;
        }
    };
    check_bounds(key, &wanted, node, problems);
    Some(wanted)
}

fn check_bounds(key: &SysctlKey, wanted: &Wanted, node: &Node, problems: &mut Problems) {
    let number = match wanted {
        Wanted::Exactly(value) => value::number(value),
        Wanted::AtLeast(least) => Some(*least),
    };
    let Some((least, greatest)) = key::bounds(key) else {
        return;
    };
    if !number.is_some_and(|number| (least..=greatest).contains(&number)) {
        let message = format!("`{key}` is a number from {least} to {greatest}");
        let span = node.span_at(&["value"]);
        problems.push(Diagnostic::error("E215", span, message));
    }
}

/// Complains about two names of one switch that are set differently.
fn check_one_switch(section: &Node, sysctls: &[(Sysctl, Declared)], problems: &mut Problems) {
    let [one, other] = key::forwarding();
    let find = |name| {
        sysctls
            .iter()
            .map(|(sysctl, _)| sysctl)
            .find(|sysctl| sysctl.key.as_str() == name)
    };
    if let (Some(first), Some(second)) = (find(one), find(other))
        && first.wanted != second.wanted
    {
        let place = |name| {
            section
                .entry(name)
                .map_or(section.span, |entry| entry.key_span)
        };
        let message = format!("`{one}` and `{other}` are one switch, and are set differently");
        problems.push(
            Diagnostic::error("E239", place(other), message)
                .related(place(one), "it is set here as well")
                .help("keep one of the two"),
        );
    }
}

/// Warns of keys that will not exist until something else loads their module.
fn check_modules(sysctls: &[(Sysctl, Declared)], sections: &Sections<'_>, problems: &mut Problems) {
    let named = module::named(sections);
    for (sysctl, declared) in sysctls {
        if let Some(module) = key::module(&sysctl.key)
            && !named.iter().any(|name| name == module)
        {
            let message = format!("`{}` exists only while `{module}` is loaded", sysctl.key);
            problems.push(
                Diagnostic::warning("W301", declared.span, message)
                    .help(format!("add `{module}` to `modules`")),
            );
        }
    }
}

/// Returns the keys in the order of their lines; the switch of forwarding first, since it sets others.
fn lines(sysctls: &[(Sysctl, Declared)]) -> Vec<(SysctlKey, Wanted)> {
    let mut lines: Vec<_> = sysctls
        .iter()
        .map(|(sysctl, _)| (sysctl.key.clone(), sysctl.wanted.clone()))
        .collect();
    lines.sort_by_key(|(key, _)| !key::is_forwarding(key));
    lines
}
