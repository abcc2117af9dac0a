//! The cluster that a host is a node of: what the spec says of it, what was seen of it, and the closed vocabulary of what
//! is done to it around the host's own changes. Everything here is data; only `kubectl` speaks to a cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use similar::TextDiff;

use crate::name::{HostName, NodeName};
use crate::shell;

/// The annotation in which kubeadm keeps the endpoint of a node's container runtime.
pub const CRI_SOCKET: &str = "kubeadm.alpha.kubernetes.io/cri-socket";

/// The ConfigMap from which kubeadm writes the configuration of each kubelet, and the key in it.
pub const KUBELET_CONFIG: &str = "kubelet-config";
pub const KUBELET_CONFIG_KEY: &str = "kubelet";

/// Since this minor version the ConfigMap of kubelets has no version in its name.
pub const UNVERSIONED_SINCE: u32 = 24;

/// How long a node may take to be ready again, in seconds. A kubelet tells its state every 10.
const READY_SECONDS: u32 = 300;

/// Lines of context around a change in a diff.
const DIFF_CONTEXT: usize = 3;

/// What a spec says of the cluster that a host is a node of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The context of the operator's kubeconfig; the current one if none.
    pub context: Option<String>,
    /// The node, unless it is called as the host is.
    pub node: Option<NodeName>,
    /// How the node is drained before its pods would be lost; none if it is not.
    pub drain: Option<Drain>,
    /// The runtime that the node is brought to: what the cluster must say of it afterwards.
    pub runtime: Option<NodeRuntime>,
    /// The kubelet's cgroup driver that the spec asks for, if it does.
    pub cgroup_driver: Option<String>,
    /// The cluster's configuration of kubelets is given that driver too.
    pub edit_kubelet_config: bool,
}

/// The container runtime of a node, as a cluster speaks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRuntime {
    /// Its name, such as `containerd`.
    pub name: String,
    /// Its endpoint, such as `unix:///run/containerd/containerd.sock`.
    pub endpoint: String,
}

/// How a node is drained, in kubectl's own words. Pods of DaemonSets stay, since they would come back at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drain {
    /// How long it may take in all, in seconds.
    pub timeout_seconds: u32,
    /// Pods with emptyDir volumes go too, and lose what is in these.
    pub delete_empty_dir_data: bool,
    /// Pods that no controller would start elsewhere go too, for good.
    pub force: bool,
    /// How long each pod has to end, in seconds; what the pod says if none.
    pub grace_period_seconds: Option<u32>,
}

/// All that was read of a cluster at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterSnapshot {
    /// Its nodes, by name.
    pub nodes: BTreeMap<String, NodeState>,
    /// The configurations of kubelets that it has, by the name of the ConfigMap.
    pub kubelet_configs: BTreeMap<String, KubeletConfigMap>,
    /// Why these could not be read; none if they could.
    pub unread: Option<String>,
}

/// A ConfigMap of kubelets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubeletConfigMap {
    /// What is in it under `kubelet`; none if nothing is.
    pub text: Option<String>,
    /// The `cgroupDriver` in that; none if it does not say.
    pub cgroup_driver: Option<String>,
}

/// What was seen of the cluster of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterState {
    /// The node; none if the cluster has no node of that name.
    pub node: Option<NodeState>,
    /// The kubelet's configuration from which kubeadm writes that of each node; none if the cluster has none.
    pub kubelet_config: Option<KubeletConfig>,
    /// Why that could not be read; none if it could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// What a cluster says of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeState {
    /// It is cordoned: nothing new is scheduled on it.
    pub unschedulable: bool,
    /// Its kubelet says that it can run pods.
    pub ready: bool,
    /// Runtime and version, such as `containerd://1.7.24`, as its kubelet told when it last started.
    pub runtime: String,
    /// The version of its kubelet, such as `v1.31.2`.
    pub kubelet: String,
    /// What the annotation of kubeadm says, if it has one.
    pub cri_socket: Option<String>,
}

/// The cluster's configuration of kubelets: a ConfigMap in `kube-system`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubeletConfig {
    /// The ConfigMap: `kubelet-config`, or `kubelet-config-1.X` before 1.24.
    pub name: String,
    /// Its `cgroupDriver`; none if it does not say.
    pub cgroup_driver: Option<String>,
}

/// What is planned for the cluster's side of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterPlan {
    /// The context of the operator's kubeconfig; the current one if none.
    pub context: Option<String>,
    /// The node.
    pub node: NodeName,
    /// What was seen. Apply compares the stable part of it before it begins.
    pub observed: ClusterState,
    /// What is done before anything on the host, in order. If one fails, nothing is done on the host.
    pub before: Vec<ClusterStep>,
    /// What is done once the host is as planned, in order.
    pub after: Vec<ClusterStep>,
    /// What a person should know about the cluster and this host.
    pub notes: Vec<String>,
}

