//! Windows hosts as their answers describe them. The answers and the dumps are written by hand after the documentation of
//! containerd: none of them was recorded on a real Windows host.

use std::collections::BTreeMap;

use engine::diagnostic::Problems;
use engine::facts::{Facts, Os};
use engine::graph::Graph;
use engine::name::{AbsPath, UnitName};
use engine::plan::{Change, HostPlan, Verdict, plan_host};
use engine::question::{
    Answer, ContainerdState, CriState, FileState, FoundFile, Observed, Question, UnitState,
};
use engine::resource::{Action, Provider as _, Sections};
use engine::source::{Sources, Span};
use engine::spec::Files;
use engine::step::{Content, FileCheck, Replaces, Step};

use crate::registry;
use crate::runtime::Runtimes;
use crate::testing::{attributes, node, regular};

const CONFIG: &str = "/C:/Program Files/containerd/config.toml";
const ID: &str = r"containerd/C:\Program Files\containerd\config.toml";
const PIPE: &str = "/pipe/containerd-containerd";
const SERVICE: &str = "containerd.service";

/// When the service was started, and a while before and after it.
const STARTED: &str = "Mon 2026-11-23 20:12:34 UTC";
const BEFORE: i64 = 1_795_464_000;
const AFTER: i64 = 1_795_465_000;

const SPEC: &str = "
kubernetes: { version: '1.31' }
runtime:
  containerd:
    registryConfigPath: /C:/etc/containerd/certs.d
    cni:
      binDirs: [/C:/opt/cni/bin]
      confDir: /C:/etc/cni/net.d
";

/// What SPEC comes to in the format of containerd 1.7.
const RIGHT: &str = r#"version = 2

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "mcr.microsoft.com/oss/kubernetes/pause:3.6"

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = 'C:\etc\containerd\certs.d'

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = 'C:\opt\cni\bin'
conf_dir = 'C:\etc\cni\net.d'
"#;

/// What `config dump` would print for RIGHT, cut down to what is read.
const DUMP: &str = r#"version = 2

[grpc]
  address = "\\\\.\\pipe\\containerd-containerd"

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "mcr.microsoft.com/oss/kubernetes/pause:3.6"
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "C:\\opt\\cni\\bin"
      conf_dir = "C:\\etc\\cni\\net.d"
    [plugins."io.containerd.grpc.v1.cri".containerd]
      default_runtime_name = "runhcs-wcow-process"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runhcs-wcow-process]
        runtime_type = "io.containerd.runhcs.v1"
    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = "C:\\etc\\containerd\\certs.d"
"#;

/// A Windows host.
#[derive(Debug, Clone)]
struct Windows {
    facts: Facts,
    answers: BTreeMap<Question, Answer>,
    owed: Vec<UnitName>,
}

fn path(text: &str) -> AbsPath {
    text.parse().unwrap()
}

fn file(text: &str, modified: i64) -> FileState {
    FileState::Regular(regular(text.as_bytes(), 0o644, modified))
}

impl Windows {
    /// Returns a host with containerd registered as a service, and without a configuration file.
    fn fresh(version: &str) -> Self {
        Self {
            facts: Facts {
                os_id: "windows".to_owned(),
                root: true,
                ..Facts::default()
            },
            answers: BTreeMap::new(),
            owed: Vec::new(),
        }
        .containerd(Some(version), Some("version = 2\n"))
        .at(CONFIG, FileState::Absent)
        .at(
            "/C:/Program Files/containerd",
            FileState::Directory(attributes(0o755)),
        )
        .drop_ins(&[])
        .service(&[])
        .cri(CriState::Unasked)
    }

    /// Returns one whose file and whose containerd say what SPEC says.
    fn right() -> Self {
        Self::fresh("1.7.24")
            .at(CONFIG, file(RIGHT, BEFORE))
            .containerd(Some("1.7.24"), Some(DUMP))
    }

    fn answer(mut self, question: Question, answer: Answer) -> Self {
        self.answers.insert(question, answer);
        self
    }

    fn at(self, at: &str, state: FileState) -> Self {
        self.answer(Question::File(path(at)), Answer::File(state))
    }

