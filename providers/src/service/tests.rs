//! Tests of services.

use crate::testing::{Machine, change, compile, summary};
use engine::graph::Predecessor;
use engine::plan::Verdict;
use engine::question::{CriState, FileState};
use engine::resource::{Action, Edge, Reason};
use engine::step::Step;

/// Plans `services: [{name: x.service, …}]` for a unit with these properties on top of a running one.
fn plan(entry: &str, properties: &[(&str, &str)]) -> Vec<String> {
    let spec = format!("services: [{{name: x.service, {entry}}}]");
    let mut host = Machine::debian().unit("x.service", properties);
    let plan = host.plan(&spec);
    if plan.unplanned.is_empty() {
        host.converge(&spec);
    }
    summary(&plan)
}

#[test]
fn a_unit_by_its_state() {
    const STOPPED: (&str, &str) = ("ActiveState", "inactive");
    const DISABLED: (&str, &str) = ("UnitFileState", "disabled");
    const MASKED: (&str, &str) = ("LoadState", "masked");
    for (entry, properties, expected) in [
        ("", &[STOPPED, DISABLED][..], &[][..]),
        ("enabled: true, active: true", &[], &[]),
        ("enabled: false, active: false", &[STOPPED, DISABLED], &[]),
        ("masked: true", &[STOPPED, DISABLED, MASKED], &[]),
        ("enabled: true", &[DISABLED], &["enabled no->yes"]),
        (
            "enabled: true",
            &[("UnitFileState", "enabled-runtime")],
            &["enabled no->yes"],
        ),
        ("enabled: false", &[], &["enabled yes->no"]),
        ("active: true", &[STOPPED], &["active inactive->active"]),
        (
            "active: true",
            &[("ActiveState", "failed")],
            &["active failed->active"],
        ),
        ("active: false", &[], &["active active->inactive"]),
        (
            "masked: true",
            &[],
            &["enabled yes->no, active active->inactive, masked no->yes"],
        ),
        (
            "masked: false, enabled: true, active: true",
            &[STOPPED, DISABLED, MASKED],
            &["masked yes->no, enabled no->yes, active inactive->active"],
        ),
        (
            "enabled: true",
            &[("NeedDaemonReload", "yes")],
            &["unit files changed since systemd read them->read"],
        ),
    ] {
        let expected: Vec<_> = expected
            .iter()
            .map(|line| format!("service/x.service: {line}"))
            .collect();
        assert_eq!(plan(entry, properties), expected, "{entry} {properties:?}");
    }
    for (entry, properties, expected) in [
        (
            "active: true",
            &[STOPPED, MASKED][..],
            "Refused: `x.service` is masked",
        ),
        (
            "enabled: true",
            &[("UnitFileState", "static")],
            "Refused: `x.service` cannot be enabled: its unit file is static",
        ),
        (
            "enabled: true",
            &[("LoadState", "bad-setting")],
            "Refused: systemd cannot load the unit file of `x.service`",
        ),
        (
            "enabled: true",
            &[("LoadState", "not-found")],
            "Refused: the host has no unit `x.service`",
        ),
    ] {
        assert_eq!(
            plan(entry, properties),
            [format!("service/x.service {expected}")],
            "{entry}"
        );
    }
    assert_eq!(
        plan("enabled: false", &[("LoadState", "not-found")]),
        [""; 0]
    );
}

const WITH_CONFIG: &str = "\
files: [{path: /etc/x.conf, content: new, notifies: [service/x.service]}]
services: [{name: x.service, active: true}]";

#[test]
fn a_changed_config_restarts_what_runs() {
    let mut host = Machine::debian().unit("x.service", &[]);
    let plan = host.converge(WITH_CONFIG);
    let service = change(&plan, "service/x.service");
    assert_eq!(service.action, Action::Restart);
    assert!(
        matches!(&service.reasons[..], [Reason::NotifiedBy(file)] if file.name() == "/etc/x.conf")
    );
    assert!(host.owed.is_empty());
}

