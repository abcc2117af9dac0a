//! The resource that is a file of the kubelet's configuration: what is asked of a host, and what is decided from the answers.

use std::collections::BTreeMap;

use engine::name::{AbsPath, FileMode, ResourceId};
use engine::question::{CriRuntimeConfig, CriState, FileState, Question, RegularFile, Unanswered};
use engine::resource::{
    Action, Decision, Proposal, Relation, Resource, Situation, TextChange, Topic,
};
use engine::step::{Content, Disruption, Replaces, Step};

use super::KIND;
use super::arguments::{self, Arguments, Flag};
use super::config::{self, Config, ConfigError};
use super::effective::{Effective, Layers, Origin};
use super::field::Field;
use super::kernel;
use crate::confdir::{Fragment, fragments_in};
use crate::file::{not_a_file, refused, root};
use crate::runtime::{
    CgroupDriver, KubernetesVersion, Refusal, Stop, canonical, has_joined, joined_marks, kubelet,
};
use crate::section::{constant_path, notifies, requires};
use crate::service::is_running;

/// The drop-in; of the names in a config directory, the last one counts.
const DROP_IN: &str = "99-hardstand.conf";

/// Where config directories usually are.
const USUAL_DIRECTORY: &str = "/etc/kubernetes/kubelet.conf.d";

/// The feature gate under which the kubelet asks its runtime for the driver.
const ASKS_RUNTIME: &str = "KubeletCgroupDriverFromCRI";

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

/// The file as it was found.
#[derive(Debug, Clone, Copy)]
struct Found<'a> {
    text: &'a str,
    file: &'a RegularFile,
}

impl KubeletConfig {
    fn weigh(&self, situation: &Situation<'_>) -> Result<Decision, Stop> {
        let arguments = arguments::read(situation.observed, situation.proposed)?;
        let mut conditions = self.check_arguments(&arguments)?;
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

    /// Returns the file at a path, none if there is none; anything but a text is not touched.
    fn found<'a>(
        &self,
        path: &AbsPath,
        situation: &Situation<'a>,
    ) -> Result<Option<Found<'a>>, Stop> {
        let file = match situation.observed.file(path)? {
            FileState::Absent => return Ok(None),
            FileState::Regular(file) => file,
            other => return Err(not_a_file(path, other).into()),
        };
        let text = file.content.as_deref().map(std::str::from_utf8);
        let Some(Ok(text)) = text else {
            return Err(
                refused(format!("`{path}` is not readable text"), "mend it by hand").into(),
            );
        };
        Ok(Some(Found { text, file }))
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

    /// Checks that the kubelet reads the file at all, and returns what must still come true for that.
    fn check_arguments(&self, arguments: &Arguments) -> Result<Vec<String>, Stop> {
        if let Some(why) = arguments.unread() {
            return Err(Decision::Unknown(format!(
                "what the kubelet is started with is not known: {why}"
            ))
            .into());
        }
        if !arguments.has_unit() {
            return Ok(match &self.target {
                Target::ConfigFile(_) => Vec::new(),
                Target::DropIn { directory, .. } => {
                    vec![format!(
                        "the kubelet must be started with `--config-dir={directory}`"
                    )]
                }
            });
        }
        let reads = arguments.last("config");
        let file = &self.config_file;
        if let Some(flag) = reads
            && flag.value.as_deref() != Some(file.as_str())
        {
            let read = flag.value.as_deref().unwrap_or_default().escape_debug();
            return Err(Refusal::new(format!(
                "the kubelet reads `{read}` and not `{file}`: {}",
                flag.place
            ))
            .help(format!(
                "set `kubelet.configFile: {read}`, or change the flag"
            ))
            .into());
        }
        match &self.target {
            Target::ConfigFile(_) if reads.is_none() => Err(Refusal::new(format!(
                "the kubelet is started without `--config`, so it does not read `{file}`"
            ))
            .help(format!(
                "start it with `--config={file}`, as kubeadm's drop-in of its unit does"
            ))
            .into()),
            Target::ConfigFile(_) => Ok(Vec::new()),
            Target::DropIn { directory, .. } => {
                check_directory(arguments, directory)?;
                Ok(Vec::new())
            }
        }
    }

    /// Returns the drop-ins that the kubelet reads besides ours, in their order.
    fn drop_ins(
        &self,
        arguments: &Arguments,
        situation: &Situation<'_>,
    ) -> Result<Vec<Fragment>, Stop> {
        let directory = match &self.target {
            Target::DropIn { directory, .. } => Some(directory.clone()),
            Target::ConfigFile(path) => match arguments.last("config-dir") {
                Some(flag) => Some(self.asked(flag, path)?),
                None => None,
            },
        };
        let Some(directory) = directory else {
            return Ok(Vec::new());
        };
        let mut drop_ins = fragments_in(situation.observed, situation.proposed, &[directory])?;
        drop_ins.retain(|drop_in| drop_in.path != self.target.path().as_str());
        Ok(drop_ins)
    }

