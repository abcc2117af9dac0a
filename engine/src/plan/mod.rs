//! The plan: what would change on each host, why, and by which steps. It is data, and its bytes are canonical.
//!
//! Hosts of one spec mostly change alike, so what they have in common is held once (`common`) and written once (`saved`).

mod build;
mod common;
mod saved;
#[cfg(test)]
mod tests;
mod wide;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::check::Checked;
use crate::cluster::{ClusterPlan, ClusterWide};
use crate::facts::{Facts, Init};
use crate::inventory::Shard;
use crate::name::{HostName, ResourceId};
use crate::question::Question;
use crate::receipt::Receipt;
use crate::resource::{Action, Difference, Reason};
use crate::source::{InputDocument, Position};
use crate::step::{Content, Disruption, Step};

pub use build::{plan_host, plan_host_alone};
pub(crate) use common::Common;
pub use wide::{Clusters, plan_clusters};

/// A reviewed or to be reviewed plan of a fleet: self-contained, so that it can be applied from another directory.
///
/// Its own JSON, which `--json` prints, has all of every host. [`Plan::to_bytes`] is how it is saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The format that it is saved in: `hardstand.dev/plan/v2`.
    pub format: String,
    /// Version of the tool that planned.
    pub tool: String,
    /// How the hosts are reached.
    pub via: Via,
    /// The part of the hosts that was planned, if it was not all of them.
    pub shard: Option<Shard>,
    /// The specs, inventories and files that were planned, from which apply derives the same resources again.
    pub inputs: Inputs,
    /// What is done once to clusters, before the hosts that are nodes of them; those with nothing to say are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterWide>,
    /// The hosts that were planned, in natural order.
    pub hosts: Vec<HostPlan>,
    /// The hosts that could not be planned.
    pub unreachable: Vec<Unreachable>,
}

/// The format of the plans that this version writes and reads.
pub const PLAN_FORMAT: &str = "hardstand.dev/plan/v2";

/// How the hosts of a plan are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Via {
    /// As the inventory says, over SSH.
    Ssh,
    /// The one host is the machine that hardstand runs on.
    Local,
}

/// What a plan was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Inputs {
    /// The texts of the specs and inventories, in the order they were given.
    pub documents: Vec<InputDocument>,
    /// The files that specs refer to, by path.
    pub files: BTreeMap<String, Content>,
}

/// A host that could not be planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unreachable {
    /// The host.
    pub host: HostName,
    /// Why, for people.
    pub reason: String,
}

/// The plan of one host. A copy of a part of it shares that part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostPlan {
    /// The host.
    pub host: HostName,
    /// What was seen of the host, whatever the spec says.
    pub facts: Facts,
    /// The questions whose answers the plan rests on.
    pub questions: Arc<[Question]>,
    /// The stable part of those answers, line by line; apply compares it before the first write.
    pub guards: Vec<Arc<str>>,
    /// What changes, in the order it is applied.
    pub changes: Vec<Arc<Change>>,
    /// Resources that could not be planned.
    pub unplanned: Vec<Unplanned>,
    /// Resources that are as desired already.
    pub unchanged: Vec<ResourceId>,
    /// Records of resources that the spec no longer names and that were not hardstand's to remove.
    pub forgotten: Vec<ResourceId>,
    /// What the checks say about the host as it is and as it will be.
    pub checks: Checked,
    /// What is done to the cluster around the changes; none if the spec names no cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterPlan>,
}

impl Plan {
    /// Leaves out all hosts but those that are meant, and what was planned for clusters that are left without a node.
    pub fn retain(&mut self, is_meant: impl Fn(&HostName) -> bool) {
        self.hosts.retain(|host| is_meant(&host.host));
        self.unreachable.retain(|host| is_meant(&host.host));
        let hosts = &self.hosts;
        // Which hosts are nodes of a cluster that could not be asked is not known.
        self.clusters.retain(|cluster| {
            cluster.unasked.is_some() || hosts.iter().any(|host| host.is_node_of(cluster))
        });
    }

    /// Returns the hosts that are nodes of a cluster.
    pub fn nodes_of<'a>(&'a self, cluster: &'a ClusterWide) -> impl Iterator<Item = &'a HostPlan> {
        self.hosts.iter().filter(|host| host.is_node_of(cluster))
    }

    /// Whether apply may touch a host: neither the host itself nor its cluster keeps it from that.
    pub fn may_touch(&self, host: &HostPlan) -> bool {
        let mut clusters = self.clusters.iter();
        let refused =
            |cluster: &ClusterWide| !cluster.refused.is_empty() && host.is_node_of(cluster);
        host.refusal().is_none() && !clusters.any(refused)
    }

