//! Tests of time synchronisation.

use engine::question::FileState;
use engine::step::Step;

use crate::testing::{Machine, compile, summary, written};

const SOURCES: &str = "/etc/chrony/sources.d/hardstand.sources";
const DROP_IN: &str = "/etc/systemd/timesyncd.conf.d/hardstand.conf";

fn host() -> Machine {
    let mut host = Machine::debian();
    for (name, version) in [("chrony", "4.6.1-3"), ("systemd-timesyncd", "257.9-1")] {
        host = host.package(name, |package| package.candidate = Some(version.into()));
    }
    host
}

fn with_timesyncd() -> Machine {
    host()
        .package("systemd-timesyncd", |package| {
            package.installed = Some("257.9-1".into());
        })
        .unit("systemd-timesyncd.service", &[])
}

fn with_chrony() -> Machine {
    host()
        .package("chrony", |package| {
            package.installed = Some("4.6.1-3".into());
        })
        .directory("/etc/chrony")
        .directory("/etc/chrony/sources.d")
        .unit("chrony.service", &[])
}

#[test]
fn one_daemon_by_what_is_there() {
    const STOPPED: &[(&str, &str)] = &[("ActiveState", "inactive"), ("UnitFileState", "disabled")];
    let masked = [STOPPED, &[("LoadState", "masked")]].concat();
    for (host, spec, expected) in [
        (with_chrony(), "timeSync: {chrony: {}}", &[][..]),
        (with_chrony(), "timeSync: {chrony: }", &[]),
        (with_timesyncd(), "timeSync: {timesyncd: {}}", &[]),
        (
            host(),
            "timeSync: {chrony: {}}",
            &[
                "package/chrony: version ->4.6.1-3",
                "service/chrony.service: enabled ->yes, active ->yes",
            ],
        ),
        (
            with_timesyncd(),
            "timeSync: {chrony: {}}",
            &[
                "package/systemd-timesyncd: version 257.9-1->",
                "package/chrony: version ->4.6.1-3",
                "service/chrony.service: enabled ->yes, active ->yes",
            ],
        ),
        (
            with_timesyncd(),
            "timeSync: {chrony: {}}\npackages: [chrony]",
            &[
                "package/systemd-timesyncd: version 257.9-1->",
                "package/chrony: version ->4.6.1-3",
                "service/chrony.service: enabled ->yes, active ->yes",
            ],
        ),
        (
            with_chrony(),
            "timeSync: {timesyncd: {}}\npackages: [{name: chrony, state: absent}]",
            &[
                "package/chrony: version 4.6.1-3->",
                "package/systemd-timesyncd: version ->257.9-1",
                "service/systemd-timesyncd.service: enabled ->yes, active ->yes",
            ],
        ),
        (
            with_chrony().unit("chrony.service", STOPPED),
            "timeSync: {chrony: {}}",
            &["service/chrony.service: enabled no->yes, active inactive->active"],
        ),
        (
            with_chrony().unit("chrony.service", &masked),
            "timeSync: {chrony: {}}",
            &["service/chrony.service: masked yes->no, enabled no->yes, active inactive->active"],
        ),
        (
            with_chrony(),
            "timeSync: {chrony: {}}\nservices: [{name: chrony.service, active: false}]",
            &["service/chrony.service: active active->inactive"],
        ),
    ] {
        assert_eq!(summary(&host.plan(spec)), expected, "{spec}");
    }
}

#[test]
fn servers_are_a_file_and_a_restart() {
    let mut host = with_chrony();
    let plan = host.converge("timeSync: {chrony: {servers: [ntp.example, '2001:db8::1']}}");
    assert!(
        written(&plan, SOURCES)
            .ends_with(".\nserver ntp.example iburst\nserver 2001:db8::1 iburst\n")
    );
    let steps: Vec<_> = plan.changes.iter().flat_map(|c| &c.steps).collect();
    assert!(
        matches!(steps[..], [_, Step::RestartUnit { .. }]),
        "{steps:?}"
    );
    let plan = host.converge("timeSync: {chrony: {}}");
    assert!(!host.files.contains_key(SOURCES), "{:?}", summary(&plan));

    let mut host = with_timesyncd();
    let plan = host.converge("timeSync: {timesyncd: {servers: [a.example, b.example]}}");
    assert!(written(&plan, DROP_IN).ends_with("[Time]\nNTP=\nNTP=a.example b.example\n"));
    assert!(matches!(
        host.files["/etc/systemd/timesyncd.conf.d"],
        FileState::Directory(_)
    ));
}

#[test]
fn servers_of_a_daemon_that_is_yet_to_come() {
    let plan = host().plan("timeSync: {chrony: {servers: [ntp.example]}}");
    assert_eq!(plan.unplanned, []);
    let order: Vec<_> = plan
        .changes
        .iter()
        .map(|c| c.resource.to_string())
        .collect();
    assert_eq!(
        order,
        [
            "package/chrony",
            &format!("file/{SOURCES}"),
            "service/chrony.service"
        ]
    );
}

#[test]
fn a_daemon_that_goes_is_not_restarted_for_its_file() {
    let mut host = host();
    host = host
        .directory("/etc/chrony")
        .directory("/etc/chrony/sources.d");
    let _plan = host.converge("timeSync: {chrony: {servers: [ntp.example]}}");
    for spec in ["packages: []", "timeSync: {timesyncd: {}}"] {
        let plan = host.plan(spec);
        assert_eq!(plan.unplanned, [], "{spec}");
        let steps: Vec<_> = plan.changes.iter().flat_map(|c| &c.steps).collect();
        assert!(
            matches!(
                steps[..],
                [Step::RemovePackage { .. }, .., Step::RemoveFile { .. }]
            ),
            "{spec}: {steps:?}"
        );
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (spec, expected) in [
        (
            "timeSync: {chrony: {}}\npackages: [systemd-timesyncd]",
            &["E264 `systemd-timesyncd` cannot be installed beside `chrony`"][..],
        ),
        (
            "timeSync: {timesyncd: {}}\npackages: [{name: chrony, hold: true}]",
            &["E264 `chrony` cannot be installed beside `systemd-timesyncd`"],
        ),
        (
            "timeSync: {chrony: {servers: ['a iburst', '-x', a.example]}}",
            &[
                "E127 `-x` is not a time server",
                "E127 `a iburst` is not a time server",
            ],
        ),
        (
            "timeSync: {timesyncd: {servers: ['a b']}}",
            &["E127 `a b` is not a time server"],
        ),
    ] {
        assert_eq!(compile(spec).1, expected, "{spec}");
    }
}
