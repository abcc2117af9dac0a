//! What happens when the controller, the connection or the node's own runner dies in the middle.

use crate::support::{Lab, finish, interrupt, run, start, wait_for};

/// A change whose restart takes long enough to be interrupted.
const SLOW: &str = "runtime: { containerd: {} }\nsysctls: { net.ipv4.ip_forward: 1 }";

#[test]
fn a_killed_controller_leaves_a_node_that_ends_whole_by_itself() {
    let Some(lab) = Lab::boot(&["a=trixie-containerd"]) else {
        return;
    };
    let spec = lab.spec(SLOW);
    let mut applying = start(lab.hardstand("apply", &spec).arg("--yes"));
    lab.wait_until("a", "test -e /var/lib/hardstand/active");
    applying.kill().expect("the controller runs");
    assert_eq!(finish(applying).code, None);

    lab.wait_until("a", "test ! -e /var/lib/hardstand/active");
    lab.expect_no_changes(&spec);
    assert_eq!(lab.ask("a", "sysctl -n net.ipv4.ip_forward"), "1");
    assert!(
        lab.ask("a", "containerd config dump")
            .contains("SystemdCgroup = true")
    );
}

#[test]
fn a_lost_connection_is_taken_up_again() {
    let Some(lab) = Lab::boot(&["a=trixie-containerd"]) else {
        return;
    };
    let spec = lab.spec(SLOW);
    let applying = start(lab.hardstand("apply", &spec).arg("--yes"));
    lab.wait_until("a", "test -e /var/lib/hardstand/active");
    // The session's own sshd processes die, as they do when a network goes away for good.
    let _cut = lab.on("a", "pkill -KILL -u ops; pkill -KILL -f 'sshd.*ops' ; true");
    let applied = finish(applying);
    assert_eq!(applied.code, Some(0), "{applied:#?}");
    lab.expect_no_changes(&spec);
}

#[test]
fn a_runner_killed_before_the_restart_still_owes_it() {
    let Some(lab) = Lab::boot(&["a=trixie-containerd"]) else {
        return;
    };
    let spec = lab.spec(SLOW);
    let before = lab.ask("a", "systemctl show -p InvocationID --value containerd");
    // containerd's stop is made slow, so that the runner can be killed between the write and the restart.
    let _slow = lab.ask(
        "a",
        "mkdir -p /run/systemd/system/containerd.service.d && \
         printf '[Service]\\nExecStop=/bin/sleep 20\\n' > /run/systemd/system/containerd.service.d/slow.conf && \
         systemctl daemon-reload",
    );
    let applying = start(lab.hardstand("apply", &spec).arg("--yes"));
    lab.wait_until("a", "test -e /var/lib/hardstand/owed/containerd.service");
    let _killed = lab.ask("a", "systemctl kill -s KILL hardstand-apply.service");
    let applied = finish(applying);
    assert_ne!(applied.code, Some(0), "{applied:#?}");
    let _undone = lab.ask(
        "a",
        "rm /run/systemd/system/containerd.service.d/slow.conf && systemctl daemon-reload && \
         systemctl cancel 2>/dev/null; true",
    );

    let planned = run(lab.hardstand("plan", &spec).arg("--detailed-exitcode"));
    assert_eq!(planned.code, Some(2), "{planned:#?}");
    assert!(planned.stdout.contains("owed"), "{planned:#?}");
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    assert_ne!(
        lab.ask("a", "systemctl show -p InvocationID --value containerd"),
        before
    );
}

#[test]
fn a_restart_that_no_file_owes_is_not_lost_either() {
    let Some(lab) = Lab::boot(&["a=trixie"]) else {
        return;
    };
    // Between the change and the restart that it is a reason for, a unit takes its time to start.
    let _installed = lab.ask(
        "a",
        "cd /etc/systemd/system && printf '[Service]\\nExecStart=/bin/sleep inf\\n' > lab.service && \
         printf '[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/bin/sleep 20\\n' > slow.service && \
         systemctl daemon-reload && systemctl start lab.service",
    );
    let spec = lab.spec(
        "sysctls: { net.ipv4.ip_forward: { value: 1, notifies: [service/lab.service] } }\n\
         services:\n\
         - { name: slow.service, active: true, steadySeconds: 1, requires: [sysctl/net.ipv4.ip_forward] }\n\
         - { name: lab.service, steadySeconds: 1, requires: [service/slow.service] }",
    );
    let before = lab.ask("a", "systemctl show -p InvocationID --value lab.service");
    let applying = start(lab.hardstand("apply", &spec).arg("--yes"));
    lab.wait_until(
        "a",
        "systemctl show -P ActiveState slow.service | grep -qx activating",
    );
    let _killed = lab.ask("a", "systemctl kill -s KILL hardstand-apply.service");
    let applied = finish(applying);
    assert_ne!(applied.code, Some(0), "{applied:#?}");
    assert_eq!(lab.ask("a", "sysctl -n net.ipv4.ip_forward"), "1");
    let planned = run(lab.hardstand("plan", &spec).arg("--detailed-exitcode"));
    assert_eq!(planned.code, Some(2), "{planned:#?}");
    let owed = |line: &&str| line.contains("lab.service") && line.contains("owed");
    assert!(
        planned.stdout.lines().any(|line| owed(&line)),
        "{planned:#?}"
    );
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    assert_ne!(
        lab.ask("a", "systemctl show -p InvocationID --value lab.service"),
        before
    );
}

#[test]
fn two_controllers_do_not_meet_on_one_node() {
    let Some(lab) = Lab::boot(&["a=trixie-containerd"]) else {
        return;
    };
    let spec = lab.spec(SLOW);
    let first = start(lab.hardstand("apply", &spec).arg("--yes"));
    lab.wait_until("a", "test -e /var/lib/hardstand/active");
    let other = lab.write(
        "other.yaml",
        "apiVersion: hardstand.dev/v1alpha1\nkind: NodeSpec\nmetadata: { name: other }\n\
         spec: { hosts: all, sysctls: { net.ipv4.tcp_keepalive_time: 600 } }\n",
    );
    let second = run(lab.hardstand("apply", &other).arg("--yes"));
    assert_eq!(second.code, Some(3), "{second:#?}");
    let first = finish(first);
    assert_eq!(first.code, Some(0), "{first:#?}");
}

#[test]
fn an_interrupt_starts_no_new_host_and_lets_the_running_one_finish() {
    let Some(lab) = Lab::boot(&["a=trixie-containerd", "b=trixie-containerd"]) else {
        return;
    };
    let spec = lab.spec(SLOW);
    let applying = start(lab.hardstand("apply", &spec).arg("--yes").arg("--forks=1"));
    lab.wait_until("a", "test -e /var/lib/hardstand/active");
    interrupt(&applying);
    let applied = finish(applying);
    assert_eq!(applied.code, Some(130), "{applied:#?}");
    wait_for("a is done", || {
        lab.on("a", "test -e /var/lib/hardstand/active").code == Some(1)
    });
    assert!(
        lab.ask("a", "containerd config dump")
            .contains("SystemdCgroup = true")
    );
    assert_eq!(
        lab.on("b", "test -e /var/lib/hardstand/receipts").code,
        Some(1)
    );
}
