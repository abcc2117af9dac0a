//! The container runtime of a node: the spec's sections `runtime` and `kubernetes`, and what all runtimes share.
//!
//! Each runtime is a module of its own with a function `compile`, which turns its field of `runtime` into resources. Here
//! is what does not depend on which one it is: the sections themselves (`section`), the Kubernetes version and its pause
//! image (`version`), releases of programs (`release`), the versions of the CRI (`cri`), the guard of nodes that have joined a cluster (`joined`), packages that
//! the spec lists (`package`), and the ends of a weighing (`refusal`).

mod authority;
mod cri;
mod daemons;
mod defaults;
mod joined;
mod package;
mod prerequisites;
mod refusal;
mod release;
mod section;
mod socket;
#[cfg(test)]
mod tests;
mod version;

use engine::diagnostic::{Diagnostic, Problems};
use engine::facts::Os;
use engine::name::UnitName;
use engine::resource::{Declared, Filled, Implied, Provider, Section, Sections};
use engine::source::Span;
use engine::spec::Node;

pub(crate) use authority::read_authority;
pub(crate) use cri::Spoken;
pub(crate) use daemons::{Daemons, daemons, drop_ins};
pub(crate) use defaults::{Defaults, GUARDED, PREREQUISITES, SYSTEMD, UNIT};
pub(crate) use joined::{DriverChange, has_joined, is_joined, joined_marks};
pub(crate) use package::{listed_package, named_package, package_id, planned_version};
pub(crate) use prerequisites::{FromRuntime, from_runtime};
pub(crate) use refusal::{Refusal, Stop};
pub(crate) use release::Release;
pub(crate) use section::{CgroupDriver, check_image, decode};
pub(crate) use socket::canonical;
pub(crate) use version::{KubernetesVersion, leading_number};

use crate::containerd;
use crate::crio;
use crate::docker;
use crate::migration;
use crate::section::schema;
use section::{KubernetesSection, RuntimeSection};

/// Owns `runtime` and `kubernetes`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Runtimes;

/// The runtime that a spec chooses, and what its resources follow from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chosen<'a> {
    /// What the spec says of it: the value of `runtime.containerd` and the like.
    pub(crate) node: &'a Node,
    /// Where it is chosen.
    pub(crate) span: Span,
    /// The Kubernetes that the node is prepared for.
    pub(crate) kubernetes: Option<KubernetesVersion>,
    /// All sections.
    pub(crate) sections: Sections<'a>,
}

impl Provider for Runtimes {
    fn sections(&self) -> Vec<Section> {
        vec![
            Section {
                name: "runtime",
                schema: schema::<RuntimeSection>(),
            },
            Section {
                name: "kubernetes",
                schema: schema::<KubernetesSection>(),
            },
        ]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[
            containerd::KIND,
            crio::KIND,
            docker::KIND,
            migration::KINDS[0],
            migration::KINDS[1],
        ]
    }

    fn defaults(&self, sections: &Sections<'_>, os: Os) -> Vec<Filled> {
        // What is wrong is complained about where it is compiled.
        let chosen = chosen(sections, &mut Problems::default()).into_iter();
        let defaults = chosen.map(|(name, chosen)| match (name, os) {
            ("containerd", Os::Linux) => containerd::defaults(chosen),
            ("containerd", Os::Windows) => containerd::defaults_on_windows(chosen),
            ("crio", Os::Linux) => crio::defaults(chosen),
            ("docker", Os::Linux) => docker::defaults(docker::Engine::Docker, chosen),
            ("mirantis", Os::Linux) => docker::defaults(docker::Engine::Mirantis, chosen),
            _ => Vec::new(),
        });
        defaults.flatten().collect()
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        let mut declared = Vec::new();
        for (name, chosen) in chosen(sections, problems) {
            // The schema knows no other names.
            declared.extend(match name {
                "containerd" => containerd::compile(chosen, problems),
                "crio" => crio::compile(chosen, problems),
                "docker" => docker::compile(docker::Engine::Docker, chosen, problems),
                "mirantis" => docker::compile(docker::Engine::Mirantis, chosen, problems),
                _ => Vec::new(),
            });
        }
        declared
    }

    fn implied(&self, sections: &Sections<'_>, os: Os) -> Vec<Implied> {
        if os == Os::Windows {
            return Vec::new();
        }
        let chosen = chosen(sections, &mut Problems::default()).into_iter();
        chosen
            .flat_map(|(_, chosen)| prerequisites::implied(&chosen))
            .collect()
    }

    fn windows_sections(&self) -> &'static [&'static str] {
        &["runtime", "kubernetes"]
    }

    fn compile_for_windows(
        &self,
        sections: &Sections<'_>,
        problems: &mut Problems,
    ) -> Vec<Declared> {
        let mut declared = Vec::new();
        for (name, chosen) in chosen(sections, problems) {
            if name == "containerd" {
                declared.extend(containerd::compile_for_windows(chosen, problems));
            } else {
                let message = format!("`{name}` is for Linux, and the spec is for Windows hosts");
                problems.push(
                    Diagnostic::error("E331", chosen.span, message)
                        .help("the runtime of a Windows host is `containerd`"),
                );
            }
        }
        declared
    }
}

/// Returns the runtimes that the sections name. The schema allows only one.
fn chosen<'a>(sections: &Sections<'a>, problems: &mut Problems) -> Vec<(&'a str, Chosen<'a>)> {
    let kubernetes = sections
        .all
        .get("kubernetes")
        .and_then(|node| section::kubernetes(node, problems));
    let runtimes = sections.all.get("runtime").map_or(&[][..], Node::entries);
    let chosen = runtimes.iter().map(|entry| {
        let chosen = Chosen {
            node: &entry.node,
            span: entry.key_span,
            kubernetes,
            sections: *sections,
        };
        (entry.key.as_str(), chosen)
    });
    chosen.collect()
}

/// Returns the unit of the kubelet, which asks its runtime for the cgroup driver once, when it starts.
pub(crate) fn kubelet() -> UnitName {
    "kubelet.service".parse().expect("a valid unit name")
}
