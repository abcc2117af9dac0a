//! A real sshd on a loopback port, with keys, known hosts and a runtime directory of its own. All of it ends with the
//! test.

use std::fs;
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use engine::transport::ssh::{SshConnector, SshSettings};
use engine::transport::{Endpoint, Target};
use tempfile::TempDir;

const SSHD: &str = "/usr/sbin/sshd";

/// A running sshd and all that a client needs to log into it.
pub(crate) struct Sshd {
    pub(crate) port: u16,
    directory: TempDir,
    server: Child,
}

impl Sshd {
    /// Starts one with these lines added to its configuration; none, and a word on standard error, if there is no sshd.
    pub(crate) fn start(settings: &str) -> Option<Self> {
        if !Path::new(SSHD).exists() || !Path::new("/usr/bin/ssh").exists() {
            skip("there is no sshd or ssh on this machine");
            return None;
        }
        fs::create_dir_all("/run/sshd").ok();
        let directory = TempDir::with_prefix("hs").expect("a directory");
        for key in ["host", "id", "other"] {
            make_key(&directory.path().join(key));
        }
        fs::copy(
            directory.path().join("id.pub"),
            directory.path().join("authorized"),
        )
        .expect("a copy");
        let port = free_port();
        let server = spawn(directory.path(), port, settings);
        let sshd = Self {
            port,
            directory,
            server,
        };
        sshd.trust("host");
        wait_until("sshd listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Some(sshd)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes the known-hosts file say that the server has this key.
    pub(crate) fn trust(&self, key: &str) {
        let public = fs::read_to_string(self.path(&format!("{key}.pub"))).expect("a public key");
        let line = format!("[127.0.0.1]:{} {public}", self.port);
        fs::write(self.path("known_hosts"), line).expect("written");
    }

    /// Returns an endpoint that reaches this server under a name.
    pub(crate) fn endpoint(&self, name: &str) -> Endpoint {
        endpoint_at(self.port, self.directory.path(), name)
    }

    pub(crate) fn target(&self, name: &str) -> Target {
        target_at(self.port, self.directory.path(), name)
    }

    pub(crate) fn settings(&self) -> SshSettings {
        settings_at(self.directory.path())
    }

    pub(crate) fn connector(&self) -> SshConnector {
        SshConnector::new(self.settings()).expect("a connector")
    }

    /// Returns the ids of all ssh processes that were started with something of this test's directory.
    pub(crate) fn ssh_processes(&self) -> Vec<u32> {
        let run = as_text(&self.path("run"));
        let is_ours = |id: &u32| {
            let command = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).contains(&run)
        };
        let ids = fs::read_dir("/proc").expect("proc").flatten();
        ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(is_ours)
            .collect()
    }

    pub(crate) fn expect_no_ssh_left(&self) {
        wait_until("all ssh processes are gone", || {
            self.ssh_processes().is_empty()
        });
    }
}

/// Returns a target and settings for a server that another process started.
pub(crate) fn at(port: u16, directory: &Path) -> (Target, SshSettings) {
    (target_at(port, directory, "n1"), settings_at(directory))
}

fn endpoint_at(port: u16, directory: &Path, name: &str) -> Endpoint {
    Endpoint {
        address: Some("127.0.0.1".parse().expect("an address")),
        port: Some(port),
        user: Some(me().parse().expect("a user name")),
        identity_file: Some(as_text(&directory.join("id")).parse().expect("a path")),
        known_hosts: Some(
            as_text(&directory.join("known_hosts"))
                .parse()
                .expect("a path"),
        ),
        ..Endpoint::new(name.parse().expect("a host name"))
    }
}

fn target_at(port: u16, directory: &Path, name: &str) -> Target {
    Target {
        endpoint: endpoint_at(port, directory, name),
        connect_timeout: Duration::from_secs(5),
        ..Target::new(name.parse().expect("a host name"))
    }
}

fn settings_at(directory: &Path) -> SshSettings {
    SshSettings {
        program: "/usr/bin/ssh".into(),
        runtime_directory: directory.join("run"),
        include: vec![directory.join("operator")],
        known_hosts: None,
        environment: vec![
            ("HOME".into(), directory.into()),
            ("PATH".into(), "/usr/bin:/bin".into()),
        ],
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
        self.ssh_processes().into_iter().for_each(kill);
    }
}

fn spawn(directory: &Path, port: u16, settings: &str) -> Child {
    let at = as_text(directory);
    // With another HOME, the login shell reads none of the start-up files of whoever runs the tests.
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nAuthorizedKeysFile {at}/authorized\nStrictModes no\n\
         UsePAM no\nPidFile none\nPermitRootLogin yes\nPasswordAuthentication no\nSetEnv HOME={at}\n{settings}\n"
    );
    fs::write(directory.join("sshd_config"), config).expect("written");
    let log = fs::File::create(directory.join("sshd.log")).expect("a log");
    Command::new(SSHD)
        .args(["-D", "-e", "-f"])
        .arg(directory.join("sshd_config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("sshd starts")
}

fn make_key(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .status();
    assert!(made.expect("ssh-keygen runs").success());
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

pub(crate) fn me() -> String {
    let id = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8(id.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

pub(crate) fn kill(id: u32) {
    Command::new("kill")
        .args(["-KILL", &id.to_string()])
        .stderr(Stdio::null())
        .status()
        .expect("kill runs");
}

pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "not within 10 s: {what}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn skip(reason: &str) {
    writeln!(io::stderr(), "skipped: {reason}").ok();
}

pub(crate) fn as_text(path: &Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}
