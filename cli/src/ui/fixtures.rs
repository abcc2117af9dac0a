//! Plans and reports for the golden files: a fleet of 24 nodes with everything that can happen to one.

use std::collections::BTreeMap;

use engine::check::{Checked, Finding, Standing, Unjudged};
use engine::cluster::{ClusterPlan, ClusterState, ClusterStep, ClusterWide, KubeletConfigEdit};
use engine::diagnostic::Severity;
use engine::facts::{Facts, Init};
use engine::name::{HostName, ResourceId};
use engine::plan::{Change, HostPlan, Inputs, Plan, Unplanned, Unreachable, Verdict};
use engine::report::{
    ChangeReport, ClusterStepReport, ClusterWideReport, HostOutcome, HostReport, Left, Outcome,
    Report,
};
use engine::resource::{Action, Difference, Reason};
use engine::source::Position;
use engine::step::Disruption;

/// Escape sequences, line breaks, direction overrides, zero-width characters and workflow commands of CI systems.
pub(crate) const HOSTILE: &str = "\x1b[2J\x1b]0;pwned\x07\u{9b}31m\r\n::error::x\u{202e}gnp\u{200b}\u{2028}\u{feff}\u{7f}\u{e0041}";

const CONFIG: &str = "/etc/containerd/config.toml";
const CONFIG_DIFF: &str = "\
--- a/etc/containerd/config.toml
+++ b/etc/containerd/config.toml
@@ -12,4 +12,5 @@
   [plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.runc.options]
     BinaryName = \"\"
-    SystemdCgroup = false
+    SystemdCgroup = true
+\tNoNewKeyring = false
";

pub(crate) fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

pub(crate) fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

fn place(line: u32) -> Option<Position> {
    Some(Position {
        file: "site.yaml".to_owned(),
        line,
        column: 5,
    })
}

fn change(resource: &str, action: Action, line: u32) -> Change {
    Change {
        resource: id(resource),
        action,
        reasons: vec![Reason::Differs],
        condition: None,
        differences: Vec::new(),
        diffs: BTreeMap::new(),
        disruption: Disruption::None,
        source: place(line),
        requires: Vec::new(),
        steps: Vec::new(),
        receipt: None,
    }
}

fn differs(mut change: Change, differences: &[(&str, &str, &str)]) -> Change {
    change.differences.extend(
        differences
            .iter()
            .map(|(attribute, before, after)| Difference {
                attribute: (*attribute).to_owned(),
                before: (*before).to_owned(),
                after: (*after).to_owned(),
            }),
    );
    change
}

fn because(mut change: Change, reasons: &[Reason]) -> Change {
    change.reasons = reasons.to_vec();
    change
}

fn host_plan(name: &str, changes: Vec<Change>) -> HostPlan {
    HostPlan {
        host: host(name),
        facts: Facts {
            root: true,
            init: Init::Systemd,
            ..Facts::default()
        },
        questions: [].into(),
        guards: Vec::new(),
        changes: changes.into_iter().map(Into::into).collect(),
        unplanned: Vec::new(),
        unchanged: vec![id("swap/off"), id("package/containerd.io")],
        forgotten: Vec::new(),
        checks: Checked::default(),
        cluster: None,
    }
}

fn config() -> Change {
    let mut config = change("file//etc/containerd/config.toml", Action::Update, 30);
    config
        .diffs
        .insert(CONFIG.to_owned(), CONFIG_DIFF.to_owned());
    because(config, &[Reason::SpecChanged])
}

fn restart() -> Change {
    let mut restart = change("service/containerd.service", Action::Restart, 28);
    restart.disruption = Disruption::Restart;
    because(
        restart,
        &[Reason::NotifiedBy(id("file//etc/containerd/config.toml"))],
    )
}

/// What most workers need.
fn common(name: &str) -> HostPlan {
    let module = differs(
        change("module/br_netfilter", Action::Create, 14),
        &[("loaded", "", "yes"), ("boot", "", "yes")],
    );
    let forward = change("sysctl/net.ipv4.ip_forward", Action::Update, 19);
    let forward = differs(forward, &[("running", "0", "1"), ("persisted", "", "1")]);
    let range = change("sysctl/net.ipv4.ip_local_port_range", Action::Update, 20);
    let mut range = differs(range, &[("running", "32768 60999", "1024 65535")]);
    range.condition = Some(
        "/etc/sysctl.d/99-vendor.conf sets it too, is read later, and is changed by whoever wrote it".to_owned(),
    );
    host_plan(
        name,
        vec![
            module,
            forward,
            because(range, &[Reason::Drifted]),
            config(),
            restart(),
        ],
    )
}

