//! containerd's configuration, in all the ways in which it was found broken.

use engine::facts::Init;

use super::*;

const CONFIG: &str = "/etc/containerd/config.toml";
const ANY: &str = "kubernetes: { version: '1.31' }";
const CHOSEN: &str = "runtime: { containerd: {} }";

/// What Docker's package of containerd comes with.
const OF_DOCKER: &str = "disabled_plugins = [\"cri\"]\n#root = \"/var/lib/containerd\"\n";

/// A configuration of format 2 that is right.
const RIGHT: &str = "\
    version = 2\n\
    [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n\
    runtime_type = \"io.containerd.runc.v2\"\n\
    [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n\
    SystemdCgroup = true\n";

const ALL: [&str; 7] = ["H001", "H002", "H003", "H006", "H007", "H008", "H023"];

/// A machine with a containerd of Debian that has this configuration.
fn with(version: &str, text: &str) -> Machine {
    Machine::debian()
        .directory("/etc/containerd")
        .package("containerd", |package| {
            package.installed = Some(version.into());
        })
        .containerd(version, None)
        .file(CONFIG, text)
}

/// All findings of this topic.
fn all(machine: &Machine, spec: &str) -> Vec<String> {
    ALL.iter().flat_map(|id| only(id, machine, spec)).collect()
}

#[test]
fn a_right_configuration_passes() {
    for spec in [ANY, CHOSEN] {
        for version in ["1.6.36", "1.7.24", "2.1.9"] {
            assert_eq!(
                all(&with(version, RIGHT), spec),
                [""; 0],
                "{version} {spec}"
            );
        }
    }
    // A host without containerd has nothing that could be wrong with it.
    assert_eq!(all(&Machine::debian(), ANY), [""; 0]);
    // Another runtime of the spec, or of the host, makes it nobody's business.
    let docker = with("1.7.24", OF_DOCKER);
    assert_eq!(all(&docker, "runtime: { docker: {} }"), [""; 0]);
    let socket = engine::question::FileState::Other("socket".into());
    assert_eq!(all(&docker.at("/run/crio/crio.sock", socket), ANY), [""; 0]);
}

#[test]
fn a_disabled_cri_is_an_error_that_the_plan_mends() {
    let message = "`disabled_plugins` of /etc/containerd/config.toml names `cri`: containerd runs without its CRI, and no \
                   kubelet can use it";
    let machine = with("1.7.24", OF_DOCKER);
    assert_eq!(
        only("H001", &machine, CHOSEN),
        [format!("Error Mended {message}")]
    );
    assert_eq!(
        only("H001", &machine, ANY),
        [format!("Warning Stays {message}")]
    );
    let full = "version = 2\nDisabled_Plugins = [\"io.containerd.grpc.v1.cri\"]\n";
    assert_eq!(only("H001", &with("1.7.24", full), ANY).len(), 1);
}

#[test]
fn a_drop_in_may_disable_it_too() {
    let drop_in = "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n";
    let path = "/etc/containerd/conf.d/x.toml";
    let unnamed = drop_in.replace("version = 2\n", "");
    for (import, drop_in) in [
        ("/etc/containerd/conf.d/*.toml", drop_in),
        ("conf.d/*.toml", drop_in),
        ("/etc/containerd/conf.d/*.toml", &unnamed),
    ] {
        let main = format!("imports = [\"{import}\"]\n{RIGHT}");
        let machine = with("1.7.24", &main).file(path, drop_in);
        let found = only("H001", &machine, ANY);
        assert!(
            found[0].contains("of /etc/containerd/conf.d/x.toml names"),
            "{found:?}"
        );
    }
    // It is imported by default from 2.2 on.
    assert_eq!(
        only("H001", &with("2.1.9", RIGHT).file(path, drop_in), ANY),
        [""; 0]
    );
    assert_eq!(
        only("H001", &with("2.2.0", RIGHT).file(path, drop_in), ANY).len(),
        1
    );
}

#[test]
fn what_is_imported_from_elsewhere_is_asked_of_containerd() {
    let main = format!("imports = [\"/opt/more.toml\"]\n{RIGHT}");
    let machine = with("1.7.24", &main);
    let why = "/opt/more.toml is imported, and was not read";
    assert_eq!(unknown("H001", &machine, ANY).as_deref(), Some(why));
    let dump = "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n";
    let asked = machine.containerd("1.7.24", Some(dump));
    let found = only("H001", &asked, CHOSEN);
    assert!(
        found[0].starts_with("Error Stays `disabled_plugins` of an imported file"),
        "{found:?}"
    );
}

#[test]
fn unknown_keys_are_found() {
    let machine = with(
        "1.7.24",
        &format!("enabled_plugins = [\"cri\"]\nOOM_score = 0\n{RIGHT}"),
    );
    assert_eq!(
        only("H002", &machine, ANY),
        [
            "Warning Stays /etc/containerd/config.toml sets `enabled_plugins`, which is no key of containerd: it has no effect"
        ]
    );
}

