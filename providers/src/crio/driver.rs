//! The cgroup driver that CRI-O's configuration comes to, for those who judge a host and change nothing.

use engine::diagnostic::Problems;
use engine::question::{Observed, Question, Unanswered};
use engine::resource::{Resource as _, Situation};
use engine::spec::Node;

use super::layer::Key;
use super::resource::CrioConfig;
use super::section::CrioSection;
use crate::runtime::{CgroupDriver, decode, leading_number};

/// A CRI-O whose driver is asked for: the one of a spec, or the usual one.
#[derive(Debug)]
pub(crate) struct Driver {
    config: CrioConfig,
}

impl Driver {
    /// Returns the CRI-O of `runtime.crio`, or the usual one.
    pub(crate) fn of(node: Option<&Node>) -> Self {
        let section = node.and_then(|node| decode(node, &mut Problems::default()));
        let section: CrioSection = section.unwrap_or_default();
        Self {
            config: CrioConfig {
                driver: section.cgroup_driver,
                conmon_cgroup: section.conmon_cgroup,
                pause_image: section.pause_image,
                default_runtime: section.default_runtime,
                path: section.drop_in,
                service: section.service,
                socket: section.socket,
                package: section.package,
                kubernetes: None,
                allow_driver_change: section.allow_driver_change,
                after: Vec::new(),
            },
        }
    }

    /// Returns what must be asked; only files, packages and units.
    pub(crate) fn questions(&self) -> Vec<Question> {
        self.config.questions()
    }

    /// Returns its driver; none if there is no CRI-O.
    pub(crate) fn read(
        &self,
        situation: &Situation<'_>,
    ) -> Result<Option<CgroupDriver>, Unanswered> {
        let unit = situation.observed.unit(&self.config.service)?;
        if !unit.exists() {
            return Ok(None);
        }
        let layer = self
            .config
            .layer_now(situation)
            .map_err(|stop| stop.unanswered())?;
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
        let package = observed.package(&self.config.package_name()).ok()?;
        let version = package.installed.as_deref()?;
        let upstream = version
            .split_once(':')
            .map_or(version, |(_epoch, rest)| rest);
        let (minor, _) = leading_number(upstream.strip_prefix("1.")?)?;
        Some(minor >= 28)
    }
}
