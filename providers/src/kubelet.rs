//! The kubelet's cgroup driver, which must be the runtime's (the `kubelet` section).
//!
//! Only the key `cgroupDriver` of the kubelet's config file is edited; every other byte stays, since kubeadm or a person
//! wrote it. On a node that has joined a cluster, another driver is a migration and needs to be asked for.

mod arguments;
mod config;
#[cfg(test)]
mod tests;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{AbsPath, FileMode, ResourceId, UnitName};
use engine::question::{FileState, Question, RegularFile, Unanswered};
use engine::resource::{
    Action, Decision, Declared, Proposal, Provider, Relation, Resource, Section, Sections,
    Situation, TextChange, Topic,
};
use engine::source::Span;
use engine::step::{Content, Disruption, Replaces, Step};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::file::{not_a_file, refused, root};
use crate::section::{
    check_not_managed, constant_path, decode, notifies, requires, schema, written,
};
use crate::service::{DEFAULT_GATE, UnitOwner, is_running, service_for};
use config::{Config, ConfigError};

const UNIT: &str = "kubelet.service";
const DEFAULT_CONFIG: &str = "/var/lib/kubelet/config.yaml";
/// What a node has once it joined a cluster with kubeadm.
const JOINED: &str = "/etc/kubernetes/kubelet.conf";
/// Units of runtimes; the kubelet asks its runtime for the driver once, when it starts, so it comes after them.
const RUNTIMES: [&str; 4] = [
    "containerd.service",
    "crio.service",
    "docker.service",
    "cri-docker.service",
];

/// How processes are put into cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum CgroupDriver {
    /// systemd makes the cgroups; right wherever systemd is the init system.
    Systemd,
    /// The kubelet and the runtime make them in the file system.
    Cgroupfs,
}

/// The kubelet of a node.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KubeletSection {
    /// How processes are put into cgroups: `systemd` or `cgroupfs`, the same as the runtime's. The kubelet restarts when it
    /// changes. `kubeadm join` and `kubeadm upgrade node` write the file anew from the cluster's `kubelet-config`, so set it
    /// there as well.
    cgroup_driver: CgroupDriver,
    /// The kubelet's config file; default /var/lib/kubelet/config.yaml. Made if there is none.
    config_file: Option<AbsPath>,
    /// Allows another driver on a node that has joined a cluster; default false. Drain the node first: pods made under the
    /// old driver are lost.
    #[serde(default)]
    allow_driver_change: bool,
    /// Resources that come first.
    #[serde(default)]
    requires: Vec<ResourceId>,
    /// Resources that take notice when the driver changes, besides the kubelet's service.
    #[serde(default)]
    notifies: Vec<ResourceId>,
}

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
        &["kubelet"]
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        let Some(node) = sections.all.get("kubelet") else {
            return Vec::new();
        };
        let Some(section) = decode::<KubeletSection>(node, problems) else {
            return Vec::new();
        };
        let span = node.span_at(&["cgroupDriver"]);
        check_runtime_agrees(section.cgroup_driver, span, sections, problems);
        let driver = Driver {
            config: section
                .config_file
                .unwrap_or_else(|| constant_path(DEFAULT_CONFIG)),
            driver: section.cgroup_driver,
            allow_change: section.allow_driver_change,
        };
        check_not_managed(sections, &driver.config, ("kubelet", node.span), problems);
        let owner = UnitOwner {
            unit: unit(),
            span: node.span,
            configs: vec![driver.config.clone()],
            gate: DEFAULT_GATE,
        };
        let mut service = service_for(owner, sections);
        service.resource.after.extend(
            RUNTIMES
                .into_iter()
                .map(|name| ResourceId::new("service", name)),
        );
        vec![
            Declared {
                resource: Box::new(driver),
                span: node.span,
                written: written(node, &section.requires, &section.notifies),
            },
            service.declared(),
        ]
    }
}

/// Complains if a runtime in the same spec is told another driver.
fn check_runtime_agrees(
    driver: CgroupDriver,
    span: Span,
    sections: &Sections<'_>,
    problems: &mut Problems,
) {
    let runtime = sections
        .all
        .get("runtime")
        .map_or(&[][..], |runtime| runtime.entries());
    for entry in runtime {
        // A runtime that says nothing of it is given systemd.
        let (place, other) = match entry.node.get("cgroupDriver") {
            Some(other) => (other.span, other.text()),
            None => (entry.key_span, Some(CgroupDriver::Systemd.name())),
        };
        if other.is_some_and(|other| other != driver.name()) {
            let message = "the kubelet and the runtime use different cgroup drivers";
            problems.push(
                Diagnostic::error("E221", span, message)
                    .related(place, format!("`{}` uses another one", entry.key))
                    .help("write the same driver in both places"),
            );
        }
    }
}

fn unit() -> UnitName {
    UNIT.parse().expect("a unit name")
}

impl CgroupDriver {
    fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Cgroupfs => "cgroupfs",
        }
    }
}

/// The cgroup driver in the kubelet's config file.
#[derive(Debug)]
struct Driver {
    config: AbsPath,
    driver: CgroupDriver,
    allow_change: bool,
}