#[test]
fn a_restart_that_is_owed_is_not_lost() {
    let converged = || {
        Machine::debian()
            .file("/etc/x.conf", "new")
            .unit("x.service", &[])
    };
    assert_eq!(converged().plan(WITH_CONFIG).changes, []);

    let mut stopped = converged();
    stopped.owed.insert("x.service".into());
    let newer = converged().with_file("/etc/x.conf", |file| file.modified = 1_800_000_000);
    let on_its_way_down = stopped
        .clone()
        .unit("x.service", &[("ActiveState", "deactivating")]);
    let plan = on_its_way_down.plan("services: [{name: x.service}]");
    assert_eq!(
        change(&plan, "service/x.service").action,
        Action::Restart,
        "it may be in the middle of the restart that is owed"
    );
    for (name, mut host) in [("owed", stopped), ("newer", newer)] {
        let plan = host.plan(WITH_CONFIG);
        let service = change(&plan, "service/x.service");
        assert_eq!(service.action, Action::Restart, "{name}");
        assert!(matches!(&service.reasons[..], [Reason::Owed(_)]), "{name}");
        host.converge(WITH_CONFIG);
    }
}

#[test]
fn a_run_that_stops_anywhere_leaves_a_host_that_knows_what_it_owes() {
    for notifier in [
        "packages: [{name: x-data, notifies: [service/x.service]}]",
        "sysctls: {vm.swappiness: {value: 10, notifies: [service/x.service]}}",
        "modules: [{name: overlay, notifies: [service/x.service]}]",
        "files: [{path: /etc/x.conf, content: a, notifies: [service/x.service]}]",
    ] {
        let spec = format!("{notifier}\nservices: [{{name: x.service}}]");
        let host = Machine::debian()
            .sysctl("vm.swappiness", "60")
            .module("overlay", |module| module.available = true)
            .package("x-data", |package| package.candidate = Some("1".into()))
            .unit("x.service", &[]);
        let plan = host.plan(&spec);
        for done in 1..plan.changes.len() {
            let mut begun = plan.clone();
            begun.changes.truncate(done);
            let mut host = host.clone();
            host.apply(&begun);
            let restart = change(&host.plan(&spec), "service/x.service").clone();
            assert_eq!(restart.action, Action::Restart, "{spec} after {done}");
            host.converge(&spec);
            assert!(host.owed.is_empty());
        }
    }
}

#[test]
fn what_a_package_may_start_early_is_restarted_with_its_configuration() {
    let spec = "packages: [x-data]
files: [{path: /etc/x.conf, content: a, requires: [package/x-data], notifies: [service/x.service]}]
services: [{name: x.service, active: true}]";
    let mut host = Machine::debian()
        .package("x-data", |package| package.candidate = Some("1".into()))
        .unit("x.service", &[("ActiveState", "inactive")]);
    let plan = host.converge(spec);
    let owes = change(&plan, "file//etc/x.conf").steps[0].owes();
    assert_eq!(owes.len(), 1);
    let steps = &change(&plan, "service/x.service").steps;
    assert!(
        matches!(&steps[..], [Step::RestartUnit { .. }]),
        "{steps:?}"
    );
}

#[test]
fn reload_is_used_where_it_does() {
    let spec = WITH_CONFIG.replace("active: true", "onChange: reload");
    for (can, action) in [("yes", Action::Reload), ("no", Action::Restart)] {
        let mut host = Machine::debian().unit("x.service", &[("CanReload", can)]);
        let plan = host.converge(&spec);
        assert_eq!(
            change(&plan, "service/x.service").action,
            action,
            "CanReload={can}"
        );
    }
    let mut host = Machine::debian().unit("x.service", &[("CanReload", "yes")]);
    host.owed.insert("x.service".into());
    let plan = host.plan("services: [{name: x.service, onChange: reload}]");
    assert_eq!(
        plan.changes[0].action,
        Action::Restart,
        "an old debt may need more than a reload"
    );
}

#[test]
fn drop_ins_are_files_and_need_a_restart() {
    let spec = "services: [{name: x.service, onChange: reload, dropIns: {limits: \"[Service]\"}}]";
    let mut host = Machine::debian().unit("x.service", &[("CanReload", "yes")]);
    let plan = host.converge(spec);
    let order: Vec<_> = plan
        .changes
        .iter()
        .map(|c| c.resource.to_string())
        .collect();
    assert_eq!(
        order,
        [
            "directory//etc/systemd/system/x.service.d",
            "file//etc/systemd/system/x.service.d/limits.conf",
            "service/x.service"
        ]
    );
    assert!(matches!(
        &plan.changes[2].steps[..],
        [Step::ReloadUnitFiles, Step::RestartUnit { .. }]
    ));
    let plan = Machine::debian()
        .unit("x.service", &[("ActiveState", "inactive")])
        .plan(spec);
    assert!(matches!(
        &plan.changes[2].steps[..],
        [Step::ReloadUnitFiles]
    ));
}

