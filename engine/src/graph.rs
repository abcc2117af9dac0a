//! The dependency graph of one host's resources: built from what providers declare, ordered, and free of cycles.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;

use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;

use crate::check::Check;
use crate::cluster::Cluster;
use crate::diagnostic::{Diagnostic, Problems};
use crate::name::{Digest, ResourceId};
use crate::question::Question;
use crate::resource::{Declared, Edge, Relation, Resource, desired_digest};
use crate::source::{Position, Sources, Span};

/// The most resources one host may have.
const MOST_RESOURCES: usize = 10_000;

/// The resources of a host and the order between them.
///
/// petgraph's edges run from what is changed earlier to what is changed later; [`Graph::edges`] gives them as they are
/// spoken of.
#[derive(Debug)]
pub struct Graph {
    graph: DiGraph<GraphNode, Edge>,
    order: Vec<NodeIndex>,
    checks: Vec<Box<dyn Check>>,
    cluster: Option<Cluster>,
    questions: Vec<Question>,
    ids: BTreeSet<ResourceId>,
    records: Vec<String>,
}

/// A resource in the graph.
#[derive(Debug)]
pub struct GraphNode {
    /// Its name.
    pub id: ResourceId,
    /// The resource.
    pub resource: Box<dyn Resource>,
    /// Where the spec asks for it.
    pub position: Position,
    /// What must be asked to plan it.
    pub questions: Arc<[Question]>,
    /// Digest of its desired state, for its receipt.
    pub desired: Digest,
    span: Span,
}

/// A resource that must come before another, with what the edge between them means.
#[derive(Debug, Clone, Copy)]
pub struct Predecessor<'a> {
    /// The earlier resource.
    pub id: &'a ResourceId,
    /// What the edge means.
    pub edge: Edge,
}

impl Graph {
    /// Builds the graph of what providers declared for a host.
    ///
    /// Two declarations of one resource, written edges to nowhere, and cycles are problems.
    pub fn build(declared: Vec<Declared>, sources: &Sources, problems: &mut Problems) -> Self {
        let mut graph = DiGraph::new();
        let mut indices = BTreeMap::new();
        let mut relations = Vec::new();
        if let Some(excess) = declared.get(MOST_RESOURCES) {
            problems.push(Diagnostic::error(
                "E123",
                excess.span,
                format!("more than {MOST_RESOURCES} resources on one host"),
            ));
        }
        for Declared {
            resource,
            span,
            written,
        } in declared.into_iter().take(MOST_RESOURCES)
        {
            let id = resource.id();
            if let Some(earlier) = indices.get(&id) {
                problems.push(managed_twice(&*resource, span, &graph[*earlier]));
                continue;
            }
            let implied = resource.relations();
            let position = sources.position(span);
            let index = graph.add_node(GraphNode {
                id: id.clone(),
                position,
                questions: resource.questions().into(),
                desired: desired_digest(&*resource),
                resource,
                span,
            });
            indices.insert(id, index);
            relations.push((index, implied, written));
        }
        for (index, implied, written) in relations {
            for relation in implied {
                if let Some(target) = indices.get(&relation.target) {
                    connect(&mut graph, index, *target, relation.edge);
                }
            }
            for (relation, span) in written {
                match indices.get(&relation.target) {
                    Some(target) => connect(&mut graph, index, *target, relation.edge),
                    None => problems.push(no_such_resource(&relation, span, indices.keys())),
                }
            }
        }
        for cycle in cycles(&graph) {
            problems.push(cycle_problem(&graph, &cycle, sources));
        }
        let nodes = graph.node_weights();
        let questions: BTreeSet<_> = nodes.flat_map(|node| &*node.questions).cloned().collect();
        Self {
            order: order(&graph),
            questions: without_weaker(questions),
            records: indices.keys().map(ResourceId::record_name).collect(),
            ids: indices.into_keys().collect(),
            graph,
            checks: Vec::new(),
            cluster: None,
        }
    }

    /// Adds what the hosts of this graph are held against besides.
    #[must_use]
    pub fn with_checks(mut self, checks: Vec<Box<dyn Check>>) -> Self {
        let asked = checks.iter().flat_map(|check| check.questions());
        let questions: BTreeSet<_> = self.questions.drain(..).chain(asked).collect();
        self.questions = without_weaker(questions);
        self.checks = checks;
        self
    }

    /// Returns the checks that its hosts are held against.
    pub fn checks(&self) -> &[Box<dyn Check>] {
        &self.checks
    }

    /// Says which cluster the host is a node of.
    #[must_use]
    pub fn in_cluster(mut self, cluster: Option<Cluster>) -> Self {
        self.cluster = cluster;
        self
    }

