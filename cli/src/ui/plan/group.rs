//! Which hosts stand together: those whose plans read the same.

use std::collections::BTreeMap;

use engine::name::{HostName, ResourceId};
use engine::plan::{Change, HostPlan, Unplanned, Unreachable};
use engine::resource::{Action, Difference, Reason};
use engine::source::Position;
use engine::step::Disruption;
use serde::Serialize;

use super::{PlanView, Unchanged};

/// Whether hosts that change alike stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grouping {
    Folded,
    ByHost,
}

/// Hosts that change alike.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// The hosts, in the order of the plan.
    pub(super) hosts: Vec<&'a HostName>,
    /// The plan of the first, which reads as that of the others.
    pub(super) plan: &'a HostPlan,
}

/// All of a host's plan that a reader sees.
#[derive(Serialize)]
struct Seen<'a> {
    host: Option<&'a HostName>,
    changes: Vec<SeenChange<'a>>,
    unplanned: &'a [Unplanned],
    forgotten: &'a [ResourceId],
    unchanged: &'a [ResourceId],
}

/// All of a change that a reader sees.
#[derive(Serialize)]
struct SeenChange<'a> {
    resource: &'a ResourceId,
    action: Action,
    reasons: &'a [Reason],
    condition: Option<&'a str>,
    differences: &'a [Difference],
    diffs: &'a BTreeMap<String, String>,
    disruption: Disruption,
    source: Option<&'a Position>,
}

/// Gathers hosts in the order of the first of each group. Hosts without a word to say are left out if no host has one.
pub(super) fn gather<'a>(hosts: &'a [HostPlan], view: &PlanView) -> Vec<Group<'a>> {
    let silent = |host: &HostPlan| {
        host.changes.is_empty() && host.unplanned.is_empty() && host.forgotten.is_empty()
    };
    if view.unchanged == Unchanged::Hidden && hosts.iter().all(silent) {
        return Vec::new();
    }
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut by_key: BTreeMap<String, usize> = BTreeMap::new();
    for plan in hosts {
        let next = groups.len();
        let index = *by_key.entry(key(plan, view)).or_insert(next);
        if index == next {
            groups.push(Group {
                hosts: Vec::new(),
                plan,
            });
        }
        groups[index].hosts.push(&plan.host);
    }
    groups
}

/// Gathers hosts that could not be planned by their reason.
pub(super) fn by_reason(hosts: &[Unreachable], grouping: Grouping) -> Vec<(&str, Vec<&HostName>)> {
    let mut groups: Vec<(&str, Vec<&HostName>)> = Vec::new();
    let mut by_reason: BTreeMap<(Option<&HostName>, &str), usize> = BTreeMap::new();
    for Unreachable { host, reason } in hosts {
        let next = groups.len();
        let own = (grouping == Grouping::ByHost).then_some(host);
        let index = *by_reason.entry((own, reason)).or_insert(next);
        if index == next {
            groups.push((reason, Vec::new()));
        }
        groups[index].1.push(host);
    }
    groups
}

fn key(plan: &HostPlan, view: &PlanView) -> String {
    let seen = Seen {
        host: (view.grouping == Grouping::ByHost).then_some(&plan.host),
        changes: plan
            .changes
            .iter()
            .map(|change| seen_change(change))
            .collect(),
        unplanned: &plan.unplanned,
        forgotten: &plan.forgotten,
        unchanged: match view.unchanged {
            Unchanged::Shown => &plan.unchanged,
            Unchanged::Hidden => &[],
        },
    };
    serde_json::to_string(&seen).expect("our data has text keys only")
}

fn seen_change(change: &Change) -> SeenChange<'_> {
    let Change {
        resource,
        action,
        reasons,
        condition,
        differences,
        diffs,
        disruption,
        source,
        requires: _,
        steps: _,
        receipt: _,
    } = change;
    SeenChange {
        resource,
        action: *action,
        reasons,
        condition: condition.as_deref(),
        differences,
        diffs,
        disruption: *disruption,
        source: source.as_ref(),
    }
}
