//! The resource that is containerd's configuration file: what is asked of a host, and what is decided from the answers.

use engine::facts::Os;
use engine::name::{AbsPath, FileMode, PackageName, ResourceId, UnitName, UserName};
use engine::question::{
    CriRuntimeConfig, CriState, FileState, FoundFile, Question, Unanswered, UnitState,
};
use engine::resource::{
    Action, Decision, Edge, Proposal, Relation, Resource, Situation, TextChange, Topic,
};
use engine::step::{Content, FileCheck, Replaces, Step};

use super::KIND;
use super::edit::{self, Edited, Wanted};
use super::effective::Effective;
use super::files::{drop_in_question, found_drop_ins};
use super::host::{Daemon, Found};
use super::imports::overridden;
use crate::runtime::{
    CgroupDriver, DriverChange, KubernetesVersion, Refusal, Stop, canonical, joined_marks, kubelet,
    package_id,
};
use crate::section::requires;
use crate::unitfile::{self, Word};

/// A configuration file of containerd, of which hardstand owns some keys.
#[derive(Debug)]
pub(super) struct ContainerdConfig {
    /// What it should say.
    pub(super) wanted: Wanted,
    /// Where it is.
    pub(super) path: AbsPath,
    /// The unit that reads it.
    pub(super) service: UnitName,
    /// The socket that the spec expects.
    pub(super) socket: AbsPath,
    /// The package that provides containerd, if the spec names one.
    pub(super) package: Option<PackageName>,
    /// The Kubernetes that the node is prepared for.
    pub(super) kubernetes: Option<KubernetesVersion>,
    /// The driver may change on a node that has joined.
    pub(super) allow_driver_change: bool,
    /// Files of the spec that containerd may import.
    pub(super) after: Vec<ResourceId>,
}

impl Resource for ContainerdConfig {
    fn id(&self) -> ResourceId {
        ResourceId::new(KIND, &self.path)
    }

    fn desired(&self) -> String {
        let Wanted {
            os: _,
            driver,
            sandbox_image,
            registry_config_path,
            cni_bin_dirs,
            cni_conf_dir,
        } = &self.wanted;
        format!(
            "cgroupDriver: {}\nsandboxImage: {sandbox_image:?}\nregistryConfigPath: {registry_config_path:?}\n\
             cni.binDirs: {cni_bin_dirs:?}\ncni.confDir: {cni_conf_dir:?}\n",
            driver.as_str()
        )
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = vec![
            Question::File(self.path.clone()),
            Question::File(self.path.parent()),
            Question::Containerd(self.path.clone()),
            Question::Unit(kubelet()),
            Question::Unit(self.service.clone()),
            Question::Cri(self.socket.clone()),
        ];
        questions.extend(joined_marks().map(Question::File));
        questions.extend(drop_in_question(&self.path));
        questions.extend(self.package.clone().map(Question::Package));
        questions.extend(unitfile::questions(&self.service));
        questions
    }

    fn relations(&self) -> Vec<Relation> {
        let service = |edge, unit: &UnitName| Relation {
            edge,
            target: ResourceId::new("service", unit),
        };
        let mut relations = vec![
            service(Edge::Notifies, &self.service),
            service(Edge::NotifiesOf(Topic::CgroupDriver), &kubelet()),
        ];
        relations.push(requires(ResourceId::new("directory", self.path.parent())));
        let required = self.package.iter().map(package_id);
        relations.extend(required.chain(self.after.iter().cloned()).map(requires));
        relations
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        Stop::settle(self.weigh(situation))
    }
}

/// The file that containerd reads if no flag names another.
const DEFAULT_CONFIG: &str = "/etc/containerd/config.toml";

/// Where containerd listens if its configuration says nothing else.
const DEFAULT_SOCKET: &str = "/run/containerd/containerd.sock";

impl ContainerdConfig {
    fn weigh(&self, situation: &Situation<'_>) -> Result<Decision, Stop> {
        let daemon = self.daemon(situation)?;
        daemon.version.check_known(self.kubernetes)?;
        let found = self.found(situation)?;
        let edited = match found {
            Some(found) => edit::edit(found.text, &self.wanted, daemon.version),
            None => edit::create(&self.wanted, daemon.version),
        };
        let edited = edited.map_err(|refusal| self.about_file(refusal))?;
        let effective = self.effective(daemon, situation)?;
        let command = self.command(situation)?;
        self.check_config_file(&command)?;
        self.check_socket(&command, &edited, effective.as_ref())?;
        match found {
            Some(found) if found.text == edited.text => {
                self.settled(daemon, found, &edited, effective.as_ref(), situation)
            }
            Some(_) | None => self.propose(daemon, found, edited, effective.as_ref(), situation),
        }
    }

    /// Returns the path of the file as people of the host write it.
    pub(super) fn shown(&self) -> String {
        self.wanted.written(&self.path)
    }