#[test]
fn a_unit_comes_with_its_template() {
    let spec = "\
files: [{path: /etc/systemd/system/x@.service, content: \"[Service]\"}]
services: [{name: x@1.service, active: true}]";
    let plan = Machine::debian().plan(spec);
    assert_eq!(plan.unplanned, []);
    assert_eq!(change(&plan, "service/x@1.service").action, Action::Create);
}

#[test]
fn a_broken_unit_file_can_be_mended() {
    let spec = "\
files: [{path: /etc/systemd/system/x.service, content: \"[Service]\"}]
services: [{name: x.service, enabled: true, active: true}]";
    let broken = [
        ("LoadState", "bad-setting"),
        ("UnitFileState", "bad"),
        ("ActiveState", "inactive"),
    ];
    let host = Machine::debian()
        .file("/etc/systemd/system/x.service", "nonsense")
        .unit("x.service", &broken);
    let plan = host.plan(spec);
    assert_eq!(plan.unplanned, []);
    assert!(matches!(
        &change(&plan, "service/x.service").steps[..],
        [
            Step::ReloadUnitFiles,
            Step::EnableUnit { .. },
            Step::StartUnit { .. }
        ]
    ));
    let host = Machine::debian()
        .file("/etc/systemd/system/x.service", "[Service]")
        .unit("x.service", &broken);
    assert_eq!(host.plan(spec).unplanned[0].verdict, Verdict::Refused);
}