    fn containerd(self, version: Option<&str>, dump: Option<&str>) -> Self {
        let state = ContainerdState {
            version: version.map(str::to_owned),
            effective: dump.map(str::to_owned),
            failure: dump.is_none().then(|| "no dump".to_owned()),
        };
        self.answer(
            Question::Containerd(path(CONFIG)),
            Answer::Containerd(state),
        )
    }

    fn cri(self, state: CriState) -> Self {
        self.answer(Question::Cri(path(PIPE)), Answer::Cri(state))
    }

    fn drop_ins(self, names: &[&str]) -> Self {
        let directory = path("/C:/Program Files/containerd/conf.d");
        let found = names.iter().map(|name| FoundFile {
            path: directory.join(name).unwrap(),
            link: None,
            state: file("", BEFORE),
        });
        let found = found.collect();
        let suffix = "toml".to_owned();
        self.answer(Question::Files { directory, suffix }, Answer::Files(found))
    }

    fn service(self, properties: &[(&str, &str)]) -> Self {
        let mut unit = UnitState::default();
        let usual = [
            ("LoadState", "loaded"),
            ("ActiveState", "active"),
            ("UnitFileState", "enabled"),
            ("ExecMainStartTimestamp", STARTED),
            (
                "PathName",
                r#""C:\Program Files\containerd\containerd.exe" --run-service"#,
            ),
        ];
        for (name, value) in usual.iter().chain(properties) {
            let (name, value) = ((*name).to_owned(), (*value).to_owned());
            unit.properties.insert(name, value);
        }
        self.answer(Question::Unit(SERVICE.parse().unwrap()), Answer::Unit(unit))
    }

    fn owing(mut self) -> Self {
        self.owed.push(SERVICE.parse().unwrap());
        self
    }

    fn plan(&self, spec: &str) -> HostPlan {
        let (graph, complaints) = compile(spec);
        assert_eq!(complaints, [""; 0]);
        let observed = Observed {
            facts: self.facts.clone(),
            answers: self.answers.clone(),
            receipts: BTreeMap::new(),
            owed: self.owed.clone(),
            cluster: None,
            guards: Vec::new(),
        };
        plan_host(&graph, &registry(), &"win1".parse().unwrap(), &observed)
    }

    /// Plans SPEC, which must not be possible, and returns what is said of the first resource that is in the way.
    #[track_caller]
    fn held_up(&self) -> (Verdict, String) {
        let plan = self.plan(SPEC);
        let unplanned = plan.unplanned.first();
        let unplanned = unplanned.unwrap_or_else(|| panic!("all is planned: {plan:#?}"));
        (unplanned.verdict, unplanned.reason.clone())
    }

    /// Lets the plan have been carried out.
    fn after(&self, plan: &HostPlan, dump: &str) -> Self {
        let text = written(change(plan, ID));
        let version = self.answers[&Question::Containerd(path(CONFIG))].clone();
        let Answer::Containerd(ContainerdState { version, .. }) = version else {
            panic!("it is about containerd");
        };
        self.clone()
            .at(CONFIG, file(text, BEFORE))
            .containerd(version.as_deref(), Some(dump))
    }
}

fn compile(spec: &str) -> (Graph, Vec<String>) {
    let mut sources = Sources::default();
    let source = sources.add("spec.yaml", spec);
    let span = Span {
        source,
        start: 0,
        end: 1,
    };
    let all: BTreeMap<_, _> = node(&serde_yaml::from_str(spec).unwrap(), span)
        .entries()
        .iter()
        .map(|entry| (entry.key.clone(), entry.node.clone()))
        .collect();
    let sections = Sections {
        all: &all,
        files: &Files::default(),
        sources: &sources,
    };
    let mut problems = Problems::default();
    let declared = Runtimes.compile_for_windows(&sections, &mut problems);
    let checks = registry()
        .iter()
        .flat_map(|provider| provider.checks(&sections, Os::Windows, &mut problems))
        .collect();
    let graph = Graph::build(declared, &sources, &mut problems).with_checks(checks);
    let complaints = problems
        .into_sorted()
        .into_iter()
        .map(|problem| format!("{} {}", problem.code, problem.message))
        .collect();
    (graph, complaints)
}

