//! `apply`: brings hosts to what the spec says, by a plan that was saved and reviewed, or by one that is shown and asked
//! about now.

use std::collections::BTreeSet;

use engine::compile::Fleet;
use engine::name::{Digest, HostName};
use engine::plan::Plan;
use engine::report::worst_exit_code;

use super::invocation;
use super::reach;
use super::saved_plan::{self, SavedPlan};
use super::session::{Session, Watched, via};
use crate::args::ApplyArgs;
use crate::error::{CommandError, ErrorKind};
use crate::exit::ExitStatus;
use crate::summary::PlanSummary;
use crate::ui::plan::{PlanView, render};
use crate::ui::progress::Task;
use crate::ui::prompt::{Consent, Question};
use crate::ui::report::{ReportView, unplanned};
use crate::ui::text::count;
use crate::ui::{Ui, json, report};

pub(super) fn run(ui: &Ui, args: &ApplyArgs) -> Result<ExitStatus, CommandError> {
    match &args.plan_file {
        Some(path) => {
            let SavedPlan { mut plan, digest } = saved_plan::read(path)?;
            check_digest(args, &digest)?;
            let session = Session::of_plan(ui, &plan)?;
            let fleet = session.fleet(&args.input)?;
            narrow(args, &mut plan, &fleet)?;
            let watched = Watched::install(ui, &args.input)?;
            execute(
                ui,
                args,
                &session,
                &Reviewed {
                    plan,
                    digest,
                    fleet,
                },
                &watched,
            )
        }
        None => plan_and_apply(ui, args),
    }
}

/// What is applied.
struct Reviewed {
    plan: Plan,
    digest: Digest,
    fleet: Fleet,
}

fn check_digest(args: &ApplyArgs, digest: &Digest) -> Result<(), CommandError> {
    match &args.digest {
        Some(expected) if expected != digest => Err(CommandError::new(
            ErrorKind::Refused,
            format!("the plan is not the one that was reviewed: its sha256 is {digest}"),
        )
        .hint("plan again, and have that plan reviewed")),
        _ => Ok(()),
    }
}

/// Leaves in a plan the hosts that the command line means. Refuses a limit that leaves none.
fn narrow(args: &ApplyArgs, plan: &mut Plan, fleet: &Fleet) -> Result<(), CommandError> {
    let meant: BTreeSet<&HostName> = fleet.hosts.iter().map(|host| &host.host.name).collect();
    let planned = plan.hosts.iter().map(|host| &host.host);
    let unreachable = plan.unreachable.iter().map(|host| &host.host);
    let planned: BTreeSet<HostName> = planned.chain(unreachable).cloned().collect();
    plan.retain(|host| meant.contains(host));
    match &args.input.limit {
        Some(limit) if plan.hosts.is_empty() && plan.unreachable.is_empty() => {
            let message = format!("--limit {limit}: the plan is for none of these hosts");
            let names: Vec<_> = planned.iter().map(HostName::as_str).collect();
            Err(CommandError::new(ErrorKind::Usage, message)
                .hint(format!("it is for {}", engine::inventory::fold(&names))))
        }
        Some(_) | None => Ok(()),
    }
}

fn plan_and_apply(ui: &Ui, args: &ApplyArgs) -> Result<ExitStatus, CommandError> {
    let session = Session::open_ignoring(ui, &args.input, via(args.local), &args.ignore.ignored)?;
    let fleet = session.fleet(&args.input)?;
    let watched = Watched::install(ui, &args.input)?;
    let plan = Plan {
        shard: args.input.shard,
        ..session.plan(&args.fleet, &fleet, &watched)?
    };
    let summary = PlanSummary::of(&plan);
    // With --quiet the report is the result. Nobody agrees to a plan that was not shown.
    let is_result = !ui.quiet || !args.yes || !summary.changes;
    if is_result && !ui.json {
        ui.result(&render(&plan, &PlanView::new(&args.view, ui.width)))?;
    }
    if let Some(status) = watched.interrupted() {
        return Ok(status);
    }
    let is_refused = plan.hosts.iter().any(|host| host.refusal().is_some());
    let digest = Digest::of(&plan.to_bytes());
    let reviewed = Reviewed {
        plan,
        digest,
        fleet,
    };
    if summary.appliable_hosts + summary.cluster_edits > 0 {
        let question = Question {
            text: &format!("Apply these changes to {}?", subjects(&summary)),
            yes: args.yes,
            otherwise: Some("save the plan with `hardstand plan --out FILE`, and apply that"),
        };
        if ui.ask(&question)? == Consent::Withheld {
            ui.note("Nothing was changed.\n");
            return Ok(ExitStatus::Done);
        }
    } else if !ui.json && !is_refused {
        return Ok(ExitStatus::of_plan(&summary, false));
    }
    execute(ui, args, &session, &reviewed, &watched)
}

/// Returns what would be changed, such as `1 ConfigMap and 2 hosts`.
fn subjects(summary: &PlanSummary) -> String {
    let hosts = count(summary.appliable_hosts, "host");
    match (summary.appliable_hosts, summary.cluster_edits) {
        (_, 0) => hosts,
        (0, n) => count(n, "ConfigMap"),
        (_, n) => format!("{} and {hosts}", count(n, "ConfigMap")),
    }
}

fn execute(
    ui: &Ui,
    args: &ApplyArgs,
    session: &Session<'_>,
    reviewed: &Reviewed,
    watched: &Watched,
) -> Result<ExitStatus, CommandError> {
    let Reviewed {
        plan,
        digest,
        fleet,
    } = reviewed;
    let outcome = session.work(Task::Apply, &args.fleet, fleet, watched, |run| {
        run.apply(plan, digest, &reach::operator())
    })?;
    // The outcome has the hosts that checks keep from being touched.
    let summary = PlanSummary {
        blocked_hosts: 0,
        ..PlanSummary::of(plan)
    };
    let unplanned = ExitStatus::of_plan(&summary, false);
    let status = watched.interrupted().unwrap_or_else(|| {
        ExitStatus::from_code(worst_exit_code([outcome.exit_code(), unplanned.code()]))
    });
    let text = if ui.json {
        json::report(&outcome, status)
    } else {
        report::render(
            &outcome,
            &ReportView {
                width: ui.width,
                plan_command: &invocation::plan_again(plan, args.input.limit.as_deref()),
                unplanned: &unplanned::render(plan, ui.width),
                status_command: watched.status_command(),
            },
        )
    };
    Ok(ui.conclude(&text, status))
}
