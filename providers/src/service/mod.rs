//! systemd units: enabled, active, masked, their drop-ins, and the restarts they need (the `services` section).
//!
//! A unit that a high-level section is about, such as containerd's, is owned by that section's provider: it declares the
//! resource with [`service_for`], which takes up what `services` says of the same unit, and `services` leaves it out. So
//! each unit is one resource, with one set of wishes.

mod compile;
mod decide;
mod owner;
mod resource;
mod systemd;
#[cfg(test)]
mod tests;

use engine::diagnostic::Problems;
use engine::name::{ResourceId, UnitName};
use engine::question::UnitState;
use engine::resource::{Decision, Declared, Provider, Resource, Section, Sections};
use engine::step::Gate;

pub use owner::{OwnedService, UnitOwner, service_for};
pub use resource::{OnChange, ServiceResource, Wishes};

use crate::file::refused;
use crate::section::list_schema;

/// What must hold after a unit was restarted, unless its provider knows better.
pub const DEFAULT_GATE: Gate = Gate {
    start_seconds: 60,
    steady_seconds: 5,
    cri_socket: None,
};

/// Whether a unit runs, or keeps trying to: a kubelet that has no cluster yet restarts every ten seconds.
pub fn is_running(unit: &UnitState) -> bool {
    unit.is_active() || unit.property("ActiveState") == "activating"
}

/// Returns what is said of anything that systemd would have to do where it is not the init.
pub(crate) fn without_systemd() -> Decision {
    refused(
        "the host does not run systemd",
        "hardstand changes only hosts that run systemd; leave this one out with the selector in `hosts`",
    )
}

/// Returns the files that a spec may hold a unit in: its own, and that of the template it is an instance of.
pub(crate) fn unit_files(unit: &UnitName) -> Vec<ResourceId> {
    let template = unit.as_str().split_once('@').and_then(|(stem, instance)| {
        let (_, suffix) = instance.rsplit_once('.')?;
        Some(format!("{stem}@.{suffix}"))
    });
    std::iter::once(unit.to_string())
        .chain(template)
        .map(|name| ResourceId::new("file", format!("/etc/systemd/system/{name}")))
        .collect()
}

/// Owns `services`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Services;

impl Provider for Services {
    fn sections(&self) -> Vec<Section> {
        vec![Section {
            name: "services",
            schema: list_schema::<compile::ServiceEntry>(
                "systemd units: enabled, active, masked, and their drop-ins. A unit restarts when a resource that notifies it changes.",
            ),
        }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["service", systemd::KIND]
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        compile::compile(sections, problems)
    }

    fn unnamed_unit(&self, unit: &UnitName) -> Option<Box<dyn Resource>> {
        Some(Box::new(ServiceResource::new(unit.clone())))
    }
}
