//! Tests of proxies.

use engine::resource::Action;
use engine::step::{Disruption, Step};

use crate::testing::{Machine, change, compile, summary, written};

/// A host on which CRI-O runs as `crio: {}` leaves it.
fn crio() -> Machine {
    let mut host = Machine::debian()
        .directory("/etc/crio")
        .directory("/etc/crio/crio.conf.d")
        .unit("crio.service", &[("CanReload", "yes")]);
    let _plan = host.converge("runtime: {crio: {}}");
    host
}

const CRIO: &str = "/etc/systemd/system/crio.service.d/http-proxy.conf";

#[test]
fn the_drop_in_is_quoted_as_systemd_reads_it() {
    for (fields, expected) in [
        (
            "http: 'http://p.example:3128', https: 'http://p.example:3128', no: [10.0.0.0/8, .svc, '[::1]']",
            "[Service]\n\
             Environment=\"HTTP_PROXY=http://p.example:3128\"\n\
             Environment=\"HTTPS_PROXY=http://p.example:3128\"\n\
             Environment=\"NO_PROXY=10.0.0.0/8,.svc,[::1]\"\n",
        ),
        (
            "https: 'http://p.example/a%20b', no: ['*']",
            "[Service]\n\
             Environment=\"HTTPS_PROXY=http://p.example/a%%20b\"\n\
             Environment=\"NO_PROXY=*\"\n",
        ),
        (
            "environmentFile: /etc/hardstand-example/100%.env",
            "[Service]\nEnvironmentFile=/etc/hardstand-example/100%%.env\n",
        ),
    ] {
        let spec = format!("runtime: {{crio: {{}}}}\nproxy: {{{fields}}}");
        let mut host = crio();
        let text = written(&host.converge(&spec), CRIO);
        let (_header, text) = text.split_once('\n').unwrap();
        assert_eq!(text, expected, "{fields}");
    }
}

#[test]
fn the_runtime_reads_its_unit_again_and_restarts_once() {
    let mut host = crio();
    let spec = "runtime: {crio: {limitNoFile: 65536}}\n\
                proxy: {https: 'http://p.example:3128', no: [10.0.0.0/8, svc]}";
    let plan = host.converge(spec);
    assert_eq!(
        plan.changes
            .iter()
            .map(|change| change.resource.to_string())
            .collect::<Vec<_>>(),
        [
            "directory//etc/systemd/system/crio.service.d",
            "file//etc/systemd/system/crio.service.d/limit-nofile.conf",
            &format!("file/{CRIO}"),
            "service/crio.service",
        ]
    );
    assert!(
        written(
            &plan,
            "/etc/systemd/system/crio.service.d/limit-nofile.conf"
        )
        .ends_with("[Service]\nLimitNOFILE=65536\n")
    );
    let service = change(&plan, "service/crio.service");
    assert_eq!(service.action, Action::Restart);
    assert_eq!(service.disruption, Disruption::Restart);
    assert!(matches!(
        service.steps[..],
        [Step::ReloadUnitFiles, Step::RestartUnit { .. }]
    ));
    // What is gone from the spec is gone from the unit.
    let plan = host.converge("runtime: {crio: {}}");
    assert!(!host.files.contains_key(CRIO), "{:#?}", summary(&plan));
}

#[test]
fn a_drop_in_that_was_written_and_not_taken_up_owes_a_restart() {
    let mut host = crio();
    let spec = "runtime: {crio: {}}\nproxy: {https: 'http://p.example', no: ['*']}";
    let _plan = host.converge(spec);
    // As if the run had stopped before the restart, and lost what it owed.
    let long_ago = ("ExecMainStartTimestamp", "Mon 2023-11-13 18:26:40 UTC");
    let host = host.unit("crio.service", &[long_ago]);
    let plan = host.plan(spec);
    assert_eq!(
        change(&plan, "service/crio.service").action,
        Action::Restart
    );
}

