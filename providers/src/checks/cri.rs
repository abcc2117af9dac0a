//! What the runtime says of itself over its CRI: whether it answers, is ready, and is the one that is installed.

use engine::check::{Found, Rule};
use engine::diagnostic::Severity;
use engine::name::{AbsPath, UnitName};
use engine::question::{CriCondition, CriRuntime, CriState, Question, Unanswered};
use engine::state::State;

use super::containerd::Containerd;
use super::crio::Crio;
use super::docker::{docker_packages, installed, is_docker};
use super::spec::{Runtime, Spec};
use super::{Entry, nothing_of_spec};
use crate::containerd::ContainerdSection;
use crate::crio::CrioSection;
use crate::docker::version::Version;
use crate::docker::{CRI_DOCKERD_SOCKET, CriDockerdSection, DockerSection};
use crate::section::constant_path;

pub(super) const CHECKS: &[Entry] = &[
    Entry {
        rule: RESTART_PENDING,
        applies: |spec| Server::of(spec).is_some(),
        of_spec: nothing_of_spec,
        questions: version_questions,
        of_host: restart_pending,
    },
    Entry {
        rule: NO_ANSWER,
        applies: |spec| Server::of(spec).is_some(),
        of_spec: nothing_of_spec,
        questions: |spec| Server::of(spec).map_or_else(Vec::new, |server| server.questions()),
        of_host: no_answer,
    },
];

const RESTART_PENDING: Rule = Rule {
    id: "H033",
    title: "the runtime runs in another version than the installed one",
    severity: Severity::Note,
    page: include_str!("../../../docs/checks/H033.md"),
};

const NO_ANSWER: Rule = Rule {
    id: "H034",
    title: "the runtime's unit is active, and its CRI does not serve",
    severity: Severity::Error,
    page: include_str!("../../../docs/checks/H034.md"),
};

/// The checks that tell why a runtime that runs serves no CRI.
const NOT_SERVED: &[&str] = &["H001", "H003", "H008", "H021", "H022", "H029"];

/// What serves the CRI to the kubelet, by the runtime that the spec chooses.
#[derive(Debug)]
struct Server {
    /// The unit that runs it.
    unit: UnitName,
    /// Units whose restart changes what it says.
    depends_on: Vec<UnitName>,
    /// Where it answers.
    socket: AbsPath,
}

impl Server {
    /// Returns it if the spec chooses a runtime, whose resource asks the same of the host.
    fn of(spec: &Spec) -> Option<Self> {
        Some(match spec.runtime? {
            Runtime::Containerd => {
                let ContainerdSection {
                    service, socket, ..
                } = ContainerdSection::default();
                Self {
                    unit: spec.of_runtime_as("service").unwrap_or(service),
                    depends_on: Vec::new(),
                    socket: spec.of_runtime_as("socket").unwrap_or(socket),
                }
            }
            Runtime::Crio => {
                let CrioSection {
                    service, socket, ..
                } = CrioSection::default();
                Self {
                    unit: spec.of_runtime_as("service").unwrap_or(service),
                    depends_on: Vec::new(),
                    socket: spec.of_runtime_as("socket").unwrap_or(socket),
                }
            }
            Runtime::Docker | Runtime::Mirantis => {
                let cri_dockerd = spec.of_runtime("criDockerd")?;
                let text = |field| cri_dockerd.get(field).and_then(|node| node.text());
                let unit = text("service").and_then(|unit| unit.parse().ok());
                let socket = text("socket").and_then(|path| path.parse().ok());
                let docker = DockerSection::default().service;
                Self {
                    unit: unit.unwrap_or_else(|| CriDockerdSection::default().service),
                    depends_on: vec![spec.of_runtime_as("service").unwrap_or(docker)],
                    socket: socket.unwrap_or_else(|| constant_path(CRI_DOCKERD_SOCKET)),
                }
            }
        })
    }

    fn questions(&self) -> Vec<Question> {
        vec![
            Question::Unit(self.unit.clone()),
            Question::Cri(self.socket.clone()),
        ]
    }

    /// Whether the plan restarts it, and waits until it answers.
    fn is_restarted(&self, state: &State<'_>) -> bool {
        state.restarts(&self.unit) || self.depends_on.iter().any(|unit| state.restarts(unit))
    }
}

