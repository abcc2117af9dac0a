//! What each host should be like: the NodeSpecs that select it as one, with its variables put in.
//!
//! Hosts that the same NodeSpecs select and whose variables agree share one result, so that a fleet costs little more than
//! its kinds of hosts. Start at [`merge_for_hosts`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::load::Loaded;
use super::schema::{self, Field, Texts};
use super::{MergedSpec, Node, vars};
use crate::diagnostic::{Diagnostic, Problems};
use crate::inventory::Host;
use crate::name::HostName;
use crate::source::Span;

/// What all hosts should be like.
#[derive(Debug, Clone, Default)]
pub struct HostSpecs {
    /// The hosts that some NodeSpec selects, in the order they were given.
    pub hosts: Vec<HostSpec>,
    /// The hosts that no NodeSpec selects.
    pub unselected: Vec<HostName>,
}

/// What a host should be like.
#[derive(Debug, Clone)]
pub struct HostSpec {
    /// The host.
    pub host: HostName,
    /// The names of the NodeSpecs that select it.
    pub specs: Arc<[String]>,
    /// The sections by name; one value is shared by all hosts for which it is the same.
    pub sections: Arc<BTreeMap<String, Node>>,
}

/// Merges, for each of the hosts, the NodeSpecs that select it. A NodeSpec that selects nothing in the whole inventory is an
/// error.
///
/// Call it only if loading had no errors: what was left out then would be missed again here.
pub fn merge_for_hosts(loaded: &Loaded, hosts: &[&Host]) -> (HostSpecs, Problems) {
    let mut merger = Merger {
        loaded,
        sets: BTreeMap::new(),
        reports: Reports::default(),
    };
    merger.check_selectors();
    let mut specs = HostSpecs::default();
    for host in hosts {
        match merger.host(host) {
            Some(spec) => specs.hosts.push(spec),
            None => specs.unselected.push(host.name.clone()),
        }
    }
    merger.report_undefined();
    (specs, merger.reports.problems)
}

/// Returns the variables that some of the hosts lack, where loading had other errors. What else merging would find may
/// follow from those.
pub fn undefined_variables(loaded: &Loaded, hosts: &[&Host]) -> Problems {
    let mut merger = Merger {
        loaded,
        sets: BTreeMap::new(),
        reports: Reports::default(),
    };
    if loaded.inventory_is_whole {
        for host in hosts {
            let selected = merger.select(host);
            if let Some(set) = selected.and_then(|selected| merger.sets.get_mut(&selected)) {
                set.note_undefined(host);
            }
        }
    }
    merger.reports = Reports::default();
    merger.report_undefined();
    merger.reports.problems
}

struct Merger<'a> {
    loaded: &'a Loaded,
    /// By the indices of the NodeSpecs.
    sets: BTreeMap<Vec<usize>, SpecSet<'a>>,
    reports: Reports,
}

/// The NodeSpecs that select some hosts.
struct SpecSet<'a> {
    merged: MergedSpec,
    names: Arc<[String]>,
    /// The variables that occur.
    used: Vec<String>,
    /// The results by the values of those variables.
    results: BTreeMap<Vec<Option<&'a str>>, Arc<BTreeMap<String, Node>>>,
    /// The variables that some host lacks, with the first such host and how many there are.
    undefined: BTreeMap<String, (&'a Host, usize)>,
}

impl<'a> Merger<'a> {
    fn check_selectors(&mut self) {
        for spec in &self.loaded.specs {
            let Err(error) = spec.hosts.select(&self.loaded.inventory) else {
                continue;
            };
            let problem = Diagnostic::error("E236", spec.hosts_span, error.to_string());
            self.reports.add(match &error.suggestion {
                Some(suggestion) => problem.help(format!("did you mean `{suggestion}`?")),
                None if self.loaded.inventory.hosts.is_empty() => {
                    problem.help("there are no hosts: give an inventory as well")
                }
                None => problem,
            });
        }
    }

    fn host(&mut self, host: &'a Host) -> Option<HostSpec> {
        let selected = self.select(host)?;
        let set = self.sets.get_mut(&selected)?;
        let sections = set.for_host(host, self.loaded, &mut self.reports);
        Some(HostSpec {
            host: host.name.clone(),
            specs: set.names.clone(),
            sections,
        })
    }

    /// Returns the key of the set of NodeSpecs that select a host; none if there are none.
    fn select(&mut self, host: &Host) -> Option<Vec<usize>> {
        let specs = self.loaded.specs.iter().enumerate();
        let selected: Vec<usize> = specs
            .filter(|(_, spec)| spec.hosts.matches(host))
            .map(|(index, _)| index)
            .collect();
        if selected.is_empty() {
            return None;
        }
        if !self.sets.contains_key(&selected) {
            let set = self.merge(&selected, host);
            self.sets.insert(selected.clone(), set);
        }
        Some(selected)
    }

