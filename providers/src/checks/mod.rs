//! The named checks: what a single resource cannot see, because it follows from several, or from what hardstand does not
//! manage. They come from failures that people reported; each has a page in `docs/checks`.
//!
//! A file holds the checks of one topic as a table of [`Entry`]s. What they know of the spec is in `spec`. A check judges
//! the spec alone (`of_spec`), a host (`of_host`), or both: then `of_host` is silent about what `of_spec` has told.

mod bridge;
mod cni;
mod containerd;
mod cri;
mod cri_version;
mod crio;
mod docker;
mod drivers;
mod kernel;
mod kubelet;
mod limits;
mod pause;
mod repositories;
mod section;
mod sockets;
mod spec;
mod swap;
#[cfg(test)]
mod tests;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::check::{Check, Found, Rule};
use engine::diagnostic::{Diagnostic, Problems, Severity};
use engine::facts::Os;
use engine::name::CheckId;
use engine::question::{Question, Unanswered};
use engine::resource::{Declared, Provider, Section, Sections};
use engine::state::State;

use crate::section::schema;
use section::ChecksSection;
pub(crate) use spec::Spec;

/// The tables, by topic.
static TABLES: &[&[Entry]] = &[
    bridge::CHECKS,
    cni::CHECKS,
    containerd::CHECKS,
    cri::CHECKS,
    cri_version::CHECKS,
    crio::CHECKS,
    docker::CHECKS,
    limits::CHECKS,
    drivers::CHECKS,
    kernel::CHECKS,
    kubelet::CHECKS,
    pause::CHECKS,
    repositories::CHECKS,
    sockets::CHECKS,
    swap::CHECKS,
    units::CHECKS,
];

/// The checks that are made of Windows hosts.
const ON_WINDOWS: [&str; 6] = ["H001", "H002", "H003", "H006", "H008", "H029"];

/// A check: its rule, and the functions that judge by it.
#[derive(Debug)]
struct Entry {
    rule: Rule,
    /// Whether the spec has anything to do with it.
    applies: fn(&Spec) -> bool,
    /// Complains about the spec alone.
    of_spec: fn(&Spec, &mut Complaints<'_>),
    /// Returns what must be asked of a host.
    questions: fn(&Spec) -> Vec<Question>,
    /// Returns what is wrong with a host.
    of_host: fn(&Spec, &State<'_>) -> Result<Vec<Found>, Unanswered>,
}

/// Judges no spec.
fn nothing_of_spec(_: &Spec, _: &mut Complaints<'_>) {}

/// Where a check leaves what it finds wrong with a spec.
#[derive(Debug)]
struct Complaints<'a> {
    rule: Rule,
    problems: &'a mut Problems,
}

impl Complaints<'_> {
    /// Adds a complaint about a place, with the severity of the rule.
    fn push(&mut self, diagnostic: Diagnostic) {
        self.push_as(self.rule.severity, diagnostic);
    }

    /// As [`Complaints::push`], with a severity of its own.
    fn push_as(&mut self, severity: Severity, diagnostic: Diagnostic) {
        self.problems.push(Diagnostic {
            severity,
            code: self.rule.id,
            ..diagnostic
        });
    }
}

/// Returns the rules of all checks, by id.
pub fn rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = entries().map(|entry| entry.rule).collect();
    rules.sort_by_key(|rule| rule.id);
    rules
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    TABLES.iter().copied().flatten()
}

/// Owns `checks`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checks {
    /// Checks that are ignored whatever the spec says, and why.
    pub(crate) ignored: BTreeMap<CheckId, String>,
}

impl Provider for Checks {
    fn sections(&self) -> Vec<Section> {
        vec![Section {
            name: "checks",
            schema: schema::<ChecksSection>(),
        }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[]
    }

    fn windows_sections(&self) -> &'static [&'static str] {
        &["checks"]
    }

    fn compile(&self, _: &Sections<'_>, _: &mut Problems) -> Vec<Declared> {
        Vec::new()
    }

    fn checks(
        &self,
        sections: &Sections<'_>,
        os: Os,
        problems: &mut Problems,
    ) -> Vec<Box<dyn Check>> {
        let mut ignored = section::ignored(sections, problems);
        ignored.extend(self.ignored.clone());
        let spec = Arc::new(Spec::read(sections, os));
        let applying: Vec<&'static Entry> = entries()
            .filter(|entry| knows(os, entry.rule.id, &spec) && (entry.applies)(&spec))
            .collect();
        for entry in &applying {
            if !ignored.contains_key(&entry.rule.check_id()) {
                let rule = entry.rule;
                (entry.of_spec)(&spec, &mut Complaints { rule, problems });
            }
        }
        applying
            .into_iter()
            .map(|entry| {
                let bound = Bound {
                    entry,
                    spec: spec.clone(),
                    ignored: ignored.get(&entry.rule.check_id()).cloned(),
                };
                Box::new(bound) as Box<dyn Check>
            })
            .collect()
    }
}

/// Whether a check knows an operating system. Of Windows only those do that need no more than containerd's files and version.
fn knows(os: Os, id: &str, spec: &Spec) -> bool {
    match os {
        Os::Linux => true,
        Os::Windows => spec.runtime == Some(spec::Runtime::Containerd) && ON_WINDOWS.contains(&id),
    }
}

/// A check bound to the merged spec of some hosts.
#[derive(Debug)]
struct Bound {
    entry: &'static Entry,
    spec: Arc<Spec>,
    ignored: Option<String>,
}

impl Check for Bound {
    fn rule(&self) -> &Rule {
        &self.entry.rule
    }

    fn questions(&self) -> Vec<Question> {
        (self.entry.questions)(&self.spec)
    }

    fn ignored(&self) -> Option<&str> {
        self.ignored.as_deref()
    }

    fn judge(&self, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
        (self.entry.of_host)(&self.spec, state)
    }
}

/// Returns the ids of all checks.
pub(crate) fn known_ids() -> BTreeSet<&'static str> {
    entries().map(|entry| entry.rule.id).collect()
}
