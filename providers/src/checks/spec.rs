//! What the checks know of a merged spec.

use std::collections::BTreeMap;
use std::str::FromStr;

use engine::facts::Os;
use engine::resource::Sections;
use engine::source::{Position, Sources, Span};
use engine::spec::Node;

use crate::runtime::KubernetesVersion;

/// A merged spec, read for checks. It outlives the texts it was read from.
#[derive(Debug)]
pub(crate) struct Spec {
    /// What the hosts run.
    pub(super) os: Os,
    /// The Kubernetes that the hosts are prepared for.
    pub(crate) kubernetes: Option<KubernetesVersion>,
    /// The runtime that is chosen.
    pub(crate) runtime: Option<Runtime>,
    sections: BTreeMap<String, Node>,
    sources: Sources,
}

/// Which runtime a spec chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runtime {
    Containerd,
    Crio,
    Docker,
    Mirantis,
}

impl Spec {
    /// Reads the sections. What is wrong with them is told elsewhere.
    pub(super) fn read(sections: &Sections<'_>, os: Os) -> Self {
        let version = sections
            .all
            .get("kubernetes")
            .and_then(|node| node.get("version"));
        let runtime = sections.all.get("runtime").map_or(&[][..], Node::entries);
        Self {
            os,
            kubernetes: version
                .and_then(Node::text)
                .and_then(|text| text.parse().ok()),
            runtime: runtime.iter().find_map(|entry| Runtime::named(&entry.key)),
            sections: sections.all.clone(),
            sources: sections.sources.clone(),
        }
    }

    /// Returns the value at a path, such as `["runtime", "containerd", "sandboxImage"]`.
    pub(super) fn node(&self, path: &[&str]) -> Option<&Node> {
        let (section, rest) = path.split_first()?;
        self.sections.get(*section)?.at(rest)
    }

    /// Returns the place of the value at a path, or of the deepest one on the way that is there.
    pub(super) fn span(&self, path: &[&str]) -> Option<Span> {
        let (section, rest) = path.split_first()?;
        Some(self.sections.get(*section)?.span_at(rest))
    }

    /// As [`Spec::span`], for people.
    pub(super) fn place(&self, path: &[&str]) -> Option<Position> {
        Some(self.sources.position(self.span(path)?))
    }

    /// Returns the value of a field of the chosen runtime.
    pub(super) fn of_runtime(&self, field: &str) -> Option<&Node> {
        self.node(&["runtime", self.runtime?.field(), field])
    }

    /// Returns the value of a field of the chosen runtime as what it names, if it is written and can be read.
    pub(super) fn of_runtime_as<T: FromStr>(&self, field: &str) -> Option<T> {
        self.of_runtime(field)?.text()?.parse().ok()
    }

    /// Returns the version that `packages` pins the first of some packages to.
    pub(super) fn pinned(&self, names: &[&str]) -> Option<(&str, &Node)> {
        let packages = self.node(&["packages"]).map_or(&[][..], Node::items);
        names.iter().find_map(|name| {
            packages.iter().find_map(|package| {
                let is_it = package.get("name")?.text()? == *name;
                let version = package.get("version").filter(|_| is_it)?;
                Some((version.text()?, version))
            })
        })
    }

    /// Whether a plan may install or remove packages, after which only those that were asked about tell which programs are
    /// there. The `package` of the runtime need not count: its resource asks about it.
    pub(super) fn may_change_packages(&self) -> bool {
        let sections = ["packages", "timeSync", "crictl"];
        sections
            .iter()
            .any(|section| self.sections.contains_key(*section))
            || self.of_runtime("replaces").is_some()
    }

    /// Whether it prepares hosts for Kubernetes: it names a version, a kubelet or a runtime.
    pub(super) fn is_for_kubernetes(&self) -> bool {
        ["kubernetes", "kubelet", "runtime"]
            .iter()
            .any(|section| self.sections.contains_key(*section))
    }
}

impl Runtime {
    const ALL: [Self; 4] = [Self::Containerd, Self::Crio, Self::Docker, Self::Mirantis];

    /// Returns its field in the section `runtime`.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::Crio => "crio",
            Self::Docker => "docker",
            Self::Mirantis => "mirantis",
        }
    }

    /// Whether it is Docker Engine, from whatever vendor.
    pub(super) fn is_docker(self) -> bool {
        matches!(self, Self::Docker | Self::Mirantis)
    }

    fn named(field: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|runtime| runtime.field() == field)
    }
}
