//! Applies the plan of one host: one transaction, begun once, followed to its end, asked again if the connection is lost.
//!
//! The host does the work by itself; here is only decided what may be said about it. A host whose connection is lost is
//! unknown until it was asked again, and never failed by guess. Failures stay where they are: a failed change skips what
//! requires it, other changes and other hosts go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use crate::event::{Event, EventKind};
use crate::farside::{
    self, AnswerError, FarSide, FinalStatus, JournalEvent, MAX_ANSWER, Nonce, Reader, TransactionId,
};
use crate::graph::Graph;
use crate::name::{Digest, ResourceId};
use crate::plan::{HostPlan, plan_host};
use crate::probe::{Limits, ProbeError, nonce};
use crate::random;
use crate::report::{ChangeReport, HostOutcome, HostReport, Left, Outcome};
use crate::resource::Provider;
use crate::transport::{Connector, Request, Target};

/// How long to wait before each attempt to ask a host again whose connection was lost, in seconds.
const PAUSES: [u64; 6] = [1, 2, 4, 8, 15, 30];

/// All that applying to one host needs.
#[derive(Clone, Copy)]
pub struct HostApply<'a> {
    /// How hosts are reached.
    pub connector: &'a dyn Connector,
    /// The host.
    pub target: &'a Target,
    /// What was reviewed.
    pub plan: &'a HostPlan,
    /// Digest of the whole plan that this is a part of.
    pub plan_digest: &'a Digest,
    /// The resources that the plan was made from, to plan again what is left afterwards.
    pub graph: &'a Graph,
    /// The providers that know them.
    pub providers: &'a [Box<dyn Provider>],
    /// Who applies, for the host's records.
    pub operator: &'a str,
    /// How long the conversation may take.
    pub limits: Limits,
    /// Where to tell what happens.
    pub events: &'a Sender<Event>,
}

/// Applies the plan of one host, which nothing refuses, and returns how it ended. A host without changes is not touched.
pub fn apply_host(apply: &HostApply<'_>) -> HostReport {
    let mut record = Record::new(apply);
    if apply.plan.changes.is_empty() {
        return record.into_report(HostOutcome::NothingToDo);
    }
    let outcome = match random::bytes().map(u32::from_ne_bytes) {
        Ok(attempt) => {
            let transaction = TransactionId::new(apply.plan_digest, &apply.plan.host, attempt);
            record.run(&transaction)
        }
        Err(error) => HostOutcome::Unreachable(ProbeError::Random(error).explain()),
    };
    record.into_report(outcome)
}

/// What is known of the transaction so far.
struct Record<'a> {
    apply: HostApply<'a>,
    transaction: Option<TransactionId>,
    outcomes: BTreeMap<ResourceId, Outcome>,
    /// Changes that were told to have begun, so that a journal that is read again tells nothing twice.
    told: BTreeSet<ResourceId>,
    in_flight: Option<ResourceId>,
    stale: Vec<String>,
    refused: Option<String>,
    ended: Option<FinalStatus>,
}

/// How a conversation ended.
enum Conversation {
    /// The host had its say: the answer of the probe that followed, or none if it refused.
    Over(Nonce, Option<Vec<u8>>),
    /// It broke off before the program began.
    NotBegun(String),
    /// It broke off, and the host may be at work.
    Lost(String),
}

impl<'a> Record<'a> {
    fn new(apply: &HostApply<'a>) -> Self {
        Self {
            apply: *apply,
            transaction: None,
            outcomes: BTreeMap::new(),
            told: BTreeSet::new(),
            in_flight: None,
            stale: Vec::new(),
            refused: None,
            ended: None,
        }
    }

