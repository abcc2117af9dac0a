//! Every check: the bad state in, the finding out; and the good state passes.

mod bridge;
mod cni;
mod containerd;
mod cri;
mod cri_version;
mod crio;
mod docker;
mod limits;
mod pause;

use super::*;
use crate::testing::Machine;

/// What a spec says of one machine, each as `ID standing message`.
pub(super) fn found(machine: &Machine, spec: &str) -> Vec<String> {
    let checked = machine.plan(spec).checks;
    checked
        .findings
        .iter()
        .map(|finding| {
            format!(
                "{} {:?} {}",
                finding.check, finding.standing, finding.message
            )
        })
        .collect()
}

/// Returns a spec that ignores all checks but one, so that none tells for it.
fn alone(id: &str, spec: &str) -> String {
    let others = known_ids().into_iter().filter(|known| *known != id);
    let ignored: Vec<_> = others
        .map(|other| format!("{other}: it is apart"))
        .collect();
    format!("{spec}\nchecks: {{ ignore: {{ {} }} }}", ignored.join(", "))
}

/// As [`found`], of one check alone, each as `severity standing message`.
fn only(id: &str, machine: &Machine, spec: &str) -> Vec<String> {
    let checked = machine.plan(&alone(id, spec)).checks;
    checked
        .findings
        .iter()
        .filter(|finding| finding.check.as_str() == id)
        .map(|finding| {
            format!(
                "{:?} {:?} {}",
                finding.severity, finding.standing, finding.message
            )
        })
        .collect()
}

/// What a check alone finds on a machine, each as `ID standing message`.
pub(super) fn found_by(check: &str, machine: &Machine, spec: &str) -> Vec<String> {
    let found = found(machine, &alone(check, spec)).into_iter();
    found.filter(|line| line.starts_with(check)).collect()
}

/// Why a check of a machine cannot be made.
pub(super) fn unknown(check: &str, machine: &Machine, spec: &str) -> Option<String> {
    let unknown = machine.plan(spec).checks.unknown.into_iter();
    let mut reasons = unknown.filter(|unjudged| unjudged.check.as_str() == check);
    Some(reasons.next()?.reason)
}

/// Returns a machine with a kubelet as kubeadm sets it up, and with some lines in its config file.
pub(super) fn with_kubelet(machine: Machine, config: &str) -> Machine {
    machine
        .directory("/var/lib/kubelet")
        .file(
            "/var/lib/kubelet/config.yaml",
            &format!("kind: KubeletConfiguration\n{config}"),
        )
        .file(
            "/usr/lib/systemd/system/kubelet.service",
            "[Service]\nExecStart=/usr/bin/kubelet\n",
        )
        .file(
            "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf",
            "[Service]\n\
             Environment=\"KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml\"\n\
             EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\n\
             EnvironmentFile=-/etc/default/kubelet\n\
             ExecStart=\n\
             ExecStart=/usr/bin/kubelet $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS\n",
        )
        .unit("kubelet.service", &[])
}

#[test]
fn rules_have_ids_titles_and_pages_of_their_own() {
    let rules = rules();
    let ids: BTreeSet<_> = rules.iter().map(Rule::check_id).collect();
    assert_eq!(ids.len(), rules.len(), "an id is used twice");
    for rule in &rules {
        let heading = format!("# {}: {}\n", rule.id, rule.title);
        assert!(rule.page.starts_with(&heading), "{}: {heading}", rule.id);
        for part in ["\nSeverity: ", "\n## How to mend it\n", "\n## Ignore it\n"] {
            assert!(rule.page.contains(part), "{}: {part}", rule.id);
        }
        assert!(!rule.title.ends_with('.'), "{}", rule.id);
    }
}

#[test]
fn several_sockets_are_found() {
    use engine::question::FileState;
    let spec = "kubernetes: { version: '1.31' }";
    let socket = || FileState::Other("socket".into());
    let one = Machine::debian().at("/run/containerd/containerd.sock", socket());
    let found = |machine: &Machine, spec: &str| -> Vec<String> {
        let found = found(machine, spec).into_iter();
        found.filter(|line| line.starts_with("H012")).collect()
    };
    assert_eq!(found(&one, spec), [""; 0]);
    let two = one.at("/run/crio/crio.sock", socket());
    assert_eq!(
        found(&two, spec),
        [
            "H012 Stays there are several CRI sockets: /run/containerd/containerd.sock, /run/crio/crio.sock"
        ]
    );
    let ignored = format!("{spec}\nchecks: {{ ignore: {{ H012: on purpose }} }}");
    let checked = two.plan(&ignored).checks;
    let mut findings = checked.findings.iter();
    let finding = findings
        .find(|finding| finding.check.as_str() == "H012")
        .unwrap();
    assert_eq!(finding.ignored.as_deref(), Some("on purpose"));
    assert!(!finding.blocks());
}

