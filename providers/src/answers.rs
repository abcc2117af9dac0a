//! What answers questions about files: a host as a resource sees it, and a host as a check sees it.

use engine::name::AbsPath;
use engine::question::{FileState, FoundFile, Observed, Unanswered};
use engine::state::State;

/// Answers about files.
pub(crate) trait Answers {
    /// Returns what is at a path.
    fn file(&self, path: &AbsPath) -> Result<&FileState, Unanswered>;

    /// Returns the entries of a directory with an ending.
    fn files(&self, directory: &AbsPath, suffix: &str) -> Result<&[FoundFile], Unanswered>;
}

impl Answers for Observed {
    fn file(&self, path: &AbsPath) -> Result<&FileState, Unanswered> {
        self.file(path)
    }

    fn files(&self, directory: &AbsPath, suffix: &str) -> Result<&[FoundFile], Unanswered> {
        self.files(directory, suffix)
    }
}

impl Answers for State<'_> {
    fn file(&self, path: &AbsPath) -> Result<&FileState, Unanswered> {
        self.file(path)
    }

    fn files(&self, directory: &AbsPath, suffix: &str) -> Result<&[FoundFile], Unanswered> {
        self.files(directory, suffix)
    }
}
