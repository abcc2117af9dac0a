//! The package that provides a runtime: whether the spec lists it, and which version the plan installs.

use engine::name::{PackageName, ResourceId};
use engine::resource::{Decision, Declared, Proposal, Sections, Situation};
use engine::source::Span;
use engine::spec::{Node, Value};
use engine::step::Step;

use super::refusal::Stop;
use crate::package::{DECIDED_LATER, PackageResource};

/// Returns the first package that the section `packages` lists of those that are known to provide a runtime.
///
/// The section is another provider's: an item may be a name, a map with a `name`, or a key.
pub(crate) fn listed_package(sections: &Sections<'_>, known: &[&str]) -> Option<PackageName> {
    let packages = sections.all.get("packages")?;
    let of_items = packages.items().iter().filter_map(name_of);
    let of_entries = packages.entries().iter().map(|entry| entry.key.as_str());
    of_items
        .chain(of_entries)
        .find(|name| known.contains(name))
        .and_then(|name| name.parse().ok())
}

/// Returns the package that a section names, unless the section `packages` lists it.
pub(crate) fn named_package(
    name: Option<&PackageName>,
    span: Span,
    sections: &Sections<'_>,
) -> Option<Declared> {
    let name = name.filter(|name| listed_package(sections, &[name.as_str()]).is_none())?;
    Some(Declared {
        resource: Box::new(PackageResource::installed(name.clone(), sections)),
        span,
        written: Vec::new(),
    })
}

/// Returns the version of a package that the plan installs, if it installs it. The package must have been asked about.
pub(crate) fn planned_version(
    package: &PackageName,
    situation: &Situation<'_>,
) -> Result<Option<String>, Stop> {
    let proposal = situation.proposed.get(&package_id(package));
    let is_later = |proposal: &Proposal| {
        let mut differences = proposal.differences.iter();
        differences.any(|difference| difference.after == DECIDED_LATER)
    };
    if proposal.is_some_and(is_later) {
        return Err(Decision::Unknown(format!(
            "its configuration follows from the version of {package}, which is {DECIDED_LATER}; \
             write an exact `version`, or apply the repository first"
        ))
        .into());
    }
    let step = proposal
        .into_iter()
        .flat_map(|proposal| &proposal.steps)
        .find_map(|step| match step {
            Step::InstallPackage { name, version } if name == package => Some(version),
            _ => None,
        });
    let Some(version) = step else {
        return Ok(None);
    };
    let state = situation.observed.package(package)?;
    let version = version
        .as_ref()
        .map(ToString::to_string)
        .or_else(|| state.candidate.clone())
        .or_else(|| state.installed.clone());
    match version {
        Some(version) => Ok(Some(version)),
        None => Err(Decision::Unknown(format!(
            "it is not known which version of {package} will be installed"
        ))
        .into()),
    }
}

/// Returns the resource that is a package.
pub(crate) fn package_id(package: &PackageName) -> ResourceId {
    ResourceId::new("package", package)
}

fn name_of(item: &Node) -> Option<&str> {
    match item.value {
        Value::Map(_) => item.get("name").and_then(Node::text),
        _ => item.text(),
    }
}