    /// Returns what the spec says of the cluster that the host is a node of.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// Returns the resources in the order they are changed: ties in the order of declaration.
    pub fn nodes(&self) -> impl Iterator<Item = &GraphNode> {
        self.order.iter().map(|index| &self.graph[*index])
    }

    /// Returns the resources with what each waits for.
    pub fn nodes_with_predecessors(
        &self,
    ) -> impl Iterator<Item = (&GraphNode, Vec<Predecessor<'_>>)> {
        self.order.iter().map(|index| {
            let mut predecessors: Vec<_> = self
                .graph
                .edges_directed(*index, Direction::Incoming)
                .map(|edge| Predecessor {
                    id: &self.graph[edge.source()].id,
                    edge: *edge.weight(),
                })
                .collect();
            predecessors.sort_by_key(|predecessor| (predecessor.id, predecessor.edge));
            (&self.graph[*index], predecessors)
        })
    }

    /// Returns the edges as they are spoken of: `(a, requires, b)`, `(a, after, b)` and `(a, notifies, b)`, as positions in
    /// the order of [`Graph::nodes`].
    pub fn edges(&self) -> Vec<(usize, Edge, usize)> {
        let rank: BTreeMap<_, _> = self
            .order
            .iter()
            .enumerate()
            .map(|(rank, index)| (*index, rank))
            .collect();
        let mut edges: Vec<_> = self
            .graph
            .edge_references()
            .map(|edge| {
                let (earlier, later) = (rank[&edge.source()], rank[&edge.target()]);
                let edge = *edge.weight();
                match edge {
                    Edge::Requires | Edge::After => (later, edge, earlier),
                    Edge::Notifies | Edge::NotifiesOf(_) => (earlier, edge, later),
                }
            })
            .collect();
        edges.sort_unstable();
        edges
    }

    /// Returns everything that must be asked of a host to plan it, each question once.
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// Returns the names of all resources.
    pub fn ids(&self) -> &BTreeSet<ResourceId> {
        &self.ids
    }

    /// Returns the names of a host's records of all resources, see [`ResourceId::record_name`].
    pub fn records(&self) -> &[String] {
        &self.records
    }
}

/// Returns the questions without those that the answers to others tell as well.
fn without_weaker(questions: BTreeSet<Question>) -> Vec<Question> {
    let is_told = |question: &Question| match question {
        Question::Installed(name) => questions.contains(&Question::Package(name.clone())),
        _ => false,
    };
    let needed = questions.iter().filter(|question| !is_told(question));
    needed.cloned().collect()
}

/// Adds an edge from the earlier to the later resource, once.
fn connect(graph: &mut DiGraph<GraphNode, Edge>, of: NodeIndex, target: NodeIndex, edge: Edge) {
    let (earlier, later) = match edge {
        Edge::Requires | Edge::After => (target, of),
        Edge::Notifies | Edge::NotifiesOf(_) => (of, target),
    };
    let known = graph
        .edges_connecting(earlier, later)
        .any(|known| *known.weight() == edge);
    if !known {
        graph.add_edge(earlier, later, edge);
    }
}

/// Orders the nodes so that each comes after its predecessors, ties in the order they were added. Nodes on a cycle are
/// left out; a graph with cycles has problems and is not used.
fn order(graph: &DiGraph<GraphNode, Edge>) -> Vec<NodeIndex> {
    let mut waiting: Vec<usize> = graph
        .node_indices()
        .map(|index| graph.edges_directed(index, Direction::Incoming).count())
        .collect();
    let mut ready: BinaryHeap<_> = graph
        .node_indices()
        .filter(|index| waiting[index.index()] == 0)
        .map(Reverse)
        .collect();
    let mut order = Vec::with_capacity(graph.node_count());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for edge in graph.edges_directed(index, Direction::Outgoing) {
            let count = &mut waiting[edge.target().index()];
            *count -= 1;
            if *count == 0 {
                ready.push(Reverse(edge.target()));
            }
        }
    }
    order
}

/// Returns one shortest cycle of each knot of the graph.
fn cycles(graph: &DiGraph<GraphNode, Edge>) -> Vec<Vec<NodeIndex>> {
    let mut cycles: Vec<_> = tarjan_scc(graph)
        .into_iter()
        .filter(|knot| knot.len() > 1 || graph.contains_edge(knot[0], knot[0]))
        .filter_map(|knot| {
            let knot: BTreeSet<_> = knot.into_iter().collect();
            knot.iter()
                .filter_map(|start| shortest_cycle(graph, &knot, *start))
                .min_by_key(Vec::len)
        })
        .collect();
    cycles.sort();
    cycles
}

