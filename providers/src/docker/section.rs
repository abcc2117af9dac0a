//! The fields `docker` and `mirantis` of the section `runtime`, as written.

use std::collections::BTreeMap;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{AbsPath, PackageName, UnitName};
use engine::spec::{Node, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use super::edit::has_password;
use crate::runtime::{CgroupDriver, check_image};

/// How Docker Engine is configured, and cri-dockerd, through which a kubelet uses it. Keys of `daemon.json` that are not
/// named here stay as they are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend(
    "x-default" = "left as it is",
    "x-changes" = "keys of `configFile`; all others stay",
    "x-disrupts" = "dockerd restarts, which stops all containers unless `liveRestore` is on"
))]
pub(crate) struct DockerSection {
    /// Who manages cgroups: `systemd` (the default) or `cgroupfs`. It must be what the kubelet uses.
    #[schemars(extend(
        "x-changes" = "`exec-opts` in `configFile`",
        "x-disrupts" = "dockerd, cri-dockerd and the kubelet restart; pods of a node that has joined a cluster are lost"
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
    /// Whether containers outlive a restart of the daemon. Without it, a restart stops them all.
    #[schemars(extend("x-disrupts" = "dockerd reloads"))]
    pub(super) live_restore: Option<bool>,
    /// Where the output of containers goes, such as `json-file`.
    #[schemars(example = &"json-file")]
    #[schemars(length(min = 1, max = 128))]
    pub(super) log_driver: Option<String>,
    /// Options of the log driver, such as `max-size: "10m"`; all values are texts. Other options stay as they are.
    #[schemars(example = serde_json::json!({ "max-size": "10m" }))]
    #[schemars(extend("x-default" = "left as they are"))]
    pub(super) log_opts: BTreeMap<String, String>,
    /// Where images and containers are kept. What is in another directory is not moved.
    #[schemars(example = &"/data/docker")]
    pub(super) data_root: Option<AbsPath>,
    /// Mirrors of Docker Hub, such as `https://mirror.example`; the whole list.
    #[schemars(example = ["https://mirror.example"], extend("x-disrupts" = "dockerd reloads"))]
    pub(super) registry_mirrors: Option<Vec<String>>,
    /// How many files dockerd may have open (`LimitNOFILE=`, soft and hard), in a drop-in `limit-nofile.conf` of its unit.
    /// Containers inherit it. By default the unit's own limit stays. Where it is more than the kernel's
    /// `fs.nr_open`, systemd gives less and does not say so, or cannot start the unit; raise that in `sysctls`, which is set
    /// first. A change restarts it, which stops all containers unless `liveRestore` is on.
    #[schemars(example = 1_048_576)]
    #[schemars(extend(
        "x-default" = "that of the unit",
        "x-changes" = "a drop-in `limit-nofile.conf` of the unit"
    ))]
    #[schemars(range(min = 1024, max = 1_073_741_816))]
    pub(super) limit_no_file: Option<u32>,
    /// The configuration file. The unit must start dockerd with it.
    #[schemars(extend("x-changes" = "nothing by itself", "x-disrupts" = "nothing"))]
    pub(crate) config_file: AbsPath,
    /// The package that provides dockerd, such as `docker.io`, `docker-ce` or `docker-ee`; it is installed first.
    #[schemars(example = &"docker.io")]
    #[schemars(extend(
        "x-default" = "none is installed",
        "x-changes" = "the package is installed",
        "x-disrupts" = "nothing where it is installed already"
    ))]
    pub(super) package: Option<PackageName>,
    /// The unit that runs dockerd.
    #[schemars(extend(
        "x-changes" = "the unit is enabled and runs",
        "x-disrupts" = "nothing where it runs already"
    ))]
    pub(crate) service: UnitName,
    /// cri-dockerd, which speaks CRI for Docker Engine; a kubelet since 1.24 needs it. Not managed if left out.
    #[schemars(extend(
        "x-changes" = "flags in a drop-in `hardstand.conf` of its unit; all others stay",
        "x-disrupts" = "cri-dockerd restarts; pods stay"
    ))]
    pub(super) cri_dockerd: Option<CriDockerdSection>,
}

