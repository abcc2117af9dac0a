//! All that is printed, and the only place that prints: results to stdout, everything else to stderr.
//!
//! Renderers are pure functions from data to styled text; [`Ui`] knows the streams. Start at `plan`.

pub(crate) mod checks;
pub(crate) mod cluster;
pub(crate) mod codes;
pub(crate) mod diagnostics;
pub(crate) mod doctor;
pub(crate) mod effective;
pub(crate) mod error;
pub(crate) mod fields;
pub(crate) mod fold;
pub(crate) mod graph;
pub(crate) mod inventory;
pub(crate) mod json;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod prompt;
pub(crate) mod report;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod terminal;
pub(crate) mod text;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod golden;

use std::io::{self, Write as _};

use anstream::{AutoStream, ColorChoice};
use indicatif::MultiProgress;

use self::terminal::{Environment, ProgressStyle};
use self::text::Width;
use crate::args::OutputArgs;
use crate::error::{CommandError, ErrorKind};
use crate::exit::ExitStatus;

/// The streams of this process and what was decided about them.
#[derive(Debug, Clone)]
pub(crate) struct Ui {
    /// Columns in which results are laid out.
    pub(crate) width: Width,
    /// Results are wanted as JSON.
    pub(crate) json: bool,
    /// How often `-v` was given.
    pub(crate) verbose: u8,
    /// Only results and errors are wanted.
    pub(crate) quiet: bool,
    interactive: bool,
    stdin_terminal: bool,
    stdout: ColorChoice,
    stderr: ColorChoice,
    progress: ProgressStyle,
    bars: MultiProgress,
}

impl Ui {
    /// Decides, once, how to print.
    pub(crate) fn new(args: &OutputArgs, environment: &Environment) -> Self {
        let Environment {
            stdin_terminal,
            stdout_terminal,
            stderr_terminal,
            ..
        } = *environment;
        Self {
            width: environment.width(),
            json: args.json,
            verbose: args.verbose,
            quiet: args.quiet,
            interactive: stdin_terminal && stdout_terminal,
            stdin_terminal,
            stdout: environment.color(args, stdout_terminal),
            stderr: environment.color(args, stderr_terminal),
            progress: environment.progress(args),
            bars: MultiProgress::new(),
        }
    }

    /// Prints a result.
    pub(crate) fn result(&self, text: &str) -> Result<(), CommandError> {
        let write = || {
            // In large pieces: the standard library's own buffer ends at every line.
            let mut bytes = Vec::with_capacity(text.len());
            let sink: &mut dyn io::Write = &mut bytes;
            AutoStream::new(sink, self.stdout).write_all(text.as_bytes())?;
            let mut stdout = io::stdout().lock();
            stdout.write_all(&bytes)?;
            stdout.flush()
        };
        Ok(self.bars.suspend(write)?)
    }

    /// Prints the last result and returns how the process ends: as the work itself did, if nobody reads any more.
    pub(crate) fn conclude(&self, text: &str, status: ExitStatus) -> ExitStatus {
        match self.result(text) {
            Ok(()) => status,
            Err(error) if error.kind == ErrorKind::BrokenPipe => status,
            Err(error) => match (self.error(&error), status) {
                (unwritten, ExitStatus::Done) => unwritten,
                (_, status) => status,
            },
        }
    }

    /// Prints text that belongs to no result; none with `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.alert(text);
        }
    }

    /// Prints text to stderr even with `--quiet`. If stderr is gone there is nobody left to tell.
    pub(crate) fn alert(&self, text: &str) {
        self.bars.suspend(|| {
            let mut stderr = AutoStream::new(io::stderr().lock(), self.stderr);
            stderr
                .write_all(text.as_bytes())
                .and_then(|()| stderr.flush())
                .ok();
        });
    }

    /// Prints why the command failed, as the result too if that is to be JSON, and returns how the process ends.
    pub(crate) fn failed(&self, error: &CommandError) -> ExitStatus {
        if self.json && !error.in_result && error.kind != ErrorKind::BrokenPipe {
            // Where stdout is gone too, stderr still tells.
            self.result(&error::render_json(error)).ok();
        }
        self.error(error)
    }

    /// Prints why the command failed and returns how the process ends.
    pub(crate) fn error(&self, error: &CommandError) -> ExitStatus {
        if error.kind != ErrorKind::BrokenPipe {
            self.alert(&error::render(error, self.width));
        }
        error.status()
    }

    /// Whether a person reads the result and can type: only then are next steps suggested.
    pub(crate) fn interactive(&self) -> bool {
        self.interactive
    }
}

/// Prints help or version to stdout, and complaints about the command line to stderr.
pub(crate) fn usage(error: &clap::Error) -> ExitStatus {
    error.print().ok();
    if error.use_stderr() {
        ExitStatus::Usage
    } else {
        ExitStatus::Done
    }
}
