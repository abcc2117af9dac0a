//! Tests of the kubelet's configuration.

use std::collections::BTreeMap;

use engine::plan::Verdict;
use engine::question::{CriCgroupDriver, CriRuntime, CriRuntimeConfig, CriState, FileState};
use engine::step::{Disruption, Step};

use super::config::{Config, ConfigError};
use super::field::Field;
use crate::testing::{Machine, change, compile, summary};

const SPEC: &str = "kubelet: {cgroupDriver: systemd}";
const PATH: &str = "/var/lib/kubelet/config.yaml";
const KIND: &str = "kind: KubeletConfiguration\n";
const ID: &str = "kubelet//var/lib/kubelet/config.yaml";
const SERVICE: &str = "service/kubelet.service: ";
const UNIT: &str = "/usr/lib/systemd/system/kubelet.service";
const KUBEADM: &str = "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf";
const FLAGS_ENV: &str = "/var/lib/kubelet/kubeadm-flags.env";
const DEFAULTS: &str = "/etc/default/kubelet";
const DIRECTORY: &str = "/etc/kubernetes/kubelet.conf.d";
const DROP_IN: &str = "/etc/kubernetes/kubelet.conf.d/99-hardstand.conf";

/// Returns a host with a kubelet, whose unit is not to be read, and with a config file.
fn host(text: &str) -> Machine {
    Machine::debian()
        .directory("/var/lib/kubelet")
        .file(PATH, text)
        .unit("kubelet.service", &[])
}

/// Returns a host with a kubelet as kubeadm sets it up.
fn kubeadm(text: &str) -> Machine {
    host(text)
        .file(UNIT, "[Service]\nExecStart=/usr/bin/kubelet\n")
        .file(
            KUBEADM,
            "[Service]\n\
             Environment=\"KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml\"\n\
             EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\n\
             EnvironmentFile=-/etc/default/kubelet\n\
             ExecStart=\n\
             ExecStart=/usr/bin/kubelet $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS\n",
        )
}

/// Returns what keeps a host from being planned, and how to mend it.
#[track_caller]
fn refusal(host: &Machine, spec: &str) -> (String, String) {
    let plan = host.plan(spec);
    let unplanned = plan
        .unplanned
        .iter()
        .find(|unplanned| unplanned.resource.kind() == "kubelet")
        .unwrap_or_else(|| panic!("not refused: {plan:#?}"));
    assert_eq!(unplanned.verdict, Verdict::Refused, "{unplanned:?}");
    (
        unplanned.reason.clone(),
        unplanned.help.clone().unwrap_or_default(),
    )
}

fn answers(driver: CriRuntimeConfig) -> CriState {
    CriState::Answers(CriRuntime {
        name: "containerd".into(),
        version: "2.1.0".into(),
        api_version: "v1".into(),
        runtime_ready: None,
        network_ready: None,
        config: driver,
    })
}

fn settings(fields: &[(Field, &str)]) -> BTreeMap<Field, String> {
    fields
        .iter()
        .map(|(field, value)| (*field, (*value).to_owned()))
        .collect()
}

