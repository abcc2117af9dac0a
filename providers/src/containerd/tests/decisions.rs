//! What is decided about a host.

use engine::name::{Digest, FileMode};
use engine::question::{CriCgroupDriver, CriState, FileState, PackageState};
use engine::resource::{Action, Decision, Proposal, Topic};
use engine::step::{Content, Disruption, FileCheck, Replaces, Step};

use super::host::{
    CONFIG, DEBIAN, DUMP_1_6, DUMP_1_7, DUMP_1_7_IMPORT, DUMP_2_1, DUMP_2_1_IMPORT, Host,
    directory, regular,
};

/// The file that Debian's package installs, once it is ours.
fn ours() -> String {
    let proposal = Host::with("1.7.24", DEBIAN, DUMP_1_7).change("{}");
    text(&proposal).to_owned()
}

fn text(proposal: &Proposal) -> &str {
    match proposal.steps.last() {
        Some(Step::WriteFile {
            content: Content::Text(text),
            ..
        }) => text,
        other => panic!("expected a file to be written, got {other:?}"),
    }
}

fn systemd(dump: &str) -> String {
    let changed = dump.replace("SystemdCgroup = false", "SystemdCgroup = true");
    assert_ne!(changed, dump);
    changed
}

#[test]
fn the_file_of_the_package_is_changed_and_then_converged() {
    for (version, dump) in [
        ("1.6.20~ds1", DUMP_1_6),
        ("1.7.24~ds1", DUMP_1_7),
        ("2.1.9+unknown", DUMP_2_1),
    ] {
        let proposal = Host::with(version, DEBIAN, dump).change("{}");
        assert_eq!(proposal.action, Action::Update);
        assert_eq!(proposal.condition, None);
        let after = Host::with(version, text(&proposal), &systemd(dump));
        assert_eq!(after.decide("{}"), Decision::Converged, "{version}");
        let cgroupfs = Host::with(version, DEBIAN, dump);
        assert_eq!(
            cgroupfs.decide("cgroupDriver: cgroupfs"),
            Decision::Converged,
            "{version}"
        );
    }
}

#[test]
fn the_file_is_replaced_as_it_was_found() {
    let proposal = Host::with("1.7.24", DEBIAN, DUMP_1_7).change("{}");
    let [step] = &proposal.steps[..] else {
        panic!("one step expected: {:?}", proposal.steps);
    };
    let expected = Step::WriteFile {
        path: CONFIG.parse().unwrap(),
        content: Content::Text(text(&proposal).to_owned()),
        mode: FileMode::new(0o640),
        owner: "root".parse().unwrap(),
        group: "adm".parse().unwrap(),
        replaces: Replaces::File(Digest::of(DEBIAN.as_bytes())),
        check: Some(FileCheck::Containerd),
        owes: vec!["containerd.service".parse().unwrap()],
    };
    assert_eq!(*step, expected);
    assert_eq!(proposal.texts[0].before.as_deref(), Some(DEBIAN));
    assert_eq!(proposal.texts[0].after.as_deref(), Some(text(&proposal)));
}

#[test]
fn a_missing_file_is_made_with_its_directory() {
    let host = Host::bare().containerd(Some("1.7.24"), None);
    let proposal = host.change("{}");
    assert_eq!(proposal.action, Action::Create);
    assert!(matches!(&proposal.steps[..], [
        Step::CreateDirectory { path, .. },
        Step::WriteFile { replaces: Replaces::Nothing, .. },
    ] if path.as_str() == "/etc/containerd"));
    assert!(
        proposal.topics.contains(&Topic::CgroupDriver),
        "{proposal:?}"
    );

    let host = host.at("/etc/containerd", directory());
    assert_eq!(host.change("{}").steps.len(), 1);
    let host = host.at("/etc/containerd", regular(""));
    assert!(
        host.refusal("{}")
            .starts_with("/etc/containerd is not a directory")
    );
}

