//! Debian packages: installed or not, at which version, and on hold or not (the `packages` section).

#[cfg(test)]
mod tests;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{PackageName, PackageVersion, ResourceId};
use engine::question::{PackageState, Question, Unanswered};
use engine::resource::{
    Action, Decision, Declared, Proposal, Provider, Resource, Section, Sections, Situation,
};
use engine::spec::Node;
use engine::step::{Disruption, Step};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::file::refused;
use crate::section::{decode, items, list_schema, written};

/// Packages whose upgrade restarts the service that pods depend on.
const RUNTIMES: [&str; 9] = [
    "containerd",
    "containerd.io",
    "cri-dockerd",
    "cri-o",
    "docker-ce",
    "docker-ee",
    "docker.io",
    "kubelet",
    "runc",
];

/// A package: its name, or its name with more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum PackageEntry {
    /// The name of a package that should be installed, at any version.
    Name(PackageName),
    /// A package with a version, a hold, or an order.
    Detailed(DetailedPackage),
}

/// Whether a package should be installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum PackagePresence {
    /// It should be installed.
    #[default]
    Present,
    /// It should not be installed; its configuration files stay.
    Absent,
}

/// A package with a version, a hold, or an order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DetailedPackage {
    /// The name of the package.
    name: PackageName,
    /// The exact version, as `apt-cache policy` shows it; any version by default. Upgrading a container runtime restarts it.
    version: Option<PackageVersion>,
    /// `present` (the default) or `absent`.
    #[serde(default)]
    state: PackagePresence,
    /// Whether upgrades leave the package alone (`apt-mark hold`); left as it is by default.
    hold: Option<bool>,
    /// Resources that come first, such as the file that names a package source.
    #[serde(default)]
    requires: Vec<ResourceId>,
    /// Resources that take notice when the package changes.
    #[serde(default)]
    notifies: Vec<ResourceId>,
}

/// Owns `packages`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packages;

impl Provider for Packages {
    fn sections(&self) -> Vec<Section> {
        vec![Section {
            name: "packages",
            schema: list_schema::<PackageEntry>("Debian packages that are installed or not."),
        }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["package"]
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        items(sections, "packages")
            .iter()
            .filter_map(|node| package(node, problems))
            .collect()
    }

    fn remove(
        &self,
        resource: &ResourceId,
        situation: &Situation<'_>,
    ) -> Result<Decision, Unanswered> {
        let Ok(name) = resource.name().parse() else {
            return Ok(Decision::Unknown(format!(
                "the host's record names `{resource}`, which is no package"
            )));
        };
        let state = situation.observed.package(&name)?;
        Ok(remove(&name, state))
    }
}

/// One package.
#[derive(Debug)]
pub(crate) struct PackageResource {
    name: PackageName,
    version: Option<PackageVersion>,
    presence: PackagePresence,
    hold: Option<bool>,
    /// What is written to come first, such as the file that names a package source.
    after: Vec<ResourceId>,
}

fn package(node: &Node, problems: &mut Problems) -> Option<Declared> {
    let DetailedPackage {
        name,
        version,
        state,
        hold,
        requires,
        notifies,
    } = match decode(node, problems)? {
        PackageEntry::Detailed(detailed) => detailed,
        PackageEntry::Name(name) => DetailedPackage {
            name,
            version: None,
            state: PackagePresence::Present,
            hold: None,
            requires: Vec::new(),
            notifies: Vec::new(),
        },
    };
    let contradiction = match (&version, hold) {
        _ if state == PackagePresence::Present => None,
        (Some(_), _) => Some("version"),
        (None, Some(true)) => Some("hold"),
        (None, _) => None,
    };
    if let Some(field) = contradiction {
        let message = format!("`{name}` has `{field}` but is absent");
        problems.push(Diagnostic::error("E228", node.span_at(&[field]), message));
    }
    Some(Declared {
        span: node.span,
        written: written(node, &requires, &notifies),
        resource: Box::new(PackageResource {
            name,
            version,
            presence: state,
            hold,
            after: requires,
        }),
    })
}

impl PackageResource {
    /// Returns a package that should be installed, at any version.
    pub(crate) fn installed(name: PackageName) -> Self {
        Self {
            name,
            version: None,
            presence: PackagePresence::Present,
            hold: None,
            after: Vec::new(),
        }
    }

    /// Returns a package that should not be installed.
    pub(crate) fn absent(name: PackageName) -> Self {
        Self {
            presence: PackagePresence::Absent,
            ..Self::installed(name)
        }
    }
}

impl Resource for PackageResource {
    fn id(&self) -> ResourceId {
        ResourceId::new("package", &self.name)
    }

