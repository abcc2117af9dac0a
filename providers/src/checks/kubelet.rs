//! The kubelet: flags that it no longer knows, sysctls that it insists on, and the runtime that it talks to.

use engine::check::{Found, Rule};
use engine::diagnostic::Severity;
use engine::name::{AbsPath, UnitName};
use engine::question::{Question, Unanswered};
use engine::resource::Situation;
use engine::spec::{Node, Value};
use engine::state::State;

use super::spec::{Runtime, Spec};
use super::{Entry, nothing_of_spec};
use crate::kubelet::arguments::{self, Arguments, Removed};
use crate::kubelet::{
    Configured, Effective, Field, Origin, Places, RuntimeSocket, endpoint_in, kernel_questions,
    obstacles, runtime_socket, text_of, truth,
};
use crate::runtime::{KubernetesVersion, canonical, is_joined, joined_marks};
use crate::section::constant_path;

pub(super) const CHECKS: &[Entry] = &[
    Entry {
        rule: REMOVED_FLAG,
        applies: |spec| spec.kubernetes.is_some(),
        of_spec: nothing_of_spec,
        questions: |_| flag_questions(),
        of_host: removed_flag,
    },
    Entry {
        rule: REMOVED_PAUSE_FLAG,
        applies: |spec| spec.kubernetes.is_some(),
        of_spec: nothing_of_spec,
        questions: |_| flag_questions(),
        of_host: removed_pause_flag,
    },
    Entry {
        rule: KERNEL_DEFAULTS,
        applies: |spec| spec.is_for_kubernetes() && !protects_kernel_defaults(spec),
        of_spec: nothing_of_spec,
        questions: |spec| {
            let mut questions = places(spec).questions();
            questions.extend(kernel_questions());
            questions
        },
        of_host: kernel_defaults,
    },
    Entry {
        rule: OTHER_RUNTIME,
        applies: |spec| spec.runtime.is_some(),
        of_spec: nothing_of_spec,
        questions: |spec| {
            let mut questions = places(spec).questions();
            questions.extend(joined_marks().map(Question::File));
            questions.push(Question::File(constant_path(INSTANCE_CONFIG)));
            questions
        },
        of_host: other_runtime,
    },
];

const REMOVED_FLAG: Rule = Rule {
    id: "H014",
    title: "the kubelet is started with a flag that it no longer knows",
    severity: Severity::Error,
    page: include_str!("../../../docs/checks/H014.md"),
};
const REMOVED_PAUSE_FLAG: Rule = Rule {
    id: "H015",
    title: "the kubelet is started with --pod-infra-container-image, which 1.35 removed",
    severity: Severity::Error,
    page: include_str!("../../../docs/checks/H015.md"),
};
const KERNEL_DEFAULTS: Rule = Rule {
    id: "H018",
    title: "the kubelet insists on sysctls that are not set, or not after a reboot",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H018.md"),
};
const OTHER_RUNTIME: Rule = Rule {
    id: "H032",
    title: "the kubelet of a joined node talks to another runtime than the spec chooses",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H032.md"),
};

/// The flag that has a check of its own.
const PAUSE_FLAG: &str = "pod-infra-container-image";
/// Where kubeadm from 1.34 on keeps the endpoint, to write it into the kubelet's config file.
const INSTANCE_CONFIG: &str = "/var/lib/kubelet/instance-config.yaml";
/// Where a kubelet before 1.24 talks to Docker, unless it is told to use a remote runtime.
const DOCKERSHIM: &str = "unix:///var/run/dockershim.sock";

/// Returns where the kubelet's configuration may stand, as far as the spec tells.
pub(super) fn places(spec: &Spec) -> Places {
    let written =
        |field: &str| -> Option<AbsPath> { spec.node(&["kubelet", field])?.text()?.parse().ok() };
    let mut places = Places::default();
    places.config_files.extend(written("configFile"));
    places.directories.extend(written("configDir"));
    places
}

/// Returns where the chosen runtime answers.
pub(super) fn socket(spec: &Spec) -> Option<RuntimeSocket> {
    runtime_socket(spec.node(&["runtime"])?)
}

