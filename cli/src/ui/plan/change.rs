//! What happens to one resource: symbol, kind, name, what is different and why, where the spec asks for it, and diffs.

use std::borrow::Cow;

use anstyle::Style;
use engine::name::ResourceId;
use engine::plan::{Change, HostPlan, Unplanned, Verdict};
use engine::resource::{Action, Difference, Reason};
use engine::source::Position;
use engine::step::Disruption;

use super::{PlanView, symbol};
use crate::args::DiffArg;
use crate::ui::text::{
    BOLD, CYAN, DIM, GREEN, Line, PLAIN, RED, Width, YELLOW, columns, escape, expand_tabs,
    paragraph,
};

/// Names wider than this do not push the others to the right.
const WIDEST_NAME: usize = 36;
/// Notifiers beyond these are counted only.
const MAX_NOTIFIERS: usize = 3;
/// What belongs to a change stands behind this many spaces.
const DETAIL: usize = 8;

/// How wide the columns of a host's changes are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    kind: usize,
    name: usize,
}

impl Columns {
    /// Returns columns that fit most of a host's resources.
    pub(super) fn of(host: &HostPlan) -> Self {
        let changes = host.changes.iter().map(|change| &change.resource);
        let unplanned = host.unplanned.iter().map(|unplanned| &unplanned.resource);
        let (kinds, names): (Vec<_>, Vec<_>) = changes
            .chain(unplanned)
            .map(|resource| (columns(resource.kind()), columns(resource.name())))
            .unzip();
        let fitting = names.into_iter().filter(|name| *name <= WIDEST_NAME);
        Self {
            kind: kinds.into_iter().max().unwrap_or(0),
            name: fitting.max().unwrap_or(0),
        }
    }

    fn head(self, style: Style, symbol: &str, resource: &ResourceId) -> Line {
        Line::indent(2)
            .paint(style.bold(), symbol)
            .add(" ")
            .add(resource.kind())
            .pad_to(4 + self.kind + 2)
            .paint(BOLD, resource.name())
            .pad_to(4 + self.kind + 2 + self.name)
    }
}

/// Draws one change.
pub(super) fn change(out: &mut String, change: &Change, columns: Columns, view: &PlanView) {
    let (style, symbol) = symbol(change.action);
    let head = columns.head(style, symbol, &change.resource);
    let phrases = Phrases {
        differences: change
            .differences
            .iter()
            .map(|difference| words(difference, change))
            .collect(),
        brief: [diff_counts(change, view.diff), disruption(change)]
            .into_iter()
            .flatten()
            .collect(),
        reasons: change
            .reasons
            .iter()
            .filter_map(reason)
            .chain(notifiers(&change.reasons))
            .collect(),
    };
    phrases.draw(out, head, change.source.as_ref(), view.width);
    if let Some(condition) = &change.condition {
        let start = Line::indent(DETAIL).paint(YELLOW, "condition:").add(" ");
        paragraph(out, start, DETAIL + 2, PLAIN, condition, view.width);
    }
    if view.diff == DiffArg::Full {
        for (path, diff) in &change.diffs {
            draw_diff(out, (path != change.resource.name()).then_some(path), diff);
        }
    }
}

/// Draws a resource that could not be planned.
pub(super) fn unplanned(out: &mut String, unplanned: &Unplanned, columns: Columns, width: Width) {
    let Unplanned {
        resource,
        verdict,
        reason,
        help,
        source,
    } = unplanned;
    let (style, symbol, word) = match verdict {
        Verdict::Refused => (RED, "x", "refused"),
        Verdict::NoOp | Verdict::Change | Verdict::Conditional | Verdict::Unknown => {
            (CYAN, "?", "unknown")
        }
    };
    let head = columns
        .head(style, symbol, resource)
        .add("  ")
        .paint(style, word);
    head.right(DIM, &place(source.as_ref()), width).end(out);
    paragraph(out, Line::indent(DETAIL), DETAIL, PLAIN, reason, width);
    if let Some(help) = help {
        let start = Line::indent(DETAIL).paint(CYAN, "help:").add(" ");
        paragraph(out, start, DETAIL + 2, PLAIN, help, width);
    }
}

/// What is said about a change.
struct Phrases {
    differences: Vec<(Style, String)>,
    /// Short ones, that always stand on the line of the resource.
    brief: Vec<(Style, String)>,
    reasons: Vec<(Style, String)>,
}

impl Phrases {
    /// Draws all on one line; or, if it is too short, what is long below it.
    fn draw(&self, out: &mut String, head: Line, source: Option<&Position>, width: Width) {
        let Self {
            differences,
            brief,
            reasons,
        } = self;
        let place = place(source);
        let behind = if place.is_empty() {
            0
        } else {
            2 + columns(&place)
        };
        let fits = |line: &Line, behind| width.is_none_or(|width| line.width() + behind <= width);
        let whole = joined(
            head.clone().add("  "),
            differences.iter().chain(brief).chain(reasons),
        );
        if fits(&whole, behind) {
            return whole.right(DIM, &place, width).end(out);
        }
        joined(head.add("  "), brief)
            .right(DIM, &place, width)
            .end(out);
        let details = joined(Line::indent(DETAIL), differences.iter().chain(reasons));
        if fits(&details, 0) {
            return details.end(out);
        }
        for (style, text) in differences.iter().chain(reasons) {
            paragraph(
                out,
                Line::indent(DETAIL),
                DETAIL + 2,
                *style,
                &escape(text),
                width,
            );
        }
    }
}

