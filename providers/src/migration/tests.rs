//! What a migration comes to on a machine.

use engine::cluster::{ClusterState, NodeState};
use engine::step::{Disruption, Step};

use crate::testing::{Machine, change, compile, compile_completed, summary};

const SPEC: &str = "\
    sysctls: { net.ipv4.ip_forward: 1 }\n\
    cluster: { drain: {} }\n\
    runtime: { containerd: { replaces: docker, package: containerd } }\n";

fn node(minor: u32) -> NodeState {
    NodeState {
        runtime: "docker://20.10.24".into(),
        kubelet: format!("v1.{minor}.1"),
        cri_socket: Some("/var/run/dockershim.sock".into()),
        ready: true,
        unschedulable: false,
    }
}

/// A node of a cluster whose kubelet uses dockershim. containerd comes with its package.
fn machine() -> Machine {
    let mut machine = Machine::debian()
        .sysctl("net.ipv4.ip_forward", "1")
        .package("containerd", |package| {
            package.candidate = Some("1.6.20".into());
        })
        .unit("docker.service", &[])
        .unit("docker.socket", &[])
        .unit("kubelet.service", &[])
        .directory("/var/lib/kubelet")
        .file("/etc/kubernetes/kubelet.conf", "")
        .file(
            "/var/lib/kubelet/kubeadm-flags.env",
            "KUBELET_KUBEADM_ARGS=\"--network-plugin=cni\"\n",
        );
    machine.cluster = Some(ClusterState {
        node: Some(node(23)),
        ..ClusterState::default()
    });
    machine
}

#[test]
fn docker_stops_before_containerd_starts_and_the_kubelet_comes_last() {
    let plan = machine().plan(SPEC);
    assert_eq!(plan.unplanned, [], "{plan:#?}");
    let order: Vec<_> = plan
        .changes
        .iter()
        .map(|change| change.resource.to_string())
        .filter(|name| !name.starts_with("sysctl"))
        .collect();
    let place = |name: &str| {
        order
            .iter()
            .position(|other| other == name)
            .unwrap_or_else(|| panic!("{name}: {order:?}"))
    };
    let expected = [
        "migration/docker",
        "containerd//etc/containerd/config.toml",
        "service/containerd.service",
        "endpoint/kubelet",
        "service/kubelet.service",
    ];
    let places = expected.map(place);
    assert!(places.is_sorted(), "{order:?}");
    let docker = change(&plan, "migration/docker");
    assert_eq!(docker.disruption, Disruption::PodLoss);
    let is_pause = |step: &Step| matches!(step, Step::PauseUnit { name } if name.as_str() == "kubelet.service");
    let kubelet: engine::name::UnitName = "kubelet.service".parse().unwrap();
    assert_eq!(docker.steps[0].owes(), [kubelet]);
    assert!(is_pause(&docker.steps[1]), "{docker:#?}");
    assert!(plan.drains(), "{plan:#?}");
    let flags = &change(&plan, "endpoint/kubelet").diffs["/var/lib/kubelet/kubeadm-flags.env"];
    assert!(
        flags.contains(
            "+KUBELET_KUBEADM_ARGS=\"--network-plugin=cni --container-runtime=remote \
             --container-runtime-endpoint=unix:///run/containerd/containerd.sock\""
        ),
        "{flags}"
    );
}

#[test]
fn pods_are_not_lost_without_a_drain_or_a_word() {
    let mut machine = machine();
    let spec = SPEC.replace("cluster: { drain: {} }\n", "");
    machine.cluster = None;
    let plan = machine.plan(&(spec.clone() + "kubernetes: { version: \"1.23\" }\n"));
    assert!(
        summary(&plan)
            .iter()
            .any(|line| line.starts_with("migration/docker Refused")),
        "{plan:#?}"
    );
    let allowed = spec.replace(
        "replaces: docker",
        "replaces: docker, allowDriverChange: true",
    );
    let plan = machine.plan(&(allowed + "kubernetes: { version: \"1.23\" }\n"));
    assert_eq!(plan.unplanned, [], "{plan:#?}");
}

#[test]
fn a_node_of_another_name_is_not_taken_for_a_drained_one() {
    let mut machine = machine();
    machine.cluster = Some(ClusterState::default());
    let plan = machine.plan(&(SPEC.to_owned() + "kubernetes: { version: \"1.23\" }\n"));
    assert!(!plan.drains());
    assert!(
        summary(&plan)
            .iter()
            .any(|line| line.starts_with("migration/docker Refused")),
        "{plan:#?}"
    );
}

