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
    if let Some(path) = &args.out {
        check_target(path)?;
    }
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

/// Refuses what a plan cannot be saved to, before any host is asked. What is there is replaced, so that a device or a link
/// such as /dev/stdout would be gone.
fn check_target(path: &Path) -> Result<(), CommandError> {
    let refused = |why: &str| {
        let message = format!("a plan cannot be saved to {}: {why}", path.display());
        Err(CommandError::new(ErrorKind::Usage, message))
    };
    if path == Path::new("-") {
        return refused("it is saved to a file").map_err(|error| {
            error.hint("--json writes the result to stdout; name a file to apply the plan")
        });
    }
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => refused("it is a directory"),
        Ok(metadata) if !metadata.is_file() => refused("it is not a regular file"),
        Ok(_) => Ok(()),
        Err(_) if directory_of(path).is_dir() => Ok(()),
        Err(_) => refused("its directory does not exist"),
    }
}

/// Returns the directory that holds a file.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Writes a plan in one move, readable by its owner only, and returns its digest.
fn save(plan: &Plan, path: &Path) -> Result<Digest, CommandError> {
    let bytes = plan.to_bytes();
    let write = || {
        let mut file = tempfile::Builder::new()
            .prefix(".hardstand-plan-")
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(directory_of(path))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_replaces_nothing_but_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let plan = directory.path().join("plan.json");
        assert!(check_target(&plan).is_ok());
        std::fs::write(&plan, "older").unwrap();
        assert!(check_target(&plan).is_ok());
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&plan, &link).unwrap();
        let nowhere = directory.path().join("none").join("plan.json");
        for (path, why) in [
            (Path::new("-"), "saved to a file"),
            (Path::new("/dev/null"), "not a regular file"),
            (Path::new("/dev/stdout"), "not a regular file"),
            (&link, "not a regular file"),
            (directory.path(), "a directory"),
            (&nowhere, "does not exist"),
        ] {
            let error = check_target(path).unwrap_err();
            assert!(error.source.to_string().contains(why), "{error:?}");
        }
    }
}
