//! The `service` resource.

use engine::name::{AbsPath, ResourceId, UnitName};
use engine::question::{Question, Unanswered};
use engine::resource::{Decision, Relation, Resource, Situation};
use engine::step::{Disruption, Gate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DEFAULT_GATE, decide, limit, unit_files, unit_packages};
use crate::section::requires;

/// What is wanted of a unit; what is not said stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wishes {
    /// It starts at boot.
    pub enabled: Option<bool>,
    /// It runs now.
    pub active: Option<bool>,
    /// Nothing can start it.
    pub masked: Option<bool>,
}

/// What a unit does when it is notified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnChange {
    /// It restarts.
    #[default]
    Restart,
    /// It reads its configuration again, or restarts if it cannot.
    Reload,
}

/// A systemd unit: what is wanted of it, and when it must restart.
#[derive(Debug, Clone)]
pub struct ServiceResource {
    /// The unit.
    pub unit: UnitName,
    /// What is wanted of it.
    pub wishes: Wishes,
    /// What it does when it is notified.
    pub on_change: OnChange,
    /// The files it reads when it starts. One that is newer than the running process owes a restart.
    pub configs: Vec<AbsPath>,
    /// What must hold after it was started, restarted or reloaded.
    pub gate: Gate,
    /// What a restart does to what runs on the node.
    pub disruption: Disruption,
    /// How many files its process may have open, where a drop-in of hardstand says so.
    pub open_files: Option<u32>,
    /// Resources that come first, such as the package that brings the unit.
    pub after: Vec<ResourceId>,
}

impl ServiceResource {
    /// Returns the resource of a unit of which nothing is wanted yet.
    pub fn new(unit: UnitName) -> Self {
        Self {
            unit,
            wishes: Wishes::default(),
            on_change: OnChange::default(),
            configs: Vec::new(),
            gate: DEFAULT_GATE,
            disruption: Disruption::Restart,
            open_files: None,
            after: Vec::new(),
        }
    }

    /// Returns the resources that may bring the unit to a host that does not have it.
    pub(super) fn origins(&self) -> Vec<ResourceId> {
        let written = self.after.iter().filter(|after| after.kind() == "package");
        written
            .cloned()
            .chain(unit_packages(&self.unit))
            .chain(unit_files(&self.unit))
            .collect()
    }
}

impl Resource for ServiceResource {
    fn id(&self) -> ResourceId {
        ResourceId::new("service", &self.unit)
    }

    fn desired(&self) -> String {
        let Self {
            unit,
            wishes,
            on_change,
            configs: _,
            gate: _,
            disruption: _,
            open_files: _,
            after: _,
        } = self;
        let Wishes {
            enabled,
            active,
            masked,
        } = wishes;
        format!(
            "service {unit} enabled={enabled:?} active={active:?} masked={masked:?} {on_change:?}"
        )
    }

    fn questions(&self) -> Vec<Question> {
        std::iter::once(Question::Unit(self.unit.clone()))
            .chain(self.configs.iter().cloned().map(Question::File))
            .chain(self.gate.cri_socket.clone().map(Question::Cri))
            .chain(
                self.open_files
                    .iter()
                    .flat_map(|_| limit::questions(&self.unit)),
            )
            .collect()
    }

    fn relations(&self) -> Vec<Relation> {
        self.after
            .iter()
            .cloned()
            .chain(self.origins())
            .map(requires)
            .chain(self.open_files.map(|_| limit::relation()))
            .collect()
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        decide::decide(self, situation)
    }
}
