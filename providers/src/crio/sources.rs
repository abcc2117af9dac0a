//! What a host says of everything that configures its CRI-O, as it is and as it will be once earlier changes are made.

use engine::name::{AbsPath, UnitName};
use engine::question::{FileState, FoundFile, Observed, Question};
use engine::reading::Outlook;
use engine::resource::{Decision, Situation};
use engine::state::State;

use super::layer::Layer;
use super::resource::CrioConfig;
use super::unit::{Overrides, UnitText, overrides};
use crate::confdir;
use crate::runtime::{Refusal, Stop};
use crate::unitfile;

/// A file of CRI-O's configuration, in the order in which they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Where it stands.
    pub(super) path: AbsPath,
    /// What it says.
    pub(super) text: String,
}

/// Files of variables that the packages' units read.
const ENVIRONMENT_FILES: [&str; 2] = ["/etc/default/crio", "/etc/sysconfig/crio"];

/// Where CRI-O is configured.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The directory of drop-ins. The main file stands beside it.
    pub(crate) drop_ins: AbsPath,
    /// The unit that runs it.
    pub(crate) service: UnitName,
}

impl CrioConfig {
    /// Returns where CRI-O is configured.
    pub(super) fn places(&self) -> Places {
        Places {
            drop_ins: self.path.parent(),
            service: self.service.clone(),
        }
    }

    /// Returns the files that CRI-O reads besides ours, once the earlier changes of the plan are made.
    pub(super) fn sources(&self, situation: &Situation<'_>) -> Result<Vec<Source>, Stop> {
        self.places()
            .sources(&situation.outlook(), Some(&self.path))
    }
}

impl Places {
    /// Returns the questions about everything that configures CRI-O.
    pub(crate) fn questions(&self) -> Vec<Question> {
        let mut questions = vec![
            Question::Files {
                directory: self.drop_ins.clone(),
                suffix: String::new(),
            },
            Question::Files {
                directory: self.drop_ins.parent(),
                suffix: "conf".to_owned(),
            },
        ];
        questions.extend(environment_files().map(Question::File));
        questions.extend(self.unit_files().into_iter().map(Question::File));
        questions.extend(
            self.unit_drop_ins()
                .into_iter()
                .map(|directory| Question::Files {
                    directory,
                    suffix: "conf".to_owned(),
                }),
        );
        questions
    }

    /// Returns what all of it comes to on a host as it is.
    pub(crate) fn effective(&self, state: &State<'_>) -> Result<Layer, Stop> {
        let sources = self.sources(&Outlook::now(state), None)?;
        let Overrides {
            environment,
            flags,
            elsewhere,
        } = self.overrides(state)?;
        if let Some((place, written)) = elsewhere.first() {
            return Err(Decision::Unknown(format!(
                "CRI-O reads another configuration: {place} says `{}`",
                written.escape_debug()
            ))
            .into());
        }
        let mut effective = Layer::default();
        for (_, layer) in &layers(&sources)? {
            effective.overlay(layer);
        }
        effective.overlay(&environment);
        effective.overlay(&flags);
        Ok(effective)
    }

    /// Returns the files that CRI-O reads: the main file first, then the drop-ins in the order of their names. One of them
    /// may be passed over.
    fn sources(
        &self,
        outlook: &Outlook<'_>,
        passed_over: Option<&AbsPath>,
    ) -> Result<Vec<Source>, Stop> {
        let (answers, directory) = (outlook.observed, &self.drop_ins);
        let main = directory.parent().join("crio.conf").ok();
        let mut sources = Vec::new();
        for found in answers.files(&directory.parent(), "conf")? {
            if Some(&found.path) == main.as_ref() {
                sources.extend(source(found)?);
            }
        }
        let mut drop_ins = Vec::new();
        for found in answers.files(directory, "")? {
            if Some(&found.path) != passed_over {
                drop_ins.extend(source(found)?);
            }
        }
        for (path, content) in &outlook.files {
            let list = match path {
                path if Some(*path) == main.as_ref() => &mut sources,
                path if path.parent() == *directory && Some(*path) != passed_over => &mut drop_ins,
                _ => continue,
            };
            list.retain(|source| source.path != **path);
            list.extend(content.map(|content| Source {
                path: (*path).clone(),
                text: confdir::text_of(content.bytes()).into_owned(),
            }));
        }
        drop_ins.sort_by(|one, other| one.path.file_name().cmp(other.path.file_name()));
        sources.extend(drop_ins);
        Ok(sources)
    }

