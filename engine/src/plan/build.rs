//! Plans one host: a pure function of its graph and of what was observed. No host, clock, randomness or environment.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::check::Checked;
use crate::cluster::{Cluster, ClusterPlan, Impact, bracket, unified_diff};
use crate::graph::{Graph, GraphNode, Predecessor};
use crate::name::{Digest, HostName, ResourceId, UnitName};
use crate::plan::{Change, HostPlan, Unplanned, Verdict};
use crate::question::{Observed, Question, Unanswered};
use crate::reading::Readings;
use crate::receipt::Receipt;
use crate::resource::{
    Action, Decision, Edge, Proposal, Provider, Reason, Resource, Situation, TextChange,
    desired_digest,
};
use crate::source::Position;
use crate::state::State;
use crate::step::{Disruption, Step};

/// The unit of the kubelet.
const KUBELET: &str = "kubelet.service";

/// Plans one host.
pub fn plan_host(
    graph: &Graph,
    providers: &[Box<dyn Provider>],
    host: &HostName,
    observed: &Observed,
) -> HostPlan {
    let nothing = BTreeMap::new();
    let mut walk = Walk::new(observed, providers, drains(graph, observed), &nothing);
    walk.over(graph);
    // What shares a file with others comes after the file, so what cannot be planned is found first.
    let held_up = walk.all_held_up();
    let has_line = |id| {
        let mut nodes = graph.nodes();
        nodes.any(|node| node.resource.holds_line_of(id))
    };
    if held_up.keys().any(has_line) {
        walk = Walk::new(observed, providers, drains(graph, observed), &held_up);
        walk.over(graph);
    }
    walk.unplanned.extend(unknown_records(observed));
    note_debts(&mut walk.changes);
    let checks = check(graph, observed, &walk.changes);
    HostPlan {
        host: host.clone(),
        facts: observed.facts.clone(),
        questions: observed.answers.keys().cloned().collect(),
        guards: observed.guards.clone(),
        unplanned: walk.unplanned,
        unchanged: walk.unchanged,
        forgotten: walk.forgotten,
        cluster: cluster(graph, host, observed, &walk.changes),
        checks,
        changes: walk.changes,
    }
}

/// Plans a host whose cluster could not be asked. Where nothing of its plan needs the cluster, it is planned like any other;
/// else nothing is planned, since a part of it would be another plan than was asked for. It is checked in any case.
pub fn plan_host_alone(
    graph: &Graph,
    providers: &[Box<dyn Provider>],
    host: &HostName,
    observed: &Observed,
) -> HostPlan {
    let mut plan = plan_host(graph, providers, host, observed);
    let need = graph
        .cluster()
        .and_then(|cluster| need(cluster, &plan.changes));
    if let Some(need) = need {
        plan.changes.clear();
        plan.checks = check(graph, observed, &plan.changes);
        plan.unplanned.push(Unplanned {
            resource: ResourceId::new("cluster", "node"),
            verdict: Verdict::Unknown,
            reason: format!(
                "its cluster could not be asked, and {need}; nothing is planned for the host, since half of it would be another \
                 plan"
            ),
            help: Some("see to it that `kubectl get nodes` works where hardstand runs, then plan again".to_owned()),
            source: None,
        });
    }
    plan
}

/// Returns what a host's plan needs its cluster for.
fn need(cluster: &Cluster, changes: &[Arc<Change>]) -> Option<&'static str> {
    if cluster.drain.is_some() && loses_pods(changes) {
        Some("its node would be drained first")
    } else if cluster.runtime.is_some() {
        Some("its node may need another annotation of its runtime")
    } else {
        cluster
            .driver_to_set()
            .map(|_| "the cluster's kubelet-config comes before its nodes")
    }
}

