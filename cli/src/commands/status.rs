//! `status`: whether a transaction is open on a host, or was interrupted, and which restarts are owed.

use engine::compile::Fleet;
use engine::question::Observed;
use engine::report::worst_exit_code;

use super::session::{Session, Watched, via};
use crate::args::StatusArgs;
use crate::error::CommandError;
use crate::exit::ExitStatus;
use crate::ui::Ui;
use crate::ui::progress::Task;
use crate::ui::status::{StatusRow, shown};

pub(super) fn run(ui: &Ui, args: &StatusArgs) -> Result<ExitStatus, CommandError> {
    let input = args.input.with(&args.paths);
    let session = Session::open(ui, &input, via(args.local))?;
    let fleet = Fleet::bare(&session.hosts(&input)?);
    let watched = Watched::install(ui, &input)?;
    let observed = session.work(Task::Ask, &args.fleet, &fleet, &watched, |run| {
        run.observe_all()
    })?;
    let code = worst_exit_code(observed.iter().map(|(_, observed)| match observed {
        Ok(observed) if observed.facts.records_unreadable => ExitStatus::Error.code(),
        Ok(_) => 0,
        Err(_) => ExitStatus::Unreachable.code(),
    }));
    let rows: Vec<StatusRow> = observed
        .into_iter()
        .map(|(host, observed)| match observed {
            Ok(observed) => row(host.to_string(), &observed),
            Err(reason) => StatusRow {
                host: host.to_string(),
                state: "unreachable".to_owned(),
                transaction: None,
                generation: None,
                detail: Some(reason),
            },
        })
        .collect();
    let status = watched
        .interrupted()
        .unwrap_or_else(|| ExitStatus::from_code(code));
    Ok(ui.conclude(&shown(ui, &rows, status), status))
}

fn row(host: String, observed: &Observed) -> StatusRow {
    if observed.facts.records_unreadable {
        return StatusRow {
            host,
            state: "unknown".to_owned(),
            transaction: None,
            generation: None,
            detail: Some("only root may read what hardstand keeps there".to_owned()),
        };
    }
    let owed: Vec<_> = observed.owed.iter().map(ToString::to_string).collect();
    let state = match (&observed.facts.open_transaction, owed.is_empty()) {
        (Some(_), _) => "open or interrupted",
        (None, false) => "restart owed",
        (None, true) => "idle",
    };
    StatusRow {
        host,
        state: state.to_owned(),
        transaction: observed.facts.open_transaction.clone(),
        generation: Some(observed.facts.generation),
        detail: Some(owed.join(", ")).filter(|owed| !owed.is_empty()),
    }
}
