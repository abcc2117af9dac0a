//! Tests of crictl's configuration.

use crate::testing::{Machine, compile, written};

#[test]
fn the_endpoint_follows_the_runtime() {
    for (spec, expected) in [
        (
            "runtime: {containerd: {}}\ncrictl: {}",
            "runtime-endpoint: unix:///run/containerd/containerd.sock\n\
             image-endpoint: unix:///run/containerd/containerd.sock\n",
        ),
        (
            "runtime: {containerd: {socket: /run/k.sock}}\ncrictl: {timeout: 10, debug: false}",
            "runtime-endpoint: unix:///run/k.sock\nimage-endpoint: unix:///run/k.sock\ntimeout: 10\ndebug: false\n",
        ),
        (
            "runtime: {crio: {}}\ncrictl: {debug: true}",
            "runtime-endpoint: unix:///run/crio/crio.sock\nimage-endpoint: unix:///run/crio/crio.sock\ndebug: true\n",
        ),
        (
            "runtime: {docker: {criDockerd: }}\ncrictl: ",
            "runtime-endpoint: unix:///run/cri-dockerd.sock\nimage-endpoint: unix:///run/cri-dockerd.sock\n",
        ),
        (
            "runtime: {mirantis: {criDockerd: {socket: /run/m.sock}}}\ncrictl: {imageEndpoint: /run/i.sock}",
            "runtime-endpoint: unix:///run/m.sock\nimage-endpoint: unix:///run/i.sock\n",
        ),
        (
            "crictl: {runtimeEndpoint: 'unix:///run/other.sock'}",
            "runtime-endpoint: unix:///run/other.sock\nimage-endpoint: unix:///run/other.sock\n",
        ),
    ] {
        let plan = Machine::debian().plan(spec);
        let text = written(&plan, "/etc/crictl.yaml");
        let (_header, text) = text.split_once('\n').unwrap();
        assert_eq!(text, expected, "{spec}");
        assert!(serde_yaml::from_str::<serde_yaml::Value>(text).is_ok());
    }
}

#[test]
fn a_file_of_others_is_replaced_and_nothing_restarts() {
    let mut host = Machine::debian().file("/etc/crictl.yaml", "debug: true\n");
    let plan = host.converge("crictl: {runtimeEndpoint: /run/x.sock}");
    let changes: Vec<_> = plan
        .changes
        .iter()
        .map(|c| c.resource.to_string())
        .collect();
    assert_eq!(changes, ["file//etc/crictl.yaml"]);
}

#[test]
fn what_is_wrong_is_said() {
    for (spec, expected) in [
        ("crictl: {}", &["E260 crictl has no runtime to ask"][..]),
        (
            "runtime: {docker: {}}\ncrictl: {}",
            &["E260 crictl has no runtime to ask"],
        ),
        (
            "crictl: {runtimeEndpoint: 'tcp://10.0.0.1:1', imageEndpoint: '/run/a #b'}",
            &[
                "E127 `/run/a #b` is not the socket of a runtime",
                "E127 `tcp://10.0.0.1:1` is not the socket of a runtime",
            ],
        ),
        (
            "crictl: {runtimeEndpoint: /run/x}\nfiles: [{path: /etc/crictl.yaml, content: x}]",
            &["E201 `file//etc/crictl.yaml` is managed twice"],
        ),
    ] {
        assert_eq!(compile(spec).1, expected, "{spec}");
    }
}
