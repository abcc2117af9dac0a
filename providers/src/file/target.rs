//! A path that should hold one regular file: what is asked about it, and how a whole new content is proposed.

use std::collections::{BTreeMap, BTreeSet};

use engine::name::{AbsPath, Digest, FileMode, ResourceId, UnitName, UserName};
use engine::question::{Attributes, FileState, Question, RegularFile, Unanswered};
use engine::resource::{Action, Decision, Proposal, Relation, Situation, TextChange};
use engine::step::{Content, FileCheck, Replaces, Step};

use super::refusal;
use crate::section::{notifies, requires};
use crate::service::{is_running, unit_files, unit_packages};

/// Where a file stands, what it looks like from outside, and who must know when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTarget {
    /// The path.
    pub path: AbsPath,
    /// Permission bits.
    pub mode: FileMode,
    /// Owner.
    pub owner: UserName,
    /// Group.
    pub group: UserName,
    /// Units that read the file when they start: they are notified, and a restart is owed once it is written.
    pub read_by: Vec<UnitName>,
    /// Resources that come first, such as the package that makes the directory.
    pub after: Vec<ResourceId>,
    /// A check that the staged file must pass.
    pub check: Option<FileCheck>,
}

impl FileTarget {
    /// Returns a target that root owns, with mode 0644.
    pub fn new(path: AbsPath) -> Self {
        Self {
            path,
            mode: FileMode::new(0o644),
            owner: root(),
            group: root(),
            read_by: Vec::new(),
            after: Vec::new(),
            check: None,
        }
    }

    /// Returns the resource that holds it.
    pub fn id(&self) -> ResourceId {
        ResourceId::new("file", &self.path)
    }

    /// Returns what must be asked to plan it, and to plan its removal.
    pub fn questions(&self) -> Vec<Question> {
        let mut questions = vec![
            Question::File(self.path.clone()),
            Question::File(self.path.parent()),
        ];
        questions.extend(self.read_by.iter().cloned().map(Question::Unit));
        questions
    }

    /// Returns the edges to the directories above it, to what comes first, and to the units that read it.
    pub fn relations(&self) -> Vec<Relation> {
        let mut relations: Vec<_> = directories_above(&self.path).map(requires).collect();
        relations.extend(self.after.iter().cloned().map(requires));
        relations.extend(
            self.read_by
                .iter()
                .map(|unit| notifies(ResourceId::new("service", unit))),
        );
        relations
    }

    /// Returns the desired state with a content, as canonical text.
    pub fn desired(&self, content: &Digest) -> String {
        format!(
            "file {} {content} {} {} {}",
            self.path, self.mode, self.owner, self.group
        )
    }

    /// Compares what the path holds with a content.
    pub fn decide(
        &self,
        content: &[u8],
        situation: &Situation<'_>,
    ) -> Result<Decision, Unanswered> {
        let content = Content::new(content.to_vec());
        match situation.observed.file(&self.path)? {
            FileState::Absent => self.create(content, situation),
            FileState::Regular(file) => Ok(self.update(content, file, situation)),
            other => Ok(refusal::not_a_file(&self.path, other)),
        }
    }

    fn create(&self, content: Content, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        let packaged = comes_with_package(&self.after, situation);
        if !packaged && let Some(refused) = refusal::parent(&self.path, situation)? {
            return Ok(refused);
        }
        let replaces = if packaged {
            Replaces::NothingOrPackaged
        } else {
            Replaces::Nothing
        };
        Ok(Decision::Change(self.creation(
            content.bytes(),
            replaces,
            situation,
        )))
    }

    /// Returns the proposal that puts the file where there is none. Its directory must be there by then.
    pub(crate) fn creation(
        &self,
        content: &[u8],
        replaces: Replaces,
        situation: &Situation<'_>,
    ) -> Proposal {
        let content = Content::new(content.to_vec());
        let text = text_of(content.bytes());
        let step = self.write(content.clone(), replaces, situation);
        let mut proposal = Proposal::new(Action::Create, vec![step])
            .difference("content", "", shown(&content.digest()))
            .difference("mode", "", self.mode.to_string())
            .difference("owner", "", format!("{}:{}", self.owner, self.group));
        proposal.texts.extend(text.map(|text| TextChange {
            path: self.path.to_string(),
            before: None,
            after: Some(text),
        }));
        proposal
    }

    fn update(&self, content: Content, file: &RegularFile, situation: &Situation<'_>) -> Decision {
        let digest = content.digest();
        let attributes = self.attribute_differences(&file.attributes);
        if file.digest == digest && attributes.is_empty() {
            return Decision::Converged;
        }
        if file.links > 1 {
            return refusal::several_links(&self.path, file.links);
        }
        if file.digest == digest {
            let step = Step::SetAttributes {
                path: self.path.clone(),
                mode: self.mode,
                owner: self.owner.clone(),
                group: self.group.clone(),
            };
            return Decision::Change(with(Proposal::new(Action::Update, vec![step]), attributes));
        }
        let before = file.content.as_deref().and_then(text_of);
        let after = text_of(content.bytes());
        let step = self.write(content, Replaces::File(file.digest.clone()), situation);
        let mut proposal = with(
            Proposal::new(Action::Update, vec![step]).difference(
                "content",
                shown(&file.digest),
                shown(&digest),
            ),
            attributes,
        );
        if let (Some(before), Some(after)) = (before, after) {
            proposal.texts.push(TextChange {
                path: self.path.to_string(),
                before: Some(before),
                after: Some(after),
            });
        }
        Decision::Change(proposal)
    }

