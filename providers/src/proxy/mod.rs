//! The `proxy` section: the proxy through which the daemons of the runtime pull images, as a drop-in of their units.

mod check;
#[cfg(test)]
mod tests;

use engine::diagnostic::Problems;
use engine::name::{AbsPath, ResourceId, UnitName};
use engine::resource::{Declared, Provider, Section, Sections};
use engine::spec::Node;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::dropin::DropIn;
use crate::runtime;
use crate::section::{decode, schema};

/// The name of the drop-in, as in the documentation of Docker and Kubernetes.
const DROP_IN: &str = "http-proxy";

/// The proxy through which the container runtime pulls images: a drop-in `http-proxy.conf` of its unit (containerd.service,
/// crio.service, or docker.service and cri-docker.service). A change restarts these units: pods stay with containerd and
/// CRI-O; Docker Engine stops them unless `liveRestore` is on. Nothing else on the node uses the proxy.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend(
    "x-default" = "none",
    "x-changes" = "a drop-in `http-proxy.conf` of the runtime's units",
    "x-disrupts" = "the runtime restarts; Docker stops all containers unless `liveRestore` is on"
))]
struct ProxySection {
    /// The proxy for `http://` (`HTTP_PROXY`), such as `http://proxy.example:3128`. User and password must not be in it; see
    /// `environmentFile`.
    #[schemars(example = &"http://proxy.example:3128")]
    http: Option<String>,
    /// The proxy for `https://` (`HTTPS_PROXY`), which is what registries need; mostly the same `http://` URL.
    #[schemars(example = &"http://proxy.example:3128")]
    https: Option<String>,
    /// What is asked without the proxy (`NO_PROXY`): hosts, domains such as `.svc`, addresses, networks such as `10.96.0.0/12`.
    /// List the networks of pods and services, the nodes, and `.svc`. Nothing is added by default; the daemons never ask
    /// localhost through a proxy.
    #[schemars(example = [".svc", "10.96.0.0/12"])]
    no: Vec<String>,
    /// A file on the node with lines such as `HTTPS_PROXY=http://user:password@proxy.example:3128`, which win over the fields
    /// here. hardstand does not read it, so that no secret reaches a plan: it must be there before (make it root's, mode
    /// 0600), since without it the units do not start; and after a change of it, restart them yourself.
    #[schemars(example = &"/etc/proxy.env")]
    environment_file: Option<AbsPath>,
    /// More units that should use the proxy, such as `kubelet.service`; they restart as well.
    #[schemars(example = ["kubelet.service"])]
    #[schemars(extend(
        "x-changes" = "the same drop-in of these units",
        "x-disrupts" = "these units restart"
    ))]
    services: Vec<UnitName>,
}

/// Owns `proxy`. Its drop-ins are declared by `services`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proxy;

impl Provider for Proxy {
    fn sections(&self) -> Vec<Section> {
        vec![Section {
            name: "proxy",
            schema: schema::<ProxySection>(),
        }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[]
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        if let Some(node) = sections.all.get("proxy")
            && let Some(section) = decode::<ProxySection>(node, problems)
        {
            let has_units = !units(&section, sections).is_empty();
            check::check(&section, node, has_units, problems);
        }
        Vec::new()
    }
}

/// Returns the drop-ins that the section asks for. What is wrong with it is said elsewhere.
pub(crate) fn drop_ins(sections: &Sections<'_>) -> Vec<DropIn> {
    let Some((node, section)) = read(sections) else {
        return Vec::new();
    };
    let text = text(&section);
    units(&section, sections)
        .into_iter()
        .map(|unit| {
            let mut drop_in = DropIn::new(unit, DROP_IN, &text, node.span);
            let file = section.environment_file.as_ref();
            drop_in.after = file
                .map(|path| ResourceId::new("file", path))
                .into_iter()
                .collect();
            drop_in
        })
        .collect()
}

fn read<'a>(sections: &Sections<'a>) -> Option<(&'a Node, ProxySection)> {
    let node = sections.all.get("proxy")?;
    Some((node, decode(node, &mut Problems::default())?))
}

/// Returns the units that use the proxy, each once.
fn units(section: &ProxySection, sections: &Sections<'_>) -> Vec<UnitName> {
    let mut units = Vec::new();
    if let Some((daemons, _)) = runtime::daemons(sections) {
        units.extend(daemons.units().cloned());
    }
    for unit in &section.services {
        if !units.contains(unit) {
            units.push(unit.clone());
        }
    }
    units
}

/// Returns the text of the drop-in.
fn text(section: &ProxySection) -> String {
    let ProxySection {
        http,
        https,
        no,
        environment_file,
        services: _,
    } = section;
    let no = (!no.is_empty()).then(|| no.join(","));
    let mut text = "[Service]\n".to_owned();
    for (name, value) in [
        ("HTTP_PROXY", http),
        ("HTTPS_PROXY", https),
        ("NO_PROXY", &no),
    ] {
        if let Some(value) = value {
            text.push_str(&format!("Environment={}\n", quoted(name, value)));
        }
    }
    if let Some(path) = environment_file {
        text.push_str(&format!(
            "EnvironmentFile={}\n",
            path.as_str().replace('%', "%%")
        ));
    }
    text
}

/// Returns an assignment as systemd takes it: in quotes, and with a `%` doubled, which would else be a specifier.
fn quoted(name: &str, value: &str) -> String {
    let value = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%");
    format!("\"{name}={value}\"")
}
