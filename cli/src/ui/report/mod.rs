//! How an apply ended, as text: a line of cells for each group of hosts that ended alike, failures in full, what to do
//! next, and the numbers last.

mod clusters;
mod failures;
mod matrix;
pub(crate) mod unplanned;

use std::collections::BTreeMap;

use engine::report::{ClusterStepReport, HostOutcome, Outcome, Report};

use super::text::{BOLD, CYAN, GREEN, Line, RED, Width, count, paragraph};

/// How a report is laid out, and what the commands are that it may suggest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReportView<'a> {
    /// Columns, or none if lines are never broken.
    pub(crate) width: Width,
    /// What the plan left alone, rendered; empty if it left nothing.
    pub(crate) unplanned: &'a str,
    /// The command that plans the same hosts again, such as `hardstand plan -f site.yaml`.
    pub(crate) plan_command: &'a str,
    /// The command that asks the same hosts how they are.
    pub(crate) status_command: &'a str,
}

/// Renders a whole report.
pub(crate) fn render(report: &Report, view: &ReportView<'_>) -> String {
    let mut out = String::new();
    clusters::render(&mut out, report, view.width);
    matrix::render(&mut out, report);
    failures::render(&mut out, report, view.width);
    out.push_str(view.unplanned);
    next(&mut out, report, view);
    let style = if report.exit_code() == 0 {
        GREEN.bold()
    } else {
        RED.bold()
    };
    paragraph(
        &mut out,
        Line::default(),
        6,
        style,
        &verdict(report),
        view.width,
    );
    out
}
/// Says which command comes next, the most pressing first.
fn next(out: &mut String, report: &Report, view: &ReportView<'_>) {
    let has = |code: u8| outcomes(report).any(|outcome| outcome.exit_code() == code);
    for host in &report.hosts {
        let command = host
            .cluster
            .as_ref()
            .and_then(|cluster| cluster.left_cordoned.as_ref());
        if let Some(command) = command {
            Line::default()
                .paint(
                    CYAN,
                    &format!("{} is still cordoned; when it is well:", host.host),
                )
                .add("  ")
                .paint(BOLD, command)
                .end(out);
        }
    }
    let advice = [
        (
            has(8),
            "See what is left on wedged hosts:",
            view.status_command,
        ),
        (
            has(7),
            "Ask hosts of unknown outcome again:",
            view.status_command,
        ),
        (
            has(1) || has(3) || has(4) || has(6),
            "Plan again what is left:",
            view.plan_command,
        ),
    ];
    for (_, why, command) in advice.iter().filter(|(holds, ..)| *holds) {
        Line::default()
            .paint(CYAN, why)
            .add("  ")
            .paint(BOLD, command)
            .end(out);
    }
    if advice.iter().any(|(holds, ..)| *holds) {
        out.push('\n');
    }
}

fn outcomes(report: &Report) -> impl Iterator<Item = &HostOutcome> {
    let clusters = report.clusters.iter().map(|cluster| &cluster.outcome);
    clusters.chain(report.hosts.iter().map(|host| &host.outcome))
}

/// Returns the numbers: what was done, and how the hosts ended.
fn verdict(report: &Report) -> String {
    let n_hosts = report.hosts.len();
    if outcomes(report).all(|outcome| *outcome == HostOutcome::NothingToDo) {
        return match n_hosts {
            0 => "Nothing to do. There are no hosts.".to_owned(),
            1 => "Nothing to do. 1 host is as the spec says.".to_owned(),
            n => format!("Nothing to do. {n} hosts are as the spec says."),
        };
    }
    let changes = report.hosts.iter().flat_map(|host| &host.changes);
    let (done, left): (Vec<_>, Vec<_>) =
        changes.partition(|change| change.outcome == Outcome::Done);
    let steps = report.clusters.iter().flat_map(|cluster| &cluster.steps);
    let is_done = |step: &&ClusterStepReport| step.outcome == Outcome::Done;
    let edited = match steps.filter(is_done).count() {
        0 => String::new(),
        n => format!(", {} edited", count(n, "ConfigMap")),
    };
    let left = match left.len() {
        0 => String::new(),
        n => format!(", {n} not done"),
    };
    let ended = by_outcome(report).join(", ");
    format!(
        "Applied: {}{left}{edited}. {}: {ended}.",
        count(done.len(), "change"),
        count(n_hosts, "host")
    )
}

/// Returns how many hosts ended how, the best first.
fn by_outcome(report: &Report) -> Vec<String> {
    let mut counts: BTreeMap<(u8, &str), usize> = BTreeMap::new();
    for host in &report.hosts {
        let key = (host.outcome.exit_code(), word(&host.outcome));
        *counts.entry(key).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|((_, word), n)| format!("{n} {word}"))
        .collect()
}

/// Returns what an outcome is called.
fn word(outcome: &HostOutcome) -> &'static str {
    match outcome {
        HostOutcome::NothingToDo => "nothing to do",
        HostOutcome::Converged => "converged",
        HostOutcome::NotConverged(_) => "did not converge",
        HostOutcome::Failed => "failed",
        HostOutcome::RolledBack => "rolled back",
        HostOutcome::Stale(_) => "stale",
        HostOutcome::Refused(_) => "refused",
        HostOutcome::Unreachable(_) => "unreachable",
        HostOutcome::Unknown(_) => "unknown",
        HostOutcome::Wedged(_) => "wedged",
        HostOutcome::NotStarted => "not started",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::report::HostReport;

    use crate::ui::fixtures::{cluster_reports, host, report};
    use crate::ui::golden;
    use crate::ui::text::is_hostile;

    fn view() -> ReportView<'static> {
        ReportView {
            unplanned: "",
            width: Some(80),
            plan_command: "hardstand plan -f site.yaml",
            status_command: "hardstand status -f site.yaml",
        }
    }

    #[test]
    fn every_outcome_is_told() {
        let text = golden::plain(&render(&report(), &view()));
        assert!(!text.chars().any(|c| c != '\n' && is_hostile(c)));
        golden::check("report.80.txt", &text);
    }

    #[test]
    fn clusters_are_told_first() {
        let mut report = report();
        report.hosts.truncate(1);
        report.clusters = cluster_reports();
        let text = golden::plain(&render(&report, &view()));
        assert!(!text.chars().any(|c| c != '\n' && is_hostile(c)));
        golden::check("report.cluster.txt", &text);
        assert_eq!(report.exit_code(), 1);
    }

    #[test]
    fn success_is_short() {
        let mut report = report();
        report.hosts.truncate(12);
        golden::check(
            "report.converged.txt",
            &golden::plain(&render(&report, &view())),
        );
        for report in &mut report.hosts {
            *report = HostReport {
                host: host(report.host.as_str()),
                outcome: HostOutcome::NothingToDo,
                changes: Vec::new(),
                transaction: None,
                cluster: None,
            };
        }
        let text = golden::plain(&render(&report, &view()));
        assert!(
            text.ends_with("Nothing to do. 12 hosts are as the spec says.\n"),
            "{text}"
        );
    }
}
