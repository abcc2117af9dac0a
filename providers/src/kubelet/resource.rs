//! The resource that is a file of the kubelet's configuration: what is asked of a host, and what is decided from the answers.

use std::collections::BTreeMap;

use engine::name::{AbsPath, FileMode, ResourceId};
use engine::question::{FileState, Question, Unanswered};
use engine::resource::{
    Action, Decision, Proposal, Relation, Resource, Situation, TextChange, Topic,
};
use engine::step::{Content, Disruption, Replaces, Step};

use super::KIND;
use super::arguments::{self, Arguments};
use super::config::{self, Config, ConfigError};
use super::effective::{Effective, Layers, Origin};
use super::field::Field;
use super::host::Found;
use super::kernel;
use crate::file::{not_a_file, refused, root};
use crate::runtime::{
    CgroupDriver, KubernetesVersion, Refusal, Stop, has_joined, joined_marks, kubelet,
};
use crate::section::{notifies, requires};
use crate::service::is_running;

/// The drop-in; of the names in a config directory, the last one counts.
pub(super) const DROP_IN: &str = "99-hardstand.conf";

const HEADER: &str = "# Written by hardstand, which owns this file whole.\n";

/// Some fields of the kubelet's configuration.
#[derive(Debug)]
pub(super) struct KubeletConfig {
    /// The file that sets them.
    pub(super) target: Target,
    /// The config file that the kubelet should read.
    pub(super) config_file: AbsPath,
    /// What they should be.
    pub(super) settings: BTreeMap<Field, String>,
    /// The Kubernetes that the node is prepared for.
    pub(super) kubernetes: Option<KubernetesVersion>,
    /// Where the runtime answers, as far as the spec tells.
    pub(super) socket: AbsPath,
    /// The driver may change on a node that has joined.
    pub(super) allow_driver_change: bool,
    /// Resources that come first.
    pub(super) after: Vec<ResourceId>,
}

/// The file that is written.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// The config file, of which some lines are edited.
    ConfigFile(AbsPath),
    /// A drop-in, which hardstand owns whole.
    DropIn {
        /// Where it stands.
        path: AbsPath,
        /// The kubelet's config directory.
        directory: AbsPath,
    },
}

impl Target {
    /// Returns the drop-in of a directory.
    pub(super) fn drop_in(directory: &AbsPath) -> Option<Self> {
        Some(Self::DropIn {
            path: directory.join(DROP_IN).ok()?,
            directory: directory.clone(),
        })
    }

    /// Returns its path.
    pub(super) fn path(&self) -> &AbsPath {
        match self {
            Self::ConfigFile(path) | Self::DropIn { path, .. } => path,
        }
    }
}

impl Resource for KubeletConfig {
    fn id(&self) -> ResourceId {
        ResourceId::new(KIND, self.target.path())
    }

    fn desired(&self) -> String {
        config::minimal(&self.settings)
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = vec![
            Question::File(self.config_file.clone()),
            Question::File(self.target.path().clone()),
            Question::Unit(kubelet()),
        ];
        questions.extend(
            ancestors(self.target.path())
                .into_iter()
                .map(Question::File),
        );
        questions.extend(joined_marks().map(Question::File));
        questions.extend(self.directories().map(|directory| Question::Files {
            directory,
            suffix: "conf".to_owned(),
        }));
        questions.extend(arguments::questions());
        if self.may_ask_runtime() {
            questions.push(Question::Cri(self.socket.clone()));
        }
        if self.protects_kernel_defaults() {
            questions.extend(kernel::questions());
        }
        questions
    }

    fn relations(&self) -> Vec<Relation> {
        let mut relations = vec![
            notifies(ResourceId::new("service", kubelet())),
            requires(ResourceId::new("directory", self.target.path().parent())),
        ];
        relations.extend(self.after.iter().cloned().map(requires));
        if self.protects_kernel_defaults() {
            relations.extend(kernel::resources().map(requires));
        }
        relations
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        Stop::settle(self.weigh(situation))
    }
}

