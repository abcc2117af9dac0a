//! The way to a host: run one program there, feed it, hear it, and learn how it ended.
//!
//! Start at [`Transport`]. [`ssh`] reaches a fleet, [`local`] this machine. Both are blocking and belong to one thread
//! at a time; `openssh` and `tokio` are named below this module and nowhere else. Nothing here knows what the program
//! or its answers mean.

mod classify;
mod config;
mod conversation;
mod directory;
mod error;
pub mod local;
mod ramp;
pub mod ssh;
mod target;

use std::time::Duration;

use crate::facts::Os;
use crate::farside::windows_command;

pub use error::{TransportError, TransportErrorKind};
pub use target::{Address, Endpoint, Privilege, Target};

/// A host that runs the far-side program. Blocking.
pub trait Transport: Send {
    /// Runs `sh -s` (as root if the target says so) or PowerShell on Windows, feeds it, hands each chunk of its output on, and returns how it
    /// ended.
    ///
    /// What was heard before an error was handed on too. Whether anything may have happened on the host is what
    /// [`TransportError::may_have_run`] says.
    fn run(
        &mut self,
        request: &Request<'_>,
        on_output: &mut dyn FnMut(&[u8]),
    ) -> Result<Ended, TransportError>;
}

/// Opens the way to a host.
pub trait Connector: Sync {
    /// Connects to a host and logs in. Nothing is run there yet.
    fn connect(&self, target: &Target) -> Result<Box<dyn Transport>, TransportError>;
}

/// What to run, and how long and how much it may take.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The program and its data, as `sh -s` reads them.
    pub stdin: &'a [u8],
    /// How long all of it may take.
    pub time_limit: Duration,
    /// How long no byte may move in either direction.
    pub silence_limit: Duration,
    /// How many bytes may come back, counting standard error too.
    pub output_limit: usize,
}

/// How the far-side program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status; none if a signal killed it here. Over ssh that cannot be told from a lost connection, and is
    /// reported as one.
    pub exit: Option<i32>,
    /// The first 64 KiB of its standard error.
    pub stderr: Vec<u8>,
}

/// What the login shell of a host is asked to run.
fn login_command(target: &Target) -> &'static str {
    match target.os {
        Os::Linux => command(target.privilege),
        Os::Windows => windows_command(),
    }
}

/// What the login shell is asked to run on Linux. Plain words, so that every shell reads them alike; `LC_ALL` keeps the
/// complaints of sudo in the one language we know.
fn command(privilege: Privilege) -> &'static str {
    match privilege {
        Privilege::Login => "env LC_ALL=C /bin/sh -s",
        Privilege::Sudo => "env LC_ALL=C sudo -n -- /bin/sh -s",
    }
}
