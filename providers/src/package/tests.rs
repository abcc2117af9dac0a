//! Tests of packages.

use crate::testing::{Machine, change, compile, summary};
use engine::facts::PackageManager;
use engine::plan::Verdict;
use engine::question::PackageState;
use engine::step::{Disruption, Step};

fn host(change: impl FnOnce(&mut PackageState)) -> Machine {
    Machine::debian().package("containerd", change)
}

fn installed(package: &mut PackageState) {
    package.installed = Some("1.7.24".into());
}

#[test]
fn a_package_by_its_state() {
    for (entry, state, expected) in [
        (
            "containerd",
            PackageState {
                candidate: Some("1.7.24".into()),
                ..PackageState::default()
            },
            &["package/containerd: version ->1.7.24"][..],
        ),
        (
            "{name: containerd, hold: true}",
            PackageState {
                candidate: Some("1.7.24".into()),
                ..PackageState::default()
            },
            &["package/containerd: version ->1.7.24, hold no->yes"],
        ),
        (
            "containerd",
            PackageState {
                installed: Some("1.6".into()),
                ..PackageState::default()
            },
            &[],
        ),
        (
            "containerd",
            PackageState::default(),
            &["package/containerd Refused: the host knows no package `containerd`"],
        ),
        (
            "containerd",
            PackageState {
                broken: Some("half-configured".into()),
                ..PackageState::default()
            },
            &["package/containerd Refused: `containerd` is half-configured"],
        ),
        (
            "{name: containerd, version: \"1.7\"}",
            PackageState {
                installed: Some("1.6".into()),
                ..PackageState::default()
            },
            &["package/containerd: version 1.6->1.7"],
        ),
        (
            "{name: containerd, version: \"1.7\"}",
            PackageState {
                installed: Some("1.7".into()),
                held: true,
                ..PackageState::default()
            },
            &[],
        ),
        (
            "{name: containerd, hold: true}",
            PackageState {
                installed: Some("1.7".into()),
                ..PackageState::default()
            },
            &["package/containerd: hold no->yes"],
        ),
        (
            "{name: containerd, hold: false}",
            PackageState {
                installed: Some("1.7".into()),
                held: true,
                ..PackageState::default()
            },
            &["package/containerd: hold yes->no"],
        ),
        (
            "{name: containerd, state: absent}",
            PackageState {
                installed: Some("1.7".into()),
                held: true,
                ..PackageState::default()
            },
            &["package/containerd: version 1.7->"],
        ),
        (
            "{name: containerd, state: absent}",
            PackageState::default(),
            &[],
        ),
    ] {
        let spec = format!("packages: [{entry}]");
        let mut host = host(|package| *package = state.clone());
        let plan = host.plan(&spec);
        assert_eq!(summary(&plan), expected, "{entry} {state:?}");
        if plan.unplanned.is_empty() {
            host.converge(&spec);
        }
    }
}

#[test]
fn a_hold_is_lifted_for_a_change_and_kept() {
    let host = host(|package| {
        installed(package);
        package.held = true;
    });
    let plan = host.plan("packages: [{name: containerd, version: \"2.0\"}]");
    let change = change(&plan, "package/containerd");
    assert!(matches!(
        &change.steps[..],
        [
            Step::UnholdPackage { .. },
            Step::InstallPackage { .. },
            Step::HoldPackage { .. }
        ]
    ));
    assert_eq!(change.disruption, Disruption::Restart);
}

#[test]
fn a_version_that_is_not_the_candidate_is_conditional() {
    let host = host(|package| package.candidate = Some("1.7".into()));
    let plan = host.plan("packages: [{name: containerd, version: \"2.0\"}]");
    assert_eq!(
        change(&plan, "package/containerd").verdict(),
        Verdict::Conditional
    );
}