#[test]
fn lines_are_edited_and_every_other_byte_kept() {
    for (text, before, after) in [
        ("K", None, "KcgroupDriver: systemd\n"),
        (
            "KcgroupDriver: cgroupfs\nx: 1\n",
            Some("cgroupfs"),
            "KcgroupDriver: systemd\nx: 1\n",
        ),
        (
            "KcgroupDriver: \"cgroupfs\" # why\r\nx: 1",
            Some("cgroupfs"),
            "KcgroupDriver: \"systemd\" # why\r\nx: 1",
        ),
        (
            "K'cgroupDriver':  cgroupfs",
            Some("cgroupfs"),
            "K'cgroupDriver':  systemd",
        ),
        (
            "KcgroupDriver:\nx: 1\n",
            None,
            "KcgroupDriver: systemd\nx: 1\n",
        ),
        (
            "KcgroupDriver: null\n\n  # x\n",
            None,
            "KcgroupDriver: systemd\n\n  # x\n",
        ),
        (
            "Kx:\n  cgroupDriver: cgroupfs",
            None,
            "Kx:\n  cgroupDriver: cgroupfs\ncgroupDriver: systemd\n",
        ),
        ("Kx: 1\r\n", None, "Kx: 1\r\ncgroupDriver: systemd\r\n"),
        (
            "Kx: 1\r\ny: 1",
            None,
            "Kx: 1\r\ny: 1\r\ncgroupDriver: systemd\r\n",
        ),
        (
            "---\n# cgroupDriver: x\nK",
            None,
            "---\n# cgroupDriver: x\nKcgroupDriver: systemd\n",
        ),
    ] {
        let (text, after) = (text.replacen('K', KIND, 1), after.replacen('K', KIND, 1));
        let config = Config::read(&text).unwrap();
        assert_eq!(config.get(Field::CgroupDriver), before, "{text:?}");
        let wanted = settings(&[(Field::CgroupDriver, "systemd")]);
        assert_eq!(config.with(&wanted), after, "{text:?}");
    }
}

#[test]
fn several_fields_are_edited_at_once() {
    let wanted = settings(&[
        (Field::CgroupDriver, "systemd"),
        (Field::ContainerRuntimeEndpoint, "unix:///run/a.sock"),
        (Field::FailSwapOn, "false"),
        (Field::ProtectKernelDefaults, "true"),
    ]);
    for (text, after) in [
        (
            "K",
            "KcgroupDriver: systemd\ncontainerRuntimeEndpoint: unix:///run/a.sock\nfailSwapOn: false\n\
             protectKernelDefaults: true\n",
        ),
        (
            "failSwapOn: true # z\ncontainerRuntimeEndpoint: \"\"\nK",
            "failSwapOn: false # z\ncontainerRuntimeEndpoint: \"unix:///run/a.sock\"\nK\
             cgroupDriver: systemd\nprotectKernelDefaults: true\n",
        ),
        (
            "KcontainerRuntimeEndpoint: /var/run/a.sock\nfailSwapOn: no\ncgroupDriver: 'systemd'\nprotectKernelDefaults: True",
            "KcontainerRuntimeEndpoint: /var/run/a.sock\nfailSwapOn: no\ncgroupDriver: 'systemd'\nprotectKernelDefaults: True",
        ),
    ] {
        let (text, after) = (text.replacen('K', KIND, 1), after.replacen('K', KIND, 1));
        let edited = Config::read(&text).unwrap().with(&wanted);
        assert_eq!(edited, after, "{text:?}");
        assert_eq!(Config::read(&edited).unwrap().with(&wanted), edited);
    }
}

#[test]
fn what_is_not_understood_is_left_alone() {
    for (text, expected) in [
        ("", ConfigError::OtherKind),
        ("kind: Other\n", ConfigError::OtherKind),
        ("{\"kind\": \"x\"}", ConfigError::FlowStyle),
        ("K---\nK", ConfigError::SeveralDocuments),
        (
            "KcgroupDriver: a\ncgroupDriver: b\n",
            ConfigError::Twice("cgroupDriver"),
        ),
        (
            "KfailSwapOn: true\n'failSwapOn': true\n",
            ConfigError::Twice("failSwapOn"),
        ),
        (
            "KcgroupDriver: &a systemd\n",
            ConfigError::OddValue("cgroupDriver"),
        ),
        (
            "KcgroupDriver:\n  systemd\n",
            ConfigError::OddValue("cgroupDriver"),
        ),
        (
            "KfailSwapOn: !!bool true\n",
            ConfigError::OddValue("failSwapOn"),
        ),
        (
            "KcontainerRuntimeEndpoint: >-\n  unix:///a\n",
            ConfigError::OddValue("containerRuntimeEndpoint"),
        ),
    ] {
        let text = text.replace('K', KIND);
        assert_eq!(Config::read(&text).unwrap_err(), expected, "{text:?}");
    }
}

