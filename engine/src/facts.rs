//! What is asked of every host, whatever the spec says.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The operating system of a host, as its inventory says.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Os {
    /// Linux.
    #[default]
    Linux,
    /// Windows Server, over OpenSSH and PowerShell.
    Windows,
}

/// What a host is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Facts {
    /// `/etc/machine-id`, if it has one; on Windows the `MachineGuid` of the registry.
    pub machine_id: Option<String>,
    /// `ID` of os-release, such as `debian`; `windows` on Windows.
    pub os_id: String,
    /// `VERSION_ID` of os-release, such as `12`; empty on rolling releases. On Windows such as `10.0.20348`.
    pub os_version: String,
    /// `PRETTY_NAME` of os-release.
    pub os_name: String,
    /// Release of the running kernel (`uname -r`).
    pub kernel: String,
    /// Machine architecture (`uname -m`).
    pub architecture: String,
    /// The init system.
    pub init: Init,
    /// The cgroup hierarchy.
    pub cgroup: CgroupVersion,
    /// The far side runs as root, or on Windows as an administrator.
    pub root: bool,
    /// There is something in `/var/lib/hardstand` and it cannot be read, so that neither records nor owed restarts are known.
    #[serde(default)]
    pub records_unreadable: bool,
    /// The kernel's command line.
    pub kernel_command_line: String,
    /// The file systems the kernel knows (`/proc/filesystems`).
    pub file_systems: BTreeSet<String>,
    /// The swap areas in use: path and kind (`/proc/swaps`).
    pub swaps: Vec<Swap>,
    /// Commands that were looked for and found: `systemctl`, `systemd-run`, `dpkg`, `apt-get`, `dnf`, `modprobe`,
    /// `containerd`, `ctr`, `crictl`, `curl`, `kubelet`; and `versionlock`, with which dnf puts packages on hold.
    pub commands: BTreeSet<String>,
    /// What installs packages.
    #[serde(default)]
    pub packages: PackageManager,
    /// How many hardstand transactions were begun on the host (`/var/lib/hardstand/generation`).
    pub generation: u64,
    /// The id of a transaction that is open or ended without a word, if there is one.
    pub open_transaction: Option<String>,
}

/// What installs packages: what is there, and where there are both, what os-release says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PackageManager {
    /// apt, with dpkg.
    Apt,
    /// dnf, with rpm.
    Dnf,
    /// Neither, or the system is one image.
    #[default]
    None,
}

/// The init system, as `sd_booted(3)` tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Init {
    /// systemd is running (`/run/systemd/system` exists).
    Systemd,
    /// Something else.
    #[default]
    Other,
}

/// The cgroup hierarchy. A hybrid one counts as v1, as it does to Kubernetes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CgroupVersion {
    /// Legacy or hybrid.
    V1,
    /// Unified (`cgroup2fs` at `/sys/fs/cgroup`).
    V2,
    /// None is mounted.
    #[default]
    None,
}

/// A swap area in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Swap {
    /// The device or file.
    pub path: String,
    /// `partition` or `file`.
    pub kind: String,
}
