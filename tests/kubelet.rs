//! The kubelet on real nodes, in the form of a stand-in (`tests/lab/standins/kubelet`): Debian does not package it. Its flags
//! come from a real systemd, so that what is read of a unit here is held against what systemd makes of it.

use crate::support::{Lab, run};

/// Files of the stand-in, with where they go and their mode.
const STANDIN: [(&str, &str, &str); 3] = [
    (
        "/usr/bin/kubelet",
        "0755",
        include_str!("lab/standins/kubelet/kubelet"),
    ),
    (
        "/usr/lib/systemd/system/kubelet.service",
        "0644",
        include_str!("lab/standins/kubelet/kubelet.service"),
    ),
    (
        "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf",
        "0644",
        include_str!("lab/standins/kubelet/10-kubeadm.conf"),
    ),
];

const CONFIG: &str = "/var/lib/kubelet/config.yaml";
const FLAGS: &str = "/var/lib/kubelet/kubeadm-flags.env";
const DEFAULTS: &str = "/etc/default/kubelet";

/// What `kubeadm join` writes, in part.
const JOINED: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nauthentication:\n  anonymous:\n    enabled: false\n\
                      containerRuntimeEndpoint: \"\"\nkind: KubeletConfiguration\nmemorySwap: {}\n";

/// Boots one node with a kubelet that runs, as on a node that has a configuration and no cluster.
fn boot(image: &str) -> Option<Lab> {
    let lab = Lab::boot(&[&format!("a={image}")])?;
    install(&lab);
    restart(&lab);
    Some(lab)
}

/// Puts the stand-in on the node, with a configuration and flags, and does not start it.
pub(crate) fn install(lab: &Lab) {
    let _made = lab.ask(
        "a",
        "mkdir -p /usr/lib/systemd/system/kubelet.service.d /var/lib/kubelet /etc/default",
    );
    for (path, mode, text) in STANDIN {
        put(lab, path, text);
        let _set = lab.ask("a", &format!("chmod {mode} {path}"));
    }
    put(lab, CONFIG, JOINED);
    put(
        lab,
        FLAGS,
        "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///var/run/containerd/containerd.sock --node-labels=a=b\"\n",
    );
}

pub(crate) fn put(lab: &Lab, path: &str, text: &str) {
    let _written = lab.ask("a", &format!("cat >'{path}' <<'STANDIN'\n{text}STANDIN\n"));
}

fn restart(lab: &Lab) {
    let _started = lab.ask(
        "a",
        "systemctl daemon-reload && systemctl enable --quiet kubelet && systemctl restart kubelet",
    );
    lab.wait_until("a", "test -s /run/kubelet/loaded");
}

/// Checks what the kubelet comes to.
#[track_caller]
fn expect_loaded(lab: &Lab, settings: &[&str]) {
    lab.wait_until("a", "test -s /run/kubelet/loaded");
    let loaded = lab.ask("a", "cat /run/kubelet/loaded");
    for setting in settings {
        assert!(loaded.lines().any(|line| line == *setting), "{loaded}");
    }
}

const SHORT: &str = "services: [{ name: kubelet.service, steadySeconds: 2 }]";

#[test]
fn fields_are_set_and_a_flag_that_wins_is_named() {
    let Some(lab) = boot("trixie") else {
        return;
    };
    expect_loaded(&lab, &["cgroupDriver=cgroupfs", "failSwapOn=true"]);
    let spec = format!(
        "kubernetes: {{ version: \"1.31\" }}\nkubelet:\n  cgroupDriver: systemd\n  failSwapOn: false\n  \
         containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n{SHORT}"
    );
    // Several lines, quotes and a flag whose value is the next word, in a file that only systemd and we read.
    put(
        &lab,
        DEFAULTS,
        "# mine\nKUBELET_EXTRA_ARGS=\"--v=2 \\\n  --cgroup-driver cgroupfs\"\n",
    );
    lab.converge(&lab.spec(&format!("kubelet: {{ failSwapOn: false }}\n{SHORT}")));
    expect_loaded(&lab, &["cgroupDriver=cgroupfs", "failSwapOn=false"]);
    let spec = lab.spec(&spec);
    let planned = run(&mut lab.hardstand("plan", &spec));
    assert_eq!(planned.code, Some(1), "{planned:#?}");
    assert!(
        planned.stdout.contains("/etc/default/kubelet:3"),
        "{planned:#?}"
    );

    put(&lab, DEFAULTS, "KUBELET_EXTRA_ARGS=--v=2\n");
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    expect_loaded(
        &lab,
        &[
            "cgroupDriver=systemd",
            "containerRuntimeEndpoint=unix:///var/run/containerd/containerd.sock",
            "failSwapOn=false",
        ],
    );
    let text = lab.ask("a", &format!("cat {CONFIG}"));
    let expected = JOINED.replace("\"\"", "\"unix:///run/containerd/containerd.sock\"");
    assert_eq!(
        text,
        format!("{expected}failSwapOn: false\ncgroupDriver: systemd")
    );
    lab.lab("reboot", "a");
    lab.wait_until("a", "systemctl is-active --quiet kubelet");
    lab.expect_no_changes(&spec);
}

