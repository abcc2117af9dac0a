//! Speaks to a cluster through the operator's own kubectl, on the machine that hardstand runs on. Nothing else does.
//!
//! Arguments go as a list, never through a shell, and names cannot be options. Each call is bound in time and in what it
//! may answer. kubectl has a process group of its own, so that a Ctrl-C on the terminal does not leave a node half
//! drained. Which cluster is meant is the operator's kubeconfig and, of a spec, at most the name of a context in it: a
//! kubeconfig may name programs to run, so a spec cannot bring one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::cluster::{CRI_SOCKET, ClusterState, ClusterStep, Drain, KubeletConfig, NodeState};
use crate::name::NodeName;
use crate::untrusted::escape_up_to;

/// How long kubectl waits for one answer of the API server.
const REQUEST_TIMEOUT: &str = "--request-timeout=30s";

/// How long a call may take that waits for nothing but an answer.
const CALL_LIMIT: Duration = Duration::from_secs(90);

/// What a call may take longer than it was told to wait.
const GRACE: Duration = Duration::from_secs(60);

/// Since this minor version the ConfigMap of kubelets has no version in its name.
const UNVERSIONED_SINCE: u32 = 24;

/// The most that kubectl may print: some ten thousand nodes.
const OUTPUT_LIMIT: u64 = 512 << 20;

/// How much of its complaints is kept, and how much of one is shown.
const COMPLAINT_LIMIT: u64 = 64 << 10;
const SHOWN: usize = 600;

/// How often it is looked whether kubectl has ended, and whether a node is ready.
const POLL: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_secs(2);

/// Why the cluster could not be asked, or did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum KubectlError {
    /// There is none.
    #[error("there is no kubectl on this machine; install it, or take `cluster` out of the spec")]
    Missing,
    /// It could not be started or waited for.
    #[error("kubectl cannot be run: {0}")]
    NotRun(io::Error),
    /// It failed.
    #[error("`kubectl {call}` failed: {said}")]
    Failed {
        /// What was called.
        call: String,
        /// What it said last.
        said: String,
    },
    /// It did not end.
    #[error("`kubectl {call}` did not end within {} seconds", .limit.as_secs())]
    TimedOut {
        /// What was called.
        call: String,
        /// How long it had.
        limit: Duration,
    },
    /// What it printed is not what was asked for.
    #[error("`kubectl {call}` printed what cannot be read: {why}")]
    Unreadable {
        /// What was called.
        call: String,
        /// What is wrong with it.
        why: String,
    },
    /// The node did not become what it should within its time.
    #[error("after {seconds} seconds the node {state}")]
    NotReady {
        /// How long was waited.
        seconds: u32,
        /// What it is instead.
        state: String,
    },
}

/// The operator's kubectl for one context.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: String,
    context: Option<String>,
}

/// All that was read of a cluster at once.
#[derive(Debug, Clone, Default)]
pub struct ClusterSnapshot {
    nodes: BTreeMap<String, NodeState>,
    kubelet_config: Option<KubeletConfig>,
    /// By minor version, as clusters before 1.24 have them.
    versioned: BTreeMap<u32, KubeletConfig>,
}

impl Kubectl {
    /// Returns kubectl as it is found on the way that the operator's shell would find it.
    pub fn new(context: Option<String>) -> Self {
        Self {
            program: "kubectl".to_owned(),
            context,
        }
    }

    /// Reads what planning needs of a cluster.
    pub fn read(&self) -> Result<ClusterSnapshot, KubectlError> {
        let nodes: List<Node> = self.get(&["get", "nodes", "--output=json"])?;
        let nodes: BTreeMap<_, _> = nodes.items.into_iter().map(Node::named).collect();
        let kubelet_config = self.kubelet_config("kubelet-config")?;
        let mut versioned = BTreeMap::new();
        if kubelet_config.is_none() {
            let minors = nodes.values().filter_map(|node| minor_of(&node.kubelet));
            let minors: BTreeSet<u32> = minors.filter(|minor| *minor < UNVERSIONED_SINCE).collect();
            for minor in minors {
                let config = self.kubelet_config(&format!("kubelet-config-1.{minor}"))?;
                versioned.extend(config.map(|config| (minor, config)));
            }
        }
        Ok(ClusterSnapshot {
            nodes,
            kubelet_config,
            versioned,
        })
    }

