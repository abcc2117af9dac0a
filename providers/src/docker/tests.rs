//! Tests of Docker Engine and cri-dockerd as a runtime.

use engine::facts::CgroupVersion;
use engine::plan::HostPlan;
use engine::question::FileState;
use engine::resource::{Action, Reason};
use engine::step::{Content, Disruption, FileCheck, Replaces, Step};

use crate::testing::{Machine, change, compile, summary};

const CONFIG: &str = "/etc/docker/daemon.json";
const UNIT: &str = "/usr/lib/systemd/system/docker.service";
const UNIT_TEXT: &str = "[Service]\nEnvironmentFile=-/etc/default/docker\n\
                         ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/c.sock $DOCKER_OPTS\n";
const SYSTEMD: &str = "{\n    \"exec-opts\": [\"native.cgroupdriver=systemd\"]\n}\n";

/// Returns a node with a running Docker Engine and no configuration file.
fn docker(version: &str) -> Machine {
    Machine::debian()
        .directory("/etc/docker")
        .file(UNIT, UNIT_TEXT)
        .file("/etc/default/docker", "# nothing\n")
        .package("docker.io", |p| p.installed = Some(version.into()))
        .unit("docker.service", &[("CanReload", "yes")])
        .unit("docker.socket", &[])
}

fn trixie() -> Machine {
    docker("26.1.5+dfsg1-9+b9")
}

fn spec(fields: &str) -> String {
    format!("runtime: {{docker: {{{fields}}}}}")
}

#[track_caller]
fn written(plan: &HostPlan, resource: &str) -> String {
    let steps = &change(plan, resource).steps;
    match steps.last() {
        Some(Step::WriteFile {
            content: Content::Text(text),
            ..
        }) => text.clone(),
        other => panic!("expected a file to be written, got {other:?}"),
    }
}

const CONFIG_ID: &str = "docker//etc/docker/daemon.json";
const DROP_IN: &str = "file//etc/systemd/system/cri-docker.service.d/hardstand.conf";

/// Edits a file by a spec, and returns the new text; none if it was right.
#[track_caller]
fn edited(before: &str, fields: &str) -> Option<String> {
    let mut host = trixie().file(CONFIG, before);
    let plan = host.converge(&spec(fields));
    plan.changes
        .iter()
        .any(|change| change.resource.to_string() == CONFIG_ID)
        .then(|| written(&plan, CONFIG_ID))
}

#[track_caller]
fn refusal(host: &Machine, spec: &str) -> String {
    let plan = host.plan(spec);
    let first = plan.unplanned.first();
    first
        .unwrap_or_else(|| panic!("planned: {:#?}", summary(&plan)))
        .reason
        .clone()
}

