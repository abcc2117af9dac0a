//! The files of a containerd as they are found on a host: the main one, and the drop-ins beside it.

use engine::name::AbsPath;
use engine::question::{FileState, FoundFile, Observed, Question, Unanswered};
use toml_edit::DocumentMut;

/// The ending of the names of drop-ins.
pub(super) const DROP_IN_SUFFIX: &str = "toml";

/// Returns the directory of drop-ins beside a main file, which newer versions import by default.
pub(crate) fn drop_ins(config: &AbsPath) -> Option<AbsPath> {
    config.parent().join("conf.d").ok()
}

/// Returns the question for the drop-ins beside a main file.
pub(crate) fn drop_in_question(config: &AbsPath) -> Option<Question> {
    drop_ins(config).map(|directory| Question::Files {
        directory,
        suffix: DROP_IN_SUFFIX.to_owned(),
    })
}

/// Returns the drop-ins beside a main file.
pub(super) fn found_drop_ins<'a>(
    config: &AbsPath,
    observed: &'a Observed,
) -> Result<&'a [FoundFile], Unanswered> {
    match drop_ins(config) {
        Some(directory) => observed.files(&directory, DROP_IN_SUFFIX),
        None => Ok(&[]),
    }
}

/// Whether an import of a main file names all drop-ins beside it: in full, or from where the file stands.
pub(super) fn imports_all(config: &AbsPath, import: &str) -> bool {
    let Some(directory) = drop_ins(config) else {
        return false;
    };
    [directory.as_str(), directory.file_name()]
        .iter()
        .any(|directory| import == format!("{directory}/*.{DROP_IN_SUFFIX}"))
}

/// Reads a file; none if there is none.
pub(super) fn document(
    path: &AbsPath,
    state: &FileState,
) -> Result<Option<DocumentMut>, Unanswered> {
    let unknown = |why: &str| Err(Unanswered(format!("{path} {why}")));
    match state {
        FileState::Absent => Ok(None),
        FileState::Regular(file) => {
            let Some(content) = &file.content else {
                return unknown("is too large to read");
            };
            match std::str::from_utf8(content).map(str::parse) {
                Ok(Ok(document)) => Ok(Some(document)),
                Ok(Err(_)) | Err(_) => unknown("is not valid TOML"),
            }
        }
        FileState::Directory(_) | FileState::Other(_) => unknown("is not a regular file"),
        FileState::Symlink(_) => unknown("is a link, and what it leads to was not read"),
        FileState::Unreadable(why) => unknown(&format!("cannot be read: {why}")),
    }
}
