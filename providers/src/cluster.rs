//! The cluster that a host is a node of (the `cluster` section): how it is asked, and how the node is drained.
//!
//! It makes no resource. What is done to a cluster is planned by the engine, around the changes of the host.

use engine::cluster::{Cluster, Drain, NodeRuntime};
use engine::diagnostic::{Diagnostic, Problems};
use engine::name::NodeName;
use engine::resource::{Declared, Provider, Section, Sections};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::containerd::replacement_endpoint;
use crate::kubelet;
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
    /// Sets the cgroup driver of `kubelet`, or else of `runtime`, in the cluster's ConfigMap `kubelet-config` too: once, before
    /// any node is touched, and only if nobody edits it meanwhile. It changes nothing on nodes by itself: `kubeadm join` and
    /// `kubeadm upgrade node` write each node's file from it. By default a plan only says that it differs.
    #[schemars(extend(
        "x-changes" = "nothing on the host; `cgroupDriver` in the cluster's ConfigMap `kubelet-config`",
        "x-disrupts" = "nothing by itself"
    ))]
    edit_kubelet_config: bool,
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
        let section = sections.all.get("cluster")?;
        let ClusterSection {
            kubectl,
            node,
            drain,
            edit_kubelet_config,
        } = decode(section, problems)?;
        let cgroup_driver = kubelet::driver(sections);
        if edit_kubelet_config && cgroup_driver.is_none() {
            let message = "`editKubeletConfig` has no cgroup driver to set";
            problems.push(
                Diagnostic::error("E292", section.span_at(&["editKubeletConfig"]), message)
                    .help("name a `runtime`, or set `kubelet.cgroupDriver`"),
            );
        }
        Some(Cluster {
            context: kubectl.context,
            node,
            drain: drain.map(Drain::from),
            runtime: replacement_endpoint(sections).map(|endpoint| NodeRuntime {
                name: "containerd".to_owned(),
                endpoint,
            }),
            cgroup_driver,
            edit_kubelet_config,
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

#[cfg(test)]
mod tests {
    use engine::cluster::{
        ClusterSnapshot, ClusterState, ClusterStep, KUBELET_CONFIG, KubeletConfigMap, NodeState,
    };
    use engine::name::HostName;
    use engine::plan::{Clusters, plan_clusters};
    use engine::step::Step;

    use super::*;
    use crate::testing::{Machine, compile};

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
            edit_kubelet_config: false,
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

    #[test]
    fn the_driver_of_the_cluster_is_that_of_the_node() {
        for (spec, driver) in [
            ("kubelet: { cgroupDriver: cgroupfs }", Some("cgroupfs")),
            ("kubelet: {}\nruntime: { containerd: {} }", Some("systemd")),
            (
                "runtime: { crio: { cgroupDriver: cgroupfs } }",
                Some("cgroupfs"),
            ),
            ("kubelet: { failSwapOn: true }", None),
            ("sysctls: { net.ipv4.ip_forward: 1 }", None),
        ] {
            for edits in [true, false] {
                let spec = format!("{spec}\ncluster: {{ editKubeletConfig: {edits} }}\n");
                let (graph, problems) = compile(&spec);
                let cluster = graph.cluster().unwrap();
                assert_eq!(cluster.cgroup_driver.as_deref(), driver, "{spec}");
                assert_eq!(cluster.driver_to_set(), driver.filter(|_| edits), "{spec}");
                let complains = problems.iter().any(|problem| problem.contains("E292"));
                assert_eq!(complains, edits && driver.is_none(), "{spec}: {problems:?}");
            }
        }
    }

    /// Plans to set systemd in the ConfigMap of a cluster. Returns its text afterwards, or why it is not edited.
    fn edited(text: &str) -> Result<String, String> {
        let host: HostName = "a".parse().unwrap();
        let cluster = Cluster {
            cgroup_driver: Some("systemd".to_owned()),
            edit_kubelet_config: true,
            ..Cluster::default()
        };
        let config = KubeletConfigMap {
            text: Some(text.to_owned()),
            cgroup_driver: None,
        };
        let snapshot = ClusterSnapshot {
            kubelet_configs: [(KUBELET_CONFIG.to_owned(), config)].into(),
            ..ClusterSnapshot::default()
        };
        let clusters = Clusters::from([(None, Ok(snapshot))]);
        let mut planned = plan_clusters(&[(&host, &cluster)], &clusters, &crate::registry());
        let wide = planned.pop().unwrap();
        match wide.edits.into_iter().next() {
            Some(edit) => Ok(edit.after),
            None => Err(wide.refused.join("; ")),
        }
    }

    /// What kubeadm 1.31 writes, as far as it matters.
    const KUBEADM: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nauthentication:\n  anonymous:\n    enabled: false\n\
                           cgroupDriver: cgroupfs\nclusterDNS:\n- 10.96.0.10\nkind: KubeletConfiguration\nlogging:\n  \
                           flushFrequency: 0\n  options:\n    json:\n      infoBufferSize: \"0\"\n";

    #[test]
    fn one_line_of_the_configuration_is_edited() {
        for (from, to, after) in [
            ("", "", "cgroupDriver: systemd\n"),
            (
                ": cgroupfs",
                ": \"cgroupfs\"",
                "cgroupDriver: \"systemd\"\n",
            ),
            (
                ": cgroupfs",
                ": 'cgroupfs'   # why",
                "cgroupDriver: 'systemd'   # why\n",
            ),
            (
                "cgroupDriver",
                "\"cgroupDriver\"",
                "\"cgroupDriver\": systemd\n",
            ),
            (": cgroupfs", ":\tother", "cgroupDriver:\tsystemd\n"),
            (": cgroupfs", ": null", "cgroupDriver: systemd\n"),
        ] {
            let before = KUBEADM.replacen(from, to, usize::from(!from.is_empty()));
            let line = before
                .split_inclusive('\n')
                .find(|line| line.contains("cgroupDriver"))
                .unwrap();
            assert_eq!(edited(&before).unwrap(), before.replace(line, after));
        }
        let crlf = KUBEADM.replace('\n', "\r\n");
        assert_eq!(edited(&crlf).unwrap(), crlf.replace("cgroupfs", "systemd"));
        let absent = KUBEADM.replace("cgroupDriver: cgroupfs\n", "");
        assert_eq!(
            edited(&absent).unwrap(),
            format!("{absent}cgroupDriver: systemd\n")
        );
        let lines = format!("# mine\n---\n{KUBEADM}# cgroupDriver: cgroupfs\n");
        let once = lines.replacen("cgroupfs", "systemd", 1);
        assert_eq!(edited(&lines).unwrap(), once);
    }

    #[test]
    fn what_is_no_plain_line_is_not_guessed_at() {
        let with = |value: &str| KUBEADM.replacen("cgroupfs", value, 1);
        for (text, reason) in [
            (
                with("{ a: b }"),
                "the value of cgroupDriver is no plain word",
            ),
            (with("[cgroupfs]"), "no plain word"),
            (with("|\n  cgroupfs"), "no plain word"),
            (with("\n  cgroupfs"), "no plain word"),
            (with("&anchor cgroupfs"), "no plain word"),
            (with("!!str cgroupfs"), "no plain word"),
            (with("\"cgroup\\x66s\""), "no plain word"),
            (with("cgroupfs\ncgroupDriver: systemd"), "more than once"),
            // The same key in other words.
            (
                with("cgroupfs\n\"cgroup\\x44river\": systemd"),
                "more than the one value",
            ),
            (
                KUBEADM.replace("cgroupDriver: ", "? cgroupDriver\n: "),
                "more than the one value",
            ),
            (format!("{KUBEADM}---\n{KUBEADM}"), "several YAML documents"),
            (format!("{KUBEADM}...\n"), "several YAML documents"),
            (
                "{\"kind\":\"KubeletConfiguration\",\"cgroupDriver\":\"cgroupfs\"}".to_owned(),
                "not written in block style",
            ),
            (
                "kind: Other\ncgroupDriver: cgroupfs\n".to_owned(),
                "no KubeletConfiguration",
            ),
            (KUBEADM.replace('\n', "\r"), "no KubeletConfiguration"),
            (String::new(), "no KubeletConfiguration"),
            ("\u{1b}[2J\0".to_owned(), "no KubeletConfiguration"),
            // A line put behind it would give the text above another end.
            (
                "kind: KubeletConfiguration\nx: |+\n  y".to_owned(),
                "more than the one value",
            ),
        ] {
            let told = edited(&text);
            assert!(
                told.as_ref().is_err_and(|told| told.contains(reason)),
                "{text:?}: {told:?}"
            );
        }
    }

    #[test]
    fn a_changed_driver_stops_and_starts_both_sides_in_the_order_of_kubernetes() {
        let mut machine = Machine::debian()
            .directory("/etc/containerd")
            .file("/etc/containerd/config.toml", "version = 2\n")
            .unit("containerd.service", &[])
            .unit("kubelet.service", &[])
            .directory("/var/lib/kubelet")
            .file(
                "/var/lib/kubelet/config.yaml",
                "kind: KubeletConfiguration\ncgroupDriver: cgroupfs\n",
            )
            .file("/etc/kubernetes/kubelet.conf", "")
            .containerd("1.6.20", None)
            .cri("containerd", "1.6.20");
        machine.cluster = Some(ClusterState {
            node: Some(NodeState::default()),
            ..ClusterState::default()
        });
        let plan =
            machine.plan("cluster: { drain: {} }\nruntime: { containerd: {} }\nkubelet: {}\n");
        assert_eq!(plan.unplanned, [], "{plan:#?}");
        let word = |step: &Step| match step {
            Step::PauseUnit { name } => Some(format!("stop {name}")),
            Step::WriteFile { path, .. } => Some(format!("write {path}")),
            Step::RestartUnit { name, .. } => Some(format!("restart {name}")),
            _ => None,
        };
        let steps = plan.changes.iter().flat_map(|change| &change.steps);
        let words: Vec<_> = steps.filter_map(word).collect();
        assert_eq!(
            words,
            [
                "stop kubelet.service",
                "write /etc/containerd/config.toml",
                "restart containerd.service",
                "write /var/lib/kubelet/config.yaml",
                "restart kubelet.service",
            ]
        );
        let cluster = plan.cluster.unwrap();
        assert!(
            matches!(
                cluster.before[..],
                [ClusterStep::Cordon, ClusterStep::Drain(_)]
            ),
            "{cluster:?}"
        );
        assert!(
            matches!(
                cluster.after[..],
                [
                    ClusterStep::AwaitReady { anew: true, .. },
                    ClusterStep::Uncordon
                ]
            ),
            "{cluster:?}"
        );
    }
}