#[test]
fn systemd_reads_unit_files_that_no_service_takes_notice_of() {
    const RELOAD: &str = "systemd/unit-files";
    let files = "\
files:
- {path: /etc/systemd/system/x.service, content: \"[Service]\"}
- {path: /etc/systemd/system/y.socket, content: \"[Socket]\"}
- {path: /etc/systemd/system/z@.service, content: \"[Service]\"}
- {path: /opt/x.service, content: \"[Service]\"}";
    let running = || Machine::debian().unit("x.service", &[]);
    let mut host = running();
    let plan = host.converge(files);
    assert_eq!(change(&plan, RELOAD).steps, [Step::ReloadUnitFiles]);
    assert_eq!(change(&plan, RELOAD).requires.len(), 3);

    // A run that stopped before it came to that.
    let stale = host.unit("x.service", &[("NeedDaemonReload", "yes")]);
    let plan = stale.clone().converge(files);
    assert_eq!(
        summary(&plan),
        ["systemd/unit-files: unit files changed since systemd read them->read"]
    );

    // A service that is named, and not notified, does not restart and is not out of date either.
    let named = format!("{files}\nservices: [{{name: x.service, active: true}}]");
    let plan = running().converge(&named);
    assert_eq!(change(&plan, RELOAD).steps, [Step::ReloadUnitFiles]);
    assert!(plan.changes.iter().all(|c| c.resource.kind() != "service"));

    let notified = "\
files: [{path: /etc/systemd/system/x.service.d/a.conf, content: a, notifies: [service/x.service]}]
directories: [{path: /etc/systemd/system/x.service.d}]
services: [{name: x.service}]";
    let plan = running().converge(notified);
    assert!(plan.changes.iter().all(|c| c.resource.kind() != "systemd"));
    let drop_in = notified.replace(", notifies: [service/x.service]", "");
    let plan = running().converge(&drop_in);
    assert_eq!(change(&plan, RELOAD).steps, [Step::ReloadUnitFiles]);
}

#[test]
fn a_unit_that_runs_once_is_never_active() {
    const ONCE: [(&str, &str); 3] = [
        ("Type", "oneshot"),
        ("RemainAfterExit", "no"),
        ("ActiveState", "inactive"),
    ];
    assert_eq!(
        plan("active: true", &ONCE),
        [
            "service/x.service Refused: `x.service` runs once and is over: `active: true` would never hold, and start it at \
             every apply"
        ]
    );
    assert_eq!(plan("enabled: true", &ONCE), [""; 0]);
    let remains = [ONCE[0], ("RemainAfterExit", "yes"), ONCE[2]];
    let starts = ["service/x.service: active inactive->active"];
    assert_eq!(plan("active: true", &remains), starts);
    // A drop-in of the same plan may make it remain.
    let drop_in = "active: true, dropIns: {a: \"[Service]\\nRemainAfterExit=yes\"}";
    let host = Machine::debian().unit("x.service", &ONCE);
    let plan = host.plan(&format!("services: [{{name: x.service, {drop_in}}}]"));
    assert_eq!(plan.unplanned, []);
}

#[test]
fn a_unit_comes_with_its_package() {
    let spec =
        "packages: [chrony]\nservices: [{name: chrony.service, enabled: true, active: true}]";
    let mut host = Machine::debian().package("chrony", |p| p.candidate = Some("4.3".into()));
    let plan = host.converge(spec);
    let service = change(&plan, "service/chrony.service");
    assert_eq!(
        (service.action, service.verdict()),
        (Action::Create, Verdict::Change)
    );

    let spec = "packages: [other]\nservices: [{name: chrony.service, active: true}]";
    let host = Machine::debian().package("other", |p| p.candidate = Some("1".into()));
    let plan = host.plan(spec);
    assert_eq!(
        change(&plan, "service/chrony.service").verdict(),
        Verdict::Conditional
    );
}

#[test]
fn other_init_systems_are_not_guessed() {
    let host = Machine::debian().facts(|facts| facts.init = engine::facts::Init::Other);
    let plan = host.plan("services: [{name: x.service, active: true}]");
    assert_eq!(plan.unplanned[0].verdict, Verdict::Refused);
}

#[test]
fn odd_specs_are_refused() {
    for (spec, expected) in [
        (
            "[{name: x.service}, {name: x.service}]",
            "E201 `x.service` is managed twice",
        ),
        (
            "[{name: x.service, masked: true, active: true}]",
            "E217 `x.service` is masked, so it cannot be active",
        ),
        (
            "[{name: ssh.service, active: false}]",
            "E230 without `ssh.service` the node may be out of reach",
        ),
        (
            "[{name: x.service, dropIns: {x: \"# mine\\nLimitCORE=0\\n\"}}]",
            "E127 the drop-in `x` has a line before any section: `LimitCORE=0`",
        ),
        (
            "[{name: x.service, dropIns: {../x: y}}]",
            "E127 `../x` is not the name of a drop-in",
        ),
    ] {
        let (_, complaints) = compile(&format!("services: {spec}"));
        assert_eq!(complaints, [expected], "{spec}");
    }
}

#[test]
fn a_runtime_must_answer_where_it_can_be_asked() {
    let plan = |entry: &str, cri: CriState, active: &str| {
        let spec = format!("services: [{{name: x.service, criSocket: /run/x.sock, {entry}}}]");
        let mut host = Machine::debian().unit("x.service", &[("ActiveState", active)]);
        host.cri = cri;
        host.plan(&spec)
    };
    for cri in [CriState::Unasked, CriState::Denied] {
        let plan = plan("active: true", cri, "active");
        assert!(plan.changes.is_empty() && plan.unplanned.is_empty());
    }
    let not_served = || CriState::NotServed("unknown service".to_owned());
    let failed = CriState::Failed("it is slow".to_owned());
    for (cri, verdict, says) in [
        (
            not_served(),
            Verdict::Refused,
            "serves no CRI v1 at /run/x.sock: unknown service",
        ),
        (
            CriState::Absent,
            Verdict::Refused,
            "there is no /run/x.sock",
        ),
        (CriState::NotASocket, Verdict::Refused, "is not a socket"),
        (CriState::Refused, Verdict::Refused, "nobody listens"),
        (failed, Verdict::Unknown, "is unknown: it is slow"),
    ] {
        let plan = plan("active: true", cri, "active");
        assert!(plan.changes.is_empty());
        let held_up = &plan.unplanned[0];
        assert_eq!(held_up.verdict, verdict, "{held_up:?}");
        assert!(held_up.reason.contains(says), "{held_up:?}");
    }
    // Nothing is said of a runtime that need not run, or that is about to start.
    assert!(
        plan("enabled: true", not_served(), "active")
            .unplanned
            .is_empty()
    );
    assert_eq!(
        plan("active: true", not_served(), "inactive").changes.len(),
        1
    );
}

#[test]
fn a_limit_is_what_runs_what_is_written_and_what_wins() {
    let spec = "runtime: { containerd: { limitNoFile: 65536 } }";
    let drop_ins = "/etc/systemd/system/containerd.service.d";
    let mut machine = Machine::debian()
        .directory("/etc/containerd")
        .directory(drop_ins)
        .containerd("1.7.24", Some(""))
        .file(
            "/usr/lib/systemd/system/containerd.service",
            "[Service]\nLimitNOFILE=infinity\n",
        );
    let less = engine::question::OpenFiles {
        soft: 1024,
        hard: 4096,
        bound: u64::MAX,
    };
    machine.open_files.insert("containerd.service".into(), less);
    machine.converge(spec);
    assert_eq!(machine.open_files["containerd.service"].hard, 65_536);
    let FileState::Regular(config) = machine.files["/etc/containerd/config.toml"].clone() else {
        panic!("it is written");
    };
    let dump = String::from_utf8(config.content.unwrap()).unwrap();
    let mut machine = machine.containerd("1.7.24", Some(&dump));
    machine.converge(spec);

    // The file is right and older than the process, and the process is not right.
    machine.open_files.insert("containerd.service".into(), less);
    let plan = machine.plan(spec);
    let service = change(&plan, "service/containerd.service");
    assert!(
        matches!(&service.reasons[..], [Reason::Owed(why)] if why.ends_with("at most 4096 open files")),
        "{service:#?}"
    );
    machine.converge(spec);

    // Nobody knows how much of a limit beyond the kernel's bound a process gets.
    machine.open_files.insert("containerd.service".into(), less);
    let bounded = machine.clone().sysctl("fs.nr_open", "4096");
    assert_eq!(summary(&bounded.plan(spec)), [""; 0]);
    let mut bounded = machine.clone();
    let limit = bounded.open_files.get_mut("containerd.service").unwrap();
    limit.bound = 4096;
    assert_eq!(summary(&bounded.plan(spec)), [""; 0]);
    machine.converge(spec);

    // A file of somebody else wins: a restart would not help.
    let other = machine.file(
        &format!("{drop_ins}/zz.conf"),
        "[Service]\nLimitNOFILE=1024\n",
    );
    let plan = other.plan(spec);
    let refused = summary(&plan);
    let expected = format!(
        "service/containerd.service Refused: `containerd.service` gets LimitNOFILE=1024 from {drop_ins}/zz.conf:2, which wins \
         over `limitNoFile: 65536`"
    );
    assert!(refused.contains(&expected), "{refused:#?}");
}

#[test]
fn a_limit_is_judged_by_the_bound_that_the_plan_sets() {
    let spec = |nr_open: u32| {
        format!(
            "runtime: {{ containerd: {{ limitNoFile: 131072 }} }}\nsysctls: {{ fs.nr_open: {nr_open} }}"
        )
    };
    let (graph, complaints) = compile(&spec(65_536));
    assert_eq!(complaints, [""; 0]);
    let mut nodes = graph.nodes_with_predecessors();
    let service = nodes.find(|(node, _)| node.id.kind() == "service");
    let (_, before) = service.expect("the runtime has a service");
    let is_after =
        |before: &Predecessor<'_>| before.id.name() == "fs.nr_open" && before.edge == Edge::After;
    assert!(before.iter().any(is_after), "{before:#?}");
    let mut machine = Machine::debian()
        .directory("/etc/containerd")
        .directory("/etc/systemd/system/containerd.service.d")
        .containerd("1.7.24", Some(""))
        .sysctl("fs.nr_open", "65536");
    let less = engine::question::OpenFiles {
        soft: 65_536,
        hard: 65_536,
        bound: u64::MAX,
    };
    machine.open_files.insert("containerd.service".into(), less);
    // The process starts when the kernel gives it as many.
    let mut fresh = machine.clone();
    fresh.converge(&spec(131_072));
    assert_eq!(fresh.open_files["containerd.service"].hard, 131_072);

    machine.converge(&spec(65_536));
    let FileState::Regular(config) = machine.files["/etc/containerd/config.toml"].clone() else {
        panic!("it is written");
    };
    let dump = String::from_utf8(config.content.unwrap()).unwrap();
    let mut machine = machine.containerd("1.7.24", Some(&dump));
    // The drop-in is there already, and a process that has more keeps it.
    for (nr_open, hard) in [(65_536, 65_536), (131_072, 131_072), (65_536, 131_072)] {
        machine.converge(&spec(nr_open));
        let running = machine.open_files["containerd.service"];
        assert_eq!(running.hard, hard, "{nr_open}");
    }
}