#[test]
fn a_driver_by_its_state() {
    let not_set = format!("{ID}: cgroupDriver ->systemd");
    for (name, host, expected) in [
        (
            "converged",
            host(&format!("{KIND}cgroupDriver: systemd\n")),
            vec![],
        ),
        (
            "another",
            host(&format!("{KIND}cgroupDriver: cgroupfs\n")),
            vec![
                format!("{ID}: cgroupDriver cgroupfs->systemd"),
                SERVICE.to_owned(),
            ],
        ),
        (
            "not set",
            host(KIND),
            vec![not_set.clone(), SERVICE.to_owned()],
        ),
        (
            "no file, no kubelet",
            Machine::debian(),
            vec![not_set.clone()],
        ),
        (
            "no file",
            Machine::debian().directory("/var/lib/kubelet"),
            vec![not_set.clone()],
        ),
        (
            "waiting for a cluster",
            host(KIND).unit("kubelet.service", &[("ActiveState", "activating")]),
            vec![not_set, SERVICE.to_owned()],
        ),
    ] {
        let mut host = host.directory("/var/lib");
        assert_eq!(summary(&host.converge(SPEC)), expected, "{name}");
        assert!(host.owed.is_empty(), "{name}");
    }
    for (name, host) in [
        ("a link", host("").at(PATH, FileState::Symlink("x".into()))),
        ("json", host("{}")),
        (
            "not text",
            host("").with_file(PATH, |file| file.content = Some(vec![0xff])),
        ),
        (
            "hard links",
            host(KIND).with_file(PATH, |file| file.links = 2),
        ),
    ] {
        assert_eq!(
            host.plan(SPEC).unplanned[0].verdict,
            Verdict::Refused,
            "{name}"
        );
    }
}

#[test]
fn every_field_by_its_state() {
    for (field, wanted, other) in [
        ("cgroupDriver", "systemd", "cgroupfs"),
        (
            "containerRuntimeEndpoint",
            "unix:///run/crio/crio.sock",
            "unix:///run/a.sock",
        ),
        ("failSwapOn", "false", "true"),
        ("protectKernelDefaults", "false", "true"),
    ] {
        let spec = format!("kubelet: {{{field}: {wanted}}}");
        let plan = |text: &str| summary(&kubeadm(&format!("{KIND}{text}")).converge(&spec));
        let set = |before: &str| {
            vec![
                format!("{ID}: {field} {before}->{wanted}"),
                SERVICE.to_owned(),
            ]
        };
        assert_eq!(plan(""), set(""), "{field}");
        assert_eq!(plan(&format!("{field}: {wanted}\n")), [""; 0], "{field}");
        assert_eq!(plan(&format!("{field}: {other}\n")), set(other), "{field}");
        let (reason, _) = refusal(&kubeadm(&format!("{KIND}{field}: [x]\n")), &spec);
        assert!(reason.contains("no plain word"), "{reason}");
    }
}

