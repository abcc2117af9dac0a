//! Packages, of apt or of dnf: installed or not, at which version, and on hold or not (the `packages` section).
//!
//! The manager follows from the host, not from the spec. What differs between the two is here and in the host program.

#[cfg(test)]
mod tests;

use engine::diagnostic::{Diagnostic, Problems};
use engine::facts::PackageManager;
use engine::name::{PackageName, PackageVersion, ResourceId};
use engine::question::{PackageState, Question, Unanswered};
use engine::resource::{
    Action, Decision, Declared, Proposal, Provider, Relation, Resource, Section, Sections,
    Situation,
};
use engine::spec::Node;
use engine::step::{Disruption, Step};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::file::refused;
use crate::repository;
use crate::section::{Effects, decode, items, list_schema, requires, written};

/// What a plan says of a version that it cannot know: the package lists that decide it are not there yet.
pub(crate) const DECIDED_LATER: &str = "decided when installed";

/// The package that brings `dnf versionlock` to dnf 4; dnf 5 has it itself.
const VERSIONLOCK: &str = "python3-dnf-plugin-versionlock";

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    #[schemars(example = &"socat")]
    name: PackageName,
    /// The exact version: as `apt-cache policy` shows it, or, where dnf is used, `[EPOCH:]VERSION-RELEASE` as
    /// `rpm -q --qf '%{EVR}'` shows it. Any version by default. Upgrading a container runtime restarts it.
    #[schemars(example = &"1.7.28-1")]
    #[schemars(extend(
        "x-default" = "any",
        "x-disrupts" = "what an upgrade restarts: that of a container runtime restarts it"
    ))]
    version: Option<PackageVersion>,
    /// `present` (the default) or `absent`.
    #[schemars(extend("x-disrupts" = "with `absent`, what uses it loses it"))]
    #[serde(default)]
    state: PackagePresence,
    /// Whether upgrades leave the package alone (`apt-mark hold`, `dnf versionlock`); left as it is by default. dnf 4 needs
    /// the package `python3-dnf-plugin-versionlock` for it.
    #[schemars(extend(
        "x-default" = "left as it is",
        "x-changes" = "the package's hold",
        "x-disrupts" = "nothing"
    ))]
    hold: Option<bool>,
    /// Resources that come first, such as a file that the package reads when it is installed. All `repositories` do anyway.
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
            schema: list_schema::<PackageEntry>(
                "Packages that are installed or not: with apt on Debian and Ubuntu, with dnf on the Red Hat family.",
                Effects {
                    changes: "the package is installed or removed",
                    disrupts: "nothing where it is installed already",
                },
            ),
        }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["package"]
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        let repositories = repository::declared(sections);
        items(sections, "packages")
            .iter()
            .filter_map(|node| package(node, &repositories, problems))
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
    /// The package lists of the spec's repositories, one of which may have it.
    repositories: Vec<ResourceId>,
}

fn package(node: &Node, repositories: &[ResourceId], problems: &mut Problems) -> Option<Declared> {
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
        problems.push(Diagnostic::error("E238", node.span_at(&[field]), message));
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
            repositories: repositories.to_vec(),
        }),
    })
}

impl PackageResource {
    /// Returns a package that should be installed, at any version.
    pub(crate) fn installed(name: PackageName, sections: &Sections<'_>) -> Self {
        Self {
            name,
            version: None,
            presence: PackagePresence::Present,
            hold: None,
            after: Vec::new(),
            repositories: repository::declared(sections),
        }
    }

    /// Returns a package that should not be installed.
    pub(crate) fn absent(name: PackageName, sections: &Sections<'_>) -> Self {
        Self {
            presence: PackagePresence::Absent,
            ..Self::installed(name, sections)
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
            repositories: _,
        } = self;
        let version = version.as_ref().map_or("any", PackageVersion::as_str);
        format!("package {name} {presence:?} {version} hold={hold:?}")
    }

    fn questions(&self) -> Vec<Question> {
        vec![Question::Package(self.name.clone())]
    }

