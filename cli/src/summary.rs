//! A plan in numbers, for its last line, its JSON and its exit code.

use engine::check::Standing;
use engine::diagnostic::Severity;
use engine::plan::{Change, HostPlan, Plan, Verdict};
use engine::resource::Action;
use engine::step::Disruption;
use serde::Serialize;

/// How many changes of each kind a plan has, counted once for every host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanSummary {
    /// Hosts that were planned.
    pub(crate) hosts: usize,
    /// Hosts on which something changes.
    pub(crate) changed_hosts: usize,
    /// Resources that are made.
    pub(crate) create: usize,
    /// Resources that are changed.
    pub(crate) update: usize,
    /// Resources that are removed.
    pub(crate) delete: usize,
    /// Services that are restarted.
    pub(crate) restart: usize,
    /// Services that read their configuration again.
    pub(crate) reload: usize,
    /// Resources of which it cannot be told what would change.
    pub(crate) unknown: usize,
    /// Resources that must not or cannot be changed.
    pub(crate) refused: usize,
    /// Hosts that could not be planned.
    pub(crate) unreachable: usize,
    /// Changes that restart a service.
    pub(crate) service_restarts: usize,
    /// Changes that stop pods.
    pub(crate) pod_losses: usize,
    /// Changes that only a reboot brings about.
    pub(crate) reboots: usize,
    /// Hosts on which apply would change something: those that change and that nothing keeps it from.
    pub(crate) appliable_hosts: usize,
    /// Hosts whose plan is not applied because of what checks found.
    pub(crate) blocked_hosts: usize,
    /// Errors that checks found and that would stand afterwards.
    pub(crate) check_errors: usize,
    /// Warnings that checks found and that would stand afterwards.
    pub(crate) check_warnings: usize,
    /// Nodes that are cordoned and drained first.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) drained_nodes: usize,
    /// Edits of what clusters hold for all their nodes.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) cluster_edits: usize,
    /// Clusters that could not be asked.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) unasked_clusters: usize,
    /// Whether anything changes at all.
    pub(crate) changes: bool,
}

/// Most fleets are in no cluster that hardstand knows of.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl PlanSummary {
    /// Counts a plan.
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut summary = Self {
            unreachable: plan.unreachable.len(),
            ..Self::default()
        };
        for host in &plan.hosts {
            summary.count_host(host);
            summary.appliable_hosts += usize::from(!host.is_empty() && plan.may_touch(host));
        }
        for cluster in &plan.clusters {
            summary.unasked_clusters += usize::from(cluster.unasked.is_some());
            summary.refused += cluster.refused.len();
            summary.cluster_edits += match plan.edits(cluster) {
                true => cluster.edits.len(),
                false => 0,
            };
        }
        summary.changes |= summary.cluster_edits > 0;
        summary
    }

    fn count_host(&mut self, host: &HostPlan) {
        self.hosts += 1;
        self.changed_hosts += usize::from(!host.is_empty());
        self.changes |= !host.is_empty();
        self.drained_nodes += usize::from(host.drains());
        for change in &host.changes {
            self.count_change(change);
        }
        self.count_findings(host);
        let refused = host
            .unplanned
            .iter()
            .filter(|unplanned| unplanned.verdict == Verdict::Refused)
            .count();
        self.refused += refused;
        self.unknown += host.unplanned.len() - refused;
    }

    fn count_findings(&mut self, host: &HostPlan) {
        let blocked = host.checks.refusal().is_some();
        self.blocked_hosts += usize::from(blocked);
        let standing =
            host.checks.findings.iter().filter(|finding| {
                finding.ignored.is_none() && finding.standing != Standing::Mended
            });
        for finding in standing {
            match finding.severity {
                Severity::Error => self.check_errors += 1,
                Severity::Warning => self.check_warnings += 1,
                Severity::Note => {}
            }
        }
    }

    fn count_change(&mut self, change: &Change) {
        *match change.action {
            Action::Create => &mut self.create,
            Action::Update => &mut self.update,
            Action::Delete => &mut self.delete,
            Action::Restart => &mut self.restart,
            Action::Reload => &mut self.reload,
        } += 1;
        match change.disruption {
            Disruption::None | Disruption::Reload => {}
            Disruption::Restart => self.service_restarts += 1,
            Disruption::PodLoss => self.pod_losses += 1,
            Disruption::Reboot => self.reboots += 1,
        }
    }
}
