//! The closed vocabulary of effects. A plan holds steps, and apply runs exactly those.
//!
//! A new effect is a new variant here, with its disruption, its inverse and its proof, and an arm in the host program.

use serde::{Deserialize, Serialize};

use crate::name::{
    AbsPath, Digest, FileMode, ModuleName, PackageName, PackageVersion, RepositoryName, SysctlKey,
    UnitName, UserName,
};

/// One effect on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Step {
    /// Puts a whole regular file in place, atomically and durably.
    ///
    /// Windows has no mode and no such owners: a new file takes the ACL of its directory, one that is replaced keeps its own.
    WriteFile {
        /// Where.
        path: AbsPath,
        /// The content.
        content: Content,
        /// Permission bits.
        mode: FileMode,
        /// Owner.
        owner: UserName,
        /// Group.
        group: UserName,
        /// What the path must hold just before.
        replaces: Replaces,
        /// A check that the staged file must pass before it is put in place.
        check: Option<FileCheck>,
        /// Units that run an old configuration from here on, until each was restarted.
        owes: Vec<UnitName>,
    },
    /// Removes a regular file or link; a copy is kept in the transaction's backup.
    RemoveFile {
        /// Where.
        path: AbsPath,
        /// What the path must hold just before.
        replaces: Replaces,
        /// Units that run an old configuration from here on, until each was restarted.
        owes: Vec<UnitName>,
    },
    /// Makes a directory whose parent exists.
    CreateDirectory {
        /// Where.
        path: AbsPath,
        /// Permission bits.
        mode: FileMode,
        /// Owner.
        owner: UserName,
        /// Group.
        group: UserName,
    },
    /// Removes an empty directory; one that is not empty fails.
    RemoveDirectory {
        /// Where.
        path: AbsPath,
    },
    /// Sets mode and owners of a file or directory that exists.
    SetAttributes {
        /// Where.
        path: AbsPath,
        /// Permission bits.
        mode: FileMode,
        /// Owner.
        owner: UserName,
        /// Group.
        group: UserName,
    },
    /// Writes the running value of a sysctl.
    SetSysctl {
        /// Which.
        key: SysctlKey,
        /// The value.
        value: String,
    },
    /// Loads a kernel module, with the options of modprobe.d.
    LoadModule {
        /// Which.
        name: ModuleName,
    },
    /// Stops swapping to every area in use.
    StopSwap,
    /// Fetches the index of packages of one repository, and of no other.
    RefreshPackages {
        /// Which.
        repository: RepositoryName,
    },
    /// Installs a package, or brings it to a version.
    InstallPackage {
        /// Which.
        name: PackageName,
        /// The exact version; the candidate if none.
        version: Option<PackageVersion>,
    },
    /// Removes a package and keeps its configuration files.
    RemovePackage {
        /// Which.
        name: PackageName,
    },
    /// Puts a package on hold.
    HoldPackage {
        /// Which.
        name: PackageName,
    },
    /// Takes a package off hold.
    UnholdPackage {
        /// Which.
        name: PackageName,
    },
    /// Makes systemd read unit files again.
    ReloadUnitFiles,
    /// Enables a unit.
    EnableUnit {
        /// Which.
        name: UnitName,
    },
    /// Disables a unit.
    DisableUnit {
        /// Which.
        name: UnitName,
    },
    /// Masks a unit.
    MaskUnit {
        /// Which.
        name: UnitName,
    },
    /// Unmasks a unit.
    UnmaskUnit {
        /// Which.
        name: UnitName,
    },
    /// Starts a unit and waits for its gate. Until it passes, the unit is owed a restart.
    StartUnit {
        /// Which.
        name: UnitName,
        /// What must hold afterwards.
        gate: Gate,
    },
    /// Stops a unit while others change, so that a later step starts it again. If none does, it is started when the
    /// transaction ends, however it ends. A unit that does not run stays as it is.
    PauseUnit {
        /// Which.
        name: UnitName,
    },
    /// Stops a unit.
    StopUnit {
        /// Which.
        name: UnitName,
    },
    /// Notes that units must restart because of what the next steps change, until each was restarted or reloaded. A step that
    /// says itself which units it owes a restart needs none.
    OweRestart {
        /// Which.
        names: Vec<UnitName>,
    },
    /// Restarts a unit and waits for its gate. If the gate fails, the files that owe this restart are put back and the
    /// unit is restarted once more. Until it passes, the restart is owed.
    RestartUnit {
        /// Which.
        name: UnitName,
        /// What must hold afterwards.
        gate: Gate,
    },
    /// Makes a unit read its configuration again without a restart.
    ReloadUnit {
        /// Which.
        name: UnitName,
        /// What must hold afterwards.
        gate: Gate,
    },
}