#[test]
fn each_key_by_what_the_file_says() {
    for (before, fields, after) in [
        (SYSTEMD, "", None),
        (
            "{\"exec-opts\":[\"native.cgroupdriver=systemd\"],\"mtu\":1400}",
            "",
            None,
        ),
        (
            "",
            "",
            Some("{\n  \"exec-opts\": [\"native.cgroupdriver=systemd\"]\n}\n"),
        ),
        (
            "{\n\t\"mtu\": 1400.0,\n\t\"exec-opts\": [\n\t\t\"native.umask=normal\",\n\t\t\"native.cgroupdriver=cgroupfs\"\n\t]\n}",
            "",
            Some(
                "{\n\t\"mtu\": 1400.0,\n\t\"exec-opts\": [\n\t\t\"native.umask=normal\",\n\t\t\"native.cgroupdriver=systemd\"\n\t]\n}",
            ),
        ),
        (
            "{\"exec-opts\": [\"native.umask=normal\"]}",
            "",
            Some("{\"exec-opts\": [\"native.umask=normal\", \"native.cgroupdriver=systemd\"]}"),
        ),
        (
            "{\"exec-opts\": [\"native.cgroupdriver=systemd\", \"native.cgroupdriver=cgroupfs\"]}",
            "",
            Some("{\"exec-opts\": [\"native.cgroupdriver=systemd\"]}"),
        ),
        (
            "{\"exec-opts\": [\" Native.CgroupDriver = systemd\"]}",
            "",
            None,
        ),
        (
            "{\"exec-opts\": [\"Native.CgroupDriver=cgroupfs\"]}",
            "",
            Some("{\"exec-opts\": [\"native.cgroupdriver=systemd\"]}"),
        ),
        (
            "{\"exec-opts\": [\"native.cgroupdriver=Systemd\"]}",
            "",
            Some("{\"exec-opts\": [\"native.cgroupdriver=systemd\"]}"),
        ),
        (
            "\u{feff}{\"exec-opts\": [\"native.cgroupdriver=systemd\"], \"mtu\": 1400}\r\n",
            "",
            Some("{\"exec-opts\": [\"native.cgroupdriver=systemd\"], \"mtu\": 1400}\r\n"),
        ),
        (
            "\u{feff}",
            "",
            Some("{\n  \"exec-opts\": [\"native.cgroupdriver=systemd\"]\n}\n"),
        ),
        (
            SYSTEMD,
            "liveRestore: true",
            Some(
                "{\n    \"exec-opts\": [\"native.cgroupdriver=systemd\"],\n    \"live-restore\": true\n}\n",
            ),
        ),
        (
            "{\"live-restore\": \"true\", \"exec-opts\": [\"native.cgroupdriver=systemd\"]}",
            "liveRestore: true",
            Some("{\"live-restore\": true, \"exec-opts\": [\"native.cgroupdriver=systemd\"]}"),
        ),
        (
            SYSTEMD,
            "logDriver: json-file, logOpts: {max-file: \"3\", max-size: 10m}",
            Some(
                "{\n    \"exec-opts\": [\"native.cgroupdriver=systemd\"],\n    \"log-driver\": \"json-file\",\n    \
                 \"log-opts\": {\n        \"max-file\": \"3\",\n        \"max-size\": \"10m\"\n    }\n}\n",
            ),
        ),
        (
            "{\"exec-opts\": [\"native.cgroupdriver=systemd\"], \"log-opts\": {\"max-file\": 3, \"tag\": \"x\"}}",
            "logOpts: {max-file: \"3\"}",
            Some(
                "{\"exec-opts\": [\"native.cgroupdriver=systemd\"], \"log-opts\": {\"max-file\": \"3\", \"tag\": \"x\"}}",
            ),
        ),
        (
            "{\"exec-opts\": [\"native.cgroupdriver=systemd\"], \"data-root\": \"/var/lib\\/docker\"}",
            "dataRoot: /var/lib/docker",
            None,
        ),
        (
            "{\"exec-opts\": [\"native.cgroupdriver=systemd\"], \"registry-mirrors\": [ \"https://a.example\" ]}",
            "registryMirrors: [https://a.example]",
            None,
        ),
        (
            "{\"exec-opts\": [\"native.cgroupdriver=systemd\"], \"registry-mirrors\": [\"https://b.example\"]}",
            "registryMirrors: [https://a.example]",
            Some(
                "{\"exec-opts\": [\"native.cgroupdriver=systemd\"], \"registry-mirrors\": [\"https://a.example\"]}",
            ),
        ),
    ] {
        assert_eq!(
            edited(before, fields).as_deref(),
            after,
            "{before} {fields}"
        );
    }
}

#[test]
fn a_missing_file_is_made_with_its_directory() {
    let mut host = trixie();
    host.files.remove("/etc/docker");
    let plan = host.converge(&spec(""));
    let config = change(&plan, CONFIG_ID);
    assert_eq!(config.action, Action::Create);
    assert!(matches!(&config.steps[..], [
        Step::CreateDirectory { .. },
        Step::WriteFile { replaces: Replaces::Nothing, check: Some(FileCheck::Docker), owes, .. },
    ] if owes[0].as_str() == "docker.service"));
    assert_eq!(
        change(&plan, "service/docker.service").action,
        Action::Restart
    );
}

