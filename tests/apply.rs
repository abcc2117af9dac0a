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