/// What is planned for a cluster as a whole, once, before anything is done to those of its nodes that are in the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterWide {
    /// The context of the operator's kubeconfig; the current one if none.
    pub context: Option<String>,
    /// Why the cluster could not be asked; none if it could.
    pub unasked: Option<String>,
    /// What is done, in order. If one fails, nothing is done to a node of the cluster.
    pub edits: Vec<KubeletConfigEdit>,
    /// Why something that the spec asks for cannot be done. As long as there is a reason, nothing is done to a node either.
    pub refused: Vec<String>,
}

/// One line of the cluster's configuration of kubelets, edited. The whole texts make sure that nobody else's edit is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubeletConfigEdit {
    /// The ConfigMap in `kube-system`: `kubelet-config`, or `kubelet-config-1.X` before 1.24.
    pub config_map: String,
    /// The cgroup driver that it says afterwards.
    pub cgroup_driver: String,
    /// The text as it was read.
    pub before: String,
    /// The text that takes its place.
    pub after: String,
}

/// One effect on a cluster. Each is done by kubectl.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum ClusterStep {
    /// Edits the cluster's configuration of kubelets, if it still is the text that was read. It is of the cluster and not of
    /// a node, so it is done once, before all others. Proven by reading it again. It changes nothing on nodes by itself.
    EditKubeletConfig(KubeletConfigEdit),
    /// Nothing new is scheduled on the node any more. Undone if what follows fails before the host is touched.
    Cordon,
    /// Evicts the node's pods and waits until they are gone. Proven by kubectl, which waits for each.
    Drain(Drain),
    /// Sets an annotation of the node.
    Annotate {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Waits until the node's kubelet says that it is ready, and that it uses this runtime.
    AwaitReady {
        /// The name of the runtime, such as `containerd`; whichever if none.
        runtime: Option<String>,
        /// The kubelet restarts meanwhile, so it must say so anew: a cluster takes a node for ready for a while after its kubelet
        /// stopped.
        anew: bool,
        /// How long it may take, in seconds.
        seconds: u32,
    },
    /// Pods are scheduled on the node again.
    Uncordon,
}

impl ClusterPlan {
    /// Whether anything is done to the cluster.
    pub fn has_steps(&self) -> bool {
        !self.before.is_empty() || !self.after.is_empty()
    }

    /// Whether the node is drained.
    pub fn drains(&self) -> bool {
        let drains = |step: &ClusterStep| matches!(step, ClusterStep::Drain(_));
        self.before.iter().any(drains)
    }

    /// Returns the command by which a person lets pods back on the node.
    pub fn uncordon_command(&self) -> String {
        let context = self.context.as_ref();
        let context = context.map(|context| format!("--context {} ", shell::word(context)));
        format!(
            "kubectl {}uncordon {}",
            context.unwrap_or_default(),
            self.node
        )
    }
}

impl Cluster {
    /// Returns the cgroup driver that the cluster's configuration of kubelets is given; none if it stays as it is.
    pub fn driver_to_set(&self) -> Option<&str> {
        let driver = self.cgroup_driver.as_deref();
        driver.filter(|_| self.edit_kubelet_config)
    }
}

impl ClusterWide {
    /// Whether there is nothing to say of the cluster.
    pub fn is_silent(&self) -> bool {
        let Self {
            context: _,
            unasked,
            edits,
            refused,
        } = self;
        unasked.is_none() && edits.is_empty() && refused.is_empty()
    }
}

impl KubeletConfigEdit {
    /// Returns what changes, as a unified diff.
    pub fn diff(&self) -> String {
        unified_diff(&self.before, &self.after)
    }
}

impl ClusterSnapshot {
    /// Returns what was seen of the cluster of one host.
    pub fn of_node(&self, node: Option<&NodeName>) -> ClusterState {
        let node = node.and_then(|node| self.nodes.get(node.as_str())).cloned();
        let minor = node.as_ref().and_then(|node| minor_of(&node.kubelet));
        let versioned = minor.map(versioned_config);
        let names = [Some(KUBELET_CONFIG.to_owned()), versioned];
        let mut found = names.into_iter().flatten().filter_map(|name| {
            let map = self.kubelet_configs.get(&name)?;
            Some(KubeletConfig {
                name,
                cgroup_driver: map.cgroup_driver.clone(),
            })
        });
        ClusterState {
            kubelet_config: found.next(),
            node,
            unread: self.unread.clone(),
        }
    }
}

/// Returns the minor version of `v1.31.2`.
pub(crate) fn minor_of(version: &str) -> Option<u32> {
    version.strip_prefix("v1.")?.split('.').next()?.parse().ok()
}

