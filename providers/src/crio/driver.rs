//! The cgroup driver that CRI-O's configuration comes to, for those who judge a host and change nothing.

use engine::diagnostic::Problems;
use engine::name::PackageName;
use engine::question::{Observed, Question, Unanswered};
use engine::spec::Node;
use engine::state::State;

use super::PACKAGES;
use super::layer::Key;
use super::section::CrioSection;
use super::sources::Places;
use crate::runtime::{CgroupDriver, decode, leading_number};

/// A CRI-O whose driver is asked for: the one of a spec, or the usual one.
#[derive(Debug)]
pub(crate) struct Driver {
    places: Places,
    package: PackageName,
}

impl Driver {
    /// Returns the CRI-O of `runtime.crio`, or the usual one.
    pub(crate) fn of(node: Option<&Node>) -> Self {
        let section = node.and_then(|node| decode(node, &mut Problems::default()));
        let section: CrioSection = section.unwrap_or_default();
        let usual = || PACKAGES[0].parse().expect("a package name");
        Self {
            places: Places {
                drop_ins: section.drop_in.parent(),
                service: section.service,
            },
            package: section.package.unwrap_or_else(usual),
        }
    }

    /// Returns what must be asked; only files, packages and units.
    pub(crate) fn questions(&self) -> Vec<Question> {
        let mut questions = self.places.questions();
        questions.push(Question::Unit(self.places.service.clone()));
        questions.push(Question::Installed(self.package.clone()));
        questions
    }

    /// Returns its driver; none if there is no CRI-O.
    pub(crate) fn read(&self, state: &State<'_>) -> Result<Option<CgroupDriver>, Unanswered> {
        if !state.unit(&self.places.service)?.exists() {
            return Ok(None);
        }
        let layer = self.places.effective(state);
        let layer = layer.map_err(|stop| stop.unanswered())?;
        match layer.value(Key::CgroupManager) {
            "systemd" => Ok(Some(CgroupDriver::Systemd)),
            "cgroupfs" => Ok(Some(CgroupDriver::Cgroupfs)),
            other => Err(Unanswered(format!(
                "`{}` is no cgroup_manager of CRI-O",
                other.escape_debug()
            ))),
        }
    }

    /// Whether it tells a kubelet its driver, as CRI-O since 1.28 does; none if its version is not known.
    pub(crate) fn tells(&self, observed: &Observed) -> Option<bool> {
        let package = observed.package(&self.package).ok()?;
        let version = package.installed.as_deref()?;
        let upstream = version
            .split_once(':')
            .map_or(version, |(_epoch, rest)| rest);
        let (minor, _) = leading_number(upstream.strip_prefix("1.")?)?;
        Some(minor >= 28)
    }
}