    fn kubelet_config(&self, name: &str) -> Result<Option<KubeletConfig>, KubectlError> {
        let map: Option<ConfigMap> = self.get_one(&[
            "get",
            "configmap",
            "--namespace=kube-system",
            "--ignore-not-found",
            "--output=json",
            "--",
            name,
        ])?;
        Ok(map.map(ConfigMap::kubelet_config))
    }

    /// Reads one node; none if the cluster has none of that name.
    pub fn node(&self, node: &NodeName) -> Result<Option<NodeState>, KubectlError> {
        let node: Option<Node> = self.get_one(&[
            "get",
            "node",
            "--ignore-not-found",
            "--output=json",
            "--",
            node.as_str(),
        ])?;
        Ok(node.map(|node| node.named().1))
    }

    /// Does one step to a node.
    pub fn perform(&self, step: &ClusterStep, node: &NodeName) -> Result<(), KubectlError> {
        match step {
            ClusterStep::Cordon => self.call(&["cordon", "--", node.as_str()], CALL_LIMIT),
            ClusterStep::Drain(drain) => self.drain(*drain, node),
            ClusterStep::Annotate { key, value } => self.call(
                &[
                    "annotate",
                    "--overwrite",
                    "node",
                    "--",
                    node.as_str(),
                    &format!("{key}={value}"),
                ],
                CALL_LIMIT,
            ),
            ClusterStep::AwaitReady { runtime, seconds } => {
                self.await_ready(node, runtime.as_deref(), *seconds)
            }
            ClusterStep::Uncordon => self.call(&["uncordon", "--", node.as_str()], CALL_LIMIT),
        }
    }

    fn drain(&self, drain: Drain, node: &NodeName) -> Result<(), KubectlError> {
        let Drain {
            timeout_seconds,
            delete_empty_dir_data,
            force,
            grace_period_seconds,
        } = drain;
        let timeout = format!("--timeout={timeout_seconds}s");
        let grace = grace_period_seconds.map(|seconds| format!("--grace-period={seconds}"));
        let mut call = vec!["drain", "--ignore-daemonsets", &timeout];
        call.extend(delete_empty_dir_data.then_some("--delete-emptydir-data"));
        call.extend(force.then_some("--force"));
        call.extend(grace.as_deref());
        call.extend(["--", node.as_str()]);
        let limit = Duration::from_secs(timeout_seconds.into()) + GRACE;
        self.call(&call, limit)
    }

    /// Looks at the node until it is ready, however often the API server does not answer meanwhile.
    fn await_ready(
        &self,
        node: &NodeName,
        runtime: Option<&str>,
        seconds: u32,
    ) -> Result<(), KubectlError> {
        let deadline = Instant::now() + Duration::from_secs(seconds.into());
        loop {
            let seen = self.node(node);
            let state = match &seen {
                Ok(None) => "is gone from the cluster".to_owned(),
                Ok(Some(state)) if !state.ready => "is not ready".to_owned(),
                Ok(Some(state)) => match runtime {
                    Some(name) if !state.runtime.starts_with(&format!("{name}://")) => {
                        format!("still uses {}", shown(state.runtime.as_bytes()))
                    }
                    Some(_) | None => return Ok(()),
                },
                Err(error) => format!("cannot be seen: {error}"),
            };
            if Instant::now() >= deadline {
                return Err(KubectlError::NotReady { seconds, state });
            }
            thread::sleep(LOOK);
        }
    }

    fn get<T: DeserializeOwned>(&self, call: &[&str]) -> Result<T, KubectlError> {
        parse(call, &self.run(call, CALL_LIMIT)?)
    }

    /// Gets an object that there may not be.
    fn get_one<T: DeserializeOwned>(&self, call: &[&str]) -> Result<Option<T>, KubectlError> {
        let printed = self.run(call, CALL_LIMIT)?;
        match printed.trim_ascii() {
            [] => Ok(None),
            printed => parse(call, printed).map(Some),
        }
    }

    fn call(&self, call: &[&str], limit: Duration) -> Result<(), KubectlError> {
        self.run(call, limit).map(drop)
    }

