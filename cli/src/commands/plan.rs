//! `plan`: what would change on each host, and why. Nothing is changed.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use engine::name::Digest;
use engine::plan::Plan;

use super::session::{Session, Watched, via};
use crate::args::PlanArgs;
use crate::error::{CommandError, ErrorKind};
use crate::exit::ExitStatus;
use crate::summary::PlanSummary;
use crate::ui::plan::{PlanView, render, saved};
use crate::ui::{Ui, json};

pub(super) fn run(ui: &Ui, args: &PlanArgs) -> Result<ExitStatus, CommandError> {
    let input = args.input.with(&args.paths);
    let session = Session::open_ignoring(ui, &input, via(args.local), &args.ignore.ignored)?;
    let fleet = session.fleet(&input)?;
    let watched = Watched::install(ui, &input)?;
    let plan = Plan {
        shard: input.shard,
        ..session.plan(&args.fleet, &fleet, &watched)?
    };
    let summary = PlanSummary::of(&plan);
    let status = watched
        .interrupted()
        .unwrap_or_else(|| ExitStatus::of_plan(&summary, args.detailed_exitcode));
    let mut text = if ui.json {
        json::plan(&plan, summary, status)
    } else {
        render(&plan, &PlanView::new(&args.view, ui.width))
    };
    if let Some(path) = args
        .out
        .as_ref()
        .filter(|_| watched.interrupted().is_none())
    {
        let digest = save(&plan, path)?;
        let note = saved(&path.to_string_lossy(), &digest, ui.interactive());
        match ui.json {
            true => ui.note(&note),
            false => text.push_str(&note),
        }
    }
    Ok(ui.conclude(&text, status))
}

/// Writes a plan in one move, readable by its owner only, and returns its digest.
fn save(plan: &Plan, path: &Path) -> Result<Digest, CommandError> {
    let bytes = plan.to_bytes();
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let write = || {
        let mut file = tempfile::Builder::new()
            .prefix(".hardstand-plan-")
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(directory.unwrap_or_else(|| Path::new(".")))?;
        file.write_all(&bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    };
    let written = write();
    written.map_err(|error| {
        CommandError::caused(
            ErrorKind::Failed,
            format!("cannot save the plan to {}", path.display()),
            error,
        )
    })?;
    Ok(Digest::of(&bytes))
}