#[test]
fn what_cannot_be_edited_is_left() {
    let with = |text: &str| trixie().file(CONFIG, text);
    let spec = spec("logOpts: {max-size: 10m}");
    for (host, expected) in [
        (
            with("{\n  \"a\": 1,\n}"),
            "/etc/docker/daemon.json:3:1: a key in double quotes belongs here",
        ),
        (
            with("{\"mtu\": 1, \"mtu\": 2}"),
            "/etc/docker/daemon.json:1:12: the key \"mtu\" is there twice",
        ),
        (
            with("[]"),
            "/etc/docker/daemon.json holds a list where an object belongs",
        ),
        (
            with("{\"exec-opts\": \"x\"}"),
            "/etc/docker/daemon.json:1: `exec-opts` is a string, and a list of strings belongs there",
        ),
        (
            with("{\"log-opts\": []}"),
            "/etc/docker/daemon.json:1: `log-opts` is a list, and an object belongs there",
        ),
        (
            with("{\n\"log-opts\": {\n\"max-file\": 3}}"),
            "/etc/docker/daemon.json:3: `log-opts.max-file` is a number, and dockerd takes only strings there",
        ),
        (
            trixie().at(CONFIG, FileState::Symlink("/x".into())),
            "`/etc/docker/daemon.json` is a symbolic link to `/x`",
        ),
        (
            with("{}").with_file(CONFIG, |f| f.links = 2),
            "/etc/docker/daemon.json has several hard links",
        ),
        (
            with("{}").with_file(CONFIG, |f| f.content = Some(vec![0xff])),
            "/etc/docker/daemon.json is not UTF-8",
        ),
        (
            with("{}").with_file(CONFIG, |f| f.content = None),
            "/etc/docker/daemon.json is larger than 1 MiB",
        ),
        (
            with("{\"proxies\": {\"http-proxy\": \"http://u:p@x.example\"}}"),
            "/etc/docker/daemon.json must change, and it holds a password or token, which a plan must not carry",
        ),
        (
            with("{\"log-opts\": {\"splunk-token\": \"x\"}}"),
            "/etc/docker/daemon.json must change, and it holds a password or token, which a plan must not carry",
        ),
        (
            docker("19.03.15"),
            "Docker Engine 19.3.15 is too old: hardstand configures 20.10 and newer",
        ),
        (
            docker("20.10.24").file(CONFIG, "{\n\"mut\": 1}"),
            "/etc/docker/daemon.json:2: Docker Engine 20.10.24 does not know `mut`, and would not start again",
        ),
        (Machine::debian(), "Docker Engine is not installed"),
    ] {
        assert_eq!(refusal(&host, &spec), expected);
    }
}

#[test]
fn a_key_that_is_also_a_flag_is_refused() {
    let with = |text: &str| trixie().file(CONFIG, text);
    let drop_in = |text: &str| trixie().file("/etc/systemd/system/docker.service.d/a.conf", text);
    for (host, expected) in [
        (
            with("{\n\"hosts\": [\"fd://\"]}"),
            "/usr/lib/systemd/system/docker.service:3 gives dockerd `--host`, and /etc/docker/daemon.json:2 sets \
             `hosts` too: dockerd refuses to start with both",
        ),
        (
            trixie().file(
                "/etc/default/docker",
                "\nDOCKER_OPTS=\"--exec-opt native.cgroupdriver=cgroupfs\"\n",
            ),
            "/etc/default/docker:2 gives dockerd `--exec-opt`, and /etc/docker/daemon.json would set `exec-opts` too: \
             dockerd refuses to start with both",
        ),
        (
            drop_in(
                "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd --exec-opt=native.cgroupdriver=systemd\n",
            ),
            "/etc/systemd/system/docker.service.d/a.conf:3 gives dockerd `--exec-opt`, and /etc/docker/daemon.json would \
             set `exec-opts` too: dockerd refuses to start with both",
        ),
        (
            drop_in(
                "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd --config-file=/etc/d.json\n",
            ),
            "dockerd reads /etc/d.json by /etc/systemd/system/docker.service.d/a.conf:3, and the spec expects \
             /etc/docker/daemon.json",
        ),
    ] {
        assert_eq!(refusal(&host, &spec("")), expected);
    }
    let mut freed = with("{\"hosts\": [\"fd://\"]}").file(
        "/etc/systemd/system/docker.service.d/a.conf",
        "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd\n",
    );
    assert_eq!(freed.converge(&spec("")).changes.len(), 2);
}

