//! containerd on a Windows host: its configuration file, edited as on Linux, and its service.
//!
//! What Windows has not is an error in the spec: cgroup drivers and packages. Paths of the spec are written as sftp writes
//! them, `/C:/Program Files/containerd/config.toml`, and shown and written to the file as Windows does.

mod config;
mod service;

use engine::diagnostic::{Diagnostic, Problems};
use engine::facts::Os;
use engine::name::{AbsPath, UnitName};
use engine::resource::{Declared, Filled};
use engine::spec::Node;
use engine::step::Gate;

use super::edit::Wanted;
use super::resource::ContainerdConfig;
use super::section::ContainerdSection;
use crate::runtime::{Chosen, Defaults, KubernetesVersion, check_image, decode};
use crate::section::constant_path;
use config::WindowsConfig;
use service::WindowsService;

/// Fields that mean nothing on Windows, each with why.
const LINUX_ONLY: [(&str, &str); 6] = [
    ("cgroupDriver", "Windows has no cgroups"),
    ("allowDriverChange", "Windows has no cgroups"),
    (
        "prerequisites",
        "the kernel of Windows has no such modules and sysctls",
    ),
    ("package", "hardstand installs no packages on Windows"),
    ("limitNoFile", "Windows has no such limit"),
    (
        "registries",
        "hardstand writes no hosts.toml on Windows yet",
    ),
];

/// Fields that hold paths, each as a path of fields.
const PATHS: [&[&str]; 4] = [
    &["configFile"],
    &["registryConfigPath"],
    &["cni", "confDir"],
    &["socket"],
];

/// The file that a containerd without `--config` reads.
pub(crate) fn default_config() -> AbsPath {
    constant_path("/C:/Program Files/containerd/config.toml")
}

/// The pipe that a containerd listens on whose configuration says nothing else.
fn default_pipe() -> AbsPath {
    constant_path("/pipe/containerd-containerd")
}

/// Turns `runtime.containerd` into the resources of a Windows host.
pub(crate) fn compile(chosen: Chosen<'_>, problems: &mut Problems) -> Vec<Declared> {
    let Chosen {
        node,
        span,
        kubernetes,
        sections: _,
    } = chosen;
    let Some(section) = decode::<ContainerdSection>(node, problems) else {
        return Vec::new();
    };
    check(&section, node, problems);
    let service = section.service.clone();
    let config = config(section, node, kubernetes);
    let service = WindowsService {
        unit: service,
        config: config.path.clone(),
        gate: gate(config.socket.clone()),
    };
    let declared = |resource| Declared {
        resource,
        span,
        written: Vec::new(),
    };
    vec![
        declared(Box::new(WindowsConfig(config))),
        declared(Box::new(service)),
    ]
}

/// Returns what is filled in where the spec says nothing.
pub(crate) fn defaults(chosen: Chosen<'_>) -> Vec<Filled> {
    let Chosen {
        node, kubernetes, ..
    } = chosen;
    let Some(section) = decode::<ContainerdSection>(node, &mut Problems::default()) else {
        return Vec::new();
    };
    let config = config(section, node, kubernetes);
    let image = config.wanted.sandbox_image;
    let mut defaults = Defaults::below("runtime.containerd");
    if let Some((image, version)) = image.zip(kubernetes) {
        let reason = format!(
            "the pause image that Kubernetes {version} recommends for Windows, as Microsoft signs it"
        );
        defaults = defaults.add("sandboxImage", image, reason);
    }
    defaults
        .add(
            "configFile",
            config.path.as_str(),
            "the file that a containerd without `--config` reads",
        )
        .add(
            "service",
            config.service.as_str(),
            "the service as which `containerd --register-service` registers it",
        )
        .add(
            "socket",
            config.socket.as_str(),
            "the pipe on which containerd listens unless its configuration says otherwise",
        )
        .finish()
}

/// Returns the configuration file that a section comes to.
fn config(
    section: ContainerdSection,
    node: &Node,
    kubernetes: Option<KubernetesVersion>,
) -> ContainerdConfig {
    let given = |field: &str| node.get(field).is_some();
    let path = match given("configFile") {
        true => section.config_file.clone(),
        false => default_config(),
    };
    let socket = match given("socket") {
        true => section.socket.clone(),
        false => default_pipe(),
    };
    let pause = kubernetes.and_then(|version| version.windows_pause_image());
    ContainerdConfig {
        wanted: Wanted {
            os: Os::Windows,
            sandbox_image: section.sandbox_image.or(pause),
            registry_config_path: section.registry_config_path,
            cni_bin_dirs: section.cni.bin_dirs,
            cni_conf_dir: section.cni.conf_dir,
            ..Wanted::default()
        },
        path,
        service: section.service,
        socket,
        package: None,
        kubernetes,
        allow_driver_change: false,
        after: Vec::new(),
    }
}

/// Complains about what a spec for Windows cannot say.
fn check(section: &ContainerdSection, node: &Node, problems: &mut Problems) {
    for (field, why) in LINUX_ONLY {
        if node.get(field).is_some() {
            let message = format!("`{field}` is for Linux: {why}");
            problems.push(
                Diagnostic::error("E331", node.span_at(&[field]), message).help(
                    "select Windows hosts by a NodeSpec of their own, and leave it out there",
                ),
            );
        }
    }
    if let Some(image) = &section.sandbox_image {
        check_image(image, node.span_at(&["sandboxImage"]), problems);
    }
    for fields in PATHS {
        let written = fields.iter().try_fold(node, |node, field| node.get(field));
        let is_pipe = *fields == ["socket"];
        for path in written.iter().filter_map(|node| node.text()) {
            check_path(path, is_pipe, node.span_at(fields), problems);
        }
    }
    let directories = node.get("cni").and_then(|cni| cni.get("binDirs"));
    for item in directories.map_or(&[][..], Node::items) {
        check_path(item.text().unwrap_or_default(), false, item.span, problems);
    }
    if !section.service.as_str().ends_with(".service") {
        check_service(&section.service, node, problems);
    }
}

fn check_path(path: &str, is_pipe: bool, span: engine::source::Span, problems: &mut Problems) {
    let on_windows = path
        .parse::<AbsPath>()
        .ok()
        .and_then(|path| path.on_windows());
    if on_windows.is_some() && path.starts_with("/pipe/") == is_pipe {
        return;
    }
    let (what, help) = match is_pipe {
        true => (
            "pipe",
            "write it as `/pipe/containerd-containerd`, for npipe:////./pipe/containerd-containerd",
        ),
        false => (
            "path",
            "write it as sftp does, such as `/C:/Program Files/containerd/config.toml`",
        ),
    };
    let message = format!("`{path}` is not a {what} of Windows");
    problems.push(Diagnostic::error("E332", span, message).help(help));
}

fn check_service(service: &UnitName, node: &Node, problems: &mut Problems) {
    let message = format!("`{service}` is not a service");
    problems.push(
        Diagnostic::error("E332", node.span_at(&["service"]), message).help(
            "write the name of the Windows service and `.service`, such as `containerd.service`",
        ),
    );
}

/// The service manager gives a service 30 seconds, and containerd may have to load many containers.
fn gate(pipe: AbsPath) -> Gate {
    Gate {
        start_seconds: 90,
        steady_seconds: 20,
        cri_socket: Some(pipe),
    }
}

#[cfg(test)]
mod tests;
