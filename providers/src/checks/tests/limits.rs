//! The limit of open files of the runtime's unit.

use engine::question::OpenFiles;

use super::*;

const SPEC: &str = "runtime: { containerd: {} }";

fn with(limit: &str, nr_open: &str) -> Machine {
    Machine::debian()
        .containerd("1.7.24", None)
        .sysctl("fs.nr_open", nr_open)
        .file(
            "/usr/lib/systemd/system/containerd.service",
            &format!("[Service]\nExecStart=/usr/bin/containerd\n{limit}\n"),
        )
}

#[test]
fn too_many_and_too_few_open_files_are_found() {
    let huge = "1073741816";
    for fine in ["", "LimitNOFILE=1048576", "LimitNOFILE=1024:524288"] {
        assert_eq!(only("H025", &with(fine, huge), SPEC), [""; 0], "{fine}");
    }
    assert_eq!(
        only("H025", &with("LimitNOFILE=infinity", "1048576"), SPEC),
        [""; 0]
    );
    assert_eq!(
        only("H025", &with("LimitNOFILE=infinity", huge), SPEC),
        [
            "Warning Stays containerd.service has LimitNOFILE=infinity by /usr/lib/systemd/system/containerd.service:3, and here \
          that is 1073741816: programs that walk all file descriptors hang in containers"
        ]
    );
    assert_eq!(
        only("H025", &with("LimitNOFILE=1024", huge), SPEC),
        [
            "Warning Stays containerd.service has LimitNOFILE=1024 by /usr/lib/systemd/system/containerd.service:3: a container \
          opens 1024 files at most"
        ]
    );
    let drop_in = "services: [{ name: containerd.service, dropIns: { l: \"[Service]\\nLimitNOFILE=1048576\\n\" } }]\n";
    let mended = only(
        "H025",
        &with("LimitNOFILE=infinity", huge),
        &format!("{drop_in}{SPEC}"),
    );
    assert!(mended[0].starts_with("Warning Mended"), "{mended:?}");
}

#[test]
fn a_process_with_less_than_its_unit_gives_is_found() {
    let mut machine = with("LimitNOFILE=1048576", "1048576");
    let mut runs_with = |hard| {
        let limit = OpenFiles {
            soft: 1024,
            hard,
            bound: u64::MAX,
        };
        machine
            .open_files
            .insert("containerd.service".into(), limit);
        only("H025", &machine, "kubernetes: { version: '1.31' }")
    };
    assert_eq!(runs_with(1_048_576), [""; 0]);
    assert_eq!(
        runs_with(4096),
        [
            "Warning Stays containerd.service runs with a limit of 4096 open files, whatever its unit says: a container opens no \
             more"
        ]
    );
    let mended = "runtime: { containerd: { limitNoFile: 1048576 } }";
    let found = only("H025", &machine, mended);
    assert!(found[0].starts_with("Warning Mended"), "{found:?}");
    let stopped = machine.unit("containerd.service", &[("ActiveState", "inactive")]);
    assert_eq!(only("H025", &stopped, SPEC), [""; 0]);
}

#[test]
fn what_cannot_be_read_is_unknown() {
    for (limit, nr_open) in [
        ("LimitNOFILE=\u{1b}[1m", "1"),
        ("LimitNOFILE=infinity", "many"),
    ] {
        assert!(
            unknown("H025", &with(limit, nr_open), SPEC).is_some(),
            "{limit}"
        );
    }
    let mut absent = with("LimitNOFILE=infinity", "1");
    absent.sysctls.clear();
    assert_eq!(
        unknown("H025", &absent, SPEC).as_deref(),
        Some("there is no fs.nr_open")
    );
}
