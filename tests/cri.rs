//! The CRI on real nodes: runtimes that answer, one whose CRI failed to load, and one that runs with an old driver.

use crate::support::{Lab, run};

const RUNTIME: &str = "runtime: { containerd: {} }";

/// containerd is asked by name only, so that its plan looks at nothing but the unit and its socket.
const SERVICE: &str = "services:\n  - { name: containerd.service, active: true, criSocket: /run/containerd/containerd.sock }";

#[test]
fn healthy_runtimes_of_every_release_have_nothing_to_change() {
    let Some(lab) = Lab::boot(&[
        "a=bookworm-containerd",
        "b=trixie-containerd",
        "c=sid-containerd",
    ]) else {
        return;
    };
    let spec = lab.spec(RUNTIME);
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    // Nothing can ask any more: neither is that a change.
    for node in ["a", "b", "c"] {
        let _moved = lab.ask(node, "mv /usr/bin/curl /usr/bin/not-curl");
    }
    lab.expect_no_changes(&spec);
}

#[test]
fn a_runtime_whose_cri_failed_to_load_is_refused_with_what_it_says() {
    let Some(lab) = Lab::boot(&["a=trixie-containerd"]) else {
        return;
    };
    let both = "[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n\
                [plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\nendpoint = [\"https://r.invalid\"]\n";
    let disabled = "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n";
    let original = lab.ask("a", "cat /etc/containerd/config.toml");
    let spec = lab.spec(SERVICE);
    for config in [
        format!("{original}\n{both}"),
        format!("{disabled}{original}\n"),
    ] {
        let _restarted = lab.ask(
            "a",
            &format!("cat > /etc/containerd/config.toml <<'EOT'\n{config}EOT\nsystemctl restart containerd"),
        );
        assert_eq!(lab.ask("a", "systemctl is-active containerd"), "active");
        let planned = run(&mut lab.hardstand("plan", &spec));
        assert_eq!(planned.code, Some(1), "{planned:#?}");
        let says = "unknown service runtime.v1.RuntimeService";
        assert!(planned.stdout.contains(says), "{planned:#?}");
    }
    let _stopped = lab.ask("a", "systemctl stop containerd");
    let planned = run(lab.hardstand("plan", &spec).arg("--detailed-exitcode"));
    assert_eq!(
        planned.code,
        Some(2),
        "a stopped one is started: {planned:#?}"
    );
}

#[test]
fn a_runtime_that_runs_with_an_old_driver_restarts() {
    let Some(lab) = Lab::boot(&["a=sid-containerd"]) else {
        return;
    };
    let spec = lab.spec(RUNTIME);
    let _imports = lab.ask(
        "a",
        "mkdir -p /etc/containerd/conf.d && sed -i '1i imports = [\"/etc/containerd/conf.d/*.toml\"]' \
         /etc/containerd/config.toml",
    );
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    // It reads a drop-in that is mended while it runs, and nobody restarts it.
    let _old = lab.ask(
        "a",
        "cat > /etc/containerd/conf.d/a.toml <<'EOT'\nversion = 2\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\nSystemdCgroup = false\nEOT\n\
         systemctl restart containerd; sleep 2; echo 'version = 2' > /etc/containerd/conf.d/a.toml",
    );
    let planned = run(lab.hardstand("plan", &spec).arg("--detailed-exitcode"));
    assert_eq!(planned.code, Some(2), "{planned:#?}");
    assert!(
        planned.stdout.contains("running cgroup driver"),
        "{planned:#?}"
    );
    let before = lab.ask("a", "systemctl show -P InvocationID containerd");
    lab.converge(&spec);
    assert_ne!(
        lab.ask("a", "systemctl show -P InvocationID containerd"),
        before
    );
    lab.expect_no_changes(&spec);
    // With nothing newer than the process, a restart is not ours to try again and again.
    let _unseen = lab.ask(
        "a",
        "printf 'version = 2\\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\\n\
         SystemdCgroup = false\\n' > /etc/containerd/conf.d/a.toml; systemctl restart containerd; \
         rm /etc/containerd/conf.d/a.toml",
    );
    let planned = run(&mut lab.hardstand("plan", &spec));
    assert_eq!(planned.code, Some(1), "{planned:#?}");
    assert!(
        planned
            .stdout
            .contains("runs with the cgroup driver cgroupfs"),
        "{planned:#?}"
    );
}
