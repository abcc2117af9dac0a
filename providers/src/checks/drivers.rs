//! The cgroup drivers of the kubelet and of the runtime that it talks to, which must be the same.
//!
//! The kubelet's is the one that it takes from its flags and files. From 1.31 on it asks its runtime first, and where that
//! tells, there is nothing to disagree about. The runtime's is the one that it tells, or else the one of its configuration.

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
use crate::kubelet::{Configured, Effective, Field, Origin};
use crate::runtime::{CgroupDriver, canonical, is_joined, joined_marks};
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

/// The checks that tell why containerd does not use systemd.
const NO_SYSTEMD_IN_CONTAINERD: &[&str] = &["H003", "H007", "H023"];

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
            let found = found.follows(NO_SYSTEMD_IN_CONTAINERD);
            vec![
                found
                    .severity(Severity::Note)
                    .at(Partner::Containerd.place(spec)),
            ]
        }
        Some(Pair::Differ { kubelet, runtime }) if !runtime.is_systemd() => {
            let means = "nothing says so, and the limits of pods do not hold";
            let found =
                Partner::Containerd.found(CONTAINERD_CGROUPFS, &kubelet, runtime, means, spec);
            vec![found.follows(NO_SYSTEMD_IN_CONTAINERD)]
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
        questions.extend(joined_marks().map(Question::File));
        questions.extend(asked(spec).map(Question::Cri));
        if let (Self::Containerd, Some(_)) = (self, spec.runtime) {
            if !spec.may_change_packages() {
                // The daemon itself tells its version.
                questions.retain(|question| !matches!(question, Question::Installed(_)));
            }
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
            // One that has just started may not tell yet.
            Some(CriRuntimeConfig::Untold(_)) | None => self.tells(spec, state),
        };
        if (asks, tells) == (Some(true), Some(true)) {
            return Ok(Some(Pair::Told(runtime)));
        }
        let Some(kubelet) = kubelet.filter(|kubelet| kubelet.value != runtime.as_str()) else {
            return Ok(None);
        };
        if asks == Some(false) || tells == Some(false) {
            check_final(&kubelet, state)?;
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
        let situation = Situation::of(state);
        match self {
            Self::Containerd => containerd::Driver::of(node).read(state),
            Self::Crio => crio::Driver::of(node).read(state),
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

/// Checks that nobody will set what the kubelet takes by default. kubeadm writes its config file anew when the node joins.
fn check_final(kubelet: &Effective, state: &State<'_>) -> Result<(), Unanswered> {
    if kubelet.origin != Origin::BuiltIn || is_joined(state)? {
        return Ok(());
    }
    Err(Unanswered(
        "the kubelet's configuration names no cgroup driver, and kubeadm may set one when the node joins"
            .to_owned(),
    ))
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

#[cfg(test)]
mod tests {
    use engine::facts::CgroupVersion;
    use engine::question::{CriCgroupDriver, CriRuntimeConfig, CriState};

    use crate::checks::tests::{found_by, unknown, with_kubelet};
    use crate::testing::Machine;

    const CONFIG: &str = "/etc/containerd/config.toml";
    const JOINED: &str = "/etc/kubernetes/kubelet.conf";
    const SYSTEMD: &str = "cgroupDriver: systemd\n";
    const KUBELET: &str = "kubernetes: { version: '1.30' }\nkubelet: { failSwapOn: true }";
    const SILENT: &str = "H004 Stays the kubelet uses systemd (/var/lib/kubelet/config.yaml:2) and containerd uses cgroupfs: \
                          nothing says so, and the limits of pods do not hold";
    const HARD: &str = "H005 Stays the kubelet uses cgroupfs (its default) and containerd uses systemd: no pod starts";

    fn containerd(config: &str, kubelet: &str) -> Machine {
        let machine = Machine::debian()
            .directory("/etc/containerd")
            .file(CONFIG, config)
            .unit("containerd.service", &[]);
        with_kubelet(machine, kubelet).file(JOINED, "")
    }

    /// A configuration of format 2 with systemd.
    fn systemd() -> String {
        let runc = "plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc";
        format!(
            "version = 2\n[{runc}]\nruntime_type = \"io.containerd.runc.v2\"\n[{runc}.options]\nSystemdCgroup = true\n"
        )
    }

    fn tells(machine: Machine, driver: Option<CriCgroupDriver>) -> Machine {
        let mut machine = machine.cri("containerd", "2.1.0");
        if let (CriState::Answers(runtime), Some(driver)) = (&mut machine.cri, driver) {
            runtime.config = CriRuntimeConfig::Driver(driver);
        }
        machine
    }

    #[test]
    fn files_alone_tell_a_mismatch_with_containerd() {
        let silent = containerd("version = 2\n", SYSTEMD);
        assert_eq!(found_by("H004", &silent, KUBELET), [SILENT]);
        assert_eq!(found_by("H005", &silent, KUBELET), [""; 0]);
        assert_eq!(silent.plan(KUBELET).checks.refusal(), None);
        let hard = containerd(&systemd(), "");
        assert_eq!(found_by("H005", &hard, KUBELET), [HARD]);
        assert_eq!(found_by("H004", &hard, KUBELET), [""; 0]);
        assert!(
            hard.plan(KUBELET)
                .checks
                .refusal()
                .unwrap()
                .starts_with("H005")
        );
        let set = "kubernetes: { version: '1.30' }\nkubelet: { cgroupDriver: systemd, allowDriverChange: true }";
        assert_eq!(
            found_by("H005", &hard, set),
            [HARD.replace("Stays", "Mended")]
        );
        assert_eq!(hard.plan(set).checks.refusal(), None);
        for fits in [containerd(&systemd(), SYSTEMD), containerd("", "")] {
            assert_eq!(found_by("H004", &fits, KUBELET), [""; 0]);
            assert_eq!(found_by("H005", &fits, KUBELET), [""; 0]);
        }
    }

    #[test]
    fn nothing_is_found_without_a_kubelet_or_before_it_has_a_configuration() {
        let config = "/var/lib/kubelet/config.yaml";
        let mut waiting = containerd(&systemd(), "");
        waiting.files.remove(config);
        waiting.files.remove(JOINED);
        let bare = Machine::debian()
            .file(CONFIG, &systemd())
            .unit("containerd.service", &[]);
        let no_runtime = with_kubelet(Machine::debian(), SYSTEMD);
        for machine in [waiting.clone(), bare, no_runtime] {
            for check in ["H004", "H005", "H010", "H011"] {
                assert_eq!(found_by(check, &machine, KUBELET), [""; 0]);
                assert_eq!(unknown(check, &machine, KUBELET), None);
            }
        }
        let flagged = waiting.file(
            "/etc/default/kubelet",
            "KUBELET_EXTRA_ARGS=--cgroup-driver=cgroupfs\n",
        );
        let spec = "kubernetes: { version: '1.30' }\nruntime: { containerd: {} }";
        assert_eq!(
            found_by("H005", &flagged, spec),
            [
                "H005 Stays the kubelet uses cgroupfs (/etc/default/kubelet:1) and containerd uses systemd: no pod starts"
            ]
        );
    }

    #[test]
    fn a_default_of_a_kubelet_that_has_not_joined_is_not_final() {
        let mut open = containerd(&systemd(), "");
        open.files.remove(JOINED);
        assert_eq!(found_by("H005", &open, KUBELET), [""; 0]);
        let why = unknown("H005", &open, KUBELET).unwrap();
        assert!(why.contains("kubeadm may set one"), "{why}");
        let written = with_kubelet(open, "cgroupDriver: cgroupfs\n");
        assert_eq!(found_by("H005", &written, KUBELET).len(), 1);
    }

    #[test]
    fn a_kubelet_that_is_told_has_no_mismatch() {
        let spec = |minor: u32| {
            format!(
                "kubernetes: {{ version: '1.{minor}' }}\nruntime: {{ containerd: {{ allowDriverChange: true }} }}"
            )
        };
        let silent = containerd("version = 2\n", SYSTEMD).containerd("2.1.0", None);
        let told = tells(silent.clone(), Some(CriCgroupDriver::Cgroupfs));
        assert_eq!(
            found_by("H004", &told, &spec(31)),
            [
                "H004 Mended the kubelet takes cgroupfs from containerd, and systemd manages the cgroups of this host as well"
            ]
        );
        assert_eq!(
            found_by("H004", &told, &spec(30)),
            [SILENT.replace("Stays", "Mended")]
        );
        let mut starting = tells(silent.clone(), None).containerd("1.6.20", None);
        if let CriState::Answers(runtime) = &mut starting.cri {
            runtime.config = CriRuntimeConfig::Untold("not initialized yet".into());
        }
        assert_eq!(
            found_by("H004", &starting, &spec(31)),
            [SILENT.replace("Stays", "Mended")]
        );
        let untold = tells(silent, None);
        assert_eq!(
            found_by("H004", &untold, &spec(31)),
            [SILENT.replace("Stays", "Mended")]
        );
        let told = tells(containerd(&systemd(), ""), Some(CriCgroupDriver::Systemd));
        assert_eq!(found_by("H005", &told, &spec(31)), [""; 0]);
        let off = with_kubelet(
            told,
            "featureGates: { KubeletCgroupDriverFromCRI: false }\n",
        );
        assert_eq!(found_by("H005", &off, &spec(31)), [HARD]);
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let spec = KUBELET.replace("1.30", "1.31");
        let silent = containerd("version = 2\n", SYSTEMD);
        assert!(
            unknown("H004", &silent, &spec)
                .unwrap()
                .contains("whether the runtime tells")
        );
        let old = silent.clone().package("containerd", |package| {
            package.installed = Some("1.7.24~ds1-1".into());
        });
        assert_eq!(found_by("H004", &old, &spec), [SILENT]);
        let unversioned = "kubelet: { failSwapOn: true }";
        assert!(
            unknown("H004", &silent, unversioned)
                .unwrap()
                .contains("`kubernetes.version`")
        );
        for (config, why) in [
            ("imports = ['/etc/mine.toml']\n", "imports /etc/mine.toml"),
            ("version = 3\n", "depends on its version"),
            ("version = [", "is not valid TOML"),
            (
                "version = 2\nplugins.\"io.containerd.grpc.v1.cri\".containerd.default_runtime_name = 'kata\u{7f}'\n",
                "is not valid TOML",
            ),
            (
                "version = 2\nplugins.\"io.containerd.grpc.v1.cri\".containerd.default_runtime_name = 'kata'\n",
                "handler kata",
            ),
        ] {
            let machine = containerd(config, SYSTEMD);
            assert_eq!(found_by("H004", &machine, KUBELET), [""; 0], "{config}");
            let reason = unknown("H004", &machine, KUBELET).unwrap();
            assert!(reason.contains(why), "{reason}");
        }
        let drop_in = silent.file("/etc/containerd/conf.d/nvidia.toml", &systemd());
        assert!(
            unknown("H004", &drop_in, KUBELET)
                .unwrap()
                .contains("nvidia.toml may change")
        );
    }

    #[test]
    fn a_mismatch_with_cri_o_is_found_in_both_directions() {
        let spec = "kubernetes: { version: '1.30' }\nkubelet: { failSwapOn: true }";
        let endpoint = "containerRuntimeEndpoint: unix:///var/run/crio/crio.sock\n";
        let host = |drop_in: &str, kubelet: &str| {
            let machine = Machine::debian()
                .directory("/etc/crio")
                .directory("/etc/crio/crio.conf.d")
                .file("/etc/crio/crio.conf.d/10-crio.conf", drop_in)
                .unit("crio.service", &[]);
            with_kubelet(machine, &format!("{endpoint}{kubelet}")).file(JOINED, "")
        };
        let cgroupfs = "[crio.runtime]\ncgroup_manager = \"cgroupfs\"\n";
        assert_eq!(
            found_by("H010", &host("", ""), spec),
            [
                "H010 Stays the kubelet uses cgroupfs (its default) and CRI-O uses systemd: no pod starts"
            ]
        );
        let both = host(cgroupfs, SYSTEMD);
        assert_eq!(
            found_by("H010", &both, spec),
            [
                "H010 Stays the kubelet uses systemd (/var/lib/kubelet/config.yaml:3) and CRI-O uses cgroupfs: no pod starts"
            ]
        );
        let mended =
            "kubernetes: { version: '1.30' }\nruntime: { crio: { allowDriverChange: true } }";
        assert!(found_by("H010", &both, mended)[0].starts_with("H010 Mended"));
        assert_eq!(found_by("H010", &host("", SYSTEMD), spec), [""; 0]);
        assert_eq!(found_by("H010", &host(cgroupfs, ""), spec), [""; 0]);
        let hostile = host("[crio\u{1b}", SYSTEMD);
        assert_eq!(found_by("H010", &hostile, spec), [""; 0]);
        assert!(unknown("H010", &hostile, spec).is_some());
        let new = spec.replace("1.30", "1.31");
        let installed = |version: &str| {
            host("", "").package("cri-o", |package| package.installed = Some(version.into()))
        };
        assert_eq!(found_by("H010", &installed("1.31.5-1.1"), &new), [""; 0]);
        assert_eq!(found_by("H010", &installed("1.27.1-1.1"), &new).len(), 1);
    }

    #[test]
    fn a_mismatch_with_docker_is_found() {
        let spec = "kubernetes: { version: '1.30' }\nruntime: { docker: { allowDriverChange: true, criDockerd: {} } }";
        let endpoint = "containerRuntimeEndpoint: unix:///run/cri-dockerd.sock\n";
        let host = |json: &str, kubelet: &str| {
            let machine = Machine::debian()
                .directory("/etc/docker")
                .file("/etc/docker/daemon.json", json)
                .unit("docker.service", &[]);
            with_kubelet(machine, &format!("{endpoint}{kubelet}")).file(JOINED, "")
        };
        let cgroupfs = "{\"exec-opts\": [\"native.cgroupdriver=cgroupfs\"]}\n";
        let silent = "the kubelet uses systemd (/var/lib/kubelet/config.yaml:3) and Docker uses cgroupfs: nothing says so, and the \
                      limits of pods do not hold";
        assert_eq!(
            found_by("H011", &host(cgroupfs, SYSTEMD), spec),
            [format!("H011 Mended {silent}")]
        );
        assert_eq!(found_by("H011", &host("", SYSTEMD), spec), [""; 0]);
        let v1 = host("", SYSTEMD).facts(|facts| facts.cgroup = CgroupVersion::V1);
        assert_eq!(
            found_by("H011", &v1, spec),
            [format!("H011 Mended {silent}")]
        );
        let broken = host("{", SYSTEMD);
        assert!(unknown("H011", &broken, spec).is_some());
    }
}