/// What a change starts from and comes to.
struct Comparison<'a> {
    found: Option<Found<'a>>,
    /// The text of the file to come.
    text: String,
    /// The driver changes with the file.
    changes_driver: bool,
    /// The endpoint changes with the file.
    changes_endpoint: bool,
    /// What cannot be promised.
    conditions: Vec<String>,
}

impl KubeletConfig {
    fn weigh(&self, situation: &Situation<'_>) -> Result<Decision, Stop> {
        let arguments = situation.reading::<Arguments>()?;
        let mut conditions: Vec<_> = self
            .check_arguments(&arguments, situation)?
            .into_iter()
            .collect();
        let found = self.found(self.target.path(), situation)?;
        let text = self.text(found)?;
        let drop_ins = self.drop_ins(&arguments, situation)?;
        let below = self.config_below(situation)?;
        let before = self.layers(&arguments, &drop_ins, below, found.map(|found| found.text))?;
        let after = self.layers(&arguments, &drop_ins, below, Some(&text))?;
        let told = self.told_by_runtime(&after, situation)?;
        self.check_effective(&after, told)?;
        self.check_told(told, situation)?;
        self.check_kernel(situation)?;
        if found.is_some_and(|found| found.text == text) {
            return Ok(Decision::Converged);
        }
        conditions.extend(self.written_anew(found, situation));
        conditions.extend(self.without_effect(found, told));
        let comparison = Comparison {
            found,
            text,
            changes_driver: told.is_none() && self.changes(Field::CgroupDriver, &before),
            changes_endpoint: self.changes(Field::ContainerRuntimeEndpoint, &before),
            conditions,
        };
        self.propose(comparison, situation)
    }

    /// Returns the text of the file to come.
    fn text(&self, found: Option<Found<'_>>) -> Result<String, Stop> {
        match (&self.target, found) {
            (Target::DropIn { .. }, _) => {
                Ok(format!("{HEADER}{}", config::minimal(&self.settings)))
            }
            (Target::ConfigFile(_), None) => Ok(config::minimal(&self.settings)),
            (Target::ConfigFile(path), Some(found)) => match Config::read(found.text) {
                Ok(config) => Ok(config.with(&self.settings)),
                Err(error) => Err(unreadable(path.as_str(), &error).into()),
            },
        }
    }

    /// Refuses what would not come to effect, since something else wins.
    fn check_effective(
        &self,
        layers: &Layers<'_>,
        told: Option<CgroupDriver>,
    ) -> Result<(), Refusal> {
        let (mut reasons, mut helps) = (Vec::new(), Vec::new());
        for (field, wanted) in &self.settings {
            let Effective { value, origin } = layers.effective(*field);
            if field.is_same(&value, wanted) || (*field == Field::CgroupDriver && told.is_some()) {
                continue;
            }
            let (place, what) = match origin {
                Origin::Flag(place) => (place, format!("`--{}`", field.flag())),
                Origin::DropIn(place) | Origin::Config(place) => {
                    (place, format!("`{}`", field.key()))
                }
                Origin::BuiltIn => (self.target.path().to_string(), "it".to_owned()),
            };
            reasons.push(format!(
                "`{}` would be `{}` and not `{wanted}`, since {what} in {place} wins over `{}`",
                field.key(),
                value.escape_debug(),
                self.target.path()
            ));
            helps.push(format!("take {what} out of {place}"));
        }
        if reasons.is_empty() {
            return Ok(());
        }
        Err(Refusal::new(reasons.join("; ")).help(helps.join(", and ")))
    }

