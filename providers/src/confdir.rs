//! Directories of configuration fragments, as systemd and kmod read them: one file per name, a higher directory masks the
//! lower ones, and all that is left is read in the bytewise order of names.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use engine::name::{AbsPath, ResourceId};
use engine::question::{FileState, FoundFile, Question, Unanswered};
use engine::reading::Outlook;

use crate::section::constant_path;

/// The ending of the names that are read.
const SUFFIX: &str = "conf";

/// A fragment that is read. It borrows what a host answered or a plan proposes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragment<'a> {
    /// Where its text stands: behind a link, the link's target.
    pub(crate) path: Cow<'a, str>,
    /// Its text.
    pub(crate) text: Cow<'a, str>,
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

impl Fragment<'_> {
    /// Returns the same with nothing borrowed.
    pub(crate) fn into_owned(self) -> Fragment<'static> {
        Fragment {
            path: Cow::Owned(self.path.into_owned()),
            text: Cow::Owned(self.text.into_owned()),
        }
    }

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

/// Returns what a host will read of directories of fragments once the plan is carried out, as far as it is known. What no
/// spec names any more counts as removed, although that comes last.
pub(crate) fn fragments<'a>(
    outlook: &Outlook<'a>,
    directories: &[&'static str],
) -> Result<Vec<Fragment<'a>>, Unanswered> {
    let directories: Vec<_> = directories.iter().copied().map(constant_path).collect();
    all(outlook, &directories, outlook.dropped)
}

/// Returns what is read of directories of fragments once what is proposed is done. What no spec names any more is still there.
pub(crate) fn fragments_in<'a>(
    outlook: &Outlook<'a>,
    directories: &[AbsPath],
) -> Result<Vec<Fragment<'a>>, Unanswered> {
    all(outlook, directories, &BTreeSet::new())
}

fn all<'a>(
    outlook: &Outlook<'a>,
    directories: &[AbsPath],
    dropped: &BTreeSet<ResourceId>,
) -> Result<Vec<Fragment<'a>>, Unanswered> {
    let mut by_name: BTreeMap<&str, Option<Fragment<'a>>> = BTreeMap::new();
    for directory in directories {
        for (name, fragment) in fragments_of(outlook, directory, dropped)? {
            by_name.entry(name).or_insert(fragment);
        }
    }
    Ok(by_name.into_values().flatten().collect())
}

/// Returns the names in a directory that count; those without a fragment only mask.
fn fragments_of<'a>(
    outlook: &Outlook<'a>,
    directory: &AbsPath,
    dropped: &BTreeSet<ResourceId>,
) -> Result<BTreeMap<&'a str, Option<Fragment<'a>>>, Unanswered> {
    let is_dropped =
        |path: &AbsPath| !dropped.is_empty() && dropped.contains(&ResourceId::new("file", path));
    let files = &outlook.files;
    let mut fragments = BTreeMap::new();
    for found in outlook.observed.files(directory, SUFFIX)? {
        let name = found.path.file_name();
        let target = link_target(found);
        match files.get(&found.path).or_else(|| files.get(&*target)) {
            Some(Some(content)) => {
                fragments.insert(name, fragment(target, text_of(content.bytes())));
            }
            Some(None) => {}
            None if is_dropped(&found.path) => {}
            None => {
                if let Some(found) = read(found, target)? {
                    fragments.insert(name, found);
                }
            }
        }
    }
    for (path, content) in files {
        if let Some(content) = content
            && path.file_name().ends_with(".conf")
            && path.parent() == *directory
        {
            let fragment = fragment(Cow::Borrowed(*path), text_of(content.bytes()));
            fragments.insert(path.file_name(), fragment);
        }
    }
    Ok(fragments)
}

/// Returns what a found file adds: nothing at all, a mask, or a fragment.
fn read<'a>(
    found: &'a FoundFile,
    target: Cow<'a, AbsPath>,
) -> Result<Option<Option<Fragment<'a>>>, Unanswered> {
    match &found.state {
        FileState::Regular(file) => {
            let Some(content) = &file.content else {
                return Err(Unanswered(format!("{} is too large to read", found.path)));
            };
            Ok(Some(fragment(target, text_of(content))))
        }
        FileState::Other(_) => Ok(Some(None)),
        FileState::Unreadable(reason) => {
            Err(Unanswered(format!("cannot read {}: {reason}", found.path)))
        }
        FileState::Absent | FileState::Directory(_) | FileState::Symlink(_) => Ok(None),
    }
}

fn fragment<'a>(path: Cow<'a, AbsPath>, text: Cow<'a, str>) -> Option<Fragment<'a>> {
    let path = match path {
        Cow::Borrowed(path) => Cow::Borrowed(path.as_str()),
        Cow::Owned(path) => Cow::Owned(path.to_string()),
    };
    Some(Fragment { path, text })
}

/// Returns the text of a file, which most often is UTF-8: that is checked faster than it is mended.
pub(crate) fn text_of(content: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(content) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(content),
    }
}

/// Returns where a file really stands, as far as its link tells.
fn link_target(found: &FoundFile) -> Cow<'_, AbsPath> {
    let Some(link) = &found.link else {
        return Cow::Borrowed(&found.path);
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
        .map_or(Cow::Borrowed(&found.path), Cow::Owned)
}
