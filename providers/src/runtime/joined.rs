//! Nodes that have joined a cluster: their pods do not survive another cgroup driver.

use engine::name::AbsPath;
use engine::question::{FileState, Observed, Unanswered};
use engine::resource::{Decision, Situation};
use engine::step::{Disruption, Step};

use super::kubelet;
use super::refusal::{Refusal, Stop};
use super::section::CgroupDriver;
use crate::service::is_running;

/// A change of the cgroup driver. It needs answers about the [`joined_marks`] and the kubelet's unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DriverChange {
    /// The field of `runtime` that is about the runtime, such as `containerd`.
    pub(crate) runtime: &'static str,
    /// The new driver.
    pub(crate) driver: CgroupDriver,
    /// The spec allows it on a node that has joined.
    pub(crate) allowed: bool,
}

impl DriverChange {
    /// Refuses it on a node that has joined a cluster, unless the spec allows it there or the node is drained for it.
    pub(crate) fn guard(self, situation: &Situation<'_>) -> Result<(), Stop> {
        if self.allowed || situation.drains || !has_joined(situation)? {
            return Ok(());
        }
        let Self {
            runtime, driver, ..
        } = self;
        let driver = driver.as_str();
        let unknown = situation.observed.cluster.as_ref();
        if unknown.is_some_and(|cluster| cluster.node.is_none()) {
            return Err(Refusal::new(format!(
                "the node has joined a cluster, and would be drained before the cgroup driver is changed to {driver}, but the \
                 cluster has no node of its name"
            ))
            .help("set `cluster.node` to its name there, or `cluster.kubectl.context` to its cluster")
            .into());
        }
        Err(Refusal::new(format!(
            "the node has joined a cluster, and its pods would not survive a change of the cgroup driver to {driver}"
        ))
        .help(format!(
            "replace the node; or let hardstand drain it, with `cluster: {{ drain: {{}} }}`; or one node at a time: set \
             `cgroupDriver: {driver}` in the cluster's kubelet-config, cordon and drain the node, stop its kubelet, then apply with \
             `runtime.{runtime}.allowDriverChange: true` and the same driver in `kubelet`, and uncordon it"
        ))
        .into())
    }

    /// Returns what must come before it: the kubelet makes no pods while the runtime has one driver and it has the other.
    /// It is started again when all has changed.
    pub(crate) fn pause(self, situation: &Situation<'_>) -> Result<Option<Step>, Stop> {
        let runs = is_running(situation.observed.unit(&kubelet())?);
        Ok((runs && has_joined(situation)?).then(|| Step::PauseUnit { name: kubelet() }))
    }

    /// Returns what it does: it breaks the pods that are there. A node without a kubelet has none.
    pub(crate) fn disruption(self, situation: &Situation<'_>) -> Result<Disruption, Stop> {
        let unit = situation.observed.unit(&kubelet())?;
        match unit.is_active() || has_joined(situation)? {
            true => Ok(Disruption::PodLoss),
            false => Ok(Disruption::None),
        }
    }
}

/// Returns what is there once a node has joined a cluster.
pub(crate) fn joined_marks() -> impl Iterator<Item = AbsPath> {
    [
        "/etc/kubernetes/kubelet.conf",
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
    ]
    .into_iter()
    .filter_map(|path| path.parse().ok())
}

/// Whether a node has joined a cluster. It needs answers about the [`joined_marks`].
pub(crate) fn has_joined(situation: &Situation<'_>) -> Result<bool, Stop> {
    is_joined(situation.observed).map_err(|Unanswered(why)| {
        let reason = format!("the cgroup driver would change, and {why}");
        Decision::Unknown(reason).into()
    })
}

/// As [`has_joined`], for those who change nothing.
pub(crate) fn is_joined(observed: &Observed) -> Result<bool, Unanswered> {
    for mark in joined_marks() {
        match observed.file(&mark)? {
            FileState::Absent => {}
            FileState::Regular(_)
            | FileState::Directory(_)
            | FileState::Symlink(_)
            | FileState::Other(_) => return Ok(true),
            FileState::Unreadable(why) => {
                return Err(Unanswered(format!(
                    "whether the node has joined a cluster is unknown: {mark} cannot be read: {why}"
                )));
            }
        }
    }
    Ok(false)
}