/// Returns a shortest way from a node back to itself within its knot.
fn shortest_cycle(
    graph: &DiGraph<GraphNode, Edge>,
    knot: &BTreeSet<NodeIndex>,
    start: NodeIndex,
) -> Option<Vec<NodeIndex>> {
    let mut came_from = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(index) = queue.pop_front() {
        for next in graph.neighbors(index).filter(|next| knot.contains(next)) {
            if next == start {
                let mut way = vec![index];
                while let Some(earlier) = way
                    .last()
                    .filter(|last| **last != start)
                    .map(|last| came_from[last])
                {
                    way.push(earlier);
                }
                way.reverse();
                return Some(way);
            }
            if let Entry::Vacant(unseen) = came_from.entry(next) {
                unseen.insert(index);
                queue.push_back(next);
            }
        }
    }
    None
}

fn managed_twice(resource: &dyn Resource, span: Span, earlier: &GraphNode) -> Diagnostic {
    let without = resource.without().or_else(|| earlier.resource.without());
    let help = match without {
        Some(without) => format!("keep one of the two; {without}"),
        None => "keep one of the two".to_owned(),
    };
    let message = format!("`{}` is managed twice", resource.id());
    Diagnostic::error("E201", span, message)
        .related(earlier.span, "it is managed here already")
        .help(help)
}

fn no_such_resource<'a>(
    relation: &Relation,
    span: Span,
    known: impl Iterator<Item = &'a ResourceId>,
) -> Diagnostic {
    let wanted = relation.target.to_string();
    let diagnostic =
        Diagnostic::error("E234", span, format!("no resource `{wanted}` on this host"));
    let nearest = known
        .map(ToString::to_string)
        .map(|id| (strsim::normalized_damerau_levenshtein(&wanted, &id), id))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, id)) => diagnostic.help(format!("did you mean `{id}`?")),
        None => match wanted.split_once('/') {
            Some(("service", unit)) => {
                diagnostic.help(format!("add `{{ name: {unit} }}` to `services`"))
            }
            Some(("package", name)) => diagnostic.help(format!("add `{name}` to `packages`")),
            Some(("module", name)) => diagnostic.help(format!("add `{name}` to `modules`")),
            Some(_) | None => diagnostic.help(
                "name one that this spec has; without this line, `hardstand graph` lists all",
            ),
        },
    }
}

