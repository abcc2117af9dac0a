//! What hardstand knows about Linux and the container runtimes.
//!
//! Each module owns sections of the spec and the kinds of resource they compile into. All of it is pure: a resource asks
//! questions, reads answers and proposes steps; it never sees a host. Start with `sysctl`, the clearest of them. What
//! other providers may build on is public: [`file`] for managed files, [`service`] for the unit of a runtime, [`section`]
//! for reading the spec.

pub mod doctor;
pub mod file;
pub mod section;
pub mod service;

mod checks;
mod cluster;
mod confdir;
mod containerd;
mod crictl;
mod crio;
mod docker;
mod dropin;
mod kubelet;
mod migration;
mod module;
mod package;
mod proxy;
mod repository;
mod runtime;
mod swap;
mod sysctl;
#[cfg(test)]
mod testing;
mod timesync;
mod unitfile;

use std::collections::BTreeMap;

use engine::name::CheckId;
use engine::resource::Provider;

pub use checks::rules;

/// Returns every provider; where the graph leaves a choice, resources are changed in this order.
pub fn registry() -> Vec<Box<dyn Provider>> {
    registry_ignoring(BTreeMap::new())
}

/// As [`registry`], with checks that are ignored whatever the spec says, and why.
pub fn registry_ignoring(ignored: BTreeMap<CheckId, String>) -> Vec<Box<dyn Provider>> {
    vec![
        Box::new(repository::Repositories),
        Box::new(package::Packages),
        Box::new(module::Modules),
        Box::new(sysctl::Sysctls),
        Box::new(swap::NoSwap),
        Box::new(file::FilesAndDirectories),
        Box::new(crictl::Crictl),
        Box::new(timesync::TimeSync),
        Box::new(runtime::Runtimes),
        Box::new(proxy::Proxy),
        Box::new(kubelet::Kubelet),
        Box::new(service::Services),
        Box::new(cluster::Clusters),
        Box::new(checks::Checks { ignored }),
    ]
}

#[cfg(test)]
mod tests {
    use engine::spec::fields;
    use serde_json::Value;

    use super::*;
    use crate::testing::Machine;

    /// Collects the fields of a schema that say nothing to their readers.
    fn silent_fields(path: &str, schema: &Value, silent: &mut Vec<String>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if field["description"].as_str().is_none_or(str::is_empty) {
                silent.push(path.clone());
            }
            silent_fields(&path, field, silent);
        }
        for keyword in ["anyOf", "oneOf"] {
            for branch in schema[keyword].as_array().into_iter().flatten() {
                silent_fields(path, branch, silent);
            }
        }
        for keyword in ["items", "additionalProperties"] {
            if schema[keyword].is_object() {
                silent_fields(path, &schema[keyword], silent);
            }
        }
    }

    #[test]
    fn every_field_is_described_closed_and_whole() {
        for section in registry().iter().flat_map(|provider| provider.sections()) {
            let schema = section.schema.as_value();
            assert!(schema["description"].is_string(), "{}", section.name);
            let mut silent = Vec::new();
            silent_fields(section.name, schema, &mut silent);
            assert_eq!(silent, [""; 0]);
            let text = schema.to_string();
            assert!(!text.contains("$ref"), "{text}");
        }
    }

    /// What a field above says counts for those below it.
    #[test]
    fn every_value_says_its_default_an_example_and_what_it_does() {
        let mut missing = Vec::new();
        for section in registry().iter().flat_map(|provider| provider.sections()) {
            let pages = fields(section.name, section.schema.as_value());
            for page in pages.iter().filter(|page| page.below == 0) {
                let is_optional = !page.is_required && !page.path.ends_with(['>', ']']);
                for (what, lacks) in [
                    ("default", is_optional && page.default.is_none()),
                    ("example", page.example.is_none()),
                    ("x-changes", page.changes.is_none()),
                    ("x-disrupts", page.disrupts.is_none()),
                ] {
                    missing.extend(lacks.then(|| format!("{}: {what}", page.path)));
                }
            }
        }
        assert_eq!(missing, [""; 0]);
    }

    /// The answers and the graph are built anew each time, so that an order that depends on a seed would show.
    #[test]
    fn same_inputs_same_bytes() {
        let spec = "\
            modules: [overlay, br_netfilter]\n\
            sysctls: { net.bridge.bridge-nf-call-iptables: 1, net.ipv4.ip_forward: 1, vm.swappiness: 10 }\n\
            packages: [socat, conntrack]\n\
            directories: [{ path: /opt/a }, { path: /opt/a/b }]\n\
            files: [{ path: /opt/a/b/c, content: c }, { path: /etc/motd, content: m }]\n\
            services: [{ name: a.service, active: true, dropIns: { x: '', y: '' } }]\n\
            kubelet: { cgroupDriver: systemd }\n\
            swap: off\n";
        let bytes = || {
            let machine = Machine::debian()
                .sysctl("net.ipv4.ip_forward", "0")
                .sysctl("vm.swappiness", "60")
                .module("overlay", |_| {})
                .package("socat", |_| {})
                .unit("a.service", &[("ActiveState", "inactive")])
                .swap("/swapfile");
            serde_json::to_vec(&machine.plan(spec)).unwrap()
        };
        let first = bytes();
        assert!(first.len() > 1000, "a plan of some size");
        for _ in 0..100 {
            assert_eq!(bytes(), first);
        }
    }

    #[test]
    fn kinds_and_sections_have_one_owner() {
        let providers = registry();
        let mut kinds: Vec<_> = providers.iter().flat_map(|p| p.kinds()).collect();
        let mut sections: Vec<_> = providers
            .iter()
            .flat_map(|p| p.sections())
            .map(|s| s.name)
            .collect();
        let counts = (kinds.len(), sections.len());
        kinds.sort_unstable();
        kinds.dedup();
        sections.sort_unstable();
        sections.dedup();
        assert_eq!((kinds.len(), sections.len()), counts);
    }
}
