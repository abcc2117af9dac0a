//! Where containerd looks for CNI plugins.

use super::*;

const ANY: &str = "kubernetes: { version: '1.31' }";
const CHOSEN: &str = "runtime: { containerd: {} }";

fn with(package: &str, version: &str, directories: &str) -> Machine {
    let cni = "[plugins.\"io.containerd.grpc.v1.cri\".cni]";
    Machine::debian()
        .directory("/etc/containerd")
        .package(package, |package| package.installed = Some(version.into()))
        .file(
            "/etc/containerd/config.toml",
            &format!("version = 2\n{cni}\n{directories}\n"),
        )
}

/// What containerd says that its configuration comes to.
fn dump(directory: &str) -> String {
    format!("version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"{directory}\"\n")
}

#[test]
fn directories_without_opt_cni_bin_are_found() {
    let message = "containerd looks for CNI plugins in /usr/lib/cni, and networks put theirs into /opt/cni/bin: pods fail with \
                   \"failed to find plugin\"";
    let found = [format!("Warning Stays {message}")];
    let named = "bin_dir = \"/usr/lib/cni\"";
    assert_eq!(
        only("H027", &with("containerd.io", "1.7.24", named), ANY),
        found
    );
    // Debian builds it in, until 2.1 knows several.
    assert_eq!(only("H027", &with("containerd", "1.7.24", ""), ANY), found);
    assert_eq!(only("H027", &with("containerd", "2.1.9", ""), ANY), [""; 0]);
    assert_eq!(
        only("H027", &with("containerd.io", "1.7.24", ""), ANY),
        [""; 0]
    );
    for fine in [
        "bin_dir = \"/opt/cni/bin/\"",
        "bin_dirs = [\"/usr/lib/cni\", \"/opt/cni/bin\"]",
    ] {
        assert_eq!(
            only("H027", &with("containerd", "2.1.9", fine), ANY),
            [""; 0],
            "{fine}"
        );
    }
}

#[test]
fn what_containerd_says_of_itself_is_not_guessed_at() {
    let machine =
        |directory| with("containerd", "1.7.24", "").containerd("1.7.24", Some(&dump(directory)));
    assert_eq!(only("H027", &machine("/opt/cni/bin"), CHOSEN), [""; 0]);
    // The plan rewrites the file, and the directories stay those that are built in.
    assert!(only("H027", &machine("/usr/lib/cni"), CHOSEN)[0].starts_with("Warning Stays"));
    let silent = with("containerd", "1.7.24", "").containerd("1.7.24", None);
    assert_eq!(
        unknown("H027", &silent, CHOSEN).as_deref(),
        Some("what containerd makes of its configuration is not known")
    );
    let ubuntu = with("containerd", "1.7.24", "").facts(|facts| facts.os_id = "ubuntu".into());
    assert_eq!(
        unknown("H027", &ubuntu, ANY).as_deref(),
        Some("where the containerd of the package containerd looks for CNI plugins is not known")
    );
}

#[test]
fn the_spec_mends_it_or_knows_better() {
    let machine =
        with("containerd", "1.7.24", "").containerd("1.7.24", Some(&dump("/usr/lib/cni")));
    let mended = "runtime: { containerd: { cni: { binDirs: [/opt/cni/bin] } } }";
    assert!(only("H027", &machine, mended)[0].starts_with("Warning Mended"));
    let meant = "runtime: { containerd: { cni: { binDirs: [/usr/lib/cni] } } }";
    assert_eq!(only("H027", &machine, meant), [""; 0]);
}
