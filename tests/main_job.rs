//! The main job on real nodes: plan, apply, plan again to nothing, the page's own checks, reboot, drift, overrides.

use crate::support::{Lab, run};

/// What the Kubernetes page "Container Runtimes" asks of a node.
const PAGE: &str = r#"kubernetes: { version: "1.31" }
modules: [overlay, br_netfilter]
sysctls:
  net.bridge.bridge-nf-call-iptables: 1
  net.bridge.bridge-nf-call-ip6tables: 1
  net.ipv4.ip_forward: 1
runtime:
  containerd:
    cgroupDriver: systemd
    sandboxImage: registry.k8s.io/pause:3.10
kubelet: { cgroupDriver: systemd }
swap: off
"#;

const NODES: [&str; 3] = ["bookworm", "trixie", "sid"];

#[test]
fn a_fleet_of_three_releases_is_prepared_as_the_page_asks() {
    let Some(lab) = Lab::boot(&[
        "bookworm=bookworm-containerd",
        "trixie=trixie-containerd",
        "sid=sid-containerd",
    ]) else {
        return;
    };
    let spec = lab.spec(PAGE);

    let plan = lab.path("plan.json");
    let planned = run(lab
        .hardstand("plan", &spec)
        .arg("--out")
        .arg(&plan)
        .arg("--detailed-exitcode"));
    assert_eq!(planned.code, Some(2), "{planned:#?}");
    assert!(planned.stdout.contains("Plan: "), "{planned:#?}");
    let applied = run(lab.bare("apply").arg(&plan));
    assert_eq!(applied.code, Some(0), "{applied:#?}");
    lab.expect_no_changes(&spec);

    for node in NODES {
        expect_page_checks(&lab, node);
    }
    expect_config_version(&lab, "bookworm", 2);
    expect_config_version(&lab, "trixie", 2);

    for node in NODES {
        lab.lab("reboot", node);
    }
    for node in NODES {
        lab.wait_until(node, "systemctl is-active --quiet containerd");
    }
    lab.expect_no_changes(&spec);
    for node in NODES {
        expect_page_checks(&lab, node);
    }
}

/// The checks that the page tells its readers to make after the change.
fn expect_page_checks(lab: &Lab, node: &str) {
    let sysctls = lab.ask(
        node,
        "sysctl -n net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables net.ipv4.ip_forward",
    );
    assert_eq!(sysctls, "1\n1\n1", "{node}");
    lab.ask(node, "grep -w overlay /proc/filesystems");
    let effective = lab.ask(node, "containerd config dump");
    assert!(
        effective.contains("SystemdCgroup = true"),
        "{node}: {effective}"
    );
    assert!(
        effective.contains("registry.k8s.io/pause:3.10"),
        "{node}: {effective}"
    );
    let plugins = lab.ask(node, "ctr plugins ls");
    let cri = plugins
        .lines()
        .filter(|line| line.contains("cri"))
        .collect::<Vec<_>>();
    assert!(
        !cri.is_empty() && cri.iter().all(|line| line.trim_end().ends_with("ok")),
        "{node}: {cri:#?}"
    );
}

fn expect_config_version(lab: &Lab, node: &str, version: u32) {
    let config = lab.ask(node, "cat /etc/containerd/config.toml");
    assert!(
        config.contains(&format!("version = {version}")),
        "{node}: {config}"
    );
}

#[test]
fn a_value_changed_by_hand_is_drift_and_a_later_file_is_named() {
    let Some(lab) = Lab::boot(&["a=trixie-containerd"]) else {
        return;
    };
    let spec = lab.spec("sysctls: { net.ipv4.ip_forward: 1 }");
    lab.converge(&spec);

    let _changed = lab.ask("a", "sysctl -w net.ipv4.ip_forward=0");
    let planned = run(lab.hardstand("plan", &spec).arg("--detailed-exitcode"));
    assert_eq!(planned.code, Some(2), "{planned:#?}");
    assert!(planned.stdout.contains("drift"), "{planned:#?}");
    lab.converge(&spec);
    lab.expect_no_changes(&spec);

    let _written = lab.ask(
        "a",
        "printf '\\nnet.ipv4.ip_forward = 0\\n' > /etc/sysctl.d/zz-later.conf",
    );
    let planned = run(&mut lab.hardstand("plan", &spec));
    assert!(
        planned.stdout.contains("/etc/sysctl.d/zz-later.conf:2"),
        "{planned:#?}"
    );
    assert!(
        planned.stdout.contains("1 resource refused"),
        "{planned:#?}"
    );
    let both = lab.spec("sysctls: { net.ipv4.ip_forward: 1, net.ipv4.tcp_keepalive_time: 600 }");
    let applied = run(lab.hardstand("apply", &both).arg("--yes"));
    assert_eq!(applied.code, Some(1), "{applied:#?}");
    assert_eq!(
        lab.ask(
            "a",
            "sysctl -n net.ipv4.ip_forward net.ipv4.tcp_keepalive_time"
        ),
        "1\n600",
        "what is refused keeps no other from its place: {applied:#?}"
    );
    let planned = run(&mut lab.hardstand("plan", &both));
    assert!(planned.stdout.contains("No changes"), "{planned:#?}");
}

#[test]
fn what_is_refused_only_once_all_was_done_did_not_converge() {
    let Some(lab) = Lab::boot(&["a=trixie"]) else {
        return;
    };
    let spec = lab.spec(
        "sysctls: { net.ipv4.ip_forward: 1 }\n\
         files:\n  - path: /etc/systemd/system/late.service\n    \
         content: \"[Service]\\nType=oneshot\\nRemainAfterExit=yes\\n\
         ExecStart=/bin/sh -c 'echo net.ipv4.ip_forward=0 >/etc/sysctl.d/zz-late.conf'\\n\"\n\
         services: [{ name: late.service, active: true, steadySeconds: 1 }]",
    );
    let applied = run(lab.hardstand("apply", &spec).arg("--yes"));
    assert_eq!(applied.code, Some(1), "{applied:#?}");
    for said in [
        "sysctl/net.ipv4.ip_forward did not converge",
        "/etc/sysctl.d/zz-late.conf:1",
    ] {
        assert!(applied.stdout.contains(said), "{said}: {applied:#?}");
    }
}
