//! `purge`: removes what hardstand keeps on hosts. What it configured there stays.

use engine::compile::Fleet;
use engine::probe::NotPurged;
use engine::report::worst_exit_code;

use super::session::{Session, Watched, via};
use crate::args::PurgeArgs;
use crate::error::CommandError;
use crate::exit::ExitStatus;
use crate::ui::Ui;
use crate::ui::progress::Task;
use crate::ui::prompt::{Consent, Question};
use crate::ui::status::{StatusRow, shown};
use crate::ui::text::count;

pub(super) fn run(ui: &Ui, args: &PurgeArgs) -> Result<ExitStatus, CommandError> {
    let input = args.input.with(&args.paths);
    let session = Session::open(ui, &input, via(args.local))?;
    let fleet = Fleet::bare(&session.hosts(&input)?);
    let question = Question {
        text: &format!(
            "Remove hardstand's records from {}? Drift and removals are no longer told after that.",
            count(fleet.hosts.len(), "host")
        ),
        yes: args.yes,
        otherwise: None,
    };
    if ui.ask(&question)? == Consent::Withheld {
        ui.note("Nothing was removed.\n");
        return Ok(ExitStatus::Done);
    }
    let watched = Watched::install(ui, &input)?;
    let purged = session.work(Task::Purge, &args.fleet, &fleet, &watched, |run| {
        run.purge()
    })?;
    let code = worst_exit_code(purged.iter().map(|(_, purged)| match purged {
        Ok(()) => 0,
        Err(NotPurged::Unreachable(_)) => ExitStatus::Unreachable.code(),
        Err(NotPurged::Refused(_)) => ExitStatus::Error.code(),
    }));
    let rows: Vec<StatusRow> = purged
        .into_iter()
        .map(|(host, purged)| {
            let (state, detail) = match purged {
                Ok(()) => ("purged", None),
                Err(NotPurged::Unreachable(reason)) => ("unreachable", Some(reason)),
                Err(NotPurged::Refused(reason)) => ("not purged", Some(reason)),
            };
            StatusRow {
                host: host.to_string(),
                state: state.to_owned(),
                transaction: None,
                generation: None,
                detail,
            }
        })
        .collect();
    let status = watched
        .interrupted()
        .unwrap_or_else(|| ExitStatus::from_code(code));
    Ok(ui.conclude(&shown(ui, &rows, status), status))
}
