//! Tests of what `show --effective` is told: every default, and nothing that changes what a spec means.

mod releases;

use engine::effective::{Effective, Origin};
use engine::facts::Os;
use engine::plan::HostPlan;
use engine::spec::fields;
use serde_json::{Map, Value as Json};

use crate::registry;
use crate::testing::{Machine, change, compile_completed, effective};

const CONTAINERD: &str = "kubernetes: { version: '1.31' }\nruntime: { containerd: {} }\n";

/// Specs that say as little as they can, and some that say more.
const SPECS: [&str; 7] = [
    CONTAINERD,
    "runtime: { containerd: }\nkubelet: {}\ncrictl: {}\n",
    "kubernetes: { version: '1.31' }\nruntime: { containerd: { registries: { docker.io: {} } } }\nkubelet: {}\ncrictl: {}\n",
    "kubernetes: { version: '1.31' }\nruntime: { crio: {} }\nkubelet: {}\ncrictl: {}\n",
    "kubernetes: { version: '1.31' }\nruntime: { docker: { criDockerd: {} } }\nkubelet: {}\ncrictl: {}\n",
    "kubernetes: { version: '1.31' }\nruntime: { mirantis: { criDockerd: } }\nkubelet: {}\ncrictl: {}\n",
    "files: [{ path: /etc/a, content: a }, { path: /etc/b, state: absent }]\ndirectories: [{ path: /opt/a }]\n\
     packages: [socat, { name: chrony }]\nmodules: [overlay, { name: br_netfilter }]\nswap: off\n\
     sysctls: { vm.panic_on_oom: { min: 0 }, vm.swappiness: 1 }\nruntime: { containerd: { prerequisites: false } }\n\
     services: [{ name: chrony.service, enabled: true }, { name: containerd.service, active: true }]\n\
     timeSync: { chrony: {} }\nproxy: { http: 'http://proxy.example:3128' }\n",
];

/// Returns a value as JSON, which is YAML. Its keys are in order, so those of the specs here must be.
fn json(value: &Effective) -> Json {
    match value {
        Effective::Leaf(value, _) => value.clone(),
        Effective::Map(entries) => {
            let entries = entries.iter();
            Json::Object(Map::from_iter(
                entries.map(|(key, value)| (key.clone(), json(value))),
            ))
        }
        Effective::List(items) => items.iter().map(json).collect(),
    }
}

/// Returns what stands at a path of fields.
fn at<'a>(value: &'a Effective, path: &str) -> Option<&'a Effective> {
    path.split('.').try_fold(value, |value, name| match value {
        Effective::Map(entries) => entries
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value),
        Effective::Leaf(..) | Effective::List(_) => None,
    })
}

/// Returns the resources of a spec with what each should be, and what is wrong.
fn desired(spec: &str) -> (Vec<(String, String)>, Vec<String>) {
    let (graph, problems) = compile_completed(spec);
    let resources = graph.nodes();
    let desired = resources.map(|node| (node.id.to_string(), node.resource.desired()));
    (desired.collect(), problems)
}

#[test]
fn an_effective_spec_comes_to_the_same_resources() {
    for spec in SPECS {
        let before = desired(spec);
        assert!(!before.0.is_empty(), "{spec}");
        let whole = json(&effective(spec, Os::Linux)).to_string();
        assert_eq!(desired(&whole), before, "{spec}");
    }
}

#[test]
fn what_the_page_recommends_is_filled_in_with_reasons() {
    let spec = effective(CONTAINERD, Os::Linux);
    for (field, value, why) in [
        ("cgroupDriver", "systemd", "init system"),
        (
            "sandboxImage",
            "registry.k8s.io/pause:3.10",
            "Kubernetes 1.31",
        ),
        (
            "configFile",
            "/etc/containerd/config.toml",
            "containerd reads",
        ),
        ("socket", "/run/containerd/containerd.sock", "listens"),
    ] {
        match at(&spec, &format!("runtime.containerd.{field}")) {
            Some(Effective::Leaf(found, Origin::Default(reason))) => {
                assert_eq!(found, value);
                assert!(reason.contains(why), "{field}: {reason}");
            }
            other => panic!("{field}: {other:?}"),
        }
    }
    assert!(matches!(
        at(&spec, "kubernetes.version"),
        Some(Effective::Leaf(_, Origin::Written(_)))
    ));
}

/// What a spec with a runtime implies, as `SECTION ITEM`.
fn implied(spec: &str) -> Vec<String> {
    let spec = effective(spec, Os::Linux);
    let mut found = Vec::new();
    let is_default = |value: &Effective| matches!(value, Effective::Leaf(_, Origin::Default(_)));
    if let Some(Effective::List(items)) = at(&spec, "modules") {
        let items = items.iter().filter(|item| is_default(item));
        found.extend(items.map(|item| format!("modules {}", json(item).as_str().unwrap())));
    }
    if let Some(Effective::Map(entries)) = at(&spec, "sysctls") {
        let entries = entries.iter().filter(|(_, value)| is_default(value));
        found.extend(entries.map(|(key, value)| format!("sysctls {key} = {}", json(value))));
    }
    found
}