#[test]
fn a_source_of_the_same_plan_may_have_it() {
    let spec = "\
files: [{path: /etc/x.list, content: deb}]
packages: [{name: containerd, requires: [file//etc/x.list]}]";
    let plan = Machine::debian().plan(spec);
    assert_eq!(
        change(&plan, "package/containerd").verdict(),
        Verdict::Conditional
    );
}

#[test]
fn what_was_installed_is_removed_when_no_spec_names_it() {
    let mut machine = host(|package| package.candidate = Some("1.7".into()));
    machine.converge("packages: [containerd]");
    let plan = machine.converge("packages: []");
    assert_eq!(summary(&plan), ["package/containerd: version 1.7->"]);
    let mut machine = host(installed);
    machine.converge("packages: [{name: containerd, hold: true}]");
    assert_eq!(
        machine.plan("packages: []").changes,
        [],
        "it was there before"
    );
}

#[test]
fn other_package_managers_are_not_guessed() {
    for (name, commands, expected) in [
        (
            "",
            &[][..],
            "the host has neither apt nor dnf to manage its packages",
        ),
        (
            "openSUSE Leap",
            &["dnf"],
            "the host (openSUSE Leap) has neither apt nor dnf to manage its packages; it has dnf, and yet its \
             packages are managed in another way",
        ),
    ] {
        let host = host(installed).facts(|facts| {
            facts.packages = PackageManager::None;
            facts.os_name = name.into();
            facts.commands = commands
                .iter()
                .map(|command| (*command).to_owned())
                .collect();
        });
        let plan = host.plan("packages: [containerd]");
        assert_eq!(plan.unplanned[0].verdict, Verdict::Refused);
        assert_eq!(plan.unplanned[0].reason, expected);
    }
}

fn dnf(change: impl FnOnce(&mut PackageState)) -> Machine {
    host(change).facts(|facts| {
        facts.packages = PackageManager::Dnf;
        facts.commands = ["dnf", "versionlock"].map(str::to_owned).into();
    })
}

/// The same resource and the same steps; what differs is how a version is written, and what a hold needs.
#[test]
fn dnf_by_its_state() {
    let available = PackageState {
        candidate: Some("1.7-1".into()),
        ..PackageState::default()
    };
    let old = PackageState {
        installed: Some("1.6-1".into()),
        ..PackageState::default()
    };
    let unread = PackageState {
        candidate_unknown: Some("no cache".into()),
        ..PackageState::default()
    };
    for (entry, state, expected) in [
        (
            "containerd",
            &available,
            "package/containerd: version ->1.7-1",
        ),
        (
            "{name: containerd, hold: true}",
            &available,
            "package/containerd: version ->1.7-1, hold no->yes",
        ),
        ("containerd", &old, ""),
        (
            "{name: containerd, version: \"0:1.7-1\"}",
            &old,
            "package/containerd: version 1.6-1->1.7-1",
        ),
        ("{name: containerd, version: \"0:1.6-1\"}", &old, ""),
        (
            "{name: containerd, version: \"1.7\"}",
            &old,
            "package/containerd Refused: `1.7` is no exact version where dnf is used",
        ),
        (
            "containerd",
            &unread,
            "package/containerd: version ->decided when installed",
        ),
        (
            "containerd",
            &PackageState::default(),
            "package/containerd Refused: the host knows no package `containerd`",
        ),
        (
            "{name: containerd, state: absent}",
            &old,
            "package/containerd: version 1.6-1->",
        ),
    ] {
        let spec = format!("packages: [{entry}]");
        let mut host = dnf(|package| *package = state.clone());
        let plan = host.plan(&spec);
        assert_eq!(summary(&plan).join("; "), expected, "{entry} {state:?}");
        if plan.unplanned.is_empty() && state.candidate_unknown.is_none() {
            host.converge(&spec);
        }
    }
}

#[test]
fn a_version_that_is_not_known_is_never_promised() {
    let host = dnf(|package| package.candidate_unknown = Some("no cache".into()));
    let plan = host.plan("packages: [containerd]");
    let install = change(&plan, "package/containerd");
    assert_eq!(install.verdict(), Verdict::Conditional);
    assert_eq!(
        install.condition.as_deref(),
        Some(
            "the version is decided when installed: the host's package lists cannot be read now: no cache"
        )
    );
    assert!(matches!(
        &install.steps[..],
        [Step::InstallPackage { version: None, .. }]
    ));
}

#[test]
fn a_hold_by_dnf_needs_its_plugin() {
    let bare = dnf(installed)
        .facts(|facts| facts.commands = ["dnf".to_owned()].into())
        .package(super::VERSIONLOCK, |package| {
            package.candidate = Some("4-1".into());
        });
    let hold = "{name: containerd, hold: true}";
    assert_eq!(
        summary(&bare.plan(&format!("packages: [{hold}]"))),
        [
            "package/containerd Refused: dnf on this host cannot put packages on hold: it has no versionlock"
        ]
    );
    let plan = bare.plan(&format!("packages: [{hold}, {}]", super::VERSIONLOCK));
    assert_eq!(
        summary(&plan),
        [
            "package/python3-dnf-plugin-versionlock: version ->4-1",
            "package/containerd: hold no->yes"
        ]
    );
}

#[test]
fn contradictions_are_refused() {
    for (entry, expected) in [
        (
            "{name: a, state: absent, version: \"1\"}",
            "E238 `a` has `version` but is absent",
        ),
        (
            "{name: a, state: absent, hold: true}",
            "E238 `a` has `hold` but is absent",
        ),
    ] {
        let (_, complaints) = compile(&format!("packages: [{entry}]"));
        assert_eq!(complaints, [expected]);
    }
}
