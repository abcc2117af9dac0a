//! Docker goes off: its units and those of cri-dockerd are stopped and disabled, after the kubelet was paused. Its packages
//! stay, so that the way back is open.

use engine::name::{ResourceId, UnitName};
use engine::question::{Question, Unanswered};
use engine::resource::{Action, Decision, Proposal, Relation, Resource, Situation};
use engine::step::{Disruption, Step};

use super::DOCKER_UNITS;
use crate::runtime::{Refusal, Stop, has_joined, joined_marks, kubelet};
use crate::section::notifies;
use crate::service::is_running;

/// The kind of the resource.
pub(super) const KIND: &str = "migration";

/// What is left for a person to do, and what may happen when it is done.
const LEFTOVERS: &str = "Docker's packages, images and firewall rules stay. Remove the packages once the node is well, and not \
                         with autoremove: that may take containerd.io along";

/// Docker on a node, which should be off.
#[derive(Debug)]
pub(super) struct Docker {
    /// Pods may be lost on a node that has joined.
    pub(super) allowed: bool,
}

/// Returns the name of the resource.
pub(super) fn id() -> ResourceId {
    ResourceId::new(KIND, "docker")
}

impl Resource for Docker {
    fn id(&self) -> ResourceId {
        id()
    }

    fn desired(&self) -> String {
        "docker is off".to_owned()
    }

    fn questions(&self) -> Vec<Question> {
        units()
            .chain([kubelet()])
            .map(Question::Unit)
            .chain(joined_marks().map(Question::File))
            .collect()
    }

    fn relations(&self) -> Vec<Relation> {
        vec![notifies(ResourceId::new("service", kubelet()))]
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        Stop::settle(self.weigh(situation))
    }
}

impl Docker {
    fn weigh(&self, situation: &Situation<'_>) -> Result<Decision, Stop> {
        let mut proposal = Proposal::new(Action::Update, Vec::new());
        for unit in units() {
            let state = situation.observed.unit(&unit)?;
            if is_running(state) {
                proposal.steps.push(Step::StopUnit { name: unit.clone() });
                proposal = proposal.difference(
                    &format!("{unit} active"),
                    state.property("ActiveState"),
                    "inactive",
                );
            }
            if state.property("UnitFileState") == "enabled" {
                proposal
                    .steps
                    .push(Step::DisableUnit { name: unit.clone() });
                proposal = proposal.difference(&format!("{unit} enabled"), "yes", "no");
            }
        }
        if proposal.steps.is_empty() {
            return Ok(Decision::Converged);
        }
        let runs = is_running(situation.observed.unit(&kubelet())?);
        let joined = has_joined(situation)?;
        if joined && !situation.drains && !self.allowed {
            return Err(Refusal::new(
                "the node has joined a cluster, and its pods do not survive that Docker stops",
            )
            .help(
                "let hardstand drain it, with `cluster: { drain: {} }`; or drain it by hand and apply with \
                 `runtime.containerd.allowDriverChange: true`",
            )
            .into());
        }
        if runs {
            proposal
                .steps
                .insert(0, Step::PauseUnit { name: kubelet() });
        }
        proposal.disruption = match runs || joined {
            true => Disruption::PodLoss,
            false => Disruption::Restart,
        };
        proposal.condition = Some(LEFTOVERS.to_owned());
        Ok(Decision::Change(proposal))
    }
}

fn units() -> impl Iterator<Item = UnitName> {
    DOCKER_UNITS
        .into_iter()
        .filter_map(|unit| unit.parse().ok())
}