/// Hosts that differ by their own name only, and one that differs by more.
pub(crate) fn named() -> Plan {
    let named = |name: &str, level: &str| {
        let file = format!("/etc/example/{name}.conf");
        let digest = format!("sha256:{name}");
        let file_of_host = change(&format!("file/{file}"), Action::Create, 12);
        let mut file_of_host = differs(file_of_host, &[("content", "", &digest)]);
        let diff = format!("@@ -0,0 +1,2 @@\n+name = {name}\n+not = n1x\n");
        file_of_host.diffs.insert(file, diff);
        let sysctl = change("sysctl/kernel.domainname", Action::Update, 13);
        let value = format!("{name}.example.org {level}");
        let sysctl = differs(sysctl, &[("running", "(none)", &value)]);
        host_plan(name, vec![file_of_host, sysctl])
    };
    let hosts = [("n1", "a"), ("n2", "a"), ("n3", "b"), ("n10", "a")];
    let hosts = hosts.map(|(name, level)| named(name, level));
    plan(hosts.into(), &[])
}

/// A node on which everything else happens.
fn special() -> HostPlan {
    let mut removed = change("file//etc/sysctl.d/50-old.conf", Action::Delete, 1);
    removed.source = None;
    let removed = because(removed, &[Reason::NoLongerNamed]);
    let mut docker = change("service/docker.service", Action::Restart, 33);
    docker.disruption = Disruption::PodLoss;
    let docker = because(
        docker,
        &[Reason::Owed("2026-11-20, transaction 7f3a".to_owned())],
    );
    let mut resolved = change("service/systemd-resolved.service", Action::Reload, 34);
    resolved.disruption = Disruption::Reload;
    let reasons = ["file//a", "file//b", "file//c", "file//d", "file//e"];
    let reasons = reasons.map(|name| Reason::NotifiedBy(id(name)));
    let mut kernel = differs(
        change("kernel/cgroup", Action::Update, 40),
        &[("hierarchy", "v1", "v2")],
    );
    kernel.disruption = Disruption::Reboot;
    let mut plan = host_plan(
        "node19",
        vec![removed, docker, because(resolved, &reasons), kernel],
    );
    plan.unplanned = vec![
        Unplanned {
            resource: id("package/kubelet"),
            verdict: Verdict::Unknown,
            reason:
                "dpkg is at work on the host, so that what is installed may change at any moment"
                    .to_owned(),
            help: Some("wait for it, then plan again".to_owned()),
            source: place(44),
        },
        Unplanned {
            resource: id("file//etc/fstab"),
            verdict: Verdict::Refused,
            reason: "it is a symbolic link to /mnt/fstab".to_owned(),
            help: None,
            source: place(45),
        },
    ];
    plan.forgotten = vec![id("user/ops")];
    plan.checks = checked();
    plan
}

/// Findings of every kind.
pub(crate) fn checked() -> Checked {
    let finding = |severity, check: &str, message: &str, standing| Finding {
        severity,
        check: check.parse().unwrap(),
        message: message.to_owned(),
        help: Some("do what `hardstand explain` says".to_owned()),
        source: place(12),
        ignored: None,
        standing,
    };
    let mut ignored = finding(
        Severity::Error,
        "H019",
        "swap returns at the next boot: /etc/fstab has /swapfile",
        Standing::Stays,
    );
    ignored.ignored = Some("these nodes swap on purpose".to_owned());
    Checked {
        findings: vec![
            finding(
                Severity::Error,
                "H014",
                "the kubelet is given --container-runtime, which 1.31 does not know",
                Standing::Stays,
            ),
            ignored,
            finding(
                Severity::Warning,
                "H012",
                "there are several CRI sockets",
                Standing::Caused,
            ),
            finding(
                Severity::Warning,
                "H004",
                "the kubelet and the runtime use different cgroup drivers",
                Standing::Mended,
            ),
        ],
        unknown: vec![Unjudged {
            check: "H029".parse().unwrap(),
            reason: "the host has neither curl nor crictl".to_owned(),
        }],
        passed: vec!["H013".parse().unwrap()],
    }
}

