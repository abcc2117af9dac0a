//! Hosts over ssh: one authenticated connection each, held by an ssh master that the system's own `ssh` program runs.
//!
//! Start at [`SshConnector`]. Facts that shaped this file (OpenSSH 9.2, openssh 0.11.6):
//!
//! - **We start the master ourselves** and hand its socket to the crate (`Session::new_native_mux`). The crate's own
//!   `launch_master` finds `ssh` by `PATH`, puts no `--` before the destination, waits without a limit, keeps the child
//!   in our process group, and makes an error of the log by guessing.
//! - **Ctrl-C.** ssh is given a process group of its own while it logs in; then it forks into the background (`-f`) and
//!   leads its own session. Commands go over the master's socket (native mux), so there is no process per command. The
//!   terminal's signals reach none of it.
//! - **Ending a master.** The mux protocol's "stop listening", which the crate sends, lets a master live until its last
//!   channel closes. That is right after a run that ended, and never happens if a run was abandoned while the far side
//!   sleeps. So an abandoned master gets `ssh -O exit`.
//! - **After `kill -9`** of our process a master lives for [`CONTROL_PERSIST`] at most once nothing runs over it. The
//!   next run ends it at once (see `directory`).
//! - **Lost or killed?** A remote program that dies of a signal and a connection that breaks look the same over the
//!   socket: end of file. Both are [`Lost`](super::TransportErrorKind::Lost), and so is exit status 255.
//! - **Fingerprints.** ssh names the fingerprint of an unknown key only in its debug log. The host is asked a second
//!   time for it, in this one case.
//!
//! What we do not know: whether the far-side program still runs after an error. It has to see to its own end.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use openssh::{Error as OpensshError, Session};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::classify::{self, Logs, SSH_FAILED, start_failure};
use super::config::{self, CONFIG, Surroundings, jump_log, render, whole_seconds};
use super::conversation::{Broken, Heard, Program, converse};
use super::directory::{LOG, RunDirectory, SOCKET, write_private};
use super::ramp::{Ramp, TRIES, pause_after};
use super::{
    Connector, Ended, Endpoint, Request, Target, Transport, TransportError,
    TransportErrorKind as Kind, login_command,
};

/// What ssh needs to know about this machine and its operator.
#[derive(Debug, Clone)]
pub struct SshSettings {
    /// The ssh program, as an absolute path without odd characters.
    pub program: PathBuf,
    /// Where control sockets live, best below `/run/user/UID`. Made if only the last component is missing.
    pub runtime_directory: PathBuf,
    /// The operator's ssh configurations, the most specific first: `~/.ssh/config`, `/etc/ssh/ssh_config`. Files that
    /// are not there are ignored.
    pub include: Vec<PathBuf>,
    /// Where host keys are looked up, instead of where the operator's configuration says.
    pub known_hosts: Option<PathBuf>,
    /// The whole environment of ssh and its proxies: `HOME`, `PATH`, `SSH_AUTH_SOCK` and what else they need.
    pub environment: Vec<(OsString, OsString)>,
}

/// Opens connections, a bounded number at once, and tries again when a server drops one in the rush.
#[derive(Debug)]
pub struct SshConnector {
    shared: Arc<Shared>,
}

/// One connection to one host. It ends, and so does its ssh master, when this is dropped.
#[derive(Debug)]
pub struct SshTransport {
    shared: Arc<Shared>,
    target: Target,
    session: Option<Session>,
}

#[derive(Debug)]
struct Shared {
    settings: SshSettings,
    runtime: Runtime,
    directory: RunDirectory,
    ramp: Ramp,
}

/// How long a master without a session stays.
pub const CONTROL_PERSIST: Duration = Duration::from_secs(60);

/// How long a login may take after the server said its first word; each machine on the way has the connect timeout too.
const LOGIN_LIMIT: Duration = Duration::from_secs(30);

/// How long a master may take to obey.
const MASTER_PATIENCE: Duration = Duration::from_secs(2);

/// How much of a log is read.
const LOG_READ: u64 = 64 * 1024;

