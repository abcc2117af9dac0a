//! Everything that went wrong, in full, once for all hosts to which it happened.

use std::collections::BTreeMap;

use engine::name::HostName;
use engine::report::{
    ChangeReport, ClusterStepReport, HostOutcome, HostReport, Left, Outcome, Report,
};

use super::word;
use crate::ui::cluster;
use crate::ui::fold::fold;
use crate::ui::text::{BOLD, DIM, Line, PLAIN, RED, Width, count, paragraph};

/// Lines of one failure's text beyond these are counted only.
const MAX_LINES: usize = 40;

/// Repeats every failure in full, once for all hosts that have it.
pub(super) fn render(out: &mut String, report: &Report, width: Width) {
    let mut order: Vec<(Failure<'_>, Vec<&HostName>)> = Vec::new();
    let mut known: BTreeMap<Failure<'_>, usize> = BTreeMap::new();
    for host in &report.hosts {
        for failure in failures_of(host) {
            let index = *known.entry(failure.clone()).or_insert(order.len());
            if index == order.len() {
                order.push((failure, Vec::new()));
            }
            order[index].1.push(&host.host);
        }
    }
    for (failure, hosts) in &order {
        let names = fold(hosts.iter().map(|host| host.as_str()));
        let line = Line::default()
            .paint(BOLD, &names)
            .add("  ")
            .paint(RED, &failure.title);
        line.end(out);
        text(out, &failure.text, width);
    }
    if !order.is_empty() {
        out.push('\n');
    }
}

/// Something that went wrong on a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Failure<'a> {
    title: String,
    text: Vec<&'a str>,
}

fn failures_of(host: &HostReport) -> Vec<Failure<'_>> {
    let changes = host.changes.iter().filter_map(change_failure);
    // A refusal tells by itself what could not be done.
    let cluster = host
        .cluster
        .as_ref()
        .filter(|_| !matches!(host.outcome, HostOutcome::Refused(_)));
    let steps = cluster.into_iter().flat_map(|cluster| &cluster.steps);
    changes
        .chain(steps.filter_map(step_failure))
        .chain(host_failure(&host.outcome))
        .chain(left(&host.outcome))
        .collect()
}

fn change_failure(change: &ChangeReport) -> Option<Failure<'_>> {
    let (word, text) = match &change.outcome {
        Outcome::Failed(text) => ("failed", text),
        Outcome::Undone(text) => ("undone", text),
        Outcome::Skipped(because) => {
            return Some(Failure {
                title: format!("{} skipped, since {because} was not done", change.resource),
                text: Vec::new(),
            });
        }
        Outcome::Done | Outcome::NotReached => return None,
    };
    Some(Failure {
        title: format!("{} {word}", change.resource),
        text: text.lines().collect(),
    })
}

fn step_failure(step: &ClusterStepReport) -> Option<Failure<'_>> {
    match &step.outcome {
        Outcome::Failed(text) => Some(Failure {
            title: format!("could not {}", cluster::words(&step.step)),
            text: text.lines().collect(),
        }),
        Outcome::Done | Outcome::Undone(_) | Outcome::Skipped(_) | Outcome::NotReached => None,
    }
}

/// Returns what is not as desired although all was done.
fn left(outcome: &HostOutcome) -> Vec<Failure<'_>> {
    let HostOutcome::NotConverged(left) = outcome else {
        return Vec::new();
    };
    left.iter()
        .map(|Left { resource, reason }| Failure {
            title: format!("{resource} {}", word(outcome)),
            text: reason.lines().collect(),
        })
        .collect()
}

fn host_failure(outcome: &HostOutcome) -> Option<Failure<'_>> {
    let word = word(outcome);
    match outcome {
        HostOutcome::NothingToDo
        | HostOutcome::Converged
        | HostOutcome::Failed
        | HostOutcome::RolledBack
        | HostOutcome::NotConverged(_)
        | HostOutcome::NotStarted => None,
        HostOutcome::Stale(lines) => {
            let title = "stale: the host is not as it was planned; nothing was written".to_owned();
            Some(Failure {
                title,
                text: lines.iter().flat_map(|line| line.lines()).collect(),
            })
        }
        HostOutcome::Refused(text)
        | HostOutcome::Unreachable(text)
        | HostOutcome::Unknown(text)
        | HostOutcome::Wedged(text) => Some(Failure {
            title: word.to_owned(),
            text: text.lines().collect(),
        }),
    }
}

fn text(out: &mut String, lines: &[&str], width: Width) {
    for line in lines.iter().take(MAX_LINES) {
        paragraph(out, Line::indent(4), 6, PLAIN, line, width);
    }
    if lines.len() > MAX_LINES {
        let more = format!("({} more)", count(lines.len() - MAX_LINES, "line"));
        Line::indent(4).paint(DIM, &more).end(out);
    }
}