fn no_answer(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let Some(server) = Server::of(spec) else {
        return Ok(Vec::new());
    };
    let Server { unit, socket, .. } = &server;
    if server.is_restarted(state) {
        // The plan waits until it answers. What it says of itself then is not known.
        return Ok(match state.before().cri(socket)? {
            CriState::Answers(runtime) => not_ready(runtime, spec),
            _ => Vec::new(),
        });
    }
    if !state.is_active(unit)? {
        return Ok(Vec::new());
    }
    let (severity, what, help) = match state.cri(socket)? {
        CriState::Answers(runtime) => return Ok(not_ready(runtime, spec)),
        CriState::Unasked => {
            return Err(Unanswered(
                "the host has neither a curl that speaks HTTP/2 nor crictl".to_owned(),
            ));
        }
        CriState::Denied => return Err(Unanswered(format!("we may not connect to {socket}"))),
        CriState::Absent => (
            Severity::Error,
            "nothing is there".to_owned(),
            "look at where it listens, and set the `socket` of the runtime to that",
        ),
        CriState::NotASocket => (
            Severity::Error,
            "that is no socket".to_owned(),
            "remove what is there, and restart the unit",
        ),
        CriState::Refused => (
            Severity::Error,
            "it refuses connections".to_owned(),
            "restart the unit, and look at its journal",
        ),
        CriState::NotServed(said) => (
            Severity::Error,
            format!("it serves no CRI v1 (\"{}\")", said.escape_debug()),
            "its CRI is disabled or failed to load: H001, H003 and H008 say why, and so does the unit's journal",
        ),
        // It may only be slow.
        CriState::Failed(why) => (
            Severity::Warning,
            format!("it gave no answer ({})", why.escape_debug()),
            "look at the journal of the unit",
        ),
    };
    let message = format!("{unit} is active, but at {socket} {what}: no kubelet can use it");
    let found = NO_ANSWER.found(message).severity(severity).help(help);
    let found = match state.cri(socket)? {
        CriState::NotServed(_) | CriState::Failed(_) => found.follows(NOT_SERVED),
        _ => found,
    };
    Ok(vec![found.at(spec.place(&["runtime"]))])
}

/// Returns the conditions of a runtime that do not hold. Its network is not ready before a CNI plugin came.
fn not_ready(runtime: &CriRuntime, spec: &Spec) -> Vec<Found> {
    let condition = |what: &str, condition: &Option<CriCondition>, severity, help: &str| {
        let condition = condition.as_ref().filter(|condition| !condition.holds)?;
        let message = format!(
            "{} says that its {what} is not ready: {} ({})",
            runtime.name.escape_debug(),
            condition.message.escape_debug(),
            condition.reason.escape_debug()
        );
        let found = NO_ANSWER.found(message).severity(severity).help(help);
        Some(found.at(spec.place(&["runtime"])))
    };
    let ready = condition(
        "runtime",
        &runtime.runtime_ready,
        Severity::Warning,
        "look at the journal of its unit",
    );
    let network = condition(
        "network",
        &runtime.network_ready,
        Severity::Note,
        "that is as it should be until the cluster's network has come to the node",
    );
    ready.into_iter().chain(network).collect()
}

fn version_questions(spec: &Spec) -> Vec<Question> {
    let mut questions = Server::of(spec).map_or_else(Vec::new, |server| server.questions());
    questions.extend(Containerd::of(spec).map_or_else(Vec::new, |it| it.questions()));
    questions.extend(Crio::of(spec).map_or_else(Vec::new, |it| it.questions()));
    if is_docker(spec) {
        let packages = docker_packages(spec).into_iter();
        let packages = packages.filter_map(|name| name.parse().ok());
        questions.extend(packages.map(Question::Installed));
    }
    questions
}

fn restart_pending(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let Some(server) = Server::of(spec) else {
        return Ok(Vec::new());
    };
    if server.is_restarted(state) {
        return Ok(Vec::new());
    }
    let running = match state.cri(&server.socket)? {
        CriState::Answers(runtime) => runtime,
        CriState::Unasked | CriState::Denied => {
            return Err(Unanswered(
                "the runtime was not asked for its version".to_owned(),
            ));
        }
        // Another check is about these.
        _ => return Ok(Vec::new()),
    };
    let installed = if let Some(containerd) = Containerd::of(spec) {
        containerd.version_text(state)?
    } else if let Some(crio) = Crio::of(spec) {
        crio.package_version(state)?
    } else {
        installed(&docker_packages(spec), state)?.map(|(_, text)| text)
    };
    let Some(installed) = installed else {
        return Err(Unanswered("the installed version is not known".to_owned()));
    };
    let (Some(runs), Some(is_there)) =
        (Version::parse(&running.version), Version::parse(&installed))
    else {
        return Err(Unanswered(format!(
            "`{}` and `{}` are not both versions that can be read",
            running.version.escape_debug(),
            installed.escape_debug()
        )));
    };
    if runs == is_there {
        return Ok(Vec::new());
    }
    let name = running.name.escape_debug();
    let message = format!("{name} {runs} runs, and {is_there} is installed: a restart is pending");
    let unit = server.depends_on.first().unwrap_or(&server.unit);
    let help = format!("restart {unit} when it suits; until then the old version serves");
    let found = RESTART_PENDING.found(message).help(help);
    Ok(vec![found.at(spec.place(&["runtime"]))])
}
