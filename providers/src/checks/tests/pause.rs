//! The pause image that a host's runtime uses.

use super::*;
use crate::testing::compile;

const ANY: &str = "kubernetes: { version: '1.31' }";
const CONFIG: &str = "/etc/containerd/config.toml";

fn containerd(version: &str, text: &str) -> Machine {
    Machine::debian()
        .directory("/etc/containerd")
        .package("containerd", |package| {
            package.installed = Some(version.into());
        })
        .file(CONFIG, text)
}

#[test]
fn the_image_of_containerd_is_compared() {
    let image = |image: &str| {
        format!(
            "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"{image}\"\n"
        )
    };
    assert_eq!(
        only(
            "H013",
            &containerd("1.7.24", &image("mirror/pause:3.10")),
            ANY
        ),
        [""; 0]
    );
    assert_eq!(only("H013", &Machine::debian(), ANY), [""; 0]);
    assert_eq!(
        only(
            "H013",
            &containerd("1.7.24", &image("mirror/pause:3.6")),
            ANY
        ),
        [
            "Warning Stays containerd uses the pause image `mirror/pause:3.6`, and kubeadm of Kubernetes 1.31 pulls \
          `registry.k8s.io/pause:3.10`"
        ]
    );
    let built_in = containerd("1.7.24", "version = 2\n");
    assert_eq!(
        only("H013", &built_in, ANY),
        [
            "Warning Stays containerd uses the pause image `registry.k8s.io/pause:3.8`, and kubeadm of Kubernetes 1.31 pulls \
          `registry.k8s.io/pause:3.10`"
        ]
    );
    let asked = built_in.containerd("1.7.24", Some(&image("registry.k8s.io/pause:3.8")));
    let mended = only(
        "H013",
        &asked,
        &format!("{ANY}\nruntime: {{ containerd: {{}} }}"),
    );
    assert!(mended[0].starts_with("Warning Mended"), "{mended:?}");
    assert_eq!(
        unknown("H013", &containerd("2.9.0", "version = 3\n"), ANY).as_deref(),
        Some("the pause image that containerd has built in is not known")
    );
    // The spec's own choice is judged with the spec.
    let chosen = format!("{ANY}\nruntime: {{ containerd: {{ sandboxImage: 'a/pause:3.6' }} }}");
    assert_eq!(only("H013", &asked, &chosen), [""; 0]);
    let (_, complaints) = compile(&chosen);
    assert_eq!(
        complaints,
        ["H013 the pause image `a/pause:3.6` is not the one of Kubernetes 1.31"]
    );
}

#[test]
fn the_images_of_other_runtimes_are_compared() {
    let crio = |text: &str| {
        Machine::debian()
            .package("cri-o", |package| package.installed = Some("1.28.1".into()))
            .file("/etc/crio/crio.conf.d/10-crio.conf", text)
    };
    assert_eq!(
        only("H013", &crio(""), ANY),
        [
            "Warning Stays CRI-O uses the pause image `registry.k8s.io/pause:3.9`, and kubeadm of Kubernetes 1.31 pulls \
          `registry.k8s.io/pause:3.10`"
        ]
    );
    assert_eq!(
        only(
            "H013",
            &crio("[crio.image]\npause_image = \"x:3.10\"\n"),
            ANY
        ),
        [""; 0]
    );
    let cri_dockerd = |flags: &str| {
        Machine::debian()
            .unit("docker.service", &[])
            .package("cri-dockerd", |package| {
                package.installed = Some("0.3.10".into());
            })
            .file(
                "/usr/lib/systemd/system/cri-docker.service",
                &format!("[Service]\nExecStart=/usr/bin/cri-dockerd {flags}\n"),
            )
    };
    let docker = format!("{ANY}\nruntime: {{ docker: {{ criDockerd: {{}} }} }}");
    let fine = cri_dockerd("--pod-infra-container-image=x:3.10");
    assert_eq!(only("H013", &fine, &docker), [""; 0]);
    for (flags, image) in [
        ("--pod-infra-container-image x:3.1", "x:3.1"),
        ("--pod-infra-container-image", "registry.k8s.io/pause:3.9"),
        ("", "registry.k8s.io/pause:3.9"),
    ] {
        assert_eq!(
            only("H013", &cri_dockerd(flags), &docker),
            [format!(
                "Warning Mended cri-dockerd uses the pause image `{image}`, and kubeadm of Kubernetes 1.31 pulls \
                 `registry.k8s.io/pause:3.10`"
            )]
        );
    }
}
