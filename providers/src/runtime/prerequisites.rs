//! What a runtime asks of the node's kernel. The Kubernetes page "Container Runtimes" has these modules and sysctls before
//! any runtime, so they follow from `runtime` and need not be written.
//!
//! Up to Kubernetes 1.29 the page names both modules and all three sysctls, and kubeadm's preflight wanted the bridge to call
//! iptables. Since 1.30 both leave that to the network plugin (kubernetes/kubernetes#123464).

use engine::name::SysctlKey;
use engine::resource::{Implied, Sections};
use engine::source::Span;
use engine::spec::{Node, Value};

use super::KubernetesVersion;
use crate::{module, sysctl};

/// The first minor version for which a bridge is the network plugin's affair.
const WITHOUT_BRIDGE: u32 = 30;

const OVERLAY: &str = "the file system that runtimes stack the layers of images with";
const BRIDGE: &str = "the page \"Container Runtimes\" wants bridged traffic to meet iptables, up to Kubernetes 1.29 and where no version is given";
const FORWARD: &str =
    "kubeadm's preflight wants it: without it pods reach nothing beyond their node";

/// Returns those modules and sysctls that the spec says nothing of.
pub(super) fn implied(
    runtime: &Node,
    span: Span,
    kubernetes: Option<KubernetesVersion>,
    sections: &Sections<'_>,
) -> Vec<Implied> {
    let is_declined = runtime.get("prerequisites").map(|node| &node.value);
    if is_declined == Some(&Value::Bool(false)) {
        return Vec::new();
    }
    let bridged = kubernetes.is_none_or(|version| version.minor() < WITHOUT_BRIDGE);
    let modules = [
        ("overlay", OVERLAY, true),
        ("br_netfilter", BRIDGE, bridged),
    ];
    let named = module::named(sections);
    let modules = modules
        .into_iter()
        .filter(|(name, _, wanted)| *wanted && !named.iter().any(|named| named == name));
    let modules = modules.map(|(name, reason, _)| Implied {
        section: "modules",
        key: None,
        value: Value::String(name.to_owned()),
        span,
        reason: reason.to_owned(),
    });
    let sysctls = [
        ("net.bridge.bridge-nf-call-ip6tables", BRIDGE, bridged),
        ("net.bridge.bridge-nf-call-iptables", BRIDGE, bridged),
        ("net.ipv4.ip_forward", FORWARD, true),
    ];
    let sysctls = sysctls.into_iter().filter(|(key, _, wanted)| {
        let key: Option<SysctlKey> = key.parse().ok();
        *wanted && key.is_some_and(|key| !sysctl::is_named(&key, sections))
    });
    let sysctls = sysctls.map(|(key, reason, _)| Implied {
        section: "sysctls",
        key: Some(key.to_owned()),
        value: Value::Integer(1),
        span,
        reason: reason.to_owned(),
    });
    modules.chain(sysctls).collect()
}