/// Whether the kubelet is stopped or started.
fn restarts_kubelet(changes: &[Arc<Change>]) -> bool {
    let restarts = |step: &Step| {
        matches!(
            step,
            Step::StartUnit { name, .. } | Step::PauseUnit { name } | Step::RestartUnit { name, .. }
                if name.as_str() == KUBELET
        )
    };
    changes
        .iter()
        .flat_map(|change| &change.steps)
        .any(restarts)
}

fn loses_pods(changes: &[Arc<Change>]) -> bool {
    let loses = |change: &Arc<Change>| change.disruption == Disruption::PodLoss;
    changes.iter().any(loses)
}

/// Makes each change note the restarts that it is a reason for, before it does anything. A run that stops in between then
/// leaves a host that knows what it owes.
fn note_debts(changes: &mut [Arc<Change>]) {
    let debts: Vec<(ResourceId, UnitName)> =
        changes.iter().flat_map(|change| debts_of(change)).collect();
    for change in changes {
        let noted = |unit: &UnitName| change.steps.iter().any(|step| step.owes().contains(unit));
        let mine = debts
            .iter()
            .filter(|(debtor, _)| *debtor == change.resource);
        let names: BTreeSet<_> = mine
            .map(|(_, unit)| unit)
            .filter(|unit| !noted(unit))
            .cloned()
            .collect();
        if !names.is_empty() {
            let names = names.into_iter().collect();
            Arc::make_mut(change)
                .steps
                .insert(0, Step::OweRestart { names });
        }
    }
}

/// Returns what makes the units of a change restart or reload, each with the unit.
fn debts_of(change: &Change) -> impl Iterator<Item = (ResourceId, UnitName)> {
    let units = change.steps.iter().filter_map(|step| match step {
        Step::RestartUnit { name, .. } | Step::ReloadUnit { name, .. } => Some(name),
        _ => None,
    });
    units.flat_map(|unit| {
        change
            .reasons
            .iter()
            .filter_map(move |reason| match reason {
                Reason::NotifiedBy(debtor) => Some((debtor.clone(), unit.clone())),
                _ => None,
            })
    })
}

/// Returns what stands for all that the host's records would tell, where they cannot be read.
fn unknown_records(observed: &Observed) -> Option<Unplanned> {
    observed.facts.records_unreadable.then(|| Unplanned {
        resource: ResourceId::new("hardstand", "records"),
        verdict: Verdict::Unknown,
        reason: "only root may read what hardstand keeps on the host, so what is no longer named and which restarts are owed \
                 is not known"
            .to_owned(),
        help: Some("plan as root: write `become: sudo` in the inventory, or log in as root".to_owned()),
        source: None,
    })
}

fn notifier(id: &ResourceId) -> Predecessor<'_> {
    Predecessor {
        id,
        edge: Edge::Notifies,
    }
}

/// A resource to be planned.
struct Visited<'a> {
    id: ResourceId,
    resource: &'a dyn Resource,
    /// Where the spec asks for it.
    source: Option<&'a Position>,
    /// What must be asked to plan it.
    questions: Arc<[Question]>,
    /// Digest of its desired state, for its receipt.
    desired: Cow<'a, Digest>,
}

impl<'a> From<&'a GraphNode> for Visited<'a> {
    fn from(node: &'a GraphNode) -> Self {
        Self {
            id: node.id.clone(),
            resource: &*node.resource,
            source: Some(&node.position),
            questions: node.questions.clone(),
            desired: Cow::Borrowed(&node.desired),
        }
    }
}

/// The removal of a resource that no spec names any more. What is decided about it may depend on what is planned before it.
struct Removal<'a> {
    receipt: &'a Receipt,
    /// The resources that may take notice of it, whether a spec names them or not.
    notifies: BTreeSet<ResourceId>,
}

/// Holds a host against the checks of its graph: as it is, and as it will be after the changes.
fn check(graph: &Graph, observed: &Observed, changes: &[Arc<Change>]) -> Checked {
    let now = State::now(observed);
    if changes.is_empty() {
        return Checked::of(graph.checks(), &now, None);
    }
    let steps = changes.iter().flat_map(|change| &change.steps);
    Checked::of(graph.checks(), &now, Some(&State::after(observed, steps)))
}

