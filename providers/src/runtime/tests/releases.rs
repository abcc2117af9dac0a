//! The tables of releases, whole: a row that is wrong sends a wrong image or a wrong refusal to a node.

use crate::containerd::ContainerdVersion;
use crate::crio::{CrioRelease, Pair, check_pair};
use crate::docker::version::{self, Version};
use crate::runtime::{KubernetesVersion, Spoken};

#[test]
fn each_has_its_pause_image() {
    for (minors, tag) in [
        (21..=21, "3.4.1"),
        (22..=22, "3.5"),
        (23..=23, "3.6"),
        (24..=24, "3.7"),
        (25..=25, "3.8"),
        (26..=30, "3.9"),
        (31..=33, "3.10"),
        (34..=35, "3.10.1"),
        (36..=36, "3.10.2"),
    ] {
        for minor in minors {
            let kubernetes: KubernetesVersion = format!("1.{minor}").parse().unwrap();
            let image = format!("registry.k8s.io/pause:{tag}");
            assert_eq!(kubernetes.pause_image(), Some(image), "kubeadm {minor}");
        }
    }
    for (release, tag) in [
        ("1.6.20", "3.6"),
        ("1.7.24", "3.8"),
        ("2.0.0", "3.10"),
        ("2.1.9", "3.10"),
        ("2.2.0", "3.10.1"),
        ("2.3.0", "3.10.2"),
    ] {
        let containerd = ContainerdVersion::parse(release).unwrap();
        assert_eq!(containerd.pause_tag(), Some(tag), "containerd {release}");
    }
    for (minors, tag) in [
        (20..=20, "3.2"),
        (21..=22, "3.5"),
        (23..=27, "3.6"),
        (28..=30, "3.9"),
        (31..=33, "3.10"),
        (34..=36, "3.10.1"),
    ] {
        for minor in minors {
            let crio = CrioRelease::parse(&format!("1.{minor}.1")).unwrap();
            assert_eq!(crio.pause_tag(), Some(tag), "CRI-O {minor}");
        }
    }
    for (release, tag) in [
        ("0.2.0", "3.1"),
        ("0.2.1", "3.6"),
        ("0.3.9", "3.6"),
        ("0.3.10", "3.9"),
        ("0.3.16", "3.9"),
        ("0.3.17", "3.10"),
        ("0.4.3", "3.10"),
    ] {
        let cri_dockerd = Version::parse(release).unwrap();
        assert_eq!(
            version::pause_tag(cri_dockerd),
            tag,
            "cri-dockerd {release}"
        );
    }
}

#[test]
fn each_speaks_its_versions_of_the_cri() {
    for (minor, spoken) in [
        (22, Spoken::V1Alpha2),
        (23, Spoken::Both),
        (25, Spoken::Both),
        (26, Spoken::V1),
    ] {
        let kubernetes: KubernetesVersion = format!("1.{minor}").parse().unwrap();
        assert_eq!(kubernetes.spoken(), spoken, "kubelet {minor}");
    }
    for (release, spoken) in [
        ("1.5.18", Spoken::V1Alpha2),
        ("1.6.0", Spoken::Both),
        ("1.7.24", Spoken::Both),
        ("2.0.0", Spoken::V1),
    ] {
        let containerd = ContainerdVersion::parse(release).unwrap();
        assert_eq!(containerd.spoken(), spoken, "containerd {release}");
    }
    for (release, spoken) in [
        ("1.19.0", Spoken::V1Alpha2),
        ("1.20.0", Spoken::Both),
        ("1.25.9", Spoken::Both),
        ("1.26.0", Spoken::V1),
    ] {
        let crio = CrioRelease::parse(release).unwrap();
        assert_eq!(crio.spoken(), spoken, "CRI-O {release}");
    }
    for (release, spoken) in [
        ("0.2.6", Spoken::V1Alpha2),
        ("0.3.0", Spoken::Both),
        ("0.3.21", Spoken::Both),
        ("0.3.22", Spoken::V1),
        ("0.4.1", Spoken::Both),
        ("0.4.2", Spoken::V1),
    ] {
        let cri_dockerd = Version::parse(release).unwrap();
        assert_eq!(
            version::spoken(cri_dockerd),
            spoken,
            "cri-dockerd {release}"
        );
    }
}

#[test]
fn a_kubelet_asks_for_the_driver_since_1_31() {
    for (minor, asks) in [(28, false), (30, false), (31, true), (34, true)] {
        let kubernetes: KubernetesVersion = format!("1.{minor}").parse().unwrap();
        assert_eq!(kubernetes.asks_runtime(), asks, "{minor}");
    }
}

#[test]
fn each_release_of_cri_o_takes_an_empty_monitor_cgroup_or_not() {
    for (minors, takes) in [
        (20..=20, true),
        (21..=21, false),
        (22..=25, true),
        (26..=32, false),
        (33..=36, true),
    ] {
        for minor in minors {
            let crio = CrioRelease::parse(&format!("1.{minor}.0")).unwrap();
            assert_eq!(crio.takes_empty_monitor_cgroup(), takes, "{minor}");
        }
    }
    assert_eq!(check_pair("cgroupfs", ""), Pair::DependsOnRelease);
    for (manager, monitor) in [
        ("systemd", "pod"),
        ("systemd", ""),
        ("systemd", "system.slice"),
        ("cgroupfs", "pod"),
    ] {
        assert_eq!(check_pair(manager, monitor), Pair::Valid);
    }
    for (manager, monitor) in [
        ("systemd", "kube"),
        ("cgroupfs", "system.slice"),
        ("cgroupfs", "kube"),
        ("none", "pod"),
    ] {
        assert!(matches!(check_pair(manager, monitor), Pair::Invalid(_)));
    }
}