#[test]
fn other_formats_than_containerd_takes_it_for_are_found() {
    let grpc = "[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"x\"\n";
    let split = "[plugins.\"io.containerd.cri.v1.runtime\"]\nx = 1\n";
    for (version, text, found) in [
        (
            "1.7.24",
            grpc.to_owned(),
            "Warning Stays /etc/containerd/config.toml names no `version`, so it is read as format 1, and \
             [plugins.\"io.containerd.grpc.v1.cri\"] is ignored",
        ),
        (
            "2.1.9",
            "version = 1\n[plugins.cri]\nsandbox_image = \"x\"\n".to_owned(),
            "Warning Stays /etc/containerd/config.toml is in format 1, of which containerd 2.1.9 loses [plugins.cri]",
        ),
        (
            "1.7.24",
            format!("version = 2\n{split}"),
            "Warning Stays /etc/containerd/config.toml holds [plugins.\"io.containerd.cri.v1.runtime\"], which containerd \
             1.x ignores",
        ),
        (
            "1.7.24",
            "version = 2\ndisabled_plugins = [\"aufs\"]\n".to_owned(),
            "Error Stays /etc/containerd/config.toml is in format 2, in which `disabled_plugins` takes full names of \
             plugins, and `aufs` is none: containerd does not start with it",
        ),
        (
            "1.6.20",
            format!("version = 3\n{split}"),
            "Warning Stays /etc/containerd/config.toml is in format 3, whose tables containerd 1.6.20 ignores",
        ),
        (
            "1.7.24",
            "version = 3\n".to_owned(),
            "Error Stays /etc/containerd/config.toml is in format 3, which containerd 1.7.24 does not read: containerd does \
             not start with it",
        ),
        (
            "2.1.9",
            format!("version = 3\n{grpc}"),
            "Warning Stays /etc/containerd/config.toml is in format 3, in which \
             [plugins.\"io.containerd.grpc.v1.cri\"] is ignored but for its streaming server",
        ),
        (
            "2.1.9",
            "version = \"2\"\n".to_owned(),
            "Error Stays /etc/containerd/config.toml `version = \"2\"` is no format that hardstand knows: containerd does \
             not start with it",
        ),
    ] {
        // Without a runtime the same is a warning at most.
        let at_most = found.replace("Error", "Warning");
        assert_eq!(
            only("H003", &with(version, &text), ANY),
            [at_most],
            "{text}"
        );
    }
    let mended = only("H003", &with("1.7.24", grpc), CHOSEN);
    assert!(mended[0].starts_with("Warning Mended"), "{mended:?}");
    let stops = with("1.7.24", "version = 2\ndisabled_plugins = [\"cri\"]\n");
    let mended = only("H003", &stops, CHOSEN);
    assert!(mended[0].starts_with("Error Mended"), "{mended:?}");
    // The version is needed only where it decides.
    let nobody_knows = Machine::debian().file(CONFIG, "version = 3\n");
    assert_eq!(
        unknown("H003", &nobody_knows, ANY).as_deref(),
        Some("the version of containerd is not known")
    );
    assert_eq!(
        only("H003", &Machine::debian().file(CONFIG, grpc), ANY).len(),
        1
    );
}

#[test]
fn options_without_a_type_break_every_pod_of_containerd_1() {
    let text = RIGHT.replace("runtime_type = \"io.containerd.runc.v2\"\n", "");
    let message = "the handler `runc` of containerd 1.7.24 has `SystemdCgroup` and no `runtime_type`: containerd starts, and \
                   every pod fails";
    assert_eq!(
        only("H006", &with("1.7.24", &text), CHOSEN),
        [format!("Error Mended {message}")]
    );
    assert_eq!(
        only("H006", &with("1.7.24", &text), ANY),
        [format!("Warning Stays {message}")]
    );
    assert_eq!(only("H006", &with("2.1.9", &text), ANY), [""; 0]);
    let nobody_knows = Machine::debian().file(CONFIG, &text);
    assert!(unknown("H006", &nobody_knows, ANY).is_some());
}

#[test]
fn systemd_cgroup_without_effect_is_found() {
    let then = ": containerd manages cgroups itself, next to systemd";
    for (version, text, why) in [
        (
            "2.1.0",
            "version = 3\n".to_owned(),
            "`SystemdCgroup` of the handler `runc` is not set to true",
        ),
        (
            "2.1.0",
            RIGHT.replace("= true", "= \"true\""),
            "`SystemdCgroup` of the handler `runc` is \"true\", which is no boolean and counts for nothing",
        ),
        (
            "2.1.0",
            RIGHT.replace("version = 2", "version = 3"),
            "`plugins.io.containerd.grpc.v1.cri.containerd.runtimes.runc.options.SystemdCgroup` stands where containerd \
             does not read it",
        ),
        (
            "1.7.24",
            RIGHT.replace("version = 2\n", ""),
            "`plugins.io.containerd.grpc.v1.cri.containerd.runtimes.runc.options.SystemdCgroup` stands where containerd \
             does not read it",
        ),
    ] {
        let machine = with(version, &text);
        assert_eq!(
            only("H007", &machine, ANY),
            [format!("Warning Stays {why}{then}")]
        );
        assert_eq!(
            only(
                "H007",
                &machine,
                "runtime: { containerd: { cgroupDriver: cgroupfs } }"
            ),
            [""; 0]
        );
        let mended = only("H007", &machine, CHOSEN);
        assert!(mended[0].starts_with("Warning Mended"), "{mended:?}");
    }
    let other_init = with("2.1.0", "version = 3\n").facts(|facts| facts.init = Init::Other);
    assert_eq!(only("H007", &other_init, ANY), [""; 0]);
}