    fn run(&mut self, transaction: &TransactionId) -> HostOutcome {
        let HostApply {
            plan,
            plan_digest,
            operator,
            target,
            ..
        } = self.apply;
        let farside = FarSide::of(target.os);
        let begin =
            |nonce: &Nonce| farside.begin_request(plan, transaction, operator, plan_digest, nonce);
        match self.converse(&begin) {
            Conversation::Over(nonce, answer) => self.judge(&nonce, answer),
            Conversation::NotBegun(reason) => {
                self.tell(EventKind::Unreachable(reason.clone()));
                HostOutcome::Unreachable(reason)
            }
            Conversation::Lost(reason) => {
                self.transaction = Some(transaction.clone());
                self.ask_again(transaction, reason)
            }
        }
    }

    /// Asks a host whose connection was lost until it tells how the transaction ended, or time is up.
    fn ask_again(&mut self, transaction: &TransactionId, mut reason: String) -> HostOutcome {
        for pause in PAUSES {
            self.tell(EventKind::Reconnecting(reason.clone()));
            thread::sleep(Duration::from_secs(pause));
            let farside = FarSide::of(self.apply.target.os);
            match self.converse(&|nonce| farside.status_request(transaction, nonce)) {
                Conversation::Over(nonce, answer) => return self.judge(&nonce, answer),
                Conversation::NotBegun(why) | Conversation::Lost(why) => reason = why,
            }
        }
        HostOutcome::Unknown(format!(
            "{reason}; the host may still be at work, or be done"
        ))
    }

    fn converse(&mut self, request: &dyn Fn(&Nonce) -> Vec<u8>) -> Conversation {
        let nonce = match nonce() {
            Ok(nonce) => nonce,
            Err(error) => return Conversation::NotBegun(error.explain()),
        };
        self.tell(EventKind::Connecting);
        let mut transport = match self.apply.connector.connect(self.apply.target) {
            Ok(transport) => transport,
            Err(error) => return Conversation::NotBegun(ProbeError::from(error).explain()),
        };
        let stdin = request(&nonce);
        let request = Request {
            stdin: &stdin,
            time_limit: self.apply.limits.total,
            silence_limit: self.apply.limits.silence,
            output_limit: MAX_ANSWER,
        };
        let mut reader = Reader::new(&nonce);
        let mut broken = None;
        let ran = transport.run(&request, &mut |chunk| match reader.push(chunk) {
            Ok(events) => events.into_iter().for_each(|event| self.note(event)),
            Err(error) => broken = broken.take().or(Some(error)),
        });
        let answer = match broken {
            Some(error) => Err(error),
            None => reader.finish(),
        };
        match (ran, answer) {
            (Ok(_) | Err(_), Ok(answer)) => Conversation::Over(nonce, answer),
            (Err(error), Err(_)) if !error.may_have_run() => {
                Conversation::NotBegun(ProbeError::from(error).explain())
            }
            (Err(error), Err(_)) => Conversation::Lost(ProbeError::from(error).explain()),
            (Ok(ended), Err(error)) => {
                let stderr = ended.stderr;
                Conversation::Lost(ProbeError::Answer { error, stderr }.explain())
            }
        }
    }

    /// Takes one event of the host's journal.
    fn note(&mut self, event: JournalEvent) {
        match event {
            JournalEvent::Began {
                transaction,
                n_changes,
            } => {
                if self.transaction.replace(transaction).is_none() {
                    self.tell(EventKind::ApplyBegan { n_changes });
                }
            }
            JournalEvent::Intent(resource) => {
                self.in_flight = Some(resource.clone());
                if self.told.insert(resource.clone()) {
                    self.tell(EventKind::ChangeBegan(resource));
                }
            }
            JournalEvent::Done(resource) => {
                self.settle(
                    &resource,
                    Outcome::Done,
                    EventKind::ChangeDone(resource.clone()),
                );
            }
            JournalEvent::Failed { resource, reason } => {
                let told = EventKind::ChangeFailed(resource.clone(), reason.clone());
                self.settle(&resource, Outcome::Failed(reason), told);
            }
            JournalEvent::Skipped { resource, because } => {
                let told = EventKind::ChangeSkipped(resource.clone(), because.clone());
                self.settle(&resource, Outcome::Skipped(because), told);
            }
            JournalEvent::Undone { resource, reason } => {
                let told = EventKind::ChangeUndone(resource.clone(), reason.clone());
                self.settle(&resource, Outcome::Undone(reason), told);
            }
            JournalEvent::Expected(line) => self.stale.push(format!("- {line}")),
            JournalEvent::Found(line) => self.stale.push(format!("+ {line}")),
            JournalEvent::Refused { reason, .. } => self.refused = Some(reason),
            JournalEvent::Final(status) => self.ended = Some(status),
            JournalEvent::Staged
            | JournalEvent::Attached
            | JournalEvent::Note(_)
            | JournalEvent::Heartbeat => {}
        }
    }

