//! The cgroup driver that dockerd comes to, for those who judge a host and change nothing.

use engine::diagnostic::Problems;
use engine::question::{Question, Unanswered};
use engine::resource::{Resource as _, Situation};
use engine::spec::Node;

use super::daemon::{self, DaemonConfig};
use super::section::DockerSection;
use super::{Engine, Provided};
use crate::runtime::{CgroupDriver, decode};

/// A dockerd whose driver is asked for: the one of a spec, or the usual one.
#[derive(Debug)]
pub(crate) struct Driver {
    config: DaemonConfig,
}

impl Driver {
    /// Returns the dockerd of `runtime.docker` or `runtime.mirantis`, or the usual one.
    pub(crate) fn of(node: Option<&Node>) -> Self {
        let section = node.and_then(|node| decode(node, &mut Problems::default()));
        let section: DockerSection = section.unwrap_or_default();
        Self {
            config: DaemonConfig {
                others: Vec::new(),
                engine: Engine::Docker,
                wanted: daemon::wanted(&section),
                path: section.config_file,
                service: section.service,
                cri_service: None,
                docker: Provided {
                    packages: Vec::new(),
                },
                allow_driver_change: section.allow_driver_change,
            },
        }
    }

    /// Returns what must be asked; only files and units.
    pub(crate) fn questions(&self) -> Vec<Question> {
        self.config.questions()
    }

    /// Returns its driver; none if there is no dockerd.
    pub(crate) fn read(
        &self,
        situation: &Situation<'_>,
    ) -> Result<Option<CgroupDriver>, Unanswered> {
        let unit = situation.observed.unit(&self.config.service)?;
        if !unit.exists() {
            return Ok(None);
        }
        let driver = self.config.driver(situation);
        match driver.map_err(|stop| stop.unanswered())?.as_str() {
            "systemd" => Ok(Some(CgroupDriver::Systemd)),
            "cgroupfs" => Ok(Some(CgroupDriver::Cgroupfs)),
            other => Err(Unanswered(format!(
                "`{}` is no cgroup driver of dockerd",
                other.escape_debug()
            ))),
        }
    }
}