#[test]
fn a_restart_stops_containers_unless_they_are_restored() {
    let live = "{\"exec-opts\": [\"native.cgroupdriver=systemd\"], \"live-restore\": true}";
    for (before, fields, action, disruption) in [
        (
            SYSTEMD,
            "logDriver: local",
            Action::Restart,
            Disruption::PodLoss,
        ),
        (
            SYSTEMD,
            "liveRestore: true",
            Action::Reload,
            Disruption::Reload,
        ),
        (
            SYSTEMD,
            "registryMirrors: [https://a.example]",
            Action::Reload,
            Disruption::Reload,
        ),
        (
            SYSTEMD,
            "liveRestore: true, logDriver: local",
            Action::Restart,
            Disruption::PodLoss,
        ),
        (
            live,
            "liveRestore: true, logDriver: local",
            Action::Restart,
            Disruption::Restart,
        ),
        (
            live,
            "logDriver: local",
            Action::Restart,
            Disruption::Restart,
        ),
        (
            live,
            "liveRestore: false, logDriver: local",
            Action::Restart,
            Disruption::PodLoss,
        ),
        (
            live,
            "dataRoot: /data/docker",
            Action::Restart,
            Disruption::PodLoss,
        ),
    ] {
        let mut host = trixie().file(CONFIG, before);
        let plan = host.converge(&spec(fields));
        let service = change(&plan, "service/docker.service");
        assert_eq!(service.action, action, "{fields}");
        assert_eq!(service.disruption, disruption, "{before} {fields}");
    }
}

#[test]
fn a_file_that_the_daemon_did_not_read_owes_a_restart() {
    let changed = trixie()
        .file(CONFIG, SYSTEMD)
        .with_file(CONFIG, |file| file.modified = 1_800_000_000);
    let plan = changed.plan(&spec(""));
    let service = change(&plan, "service/docker.service");
    assert_eq!(service.disruption, Disruption::PodLoss);
    assert!(matches!(&service.reasons[..], [Reason::Owed(_)]));

    let reloaded = [
        ("CanReload", "yes"),
        ("StateChangeTimestamp", "Fri 2027-01-15 09:00:00 UTC"),
    ];
    let reloaded = changed.unit("docker.service", &reloaded);
    assert_eq!(reloaded.plan(&spec("")).changes, []);
    let plan = reloaded.with_file(CONFIG, |f| f.modified = 1_900_000_000);
    let plan = plan.plan(&spec("liveRestore: true"));
    let service = change(&plan, "service/docker.service");
    assert_eq!(
        service.action,
        Action::Restart,
        "a reload would not read all of it"
    );
}

