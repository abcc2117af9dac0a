//! From what was written to what each host should be: one graph for each different merged spec, shared by its hosts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::Problems;
use crate::graph::Graph;
use crate::inventory::Host;
use crate::name::HostName;
use crate::resource::{Provider, Section, Sections};
use crate::spec::{Files, Loaded, Node, merge_for_hosts};

/// Some hosts and what each should be.
#[derive(Debug, Default)]
pub struct Fleet {
    /// The hosts that some NodeSpec selects, in natural order.
    pub hosts: Vec<FleetHost>,
    /// The hosts that none does.
    pub unselected: Vec<HostName>,
}

/// A host and what it should be.
#[derive(Debug, Clone)]
pub struct FleetHost {
    /// The host.
    pub host: Host,
    /// Its resources.
    pub graph: Arc<Graph>,
}

/// Returns the sections of all providers.
pub fn sections(providers: &[Box<dyn Provider>]) -> Vec<Section> {
    providers
        .iter()
        .flat_map(|provider| provider.sections())
        .collect()
}

/// Merges and compiles the specs of some hosts.
pub fn compile(
    loaded: &Loaded,
    hosts: &[&Host],
    providers: &[Box<dyn Provider>],
    files: &Files,
) -> (Fleet, Problems) {
    let (specs, mut problems) = merge_for_hosts(loaded, hosts);
    let mut graphs: BTreeMap<*const BTreeMap<String, Node>, Arc<Graph>> = BTreeMap::new();
    let by_name: BTreeMap<&HostName, &Host> =
        hosts.iter().map(|host| (&host.name, *host)).collect();
    let mut fleet = Fleet {
        hosts: Vec::with_capacity(specs.hosts.len()),
        unselected: specs.unselected,
    };
    for spec in &specs.hosts {
        let graph = graphs
            .entry(Arc::as_ptr(&spec.sections))
            .or_insert_with(|| {
                let sections = Sections {
                    all: &spec.sections,
                    files,
                    sources: &loaded.sources,
                };
                Arc::new(graph(&sections, providers, &mut problems))
            });
        if let Some(host) = by_name.get(&spec.host) {
            fleet.hosts.push(FleetHost {
                host: (*host).clone(),
                graph: graph.clone(),
            });
        }
    }
    (fleet, problems)
}

fn graph(
    sections: &Sections<'_>,
    providers: &[Box<dyn Provider>],
    problems: &mut Problems,
) -> Graph {
    let declared = providers
        .iter()
        .flat_map(|provider| provider.compile(sections, problems))
        .collect();
    Graph::build(declared, sections.sources, problems)
}
