//! Bridged traffic and iptables.

use super::*;

const IPTABLES: &str = "net.bridge.bridge-nf-call-iptables";

fn with(line: &str) -> Machine {
    Machine::debian()
        .file("/etc/sysctl.d/10-x.conf", &format!("{line}\n"))
        .file("/etc/modules-load.d/k8s.conf", "br_netfilter\n")
        .module("br_netfilter", |module| {
            (module.loaded, module.available) = (true, true);
        })
        .sysctl(IPTABLES, "1")
}

#[test]
fn values_now_and_at_boot_are_found() {
    let spec = "kubernetes: { version: '1.29' }";
    assert_eq!(
        only(
            "H028",
            &with("net.bridge.bridge-nf-call-iptables = 1"),
            spec
        ),
        [""; 0]
    );
    assert_eq!(only("H028", &Machine::debian(), spec), [""; 0]);
    let off = with("net.bridge.bridge-nf-call-iptables = 0").sysctl(IPTABLES, "0");
    assert_eq!(
        only("H028", &off, spec),
        [
            "Warning Stays /etc/sysctl.d/10-x.conf:1 sets `net.bridge.bridge-nf-call-iptables` to 0 at boot, and wins",
            "Warning Stays `net.bridge.bridge-nf-call-iptables` is 0: bridged traffic of pods passes by the rules of kube-proxy",
        ]
    );
    let note = only("H028", &off, "kubernetes: { version: '1.31' }");
    assert!(
        note.len() == 2 && note.iter().all(|found| found.starts_with("Note")),
        "{note:?}"
    );
    let mended = only(
        "H028",
        &off,
        "modules: [br_netfilter]\nsysctls: { net.bridge.bridge-nf-call-iptables: 1 }\nkubernetes: { version: '1.31' }",
    );
    assert!(
        mended.len() == 2
            && mended
                .iter()
                .all(|found| found.starts_with("Warning Mended")),
        "{mended:?}"
    );
    let meant = "modules: [br_netfilter]\nsysctls: { net.bridge.bridge-nf-call-iptables: 0 }\nkubernetes: { version: '1.29' }";
    assert_eq!(only("H028", &off, meant), [""; 0]);
}

#[test]
fn a_line_before_its_module_has_no_effect() {
    let spec = "kubernetes: { version: '1.29' }";
    let machine = with("net/bridge/bridge-nf-call-ip6tables=1")
        .file("/etc/modules-load.d/k8s.conf", "# br_netfilter\n");
    assert_eq!(
        only("H028", &machine, spec),
        [
            "Warning Stays /etc/sysctl.d/10-x.conf:1 sets `net.bridge.bridge-nf-call-ip6tables` at boot, when nothing has loaded \
          `br_netfilter` yet: the line has no effect"
        ]
    );
    let mended = only(
        "H028",
        &machine,
        &format!("modules: [br_netfilter]\n{spec}"),
    );
    assert!(mended[0].starts_with("Warning Mended"), "{mended:?}");
    let built_in = machine.module("br_netfilter", |module| module.builtin = true);
    assert_eq!(only("H028", &built_in, spec), [""; 0]);
}

#[test]
fn hostile_files_are_harmless() {
    for line in [
        "= 0",
        "-",
        "net.bridge.*=0",
        "net.bridge.bridge-nf-call-iptables",
        "\u{1b}[2J=0",
    ] {
        let _no_panic = only("H028", &with(line), "kubernetes: { version: '1.29' }");
    }
}
