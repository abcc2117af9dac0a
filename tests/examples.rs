//! Every example is applied to real nodes, and then plans empty, before and after a reboot: those with containerd here,
//! those of other runtimes in the tests of each.

use std::path::{Path, PathBuf};

use crate::support::{EXAMPLES, Lab};

/// Examples in directories, with the test that applies each.
const ELSEWHERE: [(&str, &str); 6] = [
    ("cgroup-driver/node.yaml", include_str!("cluster.rs")),
    ("crio/node.yaml", include_str!("crio.rs")),
    ("docker/node.yaml", include_str!("docker.rs")),
    ("mirantis/node.yaml", include_str!("docker.rs")),
    ("off-docker/node.yaml", include_str!("cluster.rs")),
    (
        "quickstart/spec.yaml",
        include_str!("../examples/quickstart/run"),
    ),
];

/// Returns the specs in a directory, by name.
fn specs(directory: &Path) -> Vec<PathBuf> {
    let mut specs: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    specs.sort();
    specs
}

#[test]
fn every_example_is_applied_by_a_test() {
    let directories = std::fs::read_dir(EXAMPLES)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir());
    for spec in directories.flat_map(|directory| specs(&directory)) {
        let name = spec.strip_prefix(EXAMPLES).unwrap().to_str().unwrap();
        let (_, test) = ELSEWHERE
            .iter()
            .find(|(example, _)| *example == name)
            .unwrap_or_else(|| panic!("no test applies examples/{name}"));
        assert!(test.contains(name), "the test of examples/{name}");
    }
}

#[test]
fn every_example_converges_and_survives_a_reboot() {
    let Some(lab) = Lab::boot(&[
        "a=bookworm-containerd",
        "b=trixie-containerd",
        "c=sid-containerd",
    ]) else {
        return;
    };
    for node in ["a", "b", "c"] {
        lab.let_chrony_run(node);
    }
    let examples = specs(Path::new(EXAMPLES));
    assert!(!examples.is_empty());
    for example in examples {
        lab.converge(&example);
        lab.expect_no_changes(&example);
        for node in ["a", "b", "c"] {
            lab.lab("reboot", node);
            lab.wait_until(node, "systemctl is-active --quiet containerd");
            lab.wait_until(
                node,
                "! systemctl is-enabled --quiet chrony || systemctl is-active --quiet chrony",
            );
        }
        lab.expect_no_changes(&example);
    }
}