#[test]
fn a_machine_without_docker_has_nothing_to_migrate() {
    let machine = Machine::debian().sysctl("net.ipv4.ip_forward", "1");
    let plan = machine
        .plan("sysctls: { net.ipv4.ip_forward: 1 }\nruntime: { containerd: { replaces: docker } }");
    let touched: Vec<_> = plan
        .changes
        .iter()
        .map(|change| change.resource.kind())
        .filter(|kind| super::KINDS.contains(kind))
        .collect();
    assert_eq!(touched, [""; 0]);
}

#[test]
fn what_a_person_told_the_kubelet_is_theirs_to_change() {
    let machine = machine().file(
        "/etc/default/kubelet",
        "KUBELET_EXTRA_ARGS=--container-runtime-endpoint=unix:///run/x.sock\n",
    );
    let plan = machine.plan(SPEC);
    assert!(
        summary(&plan)
            .iter()
            .any(|line| line.starts_with("endpoint/kubelet Refused")
                && line.contains("/etc/default/kubelet")),
        "{plan:#?}"
    );
}

#[test]
fn a_flag_that_hides_in_the_unit_is_named() {
    let unit = "[Service]\nEnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\n\
                ExecStart=/usr/bin/kubelet $KUBELET_KUBEADM_ARGS $KUBELET_NETWORK_ARGS\n";
    for (drop_in, says) in [
        ("--v=2", None),
        ("--network-plugin=cni", None),
        (
            "--container-runtime=docker",
            Some("10-kubeadm.conf:2 gives the kubelet `--container-runtime`"),
        ),
        (
            "--container_runtime_endpoint unix:///x",
            Some("10-kubeadm.conf:2 gives the kubelet `--container-runtime-endpoint`"),
        ),
    ] {
        let machine = machine()
            .file("/usr/lib/systemd/system/kubelet.service", unit)
            .file(
                "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
                &format!("[Service]\nEnvironment=\"KUBELET_NETWORK_ARGS={drop_in}\"\n"),
            );
        let lines = summary(&machine.plan(SPEC));
        let refused = lines
            .iter()
            .find(|line| line.starts_with("endpoint/kubelet Refused"));
        match says {
            None => assert_eq!(refused, None, "{drop_in}"),
            Some(says) => assert!(
                refused.is_some_and(|line| line.contains(says)),
                "{lines:#?}"
            ),
        }
    }
}

#[test]
fn the_flags_are_those_of_the_kubelet_that_is_started_next() {
    for (installed, expected) in [
        (
            "1.23.17-00",
            "--network-plugin=cni --container-runtime=remote",
        ),
        ("1.27.4-1.1", "ARGS=\" --container-runtime-endpoint="),
    ] {
        // The one that runs is of 1.23.
        let machine = machine().package("kubelet", |package| {
            package.installed = Some(installed.into());
        });
        let plan = machine.plan(SPEC);
        let flags = &change(&plan, "endpoint/kubelet").diffs["/var/lib/kubelet/kubeadm-flags.env"];
        let flags = flags.replace("ARGS=\"--container", "ARGS=\" --container");
        assert!(flags.contains(expected), "{flags}");
    }
}

#[test]
fn the_units_of_kubespray_go_off_too() {
    let machine = machine()
        .unit("cri-dockerd.service", &[])
        .unit("cri-dockerd.socket", &[]);
    let plan = machine.plan(SPEC);
    let steps = &change(&plan, "migration/docker").steps;
    for unit in ["cri-dockerd.socket", "cri-dockerd.service"] {
        let stops = |step: &Step| matches!(step, Step::StopUnit { name } if name.as_str() == unit);
        assert!(steps.iter().any(stops), "{unit}: {steps:#?}");
    }
}

#[test]
fn units_and_forwarding_are_looked_at_before_any_host() {
    let (_, problems) = compile(
        "runtime: { containerd: { replaces: docker } }\nservices: [{ name: docker.service, active: true }]",
    );
    let codes: Vec<_> = problems.iter().map(|problem| &problem[..4]).collect();
    assert_eq!(codes, ["E290", "W291"], "{problems:?}");
}

#[test]
fn forwarding_may_be_set_by_what_the_runtime_implies_or_by_its_other_name() {
    for (spec, warned) in [
        ("runtime: { containerd: { replaces: docker } }", false),
        (
            "runtime: { containerd: { replaces: docker, prerequisites: false } }",
            true,
        ),
        (
            "runtime: { containerd: { replaces: docker, prerequisites: false } }\n\
             sysctls: { net.ipv4.conf.all.forwarding: 1 }",
            false,
        ),
    ] {
        let (_, problems) = compile_completed(spec);
        let is_warned = problems.iter().any(|problem| problem.starts_with("W291"));
        assert_eq!(is_warned, warned, "{spec}: {problems:?}");
    }
}