/// How cri-dockerd is started. It has no configuration file, so a drop-in of its unit sets its flags; others stay.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct CriDockerdSection {
    /// The package that provides it; it is installed first.
    #[schemars(example = &"cri-dockerd")]
    #[schemars(extend(
        "x-default" = "none is installed",
        "x-changes" = "the package is installed",
        "x-disrupts" = "nothing where it is installed already"
    ))]
    pub(super) package: Option<PackageName>,
    /// The pause image. By default the one that fits `kubernetes.version`; without a version, what is set stays.
    #[schemars(example = &"registry.k8s.io/pause:3.10")]
    #[schemars(extend("x-default" = "the one that fits `kubernetes.version`, or else what is set"))]
    #[schemars(length(min = 1, max = 512))]
    pub(super) pod_infra_container_image: Option<String>,
    /// The unit that runs it. The socket unit of the same name listens for it.
    #[schemars(extend(
        "x-changes" = "the unit and its socket unit are enabled and run",
        "x-disrupts" = "nothing where they run already"
    ))]
    pub(crate) service: UnitName,
    /// The socket on which it answers. Its socket unit has the say: where that names another, the plan tells which.
    #[schemars(example = &"/run/cri-dockerd.sock")]
    #[schemars(extend(
        "x-default" = "`/run/cri-dockerd.sock`",
        "x-changes" = "nothing: cri-dockerd is expected there",
        "x-disrupts" = "nothing"
    ))]
    pub(super) socket: Option<AbsPath>,
    /// How pods get their network, such as `cni`.
    #[schemars(example = &"cni")]
    #[schemars(length(min = 1, max = 64))]
    pub(super) network_plugin: Option<String>,
    /// The directory of CNI plugins, such as `/opt/cni/bin`.
    #[schemars(example = &"/opt/cni/bin")]
    pub(super) cni_bin_dir: Option<AbsPath>,
    /// The directory of CNI configurations, such as `/etc/cni/net.d`.
    #[schemars(example = &"/etc/cni/net.d")]
    pub(super) cni_conf_dir: Option<AbsPath>,
}

/// The log drivers that dockerd brings.
const LOG_DRIVERS: [&str; 11] = [
    "awslogs",
    "etwlogs",
    "fluentd",
    "gcplogs",
    "gelf",
    "journald",
    "json-file",
    "local",
    "none",
    "splunk",
    "syslog",
];

impl Default for DockerSection {
    fn default() -> Self {
        Self {
            cgroup_driver: CgroupDriver::default(),
            prerequisites: true,
            allow_driver_change: false,
            live_restore: None,
            log_driver: None,
            log_opts: BTreeMap::new(),
            data_root: None,
            registry_mirrors: None,
            limit_no_file: None,
            config_file: known("/etc/docker/daemon.json"),
            package: None,
            service: known("docker.service"),
            cri_dockerd: None,
        }
    }
}

impl Default for CriDockerdSection {
    fn default() -> Self {
        Self {
            package: None,
            pod_infra_container_image: None,
            service: known("cri-docker.service"),
            socket: None,
            network_plugin: None,
            cni_bin_dir: None,
            cni_conf_dir: None,
        }
    }
}

/// Takes `criDockerd:` with nothing after it for cri-dockerd with its defaults, and complains about what cannot be.
pub(super) fn complete(section: &mut DockerSection, node: &Node, problems: &mut Problems) {
    if node
        .get("criDockerd")
        .is_some_and(|node| node.value == Value::Null)
    {
        section.cri_dockerd = Some(CriDockerdSection::default());
    }
    if let Some(driver) = &section.log_driver {
        check_word(driver, &["logDriver"], node, problems);
        check_log_driver(driver, node, problems);
    }
    for (index, mirror) in section.registry_mirrors.iter().flatten().enumerate() {
        let place = node.get("registryMirrors").map_or(&[][..], Node::items);
        let span = place.get(index).map_or(node.span, |node| node.span);
        let problem = match has_password(mirror) {
            true => "a mirror must not carry a password: specs and plans are read by many",
            false if !is_mirror(mirror) => "this is not the URL of a mirror",
            false => continue,
        };
        problems.push(
            Diagnostic::error("E127", span, problem)
                .help("write it as `https://mirror.example`, without user, query or fragment"),
        );
    }
    let Some(cri) = &section.cri_dockerd else {
        return;
    };
    if let Some(image) = &cri.pod_infra_container_image {
        let span = node.span_at(&["criDockerd", "podInfraContainerImage"]);
        check_image(image, span, problems);
    }
    if let Some(plugin) = &cri.network_plugin {
        check_word(plugin, &["criDockerd", "networkPlugin"], node, problems);
    }
}

/// dockerd starts with any name, and each container then fails.
fn check_log_driver(driver: &str, node: &Node, problems: &mut Problems) {
    if LOG_DRIVERS.contains(&driver) {
        return;
    }
    let message = format!(
        "Docker Engine has no log driver `{}`",
        driver.escape_debug()
    );
    problems.push(
        Diagnostic::warning("W247", node.span_at(&["logDriver"]), message)
            .help("a plugin must bring it; without it dockerd starts, and no container does"),
    );
}

fn check_word(word: &str, path: &[&str], node: &Node, problems: &mut Problems) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-:/".contains(c);
    if word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.chars().all(allowed) {
        return;
    }
    let message = format!("`{}` is not a name", word.escape_debug());
    problems.push(Diagnostic::error("E127", node.span_at(path), message));
}

fn is_mirror(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let fine = |c: char| c.is_ascii_graphic() && !"@?#\"\\".contains(c);
    rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(fine))
}

fn known<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a name that is valid as written here")
}
