//! Tests of the kubelet's cgroup driver.

use super::config::{Config, ConfigError};
use crate::testing::{Machine, change, compile, summary};
use engine::plan::Verdict;
use engine::question::FileState;
use engine::step::{Disruption, Step};

const SPEC: &str = "kubelet: {cgroupDriver: systemd}";
const PATH: &str = "/var/lib/kubelet/config.yaml";
const KIND: &str = "kind: KubeletConfiguration\n";

fn host(text: &str) -> Machine {
    Machine::debian()
        .directory("/var/lib/kubelet")
        .file(PATH, text)
        .unit("kubelet.service", &[])
}

#[test]
fn one_line_is_edited_and_every_other_byte_kept() {
    for (text, driver, after) in [
        ("K", None, "KcgroupDriver: systemd\n"),
        (
            "KcgroupDriver: cgroupfs\nx: 1\n",
            Some("cgroupfs"),
            "KcgroupDriver: systemd\nx: 1\n",
        ),
        (
            "KcgroupDriver: \"cgroupfs\" # why\r\nx: 1",
            Some("cgroupfs"),
            "KcgroupDriver: \"systemd\" # why\r\nx: 1",
        ),
        (
            "K'cgroupDriver':  cgroupfs",
            Some("cgroupfs"),
            "K'cgroupDriver':  systemd",
        ),
        (
            "KcgroupDriver:\nx: 1\n",
            None,
            "KcgroupDriver: systemd\nx: 1\n",
        ),
        (
            "Kx:\n  cgroupDriver: cgroupfs",
            None,
            "Kx:\n  cgroupDriver: cgroupfs\ncgroupDriver: systemd\n",
        ),
        (
            "---\n# cgroupDriver: x\nK",
            None,
            "---\n# cgroupDriver: x\nKcgroupDriver: systemd\n",
        ),
    ] {
        let (text, after) = (text.replacen('K', KIND, 1), after.replacen('K', KIND, 1));
        let config = Config::read(&text).unwrap();
        assert_eq!(config.driver(), driver, "{text:?}");
        assert_eq!(config.with_driver("systemd"), after, "{text:?}");
    }
}

#[test]
fn what_is_not_understood_is_left_alone() {
    for (text, expected) in [
        ("", ConfigError::OtherKind),
        ("kind: Other\n", ConfigError::OtherKind),
        (
            "{\"kind\": \"KubeletConfiguration\"}",
            ConfigError::FlowStyle,
        ),
        ("K---\nK", ConfigError::SeveralDocuments),
        ("KcgroupDriver: a\ncgroupDriver: b\n", ConfigError::Twice),
        ("KcgroupDriver: &a systemd\n", ConfigError::OddValue),
    ] {
        let text = text.replace('K', KIND);
        let text = if expected == ConfigError::FlowStyle {
            "{}".to_owned()
        } else {
            text
        };
        assert_eq!(Config::read(&text).unwrap_err(), expected, "{text:?}");
    }
}

#[test]
fn a_driver_by_its_state() {
    for (name, host, expected) in [
        (
            "converged",
            host(&format!("{KIND}cgroupDriver: systemd\n")),
            &[][..],
        ),
        (
            "another",
            host(&format!("{KIND}cgroupDriver: cgroupfs\n")),
            &[
                "kubelet/cgroupDriver: cgroupDriver cgroupfs->systemd",
                "service/kubelet.service: ",
            ],
        ),
        (
            "not set",
            host(KIND),
            &[
                "kubelet/cgroupDriver: cgroupDriver ->systemd",
                "service/kubelet.service: ",
            ],
        ),
        (
            "no file, no kubelet",
            Machine::debian(),
            &["kubelet/cgroupDriver: cgroupDriver ->systemd"],
        ),
        (
            "no file",
            Machine::debian().directory("/var/lib/kubelet"),
            &["kubelet/cgroupDriver: cgroupDriver ->systemd"],
        ),
        (
            "waiting for a cluster",
            host(KIND).unit("kubelet.service", &[("ActiveState", "activating")]),
            &[
                "kubelet/cgroupDriver: cgroupDriver ->systemd",
                "service/kubelet.service: ",
            ],
        ),
    ] {
        let mut host = host;
        assert_eq!(summary(&host.converge(SPEC)), expected, "{name}");
        assert!(host.owed.is_empty(), "{name}");
    }
    for (name, host) in [
        ("a link", host("").at(PATH, FileState::Symlink("x".into()))),
        ("json", host("{}")),
        (
            "not text",
            host("").with_file(PATH, |file| file.content = Some(vec![0xff])),
        ),
        (
            "hard links",
            host(KIND).with_file(PATH, |file| file.links = 2),
        ),
    ] {
        assert_eq!(
            host.plan(SPEC).unplanned[0].verdict,
            Verdict::Refused,
            "{name}"
        );
    }
}

#[test]
fn a_joined_node_keeps_its_driver_unless_told() {
    let joined = |text: &str| host(text).file("/etc/kubernetes/kubelet.conf", "");
    let plan = joined(KIND).plan(SPEC);
    assert!(plan.unplanned[0].reason.contains("has joined a cluster"));
    let allowed = "kubelet: {cgroupDriver: systemd, allowDriverChange: true}";
    let plan = joined(KIND).converge(allowed);
    assert_eq!(
        change(&plan, "kubelet/cgroupDriver").disruption,
        Disruption::PodLoss
    );
    // To write down the driver that it has anyway is no change of driver.
    joined(KIND).converge("kubelet: {cgroupDriver: cgroupfs}");
}

#[test]
fn what_kubeadm_writes_anew_is_said() {
    let drop_ins = "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf";
    let plan = Machine::debian()
        .unit("kubelet.service", &[("DropInPaths", drop_ins)])
        .plan(SPEC);
    let change = change(&plan, "kubelet/cgroupDriver");
    assert_eq!(change.verdict(), Verdict::Conditional);
    assert!(matches!(
        &change.steps[..],
        [Step::CreateDirectory { .. }, Step::WriteFile { .. }]
    ));
}

#[test]
fn a_spec_that_disagrees_with_itself_is_refused() {
    for (spec, expected) in [
        (
            "runtime: {containerd: {cgroupDriver: cgroupfs}}",
            "E221 the kubelet and the runtime use different cgroup drivers",
        ),
        (
            "files: [{path: /var/lib/kubelet/config.yaml, content: a}]",
            "E201 `/var/lib/kubelet/config.yaml` is managed twice",
        ),
    ] {
        let (_, complaints) = compile(&format!("{SPEC}\n{spec}"));
        assert_eq!(complaints, [expected]);
    }
}

#[test]
fn an_owned_unit_is_one_resource_with_the_users_wishes() {
    let spec = "\
kubelet: {cgroupDriver: systemd}
services: [{name: kubelet.service, enabled: true, dropIns: {proxy: \"[Service]\"}}]";
    let (graph, complaints) = compile(spec);
    assert_eq!(complaints, [""; 0]);
    let services: Vec<_> = graph
        .nodes()
        .filter(|node| node.id.kind() == "service")
        .collect();
    assert_eq!(services.len(), 1);
    assert!(
        services[0]
            .resource
            .desired()
            .contains("enabled=Some(true)")
    );
}
