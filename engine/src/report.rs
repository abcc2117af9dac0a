//! How it ended: for each host and each change, as data.

use serde::{Deserialize, Serialize};

use crate::cluster::ClusterStep;
use crate::name::{HostName, ResourceId};
use crate::plan::HostPlan;

/// How an apply ended on all hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[must_use = "a report that nobody reads hides failures"]
pub struct Report {
    /// The clusters to which something was to be done once, before their nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterWideReport>,
    /// The hosts, in natural order.
    pub hosts: Vec<HostReport>,
}

/// How an apply ended on a cluster as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterWideReport {
    /// The context of the operator's kubeconfig; the current one if none.
    pub context: Option<String>,
    /// How it ended, in the words that hosts have.
    pub outcome: HostOutcome,
    /// The steps in their order.
    pub steps: Vec<ClusterStepReport>,
}

/// How an apply ended on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostReport {
    /// The host.
    pub host: HostName,
    /// How it ended.
    pub outcome: HostOutcome,
    /// What became of each change, in the order of the plan.
    pub changes: Vec<ChangeReport>,
    /// The transaction on the host, to ask again about; none if none was begun.
    pub transaction: Option<String>,
    /// What became of what was to be done to the cluster; none if nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterReport>,
}

/// What became of what was to be done to the cluster around the changes of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterReport {
    /// The steps in their order, those before the host's changes and those after.
    pub steps: Vec<ClusterStepReport>,
    /// The command that lets pods back on the node, if hardstand cordoned it and left it so.
    pub left_cordoned: Option<String>,
}

/// What became of one step to the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterStepReport {
    /// The step.
    pub step: ClusterStep,
    /// What became of it: done, failed, undone or not reached.
    pub outcome: Outcome,
}

/// What became of one change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeReport {
    /// The resource.
    pub resource: ResourceId,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of one change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// All its steps were done and proven.
    Done,
    /// A step failed; the text says which and why.
    Failed(String),
    /// It was not tried, since this change failed or was itself skipped.
    Skipped(ResourceId),
    /// Its restart did not come up, and what it wrote was put back; the text says why.
    Undone(String),
    /// It was not reached.
    NotReached,
}

/// A resource that is not as desired although all was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Left {
    /// The resource.
    pub resource: ResourceId,
    /// Why, for people.
    pub reason: String,
}

impl Left {
    /// Returns what a new plan still finds: all that it would change, and all that it cannot plan and the plan that was
    /// applied could.
    pub fn of(applied: &HostPlan, again: &HostPlan) -> Vec<Self> {
        let known = |resource: &ResourceId| {
            let mut unplanned = applied.unplanned.iter();
            unplanned.any(|unplanned| unplanned.resource == *resource)
        };
        let changes = again.changes.iter().map(|change| Self {
            resource: change.resource.clone(),
            reason: change.why(),
        });
        let unplanned = again
            .unplanned
            .iter()
            .filter(|unplanned| !known(&unplanned.resource));
        let unplanned = unplanned.map(|unplanned| Self {
            resource: unplanned.resource.clone(),
            reason: unplanned.reason.clone(),
        });
        changes.chain(unplanned).collect()
    }
}

/// How a host ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HostOutcome {
    /// The plan had no change for it; it was not touched.
    NothingToDo,
    /// All was done, and a new probe found nothing left.
    Converged,
    /// All was done, yet a new probe found that these resources are still not as desired.
    NotConverged(Vec<Left>),
    /// Some change failed.
    Failed,
    /// Some change was undone; the node runs what it ran before.
    RolledBack,
    /// The host is not as it was planned; nothing was written. The lines say what differs.
    Stale(Vec<String>),
    /// The host refused the transaction; nothing was written. The text says why.
    Refused(String),
    /// It could not be reached; nothing was sent.
    Unreachable(String),
    /// The connection was lost, and the host could not be asked again. The text says what was last known.
    Unknown(String),
    /// Undoing failed; it needs a person. The text says what was left.
    Wedged(String),
    /// The run was interrupted before this host was begun.
    NotStarted,
}

impl HostReport {
    /// Returns the report of a host of whose plan nothing was done.
    pub fn untouched(plan: &HostPlan, outcome: HostOutcome) -> Self {
        let changes = plan.changes.iter().map(|change| ChangeReport {
            resource: change.resource.clone(),
            outcome: Outcome::NotReached,
        });
        Self {
            host: plan.host.clone(),
            outcome,
            changes: changes.collect(),
            transaction: None,
            cluster: None,
        }
    }
}

impl HostOutcome {
    /// Whether the host is as it was planned to be.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::NothingToDo | Self::Converged)
    }

    /// Returns the exit code that this outcome asks for.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NothingToDo | Self::Converged => 0,
            Self::NotConverged(_) | Self::Failed | Self::NotStarted => 1,
            Self::Stale(_) | Self::Refused(_) => 3,
            Self::Unreachable(_) => 4,
            Self::RolledBack => 6,
            Self::Unknown(_) => 7,
            Self::Wedged(_) => 8,
        }
    }
}

/// Exit codes from the worst to the best: the worst that happened on any host wins.
const WORST_FIRST: [u8; 9] = [8, 7, 6, 1, 5, 3, 4, 2, 0];

/// Returns the worst of some exit codes.
pub fn worst_exit_code(codes: impl IntoIterator<Item = u8>) -> u8 {
    let rank = |code: &u8| WORST_FIRST.iter().position(|worst| worst == code);
    codes.into_iter().min_by_key(rank).unwrap_or(0)
}

impl Report {
    /// Returns the exit code of the whole run.
    pub fn exit_code(&self) -> u8 {
        let clusters = self.clusters.iter().map(|cluster| &cluster.outcome);
        let outcomes = clusters.chain(self.hosts.iter().map(|host| &host.outcome));
        worst_exit_code(outcomes.map(HostOutcome::exit_code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_outcome_wins() {
        assert_eq!(worst_exit_code([0, 4, 3, 1]), 1);
        assert_eq!(worst_exit_code([2, 4]), 4);
        assert_eq!(worst_exit_code([6, 8, 7]), 8);
        assert_eq!(worst_exit_code([]), 0);
    }
}