fn cycle_problem(
    graph: &DiGraph<GraphNode, Edge>,
    cycle: &[NodeIndex],
    sources: &Sources,
) -> Diagnostic {
    let way: Vec<_> = cycle
        .iter()
        .chain(cycle.first())
        .map(|index| graph[*index].id.to_string())
        .collect();
    let first = &graph[cycle[0]];
    let mut diagnostic = Diagnostic::error(
        "E233",
        first.span,
        format!("these resources wait for each other: {}", way.join(" -> ")),
    )
    .help("remove one of the `requires` or `notifies` on the way");
    for index in &cycle[1..] {
        let node = &graph[*index];
        diagnostic = diagnostic.related(
            node.span,
            format!("`{}` at {}", node.id, sources.position(node.span)),
        );
    }
    diagnostic
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::Unanswered;
    use crate::resource::{Decision, Situation};

    #[derive(Debug)]
    struct Thing(&'static str, Vec<Relation>);

    impl Resource for Thing {
        fn id(&self) -> ResourceId {
            ResourceId::new("thing", self.0)
        }

        fn desired(&self) -> String {
            String::new()
        }

        fn questions(&self) -> Vec<Question> {
            Vec::new()
        }

        fn relations(&self) -> Vec<Relation> {
            self.1.clone()
        }

        fn without(&self) -> Option<&str> {
            (self.0 == "implied").then_some("`plain: true` leaves it out")
        }

        fn decide(&self, _: &Situation<'_>) -> Result<Decision, Unanswered> {
            Ok(Decision::Converged)
        }
    }

    fn relation(edge: Edge, target: &str) -> Relation {
        Relation {
            edge,
            target: ResourceId::new("thing", target),
        }
    }

    /// Builds a graph of things; each row is a name and its edges, `-x` requires x, `>x` is after x and `+x` notifies x.
    fn build(rows: &[(&'static str, &str)]) -> (Graph, Vec<String>) {
        let mut sources = Sources::default();
        let text = "x\n".repeat(rows.len());
        let source = sources.add("spec.yaml", &text);
        let declared = rows
            .iter()
            .enumerate()
            .map(|(line, (name, edges))| {
                let span = Span {
                    source,
                    start: line * 2,
                    end: line * 2 + 1,
                };
                let written = edges
                    .split_whitespace()
                    .map(|edge| match edge.split_at(1) {
                        ("-", target) => (relation(Edge::Requires, target), span),
                        (">", target) => (relation(Edge::After, target), span),
                        (_, target) => (relation(Edge::Notifies, target), span),
                    })
                    .collect();
                Declared {
                    resource: Box::new(Thing(name, Vec::new())),
                    span,
                    written,
                }
            })
            .collect();
        let mut problems = Problems::default();
        let graph = Graph::build(declared, &sources, &mut problems);
        let messages = problems
            .into_sorted()
            .iter()
            .map(|problem| {
                format!(
                    "{} {}",
                    sources.position(problem.span.unwrap()).line,
                    problem.message
                )
            })
            .collect();
        (graph, messages)
    }

    fn names(graph: &Graph) -> Vec<&str> {
        graph.nodes().map(|node| node.id.name()).collect()
    }

    #[test]
    fn order_follows_edges_and_then_declaration() {
        let (graph, problems) = build(&[("c", "-a"), ("b", ""), ("a", "+b"), ("d", "")]);
        assert_eq!(problems, [""; 0]);
        assert_eq!(names(&graph), ["a", "c", "b", "d"]);
        assert_eq!(
            graph.edges(),
            [(0, Edge::Notifies, 2), (1, Edge::Requires, 0)]
        );
        let (graph, problems) = build(&[("c", ">b"), ("b", ">a"), ("a", "")]);
        assert_eq!(problems, [""; 0]);
        assert_eq!(names(&graph), ["a", "b", "c"]);
        assert_eq!(graph.edges(), [(1, Edge::After, 0), (2, Edge::After, 1)]);
    }

    #[test]
    fn a_cycle_is_shown_whole() {
        let (_, problems) = build(&[("a", "-b"), ("b", "-c"), ("c", "-a"), ("d", "-a")]);
        assert_eq!(
            problems,
            ["1 these resources wait for each other: thing/a -> thing/c -> thing/b -> thing/a"]
        );
        let (_, problems) = build(&[("a", ">b"), ("b", "+a >a")]);
        assert_eq!(
            problems,
            ["1 these resources wait for each other: thing/a -> thing/b -> thing/a"]
        );
        let (_, problems) = build(&[("a", "-a")]);
        assert_eq!(
            problems,
            ["1 these resources wait for each other: thing/a -> thing/a"]
        );
    }

    #[test]
    fn doubles_and_loose_ends_are_problems() {
        let (_, problems) = build(&[("net", ""), ("net", ""), ("x", "-nett")]);
        assert_eq!(
            problems,
            [
                "2 `thing/net` is managed twice",
                "3 no resource `thing/nett` on this host"
            ]
        );
    }

    #[test]
    fn what_is_not_written_can_be_left_out_otherwise() {
        let mut sources = Sources::default();
        let span = Span {
            source: sources.add("spec.yaml", "x"),
            start: 0,
            end: 1,
        };
        for (name, help) in [
            ("written", "keep one of the two"),
            (
                "implied",
                "keep one of the two; `plain: true` leaves it out",
            ),
        ] {
            let declared = || Declared {
                resource: Box::new(Thing(name, Vec::new())),
                span,
                written: Vec::new(),
            };
            let mut problems = Problems::default();
            let _graph = Graph::build(vec![declared(), declared()], &sources, &mut problems);
            let problems = problems.into_sorted();
            assert_eq!(problems[0].help.as_deref(), Some(help));
        }
    }

    #[test]
    fn what_could_be_meant_by_a_loose_end_is_said() {
        let mut sources = Sources::default();
        let span = Span {
            source: sources.add("spec.yaml", "x"),
            start: 0,
            end: 1,
        };
        let known: Vec<ResourceId> = ["service/containerd.service", "file//etc/motd"]
            .iter()
            .map(|id| id.parse().unwrap())
            .collect();
        for (wanted, help) in [
            (
                "service/contanerd.service",
                "did you mean `service/containerd.service`?",
            ),
            (
                "service/foo.service",
                "add `{ name: foo.service }` to `services`",
            ),
            ("package/chrony", "add `chrony` to `packages`"),
        ] {
            let relation = Relation {
                edge: Edge::Requires,
                target: wanted.parse().unwrap(),
            };
            let problem = no_such_resource(&relation, span, known.iter());
            assert_eq!(problem.help.as_deref(), Some(help));
        }
    }

    #[test]
    fn implied_edges_to_nowhere_are_dropped() {
        let mut sources = Sources::default();
        let source = sources.add("spec.yaml", "x");
        let mut problems = Problems::default();
        let thing = Thing("a", vec![relation(Edge::Requires, "missing")]);
        let declared = vec![Declared {
            resource: Box::new(thing),
            span: Span {
                source,
                start: 0,
                end: 1,
            },
            written: Vec::new(),
        }];
        let graph = Graph::build(declared, &sources, &mut problems);
        assert!(!problems.has_errors());
        assert_eq!(names(&graph), ["a"]);
    }
}
