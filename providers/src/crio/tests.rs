//! Tables of cases: what is decided about a host, what its other files, variables and flags do to that, and what is wrong
//! with a spec.

use engine::plan::HostPlan;
use engine::resource::Action;
use engine::step::{Disruption, Gate, Step};

use crate::testing::{Machine, change, compile, compile_at, summary, written};

const DROP_IN: &str = "/etc/crio/crio.conf.d/99-hardstand.conf";
const RESOURCE: &str = "crio//etc/crio/crio.conf.d/99-hardstand.conf";
const SERVICE: &str = "service/crio.service";

/// What the package of CRI-O 1.31 brings.
const PACKAGED: &str = "[crio.image]\nsignature_policy = \"/etc/crio/policy.json\"\n\n[crio.runtime]\n\
                        default_runtime = \"crun\"\n\n[crio.runtime.runtimes.crun]\nruntime_path = \"/usr/libexec/crio/crun\"\n\
                        monitor_path = \"/usr/libexec/crio/conmon\"\n\n[crio.runtime.runtimes.runc]\n\
                        runtime_path = \"/usr/libexec/crio/runc\"\n";

/// A host on which CRI-O runs as its package left it.
fn host() -> Machine {
    installed("1.31.5-1.1")
}

fn installed(version: &str) -> Machine {
    Machine::debian()
        .directory("/etc/crio")
        .directory("/etc/crio/crio.conf.d")
        .file("/etc/crio/crio.conf.d/10-crio.conf", PACKAGED)
        .unit("crio.service", &[("CanReload", "yes")])
        .package("cri-o", |package| package.installed = Some(version.into()))
}

/// A host on which the drop-in stands, with one text in it replaced.
fn configured(from: &str, to: &str) -> Machine {
    let mut host = host();
    let _plan = host.converge(&spec("pauseImage: r.example.org/pause:1"));
    let text = text(&host);
    assert!(text.contains(from), "{text}");
    host.file(DROP_IN, &text.replace(from, to))
}

fn spec(fields: &str) -> String {
    format!("runtime: {{crio: {{{fields}}}}}")
}