#[test]
fn mirrors_and_config_path_exclude_each_other() {
    let mirrors =
        "[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\nendpoint = []\n";
    let path = "[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n";
    let then = "containerd runs without its CRI, and no kubelet can use it";
    assert_eq!(
        only(
            "H008",
            &with("1.7.24", &format!("{RIGHT}{path}{mirrors}")),
            ANY
        ),
        [format!(
            "Warning Stays the configuration has `registry.mirrors` and a `config_path`: {then}"
        )]
    );
    let built_in = with("2.2.1", &format!("{RIGHT}{mirrors}"));
    assert_eq!(
        only("H008", &built_in, CHOSEN),
        [format!(
            "Error Stays the configuration has `registry.mirrors` and the `config_path` that containerd 2.2.1 has built in: \
             {then}"
        )]
    );
    assert_eq!(
        only("H008", &with("2.2.2", &format!("{RIGHT}{mirrors}")), ANY),
        [""; 0]
    );
    assert_eq!(
        only("H008", &with("1.7.24", &format!("{RIGHT}{path}")), ANY),
        [""; 0]
    );
}

#[test]
fn handlers_that_differ_are_found() {
    let nvidia = "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nvidia]\n\
                  runtime_type = \"io.containerd.runc.v2\"\n";
    let default =
        "[plugins.\"io.containerd.grpc.v1.cri\".containerd]\ndefault_runtime_name = \"nvidia\"\n";
    let message = "of the handlers that run runc, `runc` set `SystemdCgroup` and `nvidia` do not";
    assert_eq!(
        only("H023", &with("1.7.24", &format!("{RIGHT}{nvidia}")), ANY),
        [format!("Warning Stays {message}")]
    );
    assert_eq!(
        only(
            "H023",
            &with("2.1.9", &format!("{RIGHT}{nvidia}{default}")),
            CHOSEN
        ),
        [format!(
            "Warning Mended {message}; `nvidia` is that of pods that name none, and tells the kubelet cgroupfs"
        )]
    );
    let kata = nvidia
        .replace("runc.v2", "kata.v2")
        .replace("nvidia", "kata");
    assert_eq!(
        only("H023", &with("1.7.24", &format!("{RIGHT}{kata}")), ANY),
        [""; 0]
    );
}

#[test]
fn hostile_files_are_unknown_or_harmless() {
    for text in ["= =", "\u{1b}[31m", "version = 99999999999999999999"] {
        for id in ALL {
            assert_eq!(
                unknown(id, &with("1.7.24", text), ANY).as_deref(),
                Some("/etc/containerd/config.toml is not valid TOML"),
                "{id} {text}"
            );
        }
    }
    for text in [
        "version = []\nplugins = 1\nimports = 1\ndisabled_plugins = { cri = 1 }\n",
        "[[plugins]]\n[[plugins.cri]]\nSystemdCgroup = true\n",
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\ncontainerd = [1]\nregistry = \"x\"\ncni = 1\n",
        "\"\u{202e}\" = 1\n",
    ] {
        let _no_panic = all(&with("1.7.24", text), ANY);
        let _no_panic = all(&with("2.1.9", text), ANY);
    }
    let huge = with("1.7.24", RIGHT).with_file(CONFIG, |file| file.content = None);
    assert!(unknown("H001", &huge, ANY).is_some());
    let unread = Machine::debian().at(CONFIG, engine::question::FileState::Unreadable("no".into()));
    assert!(unknown("H001", &unread, ANY).is_some());
    let odd = with("two", RIGHT);
    assert!(unknown("H003", &odd, ANY).is_some());
}

#[test]
fn the_package_that_the_runtime_names_tells_the_version_after_the_plan() {
    let spec =
        "kubernetes: { version: '1.31' }\nruntime: { containerd: { package: containerd.io } }";
    let machine = Machine::debian()
        .directory("/etc/containerd")
        .unit("containerd.service", &[])
        .containerd("1.6.20", Some(""))
        .package("containerd", |package| {
            package.installed = Some("1.6.20~ds1-1".into());
        })
        .package("containerd.io", |package| {
            package.candidate = Some("1.7.24-1".into());
        });
    assert_eq!(
        only("H029", &machine, spec),
        [
            "Warning Mended containerd 1.6.20 is older than what containerd recommends for Kubernetes 1.31: 1.6.34"
        ]
    );
}