/// A node that sends what no terminal should see.
pub(crate) fn hostile() -> HostPlan {
    let value = change("sysctl/kernel.core_pattern", Action::Update, 21);
    let mut value = differs(
        value,
        &[("running", HOSTILE, "core"), (HOSTILE, HOSTILE, HOSTILE)],
    );
    value.condition = Some(HOSTILE.to_owned());
    value.reasons = vec![Reason::Owed(HOSTILE.to_owned())];
    value.diffs.insert(
        HOSTILE.to_owned(),
        format!("@@ -1 +1 @@\n-{HOSTILE}\n+core\n"),
    );
    value.source = Some(Position {
        file: HOSTILE.to_owned(),
        line: 1,
        column: 1,
    });
    let mut plan = host_plan("node23", vec![value]);
    plan.unplanned.push(Unplanned {
        resource: id("mount/\u{202e}\u{200b}x"),
        verdict: Verdict::Unknown,
        reason: HOSTILE.to_owned(),
        help: Some(HOSTILE.to_owned()),
        source: None,
    });
    plan
}

pub(crate) fn plan(hosts: Vec<HostPlan>, unreachable: &[(&str, &str)]) -> Plan {
    let unreachable = unreachable.iter().map(|(name, reason)| Unreachable {
        host: host(name),
        reason: (*reason).to_owned(),
    });
    Plan {
        via: engine::plan::Via::Ssh,
        shard: None,
        format: engine::plan::PLAN_FORMAT.to_owned(),
        tool: "0.1.0".to_owned(),
        inputs: Inputs::default(),
        clusters: Vec::new(),
        hosts,
        unreachable: unreachable.collect(),
    }
}

/// 24 nodes: 18 and 2 alike, one special, one done already, one hostile, and one that is away.
pub(crate) fn fleet() -> Plan {
    let hosts = (1..=23).map(|n| match n {
        19 => special(),
        22 => host_plan("node22", Vec::new()),
        23 => hostile(),
        n => common(&format!("node{n:02}")),
    });
    let away = "ssh: connect to host 10.0.0.24 port 22: timed out after 10s, by way of bastion-1";
    plan(hosts.collect(), &[("node24", away)])
}

/// Nodes of four clusters: one that is edited, one that cannot be, one that is not there, and one that sends what no terminal
/// should see.
pub(crate) fn clustered() -> Plan {
    let edit = |name: &str, more: &str| KubeletConfigEdit {
        config_map: name.to_owned(),
        cgroup_driver: "systemd".to_owned(),
        before: format!("kind: KubeletConfiguration\ncgroupDriver: cgroupfs # why\n{more}"),
        after: format!("kind: KubeletConfiguration\ncgroupDriver: systemd # why\n{more}"),
    };
    let node = |name: &str, context: Option<&str>| HostPlan {
        cluster: Some(ClusterPlan {
            context: context.map(str::to_owned),
            node: name.parse().unwrap(),
            observed: ClusterState::default(),
            before: vec![ClusterStep::Cordon],
            after: vec![ClusterStep::Uncordon],
            notes: Vec::new(),
        }),
        ..host_plan(name, vec![config(), restart()])
    };
    let mut plan = plan(
        vec![
            node("node01", None),
            node("node02", None),
            node("node03", Some("odd")),
        ],
        &[],
    );
    plan.clusters = vec![
        ClusterWide {
            edits: vec![edit("kubelet-config-1.22", ""), edit("kubelet-config-1.23", "")],
            ..ClusterWide::default()
        },
        ClusterWide {
            context: Some("odd".to_owned()),
            refused: vec![
                "the ConfigMap kube-system/kubelet-config is not edited: it is not written in block style".to_owned(),
            ],
            ..ClusterWide::default()
        },
        ClusterWide {
            context: Some("gone".to_owned()),
            unasked: Some("`kubectl get nodes --output=json` failed: no route to host".to_owned()),
            ..ClusterWide::default()
        },
        ClusterWide {
            context: Some(HOSTILE.to_owned()),
            unasked: Some(HOSTILE.to_owned()),
            edits: vec![edit(HOSTILE, HOSTILE)],
            refused: vec![HOSTILE.to_owned()],
        },
    ];
    plan
}