    /// Returns what the unit of CRI-O sets, past all files.
    pub(super) fn overrides(&self, answers: &Observed) -> Result<Overrides, Stop> {
        let mut texts = Vec::new();
        for path in self.unit_files() {
            let text = text_of(&path, answers.file(&path)?)?;
            if let Some(text) = text {
                texts.push(UnitText {
                    path: path.to_string(),
                    text,
                });
                break;
            }
        }
        let mut drop_ins = Vec::new();
        for directory in self.unit_drop_ins() {
            for found in answers.files(&directory, "conf")? {
                let name = found.path.file_name();
                let masked = drop_ins.iter().any(|(known, _)| *known == name);
                if !masked && let Some(text) = text_of(&found.path, &found.state)? {
                    let path = found.path.to_string();
                    drop_ins.push((name, UnitText { path, text }));
                }
            }
        }
        drop_ins.sort_by_key(|(name, _)| *name);
        texts.extend(drop_ins.into_iter().map(|(_, text)| text));
        for path in environment_files() {
            // A unit that the plan has yet to install reads one of them.
            let reads = |unit: &UnitText<'_>| unit.text.contains(path.as_str());
            let is_read = texts.is_empty() || texts.iter().any(reads);
            if is_read && let Some(text) = text_of(&path, answers.file(&path)?)? {
                let path = path.to_string();
                texts.push(UnitText { path, text });
            }
        }
        let main = self.drop_ins.parent().join("crio.conf").ok();
        let mut usual = vec![self.drop_ins.as_str()];
        usual.extend(main.as_ref().map(AbsPath::as_str));
        Ok(overrides(&texts, &usual))
    }

    fn unit_files(&self) -> Vec<AbsPath> {
        unitfile::DIRECTORIES
            .iter()
            .filter_map(|directory| format!("{directory}/{}", self.service).parse().ok())
            .collect()
    }

    fn unit_drop_ins(&self) -> Vec<AbsPath> {
        unitfile::DIRECTORIES
            .iter()
            .filter_map(|directory| format!("{directory}/{}.d", self.service).parse().ok())
            .collect()
    }
}

/// Returns the layers of some files.
pub(super) fn layers(sources: &[Source]) -> Result<Vec<(&AbsPath, Layer)>, Refusal> {
    sources
        .iter()
        .map(|source| {
            Ok((
                &source.path,
                Layer::parse(source.path.as_str(), &source.text)?,
            ))
        })
        .collect()
}

/// Whether a name looks like what an editor or a package manager left behind. CRI-O reads such files as any other.
pub(super) fn is_stray(path: &AbsPath) -> bool {
    const ENDINGS: [&str; 11] = [
        "~",
        ".bak",
        ".old",
        ".orig",
        ".rpmsave",
        ".rpmnew",
        ".rpmorig",
        ".dpkg-old",
        ".dpkg-dist",
        ".dpkg-new",
        ".swp",
    ];
    let name = path.file_name();
    name.starts_with(['.', '#']) || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

fn environment_files() -> impl Iterator<Item = AbsPath> {
    ENVIRONMENT_FILES
        .iter()
        .filter_map(|path| path.parse().ok())
}

/// Returns what a file of the configuration adds; what cannot be looked into stops here.
fn source(found: &FoundFile) -> Result<Option<Source>, Stop> {
    let path = &found.path;
    let unknown = |what: String| Err(Decision::Unknown(format!("{path} {what}")).into());
    match &found.state {
        FileState::Regular(file) => {
            let Some(content) = &file.content else {
                return unknown("is too large to be read".to_owned());
            };
            match String::from_utf8(content.clone()) {
                Ok(text) => Ok(Some(Source {
                    path: path.clone(),
                    text,
                })),
                Err(_) => Err(
                    Refusal::new(format!("{path} is not UTF-8, as TOML demands"))
                        .help("move it out of CRI-O's way; CRI-O does not start with it")
                        .into(),
                ),
            }
        }
        FileState::Directory(_) => unknown(
            "is a directory: CRI-O reads what is below it too, and hardstand does not look there"
                .to_owned(),
        ),
        FileState::Absent | FileState::Symlink(_) => {
            Err(Refusal::new(format!("{path} is a link that leads nowhere"))
                .help("remove it; CRI-O does not start with it")
                .into())
        }
        FileState::Other(kind) if kind == "character device" => Ok(None),
        FileState::Other(kind) => unknown(format!("is a {kind}")),
        FileState::Unreadable(why) => unknown(format!("cannot be read: {why}")),
    }
}

/// Returns the text of a file that may not be there.
fn text_of<'a>(path: &AbsPath, state: &'a FileState) -> Result<Option<&'a str>, Stop> {
    match state {
        FileState::Regular(file) => {
            let text = file.content.as_deref().map(std::str::from_utf8);
            match text {
                Some(Ok(text)) => Ok(Some(text)),
                Some(Err(_)) | None => {
                    Err(Decision::Unknown(format!("{path} is not readable text")).into())
                }
            }
        }
        FileState::Absent
        | FileState::Directory(_)
        | FileState::Symlink(_)
        | FileState::Other(_) => Ok(None),
        FileState::Unreadable(why) => {
            Err(Decision::Unknown(format!("{path} cannot be read: {why}")).into())
        }
    }
}