    fn relations(&self) -> Vec<Relation> {
        let lock = ResourceId::new("package", VERSIONLOCK);
        let locks = (self.hold == Some(true) && self.id() != lock).then_some(lock);
        let before = self.repositories.iter().cloned().chain(locks);
        before.map(requires).collect()
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        if situation.facts().packages == PackageManager::None {
            return Ok(no_manager(situation));
        }
        if let Some(refused) = self.unfit(situation) {
            return Ok(refused);
        }
        let state = situation.observed.package(&self.name)?;
        if let Some(word) = &state.broken {
            return Ok(self.broken(word));
        }
        Ok(match (self.presence, &state.installed) {
            (PackagePresence::Absent, _) => remove(&self.name, state),
            (PackagePresence::Present, None) => self.install(state, situation),
            (PackagePresence::Present, Some(installed)) => self.update(installed, state, situation),
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

    /// Returns why the host cannot do what is wanted, whatever is installed there.
    fn unfit(&self, situation: &Situation<'_>) -> Option<Decision> {
        let facts = situation.facts();
        if facts.packages != PackageManager::Dnf {
            return None;
        }
        if let Some(version) = &self.version
            && !version.as_str().contains('-')
        {
            return Some(refused(
                format!("`{version}` is no exact version where dnf is used"),
                "write version and release, such as `1.31.2-150500.1.1`; \
                 `dnf list --showduplicates` shows those there are",
            ));
        }
        let has_lock = facts.commands.contains("versionlock")
            || situation.changes(&ResourceId::new("package", VERSIONLOCK));
        (self.hold == Some(true) && !has_lock).then(|| {
            refused(
                "dnf on this host cannot put packages on hold: it has no versionlock",
                &format!("add `{VERSIONLOCK}` to `packages`"),
            )
        })
    }

    /// Returns the exact version in the words of the host's manager, if one is wanted. rpm does not say an epoch of 0.
    fn wanted(&self, situation: &Situation<'_>) -> Option<PackageVersion> {
        let version = self.version.as_ref()?;
        let bare = match situation.facts().packages {
            PackageManager::Dnf => version.as_str().strip_prefix("0:"),
            PackageManager::Apt | PackageManager::None => None,
        };
        let bare = bare.and_then(|version| version.parse().ok());
        Some(bare.unwrap_or_else(|| version.clone()))
    }

    /// Returns why the version that would be installed is not known now; none if it is.
    fn undecided(&self, state: &PackageState, situation: &Situation<'_>) -> Option<String> {
        let changes = |resource: &&ResourceId| situation.changes(resource);
        if let Some(repository) = self.repositories.iter().find(changes) {
            return Some(fetched_first(repository));
        }
        if let Some(why) = &state.candidate_unknown {
            return Some(format!(
                "the host's package lists cannot be read now: {why}"
            ));
        }
        (state.candidate.is_none()
            && self
                .after
                .iter()
                .any(|resource| situation.changes(resource)))
        .then(|| "a package source of this plan must have it".to_owned())
    }

    fn install(&self, state: &PackageState, situation: &Situation<'_>) -> Decision {
        let undecided = self.undecided(state, situation);
        let candidate = state.candidate.as_deref();
        if candidate.is_none() && undecided.is_none() {
            return self.no_candidate(situation);
        }
        let wanted = self.wanted(situation);
        let after = match (&wanted, &undecided) {
            (Some(wanted), _) => wanted.as_str(),
            (None, Some(_)) => DECIDED_LATER,
            (None, None) => candidate.unwrap_or(DECIDED_LATER),
        };
        let mut steps = vec![self.install_step(wanted.clone())];
        if self.hold == Some(true) {
            steps.push(self.hold_step());
        }
        let mut proposal = Proposal::new(Action::Create, steps).difference("version", "", after);
        if self.hold == Some(true) {
            proposal = proposal.difference("hold", "no", "yes");
        }
        proposal.condition = match (&wanted, undecided, candidate) {
            (Some(wanted), Some(why), _) => Some(format!("version {wanted} must be there: {why}")),
            (None, Some(why), _) => Some(format!("the version is {DECIDED_LATER}: {why}")),
            (Some(wanted), None, Some(candidate)) if wanted.as_str() != candidate => Some(format!(
                "version {wanted} must be in the host's package lists, whose candidate is {candidate}"
            )),
            (_, None, _) => None,
        };
        Decision::Change(proposal)
    }

    fn no_candidate(&self, situation: &Situation<'_>) -> Decision {
        let refresh = match situation.facts().packages {
            PackageManager::Dnf => "dnf makecache",
            PackageManager::Apt | PackageManager::None => "apt-get update",
        };
        refused(
            format!("the host knows no package `{}`", self.name),
            &format!(
                "run `{refresh}` on the host, or add the repository that has it to `repositories`"
            ),
        )
    }

    /// Compares version and hold. What is on hold is not changed by its manager, so a hold is lifted meanwhile.
    fn update(&self, installed: &str, state: &PackageState, situation: &Situation<'_>) -> Decision {
        let wanted = self.wanted(situation);
        let wanted = wanted.filter(|wanted| wanted.as_str() != installed);
        let held_after = self.hold.unwrap_or(state.held);
        let mut steps = Vec::new();
        if state.held && (wanted.is_some() || !held_after) {
            steps.push(Step::UnholdPackage {
                name: self.name.clone(),
            });
        }
        if wanted.is_some() {
            steps.push(self.install_step(wanted.clone()));
        }
        if held_after && (wanted.is_some() || !state.held) {
            steps.push(self.hold_step());
        }
        if steps.is_empty() {
            return Decision::Converged;
        }
        let mut proposal = Proposal::new(Action::Update, steps);
        if let Some(wanted) = wanted {
            proposal = proposal.difference("version", installed, wanted.as_str());
            if RUNTIMES.contains(&self.name.as_str()) {
                proposal.disruption = Disruption::Restart;
            }
            let changes = |resource: &&ResourceId| situation.changes(resource);
            proposal.condition = self.repositories.iter().find(changes).map(|repository| {
                format!(
                    "version {wanted} must be there: {}",
                    fetched_first(repository)
                )
            });
        }
        if held_after != state.held {
            proposal = proposal.difference("hold", yes_or_no(state.held), yes_or_no(held_after));
        }
        Decision::Change(proposal)
    }

    fn install_step(&self, version: Option<PackageVersion>) -> Step {
        Step::InstallPackage {
            name: self.name.clone(),
            version,
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

fn fetched_first(repository: &ResourceId) -> String {
    format!(
        "the package lists of repository/{} are fetched first",
        repository.name()
    )
}

/// Returns the refusal of a host whose packages hardstand cannot manage.
pub(crate) fn no_manager(situation: &Situation<'_>) -> Decision {
    let facts = situation.facts();
    let name = match facts.os_name.as_str() {
        "" => "the host".to_owned(),
        name => format!("the host ({name})"),
    };
    let found: Vec<&str> = ["dpkg", "apt-get", "dnf"]
        .into_iter()
        .filter(|command| facts.commands.contains(*command))
        .collect();
    let found = match found.as_slice() {
        [] => String::new(),
        found => format!(
            "; it has {}, and yet its packages are managed in another way",
            found.join(", ")
        ),
    };
    refused(
        format!("{name} has neither apt nor dnf to manage its packages{found}"),
        "what its image brings cannot be changed: leave `packages` and `repositories` out for this host",
    )
}

fn yes_or_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}
