//! What became of what was to be done to clusters as a whole.

use engine::report::{ClusterStepReport, ClusterWideReport, HostOutcome, Outcome, Report};

use super::word;
use crate::ui::cluster;
use crate::ui::text::{DIM, GREEN, Line, PLAIN, RED, Width, paragraph};

/// Draws each step to a cluster as a whole, and why it was not done.
pub(super) fn render(out: &mut String, report: &Report, width: Width) {
    for cluster in &report.clusters {
        draw(out, cluster, width);
    }
    if !report.clusters.is_empty() {
        out.push('\n');
    }
}

fn draw(out: &mut String, report: &ClusterWideReport, width: Width) {
    let context = report.context.as_deref();
    for ClusterStepReport { step, outcome } in &report.steps {
        let (style, word) = match outcome {
            Outcome::Done => (GREEN, "done"),
            Outcome::Failed(_) | Outcome::Undone(_) => (RED.bold(), "failed"),
            Outcome::Skipped(_) | Outcome::NotReached => (DIM, "not done"),
        };
        let line = cluster::headed(context)
            .add(&cluster::words(step))
            .add("  ");
        line.paint(style, word).end(out);
    }
    let why: Vec<&str> = match &report.outcome {
        HostOutcome::Stale(lines) => lines.iter().map(String::as_str).collect(),
        HostOutcome::Refused(why)
        | HostOutcome::Unreachable(why)
        | HostOutcome::Unknown(why)
        | HostOutcome::Wedged(why) => why.lines().collect(),
        HostOutcome::Failed => report.steps.iter().filter_map(failure).collect(),
        HostOutcome::NothingToDo
        | HostOutcome::Converged
        | HostOutcome::NotConverged(_)
        | HostOutcome::RolledBack
        | HostOutcome::NotStarted => return,
    };
    let text = match &report.outcome {
        HostOutcome::Stale(_) => "stale: it is not as it was planned; nothing was written",
        outcome => word(outcome),
    };
    cluster::headed(context).paint(RED, text).end(out);
    for line in why {
        paragraph(out, Line::indent(4), 6, PLAIN, line, width);
    }
}

fn failure(step: &ClusterStepReport) -> Option<&str> {
    match &step.outcome {
        Outcome::Failed(why) => Some(why),
        Outcome::Done | Outcome::Skipped(_) | Outcome::Undone(_) | Outcome::NotReached => None,
    }
}
