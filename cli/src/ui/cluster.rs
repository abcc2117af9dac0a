//! Clusters and steps to them in words.

use engine::cluster::{ClusterStep, Drain};

use super::text::{BOLD, Line};

/// What the edit of a cluster's configuration of kubelets comes to, in full.
pub(crate) const EDIT_MEANS: &str = "once, before the first node; it changes nothing on nodes by itself: `kubeadm join` and \
                                     `kubeadm upgrade node` write each node's file from it";

/// Returns the start of a line about a cluster as a whole.
pub(crate) fn headed(context: Option<&str>) -> Line {
    let name = match context {
        Some(context) => format!("cluster {context}"),
        None => "cluster of the current context".to_owned(),
    };
    Line::default().paint(BOLD, &name).add("  ")
}

/// Returns what a step does, such as `cordon the node`.
pub(crate) fn words(step: &ClusterStep) -> String {
    match step {
        ClusterStep::EditKubeletConfig(edit) => format!(
            "set cgroupDriver to {} in the ConfigMap kube-system/{}",
            edit.cgroup_driver, edit.config_map
        ),
        ClusterStep::Cordon => "cordon the node".to_owned(),
        ClusterStep::Drain(drain) => drain_words(*drain),
        ClusterStep::Annotate { key, value } => format!("annotate the node with {key}={value}"),
        ClusterStep::AwaitReady {
            runtime,
            anew,
            seconds,
        } => {
            let with = match runtime {
                Some(runtime) => format!(" with {runtime}"),
                None => String::new(),
            };
            let anew = if *anew {
                ", by what its kubelet says anew"
            } else {
                ""
            };
            format!("wait until the node is ready{with}{anew}, {seconds} s at most")
        }
        ClusterStep::Uncordon => "uncordon the node".to_owned(),
    }
}

fn drain_words(drain: Drain) -> String {
    let Drain {
        timeout_seconds,
        delete_empty_dir_data,
        force,
        grace_period_seconds,
    } = drain;
    let mut text = format!("drain the node within {timeout_seconds} s; pods of DaemonSets stay");
    if delete_empty_dir_data {
        text += ", emptyDir data is lost";
    }
    if force {
        text += ", pods without a controller are lost";
    }
    if let Some(seconds) = grace_period_seconds {
        text += &format!(", each pod has {seconds} s to end");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_drain_costs_is_said() {
        let drain = Drain {
            timeout_seconds: 60,
            delete_empty_dir_data: true,
            force: true,
            grace_period_seconds: Some(5),
        };
        assert_eq!(
            words(&ClusterStep::Drain(drain)),
            "drain the node within 60 s; pods of DaemonSets stay, emptyDir data is lost, pods without a controller are \
             lost, each pod has 5 s to end"
        );
    }
}
