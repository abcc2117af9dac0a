//! One file per command: read what it needs, call the engine, hand the result to the ui.

mod apply;
mod check;
mod completions;
mod doctor;
mod explain;
mod graph;
mod inventory;
mod invocation;
mod plan;
mod purge;
mod reach;
mod saved_plan;
mod session;
mod show;
mod status;
mod validate;

use crate::args::{Cli, Command};
use crate::error::CommandError;
use crate::exit::ExitStatus;
use crate::ui::Ui;
use crate::ui::terminal::Environment;

/// Runs the command that a line asks for.
pub(crate) fn run(cli: Cli) -> ExitStatus {
    let ui = Ui::new(&cli.output, &Environment::read());
    dispatch(&ui, &cli.command).unwrap_or_else(|error| ui.failed(&error))
}

fn dispatch(ui: &Ui, command: &Command) -> Result<ExitStatus, CommandError> {
    match command {
        Command::Show(args) => show::run(ui, args),
        Command::Completions(args) => completions::run(ui, args),
        Command::Plan(args) => plan::run(ui, args),
        Command::Apply(args) => apply::run(ui, args),
        Command::Graph(args) => graph::run(ui, args),
        Command::Inventory(args) => inventory::run(ui, args),
        Command::Validate(args) => validate::run(ui, args),
        Command::Check(args) => check::run(ui, args),
        Command::Explain(args) => explain::run(ui, args),
        Command::Doctor(args) => doctor::run(ui, args),
        Command::Status(args) => status::run(ui, args),
        Command::Purge(args) => purge::run(ui, args),
    }
}
