//! Which runtimes go with a kubelet.

use super::*;
use crate::testing::compile;

fn with(package: &str, version: &str) -> Machine {
    Machine::debian().package(package, |package| package.installed = Some(version.into()))
}

#[test]
fn pins_are_judged_offline() {
    for (kubernetes, package, version, runtime, complaint) in [
        (
            "1.31",
            "containerd",
            "1.5.9~ds1-1",
            "containerd: {}",
            "H029 containerd 1.5.9 speaks only CRI v1alpha2, and a kubelet 1.31 speaks only CRI v1: the node cannot join",
        ),
        (
            "1.22",
            "containerd",
            "2.1.9-1",
            "containerd: {}",
            "H029 containerd 2.1.9 speaks only CRI v1, and a kubelet 1.22 speaks only CRI v1alpha2: the node cannot join",
        ),
        (
            "1.34",
            "containerd.io",
            "1.7.24-1",
            "containerd: {}",
            "H029 containerd 1.7.24 is older than what containerd recommends for Kubernetes 1.34: 1.7.28",
        ),
        (
            "1.36",
            "containerd",
            "1.7.30-1",
            "containerd: {}",
            "H029 containerd recommends no release of this branch for Kubernetes 1.36: 1.7.30",
        ),
        (
            "1.31",
            "cri-o",
            "1.28.1-1",
            "crio: {}",
            "H029 CRI-O 1.28 is meant for Kubernetes 1.28, and the node is prepared for 1.31",
        ),
        (
            "1.31",
            "cri-dockerd",
            "0.2.6",
            "docker: { criDockerd: {} }",
            "H029 cri-dockerd 0.2.6 speaks only CRI v1alpha2, and a kubelet 1.31 speaks only CRI v1: the node cannot join",
        ),
    ] {
        let spec = format!(
            "kubernetes: {{ version: '{kubernetes}' }}\npackages: [{{ name: {package}, version: '{version}' }}]\n\
             runtime: {{ {runtime} }}"
        );
        let (_, complaints) = compile(&spec);
        let told: Vec<_> = complaints
            .iter()
            .filter(|told| told.starts_with("H029"))
            .collect();
        assert_eq!(told, [complaint]);
    }
    let fine = "kubernetes: { version: '1.31' }\npackages: [{ name: containerd, version: 2.1.9-1 }]\nruntime: { containerd: {} }";
    assert_eq!(compile(fine).1, [""; 0]);
}

#[test]
fn hosts_are_judged_by_what_is_installed() {
    let any = "kubernetes: { version: '1.34' }";
    for (package, version, found) in [
        ("containerd", "2.1.9-1", None),
        ("containerd", "x", None),
        (
            "containerd",
            "1.5.18~ds1-1",
            Some(
                "Warning Stays containerd 1.5.18 speaks only CRI v1alpha2, and a kubelet 1.34 speaks only CRI v1: the node cannot join",
            ),
        ),
        (
            "containerd.io",
            "2.0.1-1",
            Some(
                "Warning Stays containerd 2.0.1 is older than what containerd recommends for Kubernetes 1.34: 2.0.6",
            ),
        ),
        (
            "cri-o",
            "1.30.1-1",
            Some(
                "Warning Stays CRI-O 1.30 is meant for Kubernetes 1.30, and the node is prepared for 1.34",
            ),
        ),
    ] {
        let expected: Vec<_> = found.into_iter().collect();
        assert_eq!(
            only("H029", &with(package, version), any),
            expected,
            "{package} {version}"
        );
    }
    for package in ["containerd", "cri-o"] {
        assert!(
            unknown("H029", &with(package, "x"), any).is_some(),
            "{package}"
        );
    }
    let chosen = format!("{any}\nruntime: {{ crio: {{}} }}");
    let found = only("H029", &with("cri-o", "1.19.0"), &chosen);
    assert!(
        found[0].starts_with("Error Stays CRI-O 1.19 speaks only"),
        "{found:?}"
    );
    let docker = format!("{any}\nruntime: {{ docker: {{ criDockerd: {{}} }} }}");
    let found = only("H029", &with("cri-dockerd", "0.2.6"), &docker);
    assert!(
        found[0].starts_with("Error Stays cri-dockerd 0.2.6"),
        "{found:?}"
    );
}

#[test]
fn the_kubelet_of_the_host_counts_where_the_spec_names_no_version() {
    let spec = "runtime: { containerd: {} }";
    let machine = with("containerd", "1.5.18").containerd("1.5.18", None);
    assert_eq!(only("H029", &machine, spec), [""; 0]);
    let kubelet = machine.package("kubelet", |package| {
        package.installed = Some("1.31.4-1.1".into());
    });
    assert_eq!(only("H029", &kubelet, spec).len(), 1);
}

#[test]
fn an_upgrade_mends_it() {
    let spec = "kubernetes: { version: '1.34' }\npackages: [{ name: containerd, version: 2.1.9-1 }]\nkubelet: { cgroupDriver: systemd }";
    let found = only("H029", &with("containerd", "1.7.24"), spec);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("Warning Mended"), "{found:?}");
}