impl Resource for Driver {
    fn id(&self) -> ResourceId {
        ResourceId::new("kubelet", "cgroupDriver")
    }

    fn desired(&self) -> String {
        format!(
            "kubelet {} cgroupDriver {}",
            self.config,
            self.driver.name()
        )
    }

    fn questions(&self) -> Vec<Question> {
        vec![
            Question::File(self.config.clone()),
            Question::File(self.config.parent()),
            Question::File(constant_path(JOINED)),
            Question::Unit(unit()),
        ]
    }

    fn relations(&self) -> Vec<Relation> {
        vec![
            notifies(ResourceId::new("service", UNIT)),
            requires(ResourceId::new("directory", self.config.parent())),
        ]
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        match situation.observed.file(&self.config)? {
            FileState::Absent => self.create(situation),
            FileState::Regular(file) => self.update(file, situation),
            other => Ok(not_a_file(&self.config, other)),
        }
    }
}

impl Driver {
    fn create(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        let directory = self.config.parent();
        let made = ResourceId::new("directory", &directory);
        let mut steps = Vec::new();
        match situation.observed.file(&directory)? {
            FileState::Directory(_) => {}
            FileState::Absent if situation.changes(&made) => {}
            FileState::Absent => steps.push(Step::CreateDirectory {
                path: directory,
                mode: FileMode::new(0o755),
                owner: root(),
                group: root(),
            }),
            other => return Ok(not_a_file(&directory, other)),
        }
        let text = config::minimal(self.driver.name());
        steps.push(self.write(
            &text,
            Replaces::Nothing,
            (FileMode::new(0o644), None),
            situation,
        ));
        let mut proposal =
            Proposal::new(Action::Create, steps).difference("cgroupDriver", "", self.driver.name());
        if self.is_written_by_kubeadm(situation) {
            proposal.condition = Some(
                "kubeadm writes this file anew when the node joins; the cluster's kubelet-config must say the same"
                    .to_owned(),
            );
        }
        Ok(self.finish(proposal, None, text))
    }

    fn update(
        &self,
        file: &RegularFile,
        situation: &Situation<'_>,
    ) -> Result<Decision, Unanswered> {
        let text = file.content.as_deref().map(std::str::from_utf8);
        let Some(Ok(text)) = text else {
            return Ok(refused(
                format!("`{}` is not readable text", self.config),
                "mend it by hand",
            ));
        };
        let config = match Config::read(text) {
            Ok(config) => config,
            Err(error) => return Ok(self.unreadable(&error)),
        };
        let before = config.driver();
        if before == Some(self.driver.name()) {
            return Ok(Decision::Converged);
        }
        if file.links > 1 {
            return Ok(refused(
                format!("`{}` has several hard links", self.config),
                "remove the others",
            ));
        }
        let changes = before.unwrap_or(config::DEFAULT_DRIVER) != self.driver.name();
        let joined = *situation.observed.file(&constant_path(JOINED))? != FileState::Absent;
        if changes && joined && !self.allow_change {
            return Ok(refused(
                "the node has joined a cluster with another cgroup driver; pods would be lost",
                "drain the node, then plan with `allowDriverChange: true`",
            ));
        }
        let after = config.with_driver(self.driver.name());
        let step = self.write(
            &after,
            Replaces::File(file.digest.clone()),
            (FileMode::new(file.attributes.mode & 0o777), Some(file)),
            situation,
        );
        let mut proposal = Proposal::new(Action::Update, vec![step]).difference(
            "cgroupDriver",
            before.unwrap_or_default(),
            self.driver.name(),
        );
        if changes && joined {
            proposal.disruption = Disruption::PodLoss;
        }
        Ok(self.finish(proposal, Some(text), after))
    }

    fn finish(&self, mut proposal: Proposal, before: Option<&str>, after: String) -> Decision {
        proposal.topics.insert(Topic::CgroupDriver);
        proposal.texts.push(TextChange {
            path: self.config.to_string(),
            before: before.map(str::to_owned),
            after: Some(after),
        });
        Decision::Change(proposal)
    }

    fn write(
        &self,
        text: &str,
        replaces: Replaces,
        (mode, before): (FileMode, Option<&RegularFile>),
        situation: &Situation<'_>,
    ) -> Step {
        let owner = before.and_then(|file| file.attributes.owner.parse().ok());
        let group = before.and_then(|file| file.attributes.group.parse().ok());
        let runs = situation.observed.unit(&unit()).is_ok_and(is_running);
        Step::WriteFile {
            path: self.config.clone(),
            content: Content::Text(text.to_owned()),
            mode,
            owner: owner.unwrap_or_else(root),
            group: group.unwrap_or_else(root),
            replaces,
            check: None,
            owes: if runs { vec![unit()] } else { Vec::new() },
        }
    }

    fn is_written_by_kubeadm(&self, situation: &Situation<'_>) -> bool {
        situation
            .observed
            .unit(&unit())
            .is_ok_and(|unit| unit.property("DropInPaths").contains("10-kubeadm.conf"))
    }

    fn unreadable(&self, error: &ConfigError) -> Decision {
        refused(
            format!("`{}` is not edited: {error}", self.config),
            "mend it by hand; it should be one KubeletConfiguration in block style",
        )
    }
}
