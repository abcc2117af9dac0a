//! A plan as text: hosts that would change alike are shown once, and the last line is the verdict in numbers.
//!
//! Start at [`render`]. `group` gathers hosts, `change` draws what happens to one resource, `verdict` is the last line.

mod change;
mod group;
mod template;
mod verdict;

#[cfg(test)]
mod tests;

use engine::check::{Finding, Standing};
use engine::cluster::{ClusterPlan, ClusterStep, ClusterWide};
use engine::diagnostic::Severity;
use engine::name::Digest;
use engine::plan::{HostPlan, Plan, Unreachable};
use engine::resource::Action;

use self::group::Group;
pub(crate) use self::group::Grouping;
use super::checks;
use super::cluster;
use super::fold::fold;
use super::text::{
    BLUE, BOLD, CYAN, DIM, GREEN, Line, MAGENTA, PLAIN, RED, Width, YELLOW, count, paragraph,
};
use crate::args::{DiffArg, PlanViewArgs};
use crate::summary::PlanSummary;

/// How a plan is laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlanView {
    /// Columns, or none if lines are never broken.
    pub(crate) width: Width,
    /// How much of the texts that change is shown.
    pub(crate) diff: DiffArg,
    /// Whether hosts that change alike stand together.
    pub(crate) grouping: Grouping,
    /// Whether resources that are as desired are listed.
    pub(crate) unchanged: Unchanged,
}

/// Whether resources that are as desired are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unchanged {
    Shown,
    Hidden,
}

impl PlanView {
    /// Returns the layout that the flags ask for.
    pub(crate) fn new(args: &PlanViewArgs, width: Width) -> Self {
        Self {
            width,
            diff: args.diff,
            grouping: if args.by_host {
                Grouping::ByHost
            } else {
                Grouping::Folded
            },
            unchanged: if args.show_unchanged {
                Unchanged::Shown
            } else {
                Unchanged::Hidden
            },
        }
    }
}

/// Renders a whole plan.
pub(crate) fn render(plan: &Plan, view: &PlanView) -> String {
    let summary = PlanSummary::of(plan);
    let mut out = String::new();
    legend(&mut out, plan, &summary, view);
    for cluster in &plan.clusters {
        cluster_wide(&mut out, plan, cluster, view);
    }
    for group in group::gather(&plan.hosts, view) {
        section(&mut out, &group, view);
    }
    unreachable(&mut out, &plan.unreachable, view.grouping, view.width);
    verdict::render(&mut out, &summary, view.width);
    out
}

/// Renders where a plan was saved, and how it is applied if a person asks themselves that.
pub(crate) fn saved(path: &str, digest: &Digest, interactive: bool) -> String {
    let mut out = String::new();
    let line = Line::default().add(&format!("Saved to {path} (sha256 {digest})."));
    let line = if interactive {
        line.add(" Apply with:  ")
            .paint(BOLD, &format!("hardstand apply {path}"))
    } else {
        line
    };
    line.end(&mut out);
    out
}

/// Explains the symbols that are used.
fn legend(out: &mut String, plan: &Plan, summary: &PlanSummary, view: &PlanView) {
    let restarts = match (summary.restart, summary.reload) {
        (_, 0) => "restart",
        (0, _) => "reload",
        _ => "restart, reload",
    };
    let clustered = plan.hosts.iter().any(|host| {
        let cluster = host.cluster.as_ref();
        cluster.is_some_and(ClusterPlan::has_steps)
    }) || plan
        .clusters
        .iter()
        .any(|cluster| !cluster.edits.is_empty());
    let unchanged = view.unchanged == Unchanged::Shown && summary.hosts > 0;
    let entries = [
        (summary.create > 0, GREEN, "+", "create"),
        (summary.update > 0, YELLOW, "~", "change"),
        (summary.restart + summary.reload > 0, MAGENTA, "!", restarts),
        (summary.delete > 0, RED, "-", "remove"),
        (summary.unknown > 0, CYAN, "?", "unknown"),
        (summary.refused > 0, RED, "x", "refused"),
        (clustered, BLUE, "@", "cluster"),
        (unchanged, DIM, "=", "unchanged"),
    ];
    let mut line = Line::default();
    for (_, style, symbol, meaning) in entries.into_iter().filter(|(used, ..)| *used) {
        let column = if line.width() == 0 {
            2
        } else {
            line.width() + 3
        };
        line = line
            .pad_to(column)
            .paint(style, symbol)
            .add(" ")
            .add(meaning);
    }
    if line.width() > 0 {
        line.end(out);
        out.push('\n');
    }
}

/// Draws what is done once to a cluster, and what could not be.
fn cluster_wide(out: &mut String, plan: &Plan, cluster: &ClusterWide, view: &PlanView) {
    let nodes = fold(plan.nodes_of(cluster).map(|host| host.host.as_str()));
    let ClusterWide {
        context,
        unasked,
        edits,
        refused,
    } = cluster;
    if let Some(why) = unasked {
        unasked_cluster(out, context.as_deref(), why, view.width);
    }
    if !edits.is_empty() || !refused.is_empty() {
        cluster::headed(context.as_deref())
            .paint(DIM, &nodes)
            .end(out);
    }
    for edit in edits {
        let step = ClusterStep::EditKubeletConfig(edit.clone());
        cluster_steps(out, &[step], view.width);
        paragraph(
            out,
            Line::indent(8),
            8,
            DIM,
            cluster::EDIT_MEANS,
            view.width,
        );
        if view.diff == DiffArg::Full {
            change::draw_diff(out, None, &edit.diff());
        }
    }
    for reason in refused {
        let start = Line::indent(2)
            .paint(RED.bold(), "x")
            .add(" ")
            .paint(RED, "refused")
            .add("  ");
        let reason = format!("{reason}; apply touches no node of the cluster");
        paragraph(out, start, 8, PLAIN, &reason, view.width);
    }
    out.push('\n');
}

