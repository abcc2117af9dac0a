//! The field `containerd` of the section `runtime`, as written.

use engine::name::{AbsPath, PackageName, UnitName};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::runtime::CgroupDriver;

/// How containerd is configured. Keys of its configuration that are not named here stay as they are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ContainerdSection {
    /// Who manages cgroups: `systemd` (the default) or `cgroupfs`. It must be what the kubelet uses.
    pub(super) cgroup_driver: CgroupDriver,
    /// Lets the driver change on a node that has joined a cluster. The node must be drained.
    pub(super) allow_driver_change: bool,
    /// What containerd takes the place of: `docker`. On a node where Docker is, it and cri-dockerd are stopped and disabled,
    /// the kubelet is stopped meanwhile and then pointed at containerd, in kubeadm's files; pods are lost, so a node that
    /// has joined must be drained (see `cluster`). Packages and images of Docker stay. By default Docker is left alone.
    pub(super) replaces: Option<Replaced>,
    /// The pause image. By default the one that fits `kubernetes.version`; without a version, what is set stays.
    #[schemars(length(min = 1, max = 512))]
    pub(super) sandbox_image: Option<String>,
    /// The directory of `hosts.toml` files about registries, such as `/etc/containerd/certs.d`.
    pub(super) registry_config_path: Option<AbsPath>,
    /// Where CNI plugins and their configuration are.
    pub(super) cni: CniSection,
    /// The configuration file. The unit must start containerd with it.
    pub(super) config_file: AbsPath,
    /// The package that provides containerd, such as `containerd` or `containerd.io`; it is installed first.
    pub(super) package: Option<PackageName>,
    /// The unit that runs containerd.
    pub(super) service: UnitName,
    /// The socket on which containerd answers.
    pub(super) socket: AbsPath,
}

/// A runtime that gives way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Replaced {
    /// Docker Engine, whether the kubelet uses it through dockershim or through cri-dockerd.
    Docker,
}

/// Where CNI plugins and their configuration are.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct CniSection {
    /// The directories of the plugins, such as `/opt/cni/bin`; before containerd 2.1 only one.
    pub(super) bin_dirs: Vec<AbsPath>,
    /// The directory of the configuration, such as `/etc/cni/net.d`.
    pub(super) conf_dir: Option<AbsPath>,
}

impl Default for ContainerdSection {
    fn default() -> Self {
        Self {
            cgroup_driver: CgroupDriver::default(),
            allow_driver_change: false,
            replaces: None,
            sandbox_image: None,
            registry_config_path: None,
            cni: CniSection::default(),
            config_file: known("/etc/containerd/config.toml"),
            package: None,
            service: known("containerd.service"),
            socket: known("/run/containerd/containerd.sock"),
        }
    }
}

fn known<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a name that is valid as written here")
}
