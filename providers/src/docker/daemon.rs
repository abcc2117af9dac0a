//! The resource that is `daemon.json`: what is asked of a host, and what is decided from the answers.

use engine::facts::{CgroupVersion, Init};
use engine::name::{AbsPath, FileMode, PackageName, ResourceId, UnitName, UserName};
use engine::question::{FileState, Question, RegularFile, Unanswered};
use engine::resource::{
    Action, Decision, Edge, Proposal, Relation, Resource, Situation, TextChange, Topic,
};
use engine::step::{Content, FileCheck, Replaces, Step};

use super::edit::{self, Edited, Wanted};
use super::flags::{self, Flag};
use super::json::{Json, line_of};
use super::section::DockerSection;
use super::version::{self, Version};
use super::{Engine, KIND, Provided, installed, keys};
use crate::file::{editable, not_a_file, root};
use crate::runtime::{CgroupDriver, DriverChange, Refusal, Stop, joined_marks, kubelet};
use crate::section::{notifies, requires};
use crate::service::is_running;
use crate::unitfile;

/// Where dockerd reads its configuration if no flag says otherwise.
const DEFAULT_CONFIG: &str = "/etc/docker/daemon.json";

/// dockerd's configuration file, of which hardstand owns some keys.
#[derive(Debug)]
pub(super) struct DaemonConfig {
    /// Which field of `runtime` asks for it.
    pub(super) engine: Engine,
    /// What it should say.
    pub(super) wanted: Wanted,
    /// Where it is.
    pub(super) path: AbsPath,
    /// The unit that reads it.
    pub(super) service: UnitName,
    /// The unit that runs cri-dockerd.
    pub(super) cri_service: Option<UnitName>,
    /// What provides dockerd.
    pub(super) docker: Provided,
    /// Packages with which the node is of another engine.
    pub(super) others: Vec<PackageName>,
    /// The driver may change on a node that has joined.
    pub(super) allow_driver_change: bool,
}

/// Returns what the file should say.
pub(super) fn wanted(section: &DockerSection) -> Wanted {
    Wanted {
        driver: section.cgroup_driver,
        live_restore: section.live_restore,
        log_driver: section.log_driver.clone(),
        log_opts: section.log_opts.clone(),
        data_root: section.data_root.clone(),
        registry_mirrors: section.registry_mirrors.clone(),
    }
}

impl Resource for DaemonConfig {
    fn id(&self) -> ResourceId {
        ResourceId::new(KIND, &self.path)
    }

    fn desired(&self) -> String {
        let Wanted {
            driver,
            live_restore,
            log_driver,
            log_opts,
            data_root,
            registry_mirrors,
        } = &self.wanted;
        format!(
            "cgroupDriver: {}\nliveRestore: {live_restore:?}\nlogDriver: {log_driver:?}\nlogOpts: {log_opts:?}\n\
             dataRoot: {data_root:?}\nregistryMirrors: {registry_mirrors:?}\n",
            driver.as_str()
        )
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = vec![
            Question::File(self.path.clone()),
            Question::File(self.path.parent()),
            Question::Unit(self.service.clone()),
            Question::Unit(kubelet()),
        ];
        questions.extend(joined_marks().map(Question::File));
        questions.extend(self.docker.questions());
        questions.extend(self.others.iter().cloned().map(Question::Installed));
        questions.extend(unitfile::questions(&self.service));
        questions.extend(flags::questions());
        questions
    }

    fn relations(&self) -> Vec<Relation> {
        let told = |unit: &UnitName| Relation {
            edge: Edge::NotifiesOf(Topic::CgroupDriver),
            target: ResourceId::new("service", unit),
        };
        let mut relations = vec![
            notifies(ResourceId::new("service", &self.service)),
            told(&kubelet()),
            requires(ResourceId::new("directory", self.path.parent())),
        ];
        relations.extend(self.cri_service.iter().map(told));
        relations.extend(self.docker.resources().map(requires));
        relations
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        Stop::settle(self.weigh(situation))
    }
}

/// The file as it was found.
#[derive(Debug, Clone, Copy)]
struct Found<'a> {
    text: &'a str,
    file: &'a RegularFile,
}

impl DaemonConfig {
    fn weigh(&self, situation: &Situation<'_>) -> Result<Decision, Stop> {
        let docker = self.docker.version(situation)?;
        if docker.is_none() {
            self.check_engine(situation)?;
        }
        if let Some(docker) = docker {
            version::check_docker(docker)?;
        }
        let found = self.found(situation)?;
        let text = found.map_or("", |found| found.text);
        let before = edit::read(&self.path, text)?;
        let edited = edit::edit(&self.path, text, &self.wanted)?;
        let given = self.flags(situation)?;
        self.check_config_file(&given)?;
        self.check_conflicts(text, &before, &edited, &given)?;
        if edited.differences.is_empty() {
            return Ok(Decision::Converged);
        }
        if let Some(docker) = docker {
            self.check_keys(docker, text, &before)?;
        }
        if edit::holds_credentials(&before) {
            return Err(Refusal::new(format!(
                "{} must change, and it holds a password or token, which a plan must not carry",
                self.path
            ))
            .help("give proxies and log drivers their secrets in another way, such as a drop-in of the unit")
            .into());
        }
        if found.is_none() && !self.comes(situation)? {
            return Err(self.not_installed().into());
        }
        self.propose(found, &before, edited, &given, situation)
    }