#[track_caller]
fn change<'a>(plan: &'a HostPlan, resource: &str) -> &'a Change {
    let found = plan
        .changes
        .iter()
        .find(|change| change.resource.to_string() == resource);
    found.unwrap_or_else(|| panic!("{resource} does not change: {plan:#?}"))
}

fn written(change: &Change) -> &str {
    match change.steps.last() {
        Some(Step::WriteFile {
            content: Content::Text(text),
            ..
        }) => text,
        other => panic!("expected a file to be written, got {other:?}"),
    }
}

#[test]
fn what_is_right_is_left_alone() {
    let plan = Windows::right().plan(SPEC);
    assert_eq!((plan.changes, plan.unplanned), (vec![], vec![]));
}

#[test]
fn a_missing_file_is_made_and_the_service_restarts() {
    for (version, number, tables) in [
        ("1.6.36", 2, "io.containerd.grpc.v1.cri"),
        ("1.7.24", 2, "io.containerd.grpc.v1.cri"),
        ("2.1.5", 3, "io.containerd.cri.v1"),
    ] {
        let host = Windows::fresh(version);
        let plan = host.plan(SPEC);
        assert_eq!(plan.unplanned, []);
        let config = change(&plan, ID);
        assert_eq!(config.action, Action::Create);
        assert!(
            config
                .diffs
                .contains_key(r"C:\Program Files\containerd\config.toml")
        );
        let text = written(config);
        assert!(text.contains(&format!("\nversion = {number}\n")), "{text}");
        assert!(text.contains(tables), "{text}");
        assert!(text.contains(r"C:\opt\cni\bin"), "{text}");
        assert!(!text.contains("runc") && !text.contains("Cgroup"), "{text}");
        assert!(matches!(
            &config.steps[..],
            [Step::WriteFile {
                replaces: Replaces::Nothing,
                check: Some(FileCheck::Containerd),
                owes,
                ..
            }] if owes[0].as_str() == SERVICE
        ));
        let service = change(&plan, "service/containerd.service");
        let [Step::RestartUnit { gate, .. }] = &service.steps[..] else {
            panic!("a restart expected: {service:#?}");
        };
        assert_eq!(gate.cri_socket.as_ref().unwrap().as_str(), PIPE);
    }
}

#[test]
fn a_missing_directory_is_made_first() {
    let host = Windows::fresh("1.7.24").at("/C:/Program Files/containerd", FileState::Absent);
    let plan = host.plan(SPEC);
    assert!(matches!(
        &change(&plan, ID).steps[..],
        [Step::CreateDirectory { .. }, Step::WriteFile { .. }]
    ));
}

#[test]
fn what_was_written_reads_back_as_desired() {
    let host = Windows::fresh("1.7.24");
    let plan = host.plan(SPEC);
    let again = host.after(&plan, DUMP).plan(SPEC);
    assert_eq!((again.changes, again.unplanned), (vec![], vec![]));
}

#[test]
fn each_wrong_attribute_is_mended_alone() {
    for (right, wrong, attribute) in [
        ("pause:3.6", "pause:3.5", "sandbox_image"),
        (r"C:\etc\containerd\certs.d", "", "registry.config_path"),
        (r"C:\opt\cni\bin", r"D:\cni", "cni.bin_dir"),
        (r"C:\etc\cni\net.d", "C:/etc/cni/net.d", "cni.conf_dir"),
    ] {
        let text = RIGHT.replace(right, wrong);
        assert_ne!(text, RIGHT);
        let host = Windows::right().at(CONFIG, file(&text, BEFORE));
        let plan = host.plan(SPEC);
        let config = change(&plan, ID);
        assert_eq!(config.action, Action::Update);
        let attributes: Vec<_> = config.differences.iter().map(|d| &d.attribute).collect();
        assert_eq!(attributes, [attribute]);
        assert!(written(config).contains(right));
        assert!(plan.changes.len() == 2, "the service restarts");
        let again = host.after(&plan, DUMP).plan(SPEC);
        assert_eq!((again.changes, again.unplanned), (vec![], vec![]));
    }
}