#[test]
fn a_flag_that_wins_is_named() {
    let endpoint = "unix:///run/containerd/containerd.sock";
    for (field, wanted, path, text, place) in [
        (
            "cgroupDriver",
            "systemd",
            DEFAULTS,
            "# mine\nKUBELET_EXTRA_ARGS=--cgroup-driver=cgroupfs\n",
            "`--cgroup-driver` in /etc/default/kubelet:2",
        ),
        (
            "containerRuntimeEndpoint",
            endpoint,
            FLAGS_ENV,
            "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///run/crio/crio.sock\"\n",
            "`--container-runtime-endpoint` in /var/lib/kubelet/kubeadm-flags.env:1",
        ),
        (
            "failSwapOn",
            "false",
            DEFAULTS,
            "KUBELET_EXTRA_ARGS='--fail-swap-on'",
            "`--fail-swap-on` in /etc/default/kubelet:1",
        ),
    ] {
        let spec = format!("kubelet: {{{field}: {wanted}}}");
        // The file says what it should; that does not help.
        let host = kubeadm(&format!("{KIND}{field}: {wanted}\n")).file(path, text);
        let (reason, help) = refusal(&host, &spec);
        assert!(reason.contains(place) && reason.contains(field), "{reason}");
        let (_, file) = place.split_once(" in ").unwrap();
        assert!(help.ends_with(&format!("out of {file}")), "{help}");
    }
    // One that says the same is no obstacle, nor one with a longer name.
    kubeadm(KIND)
        .file(
            FLAGS_ENV,
            "KUBELET_KUBEADM_ARGS=--container-runtime-endpoint=unix:///var/run/containerd/containerd.sock --cgroup-driver-x=a",
        )
        .converge(&format!(
            "kubelet: {{containerRuntimeEndpoint: '{endpoint}', cgroupDriver: systemd}}"
        ));
    // What another resource of the plan writes counts already.
    let spec =
        format!("{SPEC}\nfiles: [{{path: {DEFAULTS}, content: 'KUBELET_EXTRA_ARGS=--v=2'}}]");
    kubeadm(KIND)
        .directory("/etc/default")
        .file(DEFAULTS, "KUBELET_EXTRA_ARGS=--cgroup-driver=cgroupfs\n")
        .converge(&spec);
    let (graph, _) = compile(&format!(
        "{SPEC}\nservices: [{{name: kubelet.service, dropIns: {{a: ''}}}}]"
    ));
    let config = graph
        .nodes()
        .find(|node| node.id.to_string() == ID)
        .unwrap();
    let drop_in = "file//etc/systemd/system/kubelet.service.d/a.conf";
    assert!(
        config
            .resource
            .relations()
            .iter()
            .any(|relation| relation.target.to_string() == drop_in)
    );
}

#[test]
fn a_kubelet_that_reads_another_file_is_not_converged() {
    let done = format!("{KIND}cgroupDriver: systemd\n");
    for (unit, expected) in [
        (
            "ExecStart=/usr/bin/kubelet --config=/etc/k.yaml",
            "reads `/etc/k.yaml` and not `/var/lib/kubelet/config.yaml`: /etc/systemd/system/kubelet.service:2",
        ),
        (
            "ExecStart=/usr/bin/kubelet",
            "is started without `--config`",
        ),
        (
            "ExecStart=/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml --config-dir=/etc/k.d",
            "drop-ins in `/etc/k.d` win",
        ),
    ] {
        let unit = format!("[Service]\n{unit}\n");
        let host = host(&done).file("/etc/systemd/system/kubelet.service", &unit);
        let (reason, _) = refusal(&host, SPEC);
        assert!(reason.contains(expected), "{reason}");
    }
    let wrapped = host(&done).file(UNIT, "[Service]\nExecStart=/opt/start\n");
    let unplanned = &wrapped.plan(SPEC).unplanned[0];
    assert_eq!(unplanned.verdict, Verdict::Unknown);
    assert!(unplanned.reason.contains("/opt/start"), "{unplanned:?}");
    // A package that brings the flags may be part of the plan.
    let spec = format!("{SPEC}\npackages: [kubeadm]");
    let host_without = host(KIND)
        .file(UNIT, "[Service]\nExecStart=/usr/bin/kubelet\n")
        .package("kubeadm", |package| {
            package.candidate = Some("1.31.0".into());
        });
    let condition = change(&host_without.plan(&spec), ID).condition.clone();
    assert_eq!(
        condition.as_deref(),
        Some("the kubelet must be started with `--config=/var/lib/kubelet/config.yaml`")
    );
    // A masked unit starts nothing, and a link that is not followed is not guessed at.
    let unit = "/etc/systemd/system/kubelet.service";
    host(&done)
        .at(unit, FileState::Symlink("/dev/null".into()))
        .converge(SPEC);
    let linked = host(&done).at(unit, FileState::Symlink("/opt/kubelet.service".into()));
    assert_eq!(linked.plan(SPEC).unplanned[0].verdict, Verdict::Unknown);
}

