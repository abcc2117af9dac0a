//! CRI-O as the runtime of a node: the field `crio` of the section `runtime`.
//!
//! One resource owns one drop-in whole (`resource`). What CRI-O makes of it depends on every other file in the same
//! directory, whatever its name ends in, and on the variables and flags of its unit: `sources` collects them, `layer` and
//! `unit` read them, and `rules` has what CRI-O checks when it starts. `registries` is another file, which CRI-O shares with
//! other users of containers-registries.conf(5).

mod driver;
mod layer;
mod registries;
mod resource;
mod rules;
mod section;
mod sources;
#[cfg(test)]
mod tests;
mod unit;

use engine::diagnostic::Problems;
use engine::name::{PackageName, ResourceId};
use engine::resource::{Declared, Filled, Sections};
use engine::source::Span;
use engine::spec::Node;
use engine::step::Gate;

pub(crate) use driver::Driver;
pub(crate) use layer::{Key, Layer};
use resource::CrioConfig;
pub(crate) use rules::{CrioRelease, Pair, check_pair};
pub(crate) use section::CrioSection;
pub(crate) use sources::Places;

use crate::runtime::{
    Chosen, Daemons, Defaults, GUARDED, KubernetesVersion, PREREQUISITES, SYSTEMD, UNIT, decode,
    listed_package, named_package,
};
use crate::section::{check_not_managed, files_below};
use crate::service::{OwnedService, UnitOwner, service_for};

/// The kind of the resource that is a drop-in of CRI-O.
pub(crate) const KIND: &str = "crio";

/// The packages that are known to provide CRI-O.
pub(crate) const PACKAGES: [&str; 1] = ["cri-o"];

/// Turns `runtime.crio` into resources.
pub(crate) fn compile(chosen: Chosen<'_>, problems: &mut Problems) -> Vec<Declared> {
    let Chosen {
        node,
        span,
        kubernetes,
        sections,
    } = chosen;
    let Some(section) = decode::<CrioSection>(node, problems) else {
        return Vec::new();
    };
    section.check(node, problems);
    check_not_managed(&sections, &section.drop_in, ("runtime", span), problems);
    let listed = listed_package(&sections, &PACKAGES);
    let package = section.package.clone().or(listed.clone());
    let owned = service(&section, package.as_ref(), span, &sections);
    let to_install = section.package.clone();
    let unit = &section.service;
    let mut declared = registries::compile(&section.registries, node, unit, &sections, problems);
    let config = config(section, package, kubernetes, &sections);
    declared.extend([
        Declared {
            resource: Box::new(config),
            span,
            written: Vec::new(),
        },
        owned.declared(),
    ]);
    declared.extend(named_package(to_install.as_ref(), span, &sections));
    declared
}

/// Returns what is filled in where the spec says nothing.
pub(crate) fn defaults(chosen: Chosen<'_>) -> Vec<Filled> {
    let Chosen {
        node,
        kubernetes,
        sections,
        ..
    } = chosen;
    let Some(section) = decode::<CrioSection>(node, &mut Problems::default()) else {
        return Vec::new();
    };
    let config = config(section, None, kubernetes, &sections);
    Defaults::below("runtime.crio")
        .add("cgroupDriver", config.driver.as_str(), SYSTEMD)
        .add(
            "conmonCgroup",
            config.conmon_cgroup,
            "the one value that is right with either cgroup driver in every release",
        )
        .add("allowDriverChange", config.allow_driver_change, GUARDED)
        .add("prerequisites", true, PREREQUISITES)
        .add_pause_image("pauseImage", config.pause_image, kubernetes)
        .add(
            "dropIn",
            config.path.as_str(),
            "its name comes last in the directory that every CRI-O reads, so that it wins",
        )
        .add("service", config.service.as_str(), UNIT)
        .add(
            "socket",
            config.socket.as_str(),
            "where CRI-O listens unless its configuration says otherwise",
        )
        .finish()
}

/// Returns its daemon, as far as other sections build on it.
pub(crate) fn daemons(node: &Node) -> Option<Daemons> {
    let section: CrioSection = decode(node, &mut Problems::default())?;
    Some(Daemons {
        service: section.service,
        cri_service: None,
        socket: Some(section.socket),
        limit_no_file: section.limit_no_file,
    })
}

fn config(
    section: CrioSection,
    package: Option<PackageName>,
    kubernetes: Option<KubernetesVersion>,
    sections: &Sections<'_>,
) -> CrioConfig {
    let directory = section.drop_in.parent();
    let pause = kubernetes.and_then(KubernetesVersion::pause_image);
    CrioConfig {
        driver: section.cgroup_driver,
        conmon_cgroup: section.conmon_cgroup,
        pause_image: section.pause_image.or(pause),
        default_runtime: section.default_runtime,
        cni_bin_dirs: section.cni.bin_dirs,
        cni_conf_dir: section.cni.conf_dir,
        after: files_below(sections, &[directory.as_str(), directory.parent().as_str()]),
        path: section.drop_in,
        service: section.service,
        socket: section.socket,
        package,
        kubernetes,
        allow_driver_change: section.allow_driver_change,
    }
}

/// Returns the unit of CRI-O: enabled and running, unless `services` wishes otherwise.
fn service(
    section: &CrioSection,
    package: Option<&PackageName>,
    span: Span,
    sections: &Sections<'_>,
) -> OwnedService {
    let owner = UnitOwner {
        unit: section.service.clone(),
        span,
        // After a reload the drop-in is newer than the process and loaded all the same.
        configs: Vec::new(),
        gate: Gate {
            start_seconds: 90,
            steady_seconds: 20,
            cri_socket: Some(section.socket.clone()),
        },
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
