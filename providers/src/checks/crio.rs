//! CRI-O's configuration: what keeps it from starting.

use engine::check::{Found, Rule};
use engine::diagnostic::Severity;
use engine::name::PackageName;
use engine::question::{Question, Unanswered};
use engine::state::State;

use super::spec::{Runtime, Spec};
use super::{Entry, nothing_of_spec};
use crate::crio::{CrioRelease, CrioSection, Key, Layer, PACKAGES, Pair, Places, check_pair};
use crate::runtime::Stop;

pub(super) const CHECKS: &[Entry] = &[Entry {
    rule: CGROUP_PAIR,
    applies: |spec| Crio::of(spec).is_some(),
    of_spec: nothing_of_spec,
    questions: |spec| Crio::of(spec).map_or_else(Vec::new, |crio| crio.questions()),
    of_host: cgroup_pair,
}];

const CGROUP_PAIR: Rule = Rule {
    id: "H009",
    title: "CRI-O does not start with its monitor cgroup",
    severity: Severity::Error,
    page: include_str!("../../../docs/checks/H009.md"),
};

/// Where a spec has to do with CRI-O.
#[derive(Debug)]
pub(super) struct Crio {
    places: Places,
    /// The packages that may provide it.
    packages: Vec<PackageName>,
    /// The spec chooses it. Otherwise it chooses nothing, and a node may have it all the same.
    pub(super) is_chosen: bool,
}

impl Crio {
    /// Returns it if the spec chooses CRI-O, or is for Kubernetes and chooses no runtime.
    pub(super) fn of(spec: &Spec) -> Option<Self> {
        let is_chosen = match spec.runtime {
            Some(Runtime::Crio) => true,
            None if spec.is_for_kubernetes() => false,
            None | Some(Runtime::Containerd | Runtime::Docker | Runtime::Mirantis) => return None,
        };
        let defaults = CrioSection::default();
        let drop_in = spec.of_runtime_as("dropIn").unwrap_or(defaults.drop_in);
        let named: Option<PackageName> = spec.of_runtime_as("package");
        let known = PACKAGES.iter().filter_map(|name| name.parse().ok());
        Some(Self {
            places: Places {
                drop_ins: drop_in.parent(),
                service: spec.of_runtime_as("service").unwrap_or(defaults.service),
            },
            packages: named.into_iter().chain(known).collect(),
            is_chosen,
        })
    }

    /// Returns what must be asked to know its configuration and release.
    pub(super) fn questions(&self) -> Vec<Question> {
        let mut questions = self.places.questions();
        questions.extend(self.packages.iter().cloned().map(Question::Installed));
        questions
    }

    /// Returns what its files, variables and flags come to.
    pub(super) fn effective(&self, state: &State<'_>) -> Result<Layer, Unanswered> {
        self.places.effective(state).map_err(Stop::unanswered)
    }

    /// Returns the version of the package that provides it, if one is installed.
    pub(super) fn package_version(&self, state: &State<'_>) -> Result<Option<String>, Unanswered> {
        for name in &self.packages {
            if let Some(version) = &state.package(name)?.installed {
                return Ok(Some(version.clone()));
            }
        }
        Ok(None)
    }

    /// Returns its release, if a package that is installed tells.
    pub(super) fn release(&self, state: &State<'_>) -> Result<Option<CrioRelease>, Unanswered> {
        let Some(version) = self.package_version(state)? else {
            return Ok(None);
        };
        match CrioRelease::parse(&version) {
            Some(release) => Ok(Some(release)),
            None => Err(Unanswered(format!(
                "`{}` is no version of CRI-O that can be read",
                version.escape_debug()
            ))),
        }
    }
}

fn cgroup_pair(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let Some(crio) = Crio::of(spec) else {
        return Ok(Vec::new());
    };
    let effective = crio.effective(state)?;
    let manager = effective.value(Key::CgroupManager);
    let monitor = effective.value(Key::ConmonCgroup);
    let mut pairs = vec![(String::new(), monitor)];
    if monitor.is_empty() {
        // A monitor cgroup for all handlers goes before their own.
        pairs.extend(effective.handlers.iter().filter_map(|(name, own)| {
            let own = own.as_ref().filter(|own| !own.value.is_empty())?;
            let place = format!("{} (handler `{}`): ", own.place, name.escape_debug());
            Some((place, own.value.as_str()))
        }));
    }
    let mut found = Vec::new();
    for (place, monitor) in pairs {
        let why = match check_pair(manager, monitor) {
            Pair::Valid => continue,
            Pair::Invalid(why) => why,
            Pair::DependsOnRelease => match crio.release(state)? {
                Some(release) if release.takes_empty_monitor_cgroup() => continue,
                Some(release) => format!(
                    "CRI-O {release} does not take an empty monitor cgroup with the cgroup manager cgroupfs"
                ),
                None => {
                    return Err(Unanswered("the release of CRI-O is not known".to_owned()));
                }
            },
        };
        let severity = match crio.is_chosen {
            true => Severity::Error,
            false => Severity::Warning,
        };
        found.push(
            CGROUP_PAIR
                .found(format!("{place}{why}: CRI-O does not start"))
                .severity(severity)
                .help("write `conmon_cgroup = \"pod\"`, which is right with either manager")
                .at(spec.place(&["runtime", "crio"])),
        );
    }
    Ok(found)
}
