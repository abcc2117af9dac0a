//! Tests of how plans are saved and what their hosts share.

use super::*;
use crate::check::Checked;
use crate::cluster::{ClusterState, ClusterStep, KubeletConfigEdit};
use crate::facts::Facts;
use crate::report::Left;
use crate::step::Step;

/// A plan of one host that sets a sysctl, writes a file of some size, and cannot tell about a module.
fn host(name: &str, before: &str) -> HostPlan {
    let change = |resource: &str, before: &str, step: Step| {
        Arc::new(Change {
            resource: resource.parse().unwrap(),
            action: Action::Update,
            reasons: vec![Reason::Differs],
            condition: None,
            differences: vec![Difference {
                attribute: "running".to_owned(),
                before: before.to_owned(),
                after: "1".to_owned(),
            }],
            diffs: BTreeMap::new(),
            disruption: Disruption::None,
            source: None,
            requires: Vec::new(),
            steps: vec![step],
            receipt: None,
        })
    };
    let sysctl = Step::SetSysctl {
        key: "vm.swappiness".parse().unwrap(),
        value: "1".to_owned(),
    };
    let file = Step::WriteFile {
        path: "/etc/x".parse().unwrap(),
        content: Content::Text("some content\n".repeat(100)),
        mode: crate::name::FileMode::new(0o644),
        owner: "root".parse().unwrap(),
        group: "root".parse().unwrap(),
        replaces: crate::step::Replaces::Nothing,
        check: None,
        owes: Vec::new(),
    };
    HostPlan {
        host: name.parse().unwrap(),
        facts: Facts {
            machine_id: Some(format!("id of {name}")),
            os_id: "debian".to_owned(),
            ..Facts::default()
        },
        questions: [Question::Sysctl("vm.swappiness".parse().unwrap())].into(),
        guards: vec![
            "absent /etc/x".into(),
            format!("sysctl vm/swappiness value {before}").into(),
        ],
        changes: vec![
            change("sysctl/vm.swappiness", before, sysctl),
            change("file//etc/x", "", file),
        ],
        unplanned: vec![Unplanned {
            resource: "module/overlay".parse().unwrap(),
            verdict: Verdict::Unknown,
            reason: format!("it cannot be told on {name}"),
            help: None,
            source: None,
        }],
        unchanged: vec!["swap/off".parse().unwrap()],
        forgotten: Vec::new(),
        checks: Checked::default(),
        cluster: None,
    }
}

fn plan(hosts: Vec<HostPlan>) -> Plan {
    Plan {
        format: PLAN_FORMAT.to_owned(),
        tool: "0.0.0".to_owned(),
        via: Via::Ssh,
        shard: "2/4".parse().ok(),
        inputs: Inputs::default(),
        clusters: Vec::new(),
        hosts,
        unreachable: vec![Unreachable {
            host: "gone".parse().unwrap(),
            reason: "no route to host".to_owned(),
        }],
    }
}

/// Four hosts: two that differ in values, one where less changes, and one as the second.
fn mixed() -> Plan {
    let mut small = host("c", "60");
    small.changes.truncate(1);
    plan(vec![
        host("a", "60"),
        host("b", "10"),
        small,
        host("d", "10"),
    ])
}

#[test]
fn a_saved_plan_is_read_as_it_was_and_saved_again_as_it_is() {
    let mut clustered = mixed();
    clustered.clusters.push(ClusterWide {
        context: Some("prod".to_owned()),
        unasked: Some("no".to_owned()),
        edits: vec![KubeletConfigEdit {
            config_map: "kubelet-config".to_owned(),
            cgroup_driver: "systemd".to_owned(),
            before: "a\r\n".to_owned(),
            after: "\u{1b}b".to_owned(),
        }],
        refused: vec!["it is odd".to_owned()],
    });
    for plan in [
        plan(Vec::new()),
        plan(vec![host("a", "60")]),
        mixed(),
        clustered,
    ] {
        let bytes = plan.to_bytes();
        let read = Plan::from_bytes(&bytes).unwrap();
        assert_eq!(read, plan);
        assert_eq!(read.to_bytes(), bytes);
    }
}

#[test]
fn what_hosts_share_does_not_change_the_bytes() {
    let mut shared = mixed();
    let mut common = Common::default();
    // The order in which hosts are planned is another than that of the plan.
    shared
        .hosts
        .iter_mut()
        .rev()
        .for_each(|host| common.share(host));
    assert!(Arc::ptr_eq(
        &shared.hosts[0].changes[1],
        &shared.hosts[3].changes[1]
    ));
    assert!(Arc::ptr_eq(
        &shared.hosts[1].changes[0],
        &shared.hosts[3].changes[0]
    ));
    assert!(Arc::ptr_eq(
        &shared.hosts[0].guards[0],
        &shared.hosts[1].guards[0]
    ));
    assert_eq!(shared, mixed());
    assert_eq!(shared.to_bytes(), mixed().to_bytes());
}

#[test]
fn a_thousand_hosts_that_change_alike_are_not_a_thousand_plans() {
    let hosts = |n_hosts: usize| {
        let hosts = (0..n_hosts).map(|n| host(&format!("n{n:04}"), "60"));
        plan(hosts.collect()).to_bytes().len()
    };
    let (one, thousand) = (hosts(1), hosts(1000));
    let each = (thousand - one) / 999;
    // Its name, its machine id, and here what cannot be told of it.
    assert!(
        each < 400 && each < one / 8,
        "{one} bytes, and {each} for each more"
    );
}

