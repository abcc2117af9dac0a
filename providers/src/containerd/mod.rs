//! containerd as the runtime of a node: the spec's sections `runtime` and `kubernetes`.
//!
//! One resource edits containerd's configuration file, key by key (`resource`), for the version that is installed or that
//! the plan installs (`version`). `edit` is the heart: a pure function from the old text to the new one. It brings a text
//! that containerd would read wrongly into a format that it reads rightly (`format`), and knows where each key lives
//! (`keys`). `effective` reads what containerd itself says the configuration comes to.

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{AbsPath, PackageName, ResourceId};
use engine::resource::{Declared, Provider, Section, Sections};
use engine::source::Span;
use engine::spec::{Node, Value};
use engine::step::Gate;

mod draft;
mod edit;
mod effective;
mod format;
mod host;
mod keys;
mod refusal;
mod resource;
mod section;
mod table;
#[cfg(test)]
mod tests;
mod version;

use resource::ContainerdConfig;
use section::{ContainerdSection, KubernetesSection, RuntimeSection};
use version::KubernetesVersion;

use crate::package::PackageResource;
use crate::section::schema;
use crate::service::{OwnedService, UnitOwner, service_for};

/// The kind of the resource that is a configuration file of containerd.
pub const KIND: &str = "containerd";

/// The packages that are known to provide containerd.
const PACKAGES: [&str; 2] = ["containerd", "containerd.io"];

/// Knows the sections `runtime` and `kubernetes`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ContainerdProvider;

impl Provider for ContainerdProvider {
    fn sections(&self) -> Vec<Section> {
        vec![
            Section {
                name: "runtime",
                schema: schema::<RuntimeSection>(),
            },
            Section {
                name: "kubernetes",
                schema: schema::<KubernetesSection>(),
            },
        ]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[KIND]
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        let kubernetes = sections
            .all
            .get("kubernetes")
            .and_then(|node| section::kubernetes(node, problems));
        let Some((runtime, span)) = containerd_section(sections, problems) else {
            return Vec::new();
        };
        check_not_managed(&runtime.config_file, span, sections, problems);
        let listed = listed_package(sections);
        let package = runtime.package.clone().or(listed.clone());
        let mut declared = vec![
            Declared {
                resource: Box::new(config(&runtime, kubernetes, listed.clone())),
                span,
                written: Vec::new(),
            },
            service(&runtime, package.as_ref(), span, sections).declared(),
        ];
        if let Some(name) = runtime.package.filter(|name| Some(name) != listed.as_ref()) {
            declared.push(Declared {
                resource: Box::new(PackageResource::installed(name)),
                span,
                written: Vec::new(),
            });
        }
        declared
    }
}

/// Returns the unit of containerd: enabled and running, unless `services` wishes otherwise.
fn service(
    runtime: &ContainerdSection,
    package: Option<&PackageName>,
    span: Span,
    sections: &Sections<'_>,
) -> OwnedService {
    let owner = UnitOwner {
        unit: runtime.service.clone(),
        span,
        configs: vec![runtime.config_file.clone()],
        gate: gate(runtime.socket.clone()),
    };
    let mut owned = service_for(owner, sections);
    let service = &mut owned.resource;
    service.wishes.enabled.get_or_insert(true);
    service.wishes.active.get_or_insert(true);
    service
        .after
        .extend(package.map(|name| ResourceId::new("package", name)));
    owned
}

fn containerd_section(
    sections: &Sections<'_>,
    problems: &mut Problems,
) -> Option<(ContainerdSection, Span)> {
    let node = sections.all.get("runtime")?;
    let section = section::containerd(node, problems)?;
    Some((section, node.entry("containerd")?.key_span))
}

fn config(
    section: &ContainerdSection,
    kubernetes: Option<KubernetesVersion>,
    listed: Option<PackageName>,
) -> ContainerdConfig {
    let pause = kubernetes.and_then(KubernetesVersion::pause_image);
    ContainerdConfig {
        wanted: edit::Wanted {
            driver: section.cgroup_driver,
            sandbox_image: section.sandbox_image.clone().or(pause),
            registry_config_path: section.registry_config_path.clone(),
            cni_bin_dirs: section.cni.bin_dirs.clone(),
            cni_conf_dir: section.cni.conf_dir.clone(),
        },
        path: section.config_file.clone(),
        service: section.service.clone(),
        socket: section.socket.clone(),
        package: section.package.clone().or(listed),
        kubernetes,
        allow_driver_change: section.allow_driver_change,
    }
}

/// Complains if the section `files` manages the file too. That section is another provider's: a list of maps.
fn check_not_managed(
    config: &AbsPath,
    runtime: Span,
    sections: &Sections<'_>,
    problems: &mut Problems,
) {
    let files = sections.all.get("files").map_or(&[][..], Node::items);
    for path in files.iter().filter_map(|file| file.get("path")) {
        if path.text() == Some(config.as_str()) {
            problems.push(
                Diagnostic::error("E201", path.span, format!("`{config}` is managed twice"))
                    .related(runtime, "`runtime` edits it")
                    .help("keep one of the two"),
            );
        }
    }
}

/// containerd's unit waits up to 90 seconds by default, and tries again every 5.
fn gate(socket: AbsPath) -> Gate {
    Gate {
        start_seconds: 90,
        steady_seconds: 20,
        cri_socket: Some(socket),
    }
}

/// Returns the package that the section `packages` lists and that provides containerd.
///
/// The section is another provider's: an item may be a name, a map with a `name`, or a key.
fn listed_package(sections: &Sections<'_>) -> Option<PackageName> {
    let packages = sections.all.get("packages")?;
    let of_items = packages.items().iter().filter_map(name_of);
    let of_entries = packages.entries().iter().map(|entry| entry.key.as_str());
    of_items
        .chain(of_entries)
        .find(|name| PACKAGES.contains(name))
        .and_then(|name| name.parse().ok())
}

fn name_of(item: &Node) -> Option<&str> {
    match item.value {
        Value::Map(_) => item.get("name").and_then(Node::text),
        _ => item.text(),
    }
}
