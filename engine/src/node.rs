//! Applies the plan of a host that is a node of a cluster: what its cluster needs before, the host's one transaction, and
//! what its cluster needs after.
//!
//! A node is cordoned and drained only after both the host and the cluster were found as they were planned. Where nothing
//! was written on the host, the cordon is taken back. Where something was, and the host did not end as planned, the node
//! stays cordoned, and the report says how to let pods back.

use std::fmt::Display;

use crate::apply::{HostApply, apply_host};
use crate::cluster::{ClusterPlan, ClusterState, ClusterStep};
use crate::event::{Event, EventKind};
use crate::kubectl::{Kubectl, KubectlError, Subject};
use crate::probe::probe_host;
use crate::report::{ClusterReport, ClusterStepReport, HostOutcome, HostReport, Outcome};

/// Applies the plan of one host and does what its cluster needs around it.
pub fn apply_node(apply: &HostApply<'_>) -> HostReport {
    match &apply.plan.cluster {
        Some(cluster) if cluster.has_steps() => Bracket::new(apply, cluster).run(),
        Some(_) | None => {
            let report = apply_host(apply);
            if !apply.plan.is_empty() {
                tell(apply, EventKind::Finished);
            }
            report
        }
    }
}

fn tell(apply: &HostApply<'_>, kind: EventKind) {
    let event = Event {
        host: apply.plan.host.clone(),
        kind,
    };
    // Nobody listens any more when the run was interrupted; the work goes on.
    drop(apply.events.send(event));
}

/// The steps around the changes of one host, as far as they came.
struct Bracket<'a> {
    apply: &'a HostApply<'a>,
    cluster: &'a ClusterPlan,
    kubectl: Kubectl,
    subject: Subject,
    /// What became of each step, those before and then those after.
    outcomes: Vec<Outcome>,
    /// We cordoned the node, or tried to.
    cordoned: bool,
    left_cordoned: bool,
}

impl<'a> Bracket<'a> {
    fn new(apply: &'a HostApply<'a>, cluster: &'a ClusterPlan) -> Self {
        let n_steps = cluster.before.len() + cluster.after.len();
        Self {
            apply,
            cluster,
            kubectl: Kubectl::new(cluster.context.clone()),
            subject: Subject {
                node: cluster.node.clone(),
                heartbeat: None,
            },
            outcomes: vec![Outcome::NotReached; n_steps],
            cordoned: false,
            left_cordoned: false,
        }
    }

    fn run(mut self) -> HostReport {
        if let Some(obstacle) = self.obstacle() {
            return self.untouched(obstacle);
        }
        let prepared = self.perform_all(0, &self.cluster.before);
        if let Err(error) = prepared.and_then(|()| self.listen()) {
            let back = match self.take_back() {
                true => "it is uncordoned again",
                false => "it could not be uncordoned again",
            };
            return self.untouched(HostOutcome::Refused(format!(
                "its node could not be drained, so nothing was changed on the host, and {back}: {error}"
            )));
        }
        let report = apply_host(self.apply);
        self.conclude(report)
    }

    /// Remembers when the kubelet last told of itself: just before it is restarted, since it tells now and then.
    fn listen(&mut self) -> Result<(), KubectlError> {
        let is_anew =
            |step: &ClusterStep| matches!(step, ClusterStep::AwaitReady { anew: true, .. });
        if self.cluster.after.iter().any(is_anew) {
            self.subject.heartbeat = self.kubectl.heartbeat(&self.subject.node)?;
        }
        Ok(())
    }

    /// Returns why the node must not be drained now: the host or the cluster is not as it was planned.
    fn obstacle(&self) -> Option<HostOutcome> {
        let HostApply {
            connector,
            target,
            plan,
            graph,
            limits,
            ..
        } = *self.apply;
        let found = match self.kubectl.node(&self.cluster.node) {
            Ok(node) => ClusterState {
                node,
                ..ClusterState::default()
            },
            Err(error) => return Some(unreachable(&error)),
        };
        let mut changed = changes(&self.cluster.observed.guards(), &found.guards());
        if changed.is_empty() && self.cluster.drains() {
            match probe_host(connector, target, graph, limits) {
                Ok(observed) => changed = changes(&plan.guards, &observed.guards),
                Err(error) => return Some(HostOutcome::Unreachable(error.explain())),
            }
        }
        (!changed.is_empty()).then_some(HostOutcome::Stale(changed))
    }