    fn merge(&mut self, selected: &[usize], host: &Host) -> SpecSet<'a> {
        let mut merged = MergedSpec::default();
        let mut problems = Problems::default();
        for spec in selected.iter().map(|index| &self.loaded.specs[*index]) {
            merged.add(&spec.name, &spec.sections, &mut problems);
        }
        for problem in problems.into_sorted() {
            let names = merged.specs.join("`, `");
            let help = format!("the NodeSpecs `{names}` all select host `{}`", host.name);
            self.reports.add(problem.help(help));
        }
        let used: BTreeSet<String> = merged.sections.values().flat_map(vars::used).collect();
        SpecSet {
            names: merged.specs.clone().into(),
            used: used.into_iter().collect(),
            results: BTreeMap::new(),
            undefined: BTreeMap::new(),
            merged,
        }
    }

    fn report_undefined(&mut self) {
        for set in self.sets.values() {
            for (name, (host, count)) in &set.undefined {
                let others = match count {
                    1 => String::new(),
                    count => format!(" and {} more", count - 1),
                };
                let suffix = format!(" on host `{}`{others}", host.name);
                let is_it = |other: &str| (other == name).then(|| suffix.clone());
                let known = host.all_vars();
                let known: Vec<&str> = known.keys().map(String::as_str).collect();
                let mut problems = Problems::default();
                for node in set.merged.sections.values() {
                    let sources = &self.loaded.sources;
                    vars::report_undefined(sources, node, &known, &is_it, &mut problems);
                }
                problems
                    .into_sorted()
                    .into_iter()
                    .for_each(|problem| self.reports.add(problem));
            }
        }
    }
}

impl<'a> SpecSet<'a> {
    /// Returns the values of the variables on a host, and keeps in mind which of them it lacks.
    fn note_undefined(&mut self, host: &'a Host) -> Vec<Option<&'a str>> {
        let values: Vec<_> = self.used.iter().map(|name| host.var(name)).collect();
        let lacking = self.used.iter().zip(&values);
        for (name, _) in lacking.filter(|(_, value)| value.is_none()) {
            self.undefined.entry(name.clone()).or_insert((host, 0)).1 += 1;
        }
        values
    }

    fn for_host(
        &mut self,
        host: &'a Host,
        loaded: &Loaded,
        reports: &mut Reports,
    ) -> Arc<BTreeMap<String, Node>> {
        let values = self.note_undefined(host);
        if let Some(sections) = self.results.get(&values) {
            return sections.clone();
        }
        let sections = self.put_in(host, loaded, reports);
        let sections = Arc::new(sections);
        self.results.insert(values, sections.clone());
        sections
    }

    /// Returns the sections with the host's variables put in. One that lacks a variable is not checked: what would be wrong
    /// with it is not known.
    fn put_in(
        &self,
        host: &Host,
        loaded: &Loaded,
        reports: &mut Reports,
    ) -> BTreeMap<String, Node> {
        let mut sections = BTreeMap::new();
        for (name, node) in &self.merged.sections {
            let is_complete = vars::used(node).iter().all(|name| host.var(name).is_some());
            let mut node = vars::replace(node, &|name| host.var(name));
            if let Some(schema) = loaded.schemas.get(name.as_str()).filter(|_| is_complete) {
                schema::conform(&mut node, schema);
                reports.check(name, &node, schema);
            }
            sections.insert(name.clone(), node);
        }
        sections
    }
}

/// The complaints so far, each once although many hosts share its cause.
#[derive(Default)]
struct Reports {
    problems: Problems,
    seen: BTreeSet<(Option<Span>, &'static str, String, Vec<Span>)>,
}

impl Reports {
    fn add(&mut self, problem: Diagnostic) {
        let related = problem.related.iter().map(|(span, _)| *span).collect();
        let identity = (problem.span, problem.code, problem.message.clone(), related);
        if self.seen.insert(identity) {
            self.problems.push(problem);
        }
    }

    fn check(&mut self, name: &str, node: &Node, schema: &schemars::Schema) {
        let mut found = Problems::default();
        let field = Field {
            name: name.to_owned(),
            place: node.span,
            node,
        };
        schema::check(&field, schema, Texts::Final, &mut found);
        found
            .into_sorted()
            .into_iter()
            .for_each(|problem| self.add(problem));
    }
}

#[cfg(test)]
mod tests;