    /// Runs kubectl and returns what it printed.
    fn run(&self, call: &[&str], limit: Duration) -> Result<Vec<u8>, KubectlError> {
        let mut command = Command::new(&self.program);
        if let Some(context) = &self.context {
            command.arg(format!("--context={context}"));
        }
        let mut child = command
            .arg(REQUEST_TIMEOUT)
            .args(call)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => KubectlError::Missing,
                _ => KubectlError::NotRun(error),
            })?;
        let output = child.stdout.take().map(|pipe| hear(pipe, OUTPUT_LIMIT));
        let complaints = child.stderr.take().map(|pipe| hear(pipe, COMPLAINT_LIMIT));
        let status = end_of(&mut child, limit)?;
        let (output, complaints) = (heard(output), heard(complaints));
        match status {
            Some(status) if status.success() => Ok(output),
            Some(status) => Err(KubectlError::Failed {
                call: call.join(" "),
                said: last_words(&complaints).unwrap_or_else(|| status.to_string()),
            }),
            None => Err(KubectlError::TimedOut {
                call: call.join(" "),
                limit,
            }),
        }
    }
}

impl ClusterSnapshot {
    /// Returns what was seen of the cluster of one host.
    pub fn of_node(&self, node: Option<&NodeName>) -> ClusterState {
        let node = node.and_then(|node| self.nodes.get(node.as_str())).cloned();
        let minor = node.as_ref().and_then(|node| minor_of(&node.kubelet));
        let versioned = minor.and_then(|minor| self.versioned.get(&minor));
        ClusterState {
            kubelet_config: self.kubelet_config.clone().or_else(|| versioned.cloned()),
            node,
        }
    }
}

/// Returns the minor version of `v1.31.2`.
fn minor_of(version: &str) -> Option<u32> {
    version.strip_prefix("v1.")?.split('.').next()?.parse().ok()
}

