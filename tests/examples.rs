//! Every example is applied to real nodes, and then plans empty, before and after a reboot.

use std::path::PathBuf;

use crate::support::{EXAMPLES, Lab};

fn examples() -> Vec<PathBuf> {
    let mut examples: Vec<_> = std::fs::read_dir(EXAMPLES)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    examples.sort();
    examples
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
    assert!(!examples().is_empty());
    for node in ["a", "b", "c"] {
        lab.let_chrony_run(node);
    }
    for example in examples() {
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
