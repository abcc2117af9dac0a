//! containerd on real nodes: a broken configuration never stays, and each release gets its own config version.

use crate::support::{Lab, run};

#[test]
fn a_configuration_that_containerd_cannot_load_is_undone() {
    let Some(lab) = Lab::boot(&["a=trixie-containerd"]) else {
        return;
    };
    // A drop-in directory that is imported and holds a table that kills the CRI plugin once config_path is set.
    let _mirrors = lab.ask(
        "a",
        "mkdir -p /etc/containerd/more && cat > /etc/containerd/more/m.toml <<'EOT'\nversion = 2\n\
         [plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\nendpoint = [\"https://example.invalid\"]\n\
         [plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\nEOT\n",
    );
    let before = lab.ask("a", "cat /etc/containerd/config.toml");
    let spec = lab.spec(
        "files:\n  - path: /etc/containerd/config.toml\n    mode: \"0644\"\n    content: |\n      version = 2\n      \
         imports = [\"/etc/containerd/more/*.toml\"]\n    notifies: [service/containerd.service]\n\
         services:\n  - { name: containerd.service, active: true, criSocket: /run/containerd/containerd.sock }",
    );
    let applied = run(lab.hardstand("apply", &spec).arg("--yes"));
    assert_eq!(applied.code, Some(6), "{applied:#?}");
    assert_eq!(lab.ask("a", "cat /etc/containerd/config.toml"), before);
    assert_eq!(lab.ask("a", "systemctl is-active containerd"), "active");
    let plugins = lab.ask("a", "ctr plugins ls");
    assert!(
        plugins
            .lines()
            .filter(|line| line.contains(" cri "))
            .all(|line| line.trim_end().ends_with("ok")),
        "{plugins}"
    );
}

#[test]
fn a_file_that_is_not_toml_is_refused_before_anything_is_written() {
    let Some(lab) = Lab::boot(&["a=trixie-containerd"]) else {
        return;
    };
    let _broken = lab.ask(
        "a",
        "printf 'version = 2\\nversion = 2\\n' > /etc/containerd/config.toml",
    );
    let spec = lab.spec("runtime: { containerd: {} }");
    let applied = run(lab.hardstand("apply", &spec).arg("--yes"));
    assert_eq!(applied.code, Some(1), "{applied:#?}");
    assert!(
        applied.stdout.contains("/etc/containerd/config.toml"),
        "{applied:#?}"
    );
    assert_eq!(
        lab.ask("a", "cat /etc/containerd/config.toml"),
        "version = 2\nversion = 2"
    );
    assert_eq!(lab.ask("a", "systemctl is-active containerd"), "active");
}

#[test]
fn comments_and_foreign_keys_stay() {
    let Some(lab) = Lab::boot(&["a=bookworm-containerd", "b=sid-containerd"]) else {
        return;
    };
    let spec = lab.spec("runtime: { containerd: {} }");
    for node in ["a", "b"] {
        let _comment = lab.ask(node, "printf '\\n# keep me\\n[debug]\\n  level = \"warn\"\\n' >> /etc/containerd/config.toml");
    }
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    for node in ["a", "b"] {
        let config = lab.ask(node, "cat /etc/containerd/config.toml");
        assert!(
            config.contains("# keep me") && config.contains("level = \"warn\""),
            "{node}: {config}"
        );
        assert!(
            lab.ask(node, "containerd config dump")
                .contains("SystemdCgroup = true"),
            "{node}"
        );
    }
}

/// Writes a main file that imports what is named.
fn import(lab: &Lab, node: &str, import: &str) {
    let text = format!("version = 2\\nimports = [\"{import}\"]\\n");
    let _written = lab.ask(
        node,
        &format!("printf '{text}' > /etc/containerd/config.toml"),
    );
}

#[test]
fn what_an_import_would_undo_is_refused_before_anything_is_written() {
    let images = [
        "a=bookworm-containerd",
        "b=trixie-containerd",
        "c=sid-containerd",
    ];
    let Some(lab) = Lab::boot(&images) else {
        return;
    };
    let spec = lab.spec("runtime: { containerd: { prerequisites: false } }");
    let expect_refused = |says: &str| {
        let applied = run(lab.hardstand("apply", &spec).arg("--yes"));
        assert_eq!(applied.code, Some(1), "{applied:#?}");
        assert_eq!(applied.stdout.matches(says).count(), 3, "{applied:#?}");
        for node in ["a", "b", "c"] {
            let config = lab.ask(node, "cat /etc/containerd/config.toml");
            assert_eq!(config.lines().count(), 2, "{node}: {config}");
        }
    };
    for node in ["a", "b", "c"] {
        import(&lab, node, "/etc/containerd/extra.toml");
    }
    expect_refused("imports /etc/containerd/extra.toml, which containerd cannot load");

    let cri = "plugins.\"io.containerd.grpc.v1.cri\".containerd";
    let drop_in = format!(
        "version = 2\n[{cri}]\ndefault_runtime_name = \"nvidia\"\n[{cri}.runtimes.nvidia]\nruntime_type = \
         \"io.containerd.runc.v2\"\n[{cri}.runtimes.nvidia.options]\nBinaryName = \"/usr/bin/nvidia-container-runtime\"\n"
    );
    for node in ["a", "b", "c"] {
        import(&lab, node, "/etc/containerd/conf.d/*.toml");
        let _nvidia = lab.ask(
            node,
            &format!("mkdir -p /etc/containerd/conf.d && cat > /etc/containerd/conf.d/99-nvidia.toml <<'EOT'\n{drop_in}EOT\n"),
        );
    }
    expect_refused("an import overrides it (/etc/containerd/conf.d/99-nvidia.toml)");

    // containerd 1.x would still take the whole table of the drop-in; 2.x merges.
    let _mended = lab.ask(
        "c",
        "echo 'SystemdCgroup = true' >> /etc/containerd/conf.d/99-nvidia.toml",
    );
    let on = |command: &str| {
        let mut hardstand = lab.hardstand(command, &spec);
        hardstand.args(["--limit", "c"]);
        hardstand
    };
    let applied = run(on("apply").arg("--yes"));
    assert_eq!(applied.code, Some(0), "{applied:#?}");
    let planned = run(on("plan").arg("--detailed-exitcode"));
    assert_eq!(planned.code, Some(0), "{planned:#?}");
}
