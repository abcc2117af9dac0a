//! What CRI-O checks when it starts: which monitor cgroup goes with which cgroup manager. A wrong pair makes it exit.

use std::fmt;

use crate::runtime::{KubernetesVersion, Refusal, Spoken, leading_number};

/// What becomes of a cgroup manager with a monitor cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pair {
    /// Every release takes it.
    Valid,
    /// Some releases do not take it: an empty monitor cgroup under `cgroupfs`.
    DependsOnRelease,
    /// No release takes it; the text says why.
    Invalid(String),
}

/// A minor release of CRI-O 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CrioRelease {
    minor: u32,
}

/// Checks a pair.
pub(crate) fn check_pair(manager: &str, monitor: &str) -> Pair {
    match (manager, monitor) {
        ("systemd" | "cgroupfs", "pod") | ("systemd", "") => Pair::Valid,
        ("systemd", slice) if slice.ends_with(".slice") => Pair::Valid,
        ("systemd", other) => Pair::Invalid(format!(
            "with the cgroup manager systemd the monitor cgroup must be `pod` or a slice, not `{}`",
            other.escape_debug()
        )),
        ("cgroupfs", "") => Pair::DependsOnRelease,
        ("cgroupfs", other) => Pair::Invalid(format!(
            "with the cgroup manager cgroupfs the monitor cgroup must be `pod`, not `{}`",
            other.escape_debug()
        )),
        (other, _) => Pair::Invalid(format!(
            "`{}` is no cgroup manager of CRI-O",
            other.escape_debug()
        )),
    }
}

impl fmt::Display for CrioRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor)
    }
}

impl CrioRelease {
    /// Reads the version of a package, such as `1.31.5-1.1` or `0:1.24.1~0`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let upstream = text.split_once(':').map_or(text, |(_epoch, rest)| rest);
        let (minor, _) = leading_number(upstream.strip_prefix("1.")?)?;
        Some(Self { minor })
    }

    /// Whether it takes an empty monitor cgroup under `cgroupfs` (cri-o#6047).
    pub(crate) fn takes_empty_monitor_cgroup(self) -> bool {
        !matches!(self.minor, 21 | 26..=32)
    }

    /// Refuses a release that cannot serve the kubelet at all.
    pub(crate) fn check_known(self, kubernetes: Option<KubernetesVersion>) -> Result<(), Refusal> {
        match kubernetes {
            Some(kubernetes) if kubernetes.speaks_only_v1() && self.minor < 20 => {
                Err(Refusal::new(format!(
                    "CRI-O 1.{} is too old: it does not speak CRI v1, and a kubelet {kubernetes} speaks nothing else",
                    self.minor
                ))
                .help("install the CRI-O of the same minor version as Kubernetes"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Returns what it speaks.
    pub(crate) fn spoken(self) -> Spoken {
        match self.minor {
            0..20 => Spoken::V1Alpha2,
            20..26 => Spoken::Both,
            26.. => Spoken::V1,
        }
    }

    /// Returns the tag of the pause image that it takes if nothing names one.
    pub(crate) fn pause_tag(self) -> Option<&'static str> {
        match self.minor {
            20 => Some("3.2"),
            21..=22 => Some("3.5"),
            23..=27 => Some("3.6"),
            28..=30 => Some("3.9"),
            31..=33 => Some("3.10"),
            34..=36 => Some("3.10.1"),
            _ => None,
        }
    }

    /// Returns what is odd about it with a kubelet, if its minor version is more than two away.
    pub(crate) fn skew(self, kubernetes: KubernetesVersion) -> Option<String> {
        (self.minor.abs_diff(kubernetes.minor()) > 2).then(|| {
            format!(
                "CRI-O 1.{} is meant for Kubernetes 1.{0}, and the node is prepared for {kubernetes}",
                self.minor
            )
        })
    }
}