    /// Keeps what became of a change, and tells it unless that was told before.
    fn settle(&mut self, resource: &ResourceId, outcome: Outcome, told: EventKind) {
        if self.in_flight.as_ref() == Some(resource) {
            self.in_flight = None;
        }
        if self.outcomes.get(resource) != Some(&outcome) {
            self.outcomes.insert(resource.clone(), outcome);
            self.tell(told);
        }
    }

    /// Returns the outcome of a host that had its say.
    fn judge(&self, nonce: &Nonce, answer: Option<Vec<u8>>) -> HostOutcome {
        if let Some(reason) = &self.refused {
            return HostOutcome::Refused(reason.clone());
        }
        match &self.ended {
            Some(FinalStatus::Committed) => self.verify(nonce, &answer.unwrap_or_default()),
            Some(FinalStatus::Failed) => HostOutcome::Failed,
            Some(FinalStatus::RolledBack) => HostOutcome::RolledBack,
            Some(FinalStatus::Wedged(text)) => HostOutcome::Wedged(text.clone()),
            Some(FinalStatus::Stale) => HostOutcome::Stale(self.stale.clone()),
            Some(FinalStatus::Refused(reason)) => HostOutcome::Refused(reason.clone()),
            Some(FinalStatus::NotRun) => {
                HostOutcome::Refused("the transaction did not start".to_owned())
            }
            Some(FinalStatus::Interrupted(word)) => HostOutcome::Unknown(match &self.in_flight {
                Some(resource) => format!("it was stopped in the middle of {resource} ({word})"),
                None => format!("it was stopped between two changes ({word})"),
            }),
            None => HostOutcome::Unknown("the host did not say how it ended".to_owned()),
        }
    }

    /// Plans the host again from what it answered after the changes: nothing may be left but what could not be planned before.
    fn verify(&self, nonce: &Nonce, answer: &[u8]) -> HostOutcome {
        let HostApply {
            plan,
            graph,
            providers,
            ..
        } = self.apply;
        match farside::parse_probe(answer, &plan.questions, nonce) {
            Ok(mut observed) => {
                // The cluster learns of it afterwards.
                observed.cluster = plan.cluster.as_ref().map(|plan| plan.observed.clone());
                let again = plan_host(graph, providers, &plan.host, &observed);
                match Left::of(plan, &again) {
                    left if left.is_empty() => HostOutcome::Converged,
                    left => HostOutcome::NotConverged(left),
                }
            }
            Err(error) => HostOutcome::Unknown(unverified(&error)),
        }
    }

    fn tell(&self, kind: EventKind) {
        let event = Event {
            host: self.apply.plan.host.clone(),
            kind,
        };
        // Nobody listens any more when the run was interrupted; the work goes on.
        drop(self.apply.events.send(event));
    }

    fn into_report(mut self, outcome: HostOutcome) -> HostReport {
        let changes = self
            .apply
            .plan
            .changes
            .iter()
            .map(|change| ChangeReport {
                resource: change.resource.clone(),
                outcome: self
                    .outcomes
                    .remove(&change.resource)
                    .unwrap_or(Outcome::NotReached),
            })
            .collect();
        HostReport {
            host: self.apply.plan.host.clone(),
            outcome,
            changes,
            transaction: self.transaction.map(|transaction| transaction.to_string()),
            cluster: None,
        }
    }
}

fn unverified(error: &AnswerError) -> String {
    format!("all changes were made, and what the host answered afterwards cannot be read: {error}")
}
