//! What a field of the spec is, what it does to a host, and the fields below it.

use engine::spec::FieldPage;
use serde::Serialize;

use super::text::{BOLD, DIM, Line, PLAIN, Width, paragraph};
use super::{Ui, json};

/// Values stand behind this many spaces.
const VALUES: usize = 10;

/// A field, as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FieldEntry<'a> {
    path: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    required: bool,
    default: Option<&'a str>,
    example: Option<&'a str>,
    changes: Option<&'a str>,
    disrupts: Option<&'a str>,
    description: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Self>,
}

/// Renders the page of a field and the fields that follow it, as text or as JSON.
pub(crate) fn shown_page(ui: &Ui, page: &FieldPage, below: &[&FieldPage]) -> String {
    if ui.json {
        let mut entry = entry(page);
        entry.fields = below.iter().map(|page| self::entry(page)).collect();
        return json::render(&entry);
    }
    render(page, below, ui.width)
}

fn render(page: &FieldPage, below: &[&FieldPage], width: Width) -> String {
    let mut out = String::new();
    Line::default().paint(BOLD, &page.path).end(&mut out);
    for (name, value) in values(page) {
        let head = Line::indent(2).paint(DIM, name).pad_to(2 + VALUES);
        paragraph(&mut out, head, 2 + VALUES, PLAIN, value, width);
    }
    out.push('\n');
    paragraph(
        &mut out,
        Line::indent(2),
        2,
        PLAIN,
        &page.description,
        width,
    );
    if below.is_empty() {
        return out;
    }
    out.push('\n');
    Line::default().paint(BOLD, "Fields").end(&mut out);
    // Two levels say what there is; each has a page of its own.
    let depth = |path: &str| path.split('.').filter(|part| *part != "<name>").count();
    for field in below {
        if depth(&field.path) > depth(&page.path) + 1 {
            continue;
        }
        Line::indent(2)
            .paint(
                BOLD,
                field
                    .path
                    .strip_prefix(page.path.as_str())
                    .unwrap_or_default()
                    .trim_start_matches('.'),
            )
            .paint(DIM, &format!("  {}", kind_and_need(field)))
            .end(&mut out);
        let first = first_sentence(&field.description);
        paragraph(&mut out, Line::indent(6), 6, PLAIN, first, width);
    }
    out
}

/// Returns what is known of a field, with names.
fn values(page: &FieldPage) -> impl Iterator<Item = (&'static str, &str)> {
    let FieldPage {
        path: _,
        kind,
        is_required,
        default,
        example,
        changes,
        disrupts,
        description: _,
        below: _,
    } = page;
    let default = match is_required {
        true => Some("none: it is required"),
        false => default.as_deref(),
    };
    [
        ("type", Some(kind.as_str())),
        ("default", default),
        ("example", example.as_deref()),
        ("changes", changes.as_deref()),
        ("disrupts", disrupts.as_deref()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
}

fn kind_and_need(page: &FieldPage) -> String {
    match page.is_required {
        true => format!("{}, required", page.kind),
        false => page.kind.clone(),
    }
}

fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |end| &text[..=end])
}

fn entry(page: &FieldPage) -> FieldEntry<'_> {
    FieldEntry {
        path: &page.path,
        kind: &page.kind,
        required: page.is_required,
        default: page.default.as_deref(),
        example: page.example.as_deref(),
        changes: page.changes.as_deref(),
        disrupts: page.disrupts.as_deref(),
        description: &page.description,
        fields: Vec::new(),
    }
}