#[test]
fn a_package_of_this_plan_decides_the_version() {
    for (package, candidate, version) in [
        ("containerd", "1.6.20~ds1-1+b1", 2),
        ("containerd", "2.1.9+ds1-5", 3),
        ("containerd.io", "1.7.27-1", 2),
        ("containerd.io", "2.1.4-1~debian.12~bookworm", 3),
    ] {
        let host = Host::bare().installing(package, candidate);
        let proposal = host.change(&format!("package: {package}"));
        let expected = format!("\nversion = {version}\n");
        assert!(
            text(&proposal).contains(&expected),
            "{candidate}: {proposal:?}"
        );
        assert!(matches!(
            proposal.steps[..],
            [Step::WriteFile {
                replaces: Replaces::NothingOrPackaged,
                ..
            }]
        ));
        assert_eq!(proposal.disruption, Disruption::None);
        assert!(proposal.topics.is_empty());
    }
}

#[test]
fn an_exact_version_of_this_plan_wins() {
    let host = Host::bare()
        .package("containerd.io", PackageState::default())
        .proposing("containerd.io", Some("1.7.27-1"));
    let proposal = host.change("package: containerd.io");
    assert!(text(&proposal).contains("version = 2\n"));

    let first = "[plugins.cri]\nsandbox_image = \"a\"\n";
    let upgrade = Host::with("1.7.24", first, DUMP_1_7)
        .package("containerd.io", PackageState::default())
        .proposing("containerd.io", Some("2.1.4-1~debian.12~bookworm"));
    let proposal = upgrade.change("package: containerd.io");
    assert!(text(&proposal).contains("version = 2\n"), "{proposal:?}");
    assert!(proposal.topics.contains(&Topic::CgroupDriver));
}

#[test]
fn a_right_file_is_converged_while_its_containerd_is_yet_to_come() {
    let host = Host::bare()
        .at("/etc/containerd", directory())
        .at(CONFIG, regular(&ours()))
        .installing("containerd", "1.7.24~ds1-6");
    assert_eq!(host.decide("package: containerd"), Decision::Converged);
}

#[test]
fn without_containerd_nothing_is_planned() {
    let refusal = Host::bare().refusal("{}");
    assert!(
        refusal.starts_with("containerd is not installed\n"),
        "{refusal}"
    );
    assert!(refusal.contains("packages"), "{refusal}");
    let host = Host::bare().package("containerd", PackageState::default());
    assert!(
        host.unknown("package: containerd")
            .contains("does not install containerd")
    );
    let host = host.proposing("containerd", None);
    assert!(
        host.unknown("package: containerd")
            .contains("which version")
    );
}

#[test]
fn versions_that_are_not_known_are_not_configured() {
    for (version, says) in [("1.5.18", "too old"), ("3.0.1", "newer than")] {
        let refusal = Host::with(version, DEBIAN, DUMP_1_6).refusal("{}");
        assert!(refusal.contains(says), "{refusal}");
    }
    assert!(
        Host::with("edge", DEBIAN, DUMP_1_6)
            .unknown("{}")
            .contains("`edge`")
    );
}

#[test]
fn only_an_ordinary_file_is_edited() {
    let host = |state| Host::with("1.7.24", DEBIAN, DUMP_1_7).at(CONFIG, state);
    let FileState::Regular(file) = regular(DEBIAN) else {
        panic!("a regular file");
    };
    let mut linked = file.clone();
    linked.links = 2;
    let mut large = file.clone();
    large.content = None;
    let mut binary = file;
    binary.content = Some(vec![0xff, 0xfe]);
    for (state, says) in [
        (
            FileState::Symlink("/opt/x\u{1b}".to_owned()),
            "symbolic link to /opt/x\\u{1b}",
        ),
        (directory(), "is a directory"),
        (FileState::Other("fifo".to_owned()), "is a fifo"),
        (FileState::Regular(linked), "hard links"),
        (FileState::Regular(large), "larger than 1 MiB"),
        (FileState::Regular(binary), "not UTF-8"),
    ] {
        let refusal = host(state).refusal("{}");
        assert!(refusal.contains(says), "{refusal}");
        assert!(refusal.starts_with(CONFIG), "{refusal}");
    }
    let unreadable = host(FileState::Unreadable("permission denied".to_owned()));
    assert!(unreadable.unknown("{}").contains("permission denied"));
}