#[test]
fn a_joined_node_keeps_its_driver() {
    let on = |text: &str| {
        trixie()
            .file(CONFIG, text)
            .file("/etc/kubernetes/kubelet.conf", "")
    };
    let cgroupfs = "{\"exec-opts\": [\"native.cgroupdriver=cgroupfs\"]}";
    assert!(refusal(&on(cgroupfs), &spec("")).starts_with("the node has joined a cluster"));
    // dockerd 20.10 and 26 take the first of two, and 28 the last.
    for both in [["systemd", "cgroupfs"], ["cgroupfs", "systemd"]] {
        let items = both.map(|driver| format!("\"native.cgroupdriver={driver}\""));
        let text = format!("{{\"exec-opts\": [{}]}}", items.join(", "));
        assert!(refusal(&on(&text), &spec("")).starts_with("the node has joined a cluster"));
    }
    let mut allowed = on(cgroupfs);
    let plan = allowed.converge(&spec("allowDriverChange: true"));
    assert_eq!(change(&plan, CONFIG_ID).disruption, Disruption::PodLoss);
    // On cgroup v2 it is systemd's already, and on v1 it is not.
    assert_eq!(on("{}").plan(&spec("")).changes.len(), 2);
    let v1 = on("{}").facts(|facts| facts.cgroup = CgroupVersion::V1);
    assert!(refusal(&v1, &spec("")).starts_with("the node has joined a cluster"));
}

#[test]
fn the_socket_goes_with_the_daemon() {
    let off = format!(
        "{}\nservices: [{{name: docker.service, enabled: false, active: false}}]",
        spec("")
    );
    let mut host = trixie().file(CONFIG, SYSTEMD);
    let plan = host.converge(&off);
    let steps = &change(&plan, "service/docker.service").steps;
    assert!(matches!(&steps[..], [
        Step::DisableUnit { name: a },
        Step::StopUnit { name: b },
        Step::DisableUnit { .. },
        Step::StopUnit { .. },
    ] if a.as_str() == "docker.socket" && b == a));
}

const CRI_UNIT: &str = "/usr/lib/systemd/system/cri-docker.service";
const CRI_SOCKET: &str = "/usr/lib/systemd/system/cri-docker.socket";

fn with_cri(host: Machine, command: &str) -> Machine {
    host.file(CONFIG, SYSTEMD)
        .file(CRI_UNIT, &format!("[Service]\nExecStart={command}\n"))
        .file(CRI_SOCKET, "[Socket]\nListenStream=%t/cri-dockerd.sock\n")
        .unit("cri-docker.service", &[])
        .unit("cri-docker.socket", &[])
}

#[test]
fn the_drop_in_sets_flags_and_keeps_others() {
    const PLAIN: &str = "/usr/bin/cri-dockerd --container-runtime-endpoint fd://";
    for (command, fields, expected) in [
        (
            PLAIN,
            "",
            "/usr/bin/cri-dockerd --container-runtime-endpoint fd:// --pod-infra-container-image=registry.k8s.io/pause:3.10",
        ),
        (
            "/opt/cri-dockerd --ipv6-dual-stack --network-plugin=kubenet --container-runtime-endpoint=unix:///x.sock --log-level debug",
            "networkPlugin: cni, cniBinDir: /opt/cni/bin, cniConfDir: /etc/cni/net.d, podInfraContainerImage: a/b:1",
            "/opt/cri-dockerd --container-runtime-endpoint fd:// --ipv6-dual-stack --log-level debug \
             --pod-infra-container-image=a/b:1 --network-plugin=cni --cni-bin-dir=/opt/cni/bin --cni-conf-dir=/etc/cni/net.d",
        ),
        (
            "-/opt/cri-dockerd --container-runtime-endpoint=fd://",
            "podInfraContainerImage: a/b:1",
            "-/opt/cri-dockerd --container-runtime-endpoint fd:// --pod-infra-container-image=a/b:1",
        ),
        (
            PLAIN,
            "cniBinDir: /opt/a b%c, podInfraContainerImage: a/b:1",
            "/usr/bin/cri-dockerd --container-runtime-endpoint fd:// --pod-infra-container-image=a/b:1 \
             \"--cni-bin-dir=/opt/a b%%c\"",
        ),
    ] {
        let mut host = with_cri(trixie(), command);
        let spec = format!(
            "kubernetes: {{version: \"1.31\"}}\n{}",
            spec(&format!("criDockerd: {{{fields}}}"))
        );
        let plan = host.converge(&spec);
        let text = written(&plan, DROP_IN);
        assert!(
            text.ends_with(&format!("[Service]\nExecStart=\nExecStart={expected}\n")),
            "{text}"
        );
        let service = change(&plan, "service/cri-docker.service");
        assert_eq!(service.disruption, Disruption::Restart, "containers stay");
        assert!(matches!(&service.steps[..], [
            Step::ReloadUnitFiles,
            Step::RestartUnit { gate, .. },
        ] if gate.cri_socket.as_ref().unwrap().as_str() == "/run/cri-dockerd.sock"));
    }
}

