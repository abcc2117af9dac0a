//! This machine as a host: `sh -s` runs here, by sudo if asked for and not root already.
//!
//! The program has a process group of its own, so a Ctrl-C on the terminal does not reach it. When a limit is exceeded
//! the whole group is killed; what sudo runs as root is out of an ordinary user's reach and ends when it next writes.

use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

use tokio::process::{Child, Command};
use tokio::runtime::{Builder, Runtime};

use super::classify::start_failure;
use super::conversation::{Broken, Heard, Program, converse};
use super::{
    Connector, Ended, Privilege, Request, Target, Transport, TransportError,
    TransportErrorKind as Kind, command,
};
use crate::facts::Os;

/// Connects to this machine, whatever address the target has.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalConnector;

/// This machine.
#[derive(Debug)]
pub struct LocalTransport {
    target: Target,
    runtime: Runtime,
}

/// Where the programs of a system are; nothing of our own environment is passed on.
const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

const ENV: &str = "/usr/bin/env";

impl Connector for LocalConnector {
    fn connect(&self, target: &Target) -> Result<Box<dyn Transport>, TransportError> {
        let transport = LocalTransport::new(target.clone())?;
        Ok(Box::new(transport))
    }
}

impl LocalTransport {
    /// Returns this machine under the name and with the privilege of a target, which must not be one of Windows: `sh`
    /// would read what is meant for PowerShell.
    pub fn new(target: Target) -> Result<Self, TransportError> {
        if target.os == Os::Windows {
            return Err(Kind::NoPowerShell.into());
        }
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| not_started(&error))?;
        Ok(Self { target, runtime })
    }
}

impl Transport for LocalTransport {
    fn run(
        &mut self,
        request: &Request<'_>,
        on_output: &mut dyn FnMut(&[u8]),
    ) -> Result<Ended, TransportError> {
        let heard = self
            .runtime
            .block_on(speak(self.target.privilege, request, on_output))?;
        match start_failure(
            &self.target,
            heard.ended.exit,
            &heard.head,
            &heard.ended.stderr,
        ) {
            Some(kind) => Err(TransportError::new(kind, heard.ended.stderr)),
            None => Ok(heard.ended),
        }
    }
}

async fn speak(
    privilege: Privilege,
    request: &Request<'_>,
    on_output: &mut dyn FnMut(&[u8]),
) -> Result<Heard, TransportError> {
    let mut child = spawn(privilege)?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Kind::Gone.into());
    };
    let group = child.id();
    let exit = async {
        child
            .wait()
            .await
            .map(|status| status.code())
            .map_err(|_| Kind::Lost)
    };
    let heard = converse(
        Program {
            stdin,
            stdout,
            stderr,
            exit,
        },
        request,
        on_output,
    )
    .await;
    match heard {
        Ok(heard) => Ok(heard),
        Err(Broken { kind, stderr }) => {
            kill_group(group).await;
            Err(TransportError::new(kind, stderr))
        }
    }
}

fn spawn(privilege: Privilege) -> Result<Child, TransportError> {
    let privilege = match is_root() {
        true => Privilege::Login,
        false => privilege,
    };
    let words = command(privilege).split(' ').skip(1);
    // It names itself in what it complains about, as it does on a host.
    Command::new(ENV)
        .arg0("env")
        .args(words)
        .env_clear()
        .env("PATH", SYSTEM_PATH)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| not_started(&error))
}

/// Whether this process is root's, so that there is nothing to gain by sudo, which need not be installed.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Kills all that the program started. The shell's own `kill` does it, as the standard library only knows one process.
async fn kill_group(group: Option<u32>) {
    let Some(group) = group else { return };
    let killed = Command::new("/bin/sh")
        .args(["-c", r#"kill -KILL "-$1""#, "sh"])
        .arg(group.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    // There is nothing left to try if it fails; the error being returned already says that something may still run.
    drop(killed);
}

fn not_started(error: &std::io::Error) -> TransportError {
    Kind::ProgramMissing {
        path: ENV.into(),
        reason: error.to_string(),
    }
    .into()
}
