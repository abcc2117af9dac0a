//! What the named checks found, and what each of them is about.

use std::collections::BTreeMap;

use anstyle::Style;
use engine::check::{Checked, Finding, Rule, Standing};
use engine::diagnostic::Severity;
use engine::name::HostName;
use engine::plan::{Plan, Unreachable};
use engine::report::worst_exit_code;
use serde::Serialize;

use super::fold::fold;
use super::plan::Grouping;
use super::text::{BOLD, CYAN, DIM, GREEN, Line, PLAIN, RED, Width, YELLOW, count, paragraph};
use super::{Ui, json, plan, table};
use crate::exit::ExitStatus;

/// What belongs to a finding stands behind this many spaces.
const DETAIL: usize = 8;

/// What the checks found, in numbers. What is ignored is not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tally {
    /// Hosts that were checked.
    pub(crate) hosts: usize,
    /// Errors that stand now.
    pub(crate) errors: usize,
    /// Warnings that stand now.
    pub(crate) warnings: usize,
    /// Notes that stand now.
    pub(crate) notes: usize,
    /// Checks that could not be made, and clusters that could not be asked.
    pub(crate) unknown: usize,
    /// Checks that found nothing.
    pub(crate) passed: usize,
    /// Hosts that could not be asked.
    pub(crate) unreachable: usize,
}

/// All findings, as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckResult<'a> {
    /// Clusters that could not be asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unasked_clusters: Vec<UnaskedCluster<'a>>,
    hosts: Vec<HostResult<'a>>,
    unreachable: &'a [Unreachable],
    summary: Tally,
    exit_code: u8,
}

/// A cluster that could not be asked, as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UnaskedCluster<'a> {
    context: Option<&'a str>,
    reason: &'a str,
}

/// The findings of one host, as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HostResult<'a> {
    host: &'a HostName,
    #[serde(flatten)]
    checked: &'a Checked,
}

/// A rule, as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleEntry<'a> {
    id: &'a str,
    severity: Severity,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<&'a str>,
}

impl Tally {
    /// Counts what stands on the hosts of a plan before it is applied.
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut tally = Self {
            hosts: plan.hosts.len(),
            unreachable: plan.unreachable.len(),
            unknown: unasked(plan).count(),
            ..Self::default()
        };
        for host in &plan.hosts {
            tally.unknown += host.checks.unknown.len();
            tally.passed += host.checks.passed.len();
            let counted = host.checks.findings.iter();
            for finding in counted.filter(|finding| finding.is_there() && finding.ignored.is_none())
            {
                *match finding.severity {
                    Severity::Error => &mut tally.errors,
                    Severity::Warning => &mut tally.warnings,
                    Severity::Note => &mut tally.notes,
                } += 1;
            }
        }
        tally
    }

    /// Returns how `check` ends: what is unknown is not healthy.
    pub(crate) fn exit(&self) -> ExitStatus {
        let codes = [
            (self.errors + self.unknown > 0, ExitStatus::Error),
            (self.unreachable > 0, ExitStatus::Unreachable),
        ];
        let codes = codes.into_iter().filter(|(holds, _)| *holds);
        ExitStatus::from_code(worst_exit_code(codes.map(|(_, status)| status.code())))
    }
}

/// Returns the clusters that could not be asked, and why.
fn unasked(plan: &Plan) -> impl Iterator<Item = UnaskedCluster<'_>> {
    plan.clusters.iter().filter_map(|cluster| {
        Some(UnaskedCluster {
            context: cluster.context.as_deref(),
            reason: cluster.unasked.as_deref()?,
        })
    })
}

/// Renders what the checks found on every host as it is.
pub(crate) fn render(plan: &Plan, tally: &Tally, grouping: Grouping, width: Width) -> String {
    let mut out = String::new();
    for UnaskedCluster { context, reason } in unasked(plan) {
        plan::unasked_cluster(&mut out, context, reason, width);
        out.push('\n');
    }
    for (hosts, checked) in groups(plan, grouping) {
        if grouping == Grouping::Folded && checked.findings.is_empty() && checked.unknown.is_empty()
        {
            continue;
        }
        Line::default()
            .paint(BOLD, &fold(hosts.iter().map(|host| host.as_str())))
            .add("  ")
            .paint(DIM, &count(hosts.len(), "host"))
            .end(&mut out);
        for finding in checked.findings.iter().filter(|finding| finding.is_there()) {
            draw(&mut out, finding, width);
        }
        for unjudged in &checked.unknown {
            let head = format!("unknown[{}]", unjudged.check);
            let line = Line::indent(2).paint(CYAN.bold(), &head).add(" ");
            paragraph(&mut out, line, DETAIL, PLAIN, &unjudged.reason, width);
        }
        out.push('\n');
    }
    plan::unreachable(&mut out, &plan.unreachable, grouping, width);
    verdict(&mut out, tally, width);
    out
}

/// Renders all findings as JSON.
pub(crate) fn render_json(plan: &Plan, summary: Tally, status: ExitStatus) -> String {
    let hosts = plan.hosts.iter().map(|host| HostResult {
        host: &host.host,
        checked: &host.checks,
    });
    json::render(&CheckResult {
        unasked_clusters: unasked(plan).collect(),
        hosts: hosts.collect(),
        unreachable: &plan.unreachable,
        summary,
        exit_code: status.code(),
    })
}