    fn desired(&self) -> String {
        let Self {
            name,
            version,
            presence,
            hold,
            after: _,
        } = self;
        let version = version.as_ref().map_or("any", PackageVersion::as_str);
        format!("package {name} {presence:?} {version} hold={hold:?}")
    }

    fn questions(&self) -> Vec<Question> {
        vec![Question::Package(self.name.clone())]
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        if !situation.facts().commands.contains("dpkg") {
            return Ok(Decision::Unknown(
                "the host has no dpkg; only Debian packages are known so far".to_owned(),
            ));
        }
        let state = situation.observed.package(&self.name)?;
        if let Some(word) = &state.broken {
            return Ok(self.broken(word));
        }
        Ok(match (self.presence, &state.installed) {
            (PackagePresence::Absent, _) => remove(&self.name, state),
            (PackagePresence::Present, None) => self.install(state, situation),
            (PackagePresence::Present, Some(installed)) => self.update(installed, state),
        })
    }
}

impl PackageResource {
    fn broken(&self, word: &str) -> Decision {
        refused(
            format!("`{}` is {word}", self.name),
            &format!(
                "look at `dpkg --audit`, then run `dpkg --configure -a` or `apt-get install --reinstall {}` on the host",
                self.name
            ),
        )
    }

    fn install(&self, state: &PackageState, situation: &Situation<'_>) -> Decision {
        let from_new_source = self
            .after
            .iter()
            .any(|resource| situation.changes(resource));
        let candidate = state.candidate.as_deref();
        if candidate.is_none() && !from_new_source {
            return refused(
                format!("the host knows no package `{}`", self.name),
                "run `apt-get update` on the host, or add the package source that has it",
            );
        }
        let after = self.version.as_ref().map(PackageVersion::as_str);
        let mut steps = vec![self.install_step()];
        if self.hold == Some(true) {
            steps.push(self.hold_step());
        }
        let mut proposal = Proposal::new(Action::Create, steps).difference(
            "version",
            "",
            after.or(candidate).unwrap_or("candidate"),
        );
        if self.hold == Some(true) {
            proposal = proposal.difference("hold", "no", "yes");
        }
        proposal.condition = match (after, candidate) {
            (_, None) => Some("a package source of this plan must have it".to_owned()),
            (Some(wanted), Some(candidate)) if wanted != candidate => Some(format!(
                "version {wanted} must be in the host's package lists, whose candidate is {candidate}"
            )),
            _ => None,
        };
        Decision::Change(proposal)
    }

    /// Compares version and hold. apt does not change what is on hold, so a hold is lifted meanwhile.
    fn update(&self, installed: &str, state: &PackageState) -> Decision {
        let wanted = self.version.as_ref().map(PackageVersion::as_str);
        let wanted = wanted.filter(|wanted| *wanted != installed);
        let held_after = self.hold.unwrap_or(state.held);
        let mut steps = Vec::new();
        if state.held && (wanted.is_some() || !held_after) {
            steps.push(Step::UnholdPackage {
                name: self.name.clone(),
            });
        }
        if wanted.is_some() {
            steps.push(self.install_step());
        }
        if held_after && (wanted.is_some() || !state.held) {
            steps.push(self.hold_step());
        }
        if steps.is_empty() {
            return Decision::Converged;
        }
        let mut proposal = Proposal::new(Action::Update, steps);
        if let Some(wanted) = wanted {
            proposal = proposal.difference("version", installed, wanted);
            if RUNTIMES.contains(&self.name.as_str()) {
                proposal.disruption = Disruption::Restart;
            }
        }
        if held_after != state.held {
            proposal = proposal.difference("hold", yes_or_no(state.held), yes_or_no(held_after));
        }
        Decision::Change(proposal)
    }

    fn install_step(&self) -> Step {
        Step::InstallPackage {
            name: self.name.clone(),
            version: self.version.clone(),
        }
    }

    fn hold_step(&self) -> Step {
        Step::HoldPackage {
            name: self.name.clone(),
        }
    }
}

fn remove(name: &PackageName, state: &PackageState) -> Decision {
    let Some(installed) = &state.installed else {
        return Decision::Converged;
    };
    let mut steps = Vec::new();
    if state.held {
        steps.push(Step::UnholdPackage { name: name.clone() });
    }
    steps.push(Step::RemovePackage { name: name.clone() });
    let mut proposal = Proposal::new(Action::Delete, steps).difference("version", installed, "");
    if RUNTIMES.contains(&name.as_str()) {
        proposal.disruption = Disruption::PodLoss;
    }
    Decision::Change(proposal)
}

fn yes_or_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}