#[test]
fn a_refused_text_names_the_file() {
    let refusal = Host::with("1.7.24", "version = 2\nroot = \n", DUMP_1_7).refusal("{}");
    assert!(
        refusal.starts_with("/etc/containerd/config.toml: line 2 is"),
        "{refusal}"
    );
}

#[test]
fn what_containerd_makes_of_a_right_file_must_be_known() {
    let host = Host::with("1.7.24", &ours(), "not TOML [");
    assert!(
        host.unknown("{}")
            .contains("is unknown: it printed nothing")
    );
    let host = host.containerd(Some("1.7.24"), None);
    assert!(
        host.unknown("{}")
            .contains("is unknown: containerd: no dump")
    );
    let host = host.containerd(Some("1.7.24"), Some(DUMP_1_7));
    let reason = host.unknown("{}");
    assert!(
        reason.contains("sets `runtimes.runc.options.SystemdCgroup` to true"),
        "{reason}"
    );
    assert!(reason.contains("containerd reads false"), "{reason}");
}

#[test]
fn a_file_that_containerd_cannot_read_is_decided_from_its_text() {
    let text = format!("disabled_plugins = [\"cri\"]\n{DEBIAN}");
    let host = Host::with("1.7.24", &text, DUMP_1_7).containerd(Some("1.7.24"), None);
    let proposal = host.change("{}");
    assert_eq!(proposal.condition, None);
    assert!(proposal.topics.contains(&Topic::CgroupDriver));
}

#[test]
fn an_import_that_overrides_a_right_file_is_named() {
    let text = format!("imports = [\"/etc/containerd/conf.d/*.toml\"]\n{}", ours());
    for (version, dump, says) in [
        ("1.7.24", DUMP_1_7_IMPORT, "runc.runtime_type"),
        (
            "2.1.9",
            DUMP_2_1_IMPORT,
            "runtimes.nvidia.options.SystemdCgroup",
        ),
    ] {
        let host = Host::with(version, &text, dump).drop_ins(&["10.toml"]);
        let refusal = host.refusal("{}");
        assert!(refusal.contains(says), "{refusal}");
        assert!(
            refusal.contains("/etc/containerd/conf.d/10.toml"),
            "{refusal}"
        );
        assert_eq!(
            refusal.contains("1.x"),
            version.starts_with('1'),
            "{refusal}"
        );
    }
}

#[test]
fn imports_that_were_not_read_make_a_change_conditional() {
    let with = |imports: &str, version: &str| {
        let text = format!("imports = [{imports}]\n{DEBIAN}");
        Host::with(version, &text, DUMP_1_7)
    };
    for imports in [
        ALL_DROP_INS,
        "\"conf.d/*.toml\"",
        "\"/etc/containerd/config.toml\"",
    ] {
        let host = with(imports, "1.7.24").drop_ins(&["a.toml", "b.toml"]);
        assert_eq!(host.change("{}").condition, None, "{imports}");
    }
    let condition = with("\"/opt/*.toml\"", "1.7.24").change("{}").condition;
    assert!(condition.unwrap().contains("/opt/*.toml"));
    let older = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\nconf_dir = \"/x\"\n";
    let host = Host::with("2.2.0", "version = 3\n", DUMP_2_1).drop_in_texts(&[("a.toml", older)]);
    let condition = host.change("{}").condition;
    assert!(condition.unwrap().contains("conf.d/a.toml"));
}

const ALL_DROP_INS: &str = "\"/etc/containerd/conf.d/*.toml\"";

/// A drop-in as `nvidia-ctk runtime configure` writes it, but for `SystemdCgroup`.
const NVIDIA: &str = "[plugins.\"io.containerd.grpc.v1.cri\".containerd]
default_runtime_name = \"nvidia\"
[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nvidia]
runtime_type = \"io.containerd.runc.v2\"
[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nvidia.options]
BinaryName = \"/usr/bin/nvidia-container-runtime\"
";

