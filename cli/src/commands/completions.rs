//! `completions`: a script for a shell.

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::error::CommandError;
use crate::exit::ExitStatus;
use crate::ui::Ui;

pub(super) fn run(ui: &Ui, args: &CompletionsArgs) -> Result<ExitStatus, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "hardstand", &mut script);
    let script = String::from_utf8_lossy(&script);
    Ok(ui.conclude(&script, ExitStatus::Done))
}
