//! CRI-O on real nodes, in the form of a stand-in (`tests/lab/standins/crio`): Debian does not package it.

use std::path::Path;

use crate::support::{EXAMPLES, Lab, run};

/// Files of the stand-in, with where they go and their mode.
const STANDIN: [(&str, &str, &str); 6] = [
    (
        "/usr/bin/crio",
        "0755",
        include_str!("lab/standins/crio/crio"),
    ),
    (
        "/usr/bin/crio-cri",
        "0755",
        include_str!("lab/standins/crio/crio-cri"),
    ),
    (
        "/usr/lib/systemd/system/crio.service",
        "0644",
        include_str!("lab/standins/crio/crio.service"),
    ),
    (
        "/usr/lib/systemd/system/crio-cri.socket",
        "0644",
        include_str!("lab/standins/crio/crio-cri.socket"),
    ),
    (
        "/usr/lib/systemd/system/crio-cri@.service",
        "0644",
        include_str!("lab/standins/crio/crio-cri@.service"),
    ),
    (
        "/etc/crio/crio.conf.d/10-crio.conf",
        "0644",
        include_str!("lab/standins/crio/10-crio.conf"),
    ),
];

/// Boots one node, called a, with the stand-in, installed and not yet started.
fn boot(image: &str) -> Option<Lab> {
    let lab = Lab::boot(&[&format!("a={image}")])?;
    install(&lab, "a");
    Some(lab)
}

/// Puts the stand-in on a node.
fn install(lab: &Lab, node: &str) {
    let mut script = "set -e\nmkdir -p /etc/crio/crio.conf.d\n".to_owned();
    for (path, mode, text) in STANDIN {
        script.push_str(&format!(
            "cat >'{path}' <<'STANDIN'\n{text}STANDIN\nchmod {mode} '{path}'\n"
        ));
    }
    let _installed = lab.ask(node, &format!("{script}systemctl daemon-reload"));
}

fn loaded(lab: &Lab, node: &str, value: &str) -> bool {
    lab.ask(node, "cat /run/crio/loaded")
        .lines()
        .any(|line| line == value)
}

const SHORT: &str = "services: [{ name: crio.service, steadySeconds: 2 }]";

#[test]
fn the_example_converges_and_survives_a_reboot() {
    let Some(lab) = Lab::boot(&["a=bookworm", "b=trixie", "c=sid"]) else {
        return;
    };
    let nodes = ["a", "b", "c"];
    for node in nodes {
        install(&lab, node);
    }
    let example = Path::new(EXAMPLES).join("crio/node.yaml");
    lab.converge(&example);
    lab.expect_no_changes(&example);
    for node in nodes {
        assert!(loaded(&lab, node, "conmon_cgroup=pod"), "{node}");
        let image = "pause_image=registry.k8s.io/pause:3.10";
        assert!(loaded(&lab, node, image), "{node}");
        lab.lab("reboot", node);
        lab.wait_until(node, "systemctl is-active --quiet crio");
    }
    lab.expect_no_changes(&example);
    for node in nodes {
        assert!(loaded(&lab, node, "cgroup_manager=systemd"), "{node}");
    }
}

#[test]
fn a_pause_image_is_reloaded_and_a_driver_restarts() {
    let Some(lab) = boot("bookworm") else {
        return;
    };
    let spec = |fields: &str| lab.spec(&format!("runtime: {{ crio: {{ {fields} }} }}\n{SHORT}"));
    let process = || lab.ask("a", "systemctl show -p MainPID crio");
    lab.converge(&spec("pauseImage: r.example.org/pause:1"));
    let before = process();
    let next = spec("pauseImage: r.example.org/pause:2");
    lab.converge(&next);
    lab.expect_no_changes(&next);
    assert_eq!(process(), before, "a reload keeps the process");
    lab.wait_until(
        "a",
        "grep -qx pause_image=r.example.org/pause:2 /run/crio/loaded",
    );
    let next = spec("pauseImage: r.example.org/pause:2, cgroupDriver: cgroupfs");
    lab.converge(&next);
    lab.expect_no_changes(&next);
    assert_ne!(process(), before);
    assert!(loaded(&lab, "a", "cgroup_manager=cgroupfs"));
}

#[test]
fn a_file_that_wins_is_named_and_one_that_stops_crio_is_undone() {
    let Some(lab) = boot("trixie") else {
        return;
    };
    let spec = format!("runtime: {{ crio: {{}} }}\n{SHORT}");
    lab.converge(&lab.spec(&spec));
    let stray = "/etc/crio/crio.conf.d/99-hardstand.conf.rpmsave";
    let _stray = lab.ask(
        "a",
        &format!("printf '[crio.runtime]\\ncgroup_manager = \"cgroupfs\"\\n' >{stray}"),
    );
    let planned = run(&mut lab.hardstand("plan", &lab.spec(&spec)));
    assert_eq!(planned.code, Some(1), "{planned:#?}");
    assert!(
        planned.stdout.contains(&format!("{stray}:2")),
        "{planned:#?}"
    );
    let _gone = lab.ask("a", &format!("rm {stray}"));

    let broken = lab.spec(
        "files:\n  - path: /etc/crio/crio.conf.d/99-z.conf\n    content: |\n      [crio.runtime]\n      \
         conmon_cgroup = \"kube\"\n    notifies: [service/crio.service]\n\
         services:\n  - { name: crio.service, active: true, startSeconds: 5, steadySeconds: 2, criSocket: /run/crio/crio.sock }",
    );
    let applied = run(lab.hardstand("apply", &broken).arg("--yes"));
    assert_eq!(applied.code, Some(6), "{applied:#?}");
    let _absent = lab.ask("a", "test ! -e /etc/crio/crio.conf.d/99-z.conf");
    assert_eq!(lab.ask("a", "systemctl is-active crio"), "active");
    assert!(loaded(&lab, "a", "conmon_cgroup=pod"));
}

#[test]
fn registries_are_reloaded_and_a_proxy_restarts() {
    let Some(lab) = boot("trixie") else {
        return;
    };
    let spec = |crio: &str, more: &str| {
        lab.spec(&format!(
            "runtime: {{ crio: {{ {crio} }} }}\n{SHORT}\n{more}"
        ))
    };
    let process = || lab.ask("a", "systemctl show -P MainPID crio");
    let registries = "registries: { docker.io: { mirrors: [{ location: 'm.example:5000' }] } }";
    lab.converge(&spec("cni: { binDirs: [/opt/cni/bin] }", ""));
    let before = process();
    let loaded = lab.ask(
        "a",
        "rm /run/crio/loaded && systemctl show -P NRestarts crio",
    );
    let next = spec(
        &format!("cni: {{ binDirs: [/opt/cni/bin] }}, {registries}"),
        "",
    );
    lab.converge(&next);
    lab.expect_no_changes(&next);
    assert_eq!((process(), &*loaded), (before.clone(), "0"));
    lab.wait_until("a", "test -e /run/crio/loaded");
    let next = spec(
        &format!("cni: {{ binDirs: [/opt/cni/bin] }}, {registries}"),
        "proxy: { https: 'http://proxy.example:3128', no: ['*'] }",
    );
    lab.converge(&next);
    lab.expect_no_changes(&next);
    assert_ne!(process(), before);
    let environment = lab.ask(
        "a",
        "tr '\\0' '\\n' </proc/$(systemctl show -P MainPID crio)/environ",
    );
    assert!(
        environment.contains("HTTPS_PROXY=http://proxy.example:3128"),
        "{environment}"
    );
}
