//! The kubelet's configuration, as far as it must fit the node and its runtime (the `kubelet` section).
//!
//! One resource writes one file: a few keys of the kubelet's config file, of which every other byte stays (`config`), or a
//! drop-in of its own in the kubelet's config directory. What is written is not what counts: a flag or a later drop-in wins
//! over it, so the effective value of each field is looked up (`arguments`, `effective`, `host`), and what wins
//! is named (`resource`). On a node that has joined a cluster, another cgroup driver is a migration and needs to be asked for.

pub(crate) mod arguments;
mod config;
mod configured;
mod effective;
mod field;
mod host;
mod kernel;
mod resource;
mod section;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use engine::diagnostic::{Diagnostic, Problems};
use engine::facts::Os;
use engine::name::{AbsPath, ResourceId};
use engine::resource::{Declared, Filled, Provider, Section, Sections};
use engine::spec::Node;

use config::Config;
pub(crate) use config::endpoint_in;
pub(crate) use configured::{Configured, Places, text_of};
pub(crate) use effective::{Effective, Origin};
pub(crate) use field::{Field, truth};
pub(crate) use kernel::{obstacles, questions as kernel_questions};
pub(crate) use section::{RuntimeSocket, runtime_socket};

use crate::runtime::{Defaults, GUARDED, KubernetesVersion, kubelet};
use crate::section::{
    check_not_managed, constant_path, decode, items, managed_paths, schema, written,
};
use crate::service::{DEFAULT_GATE, UnitOwner, service_for};
use resource::{KubeletConfig, Target};
use section::{KubeletSection, Runtime};

const KIND: &str = "kubelet";
const DEFAULT_CONFIG: &str = "/var/lib/kubelet/config.yaml";
const DEFAULT_SOCKET: &str = "/run/containerd/containerd.sock";

/// Owns `kubelet`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kubelet;

impl Provider for Kubelet {
    fn sections(&self) -> Vec<Section> {
        vec![Section {
            name: "kubelet",
            schema: schema::<KubeletSection>(),
        }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[KIND]
    }

    fn defaults(&self, sections: &Sections<'_>, _: Os) -> Vec<Filled> {
        // What is wrong is complained about where it is compiled.
        let mut unheard = Problems::default();
        let Some(node) = sections.all.get("kubelet") else {
            return Vec::new();
        };
        let Some(section) = decode::<KubeletSection>(node, &mut unheard) else {
            return Vec::new();
        };
        let Some(config) = config(&section, node, sections, &mut unheard) else {
            return Vec::new();
        };
        let mut defaults = Defaults::below("kubelet")
            .add(
                "configFile",
                config.config_file.as_str(),
                "where kubeadm puts it",
            )
            .add("allowDriverChange", section.allow_driver_change, GUARDED);
        if let Some((driver, runtime)) = config
            .settings
            .get(&Field::CgroupDriver)
            .zip(Runtime::of(sections))
        {
            let reason = format!(
                "that of `runtime.{}`: both sides must use the same",
                runtime.name
            );
            defaults = defaults.add("cgroupDriver", driver.as_str(), reason);
        }
        defaults.finish()
    }

    fn with_cgroup_driver(&self, text: &str, driver: &str) -> Option<Result<String, String>> {
        let settings = BTreeMap::from([(Field::CgroupDriver, driver.to_owned())]);
        let config = Config::read(text).map_err(|error| error.to_string());
        Some(config.map(|config| config.with(&settings)))
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        let Some(node) = sections.all.get("kubelet") else {
            return Vec::new();
        };
        let Some(section) = decode::<KubeletSection>(node, problems) else {
            return Vec::new();
        };
        let Some(config) = config(&section, node, sections, problems) else {
            return Vec::new();
        };
        let services = section::services(Runtime::of(sections).as_ref());
        let owner = UnitOwner {
            unit: kubelet(),
            span: node.span,
            configs: vec![config.target.path().clone()],
            gate: DEFAULT_GATE,
        };
        check_not_managed(
            sections,
            config.target.path(),
            ("kubelet", node.span),
            problems,
        );
        let mut service = service_for(owner, sections);
        service.resource.after.extend(services);
        vec![
            Declared {
                resource: Box::new(config),
                span: node.span,
                written: written(node, &section.requires, &section.notifies),
            },
            service.declared(),
        ]
    }
}

/// Returns the cgroup driver that a spec asks for: the kubelet's, or else the runtime's, which must be the same.
pub(crate) fn driver(sections: &Sections<'_>) -> Option<String> {
    let written = sections
        .all
        .get("kubelet")
        .and_then(|kubelet| kubelet.get(Field::CgroupDriver.key()))
        .and_then(Node::text);
    let runtime = || Runtime::of(sections).map(|runtime| runtime.driver);
    written.or_else(runtime).map(str::to_owned)
}

/// Returns the resource that a section comes to.
fn config(
    section: &KubeletSection,
    node: &Node,
    sections: &Sections<'_>,
    problems: &mut Problems,
) -> Option<KubeletConfig> {
    let runtime = Runtime::of(sections);
    let kubernetes = kubernetes(sections);
    section::check(section, node, runtime.as_ref(), kubernetes, problems);
    let settings = section::settings(section, node, runtime.as_ref(), problems);
    if settings.is_empty() && section.container_runtime_endpoint.is_none() {
        problems.push(
            Diagnostic::error("E270", node.span, "`kubelet` sets nothing")
                .help("set a field such as `cgroupDriver`, or `runtime`, which it then follows"),
        );
        return None;
    }
    let config_file = section.config_file.clone();
    let config_file = config_file.unwrap_or_else(|| constant_path(DEFAULT_CONFIG));
    let target = match &section.config_dir {
        Some(directory) => Target::drop_in(directory)?,
        None => Target::ConfigFile(config_file.clone()),
    };
    let socket = section
        .container_runtime_endpoint
        .as_deref()
        .and_then(|endpoint| endpoint.strip_prefix("unix://")?.parse().ok())
        .or(runtime.as_ref().and_then(|runtime| runtime.socket.clone()))
        .unwrap_or_else(|| constant_path(DEFAULT_SOCKET));
    let mut after = section::services(runtime.as_ref());
    after.extend(files(sections));
    Some(KubeletConfig {
        target,
        config_file,
        settings,
        kubernetes,
        socket,
        allow_driver_change: section.allow_driver_change,
        after,
    })
}

/// Returns the version that the spec names; another provider complains if it is none.
fn kubernetes(sections: &Sections<'_>) -> Option<KubernetesVersion> {
    let version = sections.all.get("kubernetes")?.get("version")?;
    version.text()?.parse().ok()
}

/// Returns the files of the spec that may change the kubelet's command line, to come first.
fn files(sections: &Sections<'_>) -> Vec<ResourceId> {
    let (files, directories) = arguments::places();
    let unit = |path: &AbsPath| path.file_name() == kubelet().as_str();
    let managed = managed_paths(sections)
        .map(|(path, _)| path)
        .filter(|path| files.contains(path) || directories.contains(&path.parent()) || unit(path));
    let drop_ins = items(sections, "services")
        .iter()
        .filter(|service| service.get("name").and_then(Node::text) == Some(kubelet().as_str()))
        .flat_map(|service| service.get("dropIns").map_or(&[][..], Node::entries))
        .filter_map(|entry| {
            format!("/etc/systemd/system/{}.d/{}.conf", kubelet(), entry.key)
                .parse()
                .ok()
        });
    managed
        .chain(drop_ins)
        .map(|path: AbsPath| ResourceId::new("file", path))
        .collect()
}
