//! The `repository` resource: two files, and the index that is fetched once they stand.

use std::sync::Arc;

use engine::facts::PackageManager;
use engine::name::{AbsPath, Digest, FileMode, RepositoryName, ResourceId};
use engine::question::{FileState, Question, Unanswered};
use engine::resource::{Action, Decision, Proposal, Relation, Resource, Situation, TextChange};
use engine::state::State;
use engine::step::{Replaces, Step};

use super::definition::{Definition, places, source_questions, sources};
use super::id;
use crate::file::{FileTarget, not_a_file, refused, root};
use crate::package::no_manager;
use crate::section::requires;

/// A repository.
#[derive(Debug)]
pub(super) struct RepositoryResource {
    pub(super) name: RepositoryName,
    pub(super) definition: Definition,
    /// The public key in ASCII armour.
    pub(super) key: Arc<[u8]>,
    /// What comes first.
    pub(super) after: Vec<ResourceId>,
}

impl RepositoryResource {
    /// Returns the paths of its files, whichever manager the host has.
    pub(super) fn paths(&self) -> Vec<AbsPath> {
        paths(&self.name)
    }
}

impl Resource for RepositoryResource {
    fn id(&self) -> ResourceId {
        id(&self.name)
    }

    fn desired(&self) -> String {
        let Self {
            name,
            definition,
            key,
            after: _,
        } = self;
        format!("repository {name} {definition:?} {}", Digest::of(key))
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = source_questions();
        questions.push(Question::Repository(self.name.clone()));
        for path in self.paths() {
            questions.push(Question::File(path.parent()));
            questions.push(Question::File(path));
        }
        questions
    }

    fn relations(&self) -> Vec<Relation> {
        let mut before = self.after.clone();
        before.extend(
            self.paths()
                .iter()
                .map(|path| ResourceId::new("directory", path.parent())),
        );
        before.into_iter().map(requires).collect()
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        let manager = situation.facts().packages;
        let Some(files) = self.definition.files(&self.name, manager) else {
            return Ok(self.unsuited(situation));
        };
        if let Some(refused) = self.conflict(&files.source, situation)? {
            return Ok(refused);
        }
        let mut proposal = Proposal::new(Action::Update, Vec::new());
        for (attribute, path, content) in [
            ("key", &files.key, &*self.key),
            ("definition", &files.source, files.text.as_bytes()),
        ] {
            match file(path, content, situation)? {
                Decision::Converged => {}
                Decision::Change(change) => add(&mut proposal, attribute, change),
                held_up @ (Decision::Unknown(_) | Decision::Refused { .. }) => return Ok(held_up),
            }
        }
        let indexed = situation.observed.repository(&self.name)?.indexed;
        if proposal.steps.is_empty() && indexed {
            return Ok(Decision::Converged);
        }
        if !indexed {
            proposal = proposal.difference("index", "", "fetched");
        }
        if *situation.observed.file(&files.source)? == FileState::Absent {
            proposal.action = Action::Create;
        }
        proposal.steps.push(Step::RefreshPackages {
            repository: self.name.clone(),
        });
        Ok(Decision::Change(proposal))
    }
}

impl RepositoryResource {
    fn unsuited(&self, situation: &Situation<'_>) -> Decision {
        let (manager, field) = match situation.facts().packages {
            PackageManager::Apt => ("apt", "apt"),
            PackageManager::Dnf => ("dnf", "rpm"),
            PackageManager::None => return no_manager(situation),
        };
        refused(
            format!(
                "`{}` is a repository of {}, and this host uses {manager}",
                self.name,
                self.definition.packages()
            ),
            &format!("write `{field}` in a spec for hosts with {manager}"),
        )
    }

    /// Returns the refusal of a repository that another file of the host names with a key of its own: apt would not work at
    /// all any more ("Conflicting values set for option Signed-By").
    fn conflict(
        &self,
        own: &AbsPath,
        situation: &Situation<'_>,
    ) -> Result<Option<Decision>, Unanswered> {
        let Some((uri, suite)) = self.definition.apt() else {
            return Ok(None);
        };
        let bare = |text: &str| text.trim_end_matches('/').to_owned();
        let names = |lines: &[String], wanted: &str| {
            let mut words = lines.iter().flat_map(|line| line.split_whitespace());
            words.any(|word| bare(word) == bare(wanted))
        };
        let others = sources(&State::now(situation.observed))?;
        let other = others.into_iter().find(|(path, lines)| {
            path != own
                && !situation.changes(&ResourceId::new("file", path))
                && names(lines, &uri)
                && (names(lines, &suite) || suite == "/")
        });
        Ok(other.map(|(path, _)| {
            refused(
                format!("`{path}` names the same repository, and apt takes only one key for it"),
                &format!("remove it: `files: [{{ path: {path}, state: absent }}]`"),
            )
        }))
    }
}

/// Decides about one of the files; the directory it stands in is made if it is missing.
fn file(path: &AbsPath, content: &[u8], situation: &Situation<'_>) -> Result<Decision, Unanswered> {
    let target = FileTarget::new(path.clone());
    let parent = path.parent();
    let is_bare = *situation.observed.file(&parent)? == FileState::Absent
        && !situation.changes(&ResourceId::new("directory", &parent));
    if !is_bare {
        return target.decide(content, situation);
    }
    let mut proposal = target.creation(content, Replaces::Nothing, situation);
    let directory = Step::CreateDirectory {
        path: parent,
        mode: FileMode::new(0o755),
        owner: root(),
        group: root(),
    };
    proposal.steps.insert(0, directory);
    Ok(Decision::Change(proposal))
}

/// Adds the change of one file to that of the repository.
fn add(proposal: &mut Proposal, attribute: &str, change: Proposal) {
    for mut difference in change.differences {
        match difference.attribute.as_str() {
            "content" => difference.attribute = attribute.to_owned(),
            _ if change.action == Action::Create => continue,
            other => difference.attribute = format!("{other} of the {attribute}"),
        }
        proposal.differences.push(difference);
    }
    proposal.texts.extend(change.texts);
    proposal.steps.extend(change.steps);
}

/// Plans the removal of a repository that hardstand made: its files go. What apt fetched from it is of no effect then.
pub(super) fn remove(
    name: &RepositoryName,
    situation: &Situation<'_>,
) -> Result<Decision, Unanswered> {
    let mut proposal = Proposal::new(Action::Delete, Vec::new());
    // The definition first, so that none names a key that is gone.
    for path in paths(name).into_iter().rev() {
        match situation.observed.file(&path)? {
            FileState::Absent => {}
            FileState::Regular(file) => {
                proposal.steps.push(Step::RemoveFile {
                    path: path.clone(),
                    replaces: Replaces::File(file.digest.clone()),
                    owes: Vec::new(),
                });
                let text = file
                    .content
                    .clone()
                    .and_then(|text| String::from_utf8(text).ok());
                proposal.texts.extend(text.map(|text| TextChange {
                    path: path.to_string(),
                    before: Some(text),
                    after: None,
                }));
                proposal = proposal.difference("file", path.as_str(), "");
            }
            other => return Ok(not_a_file(&path, other)),
        }
    }
    Ok(match proposal.steps.as_slice() {
        [] => Decision::Converged,
        _ => Decision::Change(proposal),
    })
}

/// Returns the paths of the files of a repository, whichever manager the host has: each key, then its definition.
fn paths(name: &RepositoryName) -> Vec<AbsPath> {
    [PackageManager::Apt, PackageManager::Dnf]
        .into_iter()
        .filter_map(|manager| places(name, manager))
        .flat_map(|(key, source)| [key, source])
        .collect()
}
