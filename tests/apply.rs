//! Apply as a transaction on real nodes: stale plans, removal, failures that stay local, restarts that are never lost.

use crate::support::{Lab, run};

#[test]
fn a_plan_is_refused_where_the_node_has_changed_since() {
    let Some(lab) = Lab::boot(&["a=trixie", "b=trixie"]) else {
        return;
    };
    let spec =
        lab.spec("files:\n  - { path: /etc/example.conf, content: \"one\\n\", mode: \"0644\" }");
    let plan = lab.path("plan.json");
    assert_eq!(
        run(lab.hardstand("plan", &spec).arg("--out").arg(&plan)).code,
        Some(0)
    );
    let _foreign = lab.ask("a", "echo foreign > /etc/example.conf");

    let applied = run(lab.bare("apply").arg(&plan));
    assert_eq!(applied.code, Some(3), "{applied:#?}");
    assert!(applied.stdout.contains("/etc/example.conf"), "{applied:#?}");
    assert_eq!(lab.ask("a", "cat /etc/example.conf"), "foreign");
    assert_eq!(lab.ask("b", "cat /etc/example.conf"), "one");
}

#[test]
fn a_plan_and_an_apply_are_one_execution_each() {
    let Some(lab) = Lab::boot(&["a=trixie"]) else {
        return;
    };
    let _verbose = lab.ask(
        "a",
        "echo LogLevel VERBOSE >/etc/ssh/sshd_config.d/00-verbose.conf && systemctl reload ssh && sleep 1",
    );
    // Asking is an execution itself.
    let count = "journalctl --sync; journalctl -t sshd -t sshd-session -o cat | grep -c '^Starting session: command'";
    let n_executions = || lab.ask("a", count).parse::<usize>().expect("a number");
    let spec = lab.spec(
        "modules: [overlay]\nsysctls: { net.ipv4.ip_forward: 1 }\nfiles:\n  \
         - { path: /etc/example.conf, content: \"one\\n\", mode: \"0644\" }",
    );
    let plan = lab.path("plan.json");

    let before = n_executions();
    let planned = run(lab.hardstand("plan", &spec).arg("--out").arg(&plan));
    assert_eq!(planned.code, Some(0), "{planned:#?}");
    let between = n_executions();
    assert_eq!(between - before - 1, 1, "the plan");
    let applied = run(lab.bare("apply").arg(&plan));
    assert_eq!(applied.code, Some(0), "{applied:#?}");
    assert_eq!(n_executions() - between - 1, 1, "the apply");
}

#[test]
fn a_plan_that_was_edited_is_refused() {
    let Some(lab) = Lab::boot(&["a=trixie"]) else {
        return;
    };
    let spec =
        lab.spec("files:\n  - { path: /etc/example.conf, content: \"one\\n\", mode: \"0644\" }");
    let plan = lab.path("plan.json");
    let planned = run(lab.hardstand("plan", &spec).arg("--out").arg(&plan));
    let digest = planned
        .stdout
        .split("sha256 ")
        .nth(1)
        .expect("a digest is printed");
    let digest: String = digest.chars().take_while(char::is_ascii_hexdigit).collect();
    let text = std::fs::read_to_string(&plan).unwrap();
    std::fs::write(&plan, text.replace("one", "two")).unwrap();
    let applied = run(lab.bare("apply").arg(&plan));
    assert_eq!(applied.code, Some(3), "{applied:#?}");
    assert!(applied.stderr.contains("edited"), "{applied:#?}");

    // Sound in itself, and not the one that was reviewed.
    let other = lab.spec("files:\n  - { path: /etc/example.conf, content: \"two\\n\" }");
    let planned = run(lab.hardstand("plan", &other).arg("--out").arg(&plan));
    assert_eq!(planned.code, Some(0), "{planned:#?}");
    let applied = run(lab.bare("apply").arg(&plan).arg("--digest").arg(&digest));
    assert_eq!(applied.code, Some(3), "{applied:#?}");
    assert_eq!(lab.on("a", "test -e /etc/example.conf").code, Some(1));
}

#[test]
fn what_hardstand_made_is_removed_when_no_spec_names_it() {
    let Some(lab) = Lab::boot(&["a=trixie"]) else {
        return;
    };
    let _foreign = lab.ask("a", "echo mine > /etc/foreign.conf");
    let both = "files:\n  - { path: /etc/made.conf, content: \"made\\n\", mode: \"0644\" }\n  \
                - { path: /etc/foreign.conf, content: \"ours\\n\", mode: \"0644\" }";
    lab.converge(&lab.spec(both));

    let neither = lab.spec("sysctls: { net.ipv4.ip_forward: 1 }");
    let planned = run(&mut lab.hardstand("plan", &neither));
    assert!(planned.stdout.contains("- file"), "{planned:#?}");
    assert!(
        planned
            .stdout
            .contains("file//etc/foreign.conf stays as it is"),
        "{planned:#?}"
    );
    lab.converge(&neither);
    assert_eq!(lab.on("a", "test -e /etc/made.conf").code, Some(1));
    assert_eq!(lab.ask("a", "cat /etc/foreign.conf"), "ours");
    lab.expect_no_changes(&neither);
}