#[test]
fn a_disabled_cri_is_enabled() {
    for (version, text) in [
        ("1.7.24", "disabled_plugins = [\"cri\"]\n"),
        (
            "1.7.24",
            "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.internal.v1.opt\"]\n",
        ),
        (
            "2.1.5",
            "version = 3\ndisabled_plugins = [\"io.containerd.cri.v1.runtime\"]\n",
        ),
    ] {
        let host = Windows::fresh(version)
            .at(CONFIG, file(text, BEFORE))
            .containerd(Some(version), Some(text));
        let plan = host.plan(SPEC);
        let config = change(&plan, ID);
        let is_list = |d: &&engine::resource::Difference| d.attribute == "disabled_plugins";
        assert!(
            config.differences.iter().any(|d| is_list(&d)),
            "{config:#?}"
        );
        let text = written(config);
        assert!(
            !text.contains("\"cri\"]") && !text.contains(".cri.v1.runtime\"]"),
            "{text}"
        );
    }
}

#[test]
fn the_ends_of_lines_stay() {
    let text = RIGHT
        .replace("pause:3.6", "pause:3.5")
        .replace('\n', "\r\n");
    let plan = Windows::right().at(CONFIG, file(&text, BEFORE)).plan(SPEC);
    let after = written(change(&plan, ID));
    assert_eq!(after, RIGHT.replace('\n', "\r\n"));
    let right = Windows::right().at(CONFIG, file(after, BEFORE)).plan(SPEC);
    assert_eq!(right.changes, []);
}

#[test]
fn without_a_version_of_kubernetes_the_pause_image_stays() {
    let spec = SPEC.replace("kubernetes: { version: '1.31' }", "");
    let other = RIGHT.replace("pause:3.6", "pause:3.5");
    let dump = DUMP.replace("pause:3.6", "pause:3.5");
    let host = Windows::right()
        .at(CONFIG, file(&other, BEFORE))
        .containerd(Some("1.7.24"), Some(&dump));
    assert_eq!(host.plan(&spec).changes, []);
}

#[test]
fn a_service_that_is_not_as_desired_is_changed() {
    for (properties, expected) in [
        (&[("ActiveState", "inactive")][..], "start"),
        (&[("UnitFileState", "disabled")][..], "enable"),
        (
            &[("ActiveState", "inactive"), ("UnitFileState", "disabled")][..],
            "enable start",
        ),
    ] {
        let plan = Windows::right().service(properties).plan(SPEC);
        let steps = &change(&plan, "service/containerd.service").steps;
        let words = steps.iter().map(|step| match step {
            Step::EnableUnit { .. } => "enable",
            Step::StartUnit { .. } => "start",
            other => panic!("not expected: {other:?}"),
        });
        assert_eq!(words.collect::<Vec<_>>().join(" "), expected);
    }
}

#[test]
fn a_restart_that_is_owed_is_never_lost() {
    let newer = Windows::right().at(CONFIG, file(RIGHT, AFTER));
    for host in [Windows::right().owing(), newer] {
        let plan = host.plan(SPEC);
        let service = change(&plan, "service/containerd.service");
        assert_eq!(service.action, Action::Restart);
        assert!(matches!(&service.steps[..], [Step::RestartUnit { .. }]));
    }
}