    /// Refuses a driver that the runtime would talk the kubelet out of, unless the plan changes the runtime.
    fn check_told(
        &self,
        told: Option<CgroupDriver>,
        situation: &Situation<'_>,
    ) -> Result<(), Refusal> {
        let (Some(told), Some(wanted)) = (told, self.settings.get(&Field::CgroupDriver)) else {
            return Ok(());
        };
        let changes = |(resource, proposal): (&ResourceId, &Proposal)| {
            proposal.topics.contains(&Topic::CgroupDriver)
                || (resource.kind() == "service" && self.after.contains(resource))
        };
        if told.as_str() == wanted || situation.proposed.iter().any(changes) {
            return Ok(());
        }
        let told = told.as_str();
        Err(Refusal::new(format!(
            "the cgroup driver would be {told} and not {wanted}: a kubelet since 1.31 takes what its runtime tells it, and the \
             one at {} tells {told}",
            self.socket
        ))
        .help(format!("set `cgroupDriver: {wanted}` for the runtime, in `runtime`")))
    }

    fn protects_kernel_defaults(&self) -> bool {
        let wanted = self.settings.get(&Field::ProtectKernelDefaults);
        wanted.is_some_and(|wanted| wanted == "true")
    }

    /// Refuses to let a kubelet insist on sysctls that are not as it wants them.
    fn check_kernel(&self, situation: &Situation<'_>) -> Result<(), Stop> {
        if !self.protects_kernel_defaults() {
            return Ok(());
        }
        let obstacles = kernel::obstacles(situation)?;
        if obstacles.wrong.is_empty() {
            return Ok(());
        }
        Err(Refusal::new(format!(
            "with `protectKernelDefaults` the kubelet would not start: {}",
            obstacles.wrong.join("; ")
        ))
        .help(format!("add to `sysctls`: {}", obstacles.mend.join(", ")))
        .into())
    }

    /// Returns that kubeadm writes the file, where it comes after us.
    fn written_anew(&self, found: Option<Found<'_>>, situation: &Situation<'_>) -> Option<String> {
        let is_config = matches!(self.target, Target::ConfigFile(_));
        let by_kubeadm = situation
            .observed
            .unit(&kubelet())
            .is_ok_and(|unit| unit.property("DropInPaths").contains("10-kubeadm.conf"));
        (is_config && by_kubeadm && found.is_none()).then(|| {
            "kubeadm writes this file anew when the node joins; the cluster's kubelet-config must say the same".to_owned()
        })
    }

    /// Returns that a change of the driver changes nothing, where the runtime tells it.
    fn without_effect(
        &self,
        found: Option<Found<'_>>,
        told: Option<CgroupDriver>,
    ) -> Option<String> {
        let told = told?.as_str();
        let differs = self
            .differences(found)
            .any(|(field, _, _)| field == Field::CgroupDriver);
        differs.then(|| {
            format!(
                "the runtime at {} tells the kubelet to use {told}, and this counts only where a runtime does not tell",
                self.socket
            )
        })
    }

    fn changes(&self, field: Field, before: &Layers<'_>) -> bool {
        let wanted = self.settings.get(&field);
        wanted.is_some_and(|wanted| !field.is_same(&before.effective(field).value, wanted))
    }

