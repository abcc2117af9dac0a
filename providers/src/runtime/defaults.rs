//! What is filled in where a spec says little of its runtime, and why: `runtime: { containerd: {} }` is what the Kubernetes
//! page "Container Runtimes" recommends.
//!
//! The values are those of the resources that the runtimes compile into; here are their collector and shared reasons.

use engine::resource::Filled;

use super::version::KubernetesVersion;

/// Why systemd is the driver.
pub(crate) const SYSTEMD: &str = "systemd is the init system of every host that is changed, and two managers of cgroups work against each other";

/// Why a unit is called as it is.
pub(crate) const UNIT: &str = "the unit that its packages bring";

/// Why a driver does not change where pods would be lost.
pub(crate) const GUARDED: &str =
    "the pods of a node that has joined a cluster do not survive another cgroup driver";

/// Why modules and sysctls follow from a runtime.
pub(crate) const PREREQUISITES: &str = "what Kubernetes asks of a node's kernel is the same for every runtime; what it comes to is in `modules` and `sysctls`";

/// Collects what is filled in below a field.
#[derive(Debug)]
pub(crate) struct Defaults {
    below: String,
    filled: Vec<Filled>,
}

impl Defaults {
    /// Starts with nothing filled in below a field, such as `runtime.containerd`.
    pub(crate) fn below(field: &str) -> Self {
        Self {
            below: field.to_owned(),
            filled: Vec::new(),
        }
    }

    /// Adds a value and why it is filled in.
    #[must_use]
    pub(crate) fn add(
        mut self,
        field: &str,
        value: impl Into<serde_json::Value>,
        reason: impl Into<String>,
    ) -> Self {
        self.filled.push(Filled {
            path: format!("{}.{field}", self.below),
            value: value.into(),
            reason: reason.into(),
        });
        self
    }

    /// Adds a pause image that follows from the version of Kubernetes. Without one, what is set stays.
    #[must_use]
    pub(crate) fn add_pause_image(
        self,
        field: &str,
        image: Option<String>,
        kubernetes: Option<KubernetesVersion>,
    ) -> Self {
        match (image, kubernetes) {
            (Some(image), Some(version)) => self.add(
                field,
                image,
                format!("the pause image that kubeadm of Kubernetes {version} expects"),
            ),
            (Some(_) | None, _) => self,
        }
    }

    /// Returns what was added.
    pub(crate) fn finish(self) -> Vec<Filled> {
        self.filled
    }
}
