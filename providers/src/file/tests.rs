//! Tests of files and directories.

use crate::testing::{Machine, attributes, change, compile, compile_at, regular, summary};
use engine::plan::{Change, Verdict};
use engine::question::FileState;
use engine::resource::{Action, Reason};
use engine::step::Step;

const SPEC: &str = "files: [{path: /etc/motd, content: \"hello\\n\"}]";

#[test]
fn a_file_by_its_state() {
    let present = || Machine::debian().file("/etc/motd", "hello\n");
    for (name, host, expected) in [
        (
            "absent",
            Machine::debian(),
            "file//etc/motd: content ->sha256:5891b5b522d5, mode ->0644, owner ->root:root",
        ),
        (
            "content",
            Machine::debian().file("/etc/motd", "hi\n"),
            "file//etc/motd: content sha256:98ea6e4f216f->sha256:5891b5b522d5",
        ),
        (
            "mode",
            present().with_file("/etc/motd", |f| f.attributes.mode = 0o4755),
            "file//etc/motd: mode 4755->0644",
        ),
        (
            "owner",
            present().with_file("/etc/motd", |f| f.attributes.owner = "1000".into()),
            "file//etc/motd: owner 1000->root",
        ),
        (
            "group",
            present().with_file("/etc/motd", |f| f.attributes.group = "adm".into()),
            "file//etc/motd: group adm->root",
        ),
        (
            "link",
            present().at("/etc/motd", FileState::Symlink("/run/motd".into())),
            "file//etc/motd Refused: `/etc/motd` is a symbolic link to `/run/motd`",
        ),
        (
            "directory",
            present().directory("/etc/motd"),
            "file//etc/motd Refused: `/etc/motd` is a directory",
        ),
        (
            "fifo",
            present().at("/etc/motd", FileState::Other("fifo".into())),
            "file//etc/motd Refused: `/etc/motd` is a fifo",
        ),
        (
            "unreadable",
            present().at("/etc/motd", FileState::Unreadable("EIO".into())),
            "file//etc/motd Unknown: `/etc/motd` cannot be read: EIO",
        ),
        (
            "hard links",
            Machine::debian()
                .file("/etc/motd", "x")
                .with_file("/etc/motd", |f| f.links = 2),
            "file//etc/motd Refused: `/etc/motd` is one of 2 hard links to the same file",
        ),
    ] {
        assert_eq!(summary(&host.plan(SPEC)), [expected], "{name}");
    }
    assert_eq!(present().plan(SPEC).changes, []);
    Machine::debian().converge(SPEC);
}

#[test]
fn a_parent_that_is_no_directory_is_refused() {
    let spec = "files: [{path: /etc/x/motd, content: hello}]";
    for (state, expected) in [
        (FileState::Absent, "the directory `/etc/x` does not exist"),
        (
            FileState::Symlink("/y".into()),
            "`/etc/x` is a symbolic link to `/y`",
        ),
        (
            FileState::Regular(regular(b"", 0o644, 0)),
            "`/etc/x` is not a directory",
        ),
    ] {
        let plan = Machine::debian().at("/etc/x", state).plan(spec);
        assert_eq!(plan.unplanned[0].reason, expected);
    }
}

