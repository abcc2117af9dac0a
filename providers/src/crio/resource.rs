//! The resource that is a drop-in of CRI-O: what is asked of a host, and what is decided from the answers.

use std::collections::BTreeSet;

use engine::name::{AbsPath, FileMode, PackageName, ResourceId, UnitName};
use engine::question::{FileState, Question, RegularFile, Unanswered};
use engine::resource::{
    Action, Decision, Edge, Proposal, Relation, Resource, Situation, TextChange, Topic,
};
use engine::step::{Content, Replaces, Step};
use toml_edit::Value;

use super::KIND;
use super::layer::{Key, Layer, Origin, list};
use super::rules::{CrioRelease, Pair, check_pair};
use super::sources::{is_stray, layers};
use super::unit::Overrides;
use crate::file::{not_a_file, root};
use crate::runtime::{
    CgroupDriver, DriverChange, KubernetesVersion, Refusal, Stop, canonical, joined_marks, kubelet,
    package_id, planned_version,
};
use crate::section::{notifies, requires};

/// A drop-in of CRI-O, which hardstand owns whole.
#[derive(Debug)]
pub(super) struct CrioConfig {
    /// Who manages cgroups.
    pub(super) driver: CgroupDriver,
    /// The cgroup of monitor processes.
    pub(super) conmon_cgroup: String,
    /// The pause image; what is set stays where there is none.
    pub(super) pause_image: Option<String>,
    /// The default handler; what is set stays where there is none.
    pub(super) default_runtime: Option<String>,
    /// The directories of CNI plugins; what is set stays where there are none.
    pub(super) cni_bin_dirs: Vec<AbsPath>,
    /// The directory of CNI configurations; what is set stays where there is none.
    pub(super) cni_conf_dir: Option<AbsPath>,
    /// Where the drop-in stands.
    pub(super) path: AbsPath,
    /// The unit that reads it.
    pub(super) service: UnitName,
    /// The socket that the spec expects.
    pub(super) socket: AbsPath,
    /// The package that provides CRI-O, if the spec names one.
    pub(super) package: Option<PackageName>,
    /// The Kubernetes that the node is prepared for.
    pub(super) kubernetes: Option<KubernetesVersion>,
    /// The driver may change on a node that has joined.
    pub(super) allow_driver_change: bool,
    /// Files of the spec that CRI-O reads as well.
    pub(super) after: Vec<ResourceId>,
}

/// The CRI-O that will read the drop-in.
#[derive(Debug, Clone, Copy)]
struct Daemon {
    /// Its release, if the package manager knows it.
    release: Option<CrioRelease>,
    /// It is installed now.
    installed: bool,
    /// The plan installs it.
    planned: bool,
}

/// What a change starts from and comes to.
struct Comparison<'a> {
    daemon: Daemon,
    found: Option<&'a RegularFile>,
    /// What the files come to now; none if the drop-in as it is cannot be read.
    before: Option<Layer>,
    after: Layer,
    /// What cannot be promised.
    conditions: Vec<String>,
}

/// Where the usual drop-ins are; the package makes the directory.
const DIRECTORY: &str = "/etc/crio/crio.conf.d";

/// The handlers that releases have built in.
const BUILT_IN_HANDLERS: [&str; 2] = ["crun", "runc"];

const HEADER: &str = "# Written by hardstand, which owns this file whole.\n";

impl Resource for CrioConfig {
    fn id(&self) -> ResourceId {
        ResourceId::new(KIND, &self.path)
    }

    fn desired(&self) -> String {
        self.text()
    }

    fn questions(&self) -> Vec<Question> {
        let directory = self.path.parent();
        let mut questions = vec![
            Question::File(self.path.clone()),
            Question::File(directory.parent()),
            Question::File(directory),
            Question::Unit(self.service.clone()),
            Question::Unit(kubelet()),
        ];
        questions.extend(self.places().questions());
        questions.extend(joined_marks().map(Question::File));
        questions.push(Question::Installed(self.package_name()));
        questions
    }

    fn relations(&self) -> Vec<Relation> {
        let mut relations = vec![
            notifies(ResourceId::new("service", &self.service)),
            Relation {
                edge: Edge::NotifiesOf(Topic::CgroupDriver),
                target: ResourceId::new("service", kubelet()),
            },
        ];
        relations.extend(self.package.iter().map(package_id).map(requires));
        relations.extend(self.after.iter().cloned().map(requires));
        relations
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        Stop::settle(self.weigh(situation))
    }
}

