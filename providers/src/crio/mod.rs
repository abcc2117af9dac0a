//! CRI-O as the runtime of a node: the field `crio` of the section `runtime`.
//!
//! One resource owns one drop-in whole (`resource`). What CRI-O makes of it depends on every other file in the same
//! directory, whatever its name ends in, and on the variables and flags of its unit: `sources` collects them, `layer` and
//! `unit` read them, and `rules` has what CRI-O checks when it starts.

mod layer;
mod resource;
mod rules;
mod section;
mod sources;
#[cfg(test)]
mod tests;
mod unit;

use engine::diagnostic::Problems;
use engine::name::ResourceId;
use engine::resource::Declared;
use engine::step::Gate;

use resource::CrioConfig;
pub(crate) use section::CrioSection;

use crate::package::PackageResource;
use crate::runtime::{Chosen, KubernetesVersion, decode, listed_package};
use crate::section::{check_not_managed, files_below};
use crate::service::{UnitOwner, service_for};

/// The kind of the resource that is a drop-in of CRI-O.
pub(crate) const KIND: &str = "crio";

/// The packages that are known to provide CRI-O.
const PACKAGES: [&str; 1] = ["cri-o"];

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
    let directory = section.drop_in.parent();
    let directories = [directory.as_str(), &directory.parent().to_string()].map(str::to_owned);
    let pause = kubernetes.and_then(KubernetesVersion::pause_image);
    let config = CrioConfig {
        driver: section.cgroup_driver,
        conmon_cgroup: section.conmon_cgroup,
        pause_image: section.pause_image.or(pause),
        default_runtime: section.default_runtime,
        path: section.drop_in,
        service: section.service.clone(),
        socket: section.socket.clone(),
        package: package.clone(),
        kubernetes,
        allow_driver_change: section.allow_driver_change,
        after: files_below(&sections, &directories.each_ref().map(String::as_str)),
    };
    let owner = UnitOwner {
        unit: section.service,
        span,
        // A reload is enough for some changes, so a drop-in that is newer than the process proves nothing.
        configs: Vec::new(),
        gate: Gate {
            start_seconds: 90,
            steady_seconds: 20,
            cri_socket: Some(section.socket),
        },
    };
    let mut service = service_for(owner, &sections);
    let resource = &mut service.resource;
    resource.wishes.enabled.get_or_insert(true);
    resource.wishes.active.get_or_insert(true);
    let package = package
        .as_ref()
        .map(|name| ResourceId::new("package", name));
    resource.after.extend(package);
    let mut declared = vec![
        Declared {
            resource: Box::new(config),
            span,
            written: Vec::new(),
        },
        service.declared(),
    ];
    if let Some(name) = section.package.filter(|name| Some(name) != listed.as_ref()) {
        declared.push(Declared {
            resource: Box::new(PackageResource::installed(name)),
            span,
            written: Vec::new(),
        });
    }
    declared
}