#[test]
fn a_failure_skips_what_depends_on_it_and_nothing_else() {
    let Some(lab) = Lab::boot(&["a=trixie", "b=trixie"]) else {
        return;
    };
    // The kernel has no such algorithm.
    let spec = lab.spec(
        "sysctls: { net.ipv4.tcp_congestion_control: absent }\nfiles:\n  \
         - { path: /etc/after, content: \"x\", mode: \"0644\", requires: [sysctl/net.ipv4.tcp_congestion_control] }\n  \
         - { path: /etc/apart, content: \"x\", mode: \"0644\" }",
    );
    let applied = run(lab.hardstand("apply", &spec).arg("--yes"));
    assert_eq!(applied.code, Some(1), "{applied:#?}");
    assert!(applied.stdout.contains("file//etc/after"), "{applied:#?}");
    for node in ["a", "b"] {
        assert_eq!(lab.on(node, "test -e /etc/after").code, Some(1));
        assert_eq!(lab.ask(node, "cat /etc/apart"), "x");
    }
}

#[test]
fn a_node_without_room_is_refused_before_the_first_write() {
    let Some(lab) = Lab::boot(&["a=trixie", "b=trixie"]) else {
        return;
    };
    let _full = lab.ask(
        "a",
        "mkdir -p /srv/small && mount -t tmpfs -o size=64k tmpfs /srv/small",
    );
    let _made = lab.ask("b", "mkdir -p /srv/small");
    let large = "x".repeat(200_000);
    let spec = lab.spec(&format!(
        "files:\n  - {{ path: /srv/small/large, content: \"{large}\", mode: \"0644\" }}\n  \
         - {{ path: /etc/apart, content: \"x\", mode: \"0644\" }}"
    ));
    let applied = run(lab.hardstand("apply", &spec).arg("--yes"));
    assert_eq!(applied.code, Some(3), "{applied:#?}");
    assert!(
        applied.stdout.contains("KiB are free at /srv/small"),
        "{applied:#?}"
    );
    assert_eq!(lab.on("a", "test -e /etc/apart").code, Some(1));
    assert_eq!(
        lab.ask("a", "ls -A /srv/small"),
        "",
        "no temporary file is left"
    );
    assert_eq!(lab.ask("b", "cat /etc/apart"), "x");
}

#[test]
fn a_second_run_touches_nothing_and_purge_leaves_nothing() {
    let Some(lab) = Lab::boot(&["a=trixie-containerd"]) else {
        return;
    };
    let spec = lab.spec("runtime: { containerd: {} }\nsysctls: { net.ipv4.ip_forward: 1 }");
    lab.converge(&spec);
    let state = "systemctl show -p InvocationID containerd; cat /var/lib/hardstand/generation; find /etc -newer /proc/1/stat | sort | sha256sum";
    let before = lab.ask("a", state);
    lab.converge(&spec);
    assert_eq!(lab.ask("a", state), before);

    let purged = run(lab.hardstand("purge", &spec).arg("--yes"));
    assert_eq!(purged.code, Some(0), "{purged:#?}");
    assert_eq!(lab.on("a", "test -e /var/lib/hardstand").code, Some(1));
    assert_eq!(lab.ask("a", "sysctl -n net.ipv4.ip_forward"), "1");
}

#[test]
fn packages_files_and_services_in_one_plan() {
    let Some(lab) = Lab::boot(&["a=bookworm"]) else {
        return;
    };
    let spec = lab.spec(
        "packages: [containerd, { name: lab-hello, version: \"1.0\", hold: true }]\nruntime: { containerd: {} }",
    );
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    assert_eq!(lab.ask("a", "lab-hello"), "1.0");
    assert_eq!(lab.ask("a", "apt-mark showhold"), "lab-hello");
    assert_eq!(lab.ask("a", "systemctl is-active containerd"), "active");
    assert!(
        lab.ask("a", "containerd config dump")
            .contains("SystemdCgroup = true")
    );
}

/// Puts a service on a node that notes each of its starts in /var/log/starts.
fn install_service(lab: &Lab, command: &str) {
    let _installed = lab.ask(
        "a",
        &format!(
            "printf '[Service]\\nRestart=always\\nRestartSec=1\\nExecStart=/bin/sh -c \"echo started >>/var/log/starts; {command}\"\\n' \
             >/etc/systemd/system/lab.service && systemctl daemon-reload"
        ),
    );
}

const LAB_SERVICE: &str =
    "services: [{ name: lab.service, active: true, startSeconds: 5, steadySeconds: 6 }]";

