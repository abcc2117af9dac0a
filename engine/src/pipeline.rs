//! The whole way for a fleet: plan all hosts, apply a plan to all hosts. Hosts are worked on side by side, and none holds
//! up another.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use crate::apply::HostApply;
use crate::cluster::{Cluster, ClusterWide, node_of};
use crate::cluster_wide::{apply_cluster, held_up};
use crate::compile::{Fleet, FleetHost};
use crate::event::{Event, EventKind};
use crate::fleet::{Cancel, for_each_host};
use crate::inventory::{Become, Host, JumpHost};
use crate::kubectl::Kubectl;
use crate::name::{AbsPath, Digest, HostName, NameError};
use crate::node::apply_node;
use crate::plan::{
    Clusters, Common, HostPlan, Inputs, PLAN_FORMAT, Plan, Unreachable, Via, plan_clusters,
    plan_host, plan_host_alone,
};
use crate::probe::{Limits, NotPurged, ProbeError, probe_host, purge_host};
use crate::question::Observed;
use crate::report::{ClusterWideReport, HostOutcome, HostReport, Report};
use crate::resource::Provider;
use crate::transport::{Connector, Endpoint, Privilege, Target};

/// What is said of a host that was not begun when the run was interrupted.
const INTERRUPTED: &str = "the run was interrupted before it was asked";

/// All that working on a fleet needs, whatever is done.
#[derive(Clone, Copy)]
pub struct FleetRun<'a> {
    /// How hosts are reached.
    pub connector: &'a dyn Connector,
    /// The hosts and what each should be.
    pub fleet: &'a Fleet,
    /// The providers that know the resources.
    pub providers: &'a [Box<dyn Provider>],
    /// How many hosts at once.
    pub forks: usize,
    /// How long to wait for a connection, unless the inventory says otherwise.
    pub connect_timeout: Duration,
    /// How long a conversation with a host may take.
    pub limits: Limits,
    /// Where to tell what happens; locked for a moment for each host.
    pub events: &'a Mutex<Sender<Event>>,
    /// Whether to begin no more hosts.
    pub cancel: &'a Cancel,
}