/// Returns the name of the ConfigMap that clusters before 1.24 have for kubelets of one minor version.
pub(crate) fn versioned_config(minor: u32) -> String {
    format!("{KUBELET_CONFIG}-1.{minor}")
}

/// Returns the lines that change between two texts, with some around them.
pub(crate) fn unified_diff(before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after)
        .unified_diff()
        .context_radius(DIFF_CONTEXT)
        .to_string()
}

impl ClusterState {
    /// Returns what must be the same when the plan is applied, line by line. Readiness comes and goes.
    pub fn guards(&self) -> Vec<String> {
        let Some(node) = &self.node else {
            return vec!["no such node".to_owned()];
        };
        let NodeState {
            unschedulable,
            ready: _,
            runtime,
            kubelet,
            cri_socket,
        } = node;
        vec![
            format!("node unschedulable={unschedulable}"),
            format!("node runtime={runtime}"),
            format!("node kubelet={kubelet}"),
            format!(
                "node cri-socket={}",
                cri_socket.as_deref().unwrap_or("(none)")
            ),
        ]
    }
}

/// Returns the node that a host is.
pub fn node_of(cluster: &Cluster, host: &HostName) -> Option<NodeName> {
    cluster
        .node
        .clone()
        .or_else(|| host.as_str().to_ascii_lowercase().parse().ok())
}

/// What the changes of a host do to its node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Impact {
    /// Pods are stopped, or lose their runtime.
    pub loses_pods: bool,
    /// The kubelet is stopped and started.
    pub restarts_kubelet: bool,
}

/// Returns what must be done to the cluster around the changes of a host that is a node of it.
///
/// A node whose pods would be lost is drained first, and let back in once it is ready. Annotations are set where the node
/// has them: newer kubeadms keep the endpoint on the node itself.
pub fn bracket(
    cluster: &Cluster,
    host: &HostName,
    observed: &ClusterState,
    impact: Impact,
) -> Option<ClusterPlan> {
    let Impact {
        loses_pods,
        restarts_kubelet,
    } = impact;
    let node = node_of(cluster, host)?;
    let mut plan = ClusterPlan {
        context: cluster.context.clone(),
        node,
        observed: observed.clone(),
        before: Vec::new(),
        after: Vec::new(),
        notes: notes(cluster, observed),
    };
    let Some(state) = &observed.node else {
        if loses_pods && cluster.drain.is_some() {
            let node = &plan.node;
            plan.notes.push(format!(
                "the cluster has no node `{node}`, so none is drained"
            ));
        }
        return Some(plan);
    };
    let drain = cluster.drain.filter(|_| loses_pods);
    let endpoint = cluster.runtime.as_ref().map(|runtime| &runtime.endpoint);
    let annotation = endpoint.filter(|endpoint| {
        let said = state.cri_socket.as_ref();
        said.is_some_and(|said| said != *endpoint)
    });
    if let Some(drain) = drain {
        if !state.unschedulable {
            plan.before.push(ClusterStep::Cordon);
        }
        plan.before.push(ClusterStep::Drain(drain));
    }
    if let Some(endpoint) = annotation {
        plan.after.push(ClusterStep::Annotate {
            key: CRI_SOCKET.to_owned(),
            value: endpoint.clone(),
        });
    }
    if drain.is_some() {
        plan.after.push(ClusterStep::AwaitReady {
            runtime: cluster.runtime.as_ref().map(|runtime| runtime.name.clone()),
            anew: restarts_kubelet,
            seconds: READY_SECONDS,
        });
        if !state.unschedulable {
            plan.after.push(ClusterStep::Uncordon);
        }
    }
    Some(plan)
}