    fn write(&self, content: Content, replaces: Replaces, situation: &Situation<'_>) -> Step {
        Step::WriteFile {
            path: self.path.clone(),
            content,
            mode: self.mode,
            owner: self.owner.clone(),
            group: self.group.clone(),
            replaces,
            check: self.check,
            owes: self.owed(situation),
        }
    }

    /// Returns the units that run an old configuration once the file changes: those that run now, and those that a
    /// package of this plan may start.
    pub(super) fn owed(&self, situation: &Situation<'_>) -> Vec<UnitName> {
        self.read_by
            .iter()
            .filter(|unit| match situation.observed.unit(unit) {
                Ok(state) => is_running(state) || installs(situation.proposed),
                Err(_) => true,
            })
            .cloned()
            .collect()
    }

    fn attribute_differences(&self, found: &Attributes) -> Vec<(&'static str, String, String)> {
        attribute_differences(found, (self.mode, &self.owner, &self.group))
    }
}

/// Plans the removal of a file that hardstand created: the units that read it take notice, unless systemd has no unit file of
/// theirs, or loses it in this plan, perhaps with the package that brought it.
pub(super) fn remove(path: &AbsPath, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
    let observed = situation.observed;
    let file = match observed.file(path)? {
        FileState::Absent => return Ok(Decision::Converged),
        FileState::Regular(file) => file,
        other => return Ok(refusal::not_a_file(path, other)),
    };
    let goes = |origin: &ResourceId| {
        let proposal = situation.proposed.get(origin);
        situation.dropped.contains(origin)
            || proposal.is_some_and(|proposal| proposal.action == Action::Delete)
    };
    let stays = |unit: &UnitName| {
        let mut origins = unit_files(unit).into_iter().chain(unit_packages(unit));
        !origins.any(|origin| goes(&origin))
            && observed
                .unit(unit)
                .is_ok_and(|state| state.exists() && !state.is_masked())
    };
    let questions = situation
        .receipt
        .map_or(&[][..], |receipt| &receipt.questions);
    let readers: BTreeSet<_> = questions
        .iter()
        .filter_map(|question| match question {
            Question::Unit(unit) if stays(unit) => Some(unit.clone()),
            _ => None,
        })
        .collect();
    let running = readers
        .iter()
        .filter(|unit| observed.unit(unit).is_ok_and(is_running));
    let mut proposal = removal(path, file, running.cloned().collect());
    // A unit that takes notice makes systemd read unit files again itself.
    if is_unit_file(path) && readers.is_empty() {
        proposal.steps.push(Step::ReloadUnitFiles);
    }
    proposal.notifies = readers;
    Ok(Decision::Change(proposal))
}

/// Returns the proposal that removes a regular file.
pub(super) fn removal(path: &AbsPath, file: &RegularFile, owes: Vec<UnitName>) -> Proposal {
    let step = Step::RemoveFile {
        path: path.clone(),
        replaces: Replaces::File(file.digest.clone()),
        owes,
    };
    let mut proposal =
        Proposal::new(Action::Delete, vec![step]).difference("content", shown(&file.digest), "");
    let before = file.content.as_deref().and_then(text_of);
    proposal.texts.extend(before.map(|before| TextChange {
        path: path.to_string(),
        before: Some(before),
        after: None,
    }));
    proposal
}

/// Whether systemd reads the path as a unit file or a part of one.
pub(crate) fn is_unit_file(path: &AbsPath) -> bool {
    ["/etc/systemd/system/", "/usr/lib/systemd/system/"]
        .iter()
        .any(|directory| path.as_str().starts_with(directory))
}

/// Whether a package that comes first is changed in this plan, and may bring what is missing.
pub(super) fn comes_with_package(after: &[ResourceId], situation: &Situation<'_>) -> bool {
    after
        .iter()
        .any(|resource| resource.kind() == "package" && situation.changes(resource))
}

/// Whether a package is installed or upgraded in this plan.
pub(crate) fn installs(proposed: &BTreeMap<ResourceId, Proposal>) -> bool {
    proposed
        .values()
        .flat_map(|proposal| &proposal.steps)
        .any(|step| matches!(step, Step::InstallPackage { .. }))
}

/// Returns the resources of all directories above a path, the nearest first.
pub(super) fn directories_above(path: &AbsPath) -> impl Iterator<Item = ResourceId> {
    std::iter::successors(Some(path.parent()), |path| Some(path.parent()))
        .take_while(|path| path.as_str() != "/")
        .map(|path| ResourceId::new("directory", path))
}

/// Returns how mode and owners differ, as attribute, before, after.
pub(super) fn attribute_differences(
    found: &Attributes,
    (mode, owner, group): (FileMode, &UserName, &UserName),
) -> Vec<(&'static str, String, String)> {
    [
        ("mode", format!("{:04o}", found.mode), mode.to_string()),
        ("owner", found.owner.clone(), owner.to_string()),
        ("group", found.group.clone(), group.to_string()),
    ]
    .into_iter()
    .filter(|(_, before, after)| before != after)
    .collect()
}

/// Adds differences to a proposal.
pub(super) fn with(
    proposal: Proposal,
    differences: Vec<(&'static str, String, String)>,
) -> Proposal {
    differences
        .into_iter()
        .fold(proposal, |proposal, (attribute, before, after)| {
            proposal.difference(attribute, before, after)
        })
}

/// Returns the user and the group `root`.
pub(crate) fn root() -> UserName {
    "root".parse().expect("root is a user name")
}

fn text_of(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// Returns a digest short enough to be read.
fn shown(digest: &Digest) -> String {
    format!("sha256:{}", &digest.as_str()[..12])
}
