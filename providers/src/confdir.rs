//! Directories of configuration fragments, as systemd and kmod read them: one file per name, a higher directory masks the
//! lower ones, and all that is left is read in the bytewise order of names.

use std::collections::BTreeMap;

use engine::name::{AbsPath, ResourceId};
use engine::question::{FileState, FoundFile, Question, Unanswered};
use engine::resource::Proposal;
use engine::step::Step;

use crate::answers::Answers;
use crate::section::constant_path;

/// The ending of the names that are read.
const SUFFIX: &str = "conf";

/// A fragment that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// Where its text stands: behind a link, the link's target.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

/// A line of a fragment that says something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    /// The file it stands in.
    pub(crate) path: &'a str,
    /// Its number, from 1.
    pub(crate) number: usize,
    /// Its text, trimmed.
    pub(crate) text: &'a str,
}

impl Line<'_> {
    /// Returns the place as `file:line`.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.path, self.number)
    }
}

impl Fragment {
    /// Returns the lines that are neither blank nor start with one of the comment characters.
    pub(crate) fn lines(&self, comments: &'static [char]) -> impl Iterator<Item = Line<'_>> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, text)| Line {
                path: &self.path,
                number: index + 1,
                text: text.trim(),
            })
            .filter(move |line| !line.text.is_empty() && !line.text.starts_with(comments))
    }
}

/// Returns the questions about directories of fragments, from the highest to the lowest.
pub(crate) fn questions(directories: &[&'static str]) -> Vec<Question> {
    directories
        .iter()
        .map(|directory| Question::Files {
            directory: constant_path(directory),
            suffix: SUFFIX.to_owned(),
        })
        .collect()
}

/// Returns what is read of directories of fragments once some proposals are carried out.
pub(crate) fn fragments(
    observed: &impl Answers,
    proposed: &BTreeMap<ResourceId, Proposal>,
    directories: &[&'static str],
) -> Result<Vec<Fragment>, Unanswered> {
    let directories: Vec<_> = directories.iter().copied().map(constant_path).collect();
    fragments_in(observed, proposed, &directories)
}

/// As [`fragments`], for directories that are not known when the program is written.
pub(crate) fn fragments_in(
    observed: &impl Answers,
    proposed: &BTreeMap<ResourceId, Proposal>,
    directories: &[AbsPath],
) -> Result<Vec<Fragment>, Unanswered> {
    let rewritten = rewritten(proposed);
    let mut by_name: BTreeMap<String, Option<Fragment>> = BTreeMap::new();
    for directory in directories {
        for (name, fragment) in fragments_of(observed, &rewritten, directory)? {
            by_name.entry(name).or_insert(fragment);
        }
    }
    Ok(by_name.into_values().flatten().collect())
}

/// What a path holds after the proposals: a text, or nothing.
pub(crate) type Rewritten<'a> = BTreeMap<&'a AbsPath, Option<String>>;

pub(crate) fn rewritten(proposed: &BTreeMap<ResourceId, Proposal>) -> Rewritten<'_> {
    proposed
        .values()
        .flat_map(|proposal| &proposal.steps)
        .filter_map(|step| match step {
            Step::WriteFile { path, content, .. } => {
                let text = String::from_utf8_lossy(content.bytes()).into_owned();
                Some((path, Some(text)))
            }
            Step::RemoveFile { path, .. } => Some((path, None)),
            _ => None,
        })
        .collect()
}

/// Returns the names in a directory that count, those without a fragment only mask.
fn fragments_of(
    observed: &impl Answers,
    rewritten: &Rewritten<'_>,
    directory: &AbsPath,
) -> Result<BTreeMap<String, Option<Fragment>>, Unanswered> {
    let mut fragments = BTreeMap::new();
    for found in observed.files(directory, SUFFIX)? {
        let name = found.path.file_name().to_owned();
        let target = link_target(found);
        match rewritten.get(&found.path).or(rewritten.get(&target)) {
            Some(Some(text)) => {
                fragments.insert(name, fragment(&target, text.clone()));
            }
            Some(None) => {}
            None => {
                if let Some(found) = read(found, &target)? {
                    fragments.insert(name, found);
                }
            }
        }
    }
    for (path, text) in rewritten {
        if let Some(text) = text
            && path.parent() == *directory
            && path.file_name().ends_with(".conf")
        {
            fragments.insert(path.file_name().to_owned(), fragment(path, text.clone()));
        }
    }
    Ok(fragments)
}

/// Returns what a found file adds: nothing at all, a mask, or a fragment.
fn read(found: &FoundFile, target: &AbsPath) -> Result<Option<Option<Fragment>>, Unanswered> {
    match &found.state {
        FileState::Regular(file) => {
            let Some(content) = &file.content else {
                return Err(Unanswered(format!("{} is too large to read", found.path)));
            };
            let text = String::from_utf8_lossy(content).into_owned();
            Ok(Some(fragment(target, text)))
        }
        FileState::Other(_) => Ok(Some(None)),
        FileState::Unreadable(reason) => {
            Err(Unanswered(format!("cannot read {}: {reason}", found.path)))
        }
        FileState::Absent | FileState::Directory(_) | FileState::Symlink(_) => Ok(None),
    }
}

fn fragment(path: &AbsPath, text: String) -> Option<Fragment> {
    Some(Fragment {
        path: path.to_string(),
        text,
    })
}

/// Returns where a file really stands, as far as its link tells.
fn link_target(found: &FoundFile) -> AbsPath {
    let Some(link) = &found.link else {
        return found.path.clone();
    };
    let mut components: Vec<&str> = Vec::new();
    let start = if link.starts_with('/') {
        String::new()
    } else {
        found.path.parent().to_string()
    };
    for component in start.split('/').chain(link.split('/')) {
        match component {
            "" | "." => {}
            ".." => {
                components.pop();
            }
            component => components.push(component),
        }
    }
    format!("/{}", components.join("/"))
        .parse()
        .unwrap_or_else(|_| found.path.clone())
}
