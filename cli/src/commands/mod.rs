//! One file per command: read what it needs, call the engine, hand the result to the ui.

mod completions;
mod invocation;
mod saved_plan;
mod show;

use crate::args::{Cli, Command};
use crate::error::{CommandError, ErrorKind};
use crate::exit::ExitStatus;
use crate::ui::Ui;
use crate::ui::terminal::Environment;

/// Runs the command that a line asks for.
pub(crate) fn run(cli: Cli) -> ExitStatus {
    let ui = Ui::new(&cli.output, &Environment::read());
    dispatch(&ui, &cli.command).unwrap_or_else(|error| ui.error(&error))
}

fn dispatch(ui: &Ui, command: &Command) -> Result<ExitStatus, CommandError> {
    match command {
        Command::Show(args) => show::run(ui, args),
        Command::Completions(args) => completions::run(ui, args),
        Command::Plan(_) => Err(not_wired("plan")),
        Command::Apply(_) => Err(not_wired("apply")),
        Command::Graph(_) => Err(not_wired("graph")),
        Command::Inventory(_) => Err(not_wired("inventory")),
        Command::Validate(_) => Err(not_wired("validate")),
        Command::Status(_) => Err(not_wired("status")),
        Command::Purge(_) => Err(not_wired("purge")),
    }
}

fn not_wired(command: &str) -> CommandError {
    CommandError::new(
        ErrorKind::Failed,
        format!("`{command}` is not wired to the engine yet"),
    )
}
