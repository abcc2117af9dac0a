//! The field `crio` of the section `runtime`, as written, and what is wrong with it before any host is asked.

use std::collections::BTreeMap;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{AbsPath, PackageName, UnitName};
use engine::spec::Node;
use schemars::JsonSchema;
use serde::Deserialize;

use super::registries::RegistrySection;
use super::rules::{Pair, check_pair};
use crate::runtime::{CgroupDriver, check_image};

/// How CRI-O is configured: by one drop-in, which hardstand owns whole.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend(
    "x-default" = "left as it is",
    "x-changes" = "the drop-in, owned whole",
    "x-disrupts" = "CRI-O restarts; pods stay"
))]
pub(crate) struct CrioSection {
    /// Who manages cgroups: `systemd` (the default) or `cgroupfs`. It must be what the kubelet uses.
    #[schemars(extend(
        "x-disrupts" = "CRI-O and the kubelet restart; pods of a node that has joined a cluster are lost"
    ))]
    pub(super) cgroup_driver: CgroupDriver,
    /// The cgroup of CRI-O's monitor processes: `pod` (the default), or with `systemd` the name of a slice. CRI-O does not
    /// start with a wrong pair.
    #[schemars(length(max = 255))]
    pub(super) conmon_cgroup: String,
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
    /// The pause image. By default the one that fits `kubernetes.version`; without a version, what is set stays.
    #[schemars(example = &"registry.k8s.io/pause:3.10")]
    #[schemars(extend(
        "x-default" = "the one that fits `kubernetes.version`, or else what is set",
        "x-disrupts" = "CRI-O reloads"
    ))]
    #[schemars(length(min = 1, max = 512))]
    pub(super) pause_image: Option<String>,
    /// The handler of pods that name none, such as `crun`; left as it is by default.
    #[schemars(example = &"crun")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"))]
    pub(super) default_runtime: Option<String>,
    /// Registries and their mirrors, by the names of their images up to some `/`, such as `docker.io` or
    /// `registry.example:5000/team`; `*.example.com` is for all below a domain. They are one file,
    /// /etc/containers/registries.conf.d/99-hardstand.conf, owned whole; podman and others read it too. CRI-O reloads when it
    /// changes; nothing restarts.
    #[schemars(extend(
        "x-default" = "none",
        "x-changes" = "`/etc/containers/registries.conf.d/99-hardstand.conf`, owned whole",
        "x-disrupts" = "CRI-O reloads"
    ))]
    pub(super) registries: BTreeMap<String, RegistrySection>,
    /// Where CNI plugins and their configuration are; left as it is by default. A change restarts CRI-O; pods stay.
    pub(super) cni: CniSection,
    /// How many files CRI-O may have open (`LimitNOFILE=`, soft and hard), in a drop-in `limit-nofile.conf` of its unit.
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
    /// The drop-in, in a directory `crio.conf.d`. CRI-O reads every file there, and the last in order of names wins.
    #[schemars(extend("x-changes" = "where the drop-in is", "x-disrupts" = "nothing by itself"))]
    pub(crate) drop_in: AbsPath,
    /// The package that provides CRI-O, such as `cri-o`; it is installed first.
    #[schemars(example = &"cri-o")]
    #[schemars(extend(
        "x-default" = "none is installed",
        "x-changes" = "the package is installed",
        "x-disrupts" = "nothing where it is installed already"
    ))]
    pub(super) package: Option<PackageName>,
    /// The unit that runs CRI-O.
    #[schemars(extend(
        "x-changes" = "the unit is enabled and runs",
        "x-disrupts" = "nothing where it runs already"
    ))]
    pub(crate) service: UnitName,
    /// The socket on which CRI-O answers.
    #[schemars(extend("x-changes" = "nothing: CRI-O is expected there", "x-disrupts" = "nothing"))]
    pub(crate) socket: AbsPath,
}

/// Where CNI plugins and their configuration are.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct CniSection {
    /// The directories of the plugins (`plugin_dirs`), such as `/opt/cni/bin`; the whole list.
    #[schemars(example = ["/opt/cni/bin"], extend("x-default" = "left as it is"))]
    pub(super) bin_dirs: Vec<AbsPath>,
    /// The directory of the configuration (`network_dir`), such as `/etc/cni/net.d`.
    #[schemars(example = &"/etc/cni/net.d")]
    pub(super) conf_dir: Option<AbsPath>,
}

impl Default for CrioSection {
    fn default() -> Self {
        Self {
            cgroup_driver: CgroupDriver::default(),
            conmon_cgroup: "pod".to_owned(),
            prerequisites: true,
            allow_driver_change: false,
            pause_image: None,
            default_runtime: None,
            registries: BTreeMap::new(),
            cni: CniSection::default(),
            limit_no_file: None,
            drop_in: known("/etc/crio/crio.conf.d/99-hardstand.conf"),
            package: None,
            service: known("crio.service"),
            socket: known("/run/crio/crio.sock"),
        }
    }
}

impl CrioSection {
    /// Complains about what the schema cannot tell.
    pub(super) fn check(&self, node: &Node, problems: &mut Problems) {
        if let Some(image) = &self.pause_image {
            check_image(image, node.span_at(&["pauseImage"]), problems);
        }
        if self.drop_in.parent().file_name() != "crio.conf.d" {
            let message = format!("CRI-O does not read `{}`", self.drop_in);
            problems.push(
                Diagnostic::error("E224", node.span_at(&["dropIn"]), message)
                    .help("put it below /etc/crio/crio.conf.d"),
            );
        }
        if let Pair::Invalid(why) = check_pair(self.cgroup_driver.as_str(), &self.conmon_cgroup) {
            problems.push(
                Diagnostic::error("E222", node.span_at(&["conmonCgroup"]), why)
                    .help("write `conmonCgroup: pod`, which is right with either driver"),
            );
        }
    }
}

fn known<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a name that is valid as written here")
}