impl SshConnector {
    /// Prepares the runtime directory, ends what a dead run left there, and starts the threads that move bytes.
    pub fn new(settings: SshSettings) -> Result<Self, TransportError> {
        config::plain(&settings.program).map_err(|path| Kind::UnwritablePath { path: path.0 })?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("ssh")
            .enable_all()
            .build()
            .map_err(|error| missing(&settings.program, &error))?;
        let end = |socket: &Path| runtime.block_on(end_master(&settings, socket));
        let directory = RunDirectory::create(&settings.runtime_directory, end)?;
        let shared = Shared {
            settings,
            runtime,
            directory,
            ramp: Ramp::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}

impl Connector for SshConnector {
    fn connect(&self, target: &Target) -> Result<Box<dyn Transport>, TransportError> {
        check(target)?;
        let directory = self.shared.open(target)?;
        Ok(Box::new(SshTransport {
            shared: Arc::clone(&self.shared),
            target: target.clone(),
            session: Some(Session::new_native_mux(directory)),
        }))
    }
}

/// Checks what ssh would fail at in a way that is hard to read.
fn check(target: &Target) -> Result<(), Kind> {
    if let Some(name) = target.repeated() {
        return Err(Kind::JumpLoop { name: name.clone() });
    }
    let identity_files = target
        .path()
        .filter_map(|endpoint| endpoint.identity_file.as_ref());
    for path in identity_files.map(|file| Path::new(file.as_str())) {
        File::open(path).map_err(|_| Kind::NoIdentity {
            path: path.to_owned(),
        })?;
    }
    Ok(())
}

impl Shared {
    /// Logs in, again after a pause if the server dropped the connection in the rush.
    fn open(&self, target: &Target) -> Result<TempDir, TransportError> {
        for attempt in 0..TRIES - 1 {
            let handshake = self.ramp.wait(&first_machine(target));
            match self.log_in(target) {
                Err(error) if classify::is_worth_another_try(&error.kind) => {
                    handshake.was_dropped();
                }
                done => return done,
            }
            thread::sleep(pause_after(attempt));
        }
        let _handshake = self.ramp.wait(&first_machine(target));
        self.log_in(target)
    }

    fn log_in(&self, target: &Target) -> Result<TempDir, TransportError> {
        let directory = self.prepare(target)?;
        self.runtime.block_on(async {
            match launch_master(&self.settings, target, directory.path()).await? {
                Some(status) if status.success() => Ok(()),
                Some(_) => Err(self.login_error(target, directory.path()).await),
                None => Err(too_slow(target, directory.path())),
            }
        })?;
        Ok(directory)
    }

    /// Makes the directory of a connection with the configuration in it.
    fn prepare(&self, target: &Target) -> Result<TempDir, Kind> {
        let unusable = |error: io::Error| Kind::RuntimeDirectory {
            path: self.settings.runtime_directory.clone(),
            reason: error.to_string(),
        };
        let directory = self.directory.connection().map_err(unusable)?;
        let around = Surroundings {
            program: &self.settings.program,
            directory: directory.path(),
            include: &self.settings.include,
            known_hosts: self.settings.known_hosts.as_deref(),
        };
        let config =
            render(target, &around).map_err(|path| Kind::UnwritablePath { path: path.0 })?;
        write_private(&directory.path().join(CONFIG), config.as_bytes()).map_err(unusable)?;
        Ok(directory)
    }

    async fn login_error(&self, target: &Target, directory: &Path) -> TransportError {
        let mut error = classify::connect_error(target, read_logs(target, directory));
        let machine = error
            .at
            .as_ref()
            .unwrap_or(&target.endpoint.name)
            .as_str()
            .to_owned();
        if let Kind::UnknownHostKey { shown, .. } = &mut error.kind {
            let asked = ask_for_host_key(&self.settings, target, directory, &machine).await;
            *shown = asked.or_else(|| shown.take());
        }
        error
    }
}

/// Returns the name by which the handshakes with the first machine on the way are counted.
fn first_machine(target: &Target) -> String {
    let first = target.jumps.first().unwrap_or(&target.endpoint);
    let Endpoint { port, .. } = first;
    format!("{}:{}", first.listens_at(), port.unwrap_or(22))
}

/// Starts the master and waits until it has logged in and gone to the background; none if it took too long.
async fn launch_master(
    settings: &SshSettings,
    target: &Target,
    directory: &Path,
) -> Result<Option<ExitStatus>, TransportError> {
    let mut ssh = ssh(settings);
    ssh.arg("-F").arg(directory.join(CONFIG));
    ssh.arg("-E").arg(directory.join(LOG));
    ssh.arg("-S")
        .arg(directory.join(SOCKET))
        .args(["-M", "-f", "-N"]);
    ssh.arg("-o")
        .arg(format!("ControlPersist={}", whole_seconds(CONTROL_PERSIST)));
    ssh.arg("--").arg(target.endpoint.name.as_str());
    let login = timeout(login_limit(target), ssh.status());
    login
        .await
        .map_or(Ok(None), |status| status.map(Some))
        .map_err(|error| missing(&settings.program, &error))
}

/// Asks a machine for its host key by a login that is bound to fail, with a debug log.
async fn ask_for_host_key(
    settings: &SshSettings,
    target: &Target,
    directory: &Path,
    machine: &str,
) -> Option<String> {
    let log = directory.join("debug.log");
    let mut ssh = ssh(settings);
    ssh.arg("-F")
        .arg(directory.join(CONFIG))
        .arg("-E")
        .arg(&log);
    ssh.args(["-o", "LogLevel=DEBUG1", "-N", "--", machine]);
    timeout(login_limit(target), ssh.status())
        .await
        .ok()?
        .ok()?;
    classify::shown_host_key(&read_log(&log))
}

/// Makes a master close its connection and exit, whatever still runs over it.
async fn end_master(settings: &SshSettings, socket: &Path) {
    let mut ssh = ssh(settings);
    ssh.args(["-F", "none", "-O", "exit", "-S"])
        .arg(socket)
        .args(["--", "master"]);
    // If it does not obey it has ended already, or ends by itself when it has been idle for CONTROL_PERSIST.
    drop(timeout(MASTER_PATIENCE, ssh.status()).await);
}

fn ssh(settings: &SshSettings) -> Command {
    let mut ssh = Command::new(&settings.program);
    ssh.env_clear().envs(
        settings
            .environment
            .iter()
            .map(|(name, value)| (name, value)),
    );
    ssh.stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    ssh.process_group(0).kill_on_drop(true);
    ssh
}

fn login_limit(target: &Target) -> Duration {
    LOGIN_LIMIT
        + target
            .path()
            .map(|_| target.connect_timeout)
            .sum::<Duration>()
}

fn too_slow(target: &Target, directory: &Path) -> TransportError {
    let said = read_logs(target, directory).host;
    TransportError::new(
        Kind::ConnectTimedOut {
            to: target.endpoint.listens_at().to_owned(),
        },
        said,
    )
}

fn missing(program: &Path, error: &io::Error) -> TransportError {
    Kind::ProgramMissing {
        path: program.to_owned(),
        reason: error.to_string(),
    }
    .into()
}

fn read_logs(target: &Target, directory: &Path) -> Logs {
    let jumps =
        (0..target.jumps.len()).map(|position| read_log(&directory.join(jump_log(position))));
    Logs {
        jumps: jumps.collect(),
        host: read_log(&directory.join(LOG)),
    }
}

/// Reads the beginning of a log; one that is not there says nothing.
fn read_log(path: &Path) -> Vec<u8> {
    let mut log = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LOG_READ).read_to_end(&mut log));
    match read {
        Ok(_) => log,
        Err(_) => Vec::new(),
    }
}

