//! Units that belong to a high-level section, and what `services` says of them.

use std::collections::BTreeSet;

use engine::diagnostic::Problems;
use engine::name::{AbsPath, ResourceId, UnitName};
use engine::resource::{Declared, Relation, Sections};
use engine::source::Span;
use engine::step::Gate;

use super::compile::{ServiceEntry, drop_in_path, entries, wishes};
use super::resource::ServiceResource;
use super::ruled::{Rule, Ruled};
use super::{limit, systemd};
use crate::dropin;
use crate::runtime;
use crate::section::{managed_paths, written};

/// Sections below `spec:` with the units they own.
const OWNERS: [(&[&str], &str); 12] = [
    (&["kubelet"], "kubelet.service"),
    (&["timeSync", "chrony"], "chrony.service"),
    (&["timeSync", "timesyncd"], "systemd-timesyncd.service"),
    (&["runtime", "containerd"], "containerd.service"),
    (&["runtime", "containerd", "replaces"], "kubelet.service"),
    (&["runtime", "crio"], "crio.service"),
    (&["runtime", "docker"], "docker.service"),
    (&["runtime", "docker", "criDockerd"], "cri-docker.service"),
    (&["runtime", "docker", "criDockerd"], "cri-docker.socket"),
    (&["runtime", "mirantis"], "docker.service"),
    (&["runtime", "mirantis", "criDockerd"], "cri-docker.service"),
    (&["runtime", "mirantis", "criDockerd"], "cri-docker.socket"),
];

/// A unit that a section is about.
#[derive(Debug)]
pub struct UnitOwner {
    /// The unit.
    pub unit: UnitName,
    /// Where the section stands.
    pub span: Span,
    /// The files that the unit reads when it starts, and that the section's provider writes.
    pub configs: Vec<AbsPath>,
    /// What must hold after it was started or restarted, unless `services` says otherwise.
    pub gate: Gate,
}

/// The resource of an owned unit, to be completed by its owner.
#[derive(Debug)]
pub struct OwnedService {
    /// The resource, with what the user wishes for it.
    pub resource: ServiceResource,
    /// Where it is declared: in `services` if it stands there, else in the section that owns it.
    pub span: Span,
    /// What `services` writes about its order.
    pub written: Vec<(Relation, Span)>,
}

impl OwnedService {
    /// Returns the declaration.
    pub fn declared(self) -> Declared {
        Declared {
            resource: Box::new(self.resource),
            span: self.span,
            written: self.written,
        }
    }

    /// Returns the declaration of the unit with a rule of its own.
    pub(crate) fn ruled(self, rule: impl Rule + 'static) -> Declared {
        Declared {
            resource: Box::new(Ruled {
                unit: self.resource,
                rule,
            }),
            span: self.span,
            written: self.written,
        }
    }
}

/// Returns the resource of a unit that a section owns, with what `services` says of it and the files that notify it. Its
/// drop-ins are declared by `services`, and complaints about the entry are made there.
pub fn service_for(owner: UnitOwner, sections: &Sections<'_>) -> OwnedService {
    let UnitOwner {
        unit,
        span,
        configs,
        gate,
    } = owner;
    // The entry is decoded a second time by `services`, which reports what is wrong with it.
    let mut unheard = Problems::default();
    let entry = entries(sections, &mut unheard)
        .into_iter()
        .find(|(_, entry)| entry.name == unit);
    let mut resource = ServiceResource::new(unit.clone());
    resource.configs = configs;
    resource.gate = gate;
    resource.configs.extend(configs_of(&unit, sections));
    resource.configs.extend(asked_paths(&unit, sections));
    resource.open_files = limit::of_spec(&unit, sections);
    resource.after = systemd::comes_before(&unit, sections);
    let Some((node, entry)) = entry else {
        return OwnedService {
            resource,
            span,
            written: Vec::new(),
        };
    };
    take_up(&entry, &mut resource);
    OwnedService {
        resource,
        span: node.span,
        written: written(node, &entry.requires, &entry.notifies),
    }
}

/// Puts what an entry says into the resource of its unit.
pub(super) fn take_up(entry: &ServiceEntry, resource: &mut ServiceResource) {
    resource.wishes = wishes(entry);
    resource.on_change = entry.on_change;
    let gate = &mut resource.gate;
    gate.start_seconds = entry.start_seconds.unwrap_or(gate.start_seconds);
    gate.steady_seconds = entry.steady_seconds.unwrap_or(gate.steady_seconds);
    gate.cri_socket = entry.cri_socket.clone().or(gate.cri_socket.take());
    resource.after.extend(entry.requires.iter().cloned());
    let drop_ins = entry
        .drop_ins
        .keys()
        .filter_map(|name| drop_in_path(&entry.name, name));
    resource.configs.extend(drop_ins);
}

/// Returns the files of the spec that notify a unit, by either end.
pub(super) fn configs_of(unit: &UnitName, sections: &Sections<'_>) -> Vec<AbsPath> {
    let id = ResourceId::new("service", unit).to_string();
    managed_paths(sections)
        .filter(|(_, node)| {
            node.get("notifies")
                .is_some_and(|list| list.items().iter().any(|item| item.text() == Some(&id)))
        })
        .map(|(path, _)| path)
        .collect()
}

/// Returns the drop-ins of a unit that sections other than `services` ask for.
pub(super) fn asked_paths(unit: &UnitName, sections: &Sections<'_>) -> Vec<AbsPath> {
    let asked = dropin::asked_of(unit, sections);
    asked.into_iter().map(|drop_in| drop_in.path).collect()
}

/// Returns the units that other sections own.
pub(super) fn owned_units(sections: &Sections<'_>) -> BTreeSet<String> {
    // A runtime may run as another unit than usual.
    let daemons = runtime::daemons(sections);
    let units = daemons.iter().flat_map(|(daemons, _)| daemons.units());
    let usual = OWNERS
        .iter()
        .filter(|(path, _)| {
            path.split_first().is_some_and(|(section, below)| {
                sections
                    .all
                    .get(*section)
                    .is_some_and(|node| node.at(below).is_some())
            })
        })
        .map(|(_, unit)| (*unit).to_owned());
    usual.chain(units.map(ToString::to_string)).collect()
}
