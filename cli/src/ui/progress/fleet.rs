//! What is known of all hosts while they are worked on: who is done, and who does what since when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::event::{Event, EventKind};
use engine::name::HostName;

use crate::ui::cluster;

/// What is done with the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// They are probed and planned.
    Plan,
    /// They are changed.
    Apply,
    /// They are asked how they are.
    Ask,
    /// Our records are removed from them.
    Purge,
}

/// All hosts of a run.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) task: Task,
    pub(super) n_hosts: usize,
    done: BTreeSet<HostName>,
    failed: BTreeSet<HostName>,
    running: BTreeMap<HostName, Running>,
}

/// What one host does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Running {
    /// Since when it does anything.
    pub(super) host_since: Duration,
    /// What it does now.
    pub(super) what: String,
    /// Since when it does that.
    pub(super) since: Duration,
}

impl Task {
    /// Returns what is being done, as in `still applying node07`.
    pub(super) fn doing(self) -> &'static str {
        match self {
            Self::Plan => "planning",
            Self::Apply => "applying",
            Self::Ask => "asking",
            Self::Purge => "purging",
        }
    }

    /// Whether a host has nothing more to do once this happened.
    fn ends_with(self, kind: &EventKind) -> bool {
        match kind {
            EventKind::Finished | EventKind::Unreachable(_) => true,
            EventKind::Probed => self == Self::Plan,
            EventKind::Connecting
            | EventKind::Probing
            | EventKind::ApplyBegan { .. }
            | EventKind::ChangeBegan(_)
            | EventKind::ChangeDone(_)
            | EventKind::ChangeFailed(..)
            | EventKind::ChangeSkipped(..)
            | EventKind::ChangeUndone(..)
            | EventKind::Reconnecting(_)
            | EventKind::ClusterBegan(_)
            | EventKind::ClusterDone(_)
            | EventKind::ClusterFailed(..) => false,
        }
    }
}

impl Fleet {
    pub(super) fn new(task: Task, n_hosts: usize) -> Self {
        Self {
            task,
            n_hosts,
            done: BTreeSet::new(),
            failed: BTreeSet::new(),
            running: BTreeMap::new(),
        }
    }

    /// Takes note of an event.
    pub(super) fn observe(&mut self, event: &Event, now: Duration) {
        let Event { host, kind } = event;
        if matches!(
            kind,
            EventKind::Unreachable(_)
                | EventKind::ChangeFailed(..)
                | EventKind::ChangeUndone(..)
                | EventKind::ClusterFailed(..)
        ) {
            self.failed.insert(host.clone());
        }
        if self.task.ends_with(kind) {
            self.running.remove(host);
            self.done.insert(host.clone());
        } else if let Some(what) = doing(kind) {
            let host_since = self
                .running
                .get(host)
                .map_or(now, |running| running.host_since);
            self.running.insert(
                host.clone(),
                Running {
                    host_since,
                    what,
                    since: now,
                },
            );
        }
    }

    /// Returns how many hosts are done.
    pub(super) fn n_done(&self) -> usize {
        self.done.len()
    }

    /// Returns how many hosts have failed so far.
    pub(super) fn n_failed(&self) -> usize {
        self.failed.len()
    }

    /// Returns how many hosts are at work.
    pub(super) fn n_running(&self) -> usize {
        self.running.len()
    }

    /// Returns the hosts that are at work for the longest.
    pub(super) fn oldest(&self, n: usize) -> Vec<(&HostName, &Running)> {
        let mut running: Vec<_> = self.running.iter().collect();
        running.sort_by_key(|(_, running)| running.host_since);
        running.truncate(n);
        running
    }
}

/// Returns what a host does after an event; none if it goes on with what it did.
fn doing(kind: &EventKind) -> Option<String> {
    match kind {
        EventKind::Connecting => Some("connecting".to_owned()),
        EventKind::Probing => Some("probing".to_owned()),
        EventKind::ApplyBegan { .. } => Some("begun".to_owned()),
        EventKind::ChangeBegan(resource) => Some(resource.to_string()),
        EventKind::Reconnecting(_) => Some("reconnecting".to_owned()),
        EventKind::ClusterBegan(step) => Some(cluster::words(step)),
        EventKind::Probed
        | EventKind::Unreachable(_)
        | EventKind::ChangeDone(_)
        | EventKind::ChangeFailed(..)
        | EventKind::ChangeSkipped(..)
        | EventKind::ChangeUndone(..)
        | EventKind::ClusterDone(_)
        | EventKind::ClusterFailed(..)
        | EventKind::Finished => None,
    }
}
