//! The resource that is containerd's configuration file on a Windows host.
//!
//! The text is edited as on Linux, and so is what stands in the way of that. What differs is what surrounds it: there is no
//! cgroup driver, no package, no mode; lines may end as Windows ends them; and the service says which file is read.

use engine::name::{FileMode, ResourceId, UserName};
use engine::question::{Question, Unanswered};
use engine::resource::{
    Action, Decision, Edge, Proposal, Relation, Resource, Situation, TextChange,
};
use engine::step::{Content, FileCheck, Replaces, Step};

use super::default_config;
use crate::containerd::KIND;
use crate::containerd::edit::{self, Edited};
use crate::containerd::effective::Effective;
use crate::containerd::files::drop_in_question;
use crate::containerd::host::{Daemon, Found};
use crate::containerd::resource::ContainerdConfig;
use crate::runtime::{Refusal, Stop};

/// A configuration file of containerd on a Windows host.
#[derive(Debug)]
pub(super) struct WindowsConfig(pub(super) ContainerdConfig);

/// Where containerd listens if its configuration says nothing else.
const DEFAULT_ADDRESS: &str = r"\\.\pipe\containerd-containerd";

/// How Windows ends lines.
const CRLF: &str = "\r\n";

impl Resource for WindowsConfig {
    fn id(&self) -> ResourceId {
        ResourceId::new(KIND, self.0.shown())
    }

    fn desired(&self) -> String {
        let wanted = &self.0.wanted;
        format!(
            "sandboxImage: {:?}\nregistryConfigPath: {:?}\ncni.binDirs: {:?}\ncni.confDir: {:?}\n",
            wanted.sandbox_image,
            wanted.registry_config_path,
            wanted.cni_bin_dirs,
            wanted.cni_conf_dir
        )
    }

    fn questions(&self) -> Vec<Question> {
        let config = &self.0;
        let mut questions = vec![
            Question::File(config.path.clone()),
            Question::File(config.path.parent()),
            Question::Containerd(config.path.clone()),
            Question::Unit(config.service.clone()),
        ];
        questions.extend(drop_in_question(&config.path));
        questions
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation {
            edge: Edge::Notifies,
            target: ResourceId::new("service", &self.0.service),
        }]
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        Stop::settle(self.weigh(situation))
    }
}

impl WindowsConfig {
    fn weigh(&self, situation: &Situation<'_>) -> Result<Decision, Stop> {
        let config = &self.0;
        let daemon = self.daemon(situation)?;
        daemon.version.check_known(config.kubernetes)?;
        self.check_service(situation)?;
        let found = config.found(situation)?;
        let edited = self
            .edit(found, daemon)
            .map_err(|refusal| config.about_file(refusal))?;
        let effective = config.effective(daemon, situation)?;
        self.check_address(&edited, effective.as_ref())?;
        match found {
            Some(found) if found.text == edited.text => {
                config.settled(daemon, found, &edited, effective.as_ref(), situation)
            }
            Some(_) | None => self.propose(daemon, found, edited, situation),
        }
    }

    fn daemon(&self, situation: &Situation<'_>) -> Result<Daemon, Stop> {
        if situation.facts().os_id != "windows" {
            return Err(Decision::Unknown("the host does not run Windows".to_owned()).into());
        }
        match situation.observed.containerd(&self.0.path)?.version {
            Some(_) => self.0.daemon(situation),
            None => Err(Refusal::new("containerd is not installed")
                .help("unpack a release of it to `C:\\Program Files\\containerd`, and run `containerd.exe --register-service`")
                .into()),
        }
    }

    /// Edits the text with the ends of lines that it has.
    fn edit(&self, found: Option<Found<'_>>, daemon: Daemon) -> Result<Edited, Refusal> {
        let wanted = &self.0.wanted;
        let Some(found) = found else {
            return edit::create(wanted, daemon.version);
        };
        if !found.text.contains(CRLF) {
            return edit::edit(found.text, wanted, daemon.version);
        }
        let mut edited = edit::edit(&found.text.replace(CRLF, "\n"), wanted, daemon.version)?;
        edited.text = match edited.differences.is_empty() {
            true => found.text.to_owned(),
            false => edited.text.replace('\n', CRLF),
        };
        Ok(edited)
    }