    /// Whether anything is done to a cluster as a whole: it is not, where no node of it may be touched.
    pub fn edits(&self, cluster: &ClusterWide) -> bool {
        let mut nodes = self.nodes_of(cluster);
        !cluster.edits.is_empty() && nodes.any(|host| self.may_touch(host))
    }
}

impl HostPlan {
    /// Whether the host is a node of a cluster.
    pub fn is_node_of(&self, cluster: &ClusterWide) -> bool {
        let own = self.cluster.as_ref();
        own.is_some_and(|own| own.context == cluster.context)
    }

    /// Whether nothing is done, neither on the host nor to its node.
    pub fn is_empty(&self) -> bool {
        let steps = self.cluster.as_ref().is_some_and(ClusterPlan::has_steps);
        self.changes.is_empty() && !steps
    }

    /// Whether the node is drained first.
    pub fn drains(&self) -> bool {
        self.cluster.as_ref().is_some_and(ClusterPlan::drains)
    }
}

/// What happens to one resource of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// The resource.
    pub resource: ResourceId,
    /// What kind of change.
    pub action: Action,
    /// Why, the strongest reason first.
    pub reasons: Vec<Reason>,
    /// What its outcome depends on that the plan cannot promise.
    pub condition: Option<String>,
    /// What is different.
    pub differences: Vec<Difference>,
    /// Unified diffs of the texts that change, by path.
    pub diffs: BTreeMap<String, String>,
    /// What it does to what runs on the node.
    pub disruption: Disruption,
    /// Where the spec asks for it; none for a removal.
    pub source: Option<Position>,
    /// Changes of this plan that must succeed first.
    pub requires: Vec<ResourceId>,
    /// What apply does, in order.
    pub steps: Vec<Step>,
    /// What is recorded on the host once it is done; none removes the record.
    pub receipt: Option<Receipt>,
}

/// A resource that could not be planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unplanned {
    /// The resource.
    pub resource: ResourceId,
    /// Whether it cannot be told, or must not be done.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Where the spec asks for it.
    pub source: Option<Position>,
}

/// What is said of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It is as desired.
    NoOp,
    /// It changes.
    Change,
    /// It changes, and whether that converges depends on something else.
    Conditional,
    /// It cannot be told what would change.
    Unknown,
    /// It must not or cannot be changed.
    Refused,
}

impl HostPlan {
    /// Returns why the host cannot be changed at all, whatever the plan holds.
    pub fn obstacle(&self) -> Option<&'static str> {
        if !self.facts.root {
            Some("changes need root: write `become: sudo` in the inventory, or log in as root")
        } else if self.facts.init != Init::Systemd {
            Some("changes need a host that runs systemd")
        } else {
            None
        }
    }

    /// Returns why apply does nothing to the host, nor to its node: because of what checks found, or since it cannot be
    /// changed and would have to be.
    pub fn refusal(&self) -> Option<String> {
        let obstacle = self.obstacle().filter(|_| !self.changes.is_empty());
        self.checks
            .refusal()
            .or_else(|| obstacle.map(str::to_owned))
    }
}

impl Change {
    /// Returns why it changes, in words.
    pub fn why(&self) -> String {
        let differences = self.differences.iter().map(|it| match it.before.as_str() {
            "" => format!("{} is not yet {}", it.attribute, shown(&it.after)),
            before => format!(
                "{} is {before} instead of {}",
                it.attribute,
                shown(&it.after)
            ),
        });
        let owed = self.reasons.iter().filter_map(|reason| match reason {
            Reason::Owed(since) => Some(format!("a restart is owed since {since}")),
            Reason::NotifiedBy(resource) => Some(format!("{resource} changes")),
            Reason::Differs | Reason::Drifted | Reason::SpecChanged | Reason::NoLongerNamed => None,
        });
        let condition = self.condition.iter().cloned();
        let all: Vec<_> = differences.chain(owed).chain(condition).collect();
        match all.is_empty() {
            true => "it would change again".to_owned(),
            false => all.join("; "),
        }
    }

    /// Returns whether it is a plain change or depends on something.
    pub fn verdict(&self) -> Verdict {
        match self.condition {
            Some(_) => Verdict::Conditional,
            None => Verdict::Change,
        }
    }
}

/// Returns a value of a difference; an empty one says that there will be nothing.
fn shown(value: &str) -> &str {
    match value {
        "" => "absent",
        value => value,
    }
}
