//! The cgroup drivers of the kubelet and of the runtime that it talks to, which must be the same.
//!
//! The kubelet's is the one that it takes from its flags and files. From 1.31 on it asks its runtime first, and where that
//! tells, there is nothing to disagree about. The runtime's is the one that it tells, or else the one of its configuration.

use std::collections::{BTreeMap, BTreeSet};

use engine::check::{Found, Rule};
use engine::diagnostic::Severity;
use engine::facts::Init;
use engine::name::AbsPath;
use engine::question::{CriRuntimeConfig, CriState, Question, Unanswered};
use engine::resource::Situation;
use engine::spec::Node;
use engine::state::State;

use super::kubelet::{at_endpoint, endpoint, origin, places, socket};
use super::spec::{Runtime, Spec};
use super::{Entry, nothing_of_spec};
use crate::kubelet::{Configured, Effective, Field};
use crate::runtime::{CgroupDriver, canonical};
use crate::{containerd, crio, docker};

pub(super) const CHECKS: &[Entry] = &[
    Entry {
        rule: CONTAINERD_CGROUPFS,
        applies: |spec| Partner::Containerd.applies(spec),
        of_spec: nothing_of_spec,
        questions: |spec| Partner::Containerd.questions(spec),
        of_host: containerd_cgroupfs,
    },
    Entry {
        rule: CONTAINERD_SYSTEMD,
        applies: |spec| Partner::Containerd.applies(spec),
        of_spec: nothing_of_spec,
        questions: |spec| Partner::Containerd.questions(spec),
        of_host: containerd_systemd,
    },
    Entry {
        rule: CRIO,
        applies: |spec| Partner::Crio.applies(spec),
        of_spec: nothing_of_spec,
        questions: |spec| Partner::Crio.questions(spec),
        of_host: crio,
    },
    Entry {
        rule: DOCKER,
        applies: |spec| Partner::Docker.applies(spec),
        of_spec: nothing_of_spec,
        questions: |spec| Partner::Docker.questions(spec),
        of_host: docker,
    },
];

const CONTAINERD_CGROUPFS: Rule = Rule {
    id: "H004",
    title: "the kubelet uses systemd for cgroups and containerd does not",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H004.md"),
};
const CONTAINERD_SYSTEMD: Rule = Rule {
    id: "H005",
    title: "containerd uses systemd for cgroups and the kubelet does not",
    severity: Severity::Error,
    page: include_str!("../../../docs/checks/H005.md"),
};
const CRIO: Rule = Rule {
    id: "H010",
    title: "the kubelet and CRI-O use different cgroup drivers",
    severity: Severity::Error,
    page: include_str!("../../../docs/checks/H010.md"),
};
const DOCKER: Rule = Rule {
    id: "H011",
    title: "the kubelet and Docker use different cgroup drivers",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H011.md"),
};

/// A runtime that a kubelet may talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Partner {
    Containerd,
    Crio,
    Docker,
}

/// What the drivers of a kubelet and its runtime come to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pair {
    /// The kubelet takes the runtime's, whatever its own would be.
    Told(CgroupDriver),
    /// They differ.
    Differ {
        /// The kubelet's, as it is written.
        kubelet: Effective,
        /// The runtime's.
        runtime: CgroupDriver,
    },
}

fn containerd_cgroupfs(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let pair = Partner::Containerd.pair(spec, state)?;
    let is_under_systemd = state.facts().init == Init::Systemd;
    Ok(match pair {
        Some(Pair::Told(CgroupDriver::Cgroupfs)) if is_under_systemd => {
            let message = "the kubelet takes cgroupfs from containerd, and systemd manages the cgroups of this host as well";
            let help = "set `cgroupDriver: systemd` in `runtime`; on a node that has joined, drain it first";
            let found = CONTAINERD_CGROUPFS.found(message).help(help);
            vec![
                found
                    .severity(Severity::Note)
                    .at(Partner::Containerd.place(spec)),
            ]
        }
        Some(Pair::Differ { kubelet, runtime }) if !runtime.is_systemd() => {
            let means = "nothing says so, and the limits of pods do not hold";
            vec![Partner::Containerd.found(CONTAINERD_CGROUPFS, &kubelet, runtime, means, spec)]
        }
        Some(Pair::Told(_) | Pair::Differ { .. }) | None => Vec::new(),
    })
}