#[test]
fn a_drop_in_of_the_config_directory_wins_over_the_file() {
    let host = kubeadm(&format!("{KIND}cgroupDriver: systemd\n")).file(
        DEFAULTS,
        "KUBELET_EXTRA_ARGS=--config-dir=/etc/kubernetes/kubelet.conf.d\n",
    );
    host.clone().directory(DIRECTORY).converge(SPEC);
    let overridden = host.file(
        "/etc/kubernetes/kubelet.conf.d/10-a.conf",
        &format!("{KIND}failSwapOn: false\ncgroupDriver: cgroupfs\n"),
    );
    let (reason, help) = refusal(&overridden, SPEC);
    let place = "/etc/kubernetes/kubelet.conf.d/10-a.conf:3";
    assert!(reason.contains(place) && help.contains(place), "{reason}");
    let odd = overridden.file("/etc/kubernetes/kubelet.conf.d/20-b.conf", "[]");
    assert!(refusal(&odd, SPEC).0.contains("20-b.conf"));
}

#[test]
fn a_drop_in_is_written_whole() {
    let spec = format!(
        "kubernetes: {{version: '1.30'}}\nkubelet: {{cgroupDriver: systemd, failSwapOn: false, configDir: {DIRECTORY}}}"
    );
    let expected = "# Written by hardstand, which owns this file whole.\n\
                    apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n\
                    cgroupDriver: systemd\nfailSwapOn: false\n";
    let flag = "KUBELET_EXTRA_ARGS=--config-dir=/etc/kubernetes/kubelet.conf.d\n";
    // The config file may be JSON: it is not edited.
    let mut host = kubeadm("{}").file(DEFAULTS, flag).file(
        "/etc/kubernetes/kubelet.conf.d/10-a.conf",
        &format!("{KIND}cgroupDriver: cgroupfs\n"),
    );
    host = host.directory(DIRECTORY);
    let plan = host.converge(&spec);
    let id = format!("kubelet/{DROP_IN}");
    assert_eq!(
        summary(&plan),
        [
            format!("{id}: cgroupDriver ->systemd, failSwapOn ->false"),
            SERVICE.to_owned()
        ]
    );
    let FileState::Regular(file) = &host.files[DROP_IN] else {
        panic!("no drop-in");
    };
    assert_eq!(file.content.as_deref(), Some(expected.as_bytes()));
    // Drift, and what a person added, are undone.
    let mut drifted = host.clone().file(DROP_IN, "{}");
    assert_eq!(drifted.converge(&spec).changes.len(), 2);
    // A later drop-in wins.
    let later = "/etc/kubernetes/kubelet.conf.d/99-z.conf";
    let overridden = host
        .clone()
        .file(later, &format!("{KIND}failSwapOn: true\n"));
    assert!(refusal(&overridden, &spec).0.contains("99-z.conf:2"));
    // The kubelet must be told to look there.
    let untold = kubeadm(KIND);
    assert!(refusal(&untold, &spec).0.contains("without `--config-dir`"));
    let elsewhere = kubeadm(KIND).file(DEFAULTS, "KUBELET_EXTRA_ARGS=--config-dir /etc/x\n");
    assert!(
        refusal(&elsewhere, &spec)
            .0
            .contains("reads drop-ins in `/etc/x`")
    );
}