#[test]
fn a_drop_in_that_would_undo_the_file_is_refused_before_anything_is_written() {
    let two = |text: &str| format!("version = 2\n{text}");
    let three = "version = 3\noom_score = 5\n";
    let split = "version = 3\n[plugins.\"io.containerd.cri.v1.runtime\".cni]\nconf_dir = \"/x\"\n";
    let systemd = format!("{NVIDIA}SystemdCgroup = true\n");
    let cni = "[plugins.\"io.containerd.grpc.v1.cri\".cni]\nconf_dir = \"/x\"\n";
    let whole = "replaces the whole table";
    for (version, drop_in, says) in [
        ("1.7.24", two("oom_score = 5\n"), None),
        ("1.7.24", "oom_score = 5\n".to_owned(), None),
        ("1.6.20", two(NVIDIA), Some("nvidia.toml")),
        ("1.7.24", two(&systemd), Some(whole)),
        ("1.7.24", two(cni), Some(whole)),
        (
            "2.1.9",
            two(NVIDIA),
            Some("runtimes.nvidia.options.SystemdCgroup"),
        ),
        (
            "2.1.9",
            NVIDIA.to_owned(),
            Some("runtimes.nvidia.options.SystemdCgroup"),
        ),
        ("2.1.9", two(&systemd), None),
        ("2.1.9", two(cni), None),
        ("1.6.20", three.to_owned(), None),
        ("1.6.20", split.to_owned(), None),
        ("1.7.24", three.to_owned(), Some("does not start")),
        (
            "2.1.9",
            three.to_owned(),
            Some("loses what the main file says"),
        ),
        ("2.3.0", three.to_owned(), Some("does not start")),
        ("1.7.24", two("root = \n"), Some("not valid TOML")),
        (
            "2.1.9",
            "disabled_plugins = [\"cri\"]\n".to_owned(),
            Some("not the full name"),
        ),
        (
            "2.1.9",
            two("disabled_plugins = [\"io.containerd.cri.v1.images\"]\n"),
            Some("cannot enable it again"),
        ),
    ] {
        let text = format!("imports = [{ALL_DROP_INS}]\n{DEBIAN}");
        let host =
            Host::with(version, &text, DUMP_1_7).drop_in_texts(&[("99-nvidia.toml", &drop_in)]);
        match says {
            None => assert_eq!(host.change("{}").condition, None, "{version} {drop_in}"),
            Some(says) => {
                let refusal = host.refusal("{}");
                assert!(refusal.contains(says), "{version} {drop_in}: {refusal}");
                assert!(refusal.contains("99-nvidia.toml"), "{refusal}");
            }
        }
    }
    let wanted = "{ sandboxImage: 'r.example.org/pause:1', cni: { confDir: /x } }";
    let same = Host::with("2.1.9", DEBIAN, DUMP_2_1).drop_in_texts(&[("a.toml", cni)]);
    assert_eq!(same.change(wanted).condition, None);
}

#[test]
fn an_import_that_is_not_there_is_refused() {
    let import = "imports = [\"/etc/containerd/extra.toml\"]\n";
    let text = format!("{import}{DEBIAN}");
    let failure = "containerd: failed to load TOML: /etc/containerd/extra.toml: open /etc/containerd/extra.toml: no such file or directory";
    let old = Host::with("1.7.24", &text, DUMP_1_7).failing(failure);
    let refusal = old.refusal("{}");
    assert!(
        refusal.contains("imports /etc/containerd/extra.toml, which containerd cannot load"),
        "{refusal}"
    );
    assert!(refusal.contains("no such file"), "{refusal}");
    let read = Host::with("2.1.9", &text, DUMP_2_1);
    assert!(read.change("{}").condition.unwrap().contains("extra.toml"));
    let made = old.writing("/etc/containerd/extra.toml", "oom_score = 5\n");
    assert!(made.change("{}").condition.unwrap().contains("extra.toml"));
    let other = read.failing("containerd: invalid disabled plugin URI");
    assert!(other.change("{}").condition.unwrap().contains("extra.toml"));
}

