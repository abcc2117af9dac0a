//! The kubelet: flags that it no longer knows, sysctls that it insists on, and the runtime that it talks to.

use std::collections::{BTreeMap, BTreeSet};

use engine::check::{Found, Rule};
use engine::diagnostic::Severity;
use engine::name::AbsPath;
use engine::question::{Question, Unanswered};
use engine::resource::Situation;
use engine::spec::{Node, Value};
use engine::state::State;

use super::spec::{Runtime, Spec};
use super::{Entry, nothing_of_spec};
use crate::kubelet::arguments::{self, Removed};
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
        questions: |_| arguments::questions(),
        of_host: removed_flag,
    },
    Entry {
        rule: REMOVED_PAUSE_FLAG,
        applies: |spec| spec.kubernetes.is_some(),
        of_spec: nothing_of_spec,
        questions: |_| arguments::questions(),
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
    let help = "take the flag out there; the runtime's own configuration names the pause image";
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
    let arguments = arguments::read(state, &BTreeMap::new())?;
    if !arguments.has_unit() {
        return Ok(Vec::new());
    }
    let removed = arguments.removed(kubernetes).into_iter();
    let found: Vec<_> = removed
        .filter(|removed| is_about(&removed.flag.name))
        .map(|Removed { flag, since }| {
            rule.found(format!(
                "{} gives the kubelet `--{}`, which Kubernetes 1.{since} removed: the kubelet of {kubernetes} does not start",
                flag.place, flag.name
            ))
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
    let situation = Situation {
        observed: state,
        proposed: &BTreeMap::new(),
        notified_by: &[],
        receipt: None,
        dropped: &BTreeSet::new(),
    };
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
        canonical(endpoint) != wanted && (socket.is_certain || is_of_another(endpoint, runtime))
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