fn containerd_systemd(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    Ok(match Partner::Containerd.pair(spec, state)? {
        Some(Pair::Differ { kubelet, runtime }) if runtime.is_systemd() => {
            let means = "no pod starts";
            vec![Partner::Containerd.found(CONTAINERD_SYSTEMD, &kubelet, runtime, means, spec)]
        }
        Some(Pair::Told(_) | Pair::Differ { .. }) | None => Vec::new(),
    })
}

fn crio(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    Ok(match Partner::Crio.pair(spec, state)? {
        Some(Pair::Differ { kubelet, runtime }) => {
            vec![Partner::Crio.found(CRIO, &kubelet, runtime, "no pod starts", spec)]
        }
        Some(Pair::Told(_)) | None => Vec::new(),
    })
}

fn docker(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    Ok(match Partner::Docker.pair(spec, state)? {
        Some(Pair::Differ { kubelet, runtime }) => {
            let means = "nothing says so, and the limits of pods do not hold";
            vec![Partner::Docker.found(DOCKER, &kubelet, runtime, means, spec)]
        }
        Some(Pair::Told(_)) | None => Vec::new(),
    })
}

impl Partner {
    /// Whether the spec has to do with the kubelet and this runtime: it chooses the runtime, or none, and sets the kubelet.
    fn applies(self, spec: &Spec) -> bool {
        match spec.runtime {
            Some(runtime) => Self::of(runtime) == self,
            None => spec.node(&["kubelet"]).is_some(),
        }
    }

    fn of(runtime: Runtime) -> Self {
        match runtime {
            Runtime::Containerd => Self::Containerd,
            Runtime::Crio => Self::Crio,
            Runtime::Docker | Runtime::Mirantis => Self::Docker,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::Crio => "CRI-O",
            Self::Docker => "Docker",
        }
    }

    fn questions(self, spec: &Spec) -> Vec<Question> {
        let mut questions = places(spec).questions();
        let node = chosen(spec);
        questions.extend(match self {
            Self::Containerd => containerd::Driver::of(node).questions(),
            Self::Crio => crio::Driver::of(node).questions(),
            Self::Docker => docker::Driver::of(node).questions(),
        });
        questions.extend(asked(spec).map(Question::Cri));
        if let (Self::Containerd, Some(_)) = (self, spec.runtime) {
            questions.push(Question::Containerd(
                containerd::Driver::of(node).config().clone(),
            ));
        }
        questions
    }

    /// Returns what the drivers come to, where there is anything to say; none if there is no kubelet, no runtime, or the
    /// kubelet talks to another one.
    fn pair(self, spec: &Spec, state: &State<'_>) -> Result<Option<Pair>, Unanswered> {
        let Some(configured) = places(spec).read(state)? else {
            return Ok(None);
        };
        if !self.is_talked_to(&configured, spec)? {
            return Ok(None);
        }
        let told = told(spec, state);
        let runtime = match told {
            Some(CriRuntimeConfig::Driver(driver)) => Some(CgroupDriver::from(*driver)),
            Some(CriRuntimeConfig::NotImplemented | CriRuntimeConfig::Untold(_)) | None => {
                self.driver(spec, state)?
            }
        };
        let Some(runtime) = runtime else {
            return Ok(None);
        };
        let kubelet = configured.effective(Field::CgroupDriver)?;
        let asks = configured.asks_runtime(spec.kubernetes)?;
        let tells = match told {
            Some(CriRuntimeConfig::Driver(_)) => Some(true),
            Some(CriRuntimeConfig::NotImplemented) => Some(false),
            Some(CriRuntimeConfig::Untold(_)) => None,
            None => self.tells(spec, state),
        };
        if (asks, tells) == (Some(true), Some(true)) {
            return Ok(Some(Pair::Told(runtime)));
        }
        let Some(kubelet) = kubelet.filter(|kubelet| kubelet.value != runtime.as_str()) else {
            return Ok(None);
        };
        if asks == Some(false) || tells == Some(false) {
            return Ok(Some(Pair::Differ { kubelet, runtime }));
        }
        let (what, help) = match asks {
            None => ("the kubelet asks", "set `kubernetes.version`"),
            Some(_) => ("the runtime tells", "it is seen once the runtime answers"),
        };
        let name = self.name();
        Err(Unanswered(format!(
            "the kubelet would use {} and {name} uses {}, and whether {what} for it is not known; {help}",
            kubelet.value.escape_debug(),
            runtime.as_str()
        )))
    }

