//! From what was written to what each host should be: one graph for each different merged spec, shared by its hosts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::complete::complete;
use crate::diagnostic::{Diagnostic, Problems};
use crate::facts::Os;
use crate::graph::Graph;
use crate::inventory::{Become, Host, Inventory, Selector, Ssh};
use crate::name::{HostName, ResourceId};
use crate::question::{Question, Unanswered};
use crate::resource::{Decision, Declared, Provider, Resource, Section, Sections, Situation};
use crate::source::{Sources, Span};
use crate::spec::{Files, Loaded, Node, merge_for_hosts};

/// What this machine is called where no inventory names it.
pub const LOCALHOST: &str = "localhost";

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

impl Fleet {
    /// Returns hosts without resources, for what is done to a host whatever it should be.
    pub fn bare(hosts: &[&Host]) -> Self {
        Self::asked(hosts, Vec::new())
    }

    /// Returns hosts of which nothing is wanted but answers.
    pub fn asked(hosts: &[&Host], questions: Vec<Question>) -> Self {
        let mut sources = Sources::default();
        let span = Span {
            source: sources.add("", ""),
            start: 0,
            end: 0,
        };
        let asked = Declared {
            resource: Box::new(Asked(questions)),
            span,
            written: Vec::new(),
        };
        let graph = Graph::build(vec![asked], &sources, &mut Problems::default());
        let graph = Arc::new(graph);
        let bare = |host: &&Host| FleetHost {
            host: (*host).clone(),
            graph: graph.clone(),
        };
        Self {
            hosts: hosts.iter().map(bare).collect(),
            unselected: Vec::new(),
        }
    }
}

/// Questions that serve no resource.
#[derive(Debug)]
struct Asked(Vec<Question>);

impl Resource for Asked {
    fn id(&self) -> ResourceId {
        ResourceId::new("answers", "all")
    }

    fn desired(&self) -> String {
        String::new()
    }

    fn questions(&self) -> Vec<Question> {
        self.0.clone()
    }

    fn decide(&self, _: &Situation<'_>) -> Result<Decision, Unanswered> {
        Ok(Decision::Converged)
    }
}

/// Narrows what was read to the machine that hardstand runs on.
///
/// With the name of a host of the inventory the machine is taken for that host. Without, it is `localhost`, and every
/// NodeSpec is meant for it.
pub fn for_this_machine(mut loaded: Loaded, like: Option<&HostName>) -> Loaded {
    let known = like.and_then(|name| loaded.inventory.get(name).cloned());
    let host = known.or_else(|| {
        let every = "all".parse::<Selector>().ok()?;
        for spec in &mut loaded.specs {
            spec.hosts = every.clone();
        }
        Some(Host {
            name: LOCALHOST.parse().ok()?,
            address: LOCALHOST.to_owned(),
            os: Os::default(),
            ssh: Ssh::default(),
            privilege: Become::None,
            labels: BTreeMap::new(),
            vars: BTreeMap::new(),
            span: loaded.specs.first()?.span,
        })
    });
    loaded.inventory = Inventory {
        hosts: host.into_iter().collect(),
    };
    loaded
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
    let mut graphs: BTreeMap<(*const BTreeMap<String, Node>, Os), Arc<Graph>> = BTreeMap::new();
    let by_name: BTreeMap<&HostName, &Host> =
        hosts.iter().map(|host| (&host.name, *host)).collect();
    let mut fleet = Fleet {
        hosts: Vec::with_capacity(specs.hosts.len()),
        unselected: specs.unselected,
    };
    for spec in &specs.hosts {
        let Some(host) = by_name.get(&spec.host) else {
            continue;
        };
        let graph = graphs
            .entry((Arc::as_ptr(&spec.sections), host.os))
            .or_insert_with(|| {
                let written = Sections {
                    all: &spec.sections,
                    files,
                    sources: &loaded.sources,
                };
                let all = complete(&written, host.os, providers);
                let sections = Sections {
                    all: &all,
                    ..written
                };
                Arc::new(graph(&sections, host, providers, &mut problems))
            });
        fleet.hosts.push(FleetHost {
            host: (*host).clone(),
            graph: graph.clone(),
        });
    }
    (fleet, problems)
}

/// Builds the graph of a host, and of all that share its merged spec and its operating system.
fn graph(
    sections: &Sections<'_>,
    host: &Host,
    providers: &[Box<dyn Provider>],
    problems: &mut Problems,
) -> Graph {
    let mut declared = Vec::new();
    let mut checks = Vec::new();
    for provider in providers {
        match host.os {
            Os::Linux => {
                declared.extend(provider.compile(sections, problems));
            }
            Os::Windows => {
                refuse_linux_sections(sections, host, &**provider, problems);
                declared.extend(provider.compile_for_windows(sections, problems));
            }
        }
        checks.extend(provider.checks(sections, host.os, problems));
    }
    let cluster = providers
        .iter()
        .find_map(|provider| provider.cluster(sections, problems));
    Graph::build(declared, sections.sources, problems)
        .with_checks(checks)
        .in_cluster(cluster)
}

/// Complains about the sections of a provider that mean nothing on Windows.
fn refuse_linux_sections(
    sections: &Sections<'_>,
    host: &Host,
    provider: &dyn Provider,
    problems: &mut Problems,
) {
    let known = provider.windows_sections();
    for section in provider.sections() {
        let Some(node) = sections
            .all
            .get(section.name)
            .filter(|_| !known.contains(&section.name))
        else {
            continue;
        };
        let message = format!(
            "`{}` is for Linux, and `{}` runs Windows",
            section.name, host.name
        );
        problems.push(
            Diagnostic::error("E331", node.span, message)
                .related(host.span, "it is declared here")
                .help("select Windows hosts by a NodeSpec of their own, with nothing but what they have"),
        );
    }
}