/// How the clusters of [`clustered`] may end.
pub(crate) fn cluster_reports() -> Vec<ClusterWideReport> {
    let step = |edit: &KubeletConfigEdit, outcome: Outcome| ClusterStepReport {
        step: ClusterStep::EditKubeletConfig(edit.clone()),
        outcome,
    };
    let edits = &clustered().clusters[0].edits;
    let [first, second] = &edits[..] else {
        return Vec::new();
    };
    let report =
        |context: &str, outcome: HostOutcome, steps: Vec<ClusterStepReport>| ClusterWideReport {
            context: Some(context.to_owned()),
            outcome,
            steps,
        };
    let failed = || Outcome::Failed(HOSTILE.to_owned());
    vec![
        report(
            "good",
            HostOutcome::Converged,
            vec![step(first, Outcome::Done)],
        ),
        report(
            "half",
            HostOutcome::Failed,
            vec![step(first, Outcome::Done), step(second, failed())],
        ),
        report(
            "stale",
            HostOutcome::Stale(vec![
                "-cgroupDriver: cgroupfs".to_owned(),
                format!("+{HOSTILE}"),
            ]),
            vec![step(first, failed()), step(second, Outcome::NotReached)],
        ),
        report("odd", HostOutcome::Refused(HOSTILE.to_owned()), Vec::new()),
        report(
            "late",
            HostOutcome::NotStarted,
            vec![step(first, Outcome::NotReached)],
        ),
    ]
}

/// Three nodes that are as the spec says.
pub(crate) fn settled() -> Plan {
    plan(
        ["node01", "node02", "node03"]
            .map(|name| host_plan(name, Vec::new()))
            .into(),
        &[],
    )
}

fn host_report(name: &str, outcome: HostOutcome, changes: &[(&str, Outcome)]) -> HostReport {
    let changes = changes.iter().map(|(resource, outcome)| ChangeReport {
        resource: id(resource),
        outcome: outcome.clone(),
    });
    HostReport {
        host: host(name),
        outcome,
        changes: changes.collect(),
        transaction: Some("7f3a".to_owned()),
        cluster: None,
    }
}

/// How an apply to those nodes may end.
pub(crate) fn report() -> Report {
    let (module, sysctl) = ("module/br_netfilter", "sysctl/net.ipv4.ip_forward");
    let (config, service) = (
        "file//etc/containerd/config.toml",
        "service/containerd.service",
    );
    let ended = |service_outcome: Outcome| {
        [
            (module, Outcome::Done),
            (sysctl, Outcome::Done),
            (config, Outcome::Done),
            (service, service_outcome),
        ]
    };
    let failed = Outcome::Failed(format!(
        "containerd did not start (exit 1)\n{HOSTILE}\nsee journalctl -u containerd"
    ));
    let undone =
        Outcome::Undone("no answer on /run/containerd/containerd.sock within 60 s".to_owned());
    let mut hosts: Vec<_> = (1..=12)
        .map(|n| {
            host_report(
                &format!("node{n:02}"),
                HostOutcome::Converged,
                &ended(Outcome::Done),
            )
        })
        .collect();
    hosts.extend([
        host_report("node13", HostOutcome::Failed, &ended(failed.clone())),
        host_report("node14", HostOutcome::Failed, &ended(failed)),
        host_report("node15", HostOutcome::RolledBack, &ended(undone)),
        host_report(
            "node16",
            HostOutcome::Failed,
            &[
                (
                    config,
                    Outcome::Failed("no space left on device".to_owned()),
                ),
                (service, Outcome::Skipped(id(config))),
            ],
        ),
        host_report(
            "node17",
            HostOutcome::NotConverged(vec![Left {
                resource: id(sysctl),
                reason: "running is 0 instead of 1".to_owned(),
            }]),
            &[(sysctl, Outcome::Done)],
        ),
        host_report(
            "node18",
            HostOutcome::Stale(vec![
                "sysctl/net.ipv4.ip_forward: 0 when planned, now 1".to_owned(),
            ]),
            &[],
        ),
        host_report(
            "node19",
            HostOutcome::Refused("transaction 11aa is open".to_owned()),
            &[],
        ),
        host_report(
            "node20",
            HostOutcome::Unreachable("timed out after 10s".to_owned()),
            &[],
        ),
        host_report(
            "node21",
            HostOutcome::Unknown("connection lost during service/containerd.service".to_owned()),
            &[],
        ),
        host_report(
            "node22",
            HostOutcome::Wedged("the old config.toml could not be put back".to_owned()),
            &[],
        ),
        host_report(
            "node23",
            HostOutcome::NotStarted,
            &[(sysctl, Outcome::NotReached)],
        ),
        host_report("node24", HostOutcome::NothingToDo, &[]),
    ]);
    Report {
        clusters: Vec::new(),
        hosts,
    }
}