    pub(super) fn about_file(&self, refusal: Refusal) -> Refusal {
        Refusal {
            reason: format!("{}: {}", self.shown(), refusal.reason),
            help: refusal.help,
        }
    }

    /// Returns the words of the command that the unit runs; none if there is no unit yet.
    fn command(&self, situation: &Situation<'_>) -> Result<Vec<Word>, Unanswered> {
        let text = unitfile::read(&self.service, &situation.outlook())?;
        let command = text.and_then(|text| text.command(&[]));
        Ok(command.map_or_else(Vec::new, |command| command.words))
    }

    /// The unit must start containerd with the file that is edited. What a program of another name reads is not known.
    fn check_config_file(&self, command: &[Word]) -> Result<(), Refusal> {
        let Some(program) = command.first() else {
            return Ok(());
        };
        let (read, place) = match flag_of(command, ["config", "c"]) {
            Some(flag) => flag,
            None if program.text.ends_with("/containerd") => (DEFAULT_CONFIG, &*program.place),
            None => return Ok(()),
        };
        if canonical(read) == canonical(self.path.as_str()) {
            return Ok(());
        }
        Err(Refusal::new(format!(
            "{place} starts containerd with {}, and the spec is about {}",
            read.escape_debug(),
            self.path
        ))
        .help("set `runtime.containerd.configFile` to the file that containerd reads"))
    }

    /// A runtime that listens elsewhere would never pass the gate of its restart. A flag wins over the file.
    fn check_socket(
        &self,
        command: &[Word],
        edited: &Edited,
        effective: Option<&Effective>,
    ) -> Result<(), Refusal> {
        let flag = flag_of(command, ["address", "a"]).map(|(address, _)| address.to_owned());
        let address = flag
            .or_else(|| effective.and_then(Effective::address))
            .or_else(|| edited.address.clone())
            .unwrap_or_else(|| DEFAULT_SOCKET.to_owned());
        if canonical(&address) == canonical(self.socket.as_str()) {
            return Ok(());
        }
        Err(Refusal::new(format!(
            "containerd listens on {}, and the spec expects {}",
            address.escape_debug(),
            self.socket
        ))
        .help("set `runtime.containerd.socket` to where it listens"))
    }

    /// The file is right; it is converged if containerd reads from it what it says.
    pub(super) fn settled(
        &self,
        daemon: Daemon,
        found: Found<'_>,
        edited: &Edited,
        effective: Option<&Effective>,
        situation: &Situation<'_>,
    ) -> Result<Decision, Stop> {
        if daemon.planned {
            return Ok(Decision::Converged);
        }
        let Some(effective) = effective else {
            let failure = &situation.observed.containerd(&self.path)?.failure;
            let why = failure
                .as_deref()
                .unwrap_or("it printed nothing that can be read");
            return Ok(Decision::Unknown(format!(
                "{} is as desired, but what containerd makes of it is unknown: {why}",
                self.shown()
            )));
        };
        let Some(first) = effective.disagreements(&self.wanted).into_iter().next() else {
            return match self.wanted.os {
                Os::Linux => self.in_effect(found, situation),
                Os::Windows => Ok(Decision::Converged),
            };
        };
        let sets = format!("{} sets", self.shown());
        let imports = self.imports(daemon, edited, situation)?;
        if imports.is_empty() {
            let or_nothing = |text: &str| {
                if text.is_empty() {
                    "nothing".to_owned()
                } else {
                    text.to_owned()
                }
            };
            return Ok(Decision::Unknown(format!(
                "{sets} `{}` to {}, but containerd reads {}",
                first.attribute,
                or_nothing(&first.after),
                or_nothing(&first.before)
            )));
        }
        Ok(overridden(&sets, &first, "reads", &imports, daemon.version).into())
    }

    /// The file is right, and containerd reads it rightly; it is converged if the process runs with it, as far as it tells.
    /// containerd 1.x does not tell.
    fn in_effect(&self, found: Found<'_>, situation: &Situation<'_>) -> Result<Decision, Stop> {
        let CriState::Answers(runtime) = situation.observed.cri(&self.socket)? else {
            return Ok(Decision::Converged);
        };
        let CriRuntimeConfig::Driver(driver) = runtime.config else {
            return Ok(Decision::Converged);
        };
        let running = CgroupDriver::from(driver);
        let unit = situation.observed.unit(&self.service)?;
        if running == self.wanted.driver || !unit.is_active() {
            return Ok(Decision::Converged);
        }
        self.driver_change().guard(situation)?;
        let (running, wanted) = (running.as_str(), self.wanted.driver.as_str());
        if !situation.owes(&self.service) && !self.runs_older_files(unit, found, situation)? {
            return Ok(Refusal::new(format!(
                "containerd runs with the cgroup driver {running}, was started after {} was written, and yet reads \
                 {wanted} from it",
                self.path
            ))
            .help(format!(
                "restart `{}`, since a file that is imported may have changed; if that does not help, it is started with \
                 another configuration",
                self.service
            ))
            .into());
        }
        // Nothing is to be written. The service restarts since this notifies it.
        let mut proposal = Proposal::new(Action::Update, Vec::new()).difference(
            "running cgroup driver",
            running,
            wanted,
        );
        proposal.topics.insert(Topic::CgroupDriver);
        proposal
            .steps
            .extend(self.driver_change().pause(situation)?);
        proposal.disruption = self.driver_change().disruption(situation)?;
        Ok(Decision::Change(proposal))
    }

