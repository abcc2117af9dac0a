//! systemd units: enabled, active, masked, their drop-ins, and the restarts they need (the `services` section).
//!
//! A unit that a high-level section is about, such as containerd's, is owned by that section's provider: it declares the
//! resource with [`service_for`], which takes up what `services` says of the same unit, and `services` leaves it out. So
//! each unit is one resource, with one set of wishes.

mod compile;
mod decide;
mod limit;
mod owner;
mod resource;
mod ruled;
mod systemd;
#[cfg(test)]
mod tests;

use engine::diagnostic::Problems;
use engine::name::{ResourceId, UnitName};
use engine::question::{Question, Unanswered, UnitState};
use engine::resource::{Decision, Declared, Provider, Resource, Section, Sections, Situation};
use engine::step::Gate;

pub(crate) use limit::nr_open;
pub use owner::{OwnedService, UnitOwner, service_for};
pub use resource::{OnChange, ServiceResource, Wishes};
pub(crate) use ruled::Rule;

use crate::docker;
use crate::file::refused;
use crate::section::{Effects, list_schema};

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

/// Returns the packages that usually bring a unit: those of its name.
pub(crate) fn unit_packages(unit: &UnitName) -> impl Iterator<Item = ResourceId> {
    let stem = unit.as_str().split('.').next().unwrap_or_default();
    [stem.to_owned(), format!("{stem}.io"), format!("{stem}-ce")]
        .into_iter()
        .map(|name| ResourceId::new("package", name))
}

/// A unit that no spec names, and that takes notice of what is removed.
#[derive(Debug)]
struct UnnamedUnit(ServiceResource);

impl Resource for UnnamedUnit {
    fn id(&self) -> ResourceId {
        self.0.id()
    }

    fn desired(&self) -> String {
        self.0.desired()
    }

    fn questions(&self) -> Vec<Question> {
        self.0.questions()
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        let mut service = self.0.clone();
        service.disruption = docker::restart_disruption(&service.unit, situation.observed);
        service.decide(situation)
    }
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
                Effects {
                    changes: "the unit",
                    disrupts: "the unit restarts",
                },
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
        Some(Box::new(UnnamedUnit(ServiceResource::new(unit.clone()))))
    }
}