fn joined<'a>(start: Line, phrases: impl IntoIterator<Item = &'a (Style, String)>) -> Line {
    let mut line = start;
    for (n, (style, text)) in phrases.into_iter().enumerate() {
        line = line.add(if n == 0 { "" } else { ", " }).paint(*style, text);
    }
    line
}

/// Returns where the spec asks for something. The column is left out: a line is what people look up.
fn place(source: Option<&Position>) -> String {
    source
        .map(|Position { file, line, .. }| format!("{file}:{line}"))
        .unwrap_or_default()
}

/// Returns what is different: `mode 0600 -> 0644`. What appears or goes away altogether has one value only.
fn words(difference: &Difference, change: &Change) -> (Style, String) {
    let Difference {
        attribute,
        before,
        after,
    } = difference;
    let text = match (change.action, before.is_empty(), after.is_empty()) {
        (Action::Create, true, false) => format!("{attribute} {}", value(after)),
        (Action::Delete, false, true) => format!("{attribute} {}", value(before)),
        _ => format!("{attribute} {} -> {}", value(before), value(after)),
    };
    (PLAIN, text)
}

/// Returns a value, quoted if it could be mistaken for more than one.
fn value(text: &str) -> Cow<'_, str> {
    match text {
        "" => Cow::Borrowed("absent"),
        "absent" => Cow::Borrowed("\"absent\""),
        _ if is_quoted(text) => Cow::Borrowed(text),
        _ if text.contains([' ', '"', ',', '>']) => {
            Cow::Owned(format!("\"{}\"", text.replace('"', "\\\"")))
        }
        _ => Cow::Borrowed(text),
    }
}

/// Whether a value is one quoted text already, as TOML writes it.
fn is_quoted(text: &str) -> bool {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.is_some_and(|inner| !inner.contains('"'))
}

/// Returns why something changes, unless its differences say it all.
fn reason(reason: &Reason) -> Option<(Style, String)> {
    match reason {
        Reason::Differs | Reason::NotifiedBy(_) => None,
        Reason::Drifted => Some((YELLOW, "drifted".to_owned())),
        Reason::SpecChanged => Some((DIM, "spec changed".to_owned())),
        Reason::Owed(since) => Some((YELLOW, format!("owed since {since}"))),
        Reason::NoLongerNamed => Some((DIM, "no longer named".to_owned())),
    }
}

/// Returns which resources make something change by changing themselves.
fn notifiers(reasons: &[Reason]) -> Option<(Style, String)> {
    let names: Vec<_> = reasons
        .iter()
        .filter_map(|reason| match reason {
            Reason::NotifiedBy(resource) => Some(resource.to_string()),
            Reason::Differs
            | Reason::Drifted
            | Reason::SpecChanged
            | Reason::Owed(_)
            | Reason::NoLongerNamed => None,
        })
        .collect();
    let text = match names.len() {
        0 => return None,
        1 => format!("because {} changes", names[0]),
        n if n <= MAX_NOTIFIERS => format!(
            "because {} and {} change",
            names[..n - 1].join(", "),
            names[n - 1]
        ),
        n => format!(
            "because {} and {} more change",
            names[..MAX_NOTIFIERS].join(", "),
            n - MAX_NOTIFIERS
        ),
    };
    Some((DIM, text))
}

/// Returns what a change does to what runs. A restart says so itself.
fn disruption(change: &Change) -> Option<(Style, String)> {
    let (style, text) = match (change.disruption, change.action) {
        (Disruption::None, Action::Create | Action::Update | Action::Delete) => return None,
        (Disruption::None | Disruption::Reload, _) => (PLAIN, "reload"),
        (Disruption::Restart, Action::Restart) => (PLAIN, "restart"),
        (Disruption::Restart, _) => (YELLOW, "restarts a service"),
        (Disruption::PodLoss, _) => (RED.bold(), "stops pods"),
        (Disruption::Reboot, _) => (RED.bold(), "needs a reboot"),
    };
    Some((style, text.to_owned()))
}

fn diff_counts(change: &Change, diff: DiffArg) -> Option<(Style, String)> {
    if diff == DiffArg::None || change.diffs.is_empty() {
        return None;
    }
    let lines = change.diffs.values().flat_map(|text| body(text));
    let (added, removed) = lines.fold((0, 0), |(added, removed), line| {
        match line.as_bytes().first() {
            Some(b'+') => (added + 1, removed),
            Some(b'-') => (added, removed + 1),
            _ => (added, removed),
        }
    });
    Some((PLAIN, format!("(+{added} -{removed})")))
}

/// Returns the lines of a unified diff without the names of files above its first hunk. Carriage returns stay, since a
/// change of line endings would else look like no change.
fn body(diff: &str) -> impl Iterator<Item = &str> {
    let named = |line: &&str| line.starts_with("--- ") || line.starts_with("+++ ");
    diff.strip_suffix('\n')
        .unwrap_or(diff)
        .split('\n')
        .skip_while(named)
}

/// Draws the lines of a unified diff.
pub(super) fn draw_diff(out: &mut String, path: Option<&String>, diff: &str) {
    if let Some(path) = path {
        Line::indent(DETAIL).paint(DIM, path).end(out);
    }
    for line in body(diff) {
        let style = match line.as_bytes().first() {
            Some(b'+') => GREEN,
            Some(b'-') => RED,
            Some(b'@' | b'\\') => DIM,
            _ => PLAIN,
        };
        let text = match line.split_at_checked(1) {
            Some((mark @ (" " | "+" | "-"), text)) => format!("{mark} {}", expand_tabs(text)),
            _ => line.to_owned(),
        };
        Line::indent(DETAIL).paint(style, &text).end(out);
    }
}
