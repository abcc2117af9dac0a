//! What the answers of a host say about its containerd: the version that will read the file, the file as it is, and what
//! may override it. What cannot be told or must not be touched stops the weighing here.

use engine::name::ResourceId;
use engine::question::{FileState, RegularFile};
use engine::resource::{Decision, Situation};

use super::effective::Effective;
use super::resource::ContainerdConfig;
use super::version::ContainerdVersion;
use crate::file::editable;
use crate::runtime::{Refusal, Stop, planned_version};

/// The containerd that will read the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Daemon {
    /// Its version.
    pub(super) version: ContainerdVersion,
    /// It is installed now, perhaps in another version.
    pub(super) installed: bool,
    /// The plan installs it, or another version of it, so that what the host says of it now will not hold.
    pub(super) planned: bool,
}

/// The file as it was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    /// Its content.
    pub(super) text: &'a str,
    /// The rest.
    pub(super) file: &'a RegularFile,
}

impl ContainerdConfig {
    /// Returns the containerd that will read the file.
    pub(super) fn daemon(&self, situation: &Situation<'_>) -> Result<Daemon, Stop> {
        let installed = &situation.observed.containerd(&self.path)?.version;
        let planned = self.planned_version(situation)?;
        let Some(text) = planned.as_ref().or(installed.as_ref()) else {
            return Err(self.not_installed().into());
        };
        let version = ContainerdVersion::parse(text).ok_or_else(|| {
            Decision::Unknown(format!(
                "`{}` is no version of containerd that can be read",
                text.escape_debug()
            ))
        })?;
        Ok(Daemon {
            version,
            installed: installed.is_some(),
            planned: planned.is_some(),
        })
    }

    /// Returns the version that the plan installs.
    fn planned_version(&self, situation: &Situation<'_>) -> Result<Option<String>, Stop> {
        match &self.package {
            Some(package) => planned_version(package, situation),
            None => Ok(None),
        }
    }

    fn not_installed(&self) -> Decision {
        match &self.package {
            Some(package) => Decision::Unknown(format!(
                "containerd is not installed, and this plan does not install {package}"
            )),
            None => Refusal::new("containerd is not installed")
                .help("set `runtime.containerd.package`, or add it to `packages`")
                .into(),
        }
    }

    /// Returns the file, none if there is none; anything but an ordinary file of TOML size is not touched.
    pub(super) fn found<'a>(&self, situation: &Situation<'a>) -> Result<Option<Found<'a>>, Stop> {
        let refused = |what: String, help: &str| {
            Stop::from(Refusal::new(format!("{} {what}", self.shown())).help(help))
        };
        match situation.observed.file(&self.path)? {
            FileState::Absent => Ok(None),
            FileState::Regular(file) => {
                let text = editable(&self.shown(), file, "TOML")?;
                Ok(Some(Found { text, file }))
            }
            FileState::Symlink(target) => Err(refused(
                format!("is a symbolic link to {}", target.escape_debug()),
                "set `configFile` to the file itself, or replace the link with a regular file",
            )),
            FileState::Directory(_) => Err(refused(
                "is a directory".to_owned(),
                "remove it, or set `configFile` to the file that containerd reads",
            )),
            FileState::Other(kind) => Err(refused(
                format!("is a {kind}"),
                "remove it, or set `configFile` to the file that containerd reads",
            )),
            FileState::Unreadable(why) => {
                Err(Decision::Unknown(format!("{} cannot be read: {why}", self.shown())).into())
            }
        }
    }

    /// Returns what containerd says of the file as it is, if that will still hold.
    pub(super) fn effective(
        &self,
        daemon: Daemon,
        situation: &Situation<'_>,
    ) -> Result<Option<Effective>, Stop> {
        let state = situation.observed.containerd(&self.path)?;
        let dump = state.effective.as_deref().filter(|_| daemon.installed);
        Ok(dump.and_then(Effective::parse))
    }

    /// Whether the directory must be made. The package that is about to be installed makes the usual one.
    pub(super) fn lacks_directory(
        &self,
        daemon: Daemon,
        situation: &Situation<'_>,
    ) -> Result<bool, Stop> {
        let directory = self.path.parent();
        match situation.observed.file(&directory)? {
            FileState::Absent => {
                let made = situation.changes(&ResourceId::new("directory", &directory));
                let packaged = daemon.planned && directory.as_str() == "/etc/containerd";
                Ok(!made && !packaged)
            }
            FileState::Directory(_) | FileState::Symlink(_) => Ok(false),
            FileState::Regular(_) | FileState::Other(_) => {
                Err(Refusal::new(format!("{directory} is not a directory")).into())
            }
            FileState::Unreadable(why) => {
                Err(Decision::Unknown(format!("{directory} cannot be read: {why}")).into())
            }
        }
    }
}
