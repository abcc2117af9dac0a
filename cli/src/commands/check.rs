//! `check`: the named checks of every host, alone. It asks what `plan` asks, and shows what stands now.

use super::session::{Session, Watched, via};
use crate::args::CheckArgs;
use crate::error::CommandError;
use crate::exit::ExitStatus;
use crate::ui::plan::Grouping;
use crate::ui::{Ui, checks};

pub(super) fn run(ui: &Ui, args: &CheckArgs) -> Result<ExitStatus, CommandError> {
    let input = args.input.with(&args.paths);
    let session = Session::open_ignoring(ui, &input, via(args.local), &args.ignore.ignored)?;
    let fleet = session.fleet(&input)?;
    let watched = Watched::install(ui, &input)?;
    let plan = session.plan(&args.fleet, &fleet, &watched)?;
    let tally = checks::Tally::of(&plan);
    let status = watched.interrupted().unwrap_or_else(|| tally.exit());
    let text = if ui.json {
        checks::render_json(&plan, tally, status)
    } else {
        let grouping = if args.by_host {
            Grouping::ByHost
        } else {
            Grouping::Folded
        };
        checks::render(&plan, &tally, grouping, ui.width)
    };
    Ok(ui.conclude(&text, status))
}