/// Returns what would undo on the node what the spec asks for, unless the plan mends that.
fn notes(cluster: &Cluster, observed: &ClusterState) -> Vec<String> {
    let Some(wanted) = cluster
        .cgroup_driver
        .as_ref()
        .filter(|_| !cluster.edit_kubelet_config)
    else {
        return Vec::new();
    };
    if let Some(why) = &observed.unread {
        return vec![format!(
            "whether the cluster's {KUBELET_CONFIG} says the same cgroup driver is unknown: {why}"
        )];
    }
    // A kubeadm since 1.22 fills in systemd where nothing is said.
    let config = observed.kubelet_config.as_ref();
    let differs = config.filter(|config| {
        let said = config.cgroup_driver.as_deref().unwrap_or("systemd");
        said != wanted
    });
    differs
        .map(|config| {
            let KubeletConfig {
                name,
                cgroup_driver,
            } = config;
            let said = match cgroup_driver {
                Some(driver) => format!("says `cgroupDriver: {driver}`"),
                None => "says nothing of cgroupDriver, which kubeadm takes for systemd".to_owned(),
            };
            format!(
                "the cluster's ConfigMap kube-system/{name} {said}, and the spec `{wanted}`: `kubeadm upgrade node` writes \
                 the node's file from it and would undo the change; `cluster.editKubeletConfig: true` lets the plan set it there too"
            )
        })
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: Drain = Drain {
        timeout_seconds: 60,
        delete_empty_dir_data: false,
        force: false,
        grace_period_seconds: None,
    };

    fn plan(cluster: &Cluster, node: Option<NodeState>, loses_pods: bool) -> ClusterPlan {
        let observed = ClusterState {
            node,
            kubelet_config: Some(KubeletConfig {
                name: "kubelet-config".to_owned(),
                cgroup_driver: Some("cgroupfs".to_owned()),
            }),
            unread: None,
        };
        let impact = Impact {
            loses_pods,
            restarts_kubelet: loses_pods,
        };
        bracket(cluster, &"Worker1".parse().unwrap(), &observed, impact).unwrap()
    }

    fn words(steps: &[ClusterStep]) -> Vec<&'static str> {
        let word = |step: &ClusterStep| match step {
            ClusterStep::EditKubeletConfig(_) => "edit",
            ClusterStep::Cordon => "cordon",
            ClusterStep::Drain(_) => "drain",
            ClusterStep::Annotate { .. } => "annotate",
            ClusterStep::AwaitReady { .. } => "await",
            ClusterStep::Uncordon => "uncordon",
        };
        steps.iter().map(word).collect()
    }

    #[test]
    fn a_node_is_drained_only_for_what_its_pods_do_not_outlive() {
        let drained = Cluster {
            drain: Some(DRAIN),
            ..Cluster::default()
        };
        let cordoned = NodeState {
            unschedulable: true,
            ..NodeState::default()
        };
        let whole = (vec!["cordon", "drain"], vec!["await", "uncordon"]);
        let stays_cordoned = (vec!["drain"], vec!["await"]);
        let nothing = (vec![], vec![]);
        for (cluster, node, loses_pods, expected) in [
            (&drained, Some(NodeState::default()), true, &whole),
            (&drained, Some(cordoned), true, &stays_cordoned),
            (&drained, Some(NodeState::default()), false, &nothing),
            (&drained, None, true, &nothing),
            (
                &Cluster::default(),
                Some(NodeState::default()),
                true,
                &nothing,
            ),
        ] {
            let plan = plan(cluster, node, loses_pods);
            assert_eq!((words(&plan.before), words(&plan.after)), *expected);
            assert_eq!(plan.node.as_str(), "worker1");
        }
    }

    #[test]
    fn an_annotation_that_is_there_is_kept_right() {
        let cluster = Cluster {
            runtime: Some(NodeRuntime {
                name: "containerd".to_owned(),
                endpoint: "unix:///run/containerd/containerd.sock".to_owned(),
            }),
            ..Cluster::default()
        };
        for (said, steps) in [
            (None, vec![]),
            (Some("/var/run/dockershim.sock"), vec!["annotate"]),
            (Some("unix:///run/containerd/containerd.sock"), vec![]),
        ] {
            let node = NodeState {
                cri_socket: said.map(str::to_owned),
                ..NodeState::default()
            };
            assert_eq!(words(&plan(&cluster, Some(node), false).after), steps);
        }
    }

    #[test]
    fn a_configuration_that_kubeadm_would_bring_back_is_told() {
        for (driver, edits, told) in [
            (None, false, false),
            (Some("systemd"), false, true),
            (Some("systemd"), true, false),
            (Some("cgroupfs"), false, false),
        ] {
            let cluster = Cluster {
                cgroup_driver: driver.map(str::to_owned),
                edit_kubelet_config: edits,
                ..Cluster::default()
            };
            let notes = plan(&cluster, None, false).notes;
            assert_eq!(!notes.is_empty(), told, "{notes:?}");
            let names_the_field = |note: &String| note.contains("cluster.editKubeletConfig");
            assert!(notes.iter().all(names_the_field), "{notes:?}");
        }
        let unread = ClusterState {
            unread: Some("forbidden".to_owned()),
            ..ClusterState::default()
        };
        let cluster = Cluster {
            cgroup_driver: Some("systemd".to_owned()),
            ..Cluster::default()
        };
        let plan = bracket(&cluster, &"a".parse().unwrap(), &unread, Impact::default()).unwrap();
        assert!(plan.notes[0].ends_with("is unknown: forbidden"), "{plan:?}");
    }

    #[test]
    fn the_command_to_uncordon_can_be_pasted() {
        let mut plan = plan(&Cluster::default(), None, false);
        assert_eq!(plan.uncordon_command(), "kubectl uncordon worker1");
        plan.context = Some("it's mine".to_owned());
        assert_eq!(
            plan.uncordon_command(),
            "kubectl --context 'it'\\''s mine' uncordon worker1"
        );
    }
}