impl FleetRun<'_> {
    /// Observes all hosts and plans them.
    pub fn plan(&self, inputs: Inputs, via: Via) -> Plan {
        let clusters = self.read_clusters();
        let common = Mutex::new(Common::default());
        let results = self.for_each(|host, events| {
            let observed = self.observe(host, events)?;
            let mut plan = self.plan_observed(host, observed, &clusters);
            if let Ok(mut common) = common.lock() {
                common.share(&mut plan);
            }
            Ok(plan)
        });
        let mut plan = Plan {
            format: PLAN_FORMAT.to_owned(),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            via,
            shard: None,
            inputs,
            clusters: Vec::new(),
            hosts: Vec::new(),
            unreachable: Vec::new(),
        };
        for (host, result) in results {
            match result {
                Ok(planned) => plan.hosts.push(planned),
                Err(reason) => plan.unreachable.push(Unreachable { host, reason }),
            }
        }
        plan.clusters = self.plan_clusters(&plan.hosts, &clusters);
        plan
    }

    /// Plans a host that was observed.
    fn plan_observed(
        &self,
        host: &FleetHost,
        mut observed: Observed,
        clusters: &Clusters,
    ) -> HostPlan {
        let (graph, name) = (&host.graph, &host.host.name);
        let cluster = graph.cluster();
        match cluster.and_then(|cluster| Some((cluster, clusters.get(&cluster.context)?))) {
            Some((_, Err(_))) => plan_host_alone(graph, self.providers, name, &observed),
            Some((cluster, Ok(snapshot))) => {
                let node = node_of(cluster, name);
                observed.cluster = Some(snapshot.of_node(node.as_ref()));
                plan_host(graph, self.providers, name, &observed)
            }
            None => plan_host(graph, self.providers, name, &observed),
        }
    }

    /// Plans what is done once to the clusters of the hosts that could be planned.
    fn plan_clusters(&self, planned: &[HostPlan], clusters: &Clusters) -> Vec<ClusterWide> {
        let planned: BTreeSet<&HostName> = planned.iter().map(|plan| &plan.host).collect();
        let hosts: Vec<(&HostName, &Cluster)> = self
            .fleet
            .hosts
            .iter()
            .filter_map(|host| Some((&host.host.name, host.graph.cluster()?)))
            .filter(|(name, _)| planned.contains(name))
            .collect();
        plan_clusters(&hosts, clusters, self.providers)
    }

    /// Observes all hosts, for those who want to know more than a plan tells.
    pub fn observe_all(&self) -> Vec<(HostName, Result<Observed, String>)> {
        self.for_each(|host, events| {
            let observed = self.observe(host, events)?;
            tell(events, host, EventKind::Finished);
            Ok(observed)
        })
    }

    /// Removes hardstand's records from all hosts.
    pub fn purge(&self) -> Vec<(HostName, Result<(), NotPurged>)> {
        let asked = self.for_each(|host, events| {
            tell(events, host, EventKind::Connecting);
            let purged = self
                .target(&host.host)
                .map_err(NotPurged::Unreachable)
                .and_then(|target| purge_host(self.connector, &target, self.limits));
            tell(
                events,
                host,
                match &purged {
                    Ok(()) | Err(NotPurged::Refused(_)) => EventKind::Finished,
                    Err(NotPurged::Unreachable(reason)) => EventKind::Unreachable(reason.clone()),
                },
            );
            Ok(purged)
        });
        let purged = |asked: Result<_, String>| asked.map_err(NotPurged::Refused).flatten();
        asked
            .into_iter()
            .map(|(host, asked)| (host, purged(asked)))
            .collect()
    }

    /// Applies a plan whose hosts are those of this fleet.
    pub fn apply(&self, plan: &Plan, plan_digest: &Digest, operator: &str) -> Report {
        let plans: BTreeMap<&HostName, &HostPlan> =
            plan.hosts.iter().map(|plan| (&plan.host, plan)).collect();
        let hosts: Vec<(&FleetHost, &HostPlan)> = self
            .fleet
            .hosts
            .iter()
            .filter_map(|host| Some((host, *plans.get(&host.host.name)?)))
            .collect();
        let run = Run {
            fleet: self,
            plan_digest,
            operator,
        };
        let clusters = run.apply_clusters(plan);
        let mut reports = run.apply_all(&hosts, &clusters);
        let reports = hosts
            .iter()
            .filter_map(|(_, plan)| reports.remove(&plan.host));
        let unplanned = plan.unreachable.iter().map(|unreachable| HostReport {
            host: unreachable.host.clone(),
            outcome: HostOutcome::Unreachable(unreachable.reason.clone()),
            changes: Vec::new(),
            transaction: None,
            cluster: None,
        });
        Report {
            clusters,
            hosts: reports.chain(unplanned).collect(),
        }
    }

    /// Reads each cluster that some host is a node of, once.
    fn read_clusters(&self) -> Clusters {
        let contexts: BTreeSet<_> = self
            .fleet
            .hosts
            .iter()
            .filter_map(|host| Some(host.graph.cluster()?.context.clone()))
            .collect();
        contexts
            .into_iter()
            .map(|context| {
                let read = Kubectl::new(context.clone()).read();
                (context, read.map_err(|error| error.to_string()))
            })
            .collect()
    }

    fn observe(&self, host: &FleetHost, events: &Sender<Event>) -> Result<Observed, String> {
        tell(events, host, EventKind::Connecting);
        let observed = self.target(&host.host).and_then(|target| {
            probe_host(self.connector, &target, &host.graph, self.limits)
                .map_err(|error: ProbeError| error.explain())
        });
        match &observed {
            Ok(_) => tell(events, host, EventKind::Probed),
            Err(reason) => tell(events, host, EventKind::Unreachable(reason.clone())),
        }
        observed
    }

    /// Does some work for each host and returns the results with the names, in the order of the fleet.
    fn for_each<R: Send>(
        &self,
        work: impl Fn(&FleetHost, &Sender<Event>) -> Result<R, String> + Sync,
    ) -> Vec<(HostName, Result<R, String>)> {
        let hosts = &self.fleet.hosts;
        let work = |host: &FleetHost| work(host, &self.sender());
        let on_panic = |_: &FleetHost, panic: String| Err(format!("hardstand failed: {panic}"));
        for_each_host(hosts, self.forks, self.cancel, work, on_panic)
            .into_iter()
            .zip(hosts)
            .map(|(result, host)| {
                let result = result.unwrap_or_else(|| Err(INTERRUPTED.to_owned()));
                (host.host.name.clone(), result)
            })
            .collect()
    }

    fn sender(&self) -> Sender<Event> {
        match self.events.lock() {
            Ok(events) => events.clone(),
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }

    /// Returns how a host is reached.
    fn target(&self, host: &Host) -> Result<Target, String> {
        target_of(host, self.connect_timeout)
            .map_err(|error| format!("its inventory entry cannot be used: {error}"))
    }
}

/// One apply of a plan to a fleet.
struct Run<'a> {
    fleet: &'a FleetRun<'a>,
    plan_digest: &'a Digest,
    operator: &'a str,
}

/// A host and its plan.
type Planned<'a> = (&'a FleetHost, &'a HostPlan);

