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

use crate::cluster::{
    CRI_SOCKET, ClusterSnapshot, ClusterStep, Drain, KUBELET_CONFIG, KUBELET_CONFIG_KEY,
    KubeletConfigEdit, KubeletConfigMap, NodeState, UNVERSIONED_SINCE, minor_of, unified_diff,
    versioned_config,
};
use crate::name::NodeName;
use crate::untrusted::escape_up_to;

/// How long kubectl waits for one answer of the API server.
const REQUEST_TIMEOUT: &str = "--request-timeout=30s";

/// How long a call may take that waits for nothing but an answer.
const CALL_LIMIT: Duration = Duration::from_secs(90);

/// What a call may take longer than it was told to wait.
const GRACE: Duration = Duration::from_secs(60);

/// The most that kubectl may print: some ten thousand nodes.
const OUTPUT_LIMIT: u64 = 512 << 20;

/// How much of its complaints is kept, and how much of one is shown.
const COMPLAINT_LIMIT: u64 = 64 << 10;
const SHOWN: usize = 600;

/// The argument that carries a patch.
const PATCH: &str = "--patch=";

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
    /// What was to be edited is not as it was planned. Nothing was written.
    #[error("the ConfigMap kube-system/{config_map} is not as it was planned")]
    Changed {
        /// The ConfigMap.
        config_map: String,
        /// What is different since it was planned, line by line.
        lines: Vec<String>,
    },
    /// An edit was not made. Nothing was written.
    #[error("the ConfigMap kube-system/{config_map} was not edited: {why}")]
    NotEdited {
        /// The ConfigMap.
        config_map: String,
        /// Why.
        why: String,
    },
    /// It cannot be told whether an edit was made.
    #[error("whether the ConfigMap kube-system/{config_map} was edited is not known: {why}")]
    Unsure {
        /// The ConfigMap.
        config_map: String,
        /// Why.
        why: String,
    },
    /// An edit was made, and yet the text is another.
    #[error(
        "the ConfigMap kube-system/{config_map} was edited, and its text is another all the same"
    )]
    NotKept {
        /// The ConfigMap.
        config_map: String,
    },
}

/// The node that steps are done to.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its name.
    pub node: NodeName,
    /// When its kubelet last told of itself before it was restarted; none if nobody looked, or if it never did.
    pub heartbeat: Option<String>,
}