#[test]
fn repositories_that_are_gone_are_found() {
    let spec = "packages: []";
    let host = Machine::debian();
    assert_eq!(found(&host, spec), [""; 0]);
    let list = |line: &str| Machine::debian().file("/etc/apt/sources.list.d/kubernetes.list", line);
    let commented = list("# deb https://apt.kubernetes.io/ kubernetes-xenial main\n");
    assert_eq!(found(&commented, spec), [""; 0]);
    let old = list("deb https://apt.kubernetes.io/ kubernetes-xenial main\n");
    let message = "`/etc/apt/sources.list.d/kubernetes.list` names apt.kubernetes.io, which was frozen in 2023 and is gone since 2024";
    assert_eq!(found(&old, spec), [format!("H060 Stays {message}")]);
    let mended =
        "files: [{path: /etc/apt/sources.list.d/kubernetes.list, state: absent}]\npackages: []";
    assert_eq!(found(&old, mended), [format!("H060 Mended {message}")]);
    let rpm = Machine::debian().file(
        "/etc/yum.repos.d/kubernetes.repo",
        "[kubernetes]\nbaseurl=https://packages.cloud.google.com/yum/repos/kubernetes-el7-x86_64\n",
    );
    assert_eq!(found(&rpm, spec).len(), 1);
}

/// What the checks of a spec ask besides its resources.
fn asked_by_checks(spec: &str) -> BTreeSet<Question> {
    let (graph, _) = crate::testing::compile(spec);
    let resources = graph.nodes().flat_map(|node| node.questions.iter());
    let resources: BTreeSet<_> = resources.collect();
    let asked = graph.checks().iter().flat_map(|check| check.questions());
    asked
        .filter(|question| !resources.contains(question))
        .collect()
}

#[test]
fn checks_ask_for_nothing_that_takes_a_process_of_its_own() {
    let kubelet = "kubernetes: { version: '1.31' }\nkubelet: { failSwapOn: true }";
    let is_package =
        |question: &Question| matches!(question, Question::Package(_) | Question::Installed(_));
    for runtime in ["containerd: {}", "crio: {}", "docker: { criDockerd: {} }"] {
        let asked = asked_by_checks(&format!("{kubelet}\nruntime: {{ {runtime} }}"));
        // apt or dnf would look for what could be installed.
        let looks = |question: &Question| matches!(question, Question::Package(_));
        assert!(!asked.iter().any(looks), "{runtime}: {asked:#?}");
        if runtime.starts_with("containerd") {
            assert!(!asked.iter().any(is_package), "{asked:#?}");
            let others = |question: &Question| {
                matches!(question, Question::Kubelet(_) | Question::Repository(_))
            };
            assert!(!asked.iter().any(others), "{asked:#?}");
        }
    }
    // Where a plan may install them, only they tell what will be there.
    let installs =
        format!("{kubelet}\nruntime: {{ containerd: {{}} }}\npackages: [{{ name: curl }}]");
    assert!(asked_by_checks(&installs).iter().any(is_package));
}

/// The ids of what is found on a machine, each once.
fn ids(machine: &Machine, spec: &str) -> BTreeSet<String> {
    let found = found(machine, spec);
    found.iter().map(|line| line[..4].to_owned()).collect()
}

#[test]
fn what_follows_from_another_finding_is_not_told_beside_it() {
    use engine::question::{CriState, FileState};
    const CONFIG: &str = "/etc/containerd/config.toml";
    let spec = "runtime: { containerd: {} }\nkubernetes: { version: '1.31' }";
    let silent = |config: &str| {
        let mut machine = Machine::debian()
            .directory("/etc/containerd")
            .file(CONFIG, config)
            .containerd("1.7.24", Some(config));
        machine.cri = CriState::NotServed("unknown service".into());
        machine
    };
    // A disabled CRI is why it does not answer.
    let disabled = silent("version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n");
    let told = ids(&disabled, spec);
    assert!(told.contains("H001") && !told.contains("H034"), "{told:?}");
    // Nothing tells why.
    let told = ids(&silent("version = 2\n"), spec);
    assert!(told.contains("H034"), "{told:?}");
    // Who ignores the cause still hears of what follows.
    let ignoring = format!("{spec}\nchecks: {{ ignore: {{ H001: on purpose }} }}");
    let checked = disabled.plan(&ignoring).checks;
    let mut findings = checked.findings.iter();
    assert!(findings.any(|finding| finding.check.as_str() == "H034" && finding.ignored.is_none()));

    // A runtime that is enabled besides brings its socket.
    let socket = || FileState::Other("socket".into());
    let sockets = Machine::debian()
        .at("/run/containerd/containerd.sock", socket())
        .at("/run/crio/crio.sock", socket())
        .unit("containerd.service", &[]);
    assert!(ids(&sockets, spec).contains("H012"));
    let both = sockets.unit("crio.service", &[]);
    let told = ids(&both, spec);
    assert!(told.contains("H031") && !told.contains("H012"), "{told:?}");
    // What the plan mends tells for nothing that it leaves.
    let mended =
        format!("{spec}\nservices: [{{ name: crio.service, enabled: false, active: false }}]");
    let told = found(&both, &mended);
    assert!(
        told.iter().any(|line| line.starts_with("H031 Mended")),
        "{told:#?}"
    );
    assert!(
        told.iter().any(|line| line.starts_with("H012 Stays")),
        "{told:#?}"
    );

    // A kubelet with systemd and a containerd without: containerd's file is why.
    let kubelet = "kubernetes: { version: '1.30' }\nkubelet: { failSwapOn: true }";
    let machine = Machine::debian()
        .directory("/etc/containerd")
        .file(CONFIG, "version = 2\n")
        .unit("containerd.service", &[]);
    let machine =
        with_kubelet(machine, "cgroupDriver: systemd\n").file("/etc/kubernetes/kubelet.conf", "");
    let told = ids(&machine, kubelet);
    assert!(told.contains("H007") && !told.contains("H004"), "{told:?}");
}

