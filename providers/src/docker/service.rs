//! The unit of dockerd. Unlike other runtimes, it takes its containers along when it restarts, unless live-restore is on;
//! some keys of its file it reads again on a reload; and its socket unit starts it again after it was stopped.

use engine::facts::Init;
use engine::name::{AbsPath, ResourceId, UnitName};
use engine::question::{FileState, Question, RegularFile, Unanswered};
use engine::resource::{Action, Decision, Proposal, Resource as _, Situation};
use engine::step::{Content, Disruption, Step};

use super::{edit, json};
use crate::service::{OnChange, Rule, ServiceResource, is_running};

/// What is peculiar to the unit that runs dockerd.
#[derive(Debug)]
pub(super) struct DockerRule {
    /// The configuration file.
    pub(super) config: AbsPath,
    /// Its resource.
    pub(super) config_id: ResourceId,
}

impl Rule for DockerRule {
    fn questions(&self, unit: &ServiceResource) -> Vec<Question> {
        vec![Question::Unit(socket_of(&unit.unit))]
    }

    fn decide(
        &self,
        unit: &ServiceResource,
        situation: &Situation<'_>,
    ) -> Result<Decision, Unanswered> {
        if situation.facts().init != Init::Systemd {
            return unit.decide(situation);
        }
        let mut unit = unit.clone();
        let is_stale = self.is_stale(&unit.unit, situation)?;
        if !is_stale {
            unit.configs.retain(|path| *path != self.config);
        }
        if !is_stale && self.reload_suffices(situation) {
            unit.on_change = OnChange::Reload;
        }
        unit.disruption = match !is_stale && self.keeps_containers(situation)? {
            true => Disruption::Restart,
            false => Disruption::PodLoss,
        };
        let decision = unit.decide(situation)?;
        with_socket(&unit, decision, situation)
    }
}

impl DockerRule {
    /// Whether the file was changed since the daemon was started or reloaded.
    fn is_stale(&self, unit: &UnitName, situation: &Situation<'_>) -> Result<bool, Unanswered> {
        let unit = situation.observed.unit(unit)?;
        let loaded = unit.started().max(unit.changed());
        let FileState::Regular(file) = situation.observed.file(&self.config)? else {
            return Ok(false);
        };
        Ok(is_running(unit) && loaded.is_some_and(|loaded| file.modified > loaded))
    }

    /// Whether all that notifies the unit is keys that the daemon reads again on SIGHUP.
    fn reload_suffices(&self, situation: &Situation<'_>) -> bool {
        let only_config = situation.notified_by == [self.config_id.clone()];
        let proposal = situation.proposed.get(&self.config_id);
        only_config
            && proposal.is_some_and(|proposal| {
                proposal
                    .differences
                    .iter()
                    .all(|difference| edit::is_reloadable(&difference.attribute))
            })
    }

    /// Whether containers outlive a restart: live-restore is on before it and after it, and they stay where they are.
    fn keeps_containers(&self, situation: &Situation<'_>) -> Result<bool, Unanswered> {
        let before = match situation.observed.file(&self.config)? {
            FileState::Regular(file) => keeps_containers(file),
            _ => false,
        };
        let proposal = situation.proposed.get(&self.config_id);
        let steps = proposal.map_or(&[][..], |proposal| &proposal.steps);
        let after = steps
            .iter()
            .find_map(|step| match step {
                Step::WriteFile { content, .. } => Some(lives(Content::bytes(content))),
                _ => None,
            })
            .unwrap_or(before);
        let moves = proposal.is_some_and(|proposal| {
            proposal
                .differences
                .iter()
                .any(|difference| difference.attribute == "data-root")
        });
        Ok(before && after && !moves)
    }
}

/// A stopped daemon is started again by whoever opens its socket, and one that is not enabled as well.
fn with_socket(
    unit: &ServiceResource,
    decision: Decision,
    situation: &Situation<'_>,
) -> Result<Decision, Unanswered> {
    let socket = socket_of(&unit.unit);
    let state = situation.observed.unit(&socket)?;
    let wishes = unit.wishes;
    let mut steps = Vec::new();
    if wishes.enabled == Some(false) && state.property("UnitFileState") == "enabled" {
        steps.push(Step::DisableUnit {
            name: socket.clone(),
        });
    }
    if wishes.active == Some(false) && state.is_active() {
        steps.push(Step::StopUnit {
            name: socket.clone(),
        });
    }
    if steps.is_empty() {
        return Ok(decision);
    }
    let mut proposal = match decision {
        Decision::Change(proposal) => proposal,
        Decision::Converged => Proposal::new(Action::Update, Vec::new()),
        other @ (Decision::Unknown(_) | Decision::Refused { .. }) => return Ok(other),
    };
    steps.append(&mut proposal.steps);
    proposal.steps = steps;
    Ok(Decision::Change(proposal.difference(
        socket.as_str(),
        "starts the daemon when it is used",
        "off",
    )))
}

/// Returns the socket unit of a service.
pub(super) fn socket_of(service: &UnitName) -> UnitName {
    let stem = service.as_str().trim_end_matches(".service");
    format!("{stem}.socket")
        .parse()
        .unwrap_or_else(|_| service.clone())
}

/// Whether a configuration file lets containers live on without the daemon.
pub(super) fn keeps_containers(file: &RegularFile) -> bool {
    file.content.as_deref().is_some_and(lives)
}

fn lives(content: &[u8]) -> bool {
    std::str::from_utf8(content)
        .ok()
        .and_then(|text| json::parse(text).ok())
        .is_some_and(|root| edit::live_restore(&root))
}
