//! The cluster that a host is a node of (the `cluster` section): how it is asked, and how the node is drained.
//!
//! It makes no resource. What is done to a cluster is planned by the engine, around the changes of the host.

use engine::cluster::{Cluster, Drain, NodeRuntime};
use engine::diagnostic::Problems;
use engine::name::NodeName;
use engine::resource::{Declared, Provider, Section, Sections};
use engine::spec::Node;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::containerd::replacement_endpoint;
use crate::section::{decode, schema};

/// The cluster that the host is a node of. It is asked through your own kubectl, on the machine that hardstand runs on and
/// as your kubeconfig says. Without this section hardstand never speaks to a cluster.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-changes" = "nothing on the host", "x-disrupts" = "nothing by itself"))]
struct ClusterSection {
    /// How the cluster is reached.
    kubectl: KubectlSection,
    /// The name of the node; by default the name of the host, in lower case. A host whose node is not in the cluster is
    /// prepared like any other, and nothing is drained.
    #[schemars(example = &"worker07", extend("x-default" = "the name of the host, in lower case"))]
    node: Option<NodeName>,
    /// Drains the node before a change that its pods would not outlive, and uncordons it once it is ready again; one node
    /// at a time. Changes that need `allowDriverChange` on a node that has joined need it no more. By default nothing is
    /// drained.
    #[schemars(extend(
        "x-changes" = "the node is cordoned and drained before a change that pods would not outlive, and uncordoned after it",
        "x-disrupts" = "the node's pods move to other nodes"
    ))]
    drain: Option<DrainSection>,
}

/// How the cluster is reached.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct KubectlSection {
    /// The context in your kubeconfig; by default the current one. Which kubeconfig is yours to say, with KUBECONFIG: one
    /// may name programs to run, so a spec cannot bring its own.
    #[schemars(example = &"production", extend("x-default" = "the current one"))]
    #[schemars(length(min = 1, max = 253))]
    context: Option<String>,
}

/// How a node is drained: what `kubectl drain` is told. Pods of DaemonSets always stay.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct DrainSection {
    /// How many seconds it may take; 300 by default. If that is not enough, the node is uncordoned again and nothing is
    /// changed on the host.
    #[schemars(range(min = 1, max = 86400))]
    timeout_seconds: u32,
    /// Evicts pods with emptyDir volumes too, which lose what is in them; by default such a pod stops the drain.
    #[schemars(extend("x-disrupts" = "pods lose their emptyDir volumes"))]
    delete_empty_dir_data: bool,
    /// Evicts pods that no controller manages too, which do not come back; by default such a pod stops the drain.
    #[schemars(extend("x-disrupts" = "pods without a controller are gone"))]
    force: bool,
    /// How many seconds each pod has to end; by default what the pod itself says.
    #[schemars(example = 30, extend("x-default" = "what each pod says"))]
    #[schemars(range(min = 1, max = 86400))]
    grace_period_seconds: Option<u32>,
}

impl Default for DrainSection {
    fn default() -> Self {
        Self {
            timeout_seconds: 300,
            delete_empty_dir_data: false,
            force: false,
            grace_period_seconds: None,
        }
    }
}

/// Owns `cluster`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clusters;

impl Provider for Clusters {
    fn sections(&self) -> Vec<Section> {
        vec![Section {
            name: "cluster",
            schema: schema::<ClusterSection>(),
        }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[]
    }

    fn compile(&self, _: &Sections<'_>, _: &mut Problems) -> Vec<Declared> {
        Vec::new()
    }

    fn cluster(&self, sections: &Sections<'_>, problems: &mut Problems) -> Option<Cluster> {
        let ClusterSection {
            kubectl,
            node,
            drain,
        } = decode(sections.all.get("cluster")?, problems)?;
        Some(Cluster {
            context: kubectl.context,
            node,
            drain: drain.map(Drain::from),
            runtime: replacement_endpoint(sections).map(|endpoint| NodeRuntime {
                name: "containerd".to_owned(),
                endpoint,
            }),
            cgroup_driver: cgroup_driver(sections),
        })
    }
}

impl From<DrainSection> for Drain {
    fn from(section: DrainSection) -> Self {
        let DrainSection {
            timeout_seconds,
            delete_empty_dir_data,
            force,
            grace_period_seconds,
        } = section;
        Self {
            timeout_seconds,
            delete_empty_dir_data,
            force,
            grace_period_seconds,
        }
    }
}

/// Returns the cgroup driver that the spec asks for: the kubelet's, or else the runtime's, which must be the same.
fn cgroup_driver(sections: &Sections<'_>) -> Option<String> {
    let kubelet = sections.all.get("kubelet");
    let runtime = sections.all.get("runtime").and_then(|runtime| {
        let entry = runtime.entries().first()?;
        Some(&entry.node)
    });
    [kubelet, runtime]
        .into_iter()
        .flatten()
        .filter_map(|section| section.get("cgroupDriver"))
        .find_map(Node::text)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::compile;

    #[test]
    fn kubectl_is_told_what_the_spec_says() {
        let (graph, problems) = compile(
            "cluster: { kubectl: { context: prod }, node: w1, drain: { force: true, gracePeriodSeconds: 5 } }\n\
             runtime: { containerd: { cgroupDriver: cgroupfs } }\n\
             kubelet: { cgroupDriver: cgroupfs }\n",
        );
        assert_eq!(problems, [""; 0]);
        let expected = Cluster {
            context: Some("prod".to_owned()),
            node: Some("w1".parse().unwrap()),
            drain: Some(Drain {
                timeout_seconds: 300,
                delete_empty_dir_data: false,
                force: true,
                grace_period_seconds: Some(5),
            }),
            runtime: None,
            cgroup_driver: Some("cgroupfs".to_owned()),
        };
        assert_eq!(graph.cluster(), Some(&expected));
    }

    #[test]
    fn no_section_no_cluster() {
        let (graph, _) = compile("kubelet: { cgroupDriver: systemd }");
        assert_eq!(graph.cluster(), None);
        let (graph, _) = compile("cluster: {}");
        assert_eq!(graph.cluster(), Some(&Cluster::default()));
    }
}