/// Says that a cluster could not be asked.
pub(super) fn unasked_cluster(out: &mut String, context: Option<&str>, why: &str, width: Width) {
    let start = cluster::headed(context)
        .paint(CYAN.bold(), "unknown")
        .add("  ");
    let text = format!("it could not be asked: {why}");
    paragraph(out, start, 4, PLAIN, &text, width);
}

/// Draws the hosts of one group and what happens to each of them.
fn section(out: &mut String, group: &Group<'_>, view: &PlanView) {
    let host = &*group.plan;
    let names = fold(group.hosts.iter().map(|name| name.as_str()));
    let note = match (
        view.grouping,
        host.is_empty() && host.unplanned.is_empty(),
        group.hosts.len(),
    ) {
        (Grouping::ByHost, true, _) => "nothing to change".to_owned(),
        (Grouping::ByHost, false, _) => String::new(),
        (Grouping::Folded, true, n) => format!("{}, nothing to change", count(n, "host")),
        (Grouping::Folded, false, 1) => "1 host".to_owned(),
        (Grouping::Folded, false, n) if group.is_open() => {
            format!("{}, same plan but for their names", count(n, "host"))
        }
        (Grouping::Folded, false, n) => format!("{}, same plan", count(n, "host")),
    };
    Line::default()
        .paint(BOLD, &names)
        .add("  ")
        .paint(DIM, &note)
        .end(out);
    let columns = change::Columns::of(host);
    let cluster = host.cluster.as_ref();
    cluster_steps(
        out,
        cluster.map_or(&[], |cluster| &cluster.before),
        view.width,
    );
    for change in &host.changes {
        change::change(out, change, columns, view);
    }
    cluster_steps(
        out,
        cluster.map_or(&[], |cluster| &cluster.after),
        view.width,
    );
    for note in cluster.map_or(&[][..], |cluster| &cluster.notes) {
        let start = Line::indent(2).paint(YELLOW, "note:").add(" ");
        paragraph(out, start, 8, PLAIN, note, view.width);
    }
    for unplanned in &host.unplanned {
        change::unplanned(out, unplanned, columns, view.width);
    }
    if let Some(obstacle) = host.obstacle().filter(|_| !host.changes.is_empty()) {
        let start = Line::indent(2)
            .paint(RED.bold(), "apply is refused:")
            .add(" ");
        paragraph(out, start, 4, PLAIN, obstacle, view.width);
    }
    for finding in findings(host, view) {
        checks::draw(out, finding, view.width);
    }
    for resource in &host.forgotten {
        let text = format!(
            "{resource} stays as it is: the spec no longer names it, and there is nothing that hardstand made and can remove"
        );
        paragraph(out, Line::indent(4), 6, DIM, &text, view.width);
    }
    if view.unchanged == Unchanged::Shown && !host.unchanged.is_empty() {
        let names: Vec<_> = host.unchanged.iter().map(ToString::to_string).collect();
        let start = Line::indent(2).paint(DIM, "=").add(" ");
        paragraph(out, start, 4, DIM, &names.join(", "), view.width);
    }
    out.push('\n');
}

/// Returns the findings that a plan shows: notes about what it leaves as it is are for `check`, and for those who ask for
/// all.
fn findings<'a>(host: &'a HostPlan, view: &PlanView) -> impl Iterator<Item = &'a Finding> {
    let shown = view.unchanged;
    host.checks.findings.iter().filter(move |finding| {
        shown == Unchanged::Shown
            || finding.severity != Severity::Note
            || finding.standing == Standing::Caused
    })
}

/// Draws what is done to the cluster before the changes of a host, or after them.
fn cluster_steps(out: &mut String, steps: &[ClusterStep], width: Width) {
    for step in steps {
        let start = Line::indent(2).paint(BLUE.bold(), "@").add(" ");
        paragraph(out, start, 6, PLAIN, &cluster::words(step), width);
    }
}

/// Draws the hosts that could not be planned, those with the same reason together.
pub(super) fn unreachable(
    out: &mut String,
    hosts: &[Unreachable],
    grouping: Grouping,
    width: Width,
) {
    for (reason, names) in group::by_reason(hosts, grouping) {
        let start = Line::default()
            .paint(BOLD, &fold(names.iter().map(|name| name.as_str())))
            .add("  ")
            .paint(RED.bold(), "UNREACHABLE")
            .add("  ");
        paragraph(out, start, 4, PLAIN, reason, width);
    }
    if !hosts.is_empty() {
        out.push('\n');
    }
}

/// Returns the symbol of an action and its style.
fn symbol(action: Action) -> (anstyle::Style, &'static str) {
    match action {
        Action::Create => (GREEN, "+"),
        Action::Update => (YELLOW, "~"),
        Action::Restart | Action::Reload => (MAGENTA, "!"),
        Action::Delete => (RED, "-"),
    }
}