/// Whether the host is a node that is drained before its pods would be lost. Where the cluster could not be asked, it is
/// taken for one.
fn drains(graph: &Graph, observed: &Observed) -> bool {
    let asked = graph
        .cluster()
        .is_some_and(|cluster| cluster.drain.is_some());
    let cluster = observed.cluster.as_ref();
    asked && cluster.is_none_or(|cluster| cluster.node.is_some())
}

/// Returns what is done to the cluster around the changes of the host.
fn cluster(
    graph: &Graph,
    host: &HostName,
    observed: &Observed,
    changes: &[Arc<Change>],
) -> Option<ClusterPlan> {
    bracket(
        graph.cluster()?,
        host,
        observed.cluster.as_ref()?,
        Impact {
            loses_pods: loses_pods(changes),
            restarts_kubelet: restarts_kubelet(changes),
        },
    )
}

/// The state of planning one host, resource by resource.
struct Walk<'a> {
    observed: &'a Observed,
    providers: &'a [Box<dyn Provider>],
    drains: bool,
    /// What an earlier walk could not plan.
    known: &'a BTreeMap<ResourceId, Unplanned>,
    proposed: BTreeMap<ResourceId, Proposal>,
    /// What was read of the host with the files that are proposed.
    readings: Readings,
    /// For each resource, the changes that must succeed before anything that comes after it.
    awaited: BTreeMap<ResourceId, BTreeSet<ResourceId>>,
    /// Resources that cannot be planned, and so hold up what requires them.
    held_up: BTreeSet<ResourceId>,
    /// Resources that hardstand created and that no spec names any more.
    dropped: BTreeSet<ResourceId>,
    /// Removals that are still to come.
    removals: Vec<Removal<'a>>,
    /// Units that take notice of removals, or are owed a restart, each with what notifies it.
    concerned: BTreeMap<UnitName, BTreeSet<ResourceId>>,
    changes: Vec<Arc<Change>>,
    unplanned: Vec<Unplanned>,
    unchanged: Vec<ResourceId>,
    forgotten: Vec<ResourceId>,
}

impl<'a> Walk<'a> {
    fn new(
        observed: &'a Observed,
        providers: &'a [Box<dyn Provider>],
        drains: bool,
        known: &'a BTreeMap<ResourceId, Unplanned>,
    ) -> Self {
        let owed = observed.owed.iter().cloned();
        Self {
            observed,
            providers,
            drains,
            known,
            proposed: BTreeMap::new(),
            readings: Readings::default(),
            awaited: BTreeMap::new(),
            held_up: known.keys().cloned().collect(),
            dropped: BTreeSet::new(),
            removals: Vec::new(),
            concerned: owed.map(|unit| (unit, BTreeSet::new())).collect(),
            changes: Vec::new(),
            unplanned: Vec::new(),
            unchanged: Vec::new(),
            forgotten: Vec::new(),
        }
    }

    /// Plans all resources of a graph, and what is no longer one of them.
    fn over(&mut self, graph: &Graph) {
        let named = graph.ids();
        self.find_removals(named);
        for (node, mut predecessors) in graph.nodes_with_predecessors() {
            let removed = self.remove_before(&node.id);
            predecessors.extend(removed.iter().map(notifier));
            self.visit(&Visited::from(node), &predecessors);
        }
        self.remove_rest();
        self.visit_unnamed(named);
    }

    fn all_held_up(&self) -> BTreeMap<ResourceId, Unplanned> {
        let unplanned = self.unplanned.iter().cloned();
        unplanned
            .map(|unplanned| (unplanned.resource.clone(), unplanned))
            .collect()
    }

