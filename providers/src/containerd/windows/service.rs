//! The resource that is the Windows service of containerd: it starts with Windows, runs, and runs the file on disk.

use engine::name::{AbsPath, ResourceId, UnitName};
use engine::question::{CriState, FileState, Question, Unanswered, UnitState};
use engine::resource::{Action, Decision, Proposal, Reason, Resource, Situation};
use engine::step::{Gate, Step};

use crate::runtime::Refusal;

/// The service of containerd.
#[derive(Debug)]
pub(super) struct WindowsService {
    /// Its name with `.service`.
    pub(super) unit: UnitName,
    /// The file that it reads when it starts. One that is newer than the running process owes a restart.
    pub(super) config: AbsPath,
    /// What must hold after it was started or restarted.
    pub(super) gate: Gate,
}

impl Resource for WindowsService {
    fn id(&self) -> ResourceId {
        ResourceId::new("service", &self.unit)
    }

    fn desired(&self) -> String {
        format!("service {} starts with Windows and runs", self.unit)
    }

    fn questions(&self) -> Vec<Question> {
        let pipe = self.gate.cri_socket.clone().map(Question::Cri);
        [
            Question::Unit(self.unit.clone()),
            Question::File(self.config.clone()),
        ]
        .into_iter()
        .chain(pipe)
        .collect()
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        if situation.facts().os_id != "windows" {
            return Ok(Decision::Unknown(
                "the host does not run Windows".to_owned(),
            ));
        }
        let state = situation.observed.unit(&self.unit)?;
        if let Some(refusal) = self.obstacle(state) {
            return Ok(refusal.into());
        }
        let reasons = self.reasons(state, situation)?;
        if reasons.is_empty()
            && let Some(held_up) = self.silent(state, situation)?
        {
            return Ok(held_up);
        }
        Ok(self.propose(state, reasons))
    }
}

impl WindowsService {
    /// Returns the name that Windows knows.
    fn name(&self) -> &str {
        let unit = self.unit.as_str();
        unit.strip_suffix(".service").unwrap_or(unit)
    }

    fn obstacle(&self, state: &UnitState) -> Option<Refusal> {
        let name = self.name();
        if !state.exists() {
            return Some(
                Refusal::new(format!("the host has no service `{name}`"))
                    .help("run `containerd.exe --register-service` on the host"),
            );
        }
        (state.property("UnitFileState") == "masked").then(|| {
            Refusal::new(format!("the service `{name}` is disabled")).help(format!(
                "someone disabled it on purpose; `Set-Service {name} -StartupType Automatic` enables it"
            ))
        })
    }

    /// Returns why a service that runs must restart.
    fn reasons(
        &self,
        state: &UnitState,
        situation: &Situation<'_>,
    ) -> Result<Vec<Reason>, Unanswered> {
        let notifiers = situation.notified_by.iter().cloned();
        let mut reasons: Vec<_> = notifiers.map(Reason::NotifiedBy).collect();
        if situation.owes(&self.unit) {
            reasons.push(Reason::Owed("an earlier run that stopped".to_owned()));
        } else if let Some(started) = state.started().filter(|_| state.is_active())
            && let FileState::Regular(file) = situation.observed.file(&self.config)?
            && file.modified > started
        {
            let path = self.config.on_windows();
            let path = path.unwrap_or_else(|| self.config.to_string());
            reasons.push(Reason::Owed(format!(
                "{path} is newer than the running process"
            )));
        }
        Ok(reasons)
    }

    /// Returns why a service that runs is not as desired all the same: nothing listens at its pipe, or no CRI does.
    fn silent(
        &self,
        state: &UnitState,
        situation: &Situation<'_>,
    ) -> Result<Option<Decision>, Unanswered> {
        let Some(pipe) = self.gate.cri_socket.as_ref().filter(|_| state.is_active()) else {
            return Ok(None);
        };
        let shown = pipe.on_windows().unwrap_or_else(|| pipe.to_string());
        let name = self.name();
        let refused = |what: String| {
            let log =
                "see its log, or the event log of Windows, mend its configuration, and restart it";
            Some(Decision::from(Refusal::new(what).help(log)))
        };
        Ok(match situation.observed.cri(pipe)? {
            CriState::Answers(_) | CriState::Unasked | CriState::Denied => None,
            CriState::NotServed(said) => refused(format!(
                "`{name}` runs, but serves no CRI v1 at {shown}: {said}"
            )),
            CriState::Absent | CriState::NotASocket | CriState::Refused => {
                refused(format!("`{name}` runs, but nobody listens at {shown}"))
            }
            CriState::Failed(why) => Some(Decision::Unknown(format!(
                "`{name}` runs, but whether its CRI works is unknown: {why}"
            ))),
        })
    }

    fn propose(&self, state: &UnitState, reasons: Vec<Reason>) -> Decision {
        let name = || self.unit.clone();
        let gate = || self.gate.clone();
        let mut proposal = Proposal::new(Action::Update, Vec::new());
        if state.property("UnitFileState") != "enabled" {
            proposal.steps.push(Step::EnableUnit { name: name() });
            proposal = proposal.difference("starts with Windows", "no", "yes");
        }
        if !state.is_active() {
            proposal = proposal.difference("active", state.property("ActiveState"), "active");
        }
        match (reasons.is_empty(), state.is_active()) {
            // A restart is undone if its gate fails; it starts what is stopped.
            (false, _) => proposal.steps.push(Step::RestartUnit {
                name: name(),
                gate: gate(),
            }),
            (true, false) => proposal.steps.push(Step::StartUnit {
                name: name(),
                gate: gate(),
            }),
            (true, true) => {}
        }
        if proposal.steps.is_empty() {
            return Decision::Converged;
        }
        if proposal.differences.is_empty() {
            proposal.action = Action::Restart;
        }
        proposal.reasons = reasons;
        Decision::Change(proposal)
    }
}