/// What a path must hold just before a step replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Replaces {
    /// Nothing.
    Nothing,
    /// A regular file with this content.
    File(Digest),
    /// Nothing, or whatever regular file a package step of the same plan put there.
    NothingOrPackaged,
}

/// The content of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Content {
    /// UTF-8 text.
    Text(String),
    /// Other bytes, in base64.
    Base64(#[serde(with = "base64_bytes")] Vec<u8>),
}

/// A check of a staged file by the program that will read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FileCheck {
    /// `containerd --config FILE config dump` must succeed.
    Containerd,
    /// `dockerd --validate --config-file FILE` must succeed; dockerd before 23.0 cannot do it, and is not asked.
    Docker,
}

/// What must hold after a unit was started, restarted or reloaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gate {
    /// How long it may take to become active, in seconds.
    pub start_seconds: u32,
    /// How long it must then stay active without a restart, in seconds.
    pub steady_seconds: u32,
    /// A CRI socket on which the runtime must answer `Version`.
    pub cri_socket: Option<AbsPath>,
}

/// What a change does to what runs on the node, from least to worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Disruption {
    /// Nothing notices.
    #[default]
    None,
    /// A service reads its configuration again.
    Reload,
    /// A service restarts; pods stay.
    Restart,
    /// Pods are stopped or lose their runtime.
    PodLoss,
    /// Only a reboot brings it about.
    Reboot,
}

impl Step {
    /// Returns the units that it owes a restart.
    pub fn owes(&self) -> &[UnitName] {
        match self {
            Self::WriteFile { owes, .. } | Self::RemoveFile { owes, .. } => owes,
            Self::OweRestart { names } => names,
            Self::CreateDirectory { .. }
            | Self::RemoveDirectory { .. }
            | Self::SetAttributes { .. }
            | Self::SetSysctl { .. }
            | Self::LoadModule { .. }
            | Self::StopSwap
            | Self::RefreshPackages { .. }
            | Self::InstallPackage { .. }
            | Self::RemovePackage { .. }
            | Self::HoldPackage { .. }
            | Self::UnholdPackage { .. }
            | Self::ReloadUnitFiles
            | Self::EnableUnit { .. }
            | Self::DisableUnit { .. }
            | Self::MaskUnit { .. }
            | Self::UnmaskUnit { .. }
            | Self::StartUnit { .. }
            | Self::PauseUnit { .. }
            | Self::StopUnit { .. }
            | Self::RestartUnit { .. }
            | Self::ReloadUnit { .. } => &[],
        }
    }

    /// Returns what the step does to what runs on the node. A resource may know worse of its own step.
    pub fn disruption(&self) -> Disruption {
        match self {
            Self::RestartUnit { .. } | Self::PauseUnit { .. } | Self::StopUnit { .. } => {
                Disruption::Restart
            }
            Self::ReloadUnit { .. } => Disruption::Reload,
            Self::WriteFile { .. }
            | Self::RemoveFile { .. }
            | Self::CreateDirectory { .. }
            | Self::RemoveDirectory { .. }
            | Self::SetAttributes { .. }
            | Self::SetSysctl { .. }
            | Self::LoadModule { .. }
            | Self::StopSwap
            | Self::RefreshPackages { .. }
            | Self::InstallPackage { .. }
            | Self::RemovePackage { .. }
            | Self::HoldPackage { .. }
            | Self::UnholdPackage { .. }
            | Self::OweRestart { .. }
            | Self::ReloadUnitFiles
            | Self::EnableUnit { .. }
            | Self::DisableUnit { .. }
            | Self::MaskUnit { .. }
            | Self::UnmaskUnit { .. }
            | Self::StartUnit { .. } => Disruption::None,
        }
    }
}

impl Content {
    /// Returns content for bytes: text if they are UTF-8.
    pub fn new(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Base64(error.into_bytes()), Self::Text)
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Base64(bytes) => bytes,
        }
    }

    /// Returns the digest of the bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(self.bytes())
    }
}

/// Bytes as base64 in JSON.
mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}