    fn visit(&mut self, node: &Visited<'_>, predecessors: &[Predecessor<'_>]) {
        if let Some(unplanned) = self.known.get(&node.id) {
            self.unplanned.push(unplanned.clone());
            return;
        }
        let receipt = self.observed.receipts.get(&node.id);
        let notified_by = self.notifiers(predecessors);
        let decision = node.resource.decide(&Situation {
            observed: self.observed,
            proposed: &self.proposed,
            notified_by: &notified_by,
            receipt,
            dropped: &self.dropped,
            held_up: &self.held_up,
            drains: self.drains,
            readings: &self.readings,
        });
        let awaited = self.awaited_by(predecessors);
        let decision = Verdicted::from(decision);
        let obstacle = self.obstacle(predecessors, &decision);
        match (decision, obstacle) {
            (Verdicted::Converged, _) => {
                self.unchanged.push(node.id.clone());
                self.awaited.insert(node.id.clone(), awaited);
            }
            (Verdicted::Change(_), Some(obstacle)) => {
                self.hold_up(&node.id, node.source, (Verdict::Unknown, obstacle, None));
            }
            (Verdicted::Change(proposal), None) => {
                let change = change_of(node, &proposal, receipt, awaited);
                self.changes.push(Arc::new(change));
                self.awaited
                    .insert(node.id.clone(), BTreeSet::from([node.id.clone()]));
                self.propose(node.id.clone(), proposal);
            }
            (Verdicted::HeldUp(why), _) => self.hold_up(&node.id, node.source, why),
        }
    }

    /// Returns how what cannot be planned before a resource keeps it from its change, if it does.
    fn obstacle(&self, predecessors: &[Predecessor<'_>], decision: &Verdicted) -> Option<String> {
        predecessors
            .iter()
            .filter(|predecessor| self.held_up.contains(predecessor.id))
            .find_map(|predecessor| {
                let how = match predecessor.edge {
                    Edge::Requires => "requires",
                    Edge::After => return None,
                    Edge::Notifies | Edge::NotifiesOf(_) => {
                        decision.restarts().then_some("would restart with")?
                    }
                };
                Some(format!(
                    "it {how} {}, which cannot be planned",
                    predecessor.id
                ))
            })
    }

    /// Adds a proposal. If it changes a file, what was read before no longer holds.
    fn propose(&mut self, resource: ResourceId, proposal: Proposal) {
        if proposal.rewritten().next().is_some() {
            self.readings = Readings::default();
        }
        self.proposed.insert(resource, proposal);
    }

    /// Returns the changes that notify a resource, in the order of their names.
    fn notifiers(&self, predecessors: &[Predecessor<'_>]) -> Vec<ResourceId> {
        predecessors
            .iter()
            .filter(|predecessor| {
                let Some(proposal) = self.proposed.get(predecessor.id) else {
                    return false;
                };
                match predecessor.edge {
                    Edge::Requires | Edge::After => false,
                    Edge::Notifies => true,
                    Edge::NotifiesOf(topic) => proposal.topics.contains(&topic),
                }
            })
            .map(|predecessor| predecessor.id.clone())
            .collect()
    }

    /// Returns the changes that must succeed before a resource is changed, seen through resources that do not change.
    fn awaited_by(&self, predecessors: &[Predecessor<'_>]) -> BTreeSet<ResourceId> {
        predecessors
            .iter()
            .filter(|predecessor| predecessor.edge != Edge::After)
            .filter_map(|predecessor| self.awaited.get(predecessor.id))
            .flatten()
            .cloned()
            .collect()
    }

    fn hold_up(&mut self, resource: &ResourceId, source: Option<&Position>, why: HeldUp) {
        let (verdict, reason, help) = why;
        self.held_up.insert(resource.clone());
        self.unplanned.push(Unplanned {
            resource: resource.clone(),
            verdict,
            reason,
            help,
            source: source.cloned(),
        });
    }

    /// Finds all that hardstand recorded and no spec names any more: from the last name to the first, so that what stands in
    /// a directory is removed before it.
    fn find_removals(&mut self, named: &BTreeSet<ResourceId>) {
        let unnamed = |receipt: &&Receipt| !named.contains(&receipt.resource);
        let receipts = self.observed.receipts.values().filter(unnamed);
        self.dropped = receipts
            .clone()
            .filter(|receipt| receipt.created)
            .map(|receipt| receipt.resource.clone())
            .collect();
        for receipt in receipts.rev() {
            let units = match self.decide_removal(receipt) {
                Verdicted::Change(proposal) => proposal.notifies,
                Verdicted::Converged | Verdicted::HeldUp(_) => BTreeSet::new(),
            };
            let resources = units.iter().filter_map(|unit| self.unnamed_unit(unit));
            let notifies = resources.map(|resource| resource.id()).collect();
            self.removals.push(Removal { receipt, notifies });
        }
    }

    fn decide_removal(&self, receipt: &Receipt) -> Verdicted {
        let resource = &receipt.resource;
        let situation = Situation {
            observed: self.observed,
            proposed: &self.proposed,
            notified_by: &[],
            receipt: Some(receipt),
            dropped: &self.dropped,
            held_up: &self.held_up,
            drains: self.drains,
            readings: &self.readings,
        };
        let provider = self
            .providers
            .iter()
            .find(|provider| provider.kinds().contains(&resource.kind()));
        Verdicted::from(match provider {
            Some(provider) if receipt.created => provider.remove(resource, &situation),
            _ => Ok(Decision::Converged),
        })
    }

    fn unnamed_unit(&self, unit: &UnitName) -> Option<Box<dyn Resource>> {
        self.providers
            .iter()
            .find_map(|provider| provider.unnamed_unit(unit))
    }

    /// Plans the removals that a resource takes notice of, so that they are done when it does. Returns what is removed,
    /// earlier or now.
    fn remove_before(&mut self, resource: &ResourceId) -> Vec<ResourceId> {
        let (now, later): (Vec<_>, _) = std::mem::take(&mut self.removals)
            .into_iter()
            .partition(|removal| removal.notifies.contains(resource));
        self.removals = later;
        now.into_iter()
            .map(|removal| {
                self.visit_removal(removal.receipt);
                removal.receipt.resource.clone()
            })
            .collect()
    }

    /// Plans the removals that are left. They come last.
    fn remove_rest(&mut self) {
        for removal in std::mem::take(&mut self.removals) {
            self.visit_removal(removal.receipt);
        }
    }

    /// Plans the units that no spec names, and that take notice of a removal or are owed a restart.
    fn visit_unnamed(&mut self, named: &BTreeSet<ResourceId>) {
        for (unit, notifiers) in std::mem::take(&mut self.concerned) {
            let Some(resource) = self.unnamed_unit(&unit) else {
                continue;
            };
            let visited = Visited {
                id: resource.id(),
                resource: &*resource,
                source: None,
                questions: resource.questions().into(),
                desired: Cow::Owned(desired_digest(&*resource)),
            };
            if !named.contains(&visited.id) {
                let notifiers: Vec<_> = notifiers.iter().map(notifier).collect();
                self.visit(&visited, &notifiers);
            }
        }
    }

    fn visit_removal(&mut self, receipt: &Receipt) {
        let resource = receipt.resource.clone();
        if let Some(unplanned) = self.known.get(&resource) {
            self.unplanned.push(unplanned.clone());
            return;
        }
        match self.decide_removal(receipt) {
            Verdicted::Converged => self.forgotten.push(resource),
            Verdicted::Change(proposal) => {
                for unit in &proposal.notifies {
                    let notifiers = self.concerned.entry(unit.clone()).or_default();
                    notifiers.insert(resource.clone());
                }
                self.changes
                    .push(Arc::new(removal_of(&resource, &proposal)));
                let itself = BTreeSet::from([resource.clone()]);
                self.awaited.insert(resource.clone(), itself);
                self.propose(resource, proposal);
            }
            Verdicted::HeldUp(why) => self.hold_up(&resource, None, why),
        }
    }
}

/// Why a resource is not planned: verdict, reason, help.
type HeldUp = (Verdict, String, Option<String>);

/// A decision, or the lack of one, with all that is not planned in one case.
enum Verdicted {
    Converged,
    Change(Proposal),
    HeldUp(HeldUp),
}

impl Verdicted {
    /// Whether a service would read its configuration again, whatever that holds now.
    fn restarts(&self) -> bool {
        let restarts =
            |step: &Step| matches!(step, Step::RestartUnit { .. } | Step::ReloadUnit { .. });
        matches!(self, Self::Change(proposal) if proposal.steps.iter().any(restarts))
    }
}

impl From<Result<Decision, Unanswered>> for Verdicted {
    fn from(decision: Result<Decision, Unanswered>) -> Self {
        match decision {
            Ok(Decision::Converged) => Self::Converged,
            Ok(Decision::Change(proposal)) => Self::Change(proposal),
            Ok(Decision::Unknown(reason)) => Self::HeldUp((Verdict::Unknown, reason, None)),
            Ok(Decision::Refused { reason, help }) => {
                Self::HeldUp((Verdict::Refused, reason, help))
            }
            Err(unanswered) => Self::HeldUp((Verdict::Unknown, unanswered.to_string(), None)),
        }
    }
}

fn change_of(
    node: &Visited<'_>,
    proposal: &Proposal,
    receipt: Option<&Receipt>,
    awaited: BTreeSet<ResourceId>,
) -> Change {
    let created =
        proposal.action == Action::Create || receipt.is_some_and(|receipt| receipt.created);
    let record = Receipt {
        resource: node.id.clone(),
        created,
        desired: node.desired.clone().into_owned(),
        questions: node.questions.clone(),
    };
    Change {
        resource: node.id.clone(),
        action: proposal.action,
        reasons: reasons_of(proposal, receipt, &record),
        condition: proposal.condition.clone(),
        differences: proposal.differences.clone(),
        diffs: diffs_of(&proposal.texts),
        disruption: disruption_of(proposal),
        source: node.source.cloned(),
        requires: awaited.into_iter().collect(),
        steps: proposal.steps.clone(),
        // What no spec names is not recorded: there would be nothing to remove.
        receipt: node.source.map(|_| record),
    }
}

fn removal_of(resource: &ResourceId, proposal: &Proposal) -> Change {
    Change {
        resource: resource.clone(),
        action: Action::Delete,
        reasons: vec![Reason::NoLongerNamed],
        condition: proposal.condition.clone(),
        differences: proposal.differences.clone(),
        diffs: diffs_of(&proposal.texts),
        disruption: disruption_of(proposal),
        source: None,
        requires: Vec::new(),
        steps: proposal.steps.clone(),
        receipt: None,
    }
}

/// Returns why a resource changes: what it says itself, and what its record tells of a difference.
fn reasons_of(proposal: &Proposal, receipt: Option<&Receipt>, record: &Receipt) -> Vec<Reason> {
    let mut reasons = proposal.reasons.clone();
    if reasons.is_empty() || !proposal.differences.is_empty() {
        reasons.push(match receipt {
            None => Reason::Differs,
            Some(receipt) if receipt.desired == record.desired => Reason::Drifted,
            Some(_) => Reason::SpecChanged,
        });
    }
    reasons
}

fn disruption_of(proposal: &Proposal) -> Disruption {
    proposal
        .steps
        .iter()
        .map(Step::disruption)
        .fold(proposal.disruption, Disruption::max)
}

fn diffs_of(texts: &[TextChange]) -> BTreeMap<String, String> {
    texts
        .iter()
        .map(|text| {
            let before = text.before.as_deref().unwrap_or("");
            let after = text.after.as_deref().unwrap_or("");
            (text.path.clone(), unified_diff(before, after))
        })
        .collect()
}

#[cfg(test)]
mod tests;
