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
