//! containerd as the runtime of a node: the field `containerd` of the section `runtime`.
//!
//! One resource edits containerd's configuration file, key by key (`resource`), for the version that is installed or that
//! the plan installs (`version`). `edit` is the heart: a pure function from the old text to the new one. It brings a text
//! that containerd would read wrongly into a format that it reads rightly (`format`), and knows where each key lives
//! (`keys`). `effective` reads what containerd itself says the configuration comes to. `registries` are files beside it.
//! `windows` is the same file and its service on a Windows host.

use engine::diagnostic::Problems;
use engine::facts::Os;
use engine::name::{AbsPath, PackageName, ResourceId};
use engine::resource::{Declared, Filled, Sections};
use engine::source::Span;
use engine::spec::Node;
use engine::step::Gate;

mod draft;
mod driver;
mod edit;
mod effective;
mod files;
mod format;
mod host;
mod imports;
mod keys;
mod reading;
mod registries;
mod resource;
mod section;
mod table;
#[cfg(test)]
mod tests;
mod version;
pub(crate) mod windows;

pub(crate) use driver::Driver;
pub(crate) use files::{drop_in_question, drop_ins};
pub(crate) use format::Misread;
pub(crate) use keys::Handler;
pub(crate) use reading::{Lost, Reading};
use resource::ContainerdConfig;
pub(crate) use section::ContainerdSection;
pub(crate) use version::{ContainerdVersion, Least};
pub(crate) use windows::{compile as compile_for_windows, defaults as defaults_on_windows};

use crate::migration::{self, Successor, after_docker, endpoint_of};
use crate::runtime::{
    Chosen, Daemons, Defaults, GUARDED, KubernetesVersion, PREREQUISITES, SYSTEMD, UNIT,
    check_image, decode, listed_package, named_package,
};
use crate::section::{check_not_managed, constant_path, files_below};
use crate::service::{OwnedService, UnitOwner, service_for};

/// The kind of the resource that is a configuration file of containerd.
pub(crate) const KIND: &str = "containerd";

/// The packages that are known to provide containerd.
pub(crate) const PACKAGES: [&str; 2] = ["containerd", "containerd.io"];

/// Turns `runtime.containerd` into resources.
pub(crate) fn compile(chosen: Chosen<'_>, problems: &mut Problems) -> Vec<Declared> {
    let Chosen {
        node,
        span,
        kubernetes,
        sections,
    } = chosen;
    let Some(runtime) = decode::<ContainerdSection>(node, problems) else {
        return Vec::new();
    };
    if let Some(image) = &runtime.sandbox_image {
        check_image(image, node.span_at(&["sandboxImage"]), problems);
    }
    check_not_managed(&sections, &runtime.config_file, ("runtime", span), problems);
    let listed = listed_package(&sections, &PACKAGES);
    let package = runtime.package.clone().or(listed.clone());
    let replaces = runtime.replaces.is_some();
    let place = registries::Place {
        config_path: registries::config_path(
            runtime.registry_config_path.as_ref(),
            &runtime.registries,
        )
        .unwrap_or_else(|| constant_path(registries::CONFIG_PATH)),
        package: package.as_ref(),
        sections: &sections,
    };
    let mut declared = registries::compile(&runtime.registries, node, &place, problems);
    let mut config = config(&runtime, kubernetes, listed.clone());
    config.after = imported_files(&runtime.config_file, &sections);
    declared.extend([
        Declared {
            resource: Box::new(config),
            span,
            written: Vec::from_iter(replaces.then(|| after_docker(span))),
        },
        service(&runtime, package.as_ref(), span, &sections).declared(),
    ]);
    if replaces {
        let successor = Successor {
            span,
            service: runtime.service.clone(),
            socket: runtime.socket.clone(),
            kubernetes,
            allowed: runtime.allow_driver_change,
            sections,
        };
        declared.extend(migration::compile(successor, problems));
    }
    declared.extend(named_package(runtime.package.as_ref(), span, &sections));
    declared
}

