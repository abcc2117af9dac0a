//! The section `kubelet` as written, and what is wrong with it before any host is asked.

use std::collections::BTreeMap;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{AbsPath, ResourceId};
use engine::resource::Sections;
use engine::source::Span;
use engine::spec::Node;
use schemars::JsonSchema;
use serde::Deserialize;

use super::field::Field;
use crate::runtime::{CgroupDriver, KubernetesVersion, canonical};

/// The kubelet's configuration, field by field. What is not named here stays as it is. The kubelet restarts when anything
/// changes. At least one field must be set, or follow from `runtime`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend(
    "x-default" = "left as it is",
    "x-changes" = "a line of `configFile`, or of a drop-in in `configDir`",
    "x-disrupts" = "the kubelet restarts; pods stay"
))]
pub(super) struct KubeletSection {
    /// Who manages cgroups: `systemd` or `cgroupfs`. By default what `runtime` says, which it must agree with; without a
    /// runtime it stays as it is. From 1.31 on, the kubelet asks its runtime, and this counts only where that does not tell.
    #[schemars(extend(
        "x-default" = "that of `runtime`",
        "x-disrupts" = "the kubelet restarts; pods of a node that has joined a cluster are lost"
    ))]
    pub(super) cgroup_driver: Option<CgroupDriver>,
    /// Where the runtime answers, such as `unix:///run/containerd/containerd.sock`; left as it is by default. On a node that
    /// has joined a cluster, another runtime means that its pods are lost. It needs Kubernetes 1.27.
    #[schemars(example = &"unix:///run/containerd/containerd.sock")]
    #[schemars(extend(
        "x-disrupts" = "the kubelet restarts; with another runtime the node's pods are lost"
    ))]
    pub(super) container_runtime_endpoint: Option<String>,
    /// Whether the kubelet refuses to start where swap is on; left as it is by default, and then `true` for the kubelet.
    pub(super) fail_swap_on: Option<bool>,
    /// Whether the kubelet refuses to start where sysctls such as `vm.overcommit_memory` are not as it wants them, rather than
    /// setting them itself; left as it is by default, and then `false` for the kubelet. `true` is refused where one of them
    /// is wrong now or would be after a reboot.
    pub(super) protect_kernel_defaults: Option<bool>,
    /// The kubelet's `--config-dir`. If it is given, the settings are written to a file 99-hardstand.conf in it, and the config
    /// file is not edited. The directory is made if there is none; the kubelet must be started with the flag. The file
    /// stays when this is taken out. It needs Kubernetes 1.30.
    #[schemars(example = &"/etc/kubernetes/kubelet.conf.d")]
    #[schemars(extend(
        "x-default" = "none",
        "x-changes" = "`99-hardstand.conf` in it, instead of `configFile`"
    ))]
    pub(super) config_dir: Option<AbsPath>,
    /// The kubelet's config file; default /var/lib/kubelet/config.yaml. Made if there is none. `kubeadm join` and
    /// `kubeadm upgrade node` write it anew from the cluster's `kubelet-config`, so set the same there; the cgroup driver with
    /// `cluster.editKubeletConfig`.
    #[schemars(example = super::DEFAULT_CONFIG)]
    #[schemars(extend(
        "default" = super::DEFAULT_CONFIG,
        "x-changes" = "nothing by itself",
        "x-disrupts" = "nothing"
    ))]
    pub(super) config_file: Option<AbsPath>,
    /// Allows another driver on a node that has joined a cluster; default false. Drain the node first: pods made under the
    /// old driver are lost.
    #[schemars(extend(
        "x-changes" = "nothing by itself",
        "x-disrupts" = "what `cgroupDriver` says"
    ))]
    #[serde(default)]
    pub(super) allow_driver_change: bool,
    /// Resources that come first.
    #[serde(default)]
    pub(super) requires: Vec<ResourceId>,
    /// Resources that take notice when the configuration changes, besides the kubelet's service.
    #[serde(default)]
    pub(super) notifies: Vec<ResourceId>,
}

