//! The sections `runtime` and `kubernetes` of a spec, as written.

use engine::diagnostic::{Diagnostic, Problems};
use engine::source::Span;
use engine::spec::{Node, Value};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::version::KubernetesVersion;
use crate::containerd::ContainerdSection;
use crate::crio::CrioSection;
use crate::docker::DockerSection;

/// The container runtime of a node. Exactly one is chosen.
//
// Its schema is what matters: each runtime reads its own field.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-hardstand-one-of" = true))]
pub(super) struct RuntimeSection {
    /// containerd, 1.6 or newer.
    containerd: Option<ContainerdSection>,
    /// CRI-O, 1.20 or newer.
    crio: Option<CrioSection>,
    /// Docker Engine, 20.10 or newer, with cri-dockerd.
    docker: Option<DockerSection>,
    /// Mirantis Container Runtime, with cri-dockerd.
    mirantis: Option<DockerSection>,
}

/// Who manages the cgroups of containers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CgroupDriver {
    /// systemd, as on every host where systemd is the init system.
    #[default]
    Systemd,
    /// The runtime itself.
    Cgroupfs,
}

/// The Kubernetes that a node is prepared for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KubernetesSection {
    /// Its minor version, quoted, such as `"1.31"`. Checks and defaults follow from it.
    #[schemars(example = &"1.31")]
    #[schemars(extend(
        "x-changes" = "what follows from it, such as the pause image",
        "x-disrupts" = "what the fields that follow from it say"
    ))]
    #[schemars(regex(pattern = r"^1\.(0|[1-9][0-9]*)$"))]
    version: String,
}

impl CgroupDriver {
    /// Whether it is systemd.
    pub(crate) fn is_systemd(self) -> bool {
        self == Self::Systemd
    }

    /// Returns the word for it in a spec.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Cgroupfs => "cgroupfs",
        }
    }
}

/// Reads the section `kubernetes`.
pub(super) fn kubernetes(section: &Node, problems: &mut Problems) -> Option<KubernetesVersion> {
    let KubernetesSection { version } = crate::section::decode(section, problems)?;
    let span = section.span_at(&["version"]);
    let Ok(parsed) = version.parse::<KubernetesVersion>() else {
        let message = format!("`{version}` is not a minor version of Kubernetes");
        problems.push(Diagnostic::error("E127", span, message).help("write it as \"1.31\""));
        return None;
    };
    // What wrote the spec may have taken 1.30 for a number.
    if parsed.minor() < 10 {
        let message =
            format!("Kubernetes {parsed} is older than any that a runtime of today serves");
        let help = format!("write \"{parsed}0\" if that was meant");
        problems.push(Diagnostic::error("E127", span, message).help(help));
        return None;
    }
    if parsed.pause_image().is_none() {
        let message = format!("hardstand has no defaults for Kubernetes {parsed}");
        problems.push(Diagnostic::warning("W127", span, message).help(
            "what follows from the version, such as the pause image, stays as it is: set it yourself",
        ));
    }
    Some(parsed)
}

/// Reads the field of a runtime; one that says nothing has its defaults.
pub(crate) fn decode<T: DeserializeOwned + Default>(
    node: &Node,
    problems: &mut Problems,
) -> Option<T> {
    match node.value {
        Value::Null => Some(T::default()),
        _ => crate::section::decode(node, problems),
    }
}

/// Complains about a text that cannot be the name of an image.
pub(crate) fn check_image(image: &str, span: Span, problems: &mut Problems) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-:/@".contains(c);
    if image.chars().all(allowed) && image.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return;
    }
    let message = format!("`{}` is not the name of an image", image.escape_debug());
    problems.push(
        Diagnostic::error("E127", span, message).help("write it as `registry.k8s.io/pause:3.10`"),
    );
}
