//! Which hosts stand together: those whose plans read the same.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::marker::PhantomData;

use engine::check::Finding;
use engine::cluster::{ClusterPlan, ClusterStep};
use engine::name::{HostName, ResourceId};
use engine::plan::{Change, HostPlan, Unplanned, Unreachable};
use engine::resource::{Action, Difference, Reason};
use engine::source::Position;
use engine::step::Disruption;
use serde::Serialize;

use super::template::template;
use super::{PlanView, Unchanged, findings};

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
    /// The plan of the first, which reads as that of the others; with the host's name left open if it is all that differs.
    pub(super) plan: Cow<'a, HostPlan>,
}

impl Group<'_> {
    /// Whether the host's name is left open in the plan.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.plan, Cow::Owned(_))
    }
}

/// Numbers for changes, the same for those that read the same. Hosts mostly share their changes, so each is read once.
#[derive(Debug, Default)]
struct Numbers<'a> {
    by_place: BTreeMap<*const Change, usize>,
    by_text: BTreeMap<String, usize>,
    /// A place stands for its change only as long as that is there.
    changes: PhantomData<&'a Change>,
}

impl<'a> Numbers<'a> {
    fn number(&mut self, change: &'a Change) -> usize {
        let next = self.by_text.len();
        let by_text = &mut self.by_text;
        let read = || *by_text.entry(text(&seen_change(change))).or_insert(next);
        *self.by_place.entry(change).or_insert_with(read)
    }
}

/// All of a host's plan that a reader sees.
#[derive(Serialize)]
struct Seen<'a, C> {
    host: Option<&'a HostName>,
    changes: Vec<C>,
    unplanned: &'a [Unplanned],
    obstacle: Option<&'a str>,
    findings: Vec<&'a Finding>,
    forgotten: &'a [ResourceId],
    unchanged: &'a [ResourceId],
    cluster: Option<SeenCluster<'a>>,
}

/// All of what is done to a cluster that a reader sees.
#[derive(Serialize)]
struct SeenCluster<'a> {
    before: &'a [ClusterStep],
    after: &'a [ClusterStep],
    notes: &'a [String],
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
        let silent_cluster = host
            .cluster
            .as_ref()
            .is_none_or(|cluster| !cluster.has_steps() && cluster.notes.is_empty());
        host.changes.is_empty()
            && host.unplanned.is_empty()
            && host.forgotten.is_empty()
            && findings(host, view).next().is_none()
            && silent_cluster
    };
    if view.unchanged == Unchanged::Hidden && hosts.iter().all(silent) {
        return Vec::new();
    }
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut by_key: BTreeMap<String, usize> = BTreeMap::new();
    let mut numbers = Numbers::default();
    for plan in hosts {
        let next = groups.len();
        let key = key(plan, view, |change| numbers.number(change));
        let index = *by_key.entry(key).or_insert(next);
        if index == next {
            groups.push(Group {
                hosts: Vec::new(),
                plan: Cow::Borrowed(plan),
            });
        }
        groups[index].hosts.push(&plan.host);
    }
    match view.grouping {
        Grouping::Folded => but_for_the_name(groups, view),
        Grouping::ByHost => groups,
    }
}

/// Gathers hosts that stand alone and whose plans differ by the name of the host only.
fn but_for_the_name<'a>(groups: Vec<Group<'a>>, view: &PlanView) -> Vec<Group<'a>> {
    let mut gathered: Vec<Group<'a>> = Vec::new();
    let mut by_key: BTreeMap<String, (usize, HostPlan)> = BTreeMap::new();
    for group in groups {
        let open = Some(&group).filter(|group| group.hosts.len() == 1);
        let Some(open) = open.and_then(|group| template(&group.plan)) else {
            gathered.push(group);
            continue;
        };
        match by_key.entry(key(&open, view, seen_change)) {
            Entry::Vacant(first) => {
                first.insert((gathered.len(), open));
                gathered.push(group);
            }
            Entry::Occupied(alike) => gathered[alike.get().0].hosts.extend(group.hosts),
        }
    }
    for (index, open) in by_key.into_values() {
        if gathered[index].hosts.len() > 1 {
            gathered[index].plan = Cow::Owned(open);
        }
    }
    gathered
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

/// Returns what plans that read the same have in common. Of a change that is what stands for it.
fn key<'a, C: Serialize>(
    plan: &'a HostPlan,
    view: &PlanView,
    standing_for: impl FnMut(&'a Change) -> C,
) -> String {
    let changes = plan.changes.iter().map(AsRef::as_ref);
    text(&Seen {
        host: (view.grouping == Grouping::ByHost).then_some(&plan.host),
        changes: changes.map(standing_for).collect(),
        unplanned: &plan.unplanned,
        obstacle: plan.obstacle(),
        findings: findings(plan, view).collect(),
        forgotten: &plan.forgotten,
        unchanged: match view.unchanged {
            Unchanged::Shown => &plan.unchanged,
            Unchanged::Hidden => &[],
        },
        cluster: plan.cluster.as_ref().map(seen_cluster),
    })
}

fn text(seen: &impl Serialize) -> String {
    serde_json::to_string(seen).expect("our data has text keys only")
}

fn seen_cluster(plan: &ClusterPlan) -> SeenCluster<'_> {
    let ClusterPlan {
        context: _,
        node: _,
        observed: _,
        before,
        after,
        notes,
    } = plan;
    SeenCluster {
        before,
        after,
        notes,
    }
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
