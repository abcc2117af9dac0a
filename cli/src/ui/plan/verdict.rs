//! The last line of a plan: what would happen to how many hosts.

use crate::summary::PlanSummary;
use crate::ui::text::{BOLD, GREEN, Line, RED, Width, count, paragraph};

/// Draws the verdict.
pub(super) fn render(out: &mut String, summary: &PlanSummary, width: Width) {
    let style = match (
        summary.changes,
        summary.unknown + summary.refused + summary.unreachable + summary.blocked_hosts,
    ) {
        (true, _) => BOLD,
        (false, 0) => GREEN.bold(),
        (false, _) => RED.bold(),
    };
    let mut text = if summary.changes {
        pending(summary)
    } else {
        nothing(summary)
    };
    text += &checks(summary);
    paragraph(out, Line::default(), 6, style, &text, width);
}

fn pending(summary: &PlanSummary) -> String {
    let PlanSummary {
        create,
        update,
        delete,
        restart,
        reload,
        changed_hosts,
        cluster_edits,
        ..
    } = *summary;
    let edits = match cluster_edits {
        0 => String::new(),
        n => format!(", {} to edit", count(n, "ConfigMap")),
    };
    let mut text = format!(
        "Plan: {create} to create, {update} to change, {}",
        count(restart, "restart")
    );
    if reload > 0 {
        text += &format!(", {}", count(reload, "reload"));
    }
    text += &format!(
        ", {delete} to remove on {}{edits}{}.",
        count(changed_hosts, "host"),
        unsettled(summary)
    );
    let disruptive = disruptive(summary);
    if !disruptive.is_empty() {
        text += &format!(" Disruptive: {}.", disruptive.join(", "));
    }
    text
}

fn nothing(summary: &PlanSummary) -> String {
    let unsettled = unsettled(summary);
    match (summary.hosts, unsettled.is_empty()) {
        (0, true) => "No changes. There are no hosts to plan.".to_owned(),
        (0, false) => format!("Nothing was planned{unsettled}."),
        (1, true) => "No changes. 1 host is as the spec says.".to_owned(),
        (n, true) => format!("No changes. {n} hosts are as the spec says."),
        (n, false) => format!("No changes on {}{unsettled}.", count(n, "host")),
    }
}

/// Returns what could not be planned, such as `; 1 host unreachable`.
fn unsettled(summary: &PlanSummary) -> String {
    let PlanSummary {
        unknown,
        refused,
        unreachable,
        unasked_clusters,
        ..
    } = *summary;
    let parts = [
        (unknown, format!("; {} unknown", count(unknown, "resource"))),
        (refused, format!("; {} refused", count(refused, "resource"))),
        (
            unreachable,
            format!("; {} unreachable", count(unreachable, "host")),
        ),
        (
            unasked_clusters,
            format!(
                "; {} could not be asked",
                count(unasked_clusters, "cluster")
            ),
        ),
    ];
    let told = parts.into_iter().filter(|(n, _)| *n > 0);
    told.map(|(_, text)| text).collect()
}

/// Returns what checks found, such as ` Checks: 1 error, 2 warnings; 1 host will not be touched.`.
fn checks(summary: &PlanSummary) -> String {
    let PlanSummary {
        check_errors,
        check_warnings,
        blocked_hosts,
        ..
    } = *summary;
    let found: Vec<String> = [(check_errors, "error"), (check_warnings, "warning")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, noun)| count(n, noun))
        .collect();
    match (found.is_empty(), blocked_hosts) {
        (true, _) => String::new(),
        (false, 0) => format!(" Checks: {}.", found.join(", ")),
        (false, n) => format!(
            " Checks: {}; {} will not be touched.",
            found.join(", "),
            count(n, "host")
        ),
    }
}

fn disruptive(summary: &PlanSummary) -> Vec<String> {
    let PlanSummary {
        service_restarts,
        pod_losses,
        reboots,
        drained_nodes,
        ..
    } = *summary;
    let stops = if pod_losses == 1 {
        "change that stops pods"
    } else {
        "changes that stop pods"
    };
    let needs = if reboots == 1 {
        "change that needs a reboot"
    } else {
        "changes that need a reboot"
    };
    let parts = [
        (service_restarts, count(service_restarts, "service restart")),
        (pod_losses, format!("{pod_losses} {stops}")),
        (reboots, format!("{reboots} {needs}")),
        (
            drained_nodes,
            format!("{} drained, one at a time", count(drained_nodes, "node")),
        ),
    ];
    let told = parts.into_iter().filter(|(n, _)| *n > 0);
    told.map(|(_, text)| text).collect()
}