#[test]
fn a_drop_in_may_come_before_its_kubelet() {
    let spec = format!(
        "kubernetes: {{version: '1.31'}}\nkubelet: {{failSwapOn: false, configDir: {DIRECTORY}}}"
    );
    let mut host = Machine::debian();
    host.files.remove("/etc/kubernetes");
    let plan = host.converge(&spec);
    let change = change(&plan, &format!("kubelet/{DROP_IN}"));
    assert_eq!(change.verdict(), Verdict::Conditional);
    assert!(matches!(
        &change.steps[..],
        [
            Step::CreateDirectory { .. },
            Step::CreateDirectory { .. },
            Step::WriteFile { .. }
        ]
    ));
}

#[test]
fn a_joined_node_keeps_its_driver_unless_told() {
    let joined = |text: &str| host(text).file("/etc/kubernetes/kubelet.conf", "");
    let (reason, _) = refusal(&joined(KIND), SPEC);
    assert!(reason.contains("has joined a cluster"));
    let allowed = "kubelet: {cgroupDriver: systemd, allowDriverChange: true}";
    let plan = joined(KIND).converge(allowed);
    assert_eq!(change(&plan, ID).disruption, Disruption::PodLoss);
    // To write down the driver that it has anyway is no change of driver, whatever sets it.
    joined(KIND).converge("kubelet: {cgroupDriver: cgroupfs}");
    let flag = "KUBELET_EXTRA_ARGS=--cgroup-driver=systemd";
    let plan = joined(KIND).file(DEFAULTS, flag).converge(SPEC);
    assert_eq!(change(&plan, ID).disruption, Disruption::None);
    // Another mark of a node that has joined.
    let by_certificate = host(KIND).file("/var/lib/kubelet/pki/kubelet-client-current.pem", "");
    assert!(refusal(&by_certificate, SPEC).0.contains("has joined"));
    // A drop-in is guarded as well.
    let spec = format!(
        "kubernetes: {{version: '1.30'}}\nkubelet: {{cgroupDriver: systemd, configDir: {DIRECTORY}}}"
    );
    assert!(refusal(&joined(KIND), &spec).0.contains("has joined"));
    // Another runtime is told, the same one under its old name is not.
    let endpoint = "kubelet: {containerRuntimeEndpoint: 'unix:///run/crio/crio.sock'}";
    let plan = joined(KIND).converge(endpoint);
    assert_eq!(change(&plan, ID).disruption, Disruption::PodLoss);
    let same = "containerRuntimeEndpoint: unix:///var/run/crio/crio.sock\n";
    assert!(
        joined(&format!("{KIND}{same}"))
            .plan(endpoint)
            .changes
            .is_empty()
    );
}

#[test]
fn a_runtime_that_tells_its_driver_makes_the_field_moot() {
    let spec = "kubernetes: {version: '1.31'}\nkubelet: {cgroupDriver: systemd}";
    let joined = |cri: CriRuntimeConfig| {
        let mut host = host(KIND).file("/etc/kubernetes/kubelet.conf", "");
        host.cri = answers(cri);
        host
    };
    let systemd = CriRuntimeConfig::Driver(CriCgroupDriver::Systemd);
    let plan = joined(systemd.clone()).converge(spec);
    let change = change(&plan, ID);
    assert_eq!(change.disruption, Disruption::None);
    assert!(
        change
            .condition
            .as_ref()
            .is_some_and(|condition| condition.contains("tells the kubelet to use systemd")),
        "{change:#?}"
    );
    // Its flag does not count either.
    let flag = "KUBELET_EXTRA_ARGS=--cgroup-driver=cgroupfs";
    joined(systemd.clone()).file(DEFAULTS, flag).converge(spec);
    // A runtime that tells another one has the last word.
    let cgroupfs = CriRuntimeConfig::Driver(CriCgroupDriver::Cgroupfs);
    let mut done = joined(cgroupfs).file(PATH, &format!("{KIND}cgroupDriver: systemd\n"));
    let (reason, help) = refusal(&done, spec);
    assert!(reason.contains("tells cgroupfs"), "{reason}");
    assert!(help.contains("`cgroupDriver: systemd` for the runtime"));
    // Where it does not tell, where the kubelet does not ask, or not this one, the field counts.
    for host in [
        joined(CriRuntimeConfig::NotImplemented),
        joined(systemd.clone()).file(
            DEFAULTS,
            "KUBELET_EXTRA_ARGS=--feature-gates=A=true,KubeletCgroupDriverFromCRI=false",
        ),
        joined(systemd.clone()).file(
            PATH,
            &format!("{KIND}featureGates:\n  KubeletCgroupDriverFromCRI: false\n"),
        ),
        joined(systemd.clone()).file(
            PATH,
            &format!("{KIND}containerRuntimeEndpoint: unix:///run/other.sock\n"),
        ),
    ] {
        assert!(refusal(&host, spec).0.contains("has joined a cluster"));
    }
    let older = spec.replace("1.31", "1.30");
    assert!(refusal(&joined(systemd), &older).0.contains("has joined"));
    done.cri = CriState::Unasked;
    done.converge(spec);
}