#[test]
fn what_must_not_be_touched_is_refused_with_the_reason() {
    let right = Windows::right;
    let other_file = r#"containerd.exe --run-service --config "D:\k\config.toml""#;
    let elsewhere = DUMP.replace("pipe\\\\containerd-containerd", "pipe\\\\other");
    assert_ne!(elsewhere, DUMP);
    let binary = FileState::Regular(regular(b"\xff\xfe", 0o644, BEFORE));
    let credentials = RIGHT.replace("pause:3.6", "pause:3.5")
        + "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.x.auth]\npassword = \"p\"\n";
    for (host, expected) in [
        (
            right().containerd(None, None),
            "containerd is not installed",
        ),
        (
            right().containerd(Some("1.5.18"), Some(DUMP)),
            "containerd 1.5.18 is too old",
        ),
        (
            right().at(CONFIG, FileState::Symlink(r"D:\x".to_owned())),
            r"C:\Program Files\containerd\config.toml is a symbolic link",
        ),
        (
            right().at(CONFIG, FileState::Directory(attributes(0o755))),
            r"C:\Program Files\containerd\config.toml is a directory",
        ),
        (
            right().at(CONFIG, binary),
            r"C:\Program Files\containerd\config.toml is not UTF-8",
        ),
        (
            right().at(CONFIG, file("version = [", BEFORE)),
            r"C:\Program Files\containerd\config.toml: line 1 is not valid TOML",
        ),
        (
            right().at(CONFIG, file(&credentials, BEFORE)),
            r"C:\Program Files\containerd\config.toml must change, and it holds credentials",
        ),
        (
            right().service(&[("PathName", other_file)]),
            r"the service `containerd.service` starts containerd with D:\k\config.toml, and the spec is about",
        ),
        (
            right().containerd(Some("1.7.24"), Some(&elsewhere)),
            r"containerd listens on \\.\pipe\other, and the spec expects \\.\pipe\containerd-containerd",
        ),
        (
            right().service(&[("LoadState", "not-found")]),
            "the host has no service `containerd`",
        ),
        (
            right().service(&[("UnitFileState", "masked")]),
            "the service `containerd` is disabled",
        ),
        (
            right().cri(CriState::Absent),
            r"`containerd` runs, but nobody listens at \\.\pipe\containerd-containerd",
        ),
        (
            right().cri(CriState::NotServed("unknown service".to_owned())),
            r"`containerd` runs, but serves no CRI v1",
        ),
    ] {
        let (verdict, reason) = host.held_up();
        assert_eq!(verdict, Verdict::Refused, "{reason}");
        assert!(reason.starts_with(expected), "{reason}\n{expected}");
    }
}

#[test]
fn what_cannot_be_told_is_unknown() {
    let right = Windows::right;
    let mut linux = right();
    linux.facts.os_id = "debian".to_owned();
    let mut silent = right();
    silent.answers.clear();
    let denied = FileState::Unreadable("access denied".to_owned());
    for (host, expected) in [
        (linux, "the host does not run Windows"),
        (silent, "the host did not answer about"),
        (
            right().containerd(Some("\u{1b}[2J"), Some(DUMP)),
            "`\\u{1b}[2J` is no version of containerd",
        ),
        (
            right().containerd(Some("1.7.24"), None),
            r"C:\Program Files\containerd\config.toml is as desired, but what containerd makes of it is unknown: no dump",
        ),
        (
            right().containerd(Some("1.7.24"), Some("not a dump")),
            r"C:\Program Files\containerd\config.toml is as desired, but",
        ),
        (
            right().at(CONFIG, denied),
            r"C:\Program Files\containerd\config.toml cannot be read: access denied",
        ),
        (
            right().cri(CriState::Failed("deadline exceeded".to_owned())),
            "`containerd` runs, but whether its CRI works is unknown",
        ),
    ] {
        let (verdict, reason) = host.held_up();
        assert_eq!(verdict, Verdict::Unknown, "{reason}");
        assert!(reason.starts_with(expected), "{reason}\n{expected}");
    }
}

#[test]
fn a_drop_in_that_overrides_the_file_is_named() {
    let dump = DUMP.replace("pause:3.6", "pause:3.5");
    let host = Windows::right()
        .containerd(Some("2.2.3"), Some(&dump))
        .drop_ins(&["10-x.toml"]);
    let (verdict, reason) = host.held_up();
    assert_eq!(verdict, Verdict::Refused);
    assert!(
        reason
            .contains("an import overrides it (C:\\Program Files\\containerd\\conf.d\\10-x.toml)"),
        "{reason}"
    );
}

