//! The sections `runtime` and `kubernetes` of a spec, as written.

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{AbsPath, PackageName, UnitName};
use engine::spec::{Node, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use super::edit::CgroupDriver;
use super::version::KubernetesVersion;

/// The container runtime of a node. Exactly one is chosen.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-hardstand-one-of" = true))]
pub(super) struct RuntimeSection {
    /// containerd, 1.6 or newer.
    pub(super) containerd: Option<ContainerdSection>,
}

/// How containerd is configured. Keys of its configuration that are not named here stay as they are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ContainerdSection {
    /// Who manages cgroups: `systemd` (the default) or `cgroupfs`. It must be what the kubelet uses.
    pub(super) cgroup_driver: CgroupDriver,
    /// Lets the driver change on a node that has joined a cluster. The node must be drained.
    pub(super) allow_driver_change: bool,
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

/// Where CNI plugins and their configuration are.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct CniSection {
    /// The directories of the plugins, such as `/opt/cni/bin`; before containerd 2.1 only one.
    pub(super) bin_dirs: Vec<AbsPath>,
    /// The directory of the configuration, such as `/etc/cni/net.d`.
    pub(super) conf_dir: Option<AbsPath>,
}

/// The Kubernetes that a node is prepared for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KubernetesSection {
    /// Its minor version, quoted, such as `"1.31"`. Checks and defaults follow from it.
    #[schemars(regex(pattern = r"^1\.(0|[1-9][0-9]*)$"))]
    pub(super) version: String,
}

impl Default for ContainerdSection {
    fn default() -> Self {
        Self {
            cgroup_driver: CgroupDriver::default(),
            allow_driver_change: false,
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

/// Reads the section `runtime`; what does not fit its schema was reported before and is not read.
pub(super) fn containerd(runtime: &Node, problems: &mut Problems) -> Option<ContainerdSection> {
    let node = runtime.get("containerd")?;
    let section: ContainerdSection = match node.value {
        Value::Null => ContainerdSection::default(),
        _ => read(node, problems)?,
    };
    if let Some(image) = &section.sandbox_image {
        check_image(image, runtime, problems);
    }
    Some(section)
}

/// Reads the section `kubernetes`.
pub(super) fn kubernetes(section: &Node, problems: &mut Problems) -> Option<KubernetesVersion> {
    let KubernetesSection { version } = read(section, problems)?;
    let parsed = version.parse().ok();
    if parsed.is_none() {
        let span = section.span_at(&["version"]);
        let message = format!("`{version}` is not a minor version of Kubernetes");
        problems.push(Diagnostic::error("E127", span, message).help("write it as \"1.31\""));
    }
    parsed
}

fn check_image(image: &str, runtime: &Node, problems: &mut Problems) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-:/@".contains(c);
    if image.chars().all(allowed) && image.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return;
    }
    let span = runtime.span_at(&["containerd", "sandboxImage"]);
    let message = format!("`{}` is not the name of an image", image.escape_debug());
    problems.push(
        Diagnostic::error("E127", span, message).help("write it as `registry.k8s.io/pause:3.10`"),
    );
}

fn read<T: for<'de> Deserialize<'de>>(node: &Node, problems: &mut Problems) -> Option<T> {
    match serde_yaml::from_value(plain(node)) {
        Ok(section) => Some(section),
        Err(error) => {
            problems.push(Diagnostic::error("E120", node.span, error.to_string()));
            None
        }
    }
}

/// Returns a node without its places.
fn plain(node: &Node) -> serde_yaml::Value {
    match &node.value {
        Value::Null => serde_yaml::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Float(text) | Value::String(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|entry| (entry.key.as_str().into(), plain(&entry.node)))
            .collect::<serde_yaml::Mapping>()
            .into(),
    }
}

fn known<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a name that is valid as written here")
}