/// Returns the endpoint that a kubelet talks to; none where that is open until kubeadm writes its config file.
pub(super) fn endpoint(
    configured: &Configured,
    kubernetes: Option<KubernetesVersion>,
) -> Result<Option<Effective>, Unanswered> {
    let endpoint = configured.effective(Field::ContainerRuntimeEndpoint)?;
    let remote = configured.arguments().last("container-runtime");
    let is_remote = remote.is_some_and(|flag| flag.value.as_deref() == Some("remote"));
    let has_dockershim = kubernetes.is_some_and(|version| version.minor() < 24);
    if has_dockershim && !is_remote {
        return Ok(Some(Effective {
            value: DOCKERSHIM.to_owned(),
            origin: Origin::BuiltIn,
        }));
    }
    Ok(endpoint)
}

/// Returns where a value comes from, in words.
pub(super) fn origin(effective: &Effective) -> String {
    match &effective.origin {
        Origin::Flag(place) | Origin::DropIn(place) | Origin::Config(place) => place.clone(),
        Origin::BuiltIn => "its default".to_owned(),
    }
}

fn removed_flag(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let help = "take the flag out there by its exact name; it begins as others do, such as `--container-runtime-endpoint`";
    removed(spec, state, REMOVED_FLAG, help, |name| name != PAUSE_FLAG)
}

fn removed_pause_flag(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let help = "take the flag out there; the runtime's own configuration names the pause image. Of kubeadm-flags.env, `kubeadm \
                upgrade node` takes care";
    removed(spec, state, REMOVED_PAUSE_FLAG, help, |name| {
        name == PAUSE_FLAG
    })
}

/// Finds removed flags, of those that a check is about.
fn removed(
    spec: &Spec,
    state: &State<'_>,
    rule: Rule,
    help: &str,
    is_about: fn(&str) -> bool,
) -> Result<Vec<Found>, Unanswered> {
    let Some(kubernetes) = spec.kubernetes else {
        return Ok(Vec::new());
    };
    let arguments = state.reading::<Arguments>()?;
    if !arguments.has_unit() {
        return Ok(Vec::new());
    }
    let is_known = is_known_to_running(spec, state);
    let removed = arguments.removed(kubernetes).into_iter();
    let found: Vec<_> = removed
        .filter(|removed| is_about(&removed.flag.name))
        .map(|Removed { flag, since }| {
            let (then, severity) = match is_known {
                true => ("the one that runs is older, and after an upgrade it", Severity::Warning),
                false => ("it", rule.severity),
            };
            rule.found(format!(
                "{} gives the kubelet `--{}`, which Kubernetes 1.{since} removed: {then} does not start",
                flag.place, flag.name
            ))
            .severity(severity)
            .help(help)
            .at(spec.place(&["kubernetes", "version"]))
        })
        .collect();
    match arguments.unread() {
        Some(why) if found.is_empty() => Err(Unanswered(format!(
            "what the kubelet is started with is not known: {why}"
        ))),
        Some(_) | None => Ok(found),
    }
}

/// Whether a kubelet runs with its flags, and the plan does not bring another one: then it is older than the Kubernetes that the
/// host is prepared for. `kubeadm upgrade node` takes such flags out of kubeadm-flags.env.
fn is_known_to_running(spec: &Spec, state: &State<'_>) -> bool {
    let packages = spec.node(&["packages"]).map_or(&[][..], Node::items);
    let brings = packages.iter().any(|package| {
        let name = package.text().or_else(|| package.get("name")?.text());
        name == Some("kubelet")
    });
    let unit = state.before().unit(&unit());
    !brings && unit.is_ok_and(|unit| unit.is_active())
}

/// Returns what must be asked about the flags, and whether a kubelet runs with them.
fn flag_questions() -> Vec<Question> {
    let mut questions = arguments::questions();
    questions.push(Question::Unit(unit()));
    questions
}

fn unit() -> UnitName {
    "kubelet.service".parse().expect("a unit of this program")
}

/// Whether the spec asks for it, so that the kubelet's own resource looks after the sysctls.
fn protects_kernel_defaults(spec: &Spec) -> bool {
    let node = spec.node(&["kubelet", Field::ProtectKernelDefaults.key()]);
    node.is_some_and(|node: &Node| node.value == Value::Bool(true))
}

