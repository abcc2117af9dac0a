//! What a runtime asks of the node's kernel. The Kubernetes page "Container Runtimes" has these modules and sysctls before
//! any runtime, so they follow from `runtime` and need not be written.
//!
//! Up to Kubernetes 1.29 the page names both modules and all three sysctls, and kubeadm's preflight wanted the bridge to call
//! iptables. Since 1.30 both leave that to the network plugin (kubernetes/kubernetes#123464).

use engine::diagnostic::Problems;
use engine::name::SysctlKey;
use engine::resource::{Implied, Sections};
use engine::source::Span;
use engine::spec::{Node, Value};

use super::{Chosen, KubernetesVersion, chosen};
use crate::{module, sysctl};

/// A module to load, or a sysctl to set to 1.
struct Prerequisite {
    section: &'static str,
    name: &'static str,
    reason: &'static str,
    /// The first minor version of Kubernetes that leaves it to the network plugin.
    left_since: Option<u32>,
}

const OVERLAY: &str = "the file system that runtimes stack the layers of images with";
const BRIDGE: &str = "the page \"Container Runtimes\" wants bridged traffic to meet iptables, up to Kubernetes 1.29 and where no version is given";
const FORWARD: &str =
    "kubeadm's preflight wants it: without it pods reach nothing beyond their node";

const ALL: [Prerequisite; 5] = [
    prerequisite("modules", "overlay", OVERLAY, None),
    prerequisite("modules", "br_netfilter", BRIDGE, Some(30)),
    prerequisite(
        "sysctls",
        "net.bridge.bridge-nf-call-ip6tables",
        BRIDGE,
        Some(30),
    ),
    prerequisite(
        "sysctls",
        "net.bridge.bridge-nf-call-iptables",
        BRIDGE,
        Some(30),
    ),
    prerequisite("sysctls", "net.ipv4.ip_forward", FORWARD, None),
];

const fn prerequisite(
    section: &'static str,
    name: &'static str,
    reason: &'static str,
    left_since: Option<u32>,
) -> Prerequisite {
    Prerequisite {
        section,
        name,
        reason,
        left_since,
    }
}

impl Prerequisite {
    /// Returns since which minor version it is left to the network plugin, if this version does.
    fn left_since(&self, kubernetes: Option<KubernetesVersion>) -> Option<u32> {
        self.left_since
            .filter(|since| kubernetes.is_some_and(|version| version.minor() >= *since))
    }

    fn is_named(&self, sections: &Sections<'_>) -> bool {
        match self.name.parse::<SysctlKey>() {
            Ok(key) if self.section == "sysctls" => sysctl::is_named(&key, sections),
            _ => module::named(sections).iter().any(|name| name == self.name),
        }
    }

    fn implied(&self, span: Span) -> Implied {
        let (key, value) = match self.section {
            "sysctls" => (Some(self.name.to_owned()), Value::Integer(1)),
            _ => (None, Value::String(self.name.to_owned())),
        };
        Implied {
            section: self.section,
            key,
            value,
            span,
            reason: self.reason.to_owned(),
        }
    }
}

/// Returns those modules and sysctls that the spec says nothing of.
pub(super) fn implied(chosen: &Chosen<'_>) -> Vec<Implied> {
    unnamed(chosen)
        .filter(|prerequisite| prerequisite.left_since(chosen.kubernetes).is_none())
        .map(|prerequisite| prerequisite.implied(chosen.span))
        .collect()
}

fn unnamed<'a>(chosen: &'a Chosen<'_>) -> impl Iterator<Item = &'static Prerequisite> + use<'a> {
    let written = chosen.node.get("prerequisites").map(|node| &node.value);
    let declined = written == Some(&Value::Bool(false));
    ALL.iter()
        .filter(move |prerequisite| !declined && !prerequisite.is_named(&chosen.sections))
}

/// What a section has from `runtime`, and what it would have from it with an older Kubernetes.
#[derive(Debug, Clone, Default)]
pub(crate) struct FromRuntime {
    /// What leaves the section out, where all of it is from `runtime`.
    pub(crate) without: Option<String>,
    /// What follows from `runtime` with an older Kubernetes, and why not with this one.
    pub(crate) dropped: Vec<(&'static str, String)>,
}

/// Returns what one of the completed sections has from `runtime`.
pub(crate) fn from_runtime(section: &Node, name: &str, sections: &Sections<'_>) -> FromRuntime {
    let Some((runtime, chosen)) = chosen(sections, &mut Problems::default()).pop() else {
        return FromRuntime::default();
    };
    let without =
        format!("`prerequisites: false` in `runtime.{runtime}` leaves out what follows from that");
    let dropped = unnamed(&chosen).filter(|prerequisite| prerequisite.section == name);
    let dropped = dropped.filter_map(|prerequisite| {
        let since = prerequisite.left_since(chosen.kubernetes)?;
        let why = format!("left to the network plugin since Kubernetes 1.{since}");
        Some((prerequisite.name, why))
    });
    FromRuntime {
        without: (section.span == chosen.span).then_some(without),
        dropped: dropped.collect(),
    }
}
