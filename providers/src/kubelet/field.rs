//! The fields of the kubelet's configuration that a spec can set: their names, their flags, and what they are by default.

use crate::runtime::canonical;

/// A field of the kubelet's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    /// How processes are put into cgroups.
    CgroupDriver,
    /// Where the runtime answers.
    ContainerRuntimeEndpoint,
    /// Whether the kubelet refuses to start where swap is on.
    FailSwapOn,
    /// Whether the kubelet refuses to start where sysctls are not as it wants them.
    ProtectKernelDefaults,
}

impl Field {
    /// Every field.
    pub(crate) const ALL: [Self; 4] = [
        Self::CgroupDriver,
        Self::ContainerRuntimeEndpoint,
        Self::FailSwapOn,
        Self::ProtectKernelDefaults,
    ];

    /// Returns its key in a KubeletConfiguration, and in a spec.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::CgroupDriver => "cgroupDriver",
            Self::ContainerRuntimeEndpoint => "containerRuntimeEndpoint",
            Self::FailSwapOn => "failSwapOn",
            Self::ProtectKernelDefaults => "protectKernelDefaults",
        }
    }

    /// Returns the flag that says the same and wins over every file, without its dashes.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::CgroupDriver => "cgroup-driver",
            Self::ContainerRuntimeEndpoint => "container-runtime-endpoint",
            Self::FailSwapOn => "fail-swap-on",
            Self::ProtectKernelDefaults => "protect-kernel-defaults",
        }
    }

    /// Returns what the kubelet takes where nothing sets it.
    pub(crate) fn default(self) -> &'static str {
        match self {
            Self::CgroupDriver => "cgroupfs",
            Self::ContainerRuntimeEndpoint => "unix:///run/containerd/containerd.sock",
            Self::FailSwapOn => "true",
            Self::ProtectKernelDefaults => "false",
        }
    }

    /// Returns what a flag says that stands without a value.
    pub(crate) fn bare_flag(self) -> &'static str {
        match self {
            Self::CgroupDriver | Self::ContainerRuntimeEndpoint => "",
            Self::FailSwapOn | Self::ProtectKernelDefaults => "true",
        }
    }

    /// Whether two values mean the same to the kubelet.
    pub(crate) fn is_same(self, one: &str, other: &str) -> bool {
        match self {
            Self::CgroupDriver => one == other,
            Self::ContainerRuntimeEndpoint => canonical(one) == canonical(other),
            Self::FailSwapOn | Self::ProtectKernelDefaults => {
                truth(one) == truth(other) && (truth(one).is_some() || one == other)
            }
        }
    }
}

/// Returns what a word says in YAML 1.1 or to a flag.
pub(crate) fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" | "yes" | "y" | "on" => Some(true),
        "false" | "f" | "0" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}