fn kernel_defaults(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let Some(configured) = places(spec).read(state)? else {
        return Ok(Vec::new());
    };
    let Some(effective) = configured.effective(Field::ProtectKernelDefaults)? else {
        return Ok(Vec::new());
    };
    if truth(&effective.value) != Some(true) {
        return Ok(Vec::new());
    }
    let situation = Situation::of(state);
    let obstacles = obstacles(&situation)?;
    if obstacles.wrong.is_empty() {
        return Ok(Vec::new());
    }
    let message = format!(
        "the kubelet has protectKernelDefaults from {} and does not start like this: {}",
        origin(&effective),
        obstacles.wrong.join("; ")
    );
    let help = format!("add to `sysctls`: {}", obstacles.mend.join(", "));
    let place = spec.place(&["sysctls"]);
    Ok(vec![KERNEL_DEFAULTS.found(message).help(help).at(place)])
}

fn other_runtime(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let (Some(runtime), Some(socket)) = (spec.runtime, socket(spec)) else {
        return Ok(Vec::new());
    };
    let Some(configured) = places(spec).read(state)? else {
        return Ok(Vec::new());
    };
    if !is_joined(state)? {
        return Ok(Vec::new());
    }
    let wanted = canonical(socket.path.as_str());
    let is_other = |endpoint: &str| {
        canonical(endpoint) != wanted && (socket.is_managed || is_of_another(endpoint, runtime))
    };
    let tell = |message: String| {
        let help = format!(
            "drain the node; then set `kubelet: {{ containerRuntimeEndpoint: \"unix://{wanted}\" }}`, and take out what wins \
             over it; or choose the runtime that the node has"
        );
        OTHER_RUNTIME
            .found(message)
            .help(help)
            .at(spec.place(&["runtime", runtime.field()]))
    };
    let field = runtime.field();
    let mut found = Vec::new();
    if let Some(endpoint) = endpoint(&configured, spec.kubernetes)?
        && is_other(&endpoint.value)
    {
        found.push(tell(format!(
            "the kubelet talks to {} ({}), and {field} answers at {wanted}",
            endpoint.value.escape_debug(),
            origin(&endpoint)
        )));
    }
    if let Some(instance) = text_of(&constant_path(INSTANCE_CONFIG), state)? {
        let set = endpoint_in(&instance.text).map_err(|why| {
            Unanswered(format!("what {INSTANCE_CONFIG} says is not known: {why}"))
        })?;
        if let Some((value, line)) = set.filter(|(value, _)| is_other(value)) {
            found.push(tell(format!(
                "kubeadm will let the kubelet talk to {} ({INSTANCE_CONFIG}:{line}), and {field} answers at {wanted}",
                value.escape_debug()
            )));
        }
    }
    Ok(found)
}

/// Whether an endpoint is the usual one of a runtime that is not this one.
fn is_of_another(endpoint: &str, runtime: Runtime) -> bool {
    at_endpoint(endpoint).is_some_and(|usual| usual.is_docker() != runtime.is_docker())
}