impl CrioConfig {
    fn weigh(&self, situation: &Situation<'_>) -> Result<Decision, Stop> {
        let daemon = self.daemon(situation)?;
        let overrides = self.places().overrides(situation.observed)?;
        if let Some((place, written)) = overrides.elsewhere.first() {
            return Ok(Decision::Unknown(format!(
                "{} reads another configuration: {place} says `{written}`",
                self.service
            )));
        }
        let found = self.found(situation)?;
        let sources = self.sources(situation)?;
        let layers = layers(&sources)?;
        let ours = Layer::parse(self.path.as_str(), &self.text())?;
        let after = self.effective(&layers, Some(&ours), &overrides);
        let strays = self.strays(&layers);
        self.check_wins(&after, &strays)?;
        let mut conditions = strays;
        self.check_rules(&after, daemon, &mut conditions)?;
        if found.is_some_and(|file| self.is_settled(file)) {
            return Ok(Decision::Converged);
        }
        let text = found.map(|file| file.content.as_deref().map(std::str::from_utf8));
        let before = match text {
            Some(Some(Ok(text))) => Layer::parse(self.path.as_str(), text).ok().map(Some),
            Some(_) => None,
            None => Some(None),
        };
        let comparison = Comparison {
            daemon,
            found,
            before: before.map(|ours| self.effective(&layers, ours.as_ref(), &overrides)),
            after,
            conditions,
        };
        self.propose(comparison, situation)
    }

    /// Returns the text of the drop-in.
    fn text(&self) -> String {
        let mut text = HEADER.to_owned();
        for table in ["image", "network", "runtime"] {
            let wanted = self.wanted();
            let mut values = wanted
                .iter()
                .filter(|(key, _)| key.table() == table)
                .peekable();
            if values.peek().is_some() {
                text.push_str(&format!("\n[crio.{table}]\n"));
            }
            for (key, value) in values {
                let value = match key.is_list() {
                    true => value.clone(),
                    false => Value::from(value).to_string(),
                };
                text.push_str(&format!("{} = {value}\n", key.name()));
            }
        }
        text
    }