#[test]
fn a_drop_in_counts_as_the_plan_leaves_it() {
    let text = format!("imports = [{ALL_DROP_INS}]\n{DEBIAN}");
    let host = Host::with("2.1.9", &text, DUMP_2_1).drop_in_texts(&[("n.toml", NVIDIA)]);
    host.refusal("{}");
    let mended = format!("{NVIDIA}SystemdCgroup = true\n");
    let host = host.writing("/etc/containerd/conf.d/n.toml", &mended);
    assert_eq!(host.change("{}").condition, None);
    let undone = mended.replace("true", "false");
    let host = host.writing("/etc/containerd/conf.d/z.toml", &undone);
    assert!(host.refusal("{}").contains("conf.d/z.toml"));
}

#[test]
fn the_unit_must_start_containerd_with_the_file() {
    let unit = |command: &str| {
        Host::with("1.7.24", DEBIAN, DUMP_1_7).at(
            "/etc/systemd/system/containerd.service",
            regular(&format!("[Service]\nExecStart={command}\n")),
        )
    };
    for command in [
        "/usr/bin/containerd",
        "/usr/bin/containerd -c /etc/containerd/config.toml",
        "/usr/bin/containerd --log-level=debug --config=/etc/containerd/config.toml",
        "/usr/local/bin/start-it",
        "/usr/bin/containerd --address /run/containerd/containerd.sock",
    ] {
        unit(command).change("{}");
    }
    for (command, says) in [
        (
            "/usr/bin/containerd --config /srv/c.toml",
            "/etc/systemd/system/containerd.service:2 starts containerd with /srv/c.toml",
        ),
        ("/usr/bin/containerd -c=/srv/c.toml", "configFile"),
        (
            "/usr/local/bin/start-it --config /srv/c.toml",
            "starts containerd with /srv/c.toml",
        ),
        (
            "/usr/bin/containerd -a /run/other.sock",
            "listens on /run/other.sock",
        ),
    ] {
        let refusal = unit(command).refusal("{}");
        assert!(refusal.contains(says), "{command}: {refusal}");
    }
}

#[test]
fn a_joined_node_keeps_its_driver_unless_that_is_asked_for() {
    let host = Host::with("1.7.24", DEBIAN, DUMP_1_7).joined();
    let refusal = host.refusal("{}");
    assert!(refusal.contains("joined a cluster"), "{refusal}");
    assert!(refusal.contains("cordon and drain"), "{refusal}");
    assert!(refusal.contains("allowDriverChange"), "{refusal}");

    let proposal = host.change("allowDriverChange: true");
    assert_eq!(proposal.disruption, Disruption::PodLoss);
    assert!(proposal.topics.contains(&Topic::CgroupDriver));

    let image = "{ cgroupDriver: cgroupfs, sandboxImage: example.org/pause:1 }";
    let proposal = host.change(image);
    assert_eq!(proposal.disruption, Disruption::None);
    assert!(proposal.topics.is_empty());
}

#[test]
fn what_containerd_does_now_tells_whether_the_driver_changes() {
    let ignored = "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\nSystemdCgroup = true\n";
    let host = Host::with("1.6.20", ignored, DUMP_1_6);
    assert!(host.change("{}").topics.contains(&Topic::CgroupDriver));
    assert!(host.joined().refusal("{}").contains("joined"));

    let text = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\nSystemdCgroup = true\n";
    let host = Host::with("2.1.9", text, &systemd(DUMP_2_1)).joined();
    assert!(host.change("{}").topics.is_empty());
}

#[test]
fn pods_are_lost_where_a_kubelet_runs() {
    let host = Host::with("1.7.24", DEBIAN, DUMP_1_7);
    assert_eq!(host.change("{}").disruption, Disruption::None);
    assert_eq!(
        host.running_kubelet().change("{}").disruption,
        Disruption::PodLoss
    );
}