#[test]
fn a_runtime_asks_for_what_the_page_has_before_any_runtime() {
    const ALL: [&str; 5] = [
        "modules overlay",
        "modules br_netfilter",
        "sysctls net.bridge.bridge-nf-call-ip6tables = 1",
        "sysctls net.bridge.bridge-nf-call-iptables = 1",
        "sysctls net.ipv4.ip_forward = 1",
    ];
    let of = |version: &str| {
        format!("kubernetes: {{ version: '{version}' }}\nruntime: {{ crio: {{}} }}\n")
    };
    for (spec, expected) in [
        (of("1.27"), &ALL[..]),
        (of("1.29"), &ALL[..]),
        (of("1.30"), &[ALL[0], ALL[4]][..]),
        (of("1.36"), &[ALL[0], ALL[4]][..]),
        ("runtime: { containerd: }".to_owned(), &ALL[..]),
        (
            "runtime: { docker: { prerequisites: true } }".to_owned(),
            &ALL[..],
        ),
        (
            "runtime: { mirantis: { prerequisites: false } }".to_owned(),
            &[][..],
        ),
        (
            "kubernetes: { version: '1.27' }\nswap: off".to_owned(),
            &[][..],
        ),
        // What is written stays, however it is spelled.
        (
            "modules: [{ name: br-netfilter }, overlay]\nruntime: { containerd: {} }\n\
             sysctls: { net.ipv4.conf.all.forwarding: 0, net.bridge.bridge-nf-call-iptables: 0 }"
                .to_owned(),
            &[ALL[2]][..],
        ),
    ] {
        assert_eq!(implied(&spec), expected, "{spec}");
    }
}

#[test]
fn what_is_implied_is_compiled_where_the_runtime_is_chosen() {
    let (graph, problems) = compile_completed(CONTAINERD);
    assert_eq!(problems, [""; 0]);
    let implied = graph.nodes().filter(|node| {
        let id = node.id.to_string();
        id == "module/overlay" || id == "sysctl/net.ipv4.ip_forward"
    });
    let runtime = graph
        .nodes()
        .find(|node| node.id.kind() == "containerd")
        .unwrap();
    let places: Vec<_> = implied.map(|node| node.position.clone()).collect();
    assert_eq!(places, [runtime.position.clone(), runtime.position.clone()]);
}

#[test]
fn a_package_that_is_named_and_listed_is_one() {
    for runtime in [
        "containerd: { package: my-runtime }",
        "crio: { package: my-runtime }",
        "docker: { package: my-runtime, criDockerd: {} }",
    ] {
        let spec = format!("runtime: {{ {runtime} }}\npackages: [my-runtime]\n");
        let (graph, problems) = compile_completed(&spec);
        assert_eq!(problems, [""; 0], "{runtime}");
        let packages = graph.ids().iter().filter(|id| id.kind() == "package");
        assert_eq!(packages.count(), 1, "{runtime}");
    }
}

#[test]
fn files_that_only_a_runtime_asks_for_can_be_left_out() {
    let without = |spec: &str| -> Vec<String> {
        let (graph, _) = compile_completed(spec);
        let nodes = graph.nodes();
        nodes
            .filter(|node| node.resource.without().is_some())
            .map(|node| node.id.name().to_owned())
            .collect()
    };
    let files = [
        "/etc/modules-load.d/hardstand.conf",
        "/etc/sysctl.d/99-zz-hardstand.conf",
    ];
    assert_eq!(without(CONTAINERD), files);
    let (graph, _) = compile_completed(CONTAINERD);
    let mut nodes = graph.nodes();
    assert!(nodes.any(|node| node.resource.without()
        == Some(
            "`prerequisites: false` in `runtime.containerd` leaves out what follows from that"
        )));
}

/// Returns a spec with all that it implies and with every default.
fn whole(spec: &str) -> String {
    json(&effective(spec, Os::Linux)).to_string()
}

/// Returns a machine that runs containerd, with nothing of what a runtime asks of its kernel.
fn unprepared() -> Machine {
    Machine::debian()
        .module("overlay", |module| module.available = true)
        .sysctl("net.ipv4.ip_forward", "0")
        .directory("/etc/containerd")
        .unit("containerd.service", &[])
        .containerd("1.6.20", None)
        .cri("containerd", "1.6.20")
}

/// Returns what a plan changes.
fn changed(plan: &HostPlan) -> Vec<String> {
    let changes = plan.changes.iter();
    changes.map(|change| change.resource.to_string()).collect()
}