#[test]
fn a_service_may_name_the_file_in_many_ways() {
    for command in [
        r#""C:\Program Files\containerd\containerd.exe" --run-service"#,
        r#"containerd.exe --config "C:\Program Files\containerd\config.toml" --run-service"#,
        r#"containerd.exe "--config=c:/program files/containerd/CONFIG.TOML""#,
        r#"containerd.exe -c "C:\Program Files\containerd\config.toml""#,
        "",
    ] {
        let plan = Windows::right()
            .service(&[("PathName", command)])
            .plan(SPEC);
        assert_eq!(
            (plan.changes, plan.unplanned),
            (vec![], vec![]),
            "{command}"
        );
    }
}

#[test]
fn what_windows_has_not_is_an_error_in_the_spec() {
    for (spec, expected) in [
        (
            "runtime: { containerd: { cgroupDriver: systemd } }",
            "E331 `cgroupDriver` is for Linux: Windows has no cgroups",
        ),
        (
            "runtime: { containerd: { allowDriverChange: true } }",
            "E331 `allowDriverChange` is for Linux: Windows has no cgroups",
        ),
        (
            "runtime: { containerd: { prerequisites: false } }",
            "E331 `prerequisites` is for Linux: the kernel of Windows has no such modules and sysctls",
        ),
        (
            "runtime: { containerd: { package: containerd.io } }",
            "E331 `package` is for Linux: hardstand installs no packages on Windows",
        ),
        (
            "runtime: { crio: {} }",
            "E331 `crio` is for Linux, and the spec is for Windows hosts",
        ),
        (
            "runtime: { containerd: { configFile: /etc/containerd/config.toml } }",
            "E332 `/etc/containerd/config.toml` is not a path of Windows",
        ),
        (
            "runtime: { containerd: { cni: { binDirs: [/C:/a, /opt/cni/bin] } } }",
            "E332 `/opt/cni/bin` is not a path of Windows",
        ),
        (
            "runtime: { containerd: { cni: { confDir: /pipe/x } } }",
            "E332 `/pipe/x` is not a path of Windows",
        ),
        (
            "runtime: { containerd: { socket: /run/containerd/containerd.sock } }",
            "E332 `/run/containerd/containerd.sock` is not a pipe of Windows",
        ),
        (
            "runtime: { containerd: { service: containerd.socket } }",
            "E332 `containerd.socket` is not a service",
        ),
        (
            "runtime: { containerd: { sandboxImage: 'a b' } }",
            "E127 `a b` is not the name of an image",
        ),
    ] {
        assert_eq!(compile(spec).1, [expected], "{spec}");
    }
}

#[test]
fn the_checks_of_containerds_files_are_made() {
    let found = |host: &Windows| -> Vec<String> {
        let checked = host.plan(SPEC).checks;
        assert_eq!(checked.unknown, []);
        let findings = checked.findings.iter();
        let lines =
            findings.map(|found| format!("{} {:?} {}", found.check, found.standing, found.message));
        lines.collect()
    };
    assert_eq!(found(&Windows::right()), [""; 0]);
    let disabled = RIGHT.replace(
        "version = 2",
        "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\nenabled_plugins = []",
    );
    assert_eq!(
        found(&Windows::right().at(CONFIG, file(&disabled, BEFORE))),
        [
            r"H001 Mended `disabled_plugins` of C:\Program Files\containerd\config.toml names `io.containerd.grpc.v1.cri`: containerd runs without its CRI, and no kubelet can use it",
            r"H002 Stays C:\Program Files\containerd\config.toml sets `enabled_plugins`, which is no key of containerd: it has no effect",
        ]
    );
    let old = Windows::right().containerd(Some("1.5.18"), Some(DUMP));
    let told = found(&old);
    let expected = "H029 Stays containerd 1.5.18 speaks only CRI v1alpha2";
    assert!(
        told.iter().any(|line| line.starts_with(expected)),
        "{told:#?}"
    );
    // None asks what only Linux can answer.
    let (graph, _) = compile(SPEC);
    for question in graph.checks().iter().flat_map(|check| check.questions()) {
        let is_of_windows = match &question {
            Question::File(path) | Question::Containerd(path) => path.on_windows().is_some(),
            Question::Files { directory, .. } => directory.on_windows().is_some(),
            _ => false,
        };
        assert!(is_of_windows, "{question:?}");
    }
}