#[test]
fn a_drop_in_is_written_and_a_later_one_is_named() {
    let Some(lab) = boot("bookworm") else {
        return;
    };
    let directory = "/etc/kubernetes/kubelet.conf.d";
    let spec = |rest: &str| {
        lab.spec(&format!(
            "kubernetes: {{ version: \"1.31\" }}\nkubelet: {{ cgroupDriver: systemd, configDir: {directory} }}\n{rest}{SHORT}"
        ))
    };
    let planned = run(&mut lab.hardstand("plan", &spec("")));
    assert_eq!(planned.code, Some(1), "{planned:#?}");
    assert!(
        planned.stdout.contains("without `--config-dir`"),
        "{planned:#?}"
    );

    // The flag may come with the same plan.
    let with_flag = spec(&format!(
        "files:\n  - path: {DEFAULTS}\n    content: |\n      KUBELET_EXTRA_ARGS=--config-dir={directory}\n    \
         notifies: [service/kubelet.service]\n"
    ));
    lab.converge(&with_flag);
    lab.expect_no_changes(&with_flag);
    expect_loaded(&lab, &["cgroupDriver=systemd"]);
    assert_eq!(lab.ask("a", &format!("cat {CONFIG}")), JOINED.trim_end());

    put(
        &lab,
        &format!("{directory}/99-z.conf"),
        "kind: KubeletConfiguration\ncgroupDriver: cgroupfs\n",
    );
    restart(&lab);
    expect_loaded(&lab, &["cgroupDriver=cgroupfs"]);
    let planned = run(&mut lab.hardstand("plan", &with_flag));
    assert_eq!(planned.code, Some(1), "{planned:#?}");
    assert!(
        planned.stdout.contains(&format!("{directory}/99-z.conf:2")),
        "{planned:#?}"
    );
}

#[test]
fn a_runtime_that_tells_its_driver_has_the_last_word() {
    let Some(lab) = boot("sid-containerd") else {
        return;
    };
    let spec = lab.spec(&format!(
        "kubernetes: {{ version: \"1.31\" }}\nruntime: {{ containerd: {{}} }}\nkubelet: {{}}\n{SHORT}"
    ));
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    expect_loaded(&lab, &["cgroupDriver=systemd"]);
    // On a node that has joined, kubeadm may write the file anew: that is no pod lost where the runtime tells the driver.
    put(&lab, CONFIG, JOINED);
    let _joined = lab.ask(
        "a",
        "mkdir -p /etc/kubernetes && : >/etc/kubernetes/kubelet.conf",
    );
    let planned = run(&mut lab.hardstand("plan", &spec));
    assert_eq!(planned.code, Some(0), "{planned:#?}");
    assert!(
        planned.stdout.contains("tells the kubelet to use systemd"),
        "{planned:#?}"
    );
    let untold = lab.spec(&format!(
        "kubernetes: {{ version: \"1.30\" }}\nruntime: {{ containerd: {{}} }}\nkubelet: {{}}\n{SHORT}"
    ));
    let planned = run(&mut lab.hardstand("plan", &untold));
    assert_eq!(planned.code, Some(1), "{planned:#?}");
    assert!(
        planned.stdout.contains("has joined a cluster"),
        "{planned:#?}"
    );
}