#[test]
fn a_kernel_without_what_is_implied_keeps_nothing_else_from_being_done() {
    let spec = "runtime: { containerd: {} }\nsysctls: { net.ipv4.conf.all.rp_filter: 1 }\n";
    let machine = unprepared().sysctl("net.ipv4.conf.all.rp_filter", "0");
    let plan = machine.plan(&whole(spec));
    let held_up: Vec<_> = plan
        .unplanned
        .iter()
        .map(|unplanned| unplanned.resource.to_string())
        .collect();
    assert_eq!(
        held_up,
        [
            "module/br_netfilter",
            "sysctl/net.bridge.bridge-nf-call-ip6tables",
            "sysctl/net.bridge.bridge-nf-call-iptables",
        ]
    );
    let help = plan.unplanned[0].help.as_deref().unwrap();
    assert!(help.contains("`prerequisites: false`"), "{help}");
    assert_eq!(
        changed(&plan),
        [
            "file//etc/modules-load.d/hardstand.conf",
            "module/overlay",
            "file//etc/sysctl.d/99-zz-hardstand.conf",
            "sysctl/net.ipv4.ip_forward",
            "sysctl/net.ipv4.conf.all.rp_filter",
            "containerd//etc/containerd/config.toml",
            "service/containerd.service",
        ]
    );
    assert_eq!(plan.checks.refusal(), None);
}

#[test]
fn what_no_longer_follows_from_a_newer_version_goes_from_the_boot_and_not_from_the_running_kernel()
{
    let spec = |version: &str| {
        whole(&format!(
            "kubernetes: {{ version: '{version}' }}\nruntime: {{ containerd: {{}} }}\n"
        ))
    };
    let mut machine = unprepared().module("br_netfilter", |module| module.available = true);
    let plan = machine.plan(&spec("1.29"));
    machine.apply(&plan);
    let upgraded = machine.plan(&spec("1.30"));
    let changed = changed(&upgraded);
    let files = [
        "/etc/modules-load.d/hardstand.conf",
        "/etc/sysctl.d/99-zz-hardstand.conf",
    ]
    .map(|path| format!("file/{path}"));
    let of_kernel = |id: &&String| !id.starts_with("containerd/") && !id.starts_with("service/");
    assert!(changed.iter().filter(of_kernel).eq(&files), "{changed:#?}");
    // The plan says why.
    let dropped: Vec<_> = files
        .iter()
        .flat_map(|file| &change(&upgraded, file).differences)
        .filter(|difference| difference.after == "left to the network plugin since Kubernetes 1.30")
        .map(|difference| difference.attribute.as_str())
        .collect();
    assert_eq!(
        dropped,
        [
            "br_netfilter",
            "net.bridge.bridge-nf-call-ip6tables",
            "net.bridge.bridge-nf-call-iptables"
        ]
    );
    machine.apply(&upgraded);
    assert_eq!(machine.sysctls["net.bridge.bridge-nf-call-iptables"], "1");
}

#[test]
fn a_windows_host_has_the_defaults_of_windows() {
    let spec = json(&effective(CONTAINERD, Os::Windows));
    assert_eq!(
        spec["runtime"]["containerd"],
        serde_json::json!({
            "configFile": "/C:/Program Files/containerd/config.toml",
            "sandboxImage": "mcr.microsoft.com/oss/kubernetes/pause:3.6",
            "service": "containerd.service",
            "socket": "/pipe/containerd-containerd",
        })
    );
}

/// A default that the reference gives as a value, or as one that follows from another section.
#[test]
fn every_default_of_a_runtime_and_the_kubelet_is_filled_in() {
    let sections: Vec<_> = registry().iter().flat_map(|p| p.sections()).collect();
    let mut seen = 0;
    for (spec, chosen) in [
        (SPECS[2], "runtime.containerd."),
        (SPECS[3], "runtime.crio."),
        (SPECS[4], "runtime.docker."),
        (SPECS[5], "runtime.mirantis."),
        (SPECS[2], "kubelet."),
    ] {
        let filled = effective(spec, Os::Linux);
        let section = chosen.split('.').next().unwrap();
        let section = sections.iter().find(|s| s.name == section).unwrap();
        for page in fields(section.name, section.schema.as_value()) {
            let default = page.default.unwrap_or_default();
            let is_value = default.starts_with('`') && default != "`[]`" && default != "`{}`";
            let follows = default.contains("`kubernetes.version`") || default.contains("`runtime`");
            if !page.path.starts_with(chosen)
                || page.path.contains(['<', '['])
                || !(is_value || follows)
            {
                continue;
            }
            let found = at(&filled, &page.path);
            assert!(
                matches!(found, Some(Effective::Leaf(_, Origin::Default(_)))),
                "{}: {found:?}",
                page.path
            );
            seen += 1;
        }
    }
    assert!(seen > 25, "{seen}");
}
