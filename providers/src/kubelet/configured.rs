//! What a kubelet takes for a field, for those who judge a host and change nothing: its flags, its drop-ins and its config
//! file, read as the host has them.

use std::rc::Rc;

use engine::name::AbsPath;
use engine::question::{FileState, Observed, Question, Unanswered};
use engine::reading::Outlook;
use engine::state::State;

use super::DEFAULT_CONFIG;
use super::arguments::{self, Arguments};
use super::effective::{Effective, Layers, Origin, Unreadable};
use super::field::{Field, truth};
use super::host::{ASKS_RUNTIME, FAIL_CGROUP_V1, USUAL_DIRECTORY};
use crate::confdir::{Fragment, fragments_in};
use crate::runtime::KubernetesVersion;
use crate::section::constant_path;

/// Where the configuration of a kubelet may stand, apart from its flags. A file elsewhere was not asked about.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Config files.
    pub(crate) config_files: Vec<AbsPath>,
    /// Config directories.
    pub(crate) directories: Vec<AbsPath>,
}

/// All that configures the kubelet of a host.
#[derive(Debug, Clone)]
pub(crate) struct Configured {
    arguments: Rc<Arguments>,
    drop_ins: Vec<Fragment<'static>>,
    config: Option<Fragment<'static>>,
    /// The kubelet is told to read a config file that is not there, so that it does not start before somebody, such as
    /// kubeadm, writes it.
    awaits_config: bool,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            config_files: vec![constant_path(DEFAULT_CONFIG)],
            directories: vec![constant_path(USUAL_DIRECTORY)],
        }
    }
}

impl Places {
    /// Returns what must be asked to know what a kubelet takes.
    pub(crate) fn questions(&self) -> Vec<Question> {
        let mut questions = arguments::questions();
        questions.extend(self.config_files.iter().cloned().map(Question::File));
        let directories = self.directories.iter().cloned();
        questions.extend(directories.map(|directory| Question::Files {
            directory,
            suffix: "conf".to_owned(),
        }));
        questions
    }

    /// Reads all that configures the kubelet of a host; none if there is no kubelet.
    pub(crate) fn read(&self, state: &State<'_>) -> Result<Option<Configured>, Unanswered> {
        let arguments = state.reading::<Arguments>()?;
        if !arguments.has_unit() {
            return Ok(None);
        }
        if let Some(why) = arguments.unread() {
            return Err(Unanswered(format!(
                "what the kubelet is started with is not known: {why}"
            )));
        }
        let config_file = named(&arguments, "config", &self.config_files)?;
        let config = match config_file {
            Some(path) => text_of(path, state)?,
            None => None,
        };
        let drop_ins = match named(&arguments, "config-dir", &self.directories)? {
            Some(directory) => {
                let outlook = Outlook::now(state);
                fragments_in(&outlook, std::slice::from_ref(directory))?
                    .into_iter()
                    .map(Fragment::into_owned)
                    .collect()
            }
            None => Vec::new(),
        };
        Ok(Some(Configured {
            awaits_config: config_file.is_some() && config.is_none(),
            arguments,
            drop_ins,
            config,
        }))
    }
}

impl Configured {
    /// Returns the value of a field that the kubelet takes; none where that is open until somebody writes its config file.
    pub(crate) fn effective(&self, field: Field) -> Result<Option<Effective>, Unanswered> {
        let effective = self.layers()?.effective(field);
        let is_open = self.awaits_config && effective.origin == Origin::BuiltIn;
        Ok((!is_open).then_some(effective))
    }

    /// Whether it asks its runtime for the cgroup driver; none if no version tells.
    pub(crate) fn asks_runtime(
        &self,
        kubernetes: Option<KubernetesVersion>,
    ) -> Result<Option<bool>, Unanswered> {
        if self.layers()?.switches_off(ASKS_RUNTIME) {
            return Ok(Some(false));
        }
        Ok(kubernetes.map(KubernetesVersion::asks_runtime))
    }

    /// Whether it starts with cgroup v1 all the same, from 1.35 on (KEP-5573).
    pub(crate) fn tolerates_cgroup_v1(&self) -> Result<bool, Unanswered> {
        let flag = self.arguments.last("fail-cgroupv1");
        let by_flag = flag.and_then(|flag| truth(flag.value.as_deref()?));
        match by_flag {
            Some(fails) => Ok(!fails),
            None => self
                .layers()
                .map(|layers| layers.switches_off(FAIL_CGROUP_V1)),
        }
    }

    /// Returns its flags.
    pub(crate) fn arguments(&self) -> &Arguments {
        &self.arguments
    }

    fn layers(&self) -> Result<Layers<'_>, Unanswered> {
        Layers::read(&self.arguments, &self.drop_ins, self.config.as_ref()).map_err(
            |Unreadable { path, error }| {
                Unanswered(format!(
                    "what the kubelet takes from {path} is not known: {error}"
                ))
            },
        )
    }
}

/// Returns the path that a flag names, if the host was asked about it; none if the flag is not given.
fn named<'a>(
    arguments: &Arguments,
    flag: &str,
    asked: &'a [AbsPath],
) -> Result<Option<&'a AbsPath>, Unanswered> {
    let Some(flag) = arguments.last(flag) else {
        return Ok(None);
    };
    let value = flag.value.as_deref().unwrap_or_default();
    match asked.iter().find(|path| path.as_str() == value) {
        Some(path) => Ok(Some(path)),
        None => Err(Unanswered(format!(
            "{} gives the kubelet `--{} {}`, which was not read",
            flag.place,
            flag.name,
            value.escape_debug()
        ))),
    }
}

/// Returns the text of a config file that may not be there.
pub(crate) fn text_of(
    path: &AbsPath,
    observed: &Observed,
) -> Result<Option<Fragment<'static>>, Unanswered> {
    let file = match observed.file(path)? {
        FileState::Absent => return Ok(None),
        FileState::Regular(file) => file,
        FileState::Unreadable(why) => {
            return Err(Unanswered(format!("{path} cannot be read: {why}")));
        }
        FileState::Directory(_) | FileState::Symlink(_) | FileState::Other(_) => {
            return Err(Unanswered(format!("{path} is no regular file")));
        }
    };
    match file.content.as_deref().map(std::str::from_utf8) {
        Some(Ok(text)) => Ok(Some(Fragment {
            path: path.to_string().into(),
            text: text.to_owned().into(),
        })),
        Some(Err(_)) | None => Err(Unanswered(format!("{path} is not readable text"))),
    }
}
