//! What the runtime says of itself.

use engine::question::{CriCondition, CriState};

use super::*;

const SPEC: &str = "runtime: { containerd: {} }";
const RIGHT: &str = "\
    version = 2\n\
    [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n\
    runtime_type = \"io.containerd.runc.v2\"\n\
    [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n\
    SystemdCgroup = true\n";

fn with(cri: CriState) -> Machine {
    let mut machine = Machine::debian()
        .directory("/etc/containerd")
        .file("/etc/containerd/config.toml", RIGHT)
        .containerd("1.7.24~ds1", Some(RIGHT));
    machine.cri = cri;
    machine
}

fn ready(version: &str) -> Machine {
    with(CriState::Unasked).cri("containerd", version)
}

#[test]
fn an_active_unit_that_serves_no_cri_is_an_error() {
    let at = "containerd.service is active, but at /run/containerd/containerd.sock";
    for (state, severity, what) in [
        (CriState::Absent, "Error", "nothing is there"),
        (CriState::NotASocket, "Error", "that is no socket"),
        (CriState::Refused, "Error", "it refuses connections"),
        (
            CriState::NotServed("unknown service runtime.v1.RuntimeService".into()),
            "Error",
            "it serves no CRI v1 (\"unknown service runtime.v1.RuntimeService\")",
        ),
        (
            CriState::Failed("\u{1b}[2J".into()),
            "Warning",
            "it gave no answer (\\u{1b}[2J)",
        ),
    ] {
        assert_eq!(
            only("H034", &with(state.clone()), SPEC),
            [format!(
                "{severity} Stays {at} {what}: no kubelet can use it"
            )]
        );
        // A unit that does not run is nobody's surprise.
        let stopped = with(state).unit("containerd.service", &[("ActiveState", "inactive")]);
        assert_eq!(only("H034", &stopped, SPEC), [""; 0]);
    }
    for state in [CriState::Unasked, CriState::Denied] {
        assert!(unknown("H034", &with(state), SPEC).is_some());
    }
    assert_eq!(only("H034", &ready("1.7.24"), SPEC), [""; 0]);
    assert_eq!(
        only(
            "H034",
            &with(CriState::Absent),
            "kubernetes: { version: '1.31' }"
        ),
        [""; 0]
    );
}

#[test]
fn a_plan_that_restarts_the_runtime_waits_until_it_serves() {
    let machine = with(CriState::NotServed("no".into())).file(
        "/etc/containerd/config.toml",
        "disabled_plugins = [\"cri\"]\n",
    );
    let plan = machine.plan(SPEC);
    assert_eq!(plan.checks.refusal(), None, "{:#?}", plan.checks);
    let found = only("H034", &machine, SPEC);
    assert!(found[0].starts_with("Error Mended"), "{found:?}");
    // Another change of the host mends nothing.
    let other = with(CriState::NotServed("no".into()))
        .plan(&format!("{SPEC}\nsysctls: {{ vm.swappiness: 1 }}"));
    assert!(
        other
            .checks
            .refusal()
            .unwrap()
            .starts_with("H034: containerd.service is active")
    );
}

#[test]
fn conditions_that_do_not_hold_are_told() {
    let mut machine = ready("1.7.24");
    let CriState::Answers(runtime) = &mut machine.cri else {
        panic!("it answers");
    };
    let not = |reason: &str, message: &str| {
        Some(CriCondition {
            holds: false,
            reason: reason.into(),
            message: message.into(),
        })
    };
    runtime.runtime_ready = not("Broken", "it is\nbroken");
    runtime.network_ready = not("NetworkPluginNotReady", "cni plugin not initialized");
    assert_eq!(
        only("H034", &machine, SPEC),
        [
            "Warning Stays containerd says that its runtime is not ready: it is\\nbroken (Broken)",
            "Note Stays containerd says that its network is not ready: cni plugin not initialized (NetworkPluginNotReady)",
        ]
    );
}

#[test]
fn a_restart_sets_up_no_network() {
    let mut machine = ready("1.7.24").file("/etc/containerd/config.toml", "version = 2\n");
    let CriState::Answers(runtime) = &mut machine.cri else {
        panic!("it answers");
    };
    runtime.network_ready = Some(CriCondition {
        holds: false,
        reason: "NetworkPluginNotReady".into(),
        message: "cni plugin not initialized".into(),
    });
    assert!(
        machine.plan(SPEC).changes.len() == 2,
        "a file and a restart"
    );
    let found = only("H034", &machine, SPEC);
    assert!(found[0].starts_with("Note Stays"), "{found:?}");
}

#[test]
fn another_version_than_the_installed_one_is_a_note() {
    assert_eq!(only("H033", &ready("1.7.24~ds2"), SPEC), [""; 0]);
    assert_eq!(
        only("H033", &ready("1.7.20"), SPEC),
        ["Note Stays containerd 1.7.20 runs, and 1.7.24 is installed: a restart is pending"]
    );
    let mut owes = ready("1.7.20");
    owes.owed.insert("containerd.service".into());
    assert_eq!(
        only("H033", &owes, SPEC),
        ["Note Mended containerd 1.7.20 runs, and 1.7.24 is installed: a restart is pending"]
    );
    assert!(unknown("H033", &ready("\u{1b}"), SPEC).is_some());
    assert!(unknown("H033", &with(CriState::Unasked), SPEC).is_some());
    assert_eq!(only("H033", &with(CriState::Refused), SPEC), [""; 0]);
    let crio = Machine::debian()
        .unit("crio.service", &[])
        .package("cri-o", |package| {
            package.installed = Some("1.31.5-1.1".into());
        })
        .cri("cri-o", "1.31.2");
    assert_eq!(
        only("H033", &crio, "runtime: { crio: {} }"),
        ["Note Mended cri-o 1.31.2 runs, and 1.31.5 is installed: a restart is pending"]
    );
    let docker = Machine::debian()
        .unit("docker.service", &[])
        .unit("cri-docker.service", &[])
        .unit("cri-docker.socket", &[])
        .package("docker-ce", |package| {
            package.installed = Some("5:28.5.2-1".into());
        })
        .cri("docker", "28.0.0");
    let found = only("H033", &docker, "runtime: { docker: { criDockerd: {} } }");
    assert_eq!(found.len(), 1, "{found:?}");
}