    /// The service must start containerd with the file that is edited.
    fn check_service(&self, situation: &Situation<'_>) -> Result<(), Stop> {
        let unit = situation.observed.unit(&self.0.service)?;
        if !unit.exists() {
            return Ok(());
        }
        let default = self.0.wanted.written(&default_config());
        let read = config_of(unit.property("PathName")).unwrap_or(default);
        if same(&read, &self.0.shown()) {
            return Ok(());
        }
        Err(Refusal::new(format!(
            "the service `{}` starts containerd with {}, and the spec is about {}",
            self.0.service,
            escaped(&read),
            self.0.shown()
        ))
        .help("set `runtime.containerd.configFile` to the file that containerd reads")
        .into())
    }

    /// A containerd that listens elsewhere would never pass the gate of its restart.
    fn check_address(&self, edited: &Edited, effective: Option<&Effective>) -> Result<(), Refusal> {
        let address = effective
            .and_then(Effective::address)
            .or_else(|| edited.address.clone())
            .unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
        let expected = self.0.wanted.written(&self.0.socket);
        if same(&address, &expected) {
            return Ok(());
        }
        Err(Refusal::new(format!(
            "containerd listens on {}, and the spec expects {expected}",
            escaped(&address),
        ))
        .help("set `runtime.containerd.socket` to where it listens, as `/pipe/NAME`"))
    }

    fn propose(
        &self,
        daemon: Daemon,
        found: Option<Found<'_>>,
        edited: Edited,
        situation: &Situation<'_>,
    ) -> Result<Decision, Stop> {
        let config = &self.0;
        if found.is_some() {
            config.check_credentials(&edited)?;
        }
        let action = match found {
            Some(_) => Action::Update,
            None => Action::Create,
        };
        let imports = config.check_imports(daemon, &edited, situation)?;
        let mut proposal = Proposal::new(action, self.steps(daemon, found, &edited, situation)?);
        proposal.texts = vec![TextChange {
            path: config.shown(),
            before: found.map(|found| found.text.to_owned()),
            after: Some(edited.text),
        }];
        proposal.differences = edited.differences;
        proposal.condition = (!imports.is_empty())
            .then(|| format!("{} may override what it says", imports.join(", ")));
        Ok(Decision::Change(proposal))
    }

    fn steps(
        &self,
        daemon: Daemon,
        found: Option<Found<'_>>,
        edited: &Edited,
        situation: &Situation<'_>,
    ) -> Result<Vec<Step>, Stop> {
        let config = &self.0;
        let mut steps = Vec::new();
        if found.is_none() && config.lacks_directory(daemon, situation)? {
            steps.push(Step::CreateDirectory {
                path: config.path.parent(),
                mode: FileMode::new(0o755),
                owner: administrators(),
                group: administrators(),
            });
        }
        steps.push(Step::WriteFile {
            path: config.path.clone(),
            content: Content::Text(edited.text.clone()),
            mode: FileMode::new(0o644),
            owner: administrators(),
            group: administrators(),
            replaces: match found {
                Some(found) => Replaces::File(found.file.digest.clone()),
                None => Replaces::Nothing,
            },
            check: Some(FileCheck::Containerd),
            owes: vec![config.service.clone()],
        });
        Ok(steps)
    }
}

/// Returns the configuration file that a command line of containerd names.
fn config_of(command: &str) -> Option<String> {
    let words = words(command);
    words.iter().enumerate().find_map(|(index, word)| {
        let word = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
        match word.split_once('=') {
            Some(("config" | "c", file)) => Some(file.to_owned()),
            None if matches!(word, "config" | "c") => words.get(index + 1).cloned(),
            Some(_) | None => None,
        }
    })
}

/// Splits a command line at blanks that are not within quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut is_quoted = false;
    for c in command.chars().chain([' ']) {
        match c {
            '"' => is_quoted = !is_quoted,
            ' ' | '\t' if !is_quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns what a host said so that it can be shown, with the backslashes of paths as they are.
fn escaped(text: &str) -> String {
    text.escape_debug().to_string().replace(r"\\", r"\")
}

/// Whether two paths are the same to Windows, which folds case and takes both slashes.
fn same(one: &str, other: &str) -> bool {
    let fold = |text: &str| text.to_ascii_lowercase().replace('/', r"\");
    fold(one) == fold(other)
}

fn administrators() -> UserName {
    "Administrators".parse().expect("a valid user name")
}
