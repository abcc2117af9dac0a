//! Applies what is planned for a cluster as a whole, once and before any of its nodes. If that does not come out as planned,
//! none of them is touched.

use crate::cluster::{ClusterStep, ClusterWide, KubeletConfigEdit};
use crate::fleet::Cancel;
use crate::kubectl::{Kubectl, KubectlError};
use crate::plan::{HostPlan, Plan};
use crate::report::{ClusterStepReport, ClusterWideReport, HostOutcome, HostReport, Outcome};

/// Does to a cluster what is done to it once. None if that is nothing.
pub fn apply_cluster(
    plan: &Plan,
    cluster: &ClusterWide,
    cancel: &Cancel,
) -> Option<ClusterWideReport> {
    let mut report = ClusterWideReport {
        context: cluster.context.clone(),
        outcome: HostOutcome::NotStarted,
        steps: cluster.edits.iter().map(not_reached).collect(),
    };
    if !cluster.refused.is_empty() {
        report.outcome = HostOutcome::Refused(cluster.refused.join("; "));
        return Some(report);
    }
    if !plan.edits(cluster) {
        return None;
    }
    if cancel.is_cancelled() {
        return Some(report);
    }
    let kubectl = Kubectl::new(cluster.context.clone());
    report.outcome = HostOutcome::Converged;
    for (index, edit) in cluster.edits.iter().enumerate() {
        let edited = kubectl.edit_kubelet_config(edit);
        report.steps[index].outcome = match &edited {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::Failed(error.to_string()),
        };
        if let Err(error) = edited {
            report.outcome = match index {
                0 => outcome_of(error),
                // The edits before it were made.
                _ => HostOutcome::Failed,
            };
            break;
        }
    }
    Some(report)
}

/// Returns the report of a host that is not touched, since its cluster is not as planned; none if nothing holds it up.
pub fn held_up(plan: &HostPlan, clusters: &[ClusterWideReport]) -> Option<HostReport> {
    let own = plan.cluster.as_ref()?;
    let cluster = clusters
        .iter()
        .find(|cluster| cluster.context == own.context && !cluster.outcome.is_good())?;
    if plan.is_empty() {
        return Some(HostReport::untouched(plan, HostOutcome::NothingToDo));
    }
    let outcome = match &cluster.outcome {
        HostOutcome::NotStarted => HostOutcome::NotStarted,
        HostOutcome::Unreachable(reason) => HostOutcome::Unreachable(reason.clone()),
        HostOutcome::NothingToDo
        | HostOutcome::Converged
        | HostOutcome::NotConverged(_)
        | HostOutcome::Failed
        | HostOutcome::RolledBack
        | HostOutcome::Stale(_)
        | HostOutcome::Refused(_)
        | HostOutcome::Unknown(_)
        | HostOutcome::Wedged(_) => HostOutcome::Refused(
            "what comes before the nodes of its cluster was not done, so nothing was changed on the host"
                .to_owned(),
        ),
    };
    Some(HostReport::untouched(plan, outcome))
}

fn not_reached(edit: &KubeletConfigEdit) -> ClusterStepReport {
    ClusterStepReport {
        step: ClusterStep::EditKubeletConfig(edit.clone()),
        outcome: Outcome::NotReached,
    }
}

/// Returns how a cluster ended whose edit failed.
fn outcome_of(error: KubectlError) -> HostOutcome {
    match error {
        KubectlError::Changed { lines, .. } => HostOutcome::Stale(lines),
        KubectlError::NotEdited { .. } => HostOutcome::Refused(error.to_string()),
        KubectlError::Unsure { .. } => HostOutcome::Unknown(error.to_string()),
        KubectlError::NotKept { .. } | KubectlError::NotReady { .. } => HostOutcome::Failed,
        KubectlError::Missing
        | KubectlError::NotRun(_)
        | KubectlError::Failed { .. }
        | KubectlError::TimedOut { .. }
        | KubectlError::Unreadable { .. } => {
            HostOutcome::Unreachable(format!("its cluster cannot be asked: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failed_edit_left_decides_how_the_cluster_ended() {
        let config_map = || "kubelet-config".to_owned();
        let why = || "no".to_owned();
        let failed = KubectlError::Failed {
            call: "get".to_owned(),
            said: why(),
        };
        for (error, code) in [
            (
                KubectlError::Changed {
                    config_map: config_map(),
                    lines: vec!["+a".to_owned()],
                },
                3,
            ),
            (
                KubectlError::NotEdited {
                    config_map: config_map(),
                    why: why(),
                },
                3,
            ),
            (
                KubectlError::Unsure {
                    config_map: config_map(),
                    why: why(),
                },
                7,
            ),
            (
                KubectlError::NotKept {
                    config_map: config_map(),
                },
                1,
            ),
            (KubectlError::Missing, 4),
            (failed, 4),
        ] {
            assert_eq!(outcome_of(error).exit_code(), code);
        }
    }
}