/// Returns what is filled in where the spec says nothing.
pub(crate) fn defaults(chosen: Chosen<'_>) -> Vec<Filled> {
    let Chosen {
        node, kubernetes, ..
    } = chosen;
    let Some(section) = decode::<ContainerdSection>(node, &mut Problems::default()) else {
        return Vec::new();
    };
    let config = config(&section, kubernetes, None);
    let edit::Wanted {
        driver,
        sandbox_image,
        registry_config_path,
        ..
    } = config.wanted;
    let mut defaults = Defaults::below("runtime.containerd")
        .add("cgroupDriver", driver.as_str(), SYSTEMD)
        .add("allowDriverChange", section.allow_driver_change, GUARDED)
        .add("prerequisites", true, PREREQUISITES)
        .add_pause_image("sandboxImage", sandbox_image, kubernetes)
        .add(
            "configFile",
            config.path.as_str(),
            "the file that containerd reads where its unit names none",
        )
        .add("service", config.service.as_str(), UNIT)
        .add(
            "socket",
            config.socket.as_str(),
            "where containerd listens unless its configuration says otherwise",
        );
    if let Some(path) = registry_config_path {
        defaults = defaults.add(
            "registryConfigPath",
            path.as_str(),
            "containerd must be told where the files of `registries` are",
        );
    }
    defaults.finish()
}

/// Returns its daemon, as far as other sections build on it.
pub(crate) fn daemons(node: &Node) -> Option<Daemons> {
    let section: ContainerdSection = decode(node, &mut Problems::default())?;
    Some(Daemons {
        service: section.service,
        cri_service: None,
        socket: Some(section.socket),
        limit_no_file: section.limit_no_file,
    })
}

/// Returns the endpoint of the containerd that takes Docker's place, if the spec asks for that.
pub(crate) fn replacement_endpoint(sections: &Sections<'_>) -> Option<String> {
    let node = sections.all.get("runtime")?.get("containerd")?;
    // What is wrong with it is complained about where it is compiled.
    let runtime = decode::<ContainerdSection>(node, &mut Problems::default())?;
    runtime.replaces.map(|_| endpoint_of(&runtime.socket))
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

fn config(
    section: &ContainerdSection,
    kubernetes: Option<KubernetesVersion>,
    listed: Option<PackageName>,
) -> ContainerdConfig {
    let pause = kubernetes.and_then(KubernetesVersion::pause_image);
    ContainerdConfig {
        wanted: edit::Wanted {
            os: Os::Linux,
            driver: section.cgroup_driver,
            sandbox_image: section.sandbox_image.clone().or(pause),
            registry_config_path: registries::config_path(
                section.registry_config_path.as_ref(),
                &section.registries,
            ),
            cni_bin_dirs: section.cni.bin_dirs.clone(),
            cni_conf_dir: section.cni.conf_dir.clone(),
        },
        path: section.config_file.clone(),
        service: section.service.clone(),
        socket: section.socket.clone(),
        package: section.package.clone().or(listed),
        kubernetes,
        allow_driver_change: section.allow_driver_change,
        after: Vec::new(),
    }
}

/// Returns the files of the spec that the configuration may import.
fn imported_files(config: &AbsPath, sections: &Sections<'_>) -> Vec<ResourceId> {
    let drop_ins = drop_ins(config).map(|directory| directory.to_string());
    let directories: Vec<_> = drop_ins
        .into_iter()
        .chain([config.parent().to_string()])
        .collect();
    let directories: Vec<_> = directories.iter().map(String::as_str).collect();
    files_below(sections, &directories)
}

/// containerd's unit waits up to 90 seconds by default, and tries again every 5.
fn gate(socket: AbsPath) -> Gate {
    Gate {
        start_seconds: 90,
        steady_seconds: 20,
        cri_socket: Some(socket),
    }
}