#[test]
fn docker_loses_its_containers_unless_they_live_on() {
    for (live, file, disruption) in [
        ("", "{}", Disruption::PodLoss),
        (
            "liveRestore: true, ",
            "{\"live-restore\": true}",
            Disruption::Restart,
        ),
    ] {
        let spec = |more: &str| format!("runtime: {{docker: {{{live}criDockerd: {{}}}}}}\n{more}");
        let mut host = Machine::debian()
            .directory("/etc/docker")
            .file("/etc/docker/daemon.json", file)
            .directory("/usr/lib/systemd/system")
            .file(
                "/usr/lib/systemd/system/docker.service",
                "[Service]\nExecStart=/usr/bin/dockerd -H fd://\n",
            )
            .file(
                "/usr/lib/systemd/system/cri-docker.service",
                "[Service]\nExecStart=/usr/bin/cri-dockerd --container-runtime-endpoint fd://\n",
            )
            .file(
                "/usr/lib/systemd/system/cri-docker.socket",
                "[Socket]\nListenStream=%t/cri-dockerd.sock\n",
            )
            .unit("docker.service", &[("CanReload", "yes")])
            .unit("docker.socket", &[])
            .unit("cri-docker.service", &[])
            .unit("cri-docker.socket", &[])
            .package("docker.io", |package| {
                package.installed = Some("26.1.5".into());
            });
        let _plan = host.converge(&spec(""));
        let plan = host.converge(&spec("proxy: {https: 'http://p.example', no: ['*']}"));
        assert_eq!(
            change(&plan, "service/docker.service").disruption,
            disruption
        );
        assert_eq!(
            change(&plan, "service/cri-docker.service").disruption,
            Disruption::Restart
        );
        let gone = host.converge(&spec(""));
        let path = "/etc/systemd/system/docker.service.d/http-proxy.conf";
        assert_eq!(
            change(&gone, "service/docker.service").disruption,
            disruption
        );
        assert_eq!(
            change(&gone, &format!("file/{path}")).disruption,
            Disruption::None
        );
        for unit in ["docker", "cri-docker"] {
            let path = format!("/etc/systemd/system/{unit}.service.d/http-proxy.conf");
            assert!(written(&plan, &path).contains("HTTPS_PROXY"), "{unit}");
        }
    }
}

#[test]
fn other_units_use_it_too_and_are_one_resource_each() {
    let mut host = crio()
        .unit("a.service", &[])
        .unit("b.service", &[("ActiveState", "inactive")]);
    let spec = "proxy: {https: 'http://p.example', no: ['*'], services: [a.service, b.service, a.service]}\n\
                services: [{name: b.service, enabled: true, dropIns: {more: '[Unit]'}}]\n\
                directories: [{path: /etc/systemd/system/a.service.d}]\n\
                runtime: {crio: {}}";
    let plan = host.converge(spec);
    assert_eq!(change(&plan, "service/a.service").action, Action::Restart);
    let changes = summary(&plan);
    assert!(
        !changes
            .iter()
            .any(|line| line.starts_with("service/b.") && line.contains("active")),
        "a unit that does not run is not started: {changes:#?}"
    );
}

#[test]
fn what_is_wrong_is_said() {
    const RUNTIME: &str = "runtime: {crio: {}}\n";
    for (fields, expected) in [
        ("no: [a]", &["E263 this names no proxy"][..]),
        (
            "https: 'http://u:p@proxy', no: ['*']",
            &["E261 a user or password of a proxy must not be in a spec"],
        ),
        (
            "https: 'u@proxy:1', no: ['*']",
            &["E261 a user or password of a proxy must not be in a spec"],
        ),
        (
            "https: 'proxy:3128', http: 'http://a b', no: ['*']",
            &["E127 this is not the URL of a proxy"],
        ),
        (
            "https: 'http://p', no: ['a,b', 'http://x', '*', '']",
            &[
                "E127 `` is no host, domain, address or network",
                "E127 `a,b` is no host, domain, address or network",
                "E127 `http://x` is no host, domain, address or network",
            ],
        ),
        (
            "https: 'http://p', no: ['*'], services: [a.socket]",
            &["E127 `a.socket` runs no process that could use a proxy"],
        ),
        (
            "https: 'http://p', no: [localhost]",
            &[
                "W260 `no` lacks the networks of pods and services and `.svc`, so registries inside the cluster are asked through the proxy",
            ],
        ),
        (
            "https: 'http://p', no: [10.0.0.0/8]",
            &[
                "W260 `no` lacks `.svc`, so registries inside the cluster are asked through the proxy",
            ],
        ),
        ("https: 'http://p', no: [10.0.0.0/8, .svc]", &[]),
        ("environmentFile: /etc/proxy.env", &[]),
    ] {
        let spec = format!("{RUNTIME}proxy: {{{fields}}}");
        assert_eq!(compile(&spec).1, expected, "{fields}");
    }
    let (_, complaints) = compile("proxy: {https: 'http://p', no: ['*']}");
    assert_eq!(complaints, ["E263 no unit uses this proxy"]);
    let (_, complaints) = compile(&format!(
        "{RUNTIME}proxy: {{https: 'http://p', no: ['*']}}\n\
         services: [{{name: crio.service, dropIns: {{http-proxy: '[Service]'}}}}]"
    ));
    assert_eq!(complaints, [format!("E201 `file/{CRIO}` is managed twice")]);
}