/// What the spec says of the runtime, as far as the kubelet cares.
#[derive(Debug)]
pub(super) struct Runtime<'a> {
    /// The field of `runtime`, such as `containerd`.
    pub(super) name: &'a str,
    span: Span,
    /// Its driver: a runtime that says nothing of it is given systemd.
    pub(super) driver: &'a str,
    driver_span: Span,
    /// Where it answers.
    pub(super) socket: Option<AbsPath>,
    /// What answers there is the spec's affair.
    is_managed: bool,
    /// The units that make it up.
    pub(super) services: Vec<ResourceId>,
}

/// Where the runtime of a spec answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuntimeSocket {
    /// The socket.
    pub(crate) path: AbsPath,
    /// What answers there is the spec's affair: not so a cri-dockerd of which it says nothing.
    pub(crate) is_managed: bool,
}

/// Returns where the runtime of a section `runtime` answers.
pub(crate) fn runtime_socket(section: &Node) -> Option<RuntimeSocket> {
    let entry = section.entries().first()?;
    let node = &entry.node;
    let (written, default) = match entry.key.as_str() {
        "containerd" => (node.get("socket"), "/run/containerd/containerd.sock"),
        "crio" => (node.get("socket"), "/run/crio/crio.sock"),
        _ => (node.at(&["criDockerd", "socket"]), "/run/cri-dockerd.sock"),
    };
    let path = written.and_then(Node::text).unwrap_or(default);
    let is_native = matches!(entry.key.as_str(), "containerd" | "crio");
    Some(RuntimeSocket {
        path: path.parse().ok()?,
        is_managed: is_native || node.get("criDockerd").is_some(),
    })
}

/// Units of runtimes; the kubelet asks its runtime for the driver once, when it starts, so it comes after them.
const UNITS: [&str; 4] = [
    "containerd.service",
    "crio.service",
    "docker.service",
    "cri-docker.service",
];

impl<'a> Runtime<'a> {
    /// Returns the runtime that a spec chooses.
    pub(super) fn of(sections: &Sections<'a>) -> Option<Self> {
        let section = sections.all.get("runtime")?;
        let entry = section.entries().first()?;
        let node = &entry.node;
        let driver = node.get("cgroupDriver");
        let socket = runtime_socket(section);
        let units = [node.get("service"), node.at(&["criDockerd", "service"])];
        let units = units.into_iter().flatten().filter_map(Node::text);
        Some(Self {
            name: &entry.key,
            span: entry.key_span,
            driver: driver.and_then(Node::text).unwrap_or("systemd"),
            driver_span: driver.map_or(entry.key_span, |driver| driver.span),
            is_managed: socket.as_ref().is_some_and(|socket| socket.is_managed),
            socket: socket.map(|socket| socket.path),
            services: units.map(|unit| ResourceId::new("service", unit)).collect(),
        })
    }
}

/// Returns the resources that are units of runtimes, whether the spec has them or not.
pub(super) fn services(runtime: Option<&Runtime<'_>>) -> Vec<ResourceId> {
    let mut services: Vec<_> = UNITS
        .into_iter()
        .map(|name| ResourceId::new("service", name))
        .collect();
    let others = runtime.map_or(&[][..], |runtime| &runtime.services);
    services.extend(others.iter().cloned());
    services.sort();
    services.dedup();
    services
}

/// Returns what the section comes to, with what follows from the runtime.
pub(super) fn settings(
    section: &KubeletSection,
    node: &Node,
    runtime: Option<&Runtime<'_>>,
    problems: &mut Problems,
) -> BTreeMap<Field, String> {
    let mut settings = BTreeMap::new();
    let driver = section.cgroup_driver.map(CgroupDriver::as_str);
    if let Some(driver) = driver.or(runtime.map(|runtime| runtime.driver)) {
        settings.insert(Field::CgroupDriver, driver.to_owned());
    }
    if let Some(written) = &section.container_runtime_endpoint {
        let span = node.span_at(&[Field::ContainerRuntimeEndpoint.key()]);
        if let Some(endpoint) = endpoint(written, span, problems) {
            settings.insert(Field::ContainerRuntimeEndpoint, endpoint);
        }
    }
    for (field, wanted) in [
        (Field::FailSwapOn, section.fail_swap_on),
        (
            Field::ProtectKernelDefaults,
            section.protect_kernel_defaults,
        ),
    ] {
        settings.extend(wanted.map(|wanted| (field, wanted.to_string())));
    }
    settings
}

