//! The `crictl` section: `/etc/crictl.yaml`, so that crictl asks the runtime of the node and no other.

#[cfg(test)]
mod tests;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{AbsPath, NameError};
use engine::resource::{Declared, Provider, Section, Sections};
use engine::spec::Node;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::file::managed_file;
use crate::runtime::{self, decode};
use crate::section::{constant_path, schema};

/// Where crictl looks for its configuration.
const PATH: &str = "/etc/crictl.yaml";

/// How crictl finds the container runtime: the whole of /etc/crictl.yaml. `crictl: {}` is enough. Nothing restarts when it
/// changes; crictl itself is not installed by this.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-changes" = "`/etc/crictl.yaml`, owned whole", "x-disrupts" = "nothing"))]
struct CrictlSection {
    /// The socket on which the runtime answers, such as `unix:///run/containerd/containerd.sock`. By default that of the
    /// runtime that `runtime` chooses.
    #[schemars(example = &"unix:///run/containerd/containerd.sock")]
    #[schemars(extend("x-default" = "the socket of `runtime`"))]
    runtime_endpoint: Option<String>,
    /// The socket on which images are asked for; by default the same.
    #[schemars(example = &"unix:///run/containerd/containerd.sock")]
    #[schemars(extend("x-default" = "`runtimeEndpoint`"))]
    image_endpoint: Option<String>,
    /// How many seconds crictl waits for an answer. Left out by default, so that crictl waits two.
    #[schemars(example = 10, extend("x-default" = "left out: crictl waits two seconds"))]
    #[schemars(range(min = 1, max = 3600))]
    timeout: Option<u32>,
    /// Whether crictl prints what it does. Left out by default, so that it does not.
    #[schemars(extend("x-default" = "left out: `false`"))]
    debug: Option<bool>,
}

/// Owns `crictl`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crictl;

impl Provider for Crictl {
    fn sections(&self) -> Vec<Section> {
        vec![Section {
            name: "crictl",
            schema: schema::<CrictlSection>(),
        }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[]
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        let Some(node) = sections.all.get("crictl") else {
            return Vec::new();
        };
        let text = decode::<CrictlSection>(node, problems)
            .and_then(|section| text(&section, node, sections, problems));
        let file = text.map(|text| Declared {
            resource: Box::new(managed_file(constant_path(PATH), text.into_bytes())),
            span: node.span,
            written: Vec::new(),
        });
        file.into_iter().collect()
    }
}

/// Returns the content of the file.
fn text(
    section: &CrictlSection,
    node: &Node,
    sections: &Sections<'_>,
    problems: &mut Problems,
) -> Option<String> {
    let CrictlSection {
        runtime_endpoint,
        image_endpoint,
        timeout,
        debug,
    } = section;
    let chosen = runtime::daemons(sections).and_then(|(daemons, _)| daemons.socket);
    let mut written = |text: &Option<String>, field| {
        text.as_ref()
            .map(|text| endpoint(text, field, node, problems))
    };
    let (runtime, images) = (
        written(runtime_endpoint, "runtimeEndpoint"),
        written(image_endpoint, "imageEndpoint"),
    );
    let Some(runtime) = runtime.or_else(|| chosen.map(Some)) else {
        problems.push(
            Diagnostic::error("E260", node.span, "crictl has no runtime to ask").help(
                "choose one in `runtime` (with Docker Engine, `criDockerd`), or set `runtimeEndpoint`",
            ),
        );
        return None;
    };
    let runtime = runtime?;
    let images = images.unwrap_or_else(|| Some(runtime.clone()))?;
    let mut text = format!(
        "# Written by hardstand, which owns this file whole.\n\
         runtime-endpoint: unix://{runtime}\nimage-endpoint: unix://{images}\n"
    );
    text.extend(timeout.map(|seconds| format!("timeout: {seconds}\n")));
    text.extend(debug.map(|debug| format!("debug: {debug}\n")));
    Some(text)
}

/// Reads an endpoint; crictl takes a socket with its scheme, and older ones without.
fn endpoint(text: &str, field: &str, node: &Node, problems: &mut Problems) -> Option<AbsPath> {
    let path: Result<AbsPath, NameError> = text.strip_prefix("unix://").unwrap_or(text).parse();
    // What YAML would read as something else than a plain text.
    let plain = |path: &AbsPath| !path.as_str().contains([' ', '#', ':', '"', '\'']);
    if let Some(path) = path.ok().filter(plain) {
        return Some(path);
    }
    let message = format!("`{}` is not the socket of a runtime", text.escape_debug());
    problems.push(
        Diagnostic::error("E127", node.span_at(&[field]), message)
            .help("write it as `unix:///run/containerd/containerd.sock`"),
    );
    None
}