/// Returns a node with Mirantis Container Runtime: Docker Engine, as another package has it.
fn mirantis() -> Machine {
    docker("")
        .package("docker.io", |p| p.installed = None)
        .package("docker-ee", |p| {
            p.installed = Some("5:25.0.8-1~debian~bookworm".into());
        })
}

#[test]
fn mirantis_is_told_from_docker_by_its_package() {
    let spec = |fields: &str| format!("runtime: {{mirantis: {{{fields}}}}}");
    mirantis().converge(&spec(""));
    // What is Docker Engine with another name is managed as such.
    mirantis().converge("runtime: {docker: {}}");
    assert_eq!(
        refusal(&trixie(), &spec("")),
        "the node has Docker Engine (package docker.io), and the spec says `mirantis`"
    );
    trixie().converge(&spec("package: docker.io"));
    // An engine that no package brought may be it.
    let unpacked = trixie().package("docker.io", |p| p.installed = None);
    unpacked.clone().converge(&spec(""));
}

#[test]
fn the_socket_is_where_its_unit_listens() {
    let elsewhere = with_cri(mirantis(), "/usr/bin/cri-dockerd")
        .file(CRI_SOCKET, "[Socket]\nListenStream=/var/run/mcr/cri.sock\n");
    let spec = |fields: &str| format!("runtime: {{mirantis: {{criDockerd: {{{fields}}}}}}}");
    for fields in ["", "socket: /run/cri-dockerd.sock"] {
        assert_eq!(
            refusal(&elsewhere, &spec(fields)),
            "cri-dockerd listens on /var/run/mcr/cri.sock by /usr/lib/systemd/system/cri-docker.socket:2, and the spec \
             expects /run/cri-dockerd.sock"
        );
    }
    let plan = elsewhere
        .clone()
        .converge(&spec("socket: /run/mcr/cri.sock"));
    let service = change(&plan, "service/cri-docker.service");
    assert!(service.steps.iter().any(|step| {
        matches!(step, Step::RestartUnit { gate, .. }
            if gate.cri_socket.as_ref().unwrap().as_str() == "/run/mcr/cri.sock")
    }));
}