/// Returns an endpoint as it is written into the configuration; sockets are compared without the old `/var/run`.
fn endpoint(written: &str, span: Span, problems: &mut Problems) -> Option<String> {
    let path = written
        .strip_prefix("unix://")
        .and_then(|path| path.parse::<AbsPath>().ok())
        .filter(|path| is_plain(path.as_str()));
    if path.is_none() {
        let message = format!("`{}` is no endpoint of a runtime", written.escape_debug());
        let mended = match written.parse::<AbsPath>() {
            Ok(path) if is_plain(path.as_str()) => format!("unix://{}", canonical(path.as_str())),
            Ok(_) | Err(_) => "unix:///run/containerd/containerd.sock".to_owned(),
        };
        problems
            .push(Diagnostic::error("E127", span, message).help(format!("write it as `{mended}`")));
    }
    Some(format!("unix://{}", canonical(path?.as_str())))
}

fn is_plain(path: &str) -> bool {
    path.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
}

/// Complains about what cannot be, whatever the host.
pub(super) fn check(
    section: &KubeletSection,
    node: &Node,
    runtime: Option<&Runtime<'_>>,
    kubernetes: Option<KubernetesVersion>,
    problems: &mut Problems,
) {
    if let Some(runtime) = runtime {
        check_driver(section, node, runtime, problems);
        check_socket(section, node, runtime, problems);
    }
    let since = |minor: u32| kubernetes.is_some_and(|version| version.minor() >= minor);
    let told = match kubernetes {
        Some(version) => format!("`kubernetes.version` is {version}"),
        None => "no `kubernetes.version` is given".to_owned(),
    };
    if section.config_dir.is_some() && !since(30) {
        let message = format!("`configDir` needs Kubernetes 1.30 or newer, and {told}");
        problems.push(
            Diagnostic::error("E271", node.span_at(&["configDir"]), message).help(
                "set `kubernetes.version`, or leave `configDir` out to have the config file edited",
            ),
        );
    }
    if section.container_runtime_endpoint.is_some() && kubernetes.is_some() && !since(27) {
        let key = Field::ContainerRuntimeEndpoint.key();
        let message = format!("`{key}` needs Kubernetes 1.27 or newer, and {told}");
        problems.push(
            Diagnostic::error("E272", node.span_at(&[key]), message)
                .help("an older kubelet knows only its flag `--container-runtime-endpoint`"),
        );
    }
}

/// Complains if the runtime in the same spec is told another driver.
fn check_driver(
    section: &KubeletSection,
    node: &Node,
    runtime: &Runtime<'_>,
    problems: &mut Problems,
) {
    if section
        .cgroup_driver
        .is_some_and(|driver| driver.as_str() != runtime.driver)
    {
        let message = "the kubelet and the runtime use different cgroup drivers";
        problems.push(
            Diagnostic::error("E221", node.span_at(&["cgroupDriver"]), message)
                .related(
                    runtime.driver_span,
                    format!("`{}` uses another one", runtime.name),
                )
                .help("write the same driver in both places, or leave it out of `kubelet`"),
        );
    }
}

/// Complains if the runtime in the same spec answers elsewhere.
fn check_socket(
    section: &KubeletSection,
    node: &Node,
    runtime: &Runtime<'_>,
    problems: &mut Problems,
) {
    let (Some(endpoint), Some(socket)) = (&section.container_runtime_endpoint, &runtime.socket)
    else {
        return;
    };
    let socket = canonical(socket.as_str());
    if canonical(endpoint) == socket || !runtime.is_managed {
        return;
    }
    let span = node.span_at(&[Field::ContainerRuntimeEndpoint.key()]);
    let message = "the runtime does not answer at the kubelet's endpoint";
    problems.push(
        Diagnostic::error("E273", span, message)
            .related(
                runtime.span,
                format!("`{}` answers at {socket}", runtime.name),
            )
            .help(format!("write `unix://{socket}`")),
    );
}