    /// Whether the kubelet's endpoint is that of this runtime.
    fn is_talked_to(self, configured: &Configured, spec: &Spec) -> Result<bool, Unanswered> {
        // Where kubeadm has yet to write it, it is the chosen one's, or that of the only one there is.
        let Some(endpoint) = endpoint(configured, spec.kubernetes)? else {
            return Ok(spec.runtime.is_some());
        };
        let of_spec = socket(spec).map(|socket| canonical(socket.path.as_str()));
        if of_spec.is_some_and(|socket| socket == canonical(&endpoint.value)) {
            return Ok(true);
        }
        Ok(at_endpoint(&endpoint.value).map(Self::of) == Some(self))
    }

    /// Returns the driver of its configuration; none if it is not there.
    fn driver(self, spec: &Spec, state: &State<'_>) -> Result<Option<CgroupDriver>, Unanswered> {
        let node = chosen(spec);
        let situation = Situation {
            observed: state,
            proposed: &BTreeMap::new(),
            notified_by: &[],
            receipt: None,
            dropped: &BTreeSet::new(),
        };
        match self {
            Self::Containerd => containerd::Driver::of(node).read(state),
            Self::Crio => crio::Driver::of(node).read(&situation),
            Self::Docker => docker::Driver::of(node).read(&situation),
        }
    }

    /// Whether it tells a kubelet its driver, as far as its version says.
    fn tells(self, spec: &Spec, state: &State<'_>) -> Option<bool> {
        let node = chosen(spec);
        match self {
            Self::Containerd => containerd::Driver::of(node).tells(state),
            Self::Crio => crio::Driver::of(node).tells(state),
            Self::Docker => None,
        }
    }

    fn found(
        self,
        rule: Rule,
        kubelet: &Effective,
        runtime: CgroupDriver,
        means: &str,
        spec: &Spec,
    ) -> Found {
        let name = self.name();
        let message = format!(
            "the kubelet uses {} ({}) and {name} uses {}: {means}",
            kubelet.value.escape_debug(),
            origin(kubelet),
            runtime.as_str()
        );
        let help = format!(
            "let both use systemd: say so in `kubelet` and `runtime`, and in the cluster's kubelet-config. Drain a node that \
             has joined first, and restart {name} before the kubelet"
        );
        rule.found(message).help(help).at(self.place(spec))
    }

    fn place(self, spec: &Spec) -> Option<engine::source::Position> {
        match spec.runtime {
            Some(runtime) => spec.place(&["runtime", runtime.field(), "cgroupDriver"]),
            None => spec.place(&["kubelet", Field::CgroupDriver.key()]),
        }
    }
}

/// Returns what the spec says of the chosen runtime.
fn chosen(spec: &Spec) -> Option<&Node> {
    spec.node(&["runtime", spec.runtime?.field()])
}

/// Returns the socket at which the chosen runtime is asked.
fn asked(spec: &Spec) -> Option<AbsPath> {
    spec.runtime?;
    Some(socket(spec)?.path)
}

/// Returns what the chosen runtime says of its driver; none if nobody answers, or not any more once the plan is applied.
fn told<'a>(spec: &Spec, state: &'a State<'_>) -> Option<&'a CriRuntimeConfig> {
    match state.cri(&asked(spec)?) {
        Ok(CriState::Answers(runtime)) => Some(&runtime.config),
        Ok(_) | Err(_) => None,
    }
}