    /// Whether the file or a drop-in is newer than the process.
    fn runs_older_files(
        &self,
        unit: &UnitState,
        found: Found<'_>,
        situation: &Situation<'_>,
    ) -> Result<bool, Unanswered> {
        let Some(started) = unit.started() else {
            return Ok(false);
        };
        let drop_ins = found_drop_ins(&self.path, situation.observed)?;
        let newer = |drop_in: &FoundFile| matches!(&drop_in.state, FileState::Regular(file) if file.modified > started);
        Ok(found.file.modified > started || drop_ins.iter().any(newer))
    }

    fn propose(
        &self,
        daemon: Daemon,
        found: Option<Found<'_>>,
        edited: Edited,
        effective: Option<&Effective>,
        situation: &Situation<'_>,
    ) -> Result<Decision, Stop> {
        let driver_changes = daemon.installed
            && effective.map_or(edited.driver_changes, |effective| {
                effective.has_other_driver(self.wanted.driver)
            });
        if found.is_some() {
            self.check_credentials(&edited)?;
        }
        if driver_changes {
            self.driver_change().guard(situation)?;
        }
        let action = match found {
            Some(_) => Action::Update,
            None => Action::Create,
        };
        let imports = self.check_imports(daemon, &edited, situation)?;
        let mut proposal = Proposal::new(action, self.steps(daemon, found, &edited, situation)?);
        proposal.texts = vec![TextChange {
            path: self.path.to_string(),
            before: found.map(|found| found.text.to_owned()),
            after: Some(edited.text),
        }];
        proposal.differences = edited.differences;
        proposal.condition = (!imports.is_empty())
            .then(|| format!("{} may override what it says", imports.join(", ")));
        if driver_changes {
            proposal.topics.insert(Topic::CgroupDriver);
            let pause = self.driver_change().pause(situation)?;
            proposal.steps.splice(0..0, pause);
            proposal.disruption = self.driver_change().disruption(situation)?;
        }
        Ok(Decision::Change(proposal))
    }

    fn steps(
        &self,
        daemon: Daemon,
        found: Option<Found<'_>>,
        edited: &Edited,
        situation: &Situation<'_>,
    ) -> Result<Vec<Step>, Stop> {
        let mut steps = Vec::new();
        let attributes = found.map(|found| &found.file.attributes);
        let name =
            |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or_else(root);
        if found.is_none() && self.lacks_directory(daemon, situation)? {
            steps.push(Step::CreateDirectory {
                path: self.path.parent(),
                mode: FileMode::new(0o755),
                owner: root(),
                group: root(),
            });
        }
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
                None if daemon.planned => Replaces::NothingOrPackaged,
                None => Replaces::Nothing,
            },
            check: Some(FileCheck::Containerd),
            owes: vec![self.service.clone()],
        });
        Ok(steps)
    }

    /// A plan carries the files it writes, and may carry no secret.
    pub(super) fn check_credentials(&self, edited: &Edited) -> Result<(), Refusal> {
        match edited.holds_credentials {
            true => Err(Refusal::new(format!(
                "{} must change, and it holds credentials of registries, which a plan must not carry",
                self.shown()
            ))
            .help("move them to a credential provider of the kubelet or to image pull secrets, and remove them from the file")),
            false => Ok(()),
        }
    }

    fn driver_change(&self) -> DriverChange {
        DriverChange {
            runtime: "containerd",
            driver: self.wanted.driver,
            allowed: self.allow_driver_change,
        }
    }
}

/// Returns the value of a flag, which has a long and a short name, and where it stands. The last one counts.
fn flag_of<'a>(command: &'a [Word], names: [&str; 2]) -> Option<(&'a str, &'a str)> {
    let mut found = None;
    for (index, word) in command.iter().enumerate() {
        let Some(flag) = word.text.strip_prefix('-') else {
            continue;
        };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        match flag.split_once('=') {
            Some((name, value)) if names.contains(&name) => found = Some((value, &*word.place)),
            None if names.contains(&flag) => {
                let value = command.get(index + 1);
                found = value.map(|value| (&*value.text, &*value.place)).or(found);
            }
            Some(_) | None => {}
        }
    }
    found
}

fn root() -> UserName {
    "root".parse().expect("a valid user name")
}