    /// Returns what the drop-in sets.
    fn wanted(&self) -> Vec<(Key, String)> {
        let bin_dirs = self.cni_bin_dirs.iter().map(AbsPath::as_str);
        let driver = Some(self.driver.as_str().to_owned());
        let conf_dir = self.cni_conf_dir.as_ref().map(AbsPath::to_string);
        [
            (Key::CgroupManager, driver),
            (Key::ConmonCgroup, Some(self.conmon_cgroup.clone())),
            (Key::DefaultRuntime, self.default_runtime.clone()),
            (Key::PauseImage, self.pause_image.clone()),
            (Key::NetworkDir, conf_dir),
            (
                Key::PluginDirs,
                (!self.cni_bin_dirs.is_empty()).then(|| list(bin_dirs)),
            ),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    }

    /// Returns what files, variables and flags come to, with the drop-in in its place.
    fn effective(
        &self,
        layers: &[(&AbsPath, Layer)],
        ours: Option<&Layer>,
        overrides: &Overrides,
    ) -> Layer {
        let Overrides {
            environment,
            flags,
            elsewhere: _,
        } = overrides;
        let (later, earlier): (Vec<_>, Vec<_>) =
            layers.iter().partition(|(path, _)| self.is_after(path));
        let mut effective = Layer::default();
        let earlier = earlier.into_iter().map(|(_, layer)| layer);
        let later = later.into_iter().map(|(_, layer)| layer);
        for layer in earlier.chain(ours).chain(later).chain([environment, flags]) {
            effective.overlay(layer);
        }
        effective
    }

    fn is_after(&self, path: &AbsPath) -> bool {
        path.parent() == self.path.parent() && path.file_name() > self.path.file_name()
    }

    /// Returns what is to be said of files that were left behind and that set what the drop-in sets.
    fn strays(&self, layers: &[(&AbsPath, Layer)]) -> Vec<String> {
        let wanted = self.wanted();
        let strays = layers.iter().filter(|(path, _)| is_stray(path));
        strays
            .filter_map(|(path, layer)| {
                let keys: Vec<_> = wanted
                    .iter()
                    .filter(|(key, _)| layer.settings.contains_key(key))
                    .map(|(key, _)| key.name())
                    .collect();
                (!keys.is_empty()).then(|| {
                    format!(
                        "{path} looks left behind, and CRI-O reads it too: it sets {}",
                        keys.join(", ")
                    )
                })
            })
            .collect()
    }

    /// Refuses what would not come about, because something else wins.
    fn check_wins(&self, after: &Layer, strays: &[String]) -> Result<(), Refusal> {
        for (key, wanted) in self.wanted() {
            let Some(setting) = after
                .settings
                .get(&key)
                .filter(|found| found.value != wanted)
            else {
                continue;
            };
            let (place, value) = (&setting.place, setting.value.escape_debug());
            let sets = format!("{place} sets `{}` to `{value}`", key.name());
            let refusal = match setting.origin {
                Origin::File => Refusal::new(format!("{sets}, and is read after {}", self.path)).help(
                    "take the key out of that file, or give `runtime.crio.dropIn` a name that comes after it",
                ),
                Origin::Environment | Origin::Flag => {
                    Refusal::new(format!("{sets}, which wins over every file"))
                        .help("take it out there, so that the files decide")
                }
            };
            return Err(strays.iter().fold(refusal, |refusal, stray| Refusal {
                reason: format!("{}; {stray}", refusal.reason),
                help: refusal.help,
            }));
        }
        Ok(())
    }

    /// Refuses a configuration with which CRI-O would not start or would not be found.
    fn check_rules(
        &self,
        after: &Layer,
        daemon: Daemon,
        conditions: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        if let Some(release) = daemon.release {
            release.check_known(self.kubernetes)?;
            conditions.extend(self.kubernetes.and_then(|version| release.skew(version)));
        }
        let manager = after.value(Key::CgroupManager);
        let monitor = after.value(Key::ConmonCgroup);
        check(manager, monitor, "", daemon, conditions)?;
        if monitor.is_empty() {
            // A monitor cgroup for all handlers goes before their own.
            for (name, setting) in &after.handlers {
                let own = setting.as_ref().filter(|setting| !setting.value.is_empty());
                if let Some(own) = own {
                    let place = format!("{} (handler `{name}`): ", own.place);
                    check(manager, &own.value, &place, daemon, conditions)?;
                }
            }
        }
        self.check_handler(after, daemon, conditions)?;
        let listen = after.value(Key::Listen);
        if canonical(listen) != canonical(self.socket.as_str()) {
            return Err(Refusal::new(format!(
                "CRI-O listens on {}, and the spec expects {}",
                listen.escape_debug(),
                self.socket
            ))
            .help("set `runtime.crio.socket` to where it listens"));
        }
        Ok(())
    }

    fn check_handler(
        &self,
        after: &Layer,
        daemon: Daemon,
        conditions: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        let Some(name) = &self.default_runtime else {
            return Ok(());
        };
        if after.handlers.contains_key(name) {
            return Ok(());
        }
        if daemon.planned || BUILT_IN_HANDLERS.contains(&name.as_str()) {
            conditions.push(format!(
                "no file defines the handler `{name}` yet, so CRI-O must know it"
            ));
            return Ok(());
        }
        Err(Refusal::new(format!(
            "no file of CRI-O defines the handler `{name}`, and it does not start with a default that is not there"
        ))
        .help(format!("add a drop-in with [crio.runtime.runtimes.{name}]")))
    }

    fn daemon(&self, situation: &Situation<'_>) -> Result<Daemon, Stop> {
        let planned = match &self.package {
            Some(package) => planned_version(package, situation)?,
            None => None,
        };
        // A host whose package manager is not known may have CRI-O all the same.
        let package = situation.observed.package(&self.package_name()).ok();
        let packaged = package.and_then(|package| package.installed.as_deref());
        let installed = packaged.is_some() || situation.observed.unit(&self.service)?.exists();
        if !installed && planned.is_none() {
            return Err(self.not_installed().into());
        }
        Ok(Daemon {
            release: planned.as_deref().or(packaged).and_then(CrioRelease::parse),
            installed,
            planned: planned.is_some(),
        })
    }

    fn not_installed(&self) -> Decision {
        match &self.package {
            Some(package) => Decision::Unknown(format!(
                "CRI-O is not installed, and this plan does not install {package}"
            )),
            None => Refusal::new("CRI-O is not installed")
                .help("set `runtime.crio.package`, or add it to `packages`")
                .into(),
        }
    }

    fn package_name(&self) -> PackageName {
        let package = self.package.clone();
        package.unwrap_or_else(|| super::PACKAGES[0].parse().expect("a package name"))
    }

    /// Returns the drop-in as it is.
    fn found<'a>(&self, situation: &Situation<'a>) -> Result<Option<&'a RegularFile>, Stop> {
        match situation.observed.file(&self.path)? {
            FileState::Absent => Ok(None),
            FileState::Regular(file) if file.links > 1 => Err(Refusal::new(format!(
                "{} has several hard links",
                self.path
            ))
            .help("break the other links first")
            .into()),
            FileState::Regular(file) => Ok(Some(file)),
            other => Err(not_a_file(&self.path, other).into()),
        }
    }

    fn is_settled(&self, file: &RegularFile) -> bool {
        let attributes = &file.attributes;
        file.content.as_deref() == Some(self.text().as_bytes())
            && attributes.mode == 0o644
            && (attributes.owner.as_str(), attributes.group.as_str()) == ("root", "root")
    }

    fn propose(
        &self,
        comparison: Comparison<'_>,
        situation: &Situation<'_>,
    ) -> Result<Decision, Stop> {
        let Comparison {
            daemon,
            found,
            before,
            after,
            conditions,
        } = comparison;
        let action = match found {
            Some(_) => Action::Update,
            None => Action::Create,
        };
        let mut proposal = Proposal::new(action, self.steps(daemon, found, situation)?);
        let changed: BTreeSet<Key> = Key::ALL
            .into_iter()
            .filter(|key| {
                before
                    .as_ref()
                    .is_none_or(|before| before.value(*key) != after.value(*key))
            })
            .collect();
        for key in &changed {
            let before = before.as_ref().map_or("", |before| before.value(*key));
            if before != after.value(*key) {
                proposal = proposal.difference(key.name(), before, after.value(*key));
            }
        }
        if proposal.differences.is_empty() {
            let before = found.map_or_else(String::new, describe);
            let wanted = format!("{} root:root, as hardstand writes it", FileMode::new(0o644));
            proposal = proposal.difference("file", before, wanted);
        }
        let old = found.and_then(|file| String::from_utf8(file.content.clone()?).ok());
        proposal.texts = vec![TextChange {
            path: self.path.to_string(),
            before: old,
            after: Some(self.text()),
        }];
        proposal.condition = (!conditions.is_empty()).then(|| conditions.join("; "));
        if daemon.installed && changed.contains(&Key::CgroupManager) {
            let change = self.driver_change();
            change.guard(situation)?;
            proposal.steps.splice(0..0, change.pause(situation)?);
            proposal.disruption = change.disruption(situation)?;
            proposal.topics.insert(Topic::CgroupDriver);
        }
        if changed.iter().all(|key| *key == Key::PauseImage) {
            proposal.topics.insert(Topic::ReloadSuffices);
        }
        Ok(Decision::Change(proposal))
    }

    fn driver_change(&self) -> DriverChange {
        DriverChange {
            runtime: "crio",
            driver: self.driver,
            allowed: self.allow_driver_change,
        }
    }

    fn steps(
        &self,
        daemon: Daemon,
        found: Option<&RegularFile>,
        situation: &Situation<'_>,
    ) -> Result<Vec<Step>, Stop> {
        let mut steps = Vec::new();
        let directory = self.path.parent();
        if !(daemon.planned && directory.as_str() == DIRECTORY) {
            for directory in [directory.parent(), directory] {
                let made = ResourceId::new("directory", &directory);
                match situation.observed.file(&directory)? {
                    FileState::Directory(_) => {}
                    FileState::Absent if situation.changes(&made) => {}
                    FileState::Absent => steps.push(Step::CreateDirectory {
                        path: directory,
                        mode: FileMode::new(0o755),
                        owner: root(),
                        group: root(),
                    }),
                    other => return Err(not_a_file(&directory, other).into()),
                }
            }
        }
        steps.push(Step::WriteFile {
            path: self.path.clone(),
            content: Content::Text(self.text()),
            mode: FileMode::new(0o644),
            owner: root(),
            group: root(),
            replaces: match found {
                Some(file) => Replaces::File(file.digest.clone()),
                None if daemon.planned => Replaces::NothingOrPackaged,
                None => Replaces::Nothing,
            },
            check: None,
            owes: vec![self.service.clone()],
        });
        Ok(steps)
    }
}

/// Refuses a pair that CRI-O does not take.
fn check(
    manager: &str,
    monitor: &str,
    place: &str,
    daemon: Daemon,
    conditions: &mut Vec<String>,
) -> Result<(), Refusal> {
    let help = "write `conmonCgroup: pod`, which is right with either driver";
    match check_pair(manager, monitor) {
        Pair::Valid => Ok(()),
        Pair::Invalid(why) => Err(Refusal::new(format!("{place}{why}")).help(help)),
        Pair::DependsOnRelease => match daemon.release {
            Some(release) if release.takes_empty_monitor_cgroup() => Ok(()),
            Some(_) => Err(Refusal::new(
                "this release of CRI-O does not start with cgroupfs and an empty monitor cgroup",
            )
            .help(help)),
            None => {
                conditions.push(
                    "CRI-O 1.21 and 1.26 to 1.32 do not start with cgroupfs and an empty monitor cgroup"
                        .to_owned(),
                );
                Ok(())
            }
        },
    }
}

fn describe(file: &RegularFile) -> String {
    let attributes = &file.attributes;
    format!(
        "{:04o} {}:{}",
        attributes.mode, attributes.owner, attributes.group
    )
}