/// Returns the runtime that an endpoint usually belongs to.
pub(super) fn at_endpoint(endpoint: &str) -> Option<Runtime> {
    match canonical(endpoint).as_str() {
        "/run/containerd/containerd.sock" => Some(Runtime::Containerd),
        "/run/crio/crio.sock" => Some(Runtime::Crio),
        "/run/cri-dockerd.sock" | "/run/dockershim.sock" => Some(Runtime::Docker),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use engine::question::FileState;

    use crate::checks::tests::{found_by, unknown, with_kubelet};
    use crate::testing::Machine;

    const DEFAULTS: &str = "/etc/default/kubelet";
    const FLAGS: &str = "/var/lib/kubelet/kubeadm-flags.env";
    const JOINED: &str = "/etc/kubernetes/kubelet.conf";

    fn host(config: &str) -> Machine {
        with_kubelet(Machine::debian(), config)
    }

    #[test]
    fn removed_flags_are_found_where_they_hide() {
        let spec = |minor: u32| format!("kubernetes: {{ version: '1.{minor}' }}");
        let unit = "/usr/lib/systemd/system/kubelet.service.d/20-mine.conf";
        let old = host("")
            .file(FLAGS, "KUBELET_KUBEADM_ARGS=\"--container-runtime=remote --container-runtime-endpoint=unix:///a\"\n")
            .file(DEFAULTS, "# mine\nKUBELET_EXTRA_ARGS=--pod-infra-container-image=p\n")
            .file(unit, "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS --network_plugin cni\n");
        let runs = old.clone();
        let old = old.unit("kubelet.service", &[("ActiveState", "activating")]);
        assert_eq!(found_by("H014", &old, &spec(23)), [""; 0]);
        assert_eq!(
            found_by("H014", &old, &spec(31)),
            [
                format!(
                    "H014 Stays {unit}:3 gives the kubelet `--network-plugin`, which Kubernetes 1.24 removed: it does not start"
                ),
                format!(
                    "H014 Stays {FLAGS}:1 gives the kubelet `--container-runtime`, which Kubernetes 1.27 removed: it does not start"
                ),
            ]
        );
        assert_eq!(found_by("H015", &old, &spec(34)), [""; 0]);
        assert_eq!(
            found_by("H015", &old, &spec(35)),
            [format!(
                "H015 Stays {DEFAULTS}:2 gives the kubelet `--pod-infra-container-image`, which Kubernetes 1.35 removed: it does not start"
            )]
        );
        assert!(old.plan(&spec(35)).checks.refusal().is_some());
        // One that runs with them is older: hosts are prepared before they are upgraded.
        let before = runs.plan(&spec(35)).checks;
        assert_eq!(before.refusal(), None, "{before:#?}");
        let told = found_by("H015", &runs, &spec(35));
        assert!(
            told[0].ends_with("the one that runs is older, and after an upgrade it does not start"),
            "{told:?}"
        );
        let brings = format!("{}\npackages: [kubelet]", spec(35));
        assert!(runs.plan(&brings).checks.refusal().is_some());
        assert_eq!(found_by("H014", &old, "modules: [overlay]"), [""; 0]);
        let mended = format!("{}\nfiles: [{{ path: {DEFAULTS}, content: '' }}]", spec(35));
        assert!(found_by("H015", &old, &mended)[0].starts_with("H015 Mended"));
        // The files may be there before the kubelet.
        let none = Machine::debian().file(DEFAULTS, "KUBELET_EXTRA_ARGS=--network-plugin=cni\n");
        assert_eq!(found_by("H014", &none, &spec(35)), [""; 0]);
        assert_eq!(unknown("H014", &none, &spec(35)), None);
    }

    #[test]
    fn a_command_line_that_is_not_read_is_unknown() {
        let spec = "kubernetes: { version: '1.35' }";
        let unit = "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf";
        let script = host("").file(
            unit,
            "[Service]\nExecStart=\nExecStart=/bin/sh -c 'exec kubelet'\n",
        );
        for check in ["H014", "H015", "H018"] {
            assert_eq!(found_by(check, &script, spec), [""; 0]);
            let why = unknown(check, &script, spec).unwrap();
            assert!(why.contains("/bin/sh"), "{why}");
        }
        let hostile = host("\u{1b}[31m: {\n- [\n").file(unit, "[Service]\n\\\n=\u{0}\nExecStart=\"\nExecStart=/usr/bin/kubelet $A ${ \u{1b} --container_runtime\n");
        let _survived =
            hostile.plan("kubernetes: { version: '1.35' }\nruntime: { containerd: {} }");
    }

    #[test]
    fn sysctls_that_are_gone_after_a_reboot_are_found() {
        let spec = "kubernetes: { version: '1.31' }";
        let running = |config: &str| {
            host(config)
                .sysctl("vm.overcommit_memory", "1")
                .sysctl("vm.panic_on_oom", "0")
                .sysctl("kernel.panic", "10")
                .sysctl("kernel.panic_on_oops", "1")
                .sysctl("kernel.keys.root_maxkeys", "1000000")
                .sysctl("kernel.keys.root_maxbytes", "25000000")
        };
        let on = "protectKernelDefaults: true\n";
        let boot = "vm.overcommit_memory = 1\nkernel.panic = 10\n";
        let some = running(on).file("/etc/sysctl.d/90-kubelet.conf", boot);
        let expected = "the kubelet has protectKernelDefaults from /var/lib/kubelet/config.yaml:2 and does not start like this: \
                        kernel.panic_on_oops must be 1, and nothing sets it at the next boot";
        assert_eq!(
            found_by("H018", &some, spec),
            [format!("H018 Stays {expected}")]
        );
        let mended = format!("{spec}\nsysctls: {{ kernel.panic_on_oops: 1 }}");
        assert_eq!(
            found_by("H018", &some, &mended),
            [format!("H018 Mended {expected}")]
        );
        let all = some.clone().file(
            "/etc/sysctl.d/90-kubelet.conf",
            &format!("{boot}kernel.panic_on_oops=1\n"),
        );
        assert_eq!(found_by("H018", &all, spec), [""; 0]);
        assert_eq!(found_by("H018", &running(""), spec), [""; 0]);
        let by_flag = running("").file(DEFAULTS, "KUBELET_EXTRA_ARGS=--protect-kernel-defaults\n");
        assert!(found_by("H018", &by_flag, spec)[0].contains("from /etc/default/kubelet:1 and"));
        let none = Machine::debian().file("/var/lib/kubelet/config.yaml", on);
        assert_eq!(found_by("H018", &none, spec), [""; 0]);
    }

    #[test]
    fn another_runtime_of_a_joined_node_is_found() {
        let containerd = "runtime: { containerd: {} }";
        let old = host("").file(
            FLAGS,
            "KUBELET_KUBEADM_ARGS=--container-runtime-endpoint=unix:///var/run/crio/crio.sock\n",
        );
        assert_eq!(found_by("H032", &old, containerd), [""; 0]);
        let old = old.file(JOINED, "");
        assert_eq!(
            found_by("H032", &old, containerd),
            [format!(
                "H032 Stays the kubelet talks to unix:///var/run/crio/crio.sock ({FLAGS}:1), and containerd answers at /run/containerd/containerd.sock"
            )]
        );
        assert_eq!(found_by("H032", &old, "runtime: { crio: {} }"), [""; 0]);
        let default = host("").file(JOINED, "");
        assert_eq!(found_by("H032", &default, containerd), [""; 0]);
        assert_eq!(
            found_by("H032", &default, "runtime: { docker: {} }"),
            [
                "H032 Stays the kubelet talks to unix:///run/containerd/containerd.sock (its default), and docker answers at /run/cri-dockerd.sock"
            ]
        );
        // A cri-dockerd of which the spec says nothing may listen anywhere.
        let elsewhere =
            host("containerRuntimeEndpoint: unix:///run/mine.sock\ncgroupDriver: systemd\n")
                .file(JOINED, "");
        assert_eq!(
            found_by("H032", &elsewhere, "runtime: { docker: {} }"),
            [""; 0]
        );
        assert_eq!(
            found_by(
                "H032",
                &elsewhere,
                "runtime: { docker: { criDockerd: {} } }"
            ),
            [
                "H032 Stays the kubelet talks to unix:///run/mine.sock (/var/lib/kubelet/config.yaml:2), and docker answers at /run/cri-dockerd.sock"
            ]
        );
        assert_eq!(
            found_by("H032", &elsewhere, containerd),
            [
                "H032 Stays the kubelet talks to unix:///run/mine.sock (/var/lib/kubelet/config.yaml:2), and containerd answers at /run/containerd/containerd.sock"
            ]
        );
        let mended = "runtime: { containerd: {} }\nkubernetes: { version: '1.31' }\n\
                      kubelet: { containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock' }";
        let elsewhere = elsewhere
            .directory("/etc/containerd")
            .file("/etc/containerd/config.toml", "version = 2\n")
            .containerd("1.7.24", None);
        let mended = format!("{mended}\n")
            .replace("containerd: {}", "containerd: { allowDriverChange: true }");
        assert!(found_by("H032", &elsewhere, &mended)[0].starts_with("H032 Mended"));
        let instance = default.file(
            "/var/lib/kubelet/instance-config.yaml",
            "kind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix:///run/crio/crio.sock\n",
        );
        assert_eq!(
            found_by("H032", &instance, containerd),
            [
                "H032 Stays kubeadm will let the kubelet talk to unix:///run/crio/crio.sock (/var/lib/kubelet/instance-config.yaml:2), and containerd answers at /run/containerd/containerd.sock"
            ]
        );
        let unread = instance.at(JOINED, FileState::Unreadable("denied".into()));
        assert!(
            unknown("H032", &unread, containerd)
                .unwrap()
                .contains("denied")
        );
    }

    #[test]
    fn a_kubelet_with_dockershim_talks_to_docker() {
        let joined = host("").file(JOINED, "");
        let spec = "kubernetes: { version: '1.23' }\nruntime: { containerd: {} }";
        assert!(
            found_by("H032", &joined, spec)[0].contains("/var/run/dockershim.sock (its default)")
        );
        let remote = joined.file(FLAGS, "KUBELET_KUBEADM_ARGS=--container-runtime=remote\n");
        assert_eq!(found_by("H032", &remote, spec), [""; 0]);
    }
}