    /// Returns the config directory of a flag, if the host was asked about it.
    fn asked(&self, flag: &Flag, path: &AbsPath) -> Result<AbsPath, Refusal> {
        let named = flag.value.as_deref().unwrap_or_default();
        self.directories()
            .find(|directory| directory.as_str() == named)
            .ok_or_else(|| {
                let named = named.escape_debug();
                Refusal::new(format!(
                    "drop-ins in `{named}` win over `{path}`, and were not read: {}",
                    flag.place
                ))
                .help(format!(
                    "set `kubelet.configDir: {named}`, to have a drop-in written there"
                ))
            })
    }

    /// Returns the config directories that the host is asked about.
    fn directories(&self) -> impl Iterator<Item = AbsPath> {
        let ours = match &self.target {
            Target::DropIn { directory, .. } => directory.clone(),
            Target::ConfigFile(_) => constant_path(USUAL_DIRECTORY),
        };
        std::iter::once(ours)
    }

    /// Returns the config file below a drop-in of ours, as far as it is in block style.
    fn config_below<'a>(&self, situation: &Situation<'a>) -> Result<Option<&'a str>, Stop> {
        match self.target {
            Target::ConfigFile(_) => Ok(None),
            Target::DropIn { .. } => {
                let found = self.found(&self.config_file, situation)?;
                let text = found.map(|found| found.text);
                Ok(text.filter(|text| Config::read(text).is_ok()))
            }
        }
    }

    /// Returns all that configures the kubelet, with a text in the place of our file.
    fn layers<'a>(
        &self,
        arguments: &'a Arguments,
        drop_ins: &'a [Fragment],
        below: Option<&'a str>,
        ours: Option<&'a str>,
    ) -> Result<Layers<'a>, Stop> {
        let path = self.target.path();
        let ours = ours.and_then(|text| Some((path.to_string(), Config::read(text).ok()?)));
        let mut layers = Layers {
            arguments,
            drop_ins: Vec::new(),
            config: None,
        };
        for Fragment { path, text } in drop_ins {
            let config = Config::read(text).map_err(|error| unreadable(path, &error))?;
            layers.drop_ins.push((path.clone(), config));
        }
        match self.target {
            Target::ConfigFile(_) => layers.config = ours,
            Target::DropIn { .. } => {
                let name = |path: &str| path.rsplit('/').next().map(str::to_owned);
                let at = layers
                    .drop_ins
                    .partition_point(|(path, _)| name(path).as_deref() < Some(DROP_IN));
                if let Some(ours) = ours {
                    layers.drop_ins.insert(at, ours);
                }
                let below = below.and_then(|text| Config::read(text).ok());
                layers.config = below.map(|config| (self.config_file.to_string(), config));
            }
        }
        Ok(layers)
    }

    /// Whether the kubelet asks its runtime for the driver, if that tells.
    fn may_ask_runtime(&self) -> bool {
        self.settings.contains_key(&Field::CgroupDriver)
            && self.kubernetes.is_some_and(KubernetesVersion::asks_runtime)
    }

    /// Returns the driver that the runtime tells the kubelet, so that the kubelet's own setting does not count.
    fn told_by_runtime(
        &self,
        layers: &Layers<'_>,
        situation: &Situation<'_>,
    ) -> Result<Option<CgroupDriver>, Unanswered> {
        if !self.may_ask_runtime() || layers.switches_off(ASKS_RUNTIME) {
            return Ok(None);
        }
        let endpoint = layers.effective(Field::ContainerRuntimeEndpoint).value;
        if canonical(&endpoint) != canonical(self.socket.as_str()) {
            return Ok(None);
        }
        let CriState::Answers(runtime) = situation.observed.cri(&self.socket)? else {
            return Ok(None);
        };
        Ok(match runtime.config {
            CriRuntimeConfig::Driver(driver) => Some(CgroupDriver::from(driver)),
            CriRuntimeConfig::NotImplemented | CriRuntimeConfig::Untold(_) => None,
        })
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
        if changes_driver && joined && !self.allow_driver_change {
            return Ok(refused(
                "the node has joined a cluster with another cgroup driver; pods would be lost",
                "drain the node, then plan with `allowDriverChange: true`",
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

/// Checks that the kubelet reads the drop-ins of a directory.
fn check_directory(arguments: &Arguments, directory: &AbsPath) -> Result<(), Refusal> {
    let flag = arguments.last("config-dir");
    let named = flag.and_then(|flag| flag.value.as_deref());
    if named == Some(directory.as_str()) {
        return Ok(());
    }
    let reason = match flag {
        Some(flag) => format!(
            "the kubelet reads drop-ins in `{}` and not in `{directory}`: {}",
            named.unwrap_or_default().escape_debug(),
            flag.place
        ),
        None => format!(
            "the kubelet is started without `--config-dir`, so it does not read drop-ins in `{directory}`"
        ),
    };
    Err(Refusal::new(reason).help(format!(
        "add `--config-dir={directory}` to its flags, such as those in KUBELET_EXTRA_ARGS"
    )))
}

fn unreadable(path: &str, error: &ConfigError) -> Decision {
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
