//! `validate`: everything that can be found wrong without asking a host.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::plan::Via;

use super::session::Session;
use crate::args::ValidateArgs;
use crate::error::CommandError;
use crate::exit::ExitStatus;
use crate::ui::Ui;

pub(super) fn run(ui: &Ui, args: &ValidateArgs) -> Result<ExitStatus, CommandError> {
    let input = args.input.with(&args.paths);
    let session = Session::open(ui, &input, Via::Ssh)?;
    let n_specs = session.loaded.specs.len();
    let n_hosts = session.loaded.inventory.hosts.len();
    if n_specs == 0 {
        return Ok(ui.conclude(
            &format!("Valid: {n_hosts} hosts, no NodeSpec.\n"),
            ExitStatus::Done,
        ));
    }
    // Without an inventory the specs are checked as this machine would be planned.
    let session = match n_hosts {
        0 => session.on_this_machine(None)?,
        _ => session,
    };
    let fleet = session.fleet(input.limit.as_deref())?;
    let graphs: BTreeSet<_> = fleet
        .hosts
        .iter()
        .map(|host| Arc::as_ptr(&host.graph))
        .collect();
    let text = format!(
        "Valid: {n_specs} NodeSpecs, {n_hosts} hosts, {} different graphs of resources.\n",
        graphs.len()
    );
    Ok(ui.conclude(&text, ExitStatus::Done))
}