#[test]
fn sysctls_that_would_stop_the_kubelet_are_named() {
    let spec = "kubelet: {protectKernelDefaults: true}";
    let keys = [
        ("vm.overcommit_memory", "1"),
        ("vm.panic_on_oom", "0"),
        ("kernel.panic", "10"),
        ("kernel.panic_on_oops", "1"),
        ("kernel.keys.root_maxkeys", "1000000"),
        ("kernel.keys.root_maxbytes", "25000000"),
    ];
    // A kubelet that does not protect them sets them, until the next boot.
    let running = keys
        .iter()
        .fold(host(KIND), |host, (key, value)| host.sysctl(key, value));
    let (reason, help) = refusal(&running, spec);
    assert_eq!(
        reason.matches("nothing sets it at the next boot").count(),
        3
    );
    assert_eq!(
        help,
        "add to `sysctls`: vm.overcommit_memory: 1, kernel.panic: 10, kernel.panic_on_oops: 1"
    );
    let fresh = running.clone().sysctl("vm.overcommit_memory", "0");
    assert!(
        refusal(&fresh, spec)
            .0
            .contains("vm.overcommit_memory is 0 and must be 1")
    );
    let mended = format!(
        "{spec}\nsysctls: {{vm.overcommit_memory: 1, kernel.panic: 10, kernel.panic_on_oops: 1}}"
    );
    fresh.clone().converge(&mended);
    let wrong = mended.replace("panic: 10", "panic: 30");
    let (reason, _) = refusal(&fresh, &wrong);
    assert!(
        reason.contains("kernel.panic is 30 and must be 10"),
        "{reason}"
    );
}

#[test]
fn what_kubeadm_writes_anew_is_said() {
    let drop_ins = "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf";
    let plan = Machine::debian()
        .directory("/var/lib")
        .unit("kubelet.service", &[("DropInPaths", drop_ins)])
        .plan(SPEC);
    let change = change(&plan, ID);
    assert_eq!(change.verdict(), Verdict::Conditional);
    assert!(matches!(
        &change.steps[..],
        [Step::CreateDirectory { .. }, Step::WriteFile { .. }]
    ));
}

