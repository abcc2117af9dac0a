//! Why a path is left alone: links, hard links, what is no file, and parents that are not there.

use engine::name::AbsPath;
use engine::question::{FileState, RegularFile, Unanswered};
use engine::resource::{Action, Decision, Situation};

use crate::runtime::{Refusal, Stop};

/// Returns the refusal of a path that holds something other than a regular file.
pub(crate) fn not_a_file(path: &AbsPath, state: &FileState) -> Decision {
    match state {
        FileState::Symlink(target) => refused(
            format!("`{path}` is a symbolic link to `{target}`"),
            "manage the path it points to, or remove the link",
        ),
        FileState::Directory(_) => refused(
            format!("`{path}` is a directory"),
            "remove it, or choose another path",
        ),
        FileState::Other(kind) => refused(
            format!("`{path}` is a {kind}"),
            "remove it, or choose another path",
        ),
        FileState::Unreadable(reason) => {
            Decision::Unknown(format!("`{path}` cannot be read: {reason}"))
        }
        FileState::Absent => refused(format!("`{path}` does not exist"), "create it first"),
        FileState::Regular(_) => refused(
            format!("`{path}` is a regular file"),
            "remove it, or choose another path",
        ),
    }
}

/// Returns the refusal of a file with several names.
pub(super) fn several_links(path: &AbsPath, links: u64) -> Decision {
    refused(
        format!("`{path}` is one of {links} hard links to the same file"),
        "replacing it would part it from the others; remove the others, or copy it",
    )
}

/// Returns the text of a file that is edited; `shown` is its path for people, and `format` what it is written in.
pub(crate) fn editable<'a>(
    shown: &str,
    file: &'a RegularFile,
    format: &str,
) -> Result<&'a str, Stop> {
    let refused =
        |what: &str, help: &str| Stop::from(Refusal::new(format!("{shown} {what}")).help(help));
    if file.links > 1 {
        return Err(refused(
            "has several hard links",
            "break the other links first",
        ));
    }
    let Some(content) = &file.content else {
        return Err(refused("is larger than 1 MiB", "look at what wrote it"));
    };
    std::str::from_utf8(content).map_err(|_| {
        refused(
            "is not UTF-8",
            &format!("write it as UTF-8, as {format} demands"),
        )
    })
}

/// Returns why nothing can be made at a path: its parent is not a directory, and no resource of this plan makes it one.
pub(super) fn parent(
    path: &AbsPath,
    situation: &Situation<'_>,
) -> Result<Option<Decision>, Unanswered> {
    let parent = path.parent();
    Ok(match situation.observed.file(&parent)? {
        FileState::Directory(_) => None,
        FileState::Absent if is_made(&parent, situation) => None,
        FileState::Absent => Some(refused(
            format!("the directory `{parent}` does not exist"),
            "add it to `directories`",
        )),
        FileState::Symlink(target) => Some(refused(
            format!("`{parent}` is a symbolic link to `{target}`"),
            "write the path that the link leads to",
        )),
        FileState::Unreadable(reason) => Some(Decision::Unknown(format!(
            "`{parent}` cannot be read: {reason}"
        ))),
        FileState::Regular(_) | FileState::Other(_) => Some(refused(
            format!("`{parent}` is not a directory"),
            "remove it, or choose another path",
        )),
    })
}

fn is_made(directory: &AbsPath, situation: &Situation<'_>) -> bool {
    let id = engine::name::ResourceId::new("directory", directory);
    situation
        .proposed
        .get(&id)
        .is_some_and(|proposal| proposal.action == Action::Create)
}

pub(crate) fn refused(reason: impl Into<String>, help: &str) -> Decision {
    Decision::Refused {
        reason: reason.into(),
        help: Some(help.to_owned()),
    }
}
