//! A schema as a table of fields.

use engine::spec::{FieldPage, fields};
use serde_json::Value;

/// Returns the fields of a schema, one a line; `path` is where it stands.
pub(crate) fn table(path: &str, schema: &Value) -> String {
    let mut lines = vec![
        "| Field | Type | Default | What it says |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    lines.extend(fields(path, schema).iter().map(line));
    lines.join("\n")
}

fn line(page: &FieldPage) -> String {
    let default = match page.is_required {
        true => "required",
        false => page.default.as_deref().unwrap_or_default(),
    };
    let (path, kind) = (&page.path, &page.kind);
    let description = page.description.replace('|', "\\|");
    format!("| `{path}` | {kind} | {default} | {description} |")
}