    /// Does some steps in order, up to the first that fails. The first is `offset` in the list of all.
    fn perform_all(&mut self, offset: usize, steps: &'a [ClusterStep]) -> Result<(), KubectlError> {
        for (index, step) in steps.iter().enumerate() {
            self.tell(EventKind::ClusterBegan(step.clone()));
            self.cordoned |= *step == ClusterStep::Cordon;
            let done = self.kubectl.perform(step, &self.subject);
            let (outcome, told) = match &done {
                Ok(()) => (Outcome::Done, EventKind::ClusterDone(step.clone())),
                Err(error) => (
                    Outcome::Failed(error.to_string()),
                    EventKind::ClusterFailed(step.clone(), error.to_string()),
                ),
            };
            self.outcomes[offset + index] = outcome;
            self.tell(told);
            done?;
        }
        Ok(())
    }

    /// Uncordons a node that we cordoned, and says whether nothing of ours is left.
    fn take_back(&mut self) -> bool {
        if !self.cordoned {
            return true;
        }
        let uncordoned = self.kubectl.perform(&ClusterStep::Uncordon, &self.subject);
        self.left_cordoned = uncordoned.is_err();
        let steps = self.cluster.before.iter().zip(&mut self.outcomes);
        for (_, outcome) in steps
            .filter(|(step, outcome)| **step == ClusterStep::Cordon && **outcome == Outcome::Done)
        {
            *outcome = match &uncordoned {
                Ok(()) => Outcome::Undone("nothing was changed on the host".to_owned()),
                Err(error) => Outcome::Failed(format!("it could not be taken back: {error}")),
            };
        }
        uncordoned.is_ok()
    }

    /// Does what follows the changes of the host, if they were made.
    fn conclude(mut self, mut report: HostReport) -> HostReport {
        match &report.outcome {
            HostOutcome::Converged | HostOutcome::NothingToDo => {
                let after = self.perform_all(self.cluster.before.len(), &self.cluster.after);
                report.outcome = match after {
                    Ok(()) => HostOutcome::Converged,
                    Err(_) => HostOutcome::Failed,
                };
                let done = report.outcome == HostOutcome::Converged;
                self.left_cordoned = self.cordoned && !done;
            }
            HostOutcome::Stale(_)
            | HostOutcome::Refused(_)
            | HostOutcome::Unreachable(_)
            | HostOutcome::NotStarted => {
                self.take_back();
            }
            HostOutcome::NotConverged(_)
            | HostOutcome::Failed
            | HostOutcome::RolledBack
            | HostOutcome::Unknown(_)
            | HostOutcome::Wedged(_) => self.left_cordoned = self.cordoned,
        }
        self.told_in(report)
    }

    fn untouched(self, outcome: HostOutcome) -> HostReport {
        if let HostOutcome::Unreachable(reason) = &outcome {
            self.tell(EventKind::Unreachable(reason.clone()));
        }
        let report = HostReport::untouched(self.apply.plan, outcome);
        self.told_in(report)
    }

    fn told_in(self, mut report: HostReport) -> HostReport {
        self.tell(EventKind::Finished);
        let ClusterPlan { before, after, .. } = self.cluster;
        let command = || self.cluster.uncordon_command();
        report.cluster = Some(ClusterReport {
            left_cordoned: self.left_cordoned.then(command),
            steps: before
                .iter()
                .chain(after)
                .cloned()
                .zip(self.outcomes)
                .map(|(step, outcome)| ClusterStepReport { step, outcome })
                .collect(),
        });
        report
    }

    fn tell(&self, kind: EventKind) {
        tell(self.apply, kind);
    }
}

fn unreachable(error: &KubectlError) -> HostOutcome {
    HostOutcome::Unreachable(format!("its cluster cannot be asked: {error}"))
}

/// Returns the lines that went away and those that are new.
fn changes<T: PartialEq + Display>(planned: &[T], found: &[T]) -> Vec<String> {
    let gone = planned.iter().filter(|line| !found.contains(line));
    let new = found.iter().filter(|line| !planned.contains(line));
    gone.map(|line| format!("- {line}"))
        .chain(new.map(|line| format!("+ {line}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_since_the_plan_is_named() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(changes(&lines("a b"), &lines("a b")), [""; 0]);
        assert_eq!(changes(&lines("a b"), &lines("a c")), ["- b", "+ c"]);
    }
}