impl Run<'_> {
    /// Does to each cluster what is done to it once.
    fn apply_clusters(&self, plan: &Plan) -> Vec<ClusterWideReport> {
        let clusters = plan.clusters.iter();
        clusters
            .filter_map(|cluster| apply_cluster(plan, cluster, self.fleet.cancel))
            .collect()
    }

    /// Applies the plans of all hosts whose clusters are as planned: side by side, and then the nodes that are drained, one at
    /// a time. When one of these does not come back, no further one is drained.
    fn apply_all(
        &self,
        hosts: &[Planned<'_>],
        clusters: &[ClusterWideReport],
    ) -> BTreeMap<HostName, HostReport> {
        let (mut reports, mut free) = (BTreeMap::new(), Vec::new());
        for (host, plan) in hosts {
            match held_up(plan, clusters) {
                Some(report) => drop(reports.insert(plan.host.clone(), report)),
                None => free.push((*host, *plan)),
            }
        }
        let (drained, others): (Vec<Planned<'_>>, Vec<_>) =
            free.iter().partition(|(_, plan)| plan.drains());
        reports.extend(self.apply_some(&others, self.fleet.forks, |host| self.apply(host)));
        let lost = OnceLock::new();
        let one_at_a_time = self.apply_some(&drained, 1, |planned| {
            if let Some(lost) = lost.get() {
                let reason =
                    format!("{lost} was drained and did not come back, so no further node is");
                return HostReport::untouched(planned.1, HostOutcome::Refused(reason));
            }
            let report = self.apply(planned);
            let begun = !matches!(
                report.outcome,
                HostOutcome::Stale(_) | HostOutcome::Refused(_) | HostOutcome::Unreachable(_)
            );
            if begun && !report.outcome.is_good() {
                lost.get_or_init(|| report.host.clone());
            }
            report
        });
        reports.extend(one_at_a_time);
        reports
    }

    fn apply_some(
        &self,
        hosts: &[Planned<'_>],
        forks: usize,
        apply: impl Fn(&Planned<'_>) -> HostReport + Sync,
    ) -> BTreeMap<HostName, HostReport> {
        let on_panic = |(_, plan): &Planned<'_>, panic: String| {
            let outcome = HostOutcome::Unknown(format!("hardstand failed: {panic}"));
            HostReport::untouched(plan, outcome)
        };
        let not_started = |plan: &HostPlan| match plan.is_empty() {
            true => HostOutcome::NothingToDo,
            false => HostOutcome::NotStarted,
        };
        for_each_host(hosts, forks, self.fleet.cancel, apply, on_panic)
            .into_iter()
            .zip(hosts)
            .map(|(report, (_, plan))| {
                let report =
                    report.unwrap_or_else(|| HostReport::untouched(plan, not_started(plan)));
                (plan.host.clone(), report)
            })
            .collect()
    }

    fn apply(&self, (host, plan): &Planned<'_>) -> HostReport {
        let fleet = self.fleet;
        let events = fleet.sender();
        if let Some(reason) = plan.refusal() {
            return HostReport::untouched(plan, HostOutcome::Refused(reason));
        }
        match fleet.target(&host.host) {
            Ok(target) => apply_node(&HostApply {
                connector: fleet.connector,
                target: &target,
                plan,
                plan_digest: self.plan_digest,
                graph: &host.graph,
                providers: fleet.providers,
                operator: self.operator,
                limits: fleet.limits,
                events: &events,
            }),
            Err(reason) => HostReport::untouched(plan, HostOutcome::Unreachable(reason)),
        }
    }
}

fn tell(events: &Sender<Event>, host: &FleetHost, kind: EventKind) {
    let event = Event {
        host: host.host.name.clone(),
        kind,
    };
    // Nobody listens any more when the run was interrupted; the work goes on.
    drop(events.send(event));
}

fn target_of(host: &Host, connect_timeout: Duration) -> Result<Target, NameError> {
    let mut endpoint = Endpoint::new(host.name.clone());
    if host.address != host.name.as_str() {
        endpoint.address = Some(host.address.parse()?);
    }
    endpoint.port = host.ssh.port;
    endpoint.user = host.ssh.user.clone();
    endpoint.identity_file = absolute(host.ssh.identity_file.as_ref())?;
    endpoint.known_hosts = absolute(host.ssh.known_hosts.as_ref())?;
    Ok(Target {
        endpoint,
        jumps: host
            .ssh
            .jump
            .iter()
            .flatten()
            .map(jump_of)
            .collect::<Result<_, _>>()?,
        privilege: match host.privilege {
            Become::Sudo => Privilege::Sudo,
            Become::None => Privilege::Login,
        },
        os: host.os,
        connect_timeout: host.ssh.connect_timeout.unwrap_or(connect_timeout),
    })
}

fn jump_of(jump: &JumpHost) -> Result<Endpoint, NameError> {
    let mut endpoint = Endpoint::new(jump.host.parse()?);
    endpoint.port = jump.port;
    endpoint.user = jump.user.clone();
    Ok(endpoint)
}

/// Returns a path of the inventory as ssh is given it: without `.` and `..`, from the root.
fn absolute(path: Option<&PathBuf>) -> Result<Option<AbsPath>, NameError> {
    let Some(path) = path else {
        return Ok(None);
    };
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
    absolute.to_string_lossy().parse().map(Some)
}