/// Draws one finding.
pub(crate) fn draw(out: &mut String, finding: &Finding, width: Width) {
    let Finding {
        severity,
        check,
        message,
        help,
        source,
        ignored,
        standing,
    } = finding;
    let (style, word) = match (ignored, standing) {
        (Some(_), _) => (DIM, "ignored"),
        (None, Standing::Mended) => (GREEN, word(*severity).1),
        (None, Standing::Stays | Standing::Caused) => word(*severity),
    };
    let mut text = message.clone();
    match (ignored, standing) {
        (Some(reason), _) => text.push_str(&format!(" (ignored: {reason})")),
        (None, Standing::Mended) => text.push_str(" (apply mends it)"),
        (None, Standing::Caused) => text.push_str(" (apply would cause it)"),
        (None, Standing::Stays) => {}
    }
    if let Some(place) = source {
        text.push_str(&format!("  {}:{}", place.file, place.line));
    }
    let line = Line::indent(2)
        .paint(style.bold(), &format!("{word}[{check}]"))
        .add(" ");
    paragraph(out, line, DETAIL, PLAIN, &text, width);
    if let (Some(help), None, Standing::Stays | Standing::Caused) = (help, ignored, standing) {
        let start = Line::indent(DETAIL).paint(CYAN, "help:").add(" ");
        paragraph(out, start, DETAIL + 2, PLAIN, help, width);
    }
}

/// Renders the list of all checks, as text or as JSON.
pub(crate) fn shown_rules(ui: &Ui, rules: &[Rule]) -> String {
    if ui.json {
        let entries = rules.iter().map(|rule| RuleEntry {
            id: rule.id,
            severity: rule.severity,
            title: rule.title,
            page: None,
        });
        return json::render(&BTreeMap::from([("checks", entries.collect::<Vec<_>>())]));
    }
    let cells = |rule: &Rule| {
        [
            rule.id.to_owned(),
            word(rule.severity).1.to_owned(),
            rule.title.to_owned(),
        ]
    };
    let rows: Vec<_> = rules.iter().map(cells).collect();
    table::render(["CHECK", "SEVERITY", "FINDS"], &rows)
}

/// Renders the page of a check, as text or as JSON.
pub(crate) fn shown_page(ui: &Ui, rule: &Rule) -> String {
    match ui.json {
        true => json::render(&RuleEntry {
            id: rule.id,
            severity: rule.severity,
            title: rule.title,
            page: Some(rule.page),
        }),
        false => rule.page.to_owned(),
    }
}

/// Returns the word of a severity and its style.
fn word(severity: Severity) -> (Style, &'static str) {
    match severity {
        Severity::Error => (RED, "error"),
        Severity::Warning => (YELLOW, "warning"),
        Severity::Note => (CYAN, "note"),
    }
}

/// Gathers hosts about which the checks say the same, in the order of the first of each group.
fn groups(plan: &Plan, grouping: Grouping) -> Vec<(Vec<&HostName>, &Checked)> {
    let mut groups: Vec<(Vec<&HostName>, &Checked)> = Vec::new();
    let mut by_words: BTreeMap<String, usize> = BTreeMap::new();
    for host in &plan.hosts {
        let own = (grouping == Grouping::ByHost).then_some(&host.host);
        let words =
            serde_json::to_string(&(own, &host.checks)).expect("our data has text keys only");
        let next = groups.len();
        let index = *by_words.entry(words).or_insert(next);
        if index == next {
            groups.push((Vec::new(), &host.checks));
        }
        groups[index].0.push(&host.host);
    }
    groups
}

fn verdict(out: &mut String, tally: &Tally, width: Width) {
    let Tally {
        hosts,
        errors,
        warnings,
        notes,
        unknown,
        passed,
        unreachable,
    } = *tally;
    let found: Vec<String> = [(errors, "error"), (warnings, "warning"), (notes, "note")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, noun)| count(n, noun))
        .collect();
    let mut text = match (found.is_empty(), hosts) {
        (true, 0) => "No host was checked".to_owned(),
        (true, _) => format!("Nothing found on {}; {passed} passed", count(hosts, "host")),
        (false, _) => format!(
            "{} on {}; {passed} passed",
            found.join(", "),
            count(hosts, "host")
        ),
    };
    if unknown > 0 {
        text.push_str(&format!(", {unknown} unknown"));
    }
    if unreachable > 0 {
        text.push_str(&format!("; {} unreachable", count(unreachable, "host")));
    }
    text.push('.');
    if !found.is_empty() {
        text.push_str(" `hardstand explain ID` says more.");
    }
    let style = match (errors + unknown + unreachable, warnings) {
        (0, 0) => GREEN.bold(),
        (0, _) => BOLD,
        _ => RED.bold(),
    };
    paragraph(out, Line::default(), 6, style, &text, width);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::{fixtures, golden};

    #[test]
    fn findings_read_as_agreed() {
        let plan = fixtures::fleet();
        let tally = Tally::of(&plan);
        let text = render(&plan, &tally, Grouping::Folded, Some(80));
        golden::check("checks.80.txt", &golden::plain(&text));
        assert_eq!(tally.exit(), ExitStatus::Error);
    }

    #[test]
    fn a_cluster_that_could_not_be_asked_is_unknown_and_said_once() {
        let plan = fixtures::clustered();
        let tally = Tally::of(&plan);
        assert_eq!((tally.unknown, tally.exit()), (2, ExitStatus::Error));
        let text = golden::plain(&render(&plan, &tally, Grouping::Folded, None));
        let said = "cluster gone  unknown  it could not be asked: `kubectl get nodes --output=json` failed";
        assert_eq!(text.matches(said).count(), 1, "{text}");
        assert!(text.contains("2 unknown"), "{text}");
        let json = render_json(&plan, tally, tally.exit());
        assert!(json.contains("\"context\": \"gone\""), "{json}");
    }
}
