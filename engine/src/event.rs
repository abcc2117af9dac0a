//! What happens while hosts are probed and changed: one stream of events, from the core to whoever shows it.

use crate::cluster::ClusterStep;
use crate::name::{HostName, ResourceId};

/// Something that happened on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The host.
    pub host: HostName,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A connection is being opened.
    Connecting,
    /// The questions were sent.
    Probing,
    /// The answers are in.
    Probed,
    /// The host could not be reached or asked; the text says why.
    Unreachable(String),
    /// The transaction was begun.
    ApplyBegan {
        /// How many changes it has.
        n_changes: usize,
    },
    /// A change began.
    ChangeBegan(ResourceId),
    /// A change is done.
    ChangeDone(ResourceId),
    /// A change failed; the text says why.
    ChangeFailed(ResourceId, String),
    /// A change was not tried because another failed.
    ChangeSkipped(ResourceId, ResourceId),
    /// A change was undone because its restart did not come up; the text says what.
    ChangeUndone(ResourceId, String),
    /// The connection was lost; the host goes on by itself and is asked again.
    Reconnecting(String),
    /// A step to the node's cluster began.
    ClusterBegan(ClusterStep),
    /// A step to the node's cluster is done.
    ClusterDone(ClusterStep),
    /// A step to the node's cluster failed; the text says why.
    ClusterFailed(ClusterStep, String),
    /// The host is done.
    Finished,
}
