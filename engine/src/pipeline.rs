//! The whole way for a fleet: plan all hosts, apply a plan to all hosts. Hosts are worked on side by side, and none holds
//! up another.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::apply::{HostApply, apply_host};
use crate::compile::{Fleet, FleetHost};
use crate::event::{Event, EventKind};
use crate::fleet::{Cancel, for_each_host};
use crate::inventory::{Become, Host, JumpHost};
use crate::name::{AbsPath, Digest, HostName, NameError};
use crate::plan::{Common, HostPlan, Inputs, PLAN_FORMAT, Plan, Unreachable, Via, plan_host};
use crate::probe::{Limits, ProbeError, probe_host, purge_host};
use crate::question::Observed;
use crate::report::{ChangeReport, HostOutcome, HostReport, Outcome, Report};
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
        let common = Mutex::new(Common::default());
        let results = self.for_each(|host, events| {
            let observed = self.observe(host, events)?;
            let mut plan = plan_host(&host.graph, self.providers, &host.host.name, &observed);
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
            hosts: Vec::new(),
            unreachable: Vec::new(),
        };
        for (host, result) in results {
            match result {
                Ok(planned) => plan.hosts.push(planned),
                Err(reason) => plan.unreachable.push(Unreachable { host, reason }),
            }
        }
        plan
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
    pub fn purge(&self) -> Vec<(HostName, Result<(), String>)> {
        self.for_each(|host, events| {
            tell(events, host, EventKind::Connecting);
            let purged = self.target(&host.host).and_then(|target| {
                purge_host(self.connector, &target, self.limits).map_err(|error| error.explain())
            });
            finish(events, host, purged)
        })
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
        let apply = |(host, plan): &(&FleetHost, &HostPlan)| {
            let events = self.sender();
            match self.target(&host.host) {
                Ok(target) => apply_host(&HostApply {
                    connector: self.connector,
                    target: &target,
                    plan,
                    plan_digest,
                    graph: &host.graph,
                    providers: self.providers,
                    operator,
                    limits: self.limits,
                    events: &events,
                }),
                Err(reason) => untouched(plan, HostOutcome::Unreachable(reason)),
            }
        };
        let on_panic = |(_, plan): &(&FleetHost, &HostPlan), panic: String| {
            untouched(
                plan,
                HostOutcome::Unknown(format!("hardstand failed: {panic}")),
            )
        };
        let reports = for_each_host(&hosts, self.forks, self.cancel, apply, on_panic);
        let reports = reports.into_iter().zip(&hosts).map(|(report, (_, plan))| {
            report.unwrap_or_else(|| {
                let nothing = plan.changes.is_empty();
                untouched(
                    plan,
                    if nothing {
                        HostOutcome::NothingToDo
                    } else {
                        HostOutcome::NotStarted
                    },
                )
            })
        });
        let unplanned = plan.unreachable.iter().map(|unreachable| HostReport {
            host: unreachable.host.clone(),
            outcome: HostOutcome::Unreachable(unreachable.reason.clone()),
            changes: Vec::new(),
            transaction: None,
        });
        Report {
            hosts: reports.chain(unplanned).collect(),
        }
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

fn finish<R>(
    events: &Sender<Event>,
    host: &FleetHost,
    result: Result<R, String>,
) -> Result<R, String> {
    let kind = match &result {
        Ok(_) => EventKind::Finished,
        Err(reason) => EventKind::Unreachable(reason.clone()),
    };
    tell(events, host, kind);
    result
}

fn tell(events: &Sender<Event>, host: &FleetHost, kind: EventKind) {
    let event = Event {
        host: host.host.name.clone(),
        kind,
    };
    // Nobody listens any more when the run was interrupted; the work goes on.
    drop(events.send(event));
}

fn untouched(plan: &HostPlan, outcome: HostOutcome) -> HostReport {
    HostReport {
        host: plan.host.clone(),
        outcome,
        changes: plan
            .changes
            .iter()
            .map(|change| ChangeReport {
                resource: change.resource.clone(),
                outcome: Outcome::NotReached,
            })
            .collect(),
        transaction: None,
    }
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
