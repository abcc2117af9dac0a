//! What every end-to-end test needs: nodes of its own, the binary, and words for what came out.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The directory of the examples.
pub(crate) const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

/// Nodes that belong to one test and are gone when it ends.
pub(crate) struct Lab {
    /// The lab's command.
    lab: PathBuf,
    run: String,
    state: PathBuf,
    scratch: TempDir,
}

/// What a command printed and how it ended.
#[derive(Debug)]
#[must_use = "check what came out"]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Lab {
    /// Boots nodes, such as `a=bookworm-containerd`; none where there is no lab.
    pub(crate) fn boot(nodes: &[&str]) -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let Some(lab) = std::env::var_os("HARDSTAND_LAB") else {
            eprintln!("skipped: real nodes need root and the lab; ./tests/run has both");
            return None;
        };
        let lab = PathBuf::from(lab);
        let run = format!(
            "t{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let booted = Command::new(&lab)
            .arg("up")
            .arg(&run)
            .args(nodes)
            .env("HARDSTAND_LAB_OWNER", std::process::id().to_string())
            .output()
            .expect("the lab's command runs");
        assert!(
            booted.status.success(),
            "lab up failed: {}",
            String::from_utf8_lossy(&booted.stderr)
        );
        let state = std::env::var_os("HARDSTAND_LAB_STATE")
            .unwrap_or_else(|| "/var/lib/hardstand-lab".into());
        Some(Self {
            lab,
            state: Path::new(&state).join(&run),
            run,
            scratch: TempDir::new().expect("a directory for the test"),
        })
    }

    /// Writes a file into the test's own directory and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("the test's directory is writable");
        path
    }

    /// Returns a path in the test's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Writes a NodeSpec for all nodes with this body below `spec:`.
    pub(crate) fn spec(&self, body: &str) -> PathBuf {
        let indented: String = body.lines().map(|line| format!("  {line}\n")).collect();
        self.write(
            "spec.yaml",
            &format!(
                "apiVersion: hardstand.dev/v1alpha1\nkind: NodeSpec\nmetadata: {{ name: test }}\n\
                 spec:\n  hosts: all\n{indented}"
            ),
        )
    }

    /// Returns the inventory of the nodes.
    pub(crate) fn inventory(&self) -> PathBuf {
        self.state.join("inventory.yaml")
    }

    /// Returns `hardstand COMMAND -f SPEC -f INVENTORY`, to be completed.
    pub(crate) fn hardstand(&self, command: &str, spec: &Path) -> Command {
        let mut hardstand = self.bare(command);
        hardstand
            .arg("-f")
            .arg(spec)
            .arg("-f")
            .arg(self.inventory());
        hardstand
    }

    /// Returns `hardstand COMMAND` in a clean environment.
    pub(crate) fn bare(&self, command: &str) -> Command {
        let mut hardstand = Command::new(env!("CARGO_BIN_EXE_hardstand"));
        hardstand
            .arg(command)
            .current_dir(self.scratch.path())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.scratch.path())
            .stdin(Stdio::null());
        hardstand
    }

    /// Plans and applies a spec and expects both to succeed.
    pub(crate) fn converge(&self, spec: &Path) {
        let applied = run(self.hardstand("apply", spec).arg("--yes"));
        assert_eq!(applied.code, Some(0), "{applied:#?}");
    }

    /// Plans a spec and expects that nothing is left to do.
    pub(crate) fn expect_no_changes(&self, spec: &Path) {
        let planned = run(self.hardstand("plan", spec).arg("--detailed-exitcode"));
        assert_eq!(planned.code, Some(0), "{planned:#?}");
        assert!(planned.stdout.contains("No changes."), "{planned:#?}");
    }

    /// Runs a command on a node as root and returns what it printed.
    pub(crate) fn on(&self, node: &str, command: &str) -> Ran {
        run(Command::new(&self.lab)
            .arg("ssh")
            .arg(&self.run)
            .arg(format!("root@{node}"))
            .arg(command))
    }

    /// Runs a command on a node as root, expects it to succeed, and returns what it printed without the last newline.
    pub(crate) fn ask(&self, node: &str, command: &str) -> String {
        let ran = self.on(node, command);
        assert_eq!(ran.code, Some(0), "{command}: {ran:#?}");
        ran.stdout.trim_end().to_owned()
    }

    /// Lets chronyd run in a node, which as a container may not set the clock; its package refuses to start it there.
    pub(crate) fn let_chrony_run(&self, node: &str) {
        let _written = self.ask(
            node,
            "mkdir -p /etc/systemd/system/chrony.service.d && cat > /etc/systemd/system/chrony.service.d/lab.conf <<'EOT'\n\
             [Unit]\nConditionCapability=\nConditionVirtualization=\n\
             [Service]\nEnvironmentFile=\nEnvironment=\"DAEMON_OPTS=-x -F 0\"\nEOT\nsystemctl daemon-reload",
        );
    }

    /// Runs `lab VERB RUN NODE`, such as `reboot`.
    pub(crate) fn lab(&self, verb: &str, node: &str) {
        let ran = run(Command::new(&self.lab).arg(verb).arg(&self.run).arg(node));
        assert_eq!(ran.code, Some(0), "lab {verb} {node}: {ran:#?}");
    }

    /// Waits until a command on a node succeeds.
    pub(crate) fn wait_until(&self, node: &str, command: &str) {
        wait_for(&format!("on {node}: {command}"), || {
            self.on(node, command).code == Some(0)
        });
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        match Command::new(&self.lab).arg("down").arg(&self.run).output() {
            Ok(down) if down.status.success() => {}
            other => eprintln!("lab down {} failed: {other:?}", self.run),
        }
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ran {
    command.stdin(Stdio::null());
    told(command.output().expect("the command runs"))
}

/// Starts a command whose output is kept.
pub(crate) fn start(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs")
}

/// Returns how a started command ended.
pub(crate) fn finish(child: Child) -> Ran {
    told(child.wait_with_output().expect("the command ends"))
}

/// Presses Ctrl-C for a started command.
pub(crate) fn interrupt(child: &Child) {
    let signal = run(Command::new("kill").arg("-INT").arg(child.id().to_string()));
    assert_eq!(signal.code, Some(0), "{signal:#?}");
}

/// Waits for a condition, a minute at most.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited for a minute: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn told(output: Output) -> Ran {
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
