//! The `file` and `directory` resources.

use std::sync::Arc;

use engine::name::{AbsPath, Digest, FileMode, ResourceId, UnitName, UserName};
use engine::question::{FileState, Question, Unanswered};
use engine::resource::{Action, Decision, Proposal, Relation, Resource, Situation, Topic};
use engine::step::{FileCheck, Step};

use super::refusal;
use super::target::{self, FileTarget, directories_above, root};
use crate::section::requires;

/// A file with a fixed content.
#[derive(Debug, Clone)]
pub struct FileResource {
    target: FileTarget,
    content: Arc<[u8]>,
    reload_suffices: bool,
}

impl FileResource {
    /// Returns the file at a target with a content.
    pub fn new(target: FileTarget, content: impl Into<Arc<[u8]>>) -> Self {
        Self {
            target,
            content: content.into(),
            reload_suffices: false,
        }
    }

    /// Sets the permission bits.
    #[must_use]
    pub fn mode(mut self, mode: FileMode) -> Self {
        self.target.mode = mode;
        self
    }

    /// Adds a unit that reads the file when it starts: it is notified, and owed a restart once the file is written.
    #[must_use]
    pub fn read_by(mut self, unit: UnitName) -> Self {
        self.target.read_by.push(unit);
        self
    }

    /// Tells the units that read it that they take it up by a reload.
    #[must_use]
    pub fn reload_suffices(mut self) -> Self {
        self.reload_suffices = true;
        self
    }

    /// Adds a resource that comes first; a package may put a file or the directory there.
    #[must_use]
    pub fn after(mut self, resource: ResourceId) -> Self {
        self.target.after.push(resource);
        self
    }

    /// Sets the check that the staged file must pass.
    #[must_use]
    pub fn check(mut self, check: FileCheck) -> Self {
        self.target.check = Some(check);
        self
    }
}

impl Resource for FileResource {
    fn id(&self) -> ResourceId {
        self.target.id()
    }

    fn desired(&self) -> String {
        self.target.desired(&Digest::of(&self.content))
    }

    fn questions(&self) -> Vec<Question> {
        self.target.questions()
    }

    fn relations(&self) -> Vec<Relation> {
        self.target.relations()
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        let mut decision = self.target.decide(&self.content, situation)?;
        if let Decision::Change(proposal) = &mut decision
            && self.reload_suffices
        {
            proposal.topics.insert(Topic::ReloadSuffices);
        }
        Ok(decision)
    }
}

/// A path that should hold no file.
#[derive(Debug, Clone)]
pub(super) struct AbsentFile {
    pub(super) target: FileTarget,
}

impl Resource for AbsentFile {
    fn id(&self) -> ResourceId {
        self.target.id()
    }

    fn desired(&self) -> String {
        format!("file {} absent", self.target.path)
    }

    fn questions(&self) -> Vec<Question> {
        self.target.questions()
    }

    fn relations(&self) -> Vec<Relation> {
        self.target.relations()
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        let path = &self.target.path;
        Ok(match situation.observed.file(path)? {
            FileState::Absent => Decision::Converged,
            FileState::Regular(file) => {
                let owes = self.target.owed(situation);
                Decision::Change(target::removal(path, file, owes))
            }
            other => refusal::not_a_file(path, other),
        })
    }
}

/// A directory, or a path where none should be.
#[derive(Debug, Clone)]
pub struct DirectoryResource {
    path: AbsPath,
    mode: FileMode,
    owner: UserName,
    group: UserName,
    after: Vec<ResourceId>,
    absent: bool,
}

impl DirectoryResource {
    /// Returns a directory that root owns, with mode 0755.
    pub fn new(path: AbsPath) -> Self {
        Self {
            path,
            mode: FileMode::new(0o755),
            owner: root(),
            group: root(),
            after: Vec::new(),
            absent: false,
        }
    }

    /// Sets mode and owners.
    #[must_use]
    pub fn attributes(mut self, mode: FileMode, owner: UserName, group: UserName) -> Self {
        (self.mode, self.owner, self.group) = (mode, owner, group);
        self
    }

    /// Adds a resource that comes first; a package may bring the directory above it.
    #[must_use]
    pub fn after(mut self, resource: ResourceId) -> Self {
        self.after.push(resource);
        self
    }

    /// Turns it into a path where no directory should be.
    #[must_use]
    pub(super) fn absent(mut self) -> Self {
        self.absent = true;
        self
    }

    fn decide_present(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        let found = match situation.observed.file(&self.path)? {
            FileState::Directory(found) => found,
            FileState::Absent => return self.create(situation),
            FileState::Regular(_) => {
                return Ok(refusal::refused(
                    format!("`{}` is a regular file", self.path),
                    "remove it, or choose another path",
                ));
            }
            other => return Ok(refusal::not_a_file(&self.path, other)),
        };
        let wanted = (self.mode, &self.owner, &self.group);
        let differences = target::attribute_differences(found, wanted);
        if differences.is_empty() {
            return Ok(Decision::Converged);
        }
        let step = Step::SetAttributes {
            path: self.path.clone(),
            mode: self.mode,
            owner: self.owner.clone(),
            group: self.group.clone(),
        };
        let proposal = Proposal::new(Action::Update, vec![step]);
        Ok(Decision::Change(target::with(proposal, differences)))
    }

    fn create(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        if !target::comes_with_package(&self.after, situation)
            && let Some(refused) = refusal::parent(&self.path, situation)?
        {
            return Ok(refused);
        }
        let step = Step::CreateDirectory {
            path: self.path.clone(),
            mode: self.mode,
            owner: self.owner.clone(),
            group: self.group.clone(),
        };
        let proposal = Proposal::new(Action::Create, vec![step])
            .difference("mode", "", self.mode.to_string())
            .difference("owner", "", format!("{}:{}", self.owner, self.group));
        Ok(Decision::Change(proposal))
    }
}

impl Resource for DirectoryResource {
    fn id(&self) -> ResourceId {
        ResourceId::new("directory", &self.path)
    }

    fn desired(&self) -> String {
        let Self {
            path,
            mode,
            owner,
            group,
            after: _,
            absent,
        } = self;
        if *absent {
            format!("directory {path} absent")
        } else {
            format!("directory {path} {mode} {owner} {group}")
        }
    }

    fn questions(&self) -> Vec<Question> {
        vec![
            Question::File(self.path.clone()),
            Question::File(self.path.parent()),
        ]
    }

    fn relations(&self) -> Vec<Relation> {
        directories_above(&self.path)
            .chain(self.after.iter().cloned())
            .map(requires)
            .collect()
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        if self.absent {
            remove_directory(&self.path, situation)
        } else {
            self.decide_present(situation)
        }
    }
}

/// Plans the removal of a directory, which must be empty by then.
pub(super) fn remove_directory(
    path: &AbsPath,
    situation: &Situation<'_>,
) -> Result<Decision, Unanswered> {
    Ok(match situation.observed.file(path)? {
        FileState::Absent => Decision::Converged,
        FileState::Directory(_) => {
            let step = Step::RemoveDirectory { path: path.clone() };
            let mut proposal =
                Proposal::new(Action::Delete, vec![step]).difference("state", "present", "");
            proposal.condition = Some("it is removed only if it is empty".to_owned());
            Decision::Change(proposal)
        }
        other => refusal::not_a_file(path, other),
    })
}
