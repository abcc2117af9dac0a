//! A schema as a table of fields.

use engine::spec::{FieldPage, fields};
use serde_json::Value;

/// Returns the fields of a section, one a line, with what each does to a host.
pub(crate) fn of_section(name: &str, schema: &Value) -> String {
    let header = [
        "Field",
        "Type",
        "Default",
        "Example",
        "What it says",
        "Changes on the host",
        "Disrupts",
    ];
    let cells = |page: &FieldPage| {
        let [path, kind, default, description] = basics(page);
        let or_nothing = |text: &Option<String>| text.clone().unwrap_or_default();
        // What a map with fields does, each of them says.
        let (changes, disrupts) = match page.below {
            0 => (or_nothing(&page.changes), or_nothing(&page.disrupts)),
            _ => Default::default(),
        };
        [
            path,
            kind,
            default,
            or_nothing(&page.example),
            description,
            changes,
            disrupts,
        ]
    };
    table(header, fields(name, schema).iter().map(cells))
}

/// Returns the fields of a document, one a line.
pub(crate) fn of_document(schema: &Value) -> String {
    let header = ["Field", "Type", "Default", "What it says"];
    table(header, fields("", schema).iter().map(basics))
}

fn basics(page: &FieldPage) -> [String; 4] {
    let default = match page.is_required {
        true => "required".to_owned(),
        false => page.default.clone().unwrap_or_default(),
    };
    [
        format!("`{}`", page.path),
        page.kind.clone(),
        default,
        page.description.clone(),
    ]
}

fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| {
        let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', "\\n"));
        format!("| {} |", cells.join(" | "))
    };
    let mut lines = vec![
        line(header.map(str::to_owned)),
        format!("|{}", "---|".repeat(N)),
    ];
    lines.extend(rows.map(line));
    lines.join("\n")
}
