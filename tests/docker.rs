//! Docker Engine on real nodes, 20.10, 26.1 and 28, with a stand-in for cri-dockerd: the example converges and survives a
//! reboot, a reload is used where it suffices, and what dockerd would not start with never stays.

use std::path::Path;

use crate::support::{EXAMPLES, Lab, run};

const CONFIG: &str = "/etc/docker/daemon.json";

/// One node of each version of Docker, and their names.
const IMAGES: [&str; 3] = ["a=bookworm-docker", "b=trixie-docker", "c=sid-docker"];
const NODES: [&str; 3] = ["a", "b", "c"];

/// Puts the stand-in for cri-dockerd on a node.
fn install_cri_dockerd(lab: &Lab, node: &str) {
    for (name, text, path) in [
        (
            "cri-dockerd",
            include_str!("lab/standins/cri-dockerd/cri-dockerd"),
            "/usr/bin/cri-dockerd",
        ),
        (
            "cri-docker.service",
            include_str!("lab/standins/cri-dockerd/cri-docker.service"),
            "/usr/lib/systemd/system/cri-docker.service",
        ),
        (
            "cri-docker.socket",
            include_str!("lab/standins/cri-dockerd/cri-docker.socket"),
            "/usr/lib/systemd/system/cri-docker.socket",
        ),
    ] {
        let _written = lab.ask(
            node,
            &format!("cat > {path} <<'{name}-ends'\n{text}{name}-ends\n"),
        );
    }
    let _read = lab.ask(
        node,
        "chmod 755 /usr/bin/cri-dockerd && systemctl daemon-reload",
    );
}

#[test]
fn docker_with_cri_dockerd_converges_and_survives_a_reboot() {
    let Some(lab) = Lab::boot(&IMAGES) else {
        return;
    };
    let example = Path::new(EXAMPLES).join("docker/node.yaml");
    for node in NODES {
        install_cri_dockerd(&lab, node);
    }
    lab.converge(&example);
    lab.expect_no_changes(&example);
    for node in NODES {
        let told = lab.ask(
            node,
            "docker info -f '{{.CgroupDriver}} {{.LiveRestoreEnabled}} {{.LoggingDriver}}'",
        );
        assert_eq!(told, "systemd true json-file", "{node}");
        lab.lab("reboot", node);
        lab.wait_until(
            node,
            "systemctl is-active --quiet docker cri-docker.service",
        );
    }
    lab.expect_no_changes(&example);
    for node in NODES {
        let driver = lab.ask(node, "docker info -f '{{.CgroupDriver}}'");
        assert_eq!(driver, "systemd", "{node}");
    }
}

/// Mirantis Container Runtime is not to be had here: the real Docker Engine is it as soon as its package is there, and that
/// is a stand-in, empty but for its name and version.
#[test]
fn mirantis_is_managed_as_docker_engine_and_told_by_its_package() {
    let Some(lab) = Lab::boot(&["a=trixie-docker"]) else {
        return;
    };
    install_cri_dockerd(&lab, "a");
    let example = Path::new(EXAMPLES).join("mirantis/node.yaml");
    let refused = run(&mut lab.hardstand("plan", &example));
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    let reason = "the node has Docker Engine (package docker.io), and the spec says `mirantis`";
    assert!(refused.stdout.contains(reason), "{refused:#?}");

    let _installed = lab.ask(
        "a",
        "mkdir -p /tmp/p/DEBIAN && printf 'Package: docker-ee\\nVersion: 5:25.0.8-1\\nArchitecture: all\\n\
         Maintainer: lab <lab@localhost>\\nDescription: a stand-in for Mirantis Container Runtime\\n' >/tmp/p/DEBIAN/control &&
         dpkg-deb --root-owner-group -b /tmp/p /tmp/p.deb >/dev/null && dpkg -i /tmp/p.deb >/dev/null",
    );
    let told = run(lab.bare("doctor").arg("-f").arg(lab.inventory()));
    assert!(
        told.stdout.contains("Mirantis Container Runtime 5:25.0.8"),
        "{told:#?}"
    );
    lab.converge(&example);
    lab.expect_no_changes(&example);

    let _moved = lab.ask(
        "a",
        "mkdir -p /etc/systemd/system/cri-docker.socket.d && \
         printf '[Socket]\\nListenStream=\\nListenStream=%%t/mcr/cri.sock\\n' >/etc/systemd/system/cri-docker.socket.d/mcr.conf &&
         systemctl daemon-reload && systemctl stop cri-docker.socket cri-docker.service &&
         systemctl start cri-docker.socket cri-docker.service",
    );
    let refused = run(&mut lab.hardstand("plan", &example));
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    let help = "set `runtime.mirantis.criDockerd.socket` to /run/mcr/cri.sock";
    assert!(refused.stdout.contains(help), "{refused:#?}");
    let spec = std::fs::read_to_string(&example).unwrap();
    let named = "criDockerd: { socket: /run/mcr/cri.sock }";
    let example = lab.write("mirantis.yaml", &spec.replace("criDockerd: {}", named));
    lab.converge(&example);
    lab.expect_no_changes(&example);
    lab.lab("reboot", "a");
    lab.wait_until("a", "systemctl is-active --quiet docker cri-docker.service");
    lab.expect_no_changes(&example);
    assert_eq!(
        lab.ask("a", "docker info -f '{{.LiveRestoreEnabled}}'"),
        "true"
    );
    assert_eq!(
        lab.ask("a", "test -S /run/mcr/cri.sock && echo there"),
        "there"
    );
}