impl Transport for SshTransport {
    fn run(
        &mut self,
        request: &Request<'_>,
        on_output: &mut dyn FnMut(&[u8]),
    ) -> Result<Ended, TransportError> {
        let Some(session) = &self.session else {
            return Err(Kind::Gone.into());
        };
        let heard = self
            .shared
            .runtime
            .block_on(speak(session, &self.target, request, on_output));
        let heard = heard.map_err(|error| self.break_off(error))?;
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

impl SshTransport {
    /// Adds what the master said to an error, and ends the connection: whatever still runs over it is not waited for.
    fn break_off(&mut self, broken: Broken) -> TransportError {
        let Broken { kind, mut stderr } = broken;
        if matches!(kind, Kind::SessionRefused) {
            return TransportError::new(kind, stderr);
        }
        if let Some(directory) = self
            .session
            .as_ref()
            .and_then(|session| session.control_socket().parent())
        {
            stderr.extend(read_log(&directory.join(LOG)));
        }
        self.abandon();
        TransportError::new(kind, stderr)
    }

    fn abandon(&mut self) {
        if let Some((socket, directory)) = self.detach() {
            self.shared
                .runtime
                .block_on(end_master(&self.shared.settings, &socket));
            drop(directory);
        }
    }

    /// Lets go of the session and returns its socket and its directory.
    fn detach(&mut self) -> Option<(Box<Path>, Leftover)> {
        let (socket, _) = self.session.take()?.detach();
        let directory = Leftover(socket.parent().map(Path::to_owned));
        Some((socket, directory))
    }
}

impl Drop for SshTransport {
    fn drop(&mut self) {
        let Some((socket, _directory)) = self.detach() else {
            return;
        };
        self.shared.runtime.block_on(async {
            let stop = Session::resume_mux(socket.clone(), None).close();
            let is_stopped = matches!(timeout(MASTER_PATIENCE, stop).await, Ok(Ok(())));
            if !is_stopped && socket.exists() {
                end_master(&self.shared.settings, &socket).await;
            }
        });
    }
}

/// The directory of a connection that has ended; it is removed when this is dropped.
struct Leftover(Option<PathBuf>);

impl Drop for Leftover {
    fn drop(&mut self) {
        if let Some(directory) = self.0.take() {
            // The directory of the whole run is removed later; what is left here goes with it.
            std::fs::remove_dir_all(directory).ok();
        }
    }
}

async fn speak(
    session: &Session,
    target: &Target,
    request: &Request<'_>,
    on_output: &mut dyn FnMut(&[u8]),
) -> Result<Heard, Broken> {
    let patience = request.time_limit.min(request.silence_limit);
    let mut remote = session.raw_command(login_command(target));
    remote
        .stdin(openssh::Stdio::piped())
        .stdout(openssh::Stdio::piped())
        .stderr(openssh::Stdio::piped());
    let spawned = timeout(patience, remote.spawn()).await;
    let mut child = spawned
        .map_err(|_| broken(Kind::NotStarted { after: patience }))?
        .map_err(open_failure)?;
    let (Some(stdin), Some(stdout), Some(stderr)) = (
        child.stdin().take(),
        child.stdout().take(),
        child.stderr().take(),
    ) else {
        return Err(broken(Kind::Gone));
    };
    let exit = async { exit_status(child.wait().await) };
    converse(
        Program {
            stdin,
            stdout,
            stderr,
            exit,
        },
        request,
        on_output,
    )
    .await
}

/// Says why no session was opened. Nothing was fed to the far side, so nothing was run.
fn open_failure(error: OpensshError) -> Broken {
    match error {
        OpensshError::SshMux(refused) => Broken {
            kind: Kind::SessionRefused,
            stderr: refused.to_string().into_bytes(),
        },
        error => Broken {
            kind: Kind::Gone,
            stderr: error.to_string().into_bytes(),
        },
    }
}

fn exit_status(waited: Result<ExitStatus, OpensshError>) -> Result<Option<i32>, Kind> {
    match waited {
        Ok(status) if status.code() == Some(SSH_FAILED) => Err(Kind::Lost),
        Ok(status) => Ok(status.code()),
        // This is how the crate tells of exit status 127.
        Err(OpensshError::Remote(error)) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Some(127))
        }
        Err(_) => Err(Kind::Lost),
    }
}

fn broken(kind: Kind) -> Broken {
    Broken {
        kind,
        stderr: Vec::new(),
    }
}
