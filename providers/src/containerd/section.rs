//! The field `containerd` of the section `runtime`, as written.

use std::collections::BTreeMap;

use engine::name::{AbsPath, PackageName, UnitName};
use schemars::JsonSchema;
use serde::Deserialize;

use super::registries::RegistrySection;
use crate::runtime::CgroupDriver;

/// How containerd is configured. Keys of its configuration that are not named here stay as they are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend(
    "x-default" = "left as it is",
    "x-changes" = "keys of `configFile`; all others stay",
    "x-disrupts" = "containerd restarts; pods stay"
))]
pub(crate) struct ContainerdSection {
    /// Who manages cgroups: `systemd` (the default) or `cgroupfs`. It must be what the kubelet uses. Windows has none, so
    /// there it is an error to set it.
    #[schemars(extend(
        "x-changes" = "`SystemdCgroup` of the handlers that run runc",
        "x-disrupts" = "containerd and the kubelet restart; pods of a node that has joined a cluster are lost"
    ))]
    pub(super) cgroup_driver: CgroupDriver,
    /// Whether what the Kubernetes page "Container Runtimes" asks of a node before any runtime is added, where `modules` and
    /// `sysctls` do not name it. That is overlay and `net.ipv4.ip_forward`, and up to Kubernetes 1.29, or without
    /// a version, br_netfilter and the `net.bridge` sysctls too.
    #[schemars(extend(
        "x-changes" = "what `modules` and `sysctls` change",
        "x-disrupts" = "nothing restarts"
    ))]
    prerequisites: bool,
    /// Lets the driver change on a node that has joined a cluster. The node must be drained.
    #[schemars(extend(
        "x-changes" = "nothing by itself",
        "x-disrupts" = "what `cgroupDriver` says"
    ))]
    pub(super) allow_driver_change: bool,
    /// What containerd takes the place of: `docker`. On a node where Docker is, it and cri-dockerd are stopped and disabled,
    /// the kubelet is stopped meanwhile and then pointed at containerd, in kubeadm's files; pods are lost, so a node that
    /// has joined must be drained (see `cluster`). Packages and images of Docker stay. By default Docker is left alone.
    #[schemars(extend(
        "x-default" = "nothing",
        "x-changes" = "the units of Docker and cri-dockerd, and kubeadm's files of the kubelet",
        "x-disrupts" = "the kubelet stops meanwhile; pods of Docker are lost"
    ))]
    pub(super) replaces: Option<Replaced>,
    /// The pause image. By default the one that fits `kubernetes.version`; without a version, what is set stays. On Windows
    /// it is `mcr.microsoft.com/oss/kubernetes/pause`.
    #[schemars(example = &"registry.k8s.io/pause:3.10")]
    #[schemars(extend("x-default" = "the one that fits `kubernetes.version`, or else what is set"))]
    #[schemars(length(min = 1, max = 512))]
    pub(super) sandbox_image: Option<String>,
    /// The directory of `hosts.toml` files about registries, `/etc/containerd/certs.d` if there are `registries`; left as it
    /// is otherwise. Where containerd does not look there yet, it restarts once; pods stay. Like every path here it is written
    /// `/C:/dir/file` for Windows.
    #[schemars(example = &"/etc/containerd/certs.d")]
    #[schemars(extend(
        "x-default" = "`/etc/containerd/certs.d` with `registries`, or else what is set"
    ))]
    pub(super) registry_config_path: Option<AbsPath>,
    /// Registries by the host in the names of their images, such as `docker.io` or `registry.example:5000`; `_default` is for
    /// those not named. Each is a `hosts.toml` of its own below `registryConfigPath`, owned whole; a change is taken up by
    /// the next pull, and nothing restarts. Files there of registries that are not named stay.
    #[schemars(extend(
        "x-default" = "none",
        "x-changes" = "a `hosts.toml` for each registry, owned whole",
        "x-disrupts" = "nothing: the next pull reads it"
    ))]
    pub(super) registries: BTreeMap<String, RegistrySection>,
    /// Where CNI plugins and their configuration are.
    pub(super) cni: CniSection,
    /// How many files containerd may have open (`LimitNOFILE=`, soft and hard), in a drop-in `limit-nofile.conf` of its unit.
    /// Containers inherit it. By default the unit's own limit stays. Where it is more than the kernel's
    /// `fs.nr_open`, systemd gives less and does not say so, or cannot start the unit; raise that in `sysctls`, which is set
    /// first. A change restarts it; pods stay.
    #[schemars(example = 1_048_576)]
    #[schemars(extend(
        "x-default" = "that of the unit",
        "x-changes" = "a drop-in `limit-nofile.conf` of the unit"
    ))]
    #[schemars(range(min = 1024, max = 1_073_741_816))]
    pub(super) limit_no_file: Option<u32>,
    /// The configuration file. The unit must start containerd with it. On Windows it is
    /// `/C:/Program Files/containerd/config.toml` by default.
    #[schemars(extend("x-changes" = "nothing by itself", "x-disrupts" = "nothing"))]
    pub(crate) config_file: AbsPath,
    /// The package that provides containerd, such as `containerd` or `containerd.io`; it is installed first. Not on Windows.
    #[schemars(example = &"containerd")]
    #[schemars(extend(
        "x-default" = "none is installed",
        "x-changes" = "the package is installed",
        "x-disrupts" = "nothing where it is installed already"
    ))]
    pub(super) package: Option<PackageName>,
    /// The unit that runs containerd; on Windows the service of that name without `.service`.
    #[schemars(extend(
        "x-changes" = "the unit is enabled and runs",
        "x-disrupts" = "nothing where it runs already"
    ))]
    pub(crate) service: UnitName,
    /// The socket on which containerd answers. On Windows it is the pipe `npipe:////./pipe/containerd-containerd`, written
    /// `/pipe/containerd-containerd`.
    #[schemars(extend(
        "x-changes" = "nothing: containerd is expected there",
        "x-disrupts" = "nothing"
    ))]
    pub(crate) socket: AbsPath,
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
    #[schemars(example = ["/opt/cni/bin"], extend("x-default" = "left as it is"))]
    pub(super) bin_dirs: Vec<AbsPath>,
    /// The directory of the configuration, such as `/etc/cni/net.d`.
    #[schemars(example = &"/etc/cni/net.d")]
    pub(super) conf_dir: Option<AbsPath>,
}

impl Default for ContainerdSection {
    fn default() -> Self {
        Self {
            cgroup_driver: CgroupDriver::default(),
            prerequisites: true,
            allow_driver_change: false,
            replaces: None,
            sandbox_image: None,
            registry_config_path: None,
            registries: BTreeMap::new(),
            cni: CniSection::default(),
            limit_no_file: None,
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