/// Waits for the end of kubectl; none if it had to be killed.
fn end_of(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>, KubectlError> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().map_err(KubectlError::NotRun)? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            kill_group(child.id());
            child.wait().map_err(KubectlError::NotRun)?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

/// Kills all that was started. The shell's own `kill` does it, as the standard library only knows one process.
fn kill_group(group: u32) {
    let killed = Command::new("/bin/sh")
        .args(["-c", r#"kill -KILL "-$1""#, "sh"])
        .arg(group.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // There is nothing left to try if it fails.
    drop(killed);
}

/// Reads a pipe to its end beside us, and keeps so much of it.
fn hear(mut pipe: impl Read + Send + 'static, limit: u64) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut kept = Vec::new();
        // A pipe that breaks has ended: how the program ended says more.
        let read = pipe.by_ref().take(limit).read_to_end(&mut kept);
        let rest = io::copy(&mut pipe, &mut io::sink());
        drop((read, rest));
        kept
    })
}

fn heard(pipe: Option<JoinHandle<Vec<u8>>>) -> Vec<u8> {
    pipe.and_then(|pipe| pipe.join().ok()).unwrap_or_default()
}

fn parse<T: DeserializeOwned>(call: &[&str], printed: &[u8]) -> Result<T, KubectlError> {
    serde_json::from_slice(printed).map_err(|error| KubectlError::Unreadable {
        call: call.join(" "),
        why: error.to_string(),
    })
}

/// Returns what kubectl complained about in the end: its last error, after why a drain went on trying, if it did. Lines of
/// its log are for those who develop it, and count only where there are no others.
fn last_words(complaints: &[u8]) -> Option<String> {
    let lines: Vec<&[u8]> = complaints
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .collect();
    let (logged, said): (Vec<&[u8]>, Vec<_>) = lines
        .into_iter()
        .partition(|line| log_message(line).is_some());
    let last_with = |word: &[u8]| {
        let holds = |line: &&&[u8]| line.windows(word.len()).any(|part| part == word);
        said.iter().rev().find(holds).copied()
    };
    let tried = last_with(b"will retry");
    let last = last_with(b"rror").or(said.last().copied());
    let last = last.or_else(|| log_message(logged.last()?));
    let words: Vec<_> = tried
        .into_iter()
        .chain(last.filter(|last| tried != Some(*last)))
        .map(shown)
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// Returns the message of a line of kubectl's own log, such as `E1125 12:00:00.000000    1234 memcache.go:265] message`.
fn log_message(line: &[u8]) -> Option<&[u8]> {
    let (severity, rest) = line.split_first()?;
    let (date, rest) = rest.split_at_checked(4)?;
    let is_log = b"IWEF".contains(severity)
        && date.iter().all(u8::is_ascii_digit)
        && rest.first() == Some(&b' ');
    let end = rest.windows(2).position(|part| part == b"] ")?;
    // Date, time, thread and place stand before the message.
    let n_words = rest[..end]
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty())
        .count();
    (is_log && n_words == 3).then(|| rest[end + 2..].trim_ascii())
}

fn shown(text: &[u8]) -> String {
    escape_up_to(text, SHOWN)
}

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Node {
    metadata: Metadata,
    #[serde(default)]
    spec: NodeSpec,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Default, Deserialize)]
struct NodeSpec {
    #[serde(default)]
    unschedulable: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    node_info: NodeVersions,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeVersions {
    #[serde(default)]
    container_runtime_version: String,
    #[serde(default)]
    kubelet_version: String,
}

impl Node {
    fn named(mut self) -> (String, NodeState) {
        let conditions = &self.status.conditions;
        let ready = conditions
            .iter()
            .any(|condition| condition.kind == "Ready" && condition.status == "True");
        let state = NodeState {
            unschedulable: self.spec.unschedulable,
            ready,
            runtime: self.status.node_info.container_runtime_version,
            kubelet: self.status.node_info.kubelet_version,
            cri_socket: self.metadata.annotations.remove(CRI_SOCKET),
        };
        (self.metadata.name, state)
    }
}

#[derive(Deserialize)]
struct ConfigMap {
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

impl ConfigMap {
    /// Reads the configuration in it; one that cannot be read says nothing.
    fn kubelet_config(self) -> KubeletConfig {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Written {
            cgroup_driver: Option<String>,
        }
        let text = self.data.get("kubelet");
        let written: Option<Written> = text.and_then(|text| serde_yaml::from_str(text).ok());
        KubeletConfig {
            name: self.metadata.name,
            cgroup_driver: written.and_then(|written| written.cgroup_driver),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(limit: Duration, script: &str) -> Result<Vec<u8>, KubectlError> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", script])
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(KubectlError::NotRun)?;
        let output = child.stdout.take().map(|pipe| hear(pipe, 8));
        match end_of(&mut child, limit)? {
            Some(_) => Ok(heard(output)),
            None => Err(KubectlError::TimedOut {
                call: script.to_owned(),
                limit,
            }),
        }
    }

    #[test]
    fn what_hangs_is_killed_with_its_children() {
        let began = Instant::now();
        let ended = shell(Duration::from_millis(200), "sleep 60 & sleep 60");
        assert!(
            matches!(ended, Err(KubectlError::TimedOut { .. })),
            "{ended:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn no_more_is_kept_than_may_be_printed() {
        let printed = shell(Duration::from_secs(20), "echo 0123456789abcdef").unwrap();
        assert_eq!(printed, b"01234567");
    }

    #[test]
    fn a_machine_without_kubectl_is_told() {
        let missing = Kubectl {
            program: "/nonexistent/kubectl".to_owned(),
            context: None,
        };
        let error = missing.read().unwrap_err();
        assert!(
            error.to_string().starts_with("there is no kubectl"),
            "{error}"
        );
    }

    #[test]
    fn the_last_words_of_a_drain_say_why() {
        let said = b"Warning: ignoring x\nerror when evicting a (will retry after 5s): budget\nThere are pending nodes:\n a\n\
            error: unable to drain\x1b[2J\n";
        assert_eq!(
            last_words(said).unwrap(),
            "error when evicting a (will retry after 5s): budget; error: unable to drain\\x1b[2J"
        );
        assert_eq!(last_words(b"a\nb\n").unwrap(), "b");
        assert_eq!(last_words(b"\n"), None);
    }

    #[test]
    fn a_line_of_the_log_is_not_what_a_person_needs() {
        let log = "E1125 12:00:00.000000    1234 memcache.go:265] \"Unhandled Error\" err=\"connection refused\"\n";
        let refused = "The connection to the server localhost:8080 was refused\n";
        for (said, expected) in [
            (format!("{log}{log}{refused}"), refused.trim()),
            (format!("{refused}{log}"), refused.trim()),
            (format!("error: no\n{refused}{log}"), "error: no"),
            (
                log.to_owned(),
                "\"Unhandled Error\" err=\"connection refused\"",
            ),
            (
                "W0101 01:01:01.1 1 a.go:1] \x1b[2J\n".to_owned(),
                "\\x1b[2J",
            ),
            // Not quite lines of the log.
            (
                "E1125 an error] of its own".to_owned(),
                "E1125 an error] of its own",
            ),
            (
                "Error from server (Forbidden): nodes is forbidden".to_owned(),
                "Error from server (Forbidden): nodes is forbidden",
            ),
        ] {
            assert_eq!(last_words(said.as_bytes()).unwrap(), expected);
        }
    }
}
