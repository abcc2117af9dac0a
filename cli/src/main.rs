//! The `hardstand` command: parse, run, exit.

mod args;
mod commands;
mod error;
mod exit;
mod interrupt;
#[cfg(test)]
mod pure_planning;
mod summary;
mod ui;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match args::parse(std::env::args_os()) {
        Ok(args) => args,
        Err(usage) => return ui::usage(&usage).into(),
    };
    commands::run(args).into()
}
