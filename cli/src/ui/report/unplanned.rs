//! What a plan left alone: resources that are unknown or refused, once for all hosts to which that happened.

use std::collections::BTreeMap;

use engine::plan::{Plan, Verdict};

use crate::ui::fold::fold;
use crate::ui::text::{BOLD, CYAN, Line, PLAIN, RED, Width, paragraph};

/// Renders what a plan left alone, so that nobody takes the rest for all.
pub(crate) fn render(plan: &Plan, width: Width) -> String {
    let mut hosts_of: BTreeMap<(String, Verdict, &str), Vec<&str>> = BTreeMap::new();
    for host in &plan.hosts {
        for unplanned in &host.unplanned {
            let key = (
                unplanned.resource.to_string(),
                unplanned.verdict,
                unplanned.reason.as_str(),
            );
            hosts_of.entry(key).or_default().push(host.host.as_str());
        }
    }
    let mut out = String::new();
    for ((resource, verdict, reason), hosts) in hosts_of {
        let (style, word) = match verdict {
            Verdict::Refused => (RED, "was refused"),
            Verdict::Unknown | Verdict::NoOp | Verdict::Change | Verdict::Conditional => {
                (CYAN, "is unknown")
            }
        };
        Line::default()
            .paint(BOLD, &fold(hosts))
            .add("  ")
            .paint(style, &format!("{resource} {word}, and was left alone"))
            .end(&mut out);
        paragraph(&mut out, Line::indent(4), 6, PLAIN, reason, width);
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}
