//! Why a command failed: a kind that sets the exit code, the chain of causes, and hints. The ui prints it in one place.

use std::error::Error;
use std::io;

use crate::exit::ExitStatus;

/// A command that failed as a whole. What happened on single hosts is in the report instead.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// Which kind, for the exit code.
    pub(crate) kind: ErrorKind,
    /// What was attempted, with its causes.
    pub(crate) source: Box<dyn Error + Send + Sync>,
    /// How to mend it, one sentence each.
    pub(crate) hints: Vec<String>,
    /// The result already says what is wrong, so that it is not told as one once more.
    pub(crate) in_result: bool,
}

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The command line asks for what cannot be.
    Usage,
    /// Input is invalid, or the work itself failed.
    Failed,
    /// The plan is stale, damaged or made by another version; nothing was changed.
    Refused,
    /// Whoever read our output went away; there is no one to tell.
    BrokenPipe,
}

/// An attempt that failed, with why.
#[derive(Debug, thiserror::Error)]
#[error("{attempt}")]
struct Attempt {
    attempt: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl CommandError {
    /// Returns an error that has no deeper cause.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::of(
            kind,
            Attempt {
                attempt: message.into(),
                source: None,
            },
        )
    }

    /// Returns an error of an attempt that another error made fail.
    pub(crate) fn caused(
        kind: ErrorKind,
        attempt: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::of(
            kind,
            Attempt {
                attempt: attempt.into(),
                source: Some(source.into()),
            },
        )
    }

    /// Returns an error that says itself what was attempted.
    pub(crate) fn of(kind: ErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind,
            source: source.into(),
            hints: Vec::new(),
            in_result: false,
        }
    }

    /// Says that what is wrong was printed as the result.
    #[must_use]
    pub(crate) fn told(mut self) -> Self {
        self.in_result = true;
        self
    }

    /// Adds how to mend it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Returns how the process ends because of it.
    pub(crate) fn status(&self) -> ExitStatus {
        match self.kind {
            ErrorKind::Usage => ExitStatus::Usage,
            ErrorKind::Failed | ErrorKind::BrokenPipe => ExitStatus::Error,
            ErrorKind::Refused => ExitStatus::Stale,
        }
    }
}

/// For writing results: only stdout is written without a path to name.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::of(ErrorKind::BrokenPipe, error),
            _ => Self::caused(ErrorKind::Failed, "cannot write to stdout", error),
        }
    }
}
