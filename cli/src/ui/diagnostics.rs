//! Complaints about specs and inventories, drawn with the lines they are about.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use engine::diagnostic::{Diagnostic, Severity};
use engine::source::{Position, SourceId, Sources, Span};
use serde::Serialize;

use super::json;
use super::text::{Width, count, escape};
use crate::exit::ExitStatus;

/// More errors than this only repeat themselves.
const MAX_SHOWN: usize = 50;

/// Renders complaints in their order: the first 50 in full, and how many there are in the end.
pub(crate) fn render(diagnostics: &[Diagnostic], sources: &Sources, width: Width) -> String {
    let renderer = Renderer::styled().term_width(width.unwrap_or(140));
    let mut out = String::new();
    for diagnostic in diagnostics.iter().take(MAX_SHOWN) {
        out.push_str(&renderer.render(&[group(diagnostic, sources)]));
        out.push_str("\n\n");
    }
    if diagnostics.len() > MAX_SHOWN {
        out.push_str(&format!("and {} more\n\n", diagnostics.len() - MAX_SHOWN));
    }
    out
}

/// A complaint as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Complaint<'a> {
    severity: &'static str,
    code: &'a str,
    message: &'a str,
    at: Option<Position>,
    related: Vec<Related<'a>>,
    help: Option<&'a str>,
}

/// Another place that belongs to a complaint, as JSON.
#[derive(Debug, Serialize)]
struct Related<'a> {
    at: Position,
    why: &'a str,
}

/// All complaints, with the exit code of a command that stops because of them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Complaints<'a> {
    diagnostics: Vec<Complaint<'a>>,
    exit_code: u8,
}

/// Renders complaints as JSON, all of them.
pub(crate) fn render_json(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let complaints = diagnostics.iter().map(|diagnostic| Complaint {
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        code: diagnostic.code,
        message: &diagnostic.message,
        at: diagnostic.span.map(|span| sources.position(span)),
        related: diagnostic
            .related
            .iter()
            .map(|(span, why)| Related {
                at: sources.position(*span),
                why,
            })
            .collect(),
        help: diagnostic.help.as_deref(),
    });
    json::render(&Complaints {
        diagnostics: complaints.collect(),
        exit_code: ExitStatus::Error.code(),
    })
}

/// Returns how many complaints of each kind there are, such as `3 errors, 1 warning`.
pub(crate) fn tally(diagnostics: &[Diagnostic]) -> String {
    let n_errors = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .count();
    match diagnostics.len() - n_errors {
        0 => count(n_errors, "error"),
        n_warnings => format!(
            "{}, {}",
            count(n_errors, "error"),
            count(n_warnings, "warning")
        ),
    }
}

fn group<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Group<'a> {
    let Diagnostic {
        severity,
        code,
        message,
        span,
        related,
        help,
    } = diagnostic;
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(escape(message)).id(*code);
    let mut group = Group::with_title(title);
    for source in files(*span, related) {
        group = group.element(snippet(source, *span, related, sources));
    }
    match help {
        Some(help) => group.element(Level::HELP.message(escape(help))),
        None => group,
    }
}

/// Returns the files that a complaint is about, its own first.
fn files(span: Option<Span>, related: &[(Span, String)]) -> Vec<SourceId> {
    let mut files: Vec<SourceId> = Vec::new();
    for span in span
        .into_iter()
        .chain(related.iter().map(|(span, _)| *span))
    {
        if !files.contains(&span.source) {
            files.push(span.source);
        }
    }
    files
}

fn snippet<'a>(
    source: SourceId,
    span: Option<Span>,
    related: &'a [(Span, String)],
    sources: &'a Sources,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let file = sources.file(source);
    let primary = span
        .filter(|span| span.source == source)
        .map(|span| AnnotationKind::Primary.span(first_line(&file.text, span)));
    let others = related
        .iter()
        .filter(|(span, _)| span.source == source)
        .map(|(span, why)| {
            AnnotationKind::Context
                .span(first_line(&file.text, *span))
                .label(escape(why))
        });
    Snippet::source(&*file.text)
        .path(escape(&file.name))
        .annotations(primary.into_iter().chain(others))
}

/// Returns the part of a span on its first line, within the text and between characters.
fn first_line(text: &str, span: Span) -> Range<usize> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    let line_end = text[start..]
        .find('\n')
        .map_or(text.len(), |length| start + length);
    start..end.min(line_end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::golden;

    const SITE: &str = "kind: NodeSpec\nspec:\n  sysctl:\n    net.ipv4.ip_forward: 1\n    net.ipv4.ip_forward: 0 # \x1b[31m\n";

    fn span(source: SourceId, text: &str, nth: usize) -> Span {
        let (start, found) = SITE.match_indices(text).nth(nth).unwrap();
        Span {
            source,
            start,
            end: start + found.len(),
        }
    }

    fn problems() -> (Sources, Vec<Diagnostic>) {
        let mut sources = Sources::default();
        let site = sources.add("site.yaml", SITE);
        let lab = sources.add("lab.yaml", "kind: Inventory\nhosts: {}\n");
        let elsewhere = Span {
            source: lab,
            start: 16,
            end: 24,
        };
        let diagnostics = vec![
            Diagnostic::unplaced("E100", "no host matches the selector `@workers`")
                .help("see `hardstand inventory`"),
            Diagnostic::error("E105", span(site, "sysctl", 0), "unknown field `sysctl`")
                .help("did you mean `sysctls`?"),
            Diagnostic::error(
                "E106",
                span(site, "net.ipv4.ip_forward", 1),
                "the key stands twice",
            )
            .related(span(site, "net.ipv4.ip_forward", 0), "first here")
            .related(elsewhere, "hosts that it is \u{202e}for"),
            Diagnostic::warning(
                "W201",
                Span {
                    source: site,
                    start: 20,
                    end: 9999,
                },
                "nothing reads this",
            ),
        ];
        (sources, diagnostics)
    }

    #[test]
    fn complaints_show_their_lines() {
        let (sources, diagnostics) = problems();
        let text = render(&diagnostics, &sources, Some(80));
        golden::check("diagnostics.txt", &golden::plain(&text));
        assert_eq!(tally(&diagnostics), "3 errors, 1 warning");
    }

    #[test]
    fn the_rest_is_counted() {
        let (sources, diagnostics) = problems();
        let many: Vec<_> = std::iter::repeat_n(diagnostics[0].clone(), 60).collect();
        assert!(render(&many, &sources, None).ends_with("and 10 more\n\n"));
    }
}