#[test]
fn a_reload_is_enough_for_some_keys_and_other_keys_stay() {
    let Some(lab) = Lab::boot(&["a=trixie-docker"]) else {
        return;
    };
    let _config = lab.ask(
        "a",
        &format!(
            "mkdir -p /etc/docker && printf '{{\\n    \"max-concurrent-downloads\": 7,\\n    \
             \"exec-opts\": [\"native.cgroupdriver=systemd\"]\\n}}\\n' > {CONFIG} && systemctl restart docker"
        ),
    );
    let pid = lab.ask("a", "systemctl show -P MainPID docker");
    let spec = lab.spec("runtime: { docker: { liveRestore: true } }");
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    assert_eq!(lab.ask("a", "systemctl show -P MainPID docker"), pid);
    let restores = lab.ask("a", "docker info -f '{{.LiveRestoreEnabled}}'");
    assert_eq!(restores, "true");
    assert_eq!(
        lab.ask("a", &format!("cat {CONFIG}")),
        "{\n    \"max-concurrent-downloads\": 7,\n    \"exec-opts\": [\"native.cgroupdriver=systemd\"],\n    \
         \"live-restore\": true\n}"
    );
}

#[test]
fn a_key_that_is_also_a_flag_is_refused() {
    let Some(lab) = Lab::boot(&IMAGES) else {
        return;
    };
    let hosts = "{ \"hosts\": [\"unix:///run/docker.sock\"] }";
    for node in NODES {
        let _config = lab.ask(
            node,
            &format!("mkdir -p /etc/docker && echo '{hosts}' > {CONFIG}"),
        );
    }
    let spec = lab.spec("runtime: { docker: {} }");
    let applied = run(lab.hardstand("apply", &spec).arg("--yes"));
    assert_eq!(applied.code, Some(1), "{applied:#?}");
    for place in ["docker.service:", "daemon.json:1"] {
        assert!(applied.stdout.contains(place), "{place}: {applied:#?}");
    }
    for node in NODES {
        assert_eq!(lab.ask(node, &format!("cat {CONFIG}")), hosts);
        assert_eq!(lab.ask(node, "systemctl is-active docker"), "active");
    }
}

/// dockerd since 23.0 checks the file before it is in place. 20.10 cannot, so its keys are known here: the key was in the file
/// before, and putting that back would not bring a stopped dockerd up again.
#[test]
fn a_key_that_dockerd_does_not_know_stops_nothing() {
    let Some(lab) = Lab::boot(&IMAGES) else {
        return;
    };
    let unknown = "{ \"no-such-key\": true }";
    let spec = lab.spec("runtime: { docker: {} }");
    for node in NODES {
        let _config = lab.ask(
            node,
            &format!(
                "mkdir -p /etc/docker && echo '{unknown}' > {CONFIG} && touch -d 2020-01-01 {CONFIG}"
            ),
        );
        let applied = run(lab
            .hardstand("apply", &spec)
            .args(["--yes", "--limit", node]));
        assert_eq!(applied.code, Some(1), "{node}: {applied:#?}");
        assert!(applied.stdout.contains("no-such-key"), "{applied:#?}");
        assert_eq!(lab.ask(node, &format!("cat {CONFIG}")), unknown, "{node}");
        assert_eq!(lab.ask(node, "systemctl is-active docker"), "active");
    }
}

#[test]
fn a_value_that_dockerd_does_not_start_with_is_undone() {
    let Some(lab) = Lab::boot(&IMAGES) else {
        return;
    };
    let spec =
        lab.spec("runtime: { docker: { logDriver: json-file, logOpts: { no-such-option: x } } }");
    let applied = run(lab.hardstand("apply", &spec).arg("--yes"));
    assert_eq!(applied.code, Some(6), "{applied:#?}");
    for node in NODES {
        assert_ne!(lab.on(node, &format!("test -e {CONFIG}")).code, Some(0));
        assert_eq!(lab.ask(node, "systemctl is-active docker"), "active");
    }
}

#[test]
fn a_docker_that_systemd_gave_up_on_runs_once_its_file_is_mended() {
    let Some(lab) = Lab::boot(&IMAGES) else {
        return;
    };
    let spec = lab.spec("runtime: { docker: {} }");
    // Of two drivers 20.10 and 26 take the first, and 28 the last; neither is spelled as it should be.
    let odd = "{\r\n\t\"exec-opts\":[\"Native.CgroupDriver=Systemd\" , \" native.cgroupdriver = nothing\"]\r\n}\r\n";
    for node in NODES {
        let _odd = lab.ask(
            node,
            &format!("mkdir -p /etc/docker && cat > {CONFIG} <<'EOT'\n{odd}EOT\n"),
        );
        let state = lab.ask(
            node,
            "for n in 1 2 3 4 5; do systemctl restart docker; done >/dev/null 2>&1; systemctl show -P Result docker.service",
        );
        assert_ne!(state, "success", "{node}");
    }
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    for node in NODES {
        let driver = lab.ask(node, "docker info -f '{{.CgroupDriver}}'");
        assert_eq!(driver, "systemd", "{node}");
    }
}