#[test]
fn a_saved_plan_that_was_edited_is_refused() {
    let text = String::from_utf8(mixed().to_bytes()).unwrap();
    let edited = [
        text.replacen("running", "runnin", 1),
        text.replacen("60", "61", 1),
        text.trim_end().to_owned(),
        text.replace("  ", " "),
    ];
    for changed in edited {
        assert_ne!(changed, text);
        let error = Plan::from_bytes(changed.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("its digest"), "{error}");
    }
}

#[test]
fn a_saved_plan_that_hangs_together_badly_is_refused() {
    let text = String::from_utf8(mixed().to_bytes()).unwrap();
    for (from, to, expected) in [
        ("plan/v2", "plan/v1", "the format is not"),
        (
            "\"plan\": 1",
            "\"plan\": 2",
            "the plan of c is not one of `plans`",
        ),
        ("\"plan\": 1", "\"plan\": 0", "one that is of no host"),
        (
            "\"1\": \"sysctl",
            "\"2\": \"sysctl",
            "b has something else at 2",
        ),
        (
            "\"machineId\": \"id of b\"",
            "\"id\": \"b\"",
            "unknown field `id`",
        ),
        ("\"forgotten\"", "\"forgoten\"", "unknown field `forgoten`"),
        (
            "\"via\": \"ssh\"",
            "\"via\": \"ssh\", \"more\": 1",
            "unknown field `more`",
        ),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "{from}");
        let error = Plan::from_bytes(changed.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{from}: {error}");
    }
}

#[test]
fn what_is_left_after_an_apply_is_named_with_its_reason() {
    let applied = host("a", "60");
    let mut again = host("a", "60");
    again.changes.truncate(1);
    again.unplanned.push(Unplanned {
        resource: "service/x.service".parse().unwrap(),
        verdict: Verdict::Refused,
        reason: "it is masked".to_owned(),
        help: None,
        source: None,
    });
    let left: Vec<_> = Left::of(&applied, &again)
        .into_iter()
        .map(|left| format!("{}: {}", left.resource, left.reason))
        .collect();
    assert_eq!(
        left,
        [
            "sysctl/vm.swappiness: running is 60 instead of 1",
            "service/x.service: it is masked",
        ],
        "what could not be planned before is not news"
    );
    again.changes.clear();
    again.unplanned.pop();
    assert_eq!(Left::of(&applied, &again), []);
}

#[test]
fn a_part_of_a_plan_has_nothing_of_the_clusters_of_others() {
    let node = |name: &str, context: &str| HostPlan {
        cluster: Some(ClusterPlan {
            context: Some(context.to_owned()),
            node: name.parse().unwrap(),
            observed: ClusterState::default(),
            before: Vec::new(),
            after: Vec::new(),
            notes: Vec::new(),
        }),
        ..host(name, "60")
    };
    let cluster = |context: &str| ClusterWide {
        context: Some(context.to_owned()),
        refused: vec!["it is odd".to_owned()],
        ..ClusterWide::default()
    };
    let mut plan = plan(vec![node("a", "one"), node("b", "two")]);
    plan.clusters = vec![
        cluster("one"),
        cluster("two"),
        ClusterWide {
            context: Some("gone".to_owned()),
            unasked: Some("no".to_owned()),
            ..ClusterWide::default()
        },
    ];
    plan.retain(|host| host.as_str() == "b");
    let hosts: Vec<_> = plan.hosts.iter().map(|host| host.host.as_str()).collect();
    assert_eq!(hosts, ["b"]);
    assert_eq!(plan.unreachable, []);
    let contexts: Vec<_> = plan
        .clusters
        .iter()
        .filter_map(|cluster| cluster.context.as_deref())
        .collect();
    assert_eq!(contexts, ["two", "gone"]);
}

#[test]
fn a_host_that_cannot_be_changed_is_refused_before_its_node_is_drained() {
    let mut node = host("a", "60");
    node.facts.root = false;
    node.cluster = Some(ClusterPlan {
        context: None,
        node: "a".parse().unwrap(),
        observed: ClusterState::default(),
        before: vec![ClusterStep::Cordon],
        after: vec![ClusterStep::Uncordon],
        notes: Vec::new(),
    });
    let refusal = node.refusal().unwrap();
    assert!(refusal.starts_with("changes need root"), "{refusal}");
    let cluster = ClusterWide {
        edits: vec![KubeletConfigEdit {
            config_map: "kubelet-config".to_owned(),
            cgroup_driver: "systemd".to_owned(),
            before: "a\n".to_owned(),
            after: "b\n".to_owned(),
        }],
        ..ClusterWide::default()
    };
    let mut plan = plan(vec![node]);
    assert!(!plan.may_touch(&plan.hosts[0]) && !plan.edits(&cluster));
    plan.hosts[0].changes.clear();
    assert_eq!(plan.hosts[0].refusal(), None, "nothing is to be changed");
    plan.hosts[0].facts.root = true;
    plan.hosts[0].facts.init = Init::Systemd;
    assert!(plan.edits(&cluster));
}