#[test]
fn dropped_files_are_gone_before_one_restart() {
    let Some(lab) = Lab::boot(&["a=trixie"]) else {
        return;
    };
    install_service(&lab, "exec sleep inf");
    let drop_ins = LAB_SERVICE.replace(
        "active: true",
        "active: true, dropIns: { a: \"[Unit]\", b: \"[Unit]\", c: \"[Unit]\" }",
    );
    lab.converge(&lab.spec(&drop_ins));
    // What a run leaves that was cut off before the restart, with a file that the service cannot start with.
    let _broken = lab.ask(
        "a",
        "printf '[Service]\\nExecStartPre=/bin/false\\n' >/etc/systemd/system/lab.service.d/a.conf && \
         echo cut-off >/var/lib/hardstand/owed/lab.service && systemctl daemon-reload && rm /var/log/starts",
    );
    let spec = lab.spec(LAB_SERVICE);
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    assert_eq!(lab.ask("a", "cat /var/log/starts"), "started");
    assert_eq!(lab.ask("a", "ls /var/lib/hardstand/owed"), "");

    // And where no spec names the unit any more.
    lab.converge(&lab.spec(&drop_ins));
    let _again = lab.ask("a", "rm /var/log/starts");
    let neither = lab.spec("sysctls: { net.ipv4.ip_forward: 1 }");
    lab.converge(&neither);
    lab.expect_no_changes(&neither);
    assert_eq!(lab.ask("a", "cat /var/log/starts"), "started");
}

#[test]
fn a_start_that_did_not_pass_its_gate_is_owed() {
    let Some(lab) = Lab::boot(&["a=trixie"]) else {
        return;
    };
    install_service(&lab, "sleep 4; exit 1");
    let spec = lab.spec(LAB_SERVICE);
    let applied = run(lab.hardstand("apply", &spec).arg("--yes"));
    assert_eq!(applied.code, Some(1), "{applied:#?}");

    lab.wait_until("a", "systemctl is-active --quiet lab.service");
    let planned = run(lab.hardstand("plan", &spec).arg("--detailed-exitcode"));
    assert_eq!(planned.code, Some(2), "{planned:#?}");
    assert!(planned.stdout.contains("owed"), "{planned:#?}");

    install_service(&lab, "exec sleep inf");
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
}

#[test]
fn a_unit_that_runs_once_is_not_started_again_and_again() {
    let Some(lab) = Lab::boot(&["a=trixie"]) else {
        return;
    };
    let file = "files:\n  - path: /etc/systemd/system/once.service\n    \
         content: \"[Service]\\nType=oneshot\\nExecStart=/bin/true\\n\"\n";
    let spec = lab.spec(&format!(
        "{file}services: [{{ name: once.service, active: true, steadySeconds: 1 }}]"
    ));
    let applied = run(lab.hardstand("apply", &spec).arg("--yes"));
    assert_eq!(applied.code, Some(1), "{applied:#?}");
    assert!(
        applied.stdout.contains("it ran and is over"),
        "{applied:#?}"
    );
    let planned = run(&mut lab.hardstand("plan", &spec));
    assert_eq!(planned.code, Some(1), "{planned:#?}");
    assert!(
        planned.stdout.contains("runs once and is over"),
        "{planned:#?}"
    );

    lab.converge(&lab.spec(&format!(
        "{file}services: [{{ name: once.service, active: true, steadySeconds: 1, \
         dropIns: {{ stay: \"[Service]\\nRemainAfterExit=yes\" }} }}]"
    )));
}

#[test]
fn systemd_reads_unit_files_that_no_service_names() {
    let Some(lab) = Lab::boot(&["a=trixie"]) else {
        return;
    };
    let spec = |text: &str| {
        lab.spec(&format!(
            "files:\n  - path: /etc/systemd/system/lab.service\n    \
             content: \"[Unit]\\nDescription={text}\\n[Service]\\nExecStart=/bin/sleep inf\\n\""
        ))
    };
    lab.converge(&spec("one"));
    let process = lab.ask("a", "systemctl start lab && systemctl show -P MainPID lab");
    let two = spec("two");
    lab.converge(&two);
    lab.expect_no_changes(&two);
    let told = "systemctl show -P Description -P NeedDaemonReload -P MainPID lab";
    assert_eq!(lab.ask("a", told), format!("{process}\ntwo\nno"));
}

#[test]
fn quiet_prints_the_result_only() {
    let Some(lab) = Lab::boot(&["a=trixie"]) else {
        return;
    };
    let spec = lab.spec("files: [{ path: /etc/example.conf, content: \"one\\n\" }]");
    let applied = run(lab.hardstand("apply", &spec).args(["--yes", "-q"]));
    assert_eq!(applied.code, Some(0), "{applied:#?}");
    assert_eq!(applied.stderr, "", "{applied:#?}");
    assert!(!applied.stdout.contains("Plan: "), "{applied:#?}");
    assert!(
        applied.stdout.contains("Applied: 1 change."),
        "{applied:#?}"
    );
    let again = run(lab.hardstand("apply", &spec).args(["--yes", "-q"]));
    assert!(again.stdout.contains("No changes."), "{again:#?}");
}