#[test]
fn a_parent_of_the_same_plan_comes_first() {
    let spec = "\
files: [{path: /etc/x/y/motd, content: hello}]
directories: [{path: /etc/x/y}, {path: /etc/x, mode: \"0700\"}]";
    let mut host = Machine::debian();
    let plan = host.converge(spec);
    let order: Vec<_> = plan.changes.iter().map(|c| c.resource.name()).collect();
    assert_eq!(order, ["/etc/x", "/etc/x/y", "/etc/x/y/motd"]);
    let plan = host
        .at("/etc/x", FileState::Directory(attributes(0o755)))
        .plan(spec);
    assert_eq!(summary(&plan), ["directory//etc/x: mode 0755->0700"]);
}

#[test]
fn absent_files_and_directories_are_removed() {
    let spec = "files: [{path: /opt/x/y, state: absent}]";
    let host = Machine::debian()
        .directory("/opt/x")
        .file("/opt/x/y", "text");
    let plan = host.clone().converge(spec);
    assert_eq!(plan.changes[0].action, Action::Delete);
    assert_eq!(plan.changes[0].diffs.len(), 1);
    let spec = "directories: [{path: /opt/z, state: absent}]";
    let plan = Machine::debian().directory("/opt/z").converge(spec);
    assert_eq!(plan.changes[0].verdict(), Verdict::Conditional);
    let plan = Machine::debian().file("/opt/z", "").plan(spec);
    assert_eq!(plan.unplanned[0].verdict, Verdict::Refused);
}

#[test]
fn what_hardstand_made_is_removed_when_no_spec_names_it() {
    let spec = "\
directories: [{path: /opt/x}]
files: [{path: /opt/x/y, content: a}, {path: /etc/motd, content: b}]";
    let mut host = Machine::debian().file("/etc/motd", "was there");
    host.converge(spec);
    let plan = host.converge("files: []");
    let removed: Vec<_> = plan
        .changes
        .iter()
        .map(|c| c.resource.to_string())
        .collect();
    assert_eq!(removed, ["file//opt/x/y", "directory//opt/x"]);
    assert!(host.files.contains_key("/etc/motd"), "it was there before");
}

#[test]
fn removing_a_drop_in_restarts_the_unit() {
    let spec =
        "services: [{name: x.service, dropIns: {limits: \"[Service]\\nLimitNOFILE=65536\"}}]";
    let mut host = Machine::debian().unit("x.service", &[]);
    host.converge(spec);
    for spec in ["services: [{name: x.service}]", "services: []"] {
        let mut host = host.clone();
        let plan = host.converge(spec);
        let removal = change(&plan, "file//etc/systemd/system/x.service.d/limits.conf");
        assert!(
            matches!(&removal.steps[..], [Step::RemoveFile { owes, .. }] if owes.len() == 1),
            "{spec}"
        );
        let restart = change(&plan, "service/x.service");
        assert!(matches!(
            &restart.steps[..],
            [Step::ReloadUnitFiles, Step::RestartUnit { .. }]
        ));
        assert_eq!(
            restart.requires,
            std::slice::from_ref(&removal.resource),
            "{spec}"
        );
        assert!(host.owed.is_empty());
    }
}

#[test]
fn dropped_files_are_gone_before_one_restart_takes_notice() {
    let spec = "services: [{name: x.service, active: true, dropIns: {a: \"\", b: \"\", c: \"\"}}]";
    let mut host = Machine::debian().unit("x.service", &[]);
    host.converge(spec);
    host.owed.insert("x.service".into());
    for spec in [
        "services: [{name: x.service, active: true}]",
        "services: []",
    ] {
        let mut host = host.clone();
        let plan = host.converge(spec);
        let restarts = |change: &&std::sync::Arc<Change>| {
            let mut steps = change.steps.iter();
            steps.any(|step| matches!(step, Step::RestartUnit { .. }))
        };
        let restarting: Vec<_> = plan.changes.iter().filter(restarts).collect();
        assert_eq!(restarting.len(), 1, "{spec}");
        assert_eq!(restarting[0].requires.len(), 3, "{spec}");
        assert_eq!(restarting[0].reasons.len(), 4, "{spec}");
    }
    let stopped = host.unit("x.service", &[("ActiveState", "failed")]);
    let plan = stopped
        .clone()
        .converge("services: [{name: x.service, active: true}]");
    let start = change(&plan, "service/x.service");
    assert_eq!(start.requires.len(), 3, "it starts without them");
    stopped.clone().converge("services: []");
}

#[test]
fn a_restart_that_a_removal_owes_is_not_lost() {
    let spec = "services: [{name: x.service, dropIns: {a: \"\"}}]";
    let mut host = Machine::debian().unit("x.service", &[]);
    host.converge(spec);
    // The run stopped when the file was gone and its record too.
    let mut plan = host.plan("services: []");
    plan.changes.truncate(1);
    host.apply(&plan);
    let plan = host.converge("services: []");
    let restart = change(&plan, "service/x.service");
    assert!(matches!(&restart.reasons[..], [Reason::Owed(_), ..]));
    assert!(restart.receipt.is_none() && host.owed.is_empty());
}

#[test]
fn what_loses_its_unit_file_is_not_restarted() {
    for (file, unit) in [("x.service", "x.service"), ("x@.service", "x@1.service")] {
        let spec = format!(
            "files:
- {{path: /etc/systemd/system/{file}, content: \"[Service]\"}}
- {{path: /etc/x.conf, content: a, notifies: [service/{unit}]}}
services: [{{name: {unit}}}]"
        );
        let mut host = Machine::debian().unit(unit, &[]);
        host.converge(&spec);
        let plan = host.converge("files: []");
        assert_eq!(plan.changes.len(), 2);
        let removal = change(&plan, "file//etc/x.conf");
        assert!(
            matches!(&removal.steps[..], [Step::RemoveFile { owes, .. }] if owes.is_empty()),
            "{unit}"
        );
    }
    let spec = "files: [{path: /etc/x.conf, content: a, notifies: [service/x.service]}]
services: [{name: x.service}]";
    let mut host = Machine::debian().unit("x.service", &[]);
    host.converge(spec);
    let plan = host
        .unit("x.service", &[("LoadState", "not-found")])
        .plan("files: []");
    assert_eq!(plan.changes[0].steps.len(), 1, "systemd has no such unit");
}

#[test]
fn what_runs_owes_a_restart_once_the_file_is_written() {
    let spec = "\
files: [{path: /etc/x.conf, content: hello, notifies: [service/x.service]}]
services: [{name: x.service}]";
    for (properties, owed) in [
        (&[][..], 1),
        (&[("ActiveState", "inactive")][..], 0),
        (
            &[("ActiveState", "inactive"), ("LoadState", "not-found")][..],
            0,
        ),
    ] {
        let plan = Machine::debian().unit("x.service", properties).plan(spec);
        let Step::WriteFile { owes, .. } = &plan.changes[0].steps[0] else {
            panic!("no file is written");
        };
        assert_eq!(owes.len(), owed, "{properties:?}");
        assert_eq!(plan.changes.len(), 1 + owed, "{properties:?}");
    }
}

#[test]
fn a_file_of_a_package_may_be_there_by_then() {
    let spec = "\
packages: [chrony]
files: [{path: /etc/chrony/chrony.conf, content: pool, requires: [package/chrony]}]";
    let host = Machine::debian().package("chrony", |p| p.candidate = Some("4.3".into()));
    assert_eq!(host.plan(spec).changes.len(), 2);
}

#[test]
fn content_stands_beside_the_spec() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("motd"), "from a file").unwrap();
    let name = directory.path().join("spec.yaml");
    let spec = "files: [{path: /etc/motd, source: motd}, {path: /etc/b, source: ../motd}, {path: /etc/c, source: no}]";
    let (graph, complaints) = compile_at(name.to_str().unwrap(), spec);
    assert_eq!(graph.nodes().count(), 1);
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert_eq!(
        complaints[0],
        "E211 `../motd` must be a relative path that stays below the directory of the spec"
    );
    assert!(
        complaints[1].ends_with("/no`: it does not exist"),
        "{complaints:?}"
    );
}

#[test]
fn odd_specs_are_refused() {
    for (spec, expected) in [
        (
            "files: [{path: /etc/*.conf, content: a}]",
            "E205 `/etc/*.conf` is a pattern, and a path is taken as it is written",
        ),
        (
            "files: [{path: /proc/x, content: a}]",
            "E205 `/proc/x` is not a managed location",
        ),
        (
            "files: [{path: /etc/passwd, content: a}]",
            "E205 `/etc/passwd` is not a managed location",
        ),
        (
            "files: [{path: /run/x, content: a}]",
            "E205 `/run/x` is not a managed location",
        ),
        (
            "files: [{path: /var/lib/hardstand/lock, content: a}]",
            "E205 `/var/lib/hardstand/lock` is not a managed location",
        ),
        (
            "directories: [{path: /}]",
            "E205 `/` is not a managed location",
        ),
        (
            "files: [{path: /runner, content: a}, {path: /runner, content: b}]",
            "E201 `/runner` is managed twice",
        ),
        (
            "files: [{path: /a, content: a}]\ndirectories: [{path: /a}]",
            "E201 `/a` is managed twice",
        ),
        (
            "files: [{path: /a, content: a}, {path: /a/b/c, content: b}]",
            "E202 `/a` is a file, so it cannot contain `/a/b/c`",
        ),
        (
            "files: [{path: /a}]",
            "E210 `/a` has neither `content` nor `source`",
        ),
        (
            "files: [{path: /a, content: a, source: b}]",
            "E210 `/a` has both `content` and `source`",
        ),
        (
            "files: [{path: /a, content: a, state: absent}]",
            "E238 `/a` has `content` but is absent",
        ),
        (
            "files: [{path: /a, content: \"-----BEGIN OPENSSH PRIVATE KEY-----\\nx\"}]",
            "E231 `/a` would hold a private key, which plans and diffs would show",
        ),
        (
            "files: [{path: /a, content: '{\"auths\":{\"x\":{\"auth\":\"eA==\"}}}'}]",
            "E231 `/a` would hold credentials of a registry, which plans and diffs would show",
        ),
        (
            "files: [{path: /a, content: a, owner: \"0\"}]",
            "E209 `owner` is written as a number that has a name",
        ),
    ] {
        let (_, complaints) = compile(spec);
        assert!(
            complaints.contains(&expected.to_owned()),
            "{spec}: {complaints:?}"
        );
    }
}
