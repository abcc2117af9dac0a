//! CRI-O's cgroup manager and monitor cgroup.

use super::*;

const ANY: &str = "kubernetes: { version: '1.31' }";
const DROP_IN: &str = "/etc/crio/crio.conf.d/10-crio.conf";

fn with(release: Option<&str>, text: &str) -> Machine {
    let machine = Machine::debian()
        .directory("/etc/crio")
        .directory("/etc/crio/crio.conf.d")
        .file(DROP_IN, text);
    match release {
        Some(release) => machine.package("cri-o", |package| {
            package.installed = Some(release.into());
        }),
        None => machine,
    }
}

fn pair(manager: &str, monitor: &str) -> String {
    format!("[crio.runtime]\ncgroup_manager = \"{manager}\"\nconmon_cgroup = \"{monitor}\"\n")
}

#[test]
fn wrong_pairs_are_found_by_what_all_files_come_to() {
    let found = |release, text: &str| only("H009", &with(release, text), ANY);
    let new = Some("1.33.0-1.1");
    for text in [
        pair("systemd", "pod"),
        pair("systemd", "x.slice"),
        pair("cgroupfs", "pod"),
    ] {
        assert_eq!(found(new, &text), [""; 0], "{text}");
    }
    assert_eq!(only("H009", &Machine::debian(), ANY), [""; 0]);
    let message = "with the cgroup manager cgroupfs the monitor cgroup must be `pod`, not `system.slice`: CRI-O does not start";
    let wrong = pair("cgroupfs", "system.slice");
    assert_eq!(found(new, &wrong), [format!("Warning Stays {message}")]);
    let later = with(new, &wrong).file(
        "/etc/crio/crio.conf.d/99-x",
        "[crio.runtime]\nconmon_cgroup = \"pod\"\n",
    );
    assert_eq!(only("H009", &later, ANY), [""; 0]);
    assert_eq!(
        only(
            "H009",
            &with(new, &wrong).unit("crio.service", &[]),
            "runtime: { crio: {} }"
        ),
        [format!("Error Mended {message}")]
    );
}

#[test]
fn an_empty_monitor_cgroup_depends_on_the_release() {
    let text = pair("cgroupfs", "");
    assert_eq!(only("H009", &with(Some("1.33.1"), &text), ANY), [""; 0]);
    assert_eq!(
        only("H009", &with(Some("1.31.5-1.1"), &text), ANY),
        [
            "Warning Stays CRI-O 1.31 does not take an empty monitor cgroup with the cgroup manager cgroupfs: CRI-O does not start"
        ]
    );
    assert_eq!(
        unknown("H009", &with(None, &text), ANY).as_deref(),
        Some("the release of CRI-O is not known")
    );
}

#[test]
fn the_monitor_cgroup_of_a_handler_counts_where_there_is_no_common_one() {
    let text = "[crio.runtime.runtimes.crun]\nmonitor_cgroup = \"x\"\n";
    assert_eq!(
        only("H009", &with(Some("1.31.5"), text), ANY),
        [
            "Warning Stays /etc/crio/crio.conf.d/10-crio.conf:2 (handler `crun`): with the cgroup manager systemd the monitor \
          cgroup must be `pod` or a slice, not `x`: CRI-O does not start"
        ]
    );
    let common = format!("[crio.runtime]\nconmon_cgroup = \"pod\"\n{text}");
    assert_eq!(only("H009", &with(Some("1.31.5"), &common), ANY), [""; 0]);
}

#[test]
fn what_cannot_be_read_is_unknown() {
    for text in ["= =", "crio = 1", "[crio.runtime]\ncgroup_manager = 1\n"] {
        assert!(
            unknown("H009", &with(Some("1.31.5"), text), ANY).is_some(),
            "{text}"
        );
    }
    let elsewhere = with(Some("1.31.5"), "").file(
        "/usr/lib/systemd/system/crio.service",
        "[Service]\nExecStart=/usr/bin/crio --config /x\n",
    );
    assert_eq!(
        unknown("H009", &elsewhere, ANY).as_deref(),
        Some(
            "CRI-O reads another configuration: /usr/lib/systemd/system/crio.service:2 says `--config /x`"
        )
    );
}