#[test]
fn a_spec_that_disagrees_with_itself_is_refused() {
    for (spec, expected) in [
        (
            "kubelet: {cgroupDriver: systemd}\nruntime: {containerd: {cgroupDriver: cgroupfs}}",
            "E221 the kubelet and the runtime use different cgroup drivers",
        ),
        (
            "kubelet: {cgroupDriver: cgroupfs}\nruntime: {containerd: {}}",
            "E221 the kubelet and the runtime use different cgroup drivers",
        ),
        (
            "kubelet: {cgroupDriver: systemd}\nfiles: [{path: /var/lib/kubelet/config.yaml, content: a}]",
            "E201 `/var/lib/kubelet/config.yaml` is managed twice",
        ),
        (
            "kubelet: {allowDriverChange: true}",
            "E270 `kubelet` sets nothing",
        ),
        (
            "kubelet: {failSwapOn: false, configDir: /etc/k}",
            "E271 `configDir` needs Kubernetes 1.30 or newer, and no `kubernetes.version` is given",
        ),
        (
            "kubernetes: {version: '1.29'}\nkubelet: {failSwapOn: false, configDir: /etc/k}",
            "E271 `configDir` needs Kubernetes 1.30 or newer, and `kubernetes.version` is 1.29",
        ),
        (
            "kubernetes: {version: '1.26'}\nkubelet: {containerRuntimeEndpoint: 'unix:///a'}",
            "E272 `containerRuntimeEndpoint` needs Kubernetes 1.27 or newer, and `kubernetes.version` is 1.26",
        ),
        (
            "kubelet: {containerRuntimeEndpoint: 'unix:///run/crio/crio.sock'}\nruntime: {containerd: {}}",
            "E273 the runtime does not answer at the kubelet's endpoint",
        ),
        (
            "kubelet: {containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock'}\nruntime: {docker: {criDockerd: {socket: /run/x}}}",
            "E273 the runtime does not answer at the kubelet's endpoint",
        ),
        (
            "kubelet: {containerRuntimeEndpoint: 'unix:///run/x.sock'}\nruntime: {docker: {criDockerd: {}}}",
            "E273 the runtime does not answer at the kubelet's endpoint",
        ),
        (
            "kubelet: {containerRuntimeEndpoint: /run/crio/crio.sock}",
            "E127 `/run/crio/crio.sock` is no endpoint of a runtime",
        ),
        (
            "kubelet: {containerRuntimeEndpoint: \"unix:///a: b\\n\"}",
            "E127 `unix:///a: b\\n` is no endpoint of a runtime",
        ),
    ] {
        let (_, complaints) = compile(spec);
        assert_eq!(complaints, [expected], "{spec}");
    }
}

#[test]
fn one_driver_in_the_spec_is_for_both() {
    for (spec, expected) in [
        (
            "kubelet: {}\nruntime: {crio: {cgroupDriver: cgroupfs}}",
            "cgroupDriver: cgroupfs",
        ),
        (
            "kubelet: {failSwapOn: false}\nruntime: {containerd: {}}",
            "cgroupDriver: systemd\nfailSwapOn: false",
        ),
        ("kubelet: {failSwapOn: false}", "failSwapOn: false"),
        (
            "kubelet: {containerRuntimeEndpoint: 'unix:///run/x.sock'}\nruntime: {docker: {}}",
            "cgroupDriver: systemd\ncontainerRuntimeEndpoint: unix:///run/x.sock",
        ),
        (
            "kubelet: {containerRuntimeEndpoint: 'unix:///var/run/crio/crio.sock'}\nruntime: {crio: {}}",
            "cgroupDriver: systemd\ncontainerRuntimeEndpoint: unix:///run/crio/crio.sock",
        ),
    ] {
        let (graph, complaints) = compile(spec);
        assert_eq!(complaints, [""; 0], "{spec}");
        let config = graph.nodes().find(|node| node.id.kind() == "kubelet");
        let desired = config.unwrap().resource.desired();
        assert!(
            desired.ends_with(&format!("Configuration\n{expected}\n")),
            "{desired}"
        );
    }
}

#[test]
fn an_owned_unit_is_one_resource_with_the_users_wishes() {
    let spec = "\
kubelet: {cgroupDriver: systemd}
services: [{name: kubelet.service, enabled: true, dropIns: {proxy: \"[Service]\"}}]";
    let (graph, complaints) = compile(spec);
    assert_eq!(complaints, [""; 0]);
    let services: Vec<_> = graph
        .nodes()
        .filter(|node| node.id.kind() == "service")
        .collect();
    assert_eq!(services.len(), 1);
    assert!(
        services[0]
            .resource
            .desired()
            .contains("enabled=Some(true)")
    );
}
