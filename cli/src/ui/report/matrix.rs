//! Which kinds of resource ended how on which hosts: a row for each group of hosts that ended alike.

use std::collections::BTreeMap;

use anstyle::Style;
use engine::name::HostName;
use engine::report::{HostOutcome, HostReport, Outcome, Report};

use super::word;
use crate::ui::fold::fold;
use crate::ui::text::{BOLD, CYAN, DIM, GREEN, Line, MAGENTA, RED, YELLOW, columns};

/// Names wider than this stand above their cells.
const WIDEST_NAMES: usize = 32;

/// What became of the resources of one kind, as one character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    Same,
    Untold,
    Done,
    NotReached,
    Undone,
    Failed,
}

impl Cell {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Skipped(_) | Outcome::NotReached => Self::NotReached,
            Outcome::Undone(_) => Self::Undone,
        }
    }

    fn drawn(self) -> (Style, &'static str, &'static str) {
        match self {
            Self::Same => (DIM, "=", "same"),
            Self::Untold => (CYAN, "?", "unknown"),
            Self::Done => (GREEN, "~", "done"),
            Self::NotReached => (DIM, ".", "not reached"),
            Self::Undone => (MAGENTA, "<", "undone"),
            Self::Failed => (RED.bold(), "x", "failed"),
        }
    }
}

/// Draws which kinds of resource ended how, on which hosts.
pub(super) fn render(out: &mut String, report: &Report) {
    let kinds = kinds(report);
    let rows = rows(report, &kinds);
    if rows.is_empty() {
        return;
    }
    let names: Vec<_> = rows
        .iter()
        .map(|(_, hosts)| fold(hosts.iter().map(|host| host.as_str())))
        .collect();
    let fitting = names
        .iter()
        .map(|name| columns(name))
        .filter(|name| *name <= WIDEST_NAMES);
    let margin = fitting.max().unwrap_or(4);
    if !kinds.is_empty() {
        header(&kinds, margin).end(out);
    }
    for ((row, hosts), name) in rows.iter().zip(&names) {
        draw_row(out, row, hosts.len(), name, &kinds, margin);
    }
    let used = rows
        .iter()
        .flat_map(|(row, _)| row.cells.iter().copied())
        .collect();
    legend(used).end(out);
    out.push('\n');
}

/// A row of the matrix. Hosts with equal rows share one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    cells: Vec<Cell>,
    word: &'static str,
}

/// Returns the kinds of all resources in the order they first occur.
fn kinds(report: &Report) -> Vec<&str> {
    let mut kinds = Vec::new();
    for change in report.hosts.iter().flat_map(|host| &host.changes) {
        if !kinds.contains(&change.resource.kind()) {
            kinds.push(change.resource.kind());
        }
    }
    kinds
}

/// Returns one row for hosts that ended alike, in the order of the first of each.
fn rows<'a>(report: &'a Report, kinds: &[&str]) -> Vec<(Row, Vec<&'a HostName>)> {
    let mut rows: BTreeMap<Row, (usize, Vec<&HostName>)> = BTreeMap::new();
    for (n, host) in report.hosts.iter().enumerate() {
        let cells = kinds.iter().map(|kind| cell(host, kind)).collect();
        let row = Row {
            cells,
            word: word(&host.outcome),
        };
        rows.entry(row)
            .or_insert_with(|| (n, Vec::new()))
            .1
            .push(&host.host);
    }
    let mut rows: Vec<_> = rows
        .into_iter()
        .map(|(row, (first, hosts))| (first, row, hosts))
        .collect();
    rows.sort_by_key(|(first, ..)| *first);
    rows.into_iter()
        .map(|(_, row, hosts)| (row, hosts))
        .collect()
}

fn cell(host: &HostReport, kind: &str) -> Cell {
    let of_kind = host
        .changes
        .iter()
        .filter(|change| change.resource.kind() == kind);
    let cells = of_kind.map(|change| Cell::of(&change.outcome));
    cells.max().unwrap_or_else(|| {
        if host.changes.is_empty() {
            untold(&host.outcome)
        } else {
            Cell::Same
        }
    })
}

/// Returns what a host without any word on its changes says about all of them.
fn untold(outcome: &HostOutcome) -> Cell {
    match outcome {
        HostOutcome::NothingToDo | HostOutcome::Converged | HostOutcome::NotConverged(_) => {
            Cell::Same
        }
        HostOutcome::Stale(_)
        | HostOutcome::Refused(_)
        | HostOutcome::Unreachable(_)
        | HostOutcome::NotStarted => Cell::NotReached,
        HostOutcome::Failed
        | HostOutcome::RolledBack
        | HostOutcome::Unknown(_)
        | HostOutcome::Wedged(_) => Cell::Untold,
    }
}

fn header(kinds: &[&str], margin: usize) -> Line {
    let mut line = Line::default();
    let mut column = margin + 2;
    for kind in kinds {
        line = line.pad_to(column).paint(DIM, kind);
        column += columns(kind) + 2;
    }
    line
}

fn draw_row(
    out: &mut String,
    row: &Row,
    n_hosts: usize,
    name: &str,
    kinds: &[&str],
    margin: usize,
) {
    let mut line = Line::default().paint(BOLD, name);
    if line.width() > margin {
        std::mem::take(&mut line).end(out);
    }
    let mut column = margin + 2;
    for (cell, kind) in row.cells.iter().zip(kinds) {
        let (style, symbol, _) = cell.drawn();
        line = line.pad_to(column + columns(kind) / 2).paint(style, symbol);
        column += columns(kind) + 2;
    }
    let number = if n_hosts > 1 {
        format!("  {n_hosts} hosts")
    } else {
        String::new()
    };
    line.pad_to(column)
        .paint(style_of(row.word), row.word)
        .paint(DIM, &number)
        .end(out);
}

fn legend(mut used: Vec<Cell>) -> Line {
    used.sort();
    used.dedup();
    let mut line = Line::default();
    for (n, cell) in used.into_iter().enumerate() {
        let (style, symbol, meaning) = cell.drawn();
        line = line
            .add(if n == 0 { "" } else { "  " })
            .paint(style, symbol)
            .paint(DIM, " ")
            .paint(DIM, meaning);
    }
    line
}

fn style_of(word: &str) -> Style {
    match word {
        "converged" | "nothing to do" => GREEN,
        "not started" | "stale" => YELLOW,
        _ => RED.bold(),
    }
}