/// The operator's kubectl for one context.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: String,
    context: Option<String>,
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
        // Who may drain need not be allowed to read this, and most plans do without.
        let (kubelet_configs, unread) = match self.kubelet_configs(&nodes) {
            Ok(configs) => (configs, None),
            Err(error) => (BTreeMap::new(), Some(error.to_string())),
        };
        Ok(ClusterSnapshot {
            nodes,
            kubelet_configs,
            unread,
        })
    }

    /// Reads the configuration of kubelets; those of the versions that nodes have, where there is not one for all.
    fn kubelet_configs(
        &self,
        nodes: &BTreeMap<String, NodeState>,
    ) -> Result<BTreeMap<String, KubeletConfigMap>, KubectlError> {
        if let Some(config) = self.kubelet_config(KUBELET_CONFIG)? {
            return Ok([(KUBELET_CONFIG.to_owned(), config)].into());
        }
        let minors = nodes.values().filter_map(|node| minor_of(&node.kubelet));
        let minors: BTreeSet<u32> = minors.filter(|minor| *minor < UNVERSIONED_SINCE).collect();
        let mut versioned = BTreeMap::new();
        for name in minors.into_iter().map(versioned_config) {
            if let Some(config) = self.kubelet_config(&name)? {
                versioned.insert(name, config);
            }
        }
        Ok(versioned)
    }

    fn kubelet_config(&self, name: &str) -> Result<Option<KubeletConfigMap>, KubectlError> {
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
        Ok(self.get_node(node)?.map(|node| node.named().1))
    }

    /// Reads when the kubelet of a node last told of itself.
    pub fn heartbeat(&self, node: &NodeName) -> Result<Option<String>, KubectlError> {
        let node = self.get_node(node)?;
        Ok(node.and_then(|node| node.ready()?.last_heartbeat_time.clone()))
    }

    fn get_node(&self, node: &NodeName) -> Result<Option<Node>, KubectlError> {
        self.get_one(&[
            "get",
            "node",
            "--ignore-not-found",
            "--output=json",
            "--",
            node.as_str(),
        ])
    }

    /// Edits the cluster's configuration of kubelets, and reads it again. What was edited already stays as it is; what is
    /// another text than was planned is left alone, whoever is faster.
    pub fn edit_kubelet_config(&self, edit: &KubeletConfigEdit) -> Result<(), KubectlError> {
        let KubeletConfigEdit {
            config_map,
            cgroup_driver: _,
            before,
            after,
        } = edit;
        let text = |config: Option<KubeletConfigMap>| config.and_then(|config| config.text);
        let changed = |found: Option<&String>| KubectlError::Changed {
            config_map: config_map.clone(),
            lines: changed_lines(before, found.map_or("", String::as_str)),
        };
        match text(self.kubelet_config(config_map)?) {
            Some(found) if found == *after => return Ok(()),
            Some(found) if found == *before => {}
            found => return Err(changed(found.as_ref())),
        }
        let patched = self.call(&patch_call(edit), CALL_LIMIT);
        let config_map = config_map.clone();
        // Only the cluster can tell what became of it.
        let found = match self.kubelet_config(&edit.config_map) {
            Ok(found) => text(found),
            Err(error) => {
                let why = patched.err().unwrap_or(error).to_string();
                return Err(KubectlError::Unsure { config_map, why });
            }
        };
        if found.as_ref() == Some(after) {
            return Ok(());
        }
        match patched {
            Ok(()) => Err(KubectlError::NotKept { config_map }),
            // What kubectl sent may still be under way.
            Err(error @ KubectlError::TimedOut { .. }) => {
                let why = error.to_string();
                Err(KubectlError::Unsure { config_map, why })
            }
            Err(error) if found.as_ref() == Some(before) => {
                let why = error.to_string();
                Err(KubectlError::NotEdited { config_map, why })
            }
            Err(_) => Err(changed(found.as_ref())),
        }
    }

    /// Does one step; one that is not of the whole cluster, to a node.
    pub fn perform(&self, step: &ClusterStep, subject: &Subject) -> Result<(), KubectlError> {
        let node = &subject.node;
        match step {
            ClusterStep::EditKubeletConfig(edit) => self.edit_kubelet_config(edit),
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
            ClusterStep::AwaitReady {
                runtime,
                anew,
                seconds,
            } => {
                let heard = subject.heartbeat.as_deref().filter(|_| *anew);
                self.await_ready(node, runtime.as_deref(), heard, *seconds)
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

    /// Looks at the node until it is ready, however often the API server does not answer meanwhile. What its kubelet told at
    /// the time that was heard of already does not count.
    fn await_ready(
        &self,
        node: &NodeName,
        runtime: Option<&str>,
        heard: Option<&str>,
        seconds: u32,
    ) -> Result<(), KubectlError> {
        let deadline = Instant::now() + Duration::from_secs(seconds.into());
        loop {
            let seen = self.get_node(node);
            let state = match seen {
                Ok(None) => "is gone from the cluster".to_owned(),
                Ok(Some(node)) => match node.shortcoming(runtime, heard) {
                    Some(shortcoming) => shortcoming,
                    None => return Ok(()),
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

    fn call(&self, call: &[impl AsRef<str>], limit: Duration) -> Result<(), KubectlError> {
        self.run(call, limit).map(drop)
    }

    /// Runs kubectl and returns what it printed.
    fn run(&self, call: &[impl AsRef<str>], limit: Duration) -> Result<Vec<u8>, KubectlError> {
        let mut command = Command::new(&self.program);
        if let Some(context) = &self.context {
            command.arg(format!("--context={context}"));
        }
        let mut child = command
            .arg(REQUEST_TIMEOUT)
            .args(call.iter().map(AsRef::as_ref))
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
                call: told(call),
                said: last_words(&complaints).unwrap_or_else(|| status.to_string()),
            }),
            None => Err(KubectlError::TimedOut {
                call: told(call),
                limit,
            }),
        }
    }
}

/// Returns the call that edits a ConfigMap as one: the API server itself compares the old text. It compares JSON byte by byte;
/// that fits, since kubectl writes the patch anew as Go does.
fn patch_call(edit: &KubeletConfigEdit) -> [String; 7] {
    let path = format!("/data/{KUBELET_CONFIG_KEY}");
    let patch = serde_json::json!([
        { "op": "test", "path": path, "value": edit.before },
        { "op": "replace", "path": path, "value": edit.after },
    ]);
    [
        "patch".to_owned(),
        "configmap".to_owned(),
        "--namespace=kube-system".to_owned(),
        "--type=json".to_owned(),
        format!("{PATCH}{patch}"),
        "--".to_owned(),
        edit.config_map.clone(),
    ]
}

/// Returns a call as it is told to people: without the texts that it carries.
fn told(call: &[impl AsRef<str>]) -> String {
    let words = call.iter().map(|word| match word.as_ref() {
        word if word.starts_with(PATCH) => "--patch=...",
        word => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Returns the lines that went away and those that are new, fit for a terminal.
fn changed_lines(planned: &str, found: &str) -> Vec<String> {
    let diff = unified_diff(planned, found);
    let changed = diff.lines().filter(|line| line.starts_with(['-', '+']));
    changed.map(|line| shown(line.as_bytes())).collect()
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
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    last_heartbeat_time: Option<String>,
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
    /// Returns what its kubelet last told about whether it is ready.
    fn ready(&self) -> Option<&Condition> {
        let mut conditions = self.status.conditions.iter();
        conditions.find(|condition| condition.kind == "Ready")
    }

    fn is_ready(&self) -> bool {
        self.ready()
            .is_some_and(|condition| condition.status == "True")
    }

    /// Returns what the node lacks to be ready with a runtime, as its kubelet tells since it was last heard of.
    fn shortcoming(&self, runtime: Option<&str>, heard: Option<&str>) -> Option<String> {
        let told = self
            .ready()
            .and_then(|condition| condition.last_heartbeat_time.as_deref());
        let used = &self.status.node_info.container_runtime_version;
        if !self.is_ready() {
            Some("is not ready".to_owned())
        } else if heard.is_some() && told == heard {
            Some("has not told of itself since its kubelet restarted".to_owned())
        } else if runtime.is_some_and(|name| !used.starts_with(&format!("{name}://"))) {
            Some(format!("still uses {}", shown(used.as_bytes())))
        } else {
            None
        }
    }

    fn named(mut self) -> (String, NodeState) {
        let ready = self.is_ready();
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
    #[serde(default)]
    data: BTreeMap<String, String>,
}

impl ConfigMap {
    /// Reads the configuration in it; one that cannot be read says nothing.
    fn kubelet_config(mut self) -> KubeletConfigMap {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Written {
            cgroup_driver: Option<String>,
        }
        let text = self.data.remove(KUBELET_CONFIG_KEY);
        let written: Option<Written> = text
            .as_ref()
            .and_then(|text| serde_yaml::from_str(text).ok());
        KubeletConfigMap {
            cgroup_driver: written.and_then(|written| written.cgroup_driver),
            text,
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

    #[test]
    fn a_patch_is_not_told_in_full() {
        let edit = KubeletConfigEdit {
            config_map: "kubelet-config".to_owned(),
            cgroup_driver: "systemd".to_owned(),
            before: "a\n".to_owned(),
            after: "\"b\"\r\n".to_owned(),
        };
        let call = patch_call(&edit);
        assert_eq!(
            told(&call),
            "patch configmap --namespace=kube-system --type=json --patch=... -- kubelet-config"
        );
        let patch: serde_json::Value = serde_json::from_str(&call[4][PATCH.len()..]).unwrap();
        assert_eq!(patch[0]["value"], edit.before);
        assert_eq!(patch[1]["value"], edit.after);
    }

    #[test]
    fn a_node_is_ready_when_its_kubelet_says_so_anew() {
        let node = |status: &str, told: &str| -> Node {
            serde_json::from_value(serde_json::json!({
                "metadata": { "name": "a" },
                "status": {
                    "conditions": [
                        { "type": "MemoryPressure", "status": "False", "lastHeartbeatTime": "x" },
                        { "type": "Ready", "status": status, "lastHeartbeatTime": told },
                    ],
                    "nodeInfo": { "containerRuntimeVersion": "containerd://1.7.24" },
                },
            }))
            .unwrap()
        };
        let (before, after) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z");
        for (node, runtime, heard, lacks) in [
            (node("True", before), None, None, None),
            (
                node("True", before),
                None,
                Some(before),
                Some("has not told of itself"),
            ),
            (node("True", after), None, Some(before), None),
            (
                node("False", after),
                None,
                Some(before),
                Some("is not ready"),
            ),
            (node("Unknown", before), None, None, Some("is not ready")),
            (node("True", after), Some("containerd"), Some(before), None),
            (
                node("True", after),
                Some("cri-o"),
                Some(before),
                Some("still uses containerd"),
            ),
        ] {
            let found = node.shortcoming(runtime, heard);
            match lacks {
                Some(lacks) => assert!(found.unwrap().starts_with(lacks)),
                None => assert_eq!(found, None),
            }
        }
        let silent: Node = serde_json::from_str(r#"{ "metadata": { "name": "a" } }"#).unwrap();
        assert_eq!(silent.shortcoming(None, None).unwrap(), "is not ready");
    }
}