fn text(host: &Machine) -> String {
    match &host.files[DROP_IN] {
        engine::question::FileState::Regular(file) => {
            String::from_utf8(file.content.clone().unwrap()).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

/// Returns why the drop-in is not planned, with the verdict.
#[track_caller]
fn unplanned(host: &Machine, fields: &str) -> String {
    let lines = summary(&host.plan(&spec(fields)));
    let line = lines
        .iter()
        .find_map(|line| line.strip_prefix(&format!("{RESOURCE} ")));
    line.unwrap_or_else(|| panic!("it was planned: {lines:#?}"))
        .to_owned()
}

fn last_step<'a>(plan: &'a HostPlan, resource: &str) -> &'a Step {
    change(plan, resource).steps.last().unwrap()
}

#[test]
fn an_absent_drop_in_is_made_and_crio_restarts() {
    let mut host = host();
    let plan = host.converge("runtime: {crio: {}}\nkubernetes: {version: '1.31'}");
    let config = change(&plan, RESOURCE);
    assert_eq!(config.action, Action::Create);
    assert_eq!(
        summary(&plan)[0],
        format!("{RESOURCE}: conmon_cgroup ->pod, pause_image ->registry.k8s.io/pause:3.10")
    );
    assert_eq!(
        text(&host),
        "# Written by hardstand, which owns this file whole.\n\n[crio.image]\n\
         pause_image = \"registry.k8s.io/pause:3.10\"\n\n[crio.runtime]\ncgroup_manager = \"systemd\"\n\
         conmon_cgroup = \"pod\"\n"
    );
    let Step::RestartUnit { gate, .. } = last_step(&plan, SERVICE) else {
        panic!("a restart: {plan:#?}");
    };
    let Gate { cri_socket, .. } = gate;
    assert_eq!(cri_socket.as_ref().unwrap().as_str(), "/run/crio/crio.sock");
}

#[test]
fn missing_directories_are_made_unless_the_package_brings_them() {
    let bare = Machine::debian().unit("crio.service", &[]);
    let plan = bare.plan("runtime: {crio: {}}");
    assert!(matches!(&change(&plan, RESOURCE).steps[..], [
        Step::CreateDirectory { path: first, .. },
        Step::CreateDirectory { path: second, .. },
        Step::WriteFile { .. },
    ] if first.as_str() == "/etc/crio" && second.as_str() == "/etc/crio/crio.conf.d"));

    let bare = Machine::debian().package("cri-o", |package| {
        package.candidate = Some("1.31.5-1.1".into());
    });
    let plan = bare.plan("runtime: {crio: {package: cri-o}}");
    assert_eq!(change(&plan, RESOURCE).steps.len(), 1);
    let order: Vec<_> = plan
        .changes
        .iter()
        .map(|change| change.resource.to_string())
        .collect();
    assert_eq!(order, ["package/cri-o", RESOURCE, SERVICE]);

    let nothing = Machine::debian();
    assert!(unplanned(&nothing, "").starts_with("Refused: CRI-O is not installed"));
}

#[test]
fn each_wrong_attribute_is_mended_by_the_least_that_does_it() {
    const PAUSE: &str = "r.example.org/pause:1";
    for (from, to, differences, action) in [
        (
            PAUSE,
            "k8s.gcr.io/pause:3.2",
            "pause_image k8s.gcr.io/pause:3.2->r.example.org/pause:1",
            Action::Reload,
        ),
        (
            "\"pod\"",
            "\"system.slice\"",
            "conmon_cgroup system.slice->pod",
            Action::Restart,
        ),
        (
            "\"systemd\"",
            "\"cgroupfs\"",
            "cgroup_manager cgroupfs->systemd",
            Action::Restart,
        ),
        (
            "# Written",
            "# Typed",
            "file 0644 root:root->0644 root:root, as hardstand writes it",
            Action::Reload,
        ),
        (
            "pause_image = ",
            "PAUSE_IMAGE = ",
            "file 0644 root:root->0644 root:root, as hardstand writes it",
            Action::Reload,
        ),
        (
            "conmon_cgroup = ",
            "conmon_cgruop = ",
            "conmon_cgroup ->pod",
            Action::Restart,
        ),
        ("[crio.runtime]", "[crio.runtime", "", Action::Restart),
    ] {
        let mut host = configured(from, to);
        let plan = host.converge(&spec(&format!("pauseImage: {PAUSE}")));
        if !differences.is_empty() {
            assert_eq!(
                summary(&plan)[0],
                format!("{RESOURCE}: {differences}"),
                "{to}"
            );
        }
        assert_eq!(change(&plan, SERVICE).action, action, "{to}");
    }
    let mut host = configured(PAUSE, PAUSE).with_file(DROP_IN, |file| file.attributes.mode = 0o600);
    let plan = host.converge(&spec(&format!("pauseImage: {PAUSE}")));
    assert_eq!(
        summary(&plan)[0],
        format!("{RESOURCE}: file 0600 root:root->0644 root:root, as hardstand writes it")
    );
}

#[test]
fn a_pause_image_reloads_unless_more_is_due() {
    let old = || configured("r.example.org/pause:1", "r.example.org/pause:0");
    let wanted = spec("pauseImage: r.example.org/pause:1");
    assert!(matches!(
        last_step(&old().plan(&wanted), SERVICE),
        Step::ReloadUnit { .. }
    ));

    let mut owing = old();
    owing.owed.insert("crio.service".into());
    assert!(matches!(
        last_step(&owing.plan(&wanted), SERVICE),
        Step::RestartUnit { .. }
    ));
    let cannot = old().unit("crio.service", &[]);
    assert!(matches!(
        last_step(&cannot.plan(&wanted), SERVICE),
        Step::RestartUnit { .. }
    ));
    let both =
        format!("{wanted}\nservices: [{{name: crio.service, dropIns: {{limits: \"[Service]\"}}}}]");
    assert!(matches!(
        last_step(&old().plan(&both), SERVICE),
        Step::RestartUnit { .. }
    ));
}

#[test]
fn another_driver_restarts_the_kubelet_and_is_guarded() {
    let mut host = host().unit("kubelet.service", &[]);
    let plan = host.converge("runtime: {crio: {}}\nkubelet: {cgroupDriver: systemd}");
    assert!(matches!(
        last_step(&plan, "service/kubelet.service"),
        Step::RestartUnit { .. }
    ));
    let plan =
        host.plan("runtime: {crio: {cgroupDriver: cgroupfs}}\nkubelet: {cgroupDriver: cgroupfs}");
    assert_eq!(change(&plan, RESOURCE).disruption, Disruption::PodLoss);
    let order: Vec<_> = plan
        .changes
        .iter()
        .map(|change| change.resource.to_string())
        .collect();
    assert_eq!(order.last().unwrap(), "service/kubelet.service");

    let joined = host
        .clone()
        .file("/etc/kubernetes/kubelet.conf", "apiVersion: v1\n");
    let reason = unplanned(&joined, "cgroupDriver: cgroupfs");
    assert!(
        reason.starts_with("Refused: the node has joined a cluster"),
        "{reason}"
    );
    let plan = joined.plan(&spec("cgroupDriver: cgroupfs, allowDriverChange: true"));
    assert_eq!(change(&plan, RESOURCE).disruption, Disruption::PodLoss);
    let plan = joined.plan(&spec("pauseImage: r.example.org/pause:1"));
    assert_eq!(change(&plan, RESOURCE).disruption, Disruption::None);
}

#[test]
fn every_pair_of_manager_and_monitor_cgroup() {
    for (fields, problem) in [
        ("conmonCgroup: pod", ""),
        ("conmonCgroup: system.slice", ""),
        ("conmonCgroup: ''", ""),
        (
            "conmonCgroup: kube",
            "E222 with the cgroup manager systemd the monitor cgroup must be `pod` or a slice, not `kube`",
        ),
        ("cgroupDriver: cgroupfs", ""),
        ("cgroupDriver: cgroupfs, conmonCgroup: ''", ""),
        (
            "cgroupDriver: cgroupfs, conmonCgroup: system.slice",
            "E222 with the cgroup manager cgroupfs the monitor cgroup must be `pod`, not `system.slice`",
        ),
    ] {
        let expected: Vec<_> = [problem]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        assert_eq!(compile(&spec(fields)).1, expected, "{fields}");
    }
    let fields = "cgroupDriver: cgroupfs, conmonCgroup: ''";
    for (version, refused) in [
        ("1.20.9", false),
        ("1.21.7", true),
        ("1.25.0", false),
        ("1.26.4-1.1", true),
        ("1.32.1-1.1", true),
        ("1.33.0-1.1", false),
    ] {
        let lines = summary(&installed(version).plan(&spec(fields)));
        let is_refused = lines
            .iter()
            .any(|line| line.contains("this release of CRI-O does not start"));
        assert_eq!(is_refused, refused, "{version}: {lines:#?}");
    }
    let unpackaged = host().package("cri-o", |package| package.installed = None);
    let plan = unpackaged.plan(&spec(fields));
    assert!(
        change(&plan, RESOURCE)
            .condition
            .as_ref()
            .unwrap()
            .contains("1.26 to 1.32")
    );
    // The one for all handlers goes before their own.
    let handler = "[crio.runtime.runtimes.crun]\nmonitor_cgroup = \"system.slice\"\n";
    let own = installed("1.33.0").file("/etc/crio/crio.conf.d/20.conf", handler);
    assert!(
        unplanned(&own, fields)
            .contains("20.conf:2 (handler `crun`): with the cgroup manager cgroupfs")
    );
    let plan = own.plan(&spec("cgroupDriver: cgroupfs"));
    assert_eq!(plan.unplanned, []);
}

#[test]
fn the_last_file_wins_whatever_it_is_called() {
    const CGROUPFS: &str =
        "[crio.runtime]\ncgroup_manager = \"cgroupfs\"\nconmon_cgroup = \"pod\"\n";
    for (name, winner) in [
        ("../crio.conf", None),
        ("02-cgroup-manager.conf", None),
        ("10-crio.conf.rpmsave", None),
        ("99-hardstand.con", None),
        (
            "99-hardstand.conf.bak",
            Some("99-hardstand.conf.bak:2 sets `cgroup_manager` to `cgroupfs`, and is read after"),
        ),
        ("99-hardstand.conf~", Some("99-hardstand.conf~:2 sets")),
        ("99-z", Some("99-z:2 sets")),
        ("README", Some("README:2 sets")),
        ("zz.conf", Some("zz.conf:2 sets")),
    ] {
        let path = match name {
            "../crio.conf" => "/etc/crio/crio.conf".to_owned(),
            name => format!("/etc/crio/crio.conf.d/{name}"),
        };
        let mut host = host().file(&path, CGROUPFS);
        match winner {
            Some(winner) => assert!(unplanned(&host, "").contains(winner), "{name}"),
            None => {
                let plan = host.converge("runtime: {crio: {}}");
                let lines = summary(&plan);
                assert!(
                    lines[0].contains("cgroup_manager cgroupfs->systemd"),
                    "{name}: {lines:#?}"
                );
            }
        }
    }
    let mut same = host().file(
        "/etc/crio/crio.conf.d/zz",
        "[CRIO.Runtime]\nCgroup_Manager = 'systemd'\n",
    );
    let _plan = same.converge("runtime: {crio: {}}");
    let later = host().file("/etc/crio/crio.conf.d/zz.conf", CGROUPFS);
    let plan = later.plan(&spec("dropIn: /etc/crio/crio.conf.d/zzz.conf"));
    assert_eq!(plan.unplanned, []);
    // A file of the same spec counts as it will be.
    let spec = "runtime: {crio: {}}\nfiles: [{path: /etc/crio/crio.conf.d/zz.conf, content: \"[crio.runtime]\\nconmon_cgroup = 'system.slice'\"}]";
    let lines = summary(&host().plan(spec));
    assert!(
        lines
            .iter()
            .any(|line| line.contains("zz.conf:2 sets `conmon_cgroup`")),
        "{lines:#?}"
    );
}

#[test]
fn what_was_left_behind_is_named() {
    const OLD: &str = "[crio.image]\npause_image = \"k8s.gcr.io/pause:3.2\"\n";
    for (name, named) in [
        ("10-crio.conf.bak", true),
        ("10-crio.conf~", true),
        (".10-crio.conf.swp", true),
        ("20-image.conf", false),
    ] {
        let host = host().file(&format!("/etc/crio/crio.conf.d/{name}"), OLD);
        let plan = host.plan(&spec("pauseImage: r.example.org/pause:1"));
        let condition = change(&plan, RESOURCE)
            .condition
            .clone()
            .unwrap_or_default();
        assert_eq!(
            condition.contains(&format!("{name} looks left behind")),
            named,
            "{name}: {condition}"
        );
        let plan = host.plan("runtime: {crio: {}}");
        assert_eq!(
            change(&plan, RESOURCE).condition,
            None,
            "it sets nothing of ours"
        );
    }
    let host = host().file("/etc/crio/crio.conf.d/99-hardstand.conf.bak", OLD);
    let reason = unplanned(&host, "pauseImage: r.example.org/pause:1");
    assert!(reason.ends_with("it sets pause_image"), "{reason}");
}

#[test]
fn a_default_handler_must_be_defined() {
    for (name, more, refused) in [
        ("runc", "", false),
        ("crun", "", false),
        ("kata", "", true),
        (
            "kata",
            "[crio.runtime.runtimes.kata]\nruntime_path = '/usr/bin/kata'\n",
            false,
        ),
        (
            "kata",
            "[crio.runtime.runtimes.Kata]\nruntime_path = '/usr/bin/kata'\n",
            true,
        ),
    ] {
        let host = host().file("/etc/crio/crio.conf.d/20.conf", more);
        let fields = format!("defaultRuntime: {name}");
        if refused {
            assert!(
                unplanned(&host, &fields).contains("defines the handler `kata`"),
                "{more}"
            );
        } else {
            let mut host = host;
            let plan = host.converge(&spec(&fields));
            assert_eq!(change(&plan, SERVICE).action, Action::Restart);
        }
    }
}

#[test]
fn an_entry_of_a_handler_is_replaced_whole() {
    let first =
        "[crio.runtime.runtimes.crun]\nmonitor_cgroup = \"system.slice\"\nruntime_path = \"/x\"\n";
    let second = "[crio.runtime.runtimes.crun]\nruntime_path = \"/y\"\n";
    let host = installed("1.33.0")
        .file("/etc/crio/crio.conf.d/20.conf", first)
        .file("/etc/crio/crio.conf.d/30.conf", second);
    let plan = host.plan(&spec("cgroupDriver: cgroupfs, conmonCgroup: ''"));
    assert_eq!(plan.unplanned, [], "the later entry has no monitor cgroup");
}

#[test]
fn files_with_which_crio_does_not_start_are_named() {
    use engine::question::FileState;
    for (text, reason) in [
        ("[crio]\nlog_dir = \n", "20.conf:2 is not valid TOML"),
        (
            "[crio.runtime]\n\ncgroup_manager = true\n",
            "20.conf:3 must be a string: `cgroup_manager`",
        ),
        ("crio = 1\n", "20.conf:1 must be a table: `crio`"),
        (
            "[crio.runtime]\nconmon_cgroup = 'pod'\nConmon_Cgroup = 'x.slice'\n",
            "20.conf:3 sets `conmon_cgroup` again in another letter case",
        ),
    ] {
        let host = host().file("/etc/crio/crio.conf.d/20.conf", text);
        let found = unplanned(&host, "");
        assert!(
            found.starts_with("Refused: ") && found.contains(reason),
            "{found}"
        );
    }
    for (state, reason) in [
        (
            FileState::Symlink("/nowhere".into()),
            "Refused: /etc/crio/crio.conf.d/20 is a link that leads nowhere",
        ),
        (
            FileState::Other("fifo".into()),
            "Unknown: /etc/crio/crio.conf.d/20 is a fifo",
        ),
        (
            FileState::Unreadable("no".into()),
            "Unknown: /etc/crio/crio.conf.d/20 cannot be read: no",
        ),
    ] {
        assert_eq!(
            unplanned(&host().at("/etc/crio/crio.conf.d/20", state), ""),
            reason
        );
    }
    let below = host().directory("/etc/crio/crio.conf.d/more");
    assert!(
        unplanned(&below, "").starts_with("Unknown: /etc/crio/crio.conf.d/more is a directory")
    );
    let off = host().at(
        "/etc/crio/crio.conf.d/20",
        FileState::Symlink("/dev/null".into()),
    );
    assert_eq!(off.plan("runtime: {crio: {}}").unplanned, []);
}

#[test]
fn variables_and_flags_win_over_files() {
    const UNIT: &str = "[Service]\nEnvironmentFile=-/etc/default/crio\nExecStart=/usr/bin/crio $CRIO_CONFIG_OPTIONS\n\
                        ExecReload=/bin/kill -s HUP $MAINPID\n";
    for (path, text, reason) in [
        (
            "/etc/default/crio",
            "CONTAINER_CGROUP_MANAGER=cgroupfs\n",
            "Refused: /etc/default/crio:1 sets `cgroup_manager` to `cgroupfs`, which wins over every file",
        ),
        (
            "/etc/default/crio",
            "# CONTAINER_CGROUP_MANAGER=cgroupfs\nCONTAINER_CGROUP_MANAGER=\"systemd\"\n",
            "",
        ),
        (
            "/etc/default/crio",
            "\nCONTAINER_CONMON_CGROUP='system.slice'\n",
            "Refused: /etc/default/crio:2 sets `conmon_cgroup`",
        ),
        (
            "/etc/default/crio",
            "CONTAINER_PAUSE_IMAGE=x\n",
            "Refused: /etc/default/crio:1 sets `pause_image`",
        ),
        (
            "/etc/default/crio",
            "CRIO_CONFIG_OPTIONS=\"--cgroup-manager=cgroupfs\"\n",
            "Refused: /etc/default/crio:1 sets `cgroup_manager`",
        ),
        (
            "/etc/default/crio",
            "CRIO_CONFIG_OPTIONS=--conmon-cgroup=system.slice\n",
            "Refused: /etc/default/crio:1 sets `conmon_cgroup`",
        ),
        (
            "/etc/default/crio",
            "CRIO_CONFIG_OPTIONS=--config-dir=/opt\n",
            "Unknown: crio.service reads another configuration: /etc/default/crio:1 says `--config-dir /opt`",
        ),
        (
            "/etc/default/crio",
            "CRIO_CONFIG_OPTIONS=\"--config /etc/crio/crio.conf\"\n",
            "",
        ),
        (
            "/etc/default/crio",
            "CONTAINER_LISTEN=/run/other.sock\n",
            "Refused: CRI-O listens on /run/other.sock, and the spec expects /run/crio/crio.sock",
        ),
        (
            "/etc/sysconfig/crio",
            "CONTAINER_CGROUP_MANAGER=cgroupfs\n",
            "",
        ),
        (
            "/etc/systemd/system/crio.service.d/a.conf",
            "[Service]\nEnvironment=\"CONTAINER_CGROUP_MANAGER=cgroupfs\"\n",
            "Refused: /etc/systemd/system/crio.service.d/a.conf:2 sets",
        ),
        (
            "/etc/systemd/system/crio.service.d/a.conf",
            "[Service]\nExecStart=\nExecStart=/usr/bin/crio --pause-image x\n",
            "Refused: /etc/systemd/system/crio.service.d/a.conf:3 sets `pause_image`",
        ),
        (
            "/usr/local/lib/systemd/system/crio.service",
            "[Service]\nExecStart=/usr/local/bin/crio --cgroup-manager cgroupfs\n",
            "Refused: /usr/local/lib/systemd/system/crio.service:2 sets `cgroup_manager`",
        ),
    ] {
        let host = host()
            .file("/usr/lib/systemd/system/crio.service", UNIT)
            .file(path, text);
        let lines = summary(&host.plan(&spec("pauseImage: r.example.org/pause:1")));
        let found = lines
            .iter()
            .find_map(|line| line.strip_prefix(&format!("{RESOURCE} ")));
        match reason {
            "" => assert_eq!(found, None, "{text}"),
            reason => assert!(
                found.unwrap_or_default().starts_with(reason),
                "{text}: {lines:#?}"
            ),
        }
    }
}

#[test]
fn the_socket_and_the_release_must_fit() {
    let listen = |path: &str| {
        host().file(
            "/etc/crio/crio.conf",
            &format!("[crio.api]\nlisten = '{path}'\n"),
        )
    };
    for (path, fields, refused) in [
        ("/run/crio/crio.sock", "", false),
        ("unix:///var/run/crio/crio.sock", "", false),
        (
            "/var/run/crio/crio.sock",
            "socket: /run/crio/crio.sock",
            false,
        ),
        ("/run/x.sock", "", true),
        ("/run/x.sock", "socket: /run/x.sock", false),
    ] {
        let plan = listen(path).plan(&spec(fields));
        assert_eq!(!plan.unplanned.is_empty(), refused, "{path} {fields}");
    }
    for (version, says) in [
        ("1.31.5", ""),
        ("1.29.0", ""),
        ("1.28.0", "CRI-O 1.28 is meant for Kubernetes 1.28, and"),
        ("1.19.0", "too old"),
    ] {
        let spec = "runtime: {crio: {}}\nkubernetes: {version: '1.31'}";
        let plan = installed(version).plan(spec);
        let said = format!(
            "{:?} {:?}",
            plan.changes
                .iter()
                .map(|change| &change.condition)
                .collect::<Vec<_>>(),
            summary(&plan)
        );
        match says {
            "" => assert!(!said.contains("CRI-O 1."), "{said}"),
            says => assert!(said.contains(says), "{said}"),
        }
    }
}

#[test]
fn odd_specs_are_refused() {
    for (spec, problem) in [
        (
            "{crio: {pauseImage: \"a b\"}}",
            "E127 `a b` is not the name of an image",
        ),
        (
            "{crio: {dropIn: /etc/crio/99.conf}}",
            "E224 CRI-O does not read `/etc/crio/99.conf`",
        ),
    ] {
        assert_eq!(compile(&format!("runtime: {spec}")).1, [problem]);
    }
    let twice = format!("runtime: {{crio: {{}}}}\nfiles: [{{path: {DROP_IN}, content: x}}]");
    let problems = compile(&twice).1;
    assert!(
        problems.contains(&format!("E201 `{DROP_IN}` is managed twice")),
        "{problems:?}"
    );
    let other = "runtime: {crio: {}}\nkubelet: {cgroupDriver: cgroupfs}";
    // The driver that is not written is systemd.
    let written = other.replace("crio: {}", "crio: {cgroupDriver: systemd}");
    assert!(compile(&written).1[0].starts_with("E221"));
}

#[test]
fn cni_directories_are_set_compared_and_restart() {
    const CNI: &str = "cni: {binDirs: [/opt/cni/bin, /usr/lib/cni], confDir: /etc/cni/k.d}";
    let mut host = host();
    let plan = host.converge(&spec(CNI));
    assert!(
        text(&host).contains(
            "[crio.network]\nnetwork_dir = \"/etc/cni/k.d\"\nplugin_dirs = [\"/opt/cni/bin\", \"/usr/lib/cni\"]\n"
        ),
        "{}",
        text(&host)
    );
    assert_eq!(
        summary(&plan)[0],
        format!(
            "{RESOURCE}: conmon_cgroup ->pod, network_dir /etc/cni/net.d->/etc/cni/k.d, \
             plugin_dirs [\"/opt/cni/bin\"]->[\"/opt/cni/bin\", \"/usr/lib/cni\"]"
        )
    );
    let plan = host.converge(&spec(
        "cni: {binDirs: [/usr/lib/cni], confDir: /etc/cni/k.d}",
    ));
    assert!(matches!(
        last_step(&plan, SERVICE),
        Step::RestartUnit { .. }
    ));
    for (file, refused) in [
        ("[crio.network]\nnetwork_dir = '/etc/cni/k.d/'\n", None),
        (
            "[crio.network]\nplugin_dirs = ['/opt/cni/bin/', '/usr/lib/cni']\n",
            None,
        ),
        (
            "[crio.network]\nplugin_dirs = ['/usr/lib/cni']\n",
            Some("99-z.conf:2 sets `plugin_dirs` to `"),
        ),
        (
            "[crio.network]\nplugin_dirs = '/usr/lib/cni'\n",
            Some("99-z.conf:2 must be a list of strings: `plugin_dirs`"),
        ),
    ] {
        let host = self::host().file("/etc/crio/crio.conf.d/99-z.conf", file);
        match refused {
            None => assert_eq!(host.plan(&spec(CNI)).unplanned, [], "{file}"),
            Some(refused) => {
                let reason = unplanned(&host, CNI);
                assert!(reason.contains(refused), "{reason}");
            }
        }
    }
    let flag = |flag: &str| {
        let unit = format!("[Service]\nExecStart=/usr/bin/crio {flag}\n");
        self::host().file("/etc/systemd/system/crio.service", &unit)
    };
    let same = flag("--cni-plugin-dir=/opt/cni/bin,/usr/lib/cni/ --cni-config-dir /etc/cni/k.d/");
    assert_eq!(same.plan(&spec(CNI)).unplanned, []);
    let reason = unplanned(&flag("--cni-config-dir=/etc/cni/net.d"), CNI);
    assert!(reason.contains("wins over every file"), "{reason}");
}

const REGISTRIES: &str = "/etc/containers/registries.conf.d/99-hardstand.conf";

#[test]
fn registries_are_a_drop_in_and_a_reload() {
    let mut host = host();
    let _plan = host.converge(&spec(""));
    let registries = "registries: {\
        docker.io: {mirrors: [{location: 'm.example:5000/hub', pullFromMirror: digest-only}, {location: 'n.example', insecure: true}]},\
        '*.corp.example': {insecure: false, blocked: true},\
        r.example/team: {location: s.example}}";
    let plan = host.converge(&spec(registries));
    let text = written(&plan, REGISTRIES);
    let (_header, text) = text.split_once('\n').unwrap();
    assert_eq!(
        text,
        "[[registry]]\nprefix = \"*.corp.example\"\ninsecure = false\nblocked = true\n\n\
         [[registry]]\nprefix = \"docker.io\"\n\n\
         [[registry.mirror]]\nlocation = \"m.example:5000/hub\"\npull-from-mirror = \"digest-only\"\n\n\
         [[registry.mirror]]\nlocation = \"n.example\"\ninsecure = true\n\n\
         [[registry]]\nprefix = \"r.example/team\"\nlocation = \"s.example\"\n"
    );
    let service = change(&plan, SERVICE);
    assert_eq!(service.action, Action::Reload);
    assert_eq!(service.disruption, Disruption::Reload);
    // With a limit in the same plan, a reload does not suffice.
    let plan = host.converge(&spec(
        "limitNoFile: 4096, registries: {docker.io: {blocked: true}}",
    ));
    assert_eq!(change(&plan, SERVICE).action, Action::Restart);
}

#[test]
fn a_reload_that_was_cut_off_is_owed() {
    let mut host = host();
    let registries = spec("registries: {docker.io: {blocked: true}}");
    let _plan = host.converge(&registries);
    host.owed.insert("crio.service".into());
    assert_eq!(
        change(&host.plan(&registries), SERVICE).action,
        Action::Restart
    );
}

#[test]
fn what_is_wrong_with_registries_is_said() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("a.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"),
        ("b.pem", "-----BEGIN CERTIFICATE-----\nBBBB\n"),
    ] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let name = directory.path().join("spec.yaml");
    for (registries, expected) in [
        (
            "docker.io: {mirrors: [{location: m.example/a, ca: a.pem}, {location: m.example/b, ca: a.pem}]}",
            &[][..],
        ),
        (
            "docker.io: {mirrors: [{location: m.example/a, ca: a.pem}, {location: m.example/b, ca: b.pem}]}",
            &["E266 one host has two certificate authorities"],
        ),
        ("docker.io: {}", &["E265 nothing is said of `docker.io`"]),
        (
            "'https://r.example': {blocked: true}, a.example: {mirrors: [{location: 'u:p@m.example'}]}",
            &[
                "E127 `https://r.example` is not where a registry is",
                "E127 `u:p@m.example` is not where a registry is",
            ],
        ),
    ] {
        let spec = spec(&format!("registries: {{{registries}}}"));
        let (graph, complaints) = compile_at(name.to_str().unwrap(), &spec);
        assert_eq!(complaints, expected, "{registries}");
        let certificate = "file//etc/containers/certs.d/m.example/hardstand.crt";
        let has_certificate = graph.nodes().any(|node| node.id.to_string() == certificate);
        assert_eq!(
            has_certificate,
            registries.contains("a.pem"),
            "{registries}"
        );
    }
}