    /// A node with Docker Engine of someone else is none with Mirantis Container Runtime.
    fn check_engine(&self, situation: &Situation<'_>) -> Result<(), Stop> {
        let (field, docker) = (self.engine.field(), Engine::Docker.field());
        match installed(&self.others, situation.observed)? {
            Some(name) => Err(Refusal::new(format!(
                "the node has Docker Engine (package {name}), and the spec says `{field}`"
            ))
            .help(format!(
                "write `runtime.{docker}`, or name its package with `runtime.{field}.package`"
            ))
            .into()),
            None => Ok(()),
        }
    }

    fn found<'a>(&self, situation: &Situation<'a>) -> Result<Option<Found<'a>>, Stop> {
        let file = match situation.observed.file(&self.path)? {
            FileState::Absent => return Ok(None),
            FileState::Regular(file) => file,
            other => return Err(not_a_file(&self.path, other).into()),
        };
        let text = editable(self.path.as_str(), file, "JSON")?;
        Ok(Some(Found { text, file }))
    }

    /// Returns the flags that the unit starts dockerd with; none if there is no unit file yet.
    fn flags(&self, situation: &Situation<'_>) -> Result<Vec<Flag>, Stop> {
        let Some(text) = unitfile::read(&self.service, &situation.outlook())? else {
            return Ok(Vec::new());
        };
        Ok(flags::given(&text, situation.observed)?)
    }

    fn check_config_file(&self, given: &[Flag]) -> Result<(), Refusal> {
        let flag = given.iter().rev().find(|flag| flag.name == "config-file");
        let read = flag
            .and_then(|flag| flag.value.as_deref())
            .unwrap_or(DEFAULT_CONFIG);
        if read == self.path.as_str() {
            return Ok(());
        }
        let place = flag.map_or("by default".to_owned(), |flag| format!("by {}", flag.place));
        Err(Refusal::new(format!(
            "dockerd reads {} {place}, and the spec expects {}",
            read.escape_debug(),
            self.path
        ))
        .help(format!(
            "set `runtime.{}.configFile` to the file that dockerd reads",
            self.engine.field()
        )))
    }

    /// dockerd does not start if the file names what a flag names too.
    fn check_conflicts(
        &self,
        text: &str,
        before: &Json,
        edited: &Edited,
        given: &[Flag],
    ) -> Result<(), Refusal> {
        let flag_of = |key: &str| given.iter().find(|flag| flag.key() == key);
        for member in before.members() {
            if let Some(flag) = flag_of(&member.key) {
                let line = line_of(text, member.start);
                let does = format!("{}:{line} sets", self.path);
                return Err(conflict(flag, &does, &member.key)
                    .help(format!("take it out of {} or of {}", self.path, flag.place)));
            }
        }
        for difference in &edited.differences {
            let key = difference.attribute.split('.').next().unwrap_or_default();
            if let Some(flag) = flag_of(key) {
                let does = format!("{} would set", self.path);
                return Err(conflict(flag, &does, key)
                    .help(format!("take `--{}` out of {}", flag.name, flag.place)));
            }
        }
        Ok(())
    }

    /// A key that dockerd does not know stops it at its next start.
    fn check_keys(&self, docker: Version, text: &str, root: &Json) -> Result<(), Refusal> {
        let unknown = keys::unknown(root.members());
        let Some(member) = unknown.filter(|_| !version::checks_its_file(docker)) else {
            return Ok(());
        };
        Err(Refusal::new(format!(
            "{}:{}: Docker Engine {docker} does not know `{}`, and would not start again",
            self.path,
            line_of(text, member.start),
            member.key.escape_debug()
        ))
        .help("take it out of the file; it may be misspelt, or of a newer release"))
    }

    /// Whether dockerd is there, or comes with this plan.
    fn comes(&self, situation: &Situation<'_>) -> Result<bool, Stop> {
        let unit = situation.observed.unit(&self.service)?;
        let unit_file = ResourceId::new("file", format!("/etc/systemd/system/{}", self.service));
        Ok(unit.exists()
            || self.docker.is_planned(situation)
            || self.docker.is_installed(situation.observed)?
            || situation.changes(&unit_file))
    }

    fn not_installed(&self) -> Refusal {
        Refusal::new("Docker Engine is not installed").help(format!(
            "set `runtime.{}.package`, or add it to `packages`",
            self.engine.field()
        ))
    }

    fn propose(
        &self,
        found: Option<Found<'_>>,
        before: &Json,
        edited: Edited,
        given: &[Flag],
        situation: &Situation<'_>,
    ) -> Result<Decision, Stop> {
        let change = DriverChange {
            runtime: self.engine.field(),
            driver: self.wanted.driver,
            allowed: self.allow_driver_change,
        };
        let driver_changes = self.driver_changes(before, given, situation);
        if driver_changes {
            change.guard(situation)?;
        }
        let action = match found {
            Some(_) => Action::Update,
            None => Action::Create,
        };
        let mut proposal = Proposal::new(action, self.steps(found, &edited, situation)?);
        proposal.texts = vec![TextChange {
            path: self.path.to_string(),
            before: found.map(|found| found.text.to_owned()),
            after: Some(edited.text),
        }];
        proposal.condition = edited
            .differences
            .iter()
            .any(|difference| difference.attribute == "data-root" && self.docker_runs(situation))
            .then(|| {
                "images and containers in the old directory stay there and are no longer seen"
                    .to_owned()
            });
        proposal.differences = edited.differences;
        if driver_changes {
            proposal.topics.insert(Topic::CgroupDriver);
            proposal.steps.splice(0..0, change.pause(situation)?);
            proposal.disruption = change.disruption(situation)?;
        }
        Ok(Decision::Change(proposal))
    }

    /// Whether dockerd uses another driver now.
    fn driver_changes(&self, before: &Json, given: &[Flag], situation: &Situation<'_>) -> bool {
        driver_now(before, given, situation) != self.wanted.driver.as_str()
    }

    /// Returns the driver that file, flags and host come to.
    pub(super) fn driver(&self, situation: &Situation<'_>) -> Result<String, Stop> {
        let text = self.found(situation)?.map_or("", |found| found.text);
        let file = edit::read(&self.path, text)?;
        let given = self.flags(situation)?;
        self.check_config_file(&given)?;
        Ok(driver_now(&file, &given, situation))
    }

    fn docker_runs(&self, situation: &Situation<'_>) -> bool {
        situation.observed.unit(&self.service).is_ok_and(is_running)
    }

    fn steps(
        &self,
        found: Option<Found<'_>>,
        edited: &Edited,
        situation: &Situation<'_>,
    ) -> Result<Vec<Step>, Stop> {
        let mut steps = Vec::new();
        let planned = self.docker.is_planned(situation);
        if found.is_none() {
            steps.extend(self.directory(situation)?);
        }
        let attributes = found.map(|found| &found.file.attributes);
        let name = |text: Option<&str>| -> UserName {
            text.and_then(|text| text.parse().ok()).unwrap_or_else(root)
        };
        steps.push(Step::WriteFile {
            path: self.path.clone(),
            content: Content::Text(edited.text.clone()),
            mode: attributes.map_or(FileMode::new(0o644), |found| {
                FileMode::new(found.mode & 0o777)
            }),
            owner: name(attributes.map(|found| found.owner.as_str())),
            group: name(attributes.map(|found| found.group.as_str())),
            replaces: match found {
                Some(found) => Replaces::File(found.file.digest.clone()),
                None if planned => Replaces::NothingOrPackaged,
                None => Replaces::Nothing,
            },
            check: Some(FileCheck::Docker),
            owes: match self.docker_runs(situation) || planned {
                true => vec![self.service.clone()],
                false => Vec::new(),
            },
        });
        Ok(steps)
    }

    /// Returns the step that makes the directory, if neither the host nor the plan has it.
    fn directory(&self, situation: &Situation<'_>) -> Result<Option<Step>, Stop> {
        let directory = self.path.parent();
        match situation.observed.file(&directory)? {
            FileState::Directory(_) | FileState::Symlink(_) => Ok(None),
            FileState::Absent if situation.changes(&ResourceId::new("directory", &directory)) => {
                Ok(None)
            }
            FileState::Absent => Ok(Some(Step::CreateDirectory {
                path: directory,
                mode: FileMode::new(0o755),
                owner: root(),
                group: root(),
            })),
            other => Err(not_a_file(&directory, other).into()),
        }
    }
}

/// Returns the driver that dockerd uses. Where nothing is said it follows the host.
fn driver_now(file: &Json, given: &[Flag], situation: &Situation<'_>) -> String {
    let facts = situation.facts();
    let default = match (facts.init, facts.cgroup) {
        (Init::Systemd, CgroupVersion::V2) => CgroupDriver::Systemd,
        (Init::Systemd, CgroupVersion::V1 | CgroupVersion::None) | (Init::Other, _) => {
            CgroupDriver::Cgroupfs
        }
    };
    let flagged = given
        .iter()
        .filter(|flag| flag.key() == "exec-opts")
        .filter_map(|flag| edit::driver_of(flag.value.as_deref()?))
        .next_back();
    let flagged = flagged.unwrap_or(default.as_str());
    edit::driver(file).unwrap_or_else(|| flagged.to_owned())
}

fn conflict(flag: &Flag, does: &str, key: &str) -> Refusal {
    Refusal::new(format!(
        "{} gives dockerd `--{}`, and {does} `{}` too: dockerd refuses to start with both",
        flag.place,
        flag.name,
        key.escape_debug()
    ))
}
