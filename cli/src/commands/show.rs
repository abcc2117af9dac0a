//! `show`: a saved plan, as `plan` would have shown it; or what specs come to for one host.

use std::path::Path;

use engine::effective::effective;
use engine::resource::Sections;
use engine::spec::merge_for_hosts;

use super::saved_plan::{self, SavedPlan};
use super::session::{Session, report};
use crate::args::ShowArgs;
use crate::error::{CommandError, ErrorKind};
use crate::exit::ExitStatus;
use crate::summary::PlanSummary;
use crate::ui::effective::{self as spec, EffectiveSpec};
use crate::ui::plan::PlanView;
use crate::ui::{Ui, json, plan};

pub(super) fn run(ui: &Ui, args: &ShowArgs) -> Result<ExitStatus, CommandError> {
    match &args.plan_file {
        Some(path) => saved(ui, args, path),
        None => of_host(ui, args),
    }
}

fn saved(ui: &Ui, args: &ShowArgs, path: &Path) -> Result<ExitStatus, CommandError> {
    let SavedPlan { mut plan, digest } = saved_plan::read(path)?;
    if args.input.limit.is_some() || args.input.shard.is_some() {
        let session = Session::of_plan(ui, &plan)?;
        let hosts = session.hosts(&args.input)?;
        plan.retain(|name| hosts.iter().any(|host| host.name == *name));
    }
    let text = if ui.json {
        json::plan(&plan, PlanSummary::of(&plan), ExitStatus::Done)
    } else {
        ui.note(&format!("sha256 {digest}\n"));
        plan::render(&plan, &PlanView::new(&args.view, ui.width))
    };
    Ok(ui.conclude(&text, ExitStatus::Done))
}

fn of_host(ui: &Ui, args: &ShowArgs) -> Result<ExitStatus, CommandError> {
    let mut input = args.input.clone();
    let session = Session::open_unasked(ui, &input)?;
    if let Some(host) = &args.host {
        input = session.host(host, &input)?;
    }
    let hosts = session.hosts(&input)?;
    let (specs, problems) = merge_for_hosts(&session.loaded, &hosts);
    if problems.has_errors() {
        return Err(report(ui, problems, &session.loaded.sources));
    }
    let host = specs.hosts.first().ok_or_else(|| {
        CommandError::new(ErrorKind::Failed, "no NodeSpec selects this host")
            .hint("`hardstand inventory` lists all hosts")
    })?;
    let known = hosts.iter().find(|known| known.name == host.host);
    let os = known.map(|known| known.os).unwrap_or_default();
    let sections = Sections {
        all: &host.sections,
        files: session.files(),
        sources: &session.loaded.sources,
    };
    let shown = EffectiveSpec {
        host: &host.host,
        names: &host.specs,
        spec: effective(&sections, os, session.providers()),
    };
    let text = match ui.json {
        true => spec::render_json(&shown),
        false => spec::render(&shown),
    };
    Ok(ui.conclude(&text, ExitStatus::Done))
}