#[test]
fn a_mark_that_cannot_be_read_leaves_a_new_driver_open() {
    let unreadable = FileState::Unreadable("permission denied".to_owned());
    let host =
        Host::with("1.7.24", DEBIAN, DUMP_1_7).at("/etc/kubernetes/kubelet.conf", unreadable);
    assert!(host.unknown("{}").contains("joined a cluster is unknown"));
    assert_eq!(host.decide("cgroupDriver: cgroupfs"), Decision::Converged);
}

#[test]
fn the_socket_of_the_spec_must_be_the_one_it_listens_on() {
    let host = Host::with("1.7.24", DEBIAN, DUMP_1_7);
    let refusal = host.refusal("socket: /run/k3s/containerd/containerd.sock");
    assert!(
        refusal.contains("listens on /run/containerd/containerd.sock"),
        "{refusal}"
    );
    host.change("socket: /var/run/containerd/containerd.sock");

    let text = "version = 2\n[grpc]\naddress = \"/run/other.sock\"\n";
    let host = Host::with("1.7.24", text, DUMP_1_7).containerd(Some("1.7.24"), None);
    assert!(host.refusal("{}").contains("listens on /run/other.sock"));
}

#[test]
fn a_socket_elsewhere_must_be_in_the_file() {
    let host = Host::bare().installing("containerd", "1.7.24~ds1-6");
    let refusal = host.refusal("{ package: containerd, socket: /run/x.sock }");
    assert!(
        refusal.contains("listens on /run/containerd/containerd.sock"),
        "{refusal}"
    );
}

#[test]
fn a_file_with_credentials_is_not_carried_in_a_plan() {
    let registry =
        "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"r.example.org\".auth]\n";
    let file = |auth: &str| format!("{DEBIAN}{registry}{auth}\n");
    let host = |auth: &str| Host::with("1.7.24", &file(auth), DUMP_1_7);
    let refusal = host("password = \"hunter2\"").refusal("{}");
    assert!(refusal.contains("credentials of registries"), "{refusal}");
    assert!(!refusal.contains("hunter2"), "{refusal}");
    host("username = \"anna\"\npassword = \"\"").change("{}");
    let right = host("password = \"hunter2\"").decide("cgroupDriver: cgroupfs");
    assert_eq!(right, Decision::Converged);
}

#[test]
fn the_process_must_run_with_the_driver_that_is_configured() {
    let right = || Host::with("2.1.9", &ours_2(), &systemd(DUMP_2_1));
    for cri in [CriState::Unasked, CriState::Denied, CriState::Absent] {
        assert_eq!(right().cri(cri).decide("{}"), Decision::Converged);
    }
    let same = right().running_with(CriCgroupDriver::Systemd);
    assert_eq!(same.decide("{}"), Decision::Converged);

    let other = || right().running_with(CriCgroupDriver::Cgroupfs);
    let refusal = other().refusal("{}");
    assert!(
        refusal.contains("runs with the cgroup driver cgroupfs"),
        "{refusal}"
    );
    assert!(
        refusal.contains("restart `containerd.service`"),
        "{refusal}"
    );
    // The files of this host were written in 2023.
    let older = "Mon 2022-11-21 20:12:34 UTC";
    for host in [other().owing(), other().started(older)] {
        let proposal = host.change("{}");
        assert_eq!(proposal.steps, []);
        assert_eq!(proposal.differences[0].attribute, "running cgroup driver");
        assert!(proposal.topics.contains(&Topic::CgroupDriver));
        assert_eq!(
            host.running_kubelet().change("{}").disruption,
            Disruption::PodLoss
        );
    }
    let joined = other().owing().joined();
    assert!(joined.refusal("{}").contains("joined a cluster"));
}

/// The file that Debian's package installs for 2.x, once it is ours.
fn ours_2() -> String {
    text(&Host::with("2.1.9", DEBIAN, DUMP_2_1).change("{}")).to_owned()
}
