//! What a host is asked, and what it answered, as typed data.
//!
//! All questions of a host travel in one execution of the probe. A question reads; none changes anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cluster::ClusterState;
use crate::facts::Facts;
use crate::name::{AbsPath, Digest, ModuleName, PackageName, RepositoryName, SysctlKey, UnitName};
use crate::receipt::Receipt;

/// One read-only question to a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Question {
    /// What is at a path, without following a link at its end; the content of a regular file up to 1 MiB comes along.
    File(AbsPath),
    /// Every entry `DIRECTORY/*.SUFFIX`, links followed, each with its content. An empty suffix means every entry there is,
    /// hidden ones too; nothing below a directory in it.
    Files {
        /// The directory.
        directory: AbsPath,
        /// The ending of the names without its dot: lower-case letters only, or nothing.
        suffix: String,
    },
    /// The running value of a sysctl.
    Sysctl(SysctlKey),
    /// Whether a kernel module is loaded, built in or available.
    Module(ModuleName),
    /// What systemd knows of a unit.
    Unit(UnitName),
    /// What the package manager knows of a package.
    Package(PackageName),
    /// Whether a package is installed, and in which version. What would be installed is not looked for, which is dear.
    Installed(PackageName),
    /// Whether the package manager fetched the index of a repository.
    Repository(RepositoryName),
    /// The installed containerd: its version, and its effective configuration read from a file (`containerd config dump`).
    Containerd(AbsPath),
    /// What the container runtime that listens at a socket says of itself over the CRI (v1).
    Cri(AbsPath),
    /// How many files the process of a unit may have open. It is answered if [`Question::Unit`] is asked about the unit as well.
    Limits(UnitName),
    /// The kubelet that a unit runs: which version its program is, and how it was started.
    Kubelet(UnitName),
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Question::File`].
    File(FileState),
    /// To [`Question::Files`], in the bytewise order of names; entries that vanished are left out.
    Files(Vec<FoundFile>),
    /// To [`Question::Sysctl`].
    Sysctl(SysctlState),
    /// To [`Question::Module`].
    Module(ModuleState),
    /// To [`Question::Unit`].
    Unit(UnitState),
    /// To [`Question::Package`] and [`Question::Installed`].
    Package(PackageState),
    /// To [`Question::Repository`].
    Repository(RepositoryState),
    /// To [`Question::Containerd`].
    Containerd(ContainerdState),
    /// To [`Question::Cri`].
    Cri(CriState),
    /// To [`Question::Limits`].
    Limits(LimitsState),
    /// To [`Question::Kubelet`].
    Kubelet(KubeletState),
    /// The host could not answer; the text says why, for people.
    Unanswered(String),
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// Nothing, and the directory that would hold it is known to be readable.
    Absent,
    /// A regular file.
    Regular(RegularFile),
    /// A directory.
    Directory(Attributes),
    /// A symbolic link and where it points.
    Symlink(String),
    /// Something else: `fifo`, `socket`, `block device`, `character device`.
    Other(String),
    /// It could not be read; the text says why.
    Unreadable(String),
}

/// A regular file as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegularFile {
    /// Mode, owner and group.
    pub attributes: Attributes,
    /// Size in bytes.
    pub size: u64,
    /// Number of hard links.
    pub links: u64,
    /// Last change of the content, in seconds since 1970.
    pub modified: i64,
    /// Digest of the content.
    pub digest: Digest,
    /// The content, if the file is at most 1 MiB.
    pub content: Option<Vec<u8>>,
}

/// Mode and owners of a file or directory. `0o7777` bits, so that a setuid bit that is there is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Permission, setuid, setgid and sticky bits.
    pub mode: u32,
    /// Name of the owner, or its number if it has no name.
    pub owner: String,
    /// Name of the group, or its number if it has no name.
    pub group: String,
}

/// An entry found by [`Question::Files`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Its path.
    pub path: AbsPath,
    /// Where it points, if it is a link.
    pub link: Option<String>,
    /// What is there once links are followed.
    pub state: FileState,
}

/// The running value of a sysctl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SysctlState {
    /// The kernel has no such key now.
    Absent,
    /// The value, whitespace runs folded to one space.
    Value(String),
    /// It exists and could not be read; the text says why.
    Unreadable(String),
}

/// What is known of a kernel module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleState {
    /// It is in `/proc/modules`.
    pub loaded: bool,
    /// `modules.builtin` of the running kernel lists it.
    pub builtin: bool,
    /// `modules.dep` of the running kernel lists it.
    pub available: bool,
    /// `/sys/module/NAME` exists.
    pub in_sysfs: bool,
    /// Readable parameters of the loaded module, from `/sys/module/NAME/parameters`.
    pub parameters: BTreeMap<String, String>,
}

/// What systemd knows of a unit: the properties of `systemctl show`, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitState {
    /// `LoadState`, `ActiveState`, `SubState`, `UnitFileState`, `FragmentPath`, `DropInPaths`, `NeedDaemonReload`,
    /// `ExecMainStartTimestamp` (UTC), `InvocationID`, `NRestarts`, `MainPID`, `Type`, `RemainAfterExit`, `CanReload`,
    /// `StateChangeTimestamp` (UTC).
    /// Of a service of Windows the same in the words of systemd, as far as they mean something there: `LoadState`,
    /// `ActiveState`, `SubState`, `UnitFileState`, `ExecMainStartTimestamp`, `MainPID`; and `PathName`, its command line.
    pub properties: BTreeMap<String, String>,
}

impl UnitState {
    /// Returns a property, empty if systemd did not name it.
    pub fn property(&self, name: &str) -> &str {
        self.properties.get(name).map_or("", String::as_str)
    }

    /// Whether systemd found a unit file.
    pub fn exists(&self) -> bool {
        matches!(
            self.property("LoadState"),
            "loaded" | "masked" | "bad-setting" | "error"
        )
    }

    /// Whether it is masked.
    pub fn is_masked(&self) -> bool {
        self.property("LoadState") == "masked"
            || self.property("UnitFileState").starts_with("masked")
    }

    /// Whether it runs now.
    pub fn is_active(&self) -> bool {
        matches!(self.property("ActiveState"), "active" | "reloading")
    }

    /// When its main process was started, in seconds since 1970.
    pub fn started(&self) -> Option<i64> {
        self.timestamp("ExecMainStartTimestamp")
    }

    /// When its state last changed, in seconds since 1970: it was started or stopped, or it finished a reload.
    pub fn changed(&self) -> Option<i64> {
        self.timestamp("StateChangeTimestamp")
    }

    fn timestamp(&self, property: &str) -> Option<i64> {
        let text = self.property(property).strip_suffix(" UTC")?;
        let (_, datetime) = text.split_once(' ')?;
        let datetime = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", datetime).ok()?;
        let timestamp = jiff::tz::TimeZone::UTC.to_timestamp(datetime).ok()?;
        Some(timestamp.as_second())
    }
}

/// What the package manager knows of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageState {
    /// The installed version, if it is installed in full.
    pub installed: Option<String>,
    /// dpkg's state word when it is neither installed nor absent, such as `half-configured`.
    pub broken: Option<String>,
    /// It is on hold.
    pub held: bool,
    /// The version that would be installed; asked only when it is not installed.
    pub candidate: Option<String>,
    /// Why it is not known whether there is a candidate.
    pub candidate_unknown: Option<String>,
}

/// What the package manager knows of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryState {
    /// Its index of packages is on the host.
    pub indexed: bool,
}

/// The installed containerd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerdState {
    /// What `containerd --version` names, such as `1.7.24~ds1`; none where there is no containerd.
    pub version: Option<String>,
    /// What `containerd config dump` printed for the config file; none if it failed.
    pub effective: Option<String>,
    /// What it said when it failed, its last line.
    pub failure: Option<String>,
}

/// What the main process of a unit is bound by. It may be another from one moment to the next, so it is no guard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitsState {
    /// How many files it may have open; none if it does not run.
    pub open_files: Option<OpenFiles>,
}

/// How many files a process may have open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    /// What holds until the process raises it.
    pub soft: u64,
    /// As far as it can.
    pub hard: u64,
    /// The most that PID 1 can give, where the kernel allows that much: what it has itself, unless it may raise limits.
    pub bound: u64,
}

/// A kubelet. It may be another from one moment to the next, so it is no guard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubeletState {
    /// What `kubelet --version` names, such as `v1.31.2`; none where there is no such program.
    pub version: Option<String>,
    /// The words of its command line; none if it does not run. A word that holds a newline counts as several.
    pub command_line: Option<Vec<String>>,
}

/// What is at a CRI socket. It may differ from one moment to the next, so it is no guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CriState {
    /// Nothing.
    Absent,
    /// Something that is not a socket.
    NotASocket,
    /// We may not connect to it.
    Denied,
    /// A socket at which nobody listens, or that closes every connection at once.
    Refused,
    /// It is not known: the host has neither a curl that speaks HTTP/2 nor crictl.
    Unasked,
    /// It serves gRPC, but not CRI v1: the runtime's CRI is disabled, failed to load or is too old, and says so.
    NotServed(String),
    /// It did not answer `Version`; the text says why.
    Failed(String),
    /// It answers.
    Answers(CriRuntime),
}

/// A container runtime, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CriRuntime {
    /// Its name, such as `containerd`.
    pub name: String,
    /// Its version, such as `1.7.24~ds1`.
    pub version: String,
    /// The version of the CRI, such as `v1`.
    pub api_version: String,
    /// Whether it can run containers; none if it did not tell.
    pub runtime_ready: Option<CriCondition>,
    /// Whether its network is set up; none if it did not tell. It is not before a CNI plugin came.
    pub network_ready: Option<CriCondition>,
    /// What it says to `RuntimeConfig`.
    pub config: CriRuntimeConfig,
}

/// A condition of a runtime's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CriCondition {
    /// It holds.
    pub holds: bool,
    /// A word for why not.
    pub reason: String,
    /// A sentence for why not.
    pub message: String,
}

/// What a runtime says to `RuntimeConfig`, which the kubelet follows if it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CriRuntimeConfig {
    /// The cgroup driver it runs with.
    Driver(CriCgroupDriver),
    /// It does not know that call, as containerd before 2.0.
    NotImplemented,
    /// It did not tell; the text says why.
    Untold(String),
}

/// Who manages cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CriCgroupDriver {
    /// systemd.
    Systemd,
    /// The runtime, in the file system.
    Cgroupfs,
}

/// All that one probe saw of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// What is asked of every host.
    pub facts: Facts,
    /// The answers to the questions that were asked.
    pub answers: BTreeMap<Question, Answer>,
    /// What hardstand recorded on the host about the resources it changed there, by resource.
    pub receipts: BTreeMap<crate::name::ResourceId, Receipt>,
    /// Units whose restart hardstand began to owe and did not do.
    pub owed: Vec<UnitName>,
    /// The stable part of the answers, line by line, as the host compares it again before it writes.
    pub guards: Vec<Arc<str>>,
    /// What was seen of the cluster; none if the spec names none, or if it could not be asked.
    pub cluster: Option<ClusterState>,
}

/// A question was not answered: it was not asked, or the host could not say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub String);

macro_rules! typed_answer {
    ($(#[$doc:meta])* $method:ident, $question:expr, $from:ty, $variant:ident, $state:ty) => {
        $(#[$doc])*
        pub fn $method(&self, asked: &$from) -> Result<&$state, Unanswered> {
            let question = $question(asked.clone());
            match self.answers.get(&question) {
                Some(Answer::$variant(state)) => Ok(state),
                Some(Answer::Unanswered(reason)) => Err(Unanswered(reason.clone())),
                _ => Err(Unanswered(format!("the host did not answer about {asked}"))),
            }
        }
    };
}

impl Observed {
    typed_answer!(
        /// Returns what is at a path.
        file, Question::File, AbsPath, File, FileState
    );
    typed_answer!(
        /// Returns the running value of a sysctl.
        sysctl, Question::Sysctl, SysctlKey, Sysctl, SysctlState
    );
    typed_answer!(
        /// Returns what is known of a module.
        module, Question::Module, ModuleName, Module, ModuleState
    );
    typed_answer!(
        /// Returns what systemd knows of a unit.
        unit, Question::Unit, UnitName, Unit, UnitState
    );
    /// Returns what is known of a package, whichever question was asked about it.
    pub fn package(&self, asked: &PackageName) -> Result<&PackageState, Unanswered> {
        let questions = [Question::Package, Question::Installed];
        let mut answers = questions
            .iter()
            .filter_map(|question| self.answers.get(&question(asked.clone())));
        match answers.next() {
            Some(Answer::Package(state)) => Ok(state),
            Some(Answer::Unanswered(reason)) => Err(Unanswered(reason.clone())),
            _ => Err(Unanswered(format!("the host did not answer about {asked}"))),
        }
    }

    typed_answer!(
        /// Returns what is known of a repository of packages.
        repository, Question::Repository, RepositoryName, Repository, RepositoryState
    );
    typed_answer!(
        /// Returns what is known of the containerd that reads a config file.
        containerd, Question::Containerd, AbsPath, Containerd, ContainerdState
    );
    typed_answer!(
        /// Returns what is known of the container runtime at a socket.
        cri, Question::Cri, AbsPath, Cri, CriState
    );
    typed_answer!(
        /// Returns what the process of a unit is bound by.
        limits, Question::Limits, UnitName, Limits, LimitsState
    );
    typed_answer!(
        /// Returns what is known of the kubelet that a unit runs.
        kubelet, Question::Kubelet, UnitName, Kubelet, KubeletState
    );

    /// Returns the entries of a directory with an ending.
    pub fn files(&self, directory: &AbsPath, suffix: &str) -> Result<&[FoundFile], Unanswered> {
        let question = Question::Files {
            directory: directory.clone(),
            suffix: suffix.to_owned(),
        };
        match self.answers.get(&question) {
            Some(Answer::Files(files)) => Ok(files),
            Some(Answer::Unanswered(reason)) => Err(Unanswered(reason.clone())),
            _ => Err(Unanswered(format!("the host did not list {directory}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_times_are_read_from_systemd() {
        let mut unit = UnitState::default();
        assert_eq!(unit.started(), None);
        unit.properties.insert(
            "ExecMainStartTimestamp".into(),
            "Mon 2026-11-23 20:12:34 UTC".into(),
        );
        assert_eq!(unit.started(), Some(1_795_464_754));
    }
}
