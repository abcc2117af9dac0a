//! Docker gives way to containerd on a node (`runtime.containerd.replaces: docker`), in the order in which Kubernetes tells
//! it: the kubelet is paused, Docker stops for good (`docker`), containerd is configured and started as without this, the
//! kubelet is pointed at it (`endpoint`, whose heart is `flags`), and starts again. The node's cluster is told afterwards.
//!
//! A node without Docker has nothing to do here, so one spec serves a fleet that is half way through.

mod docker;
mod endpoint;
mod flags;
#[cfg(test)]
mod tests;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{AbsPath, ResourceId, UnitName};
use engine::resource::{Declared, Relation, Sections};
use engine::source::Span;

use crate::runtime::{KubernetesVersion, kubelet};
use crate::section::{constant_path, items, requires};
use crate::service::{DEFAULT_GATE, UnitOwner, service_for};
use crate::sysctl;
use docker::Docker;
use endpoint::Endpoint;

/// The kinds of the resources that a migration is made of.
pub(crate) const KINDS: [&str; 2] = [docker::KIND, endpoint::KIND];

/// Docker's units, in the order in which they are stopped: a socket would start its service again. Those of cri-dockerd are
/// called as its packages do or as Kubespray does.
const DOCKER_UNITS: [&str; 6] = [
    "cri-docker.socket",
    "cri-docker.service",
    "cri-dockerd.socket",
    "cri-dockerd.service",
    "docker.socket",
    "docker.service",
];

/// What takes Docker's place on a node.
#[derive(Debug)]
pub(crate) struct Successor<'a> {
    /// Where the spec asks for it.
    pub(crate) span: Span,
    /// Its unit.
    pub(crate) service: UnitName,
    /// Where it listens.
    pub(crate) socket: AbsPath,
    /// The Kubernetes that the node is prepared for.
    pub(crate) kubernetes: Option<KubernetesVersion>,
    /// Pods may be lost on a node that has joined, drained or not.
    pub(crate) allowed: bool,
    /// All sections.
    pub(crate) sections: Sections<'a>,
}

/// Returns the endpoint of a socket, as the kubelet and kubeadm write it.
pub(crate) fn endpoint_of(socket: &AbsPath) -> String {
    format!("unix://{socket}")
}

/// Returns the edge that makes a resource come after Docker is off.
pub(crate) fn after_docker(span: Span) -> (Relation, Span) {
    (requires(docker::id()), span)
}

/// Returns the resources by which a successor takes Docker's place.
pub(crate) fn compile(successor: Successor<'_>, problems: &mut Problems) -> Vec<Declared> {
    check_services(&successor, problems);
    check_forwarding(&successor, problems);
    let Successor {
        span,
        service,
        socket,
        kubernetes,
        allowed,
        sections,
    } = successor;
    let declare = |resource| Declared {
        resource,
        span,
        written: Vec::new(),
    };
    let mut declared = vec![
        declare(Box::new(Docker { allowed })),
        declare(Box::new(Endpoint {
            socket,
            service: service.clone(),
            kubernetes,
        })),
    ];
    // The section `kubelet` brings the unit itself.
    if !sections.all.contains_key("kubelet") {
        let owner = UnitOwner {
            unit: kubelet(),
            span,
            configs: Vec::new(),
            gate: DEFAULT_GATE,
        };
        let mut kubelet = service_for(owner, &sections);
        let runtime = ResourceId::new("service", service);
        kubelet.resource.after.push(runtime);
        declared.push(kubelet.declared());
    }
    declared
}

/// Complains about wishes for units that are switched off here.
fn check_services(successor: &Successor<'_>, problems: &mut Problems) {
    for node in items(&successor.sections, "services") {
        let name = node.get("name").and_then(|name| name.text());
        if let Some(name) = name.filter(|name| DOCKER_UNITS.contains(name)) {
            problems.push(
                Diagnostic::error(
                    "E290",
                    node.span_at(&["name"]),
                    format!("`{name}` is managed twice"),
                )
                .related(successor.span, "it is switched off here")
                .help("remove it from `services`"),
            );
        }
    }
}

/// dockerd switches forwarding on when it starts, which hides that nothing else does.
fn check_forwarding(successor: &Successor<'_>, problems: &mut Problems) {
    let key = "net.ipv4.ip_forward".parse().expect("a sysctl key");
    if !sysctl::is_named(&key, &successor.sections) {
        problems.push(
            Diagnostic::warning(
                "W291",
                successor.span,
                "net.ipv4.ip_forward may be 0 after the next boot: dockerd set it whenever it started, and no longer does",
            )
            .help("add `net.ipv4.ip_forward: 1` to `sysctls`, or take `prerequisites: false` out"),
        );
    }
}

fn config_file() -> AbsPath {
    constant_path("/var/lib/kubelet/instance-config.yaml")
}

fn flags_file() -> AbsPath {
    constant_path("/var/lib/kubelet/kubeadm-flags.env")
}