/// A node as kubeadm 1.34 leaves it, with the file that `containerd config default` prints, edited as the tutorials do.
fn healthy_node() -> Machine {
    const CONFIG: &str = "\
        disabled_plugins = []\nimports = []\noom_score = 0\nrequired_plugins = []\nroot = \"/var/lib/containerd\"\nversion = 2\n\
        [plugins.\"io.containerd.grpc.v1.cri\"]\n\
        sandbox_image = \"registry.k8s.io/pause:3.10.1\"\n\
        [plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"/opt/cni/bin\"\n\
        [plugins.\"io.containerd.grpc.v1.cri\".containerd]\ndefault_runtime_name = \"runc\"\n\
        [plugins.\"io.containerd.grpc.v1.cri\".containerd.default_runtime]\nruntime_type = \"\"\n\
        [plugins.\"io.containerd.grpc.v1.cri\".containerd.default_runtime.options]\n\
        [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n\
        runtime_type = \"io.containerd.runc.v2\"\n\
        [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n\
        BinaryName = \"\"\nSystemdCgroup = true\n\
        [plugins.\"io.containerd.grpc.v1.cri\".containerd.untrusted_workload_runtime]\nruntime_type = \"\"\n\
        [plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n\
        [plugins.\"io.containerd.grpc.v1.cri\".registry.auths]\n\
        [plugins.\"io.containerd.grpc.v1.cri\".registry.configs]\n\
        [plugins.\"io.containerd.grpc.v1.cri\".registry.headers]\n\
        [plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors]\n";
    let kubelet = "cgroupDriver: systemd\ncontainerRuntimeEndpoint: \"\"\n";
    let machine = Machine::debian()
        .directory("/etc/containerd")
        .file("/etc/containerd/config.toml", CONFIG)
        .containerd("1.7.29", Some(CONFIG))
        .cri("containerd", "1.7.29")
        .at(
            "/run/containerd/containerd.sock",
            engine::question::FileState::Other("socket".into()),
        )
        .unit("chrony.service", &[])
        .module("overlay", |module| module.loaded = true)
        .module("br_netfilter", |module| module.loaded = true)
        .file("/etc/modules-load.d/k8s.conf", "overlay\nbr_netfilter\n")
        .file(
            "/etc/sysctl.d/k8s.conf",
            "net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\n",
        )
        .sysctl("net.ipv4.ip_forward", "1")
        .sysctl("net.bridge.bridge-nf-call-iptables", "1")
        .sysctl("net.bridge.bridge-nf-call-ip6tables", "1")
        .sysctl("fs.inotify.max_user_instances", "8192")
        .sysctl("fs.nr_open", "1048576");
    with_kubelet(machine, kubelet)
        .file("/etc/kubernetes/kubelet.conf", "")
        .file(
            "/var/lib/kubelet/kubeadm-flags.env",
            "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///var/run/containerd/containerd.sock \
             --pod-infra-container-image=registry.k8s.io/pause:3.10.1\"\n",
        )
}

#[test]
fn nothing_is_found_on_a_healthy_node() {
    let node = healthy_node();
    for spec in [
        "kubernetes: { version: '1.34' }",
        "kubernetes: { version: '1.34' }\nkubelet: { failSwapOn: true }",
        "kubernetes: { version: '1.34' }\nruntime: { containerd: {} }",
    ] {
        let checked = node.plan(spec).checks;
        assert_eq!(checked.findings, [], "{spec}");
        let unknown: Vec<_> = checked.unknown.iter().collect();
        assert!(unknown.is_empty(), "{spec}: {unknown:#?}");
    }
    // The next version may warn, and keeps nothing from being applied.
    let next = "kubernetes: { version: '1.35' }\nruntime: { containerd: {} }";
    assert_eq!(node.plan(next).checks.refusal(), None);
}
