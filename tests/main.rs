//! End-to-end tests: the `hardstand` binary against real nodes, each with its own systemd, sshd and containerd.
//!
//! They need root and the lab (`tests/lab`), which `tests/run` prepares; elsewhere each says that it was skipped, and why.

#![expect(clippy::print_stderr, reason = "a test says why it was skipped")]

mod apply;
mod checks;
mod checks_kernel;
mod cluster;
mod containerd;
mod cri;
mod crio;
mod docker;
mod examples;
mod faults;
mod kubelet;
mod main_job;
mod packages;
mod powerless;
mod prerequisites;
mod support;
mod tidy;
mod trust;

/// A test file that is not in the list above would never run.
#[test]
fn every_test_file_is_listed() {
    let listed = include_str!("main.rs");
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests");
    for entry in std::fs::read_dir(tests).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let module = path.file_stem().unwrap().to_string_lossy().into_owned();
            let is_listed = module == "main" || listed.contains(&format!("\nmod {module};"));
            assert!(
                is_listed,
                "tests/{module}.rs is not listed in tests/main.rs"
            );
        }
    }
}