    /// Returns the fields that the file sets otherwise, with what it says and what it should say.
    fn differences<'a>(
        &'a self,
        found: Option<Found<'a>>,
    ) -> impl Iterator<Item = (Field, &'a str, &'a str)> {
        let config = found.and_then(|found| Config::read(found.text).ok());
        self.settings.iter().filter_map(move |(field, wanted)| {
            let value = config.as_ref().and_then(|config| config.get(*field));
            let value = value.unwrap_or_default();
            (value.is_empty() || !field.is_same(value, wanted)).then_some((
                *field,
                value,
                wanted.as_str(),
            ))
        })
    }

    fn propose(
        &self,
        comparison: Comparison<'_>,
        situation: &Situation<'_>,
    ) -> Result<Decision, Stop> {
        let Comparison {
            found,
            text,
            changes_driver,
            changes_endpoint,
            conditions,
        } = comparison;
        let joined = (changes_driver || changes_endpoint) && has_joined(situation)?;
        if changes_driver && joined && !self.allow_driver_change && !situation.drains {
            return Ok(refused(
                "the node has joined a cluster with another cgroup driver; pods would be lost",
                "let the plan drain the node (`cluster.drain`); or drain it yourself, then plan with `allowDriverChange: true`",
            ));
        }
        let (action, mut steps) = match found {
            Some(_) => (Action::Update, Vec::new()),
            None => (Action::Create, self.directories_to_make(situation)?),
        };
        steps.push(self.write(found, &text, situation)?);
        let mut proposal = Proposal::new(action, steps);
        for (field, before, after) in self.differences(found) {
            proposal = proposal.difference(field.key(), before, after);
        }
        if changes_driver {
            proposal.topics.insert(Topic::CgroupDriver);
        }
        if joined {
            proposal.disruption = Disruption::PodLoss;
        }
        proposal.condition = (!conditions.is_empty()).then(|| conditions.join("; "));
        proposal.texts.push(TextChange {
            path: self.target.path().to_string(),
            before: found.map(|found| found.text.to_owned()),
            after: Some(text),
        });
        Ok(Decision::Change(proposal))
    }

    /// Returns the steps that make the directories above the file.
    fn directories_to_make(&self, situation: &Situation<'_>) -> Result<Vec<Step>, Stop> {
        let mut steps = Vec::new();
        for directory in ancestors(self.target.path()) {
            match situation.observed.file(&directory)? {
                FileState::Directory(_) => break,
                FileState::Symlink(_) if !steps.is_empty() => break,
                FileState::Absent
                    if situation.changes(&ResourceId::new("directory", &directory)) =>
                {
                    break;
                }
                FileState::Absent => steps.insert(
                    0,
                    Step::CreateDirectory {
                        path: directory,
                        mode: FileMode::new(0o755),
                        owner: root(),
                        group: root(),
                    },
                ),
                other => return Err(not_a_file(&directory, other).into()),
            }
        }
        Ok(steps)
    }

    fn write(
        &self,
        found: Option<Found<'_>>,
        text: &str,
        situation: &Situation<'_>,
    ) -> Result<Step, Stop> {
        let path = self.target.path();
        let file = found.map(|found| found.file);
        if file.is_some_and(|file| file.links > 1) {
            return Err(refused(
                format!("`{path}` has several hard links"),
                "remove the others",
            )
            .into());
        }
        let owner = file.and_then(|file| file.attributes.owner.parse().ok());
        let group = file.and_then(|file| file.attributes.group.parse().ok());
        let mode = file.map_or(0o644, |file| file.attributes.mode & 0o777);
        let runs = situation.observed.unit(&kubelet()).is_ok_and(is_running);
        Ok(Step::WriteFile {
            path: path.clone(),
            content: Content::Text(text.to_owned()),
            mode: FileMode::new(mode),
            owner: owner.unwrap_or_else(root),
            group: group.unwrap_or_else(root),
            replaces: file.map_or(Replaces::Nothing, |file| {
                Replaces::File(file.digest.clone())
            }),
            check: None,
            owes: if runs { vec![kubelet()] } else { Vec::new() },
        })
    }
}

pub(super) fn unreadable(path: &str, error: &ConfigError) -> Decision {
    refused(
        format!("`{path}` is not edited: {error}"),
        "mend it by hand; it should be one KubeletConfiguration in block style",
    )
}

/// Returns the directories above a path from the lowest to the highest, without the root.
fn ancestors(path: &AbsPath) -> Vec<AbsPath> {
    let mut ancestors = Vec::new();
    let mut directory = path.parent();
    while directory.as_str() != "/" {
        let parent = directory.parent();
        ancestors.push(directory);
        directory = parent;
    }
    ancestors
}
