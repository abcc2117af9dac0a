//! The section `checks` of a spec, as written.

use std::collections::BTreeMap;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::CheckId;
use engine::resource::Sections;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::section::decode;

/// The named checks. All are made; `hardstand explain` lists them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChecksSection {
    /// Checks that are ignored, each with the reason, such as `H019: the nodes run with swap on purpose`. What they find is
    /// shown with the reason, and keeps nothing from being applied.
    #[schemars(example = serde_json::json!({ "H019": "the nodes run with swap on purpose" }))]
    #[schemars(extend(
        "x-changes" = "nothing: what is refused or reported",
        "x-disrupts" = "nothing"
    ))]
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "format": "check-id" }))]
    ignore: BTreeMap<CheckId, String>,
}

/// Returns the checks that a spec ignores, and why.
pub(super) fn ignored(
    sections: &Sections<'_>,
    problems: &mut Problems,
) -> BTreeMap<CheckId, String> {
    let Some(node) = sections.all.get("checks") else {
        return BTreeMap::new();
    };
    let section: ChecksSection = decode(node, problems).unwrap_or_default();
    let known = super::known_ids();
    for entry in node.get("ignore").map_or(&[][..], |node| node.entries()) {
        if entry.key.parse::<CheckId>().is_ok() && !known.contains(entry.key.as_str()) {
            let message = format!("there is no check `{}`", entry.key);
            problems.push(
                Diagnostic::error("E235", entry.key_span, message)
                    .help("`hardstand explain` lists all checks"),
            );
        }
        if entry
            .node
            .text()
            .is_some_and(|reason| reason.trim().is_empty())
        {
            let message = format!("`{}` is ignored without a reason", entry.key);
            problems.push(
                Diagnostic::error("E244", entry.node.span, message)
                    .help("say why, for those who review the spec"),
            );
        }
    }
    section.ignore
}
