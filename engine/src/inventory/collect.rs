//! The hosts of all documents as one inventory.

use std::collections::BTreeMap;

use super::{Host, Inventory, fold, natural_cmp};
use crate::diagnostic::{Diagnostic, Problems};
use crate::source::Span;

impl Inventory {
    /// Returns an inventory of these hosts; one that is declared twice is an error that names both places.
    pub fn of(hosts: Vec<Host>, problems: &mut Problems) -> Self {
        let mut places: BTreeMap<String, Span> = BTreeMap::new();
        let mut repeated: BTreeMap<(Span, Span), Vec<String>> = BTreeMap::new();
        let mut kept = Vec::with_capacity(hosts.len());
        for host in hosts {
            let name = host.name.to_string();
            match places.get(&name) {
                Some(first) => repeated.entry((host.span, *first)).or_default().push(name),
                None => {
                    places.insert(name, host.span);
                    kept.push(host);
                }
            }
        }
        for ((span, first), names) in repeated {
            let message = format!("host `{}` is already declared", fold(&names));
            problems.push(Diagnostic::error("E306", span, message).related(first, "declared here"));
        }
        kept.sort_by(|a, b| natural_cmp(a.name.as_str(), b.name.as_str()));
        Self { hosts: kept }
    }
}