#[test]
fn what_cri_dockerd_cannot_do_is_refused() {
    let host = |cri: &str, engine: &str| {
        let cri = cri.to_owned();
        with_cri(docker(engine), "/usr/bin/cri-dockerd")
            .package("cri-dockerd", |p| p.installed = Some(cri))
    };
    let later = with_cri(trixie(), "/usr/bin/cri-dockerd").file(
        "/etc/systemd/system/cri-docker.service.d/z.conf",
        "[Service]\nExecStart=\nExecStart=/x\n",
    );
    let spec = format!(
        "kubernetes: {{version: \"1.31\"}}\n{}",
        spec("criDockerd: {}")
    );
    for (host, expected) in [
        (
            host("0.3.15", "29.0.0"),
            "cri-dockerd 0.3.15 speaks API 1.43 to Docker, and Docker Engine 29.0.0 wants 1.44 at least",
        ),
        (
            host("0.4.0", "20.10.24"),
            "cri-dockerd 0.4.0 wants API 1.42 of Docker at least, and Docker Engine 20.10.24 speaks 1.41",
        ),
        (
            host("0.2.6", "26.1.5"),
            "cri-dockerd 0.2.6 does not speak CRI v1, and a kubelet 1.31 speaks nothing else",
        ),
        (
            later,
            "/etc/systemd/system/cri-docker.service.d/z.conf:3 sets the command of `cri-docker.service` and is read after \
             /etc/systemd/system/cri-docker.service.d/hardstand.conf",
        ),
        (
            trixie().file(CONFIG, SYSTEMD),
            "cri-dockerd is not installed: the host has no unit `cri-docker.service`",
        ),
    ] {
        let reasons: Vec<_> = host
            .plan(&spec)
            .unplanned
            .into_iter()
            .map(|u| u.reason)
            .collect();
        assert!(
            reasons.iter().any(|reason| reason == expected),
            "{reasons:#?}"
        );
    }
}

#[test]
fn packages_come_first() {
    let spec = "runtime: {docker: {package: docker.io}}";
    let mut host = Machine::debian().package("docker.io", |p| p.candidate = Some("26.1.5".into()));
    let plan = host.plan(spec);
    let order: Vec<_> = plan
        .changes
        .iter()
        .map(|c| c.resource.to_string())
        .collect();
    assert_eq!(
        order,
        ["package/docker.io", CONFIG_ID, "service/docker.service"]
    );
    assert!(matches!(
        change(&plan, CONFIG_ID).steps.last(),
        Some(Step::WriteFile {
            replaces: Replaces::NothingOrPackaged,
            ..
        })
    ));
    host.apply(&plan);
}

#[test]
fn odd_specs_are_refused() {
    for (spec, expected) in [
        (
            "runtime: {docker: {}}\nfiles: [{path: /etc/docker/daemon.json, content: x}]",
            &["E201 `/etc/docker/daemon.json` is managed twice"][..],
        ),
        (
            "runtime: {docker: {}}\nkubernetes: {version: \"1.24\"}",
            &["W246 a kubelet 1.24 cannot use Docker Engine without cri-dockerd"],
        ),
        (
            "runtime: {docker: {}}\nkubernetes: {version: \"1.23\"}",
            &[],
        ),
        (
            "runtime: {docker: {criDockerd: }}\nkubernetes: {version: \"1.24\"}",
            &[],
        ),
        (
            "runtime: {docker: {}}\nkubelet: {cgroupDriver: cgroupfs}",
            &["E221 the kubelet and the runtime use different cgroup drivers"],
        ),
        (
            "runtime: {mirantis: {cgroupDriver: cgroupfs}}\nkubelet: {cgroupDriver: systemd}",
            &["E221 the kubelet and the runtime use different cgroup drivers"],
        ),
        (
            "runtime: {docker: {registryMirrors: [\"https://u:p@a.example\"]}}",
            &["E127 a mirror must not carry a password: specs and plans are read by many"],
        ),
        (
            "runtime: {docker: {logDriver: json_file}}",
            &["W247 Docker Engine has no log driver `json_file`"],
        ),
        (
            "runtime: {docker: {registryMirrors: [a.example]}}",
            &["E127 this is not the URL of a mirror"],
        ),
        (
            "runtime: {docker: {logDriver: \"a b\", criDockerd: {networkPlugin: \"x;y\", podInfraContainerImage: \"$x\"}}}",
            &[
                "E127 `$x` is not the name of an image",
                "E127 `a b` is not a name",
                "E127 `x;y` is not a name",
                "W247 Docker Engine has no log driver `a b`",
            ],
        ),
    ] {
        let (_, mut complaints) = compile(spec);
        complaints.sort();
        assert_eq!(complaints, expected, "{spec}");
    }
}
