//! How hosts are reached from here: ssh with the operator's own configuration, or this machine itself.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use engine::plan::Via;
use engine::transport::Connector;
use engine::transport::local::LocalConnector;
use engine::transport::ssh::{SshConnector, SshSettings};

use crate::error::{CommandError, ErrorKind};

/// Returns the operator's home directory.
pub(super) fn home() -> Option<PathBuf> {
    env::var_os("HOME")
        .map(PathBuf::from)
        .filter(|home| home.is_absolute())
}

/// Returns who applies, for the hosts' records: user and machine.
pub(super) fn operator() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(env::var_os);
    let user = user.unwrap_or_else(|| "unknown".into());
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}@{}", user.to_string_lossy(), machine.trim())
}

/// Returns the way to the hosts of a plan.
pub(super) fn connector(via: Via) -> Result<Box<dyn Connector>, CommandError> {
    match via {
        Via::Local => Ok(Box::new(LocalConnector)),
        Via::Ssh => {
            let connector = SshConnector::new(ssh_settings()?).map_err(|error| {
                let help = error.help();
                let failed = CommandError::caused(ErrorKind::Failed, "cannot use ssh", error);
                help.into_iter().fold(failed, CommandError::hint)
            })?;
            Ok(Box::new(connector))
        }
    }
}

fn ssh_settings() -> Result<SshSettings, CommandError> {
    let program = find_program("ssh").ok_or_else(|| {
        CommandError::new(ErrorKind::Failed, "there is no ssh here")
            .hint("install the package openssh-client")
    })?;
    let home = home();
    let include = home
        .iter()
        .map(|home| home.join(".ssh/config"))
        .chain([PathBuf::from("/etc/ssh/ssh_config")]);
    Ok(SshSettings {
        program,
        runtime_directory: runtime_directory(home.as_deref())?,
        include: include.collect(),
        known_hosts: None,
        environment: env::vars_os().collect(),
    })
}

/// Returns a directory of ours alone that does not outlive the session, if there is one.
fn runtime_directory(home: Option<&Path>) -> Result<PathBuf, CommandError> {
    let session = env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_dir());
    let root = || Some(PathBuf::from("/run")).filter(|run| is_writable(run));
    session
        .or_else(root)
        .map(|parent| parent.join("hardstand"))
        .or_else(|| home.map(|home| home.join(".hardstand")))
        .ok_or_else(|| {
            CommandError::new(
                ErrorKind::Failed,
                "there is no place for the sockets of ssh",
            )
            .hint("set XDG_RUNTIME_DIR or HOME")
        })
}

fn is_writable(directory: &Path) -> bool {
    tempfile::tempfile_in(directory).is_ok()
}

fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| OsStr::new("/usr/bin:/bin").to_owned());
    env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}
