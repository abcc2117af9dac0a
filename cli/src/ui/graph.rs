//! A graph of resources as an indented tree, Graphviz DOT or Mermaid. Arrows point to what comes later: a solid one to what
//! requires the first, a dotted one to what only comes after it, and one with a label to what it notifies.

use std::collections::BTreeSet;

use engine::name::ResourceId;
use engine::resource::{Edge, Topic};
use engine::source::Position;
use serde::Serialize;

use super::json;
use super::text::{DIM, Line, MAGENTA, Width, escape, push};
use crate::args::GraphFormat;

/// A graph as plain data.
#[derive(Debug, Clone, Default)]
pub(crate) struct GraphView {
    /// The resources, and where the spec asks for each.
    pub(crate) nodes: Vec<(ResourceId, Option<Position>)>,
    /// Edges as [`Edge`] means them, by index into the nodes: `(from, to, edge)`.
    pub(crate) edges: Vec<(usize, usize, Edge)>,
}

/// An edge in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    first: usize,
    then: usize,
    edge: Edge,
}

impl Arrow {
    /// Returns how the first one notifies the other, if it does.
    fn notifies(self) -> Option<&'static str> {
        match self.edge {
            Edge::Requires | Edge::After => None,
            Edge::Notifies => Some("notifies"),
            Edge::NotifiesOf(Topic::CgroupDriver) => Some("notifies of cgroup driver"),
            Edge::NotifiesOf(Topic::ReloadSuffices) => Some("notifies of what a reload takes up"),
        }
    }
}

/// Renders a graph in a format.
pub(crate) fn render(graph: &GraphView, format: GraphFormat, width: Width) -> String {
    match format {
        GraphFormat::Tree => tree(graph, width),
        GraphFormat::Dot => dot(graph),
        GraphFormat::Mermaid => mermaid(graph),
    }
}

/// A graph as JSON.
#[derive(Debug, Serialize)]
struct JsonGraph<'a> {
    nodes: Vec<JsonNode<'a>>,
    edges: Vec<JsonEdge<'a>>,
}

#[derive(Debug, Serialize)]
struct JsonNode<'a> {
    resource: &'a ResourceId,
    source: Option<&'a Position>,
}

#[derive(Debug, Serialize)]
struct JsonEdge<'a> {
    from: &'a ResourceId,
    edge: Edge,
    to: &'a ResourceId,
}

/// Renders a graph as JSON, its edges as they are spoken of: `from` requires or notifies `to`.
pub(crate) fn render_json(graph: &GraphView) -> String {
    let nodes = graph.nodes.iter().map(|(resource, source)| JsonNode {
        resource,
        source: source.as_ref(),
    });
    let edges = graph.edges.iter().filter_map(|(from, to, edge)| {
        Some(JsonEdge {
            from: &graph.nodes.get(*from)?.0,
            edge: *edge,
            to: &graph.nodes.get(*to)?.0,
        })
    });
    json::render(&JsonGraph {
        nodes: nodes.collect(),
        edges: edges.collect(),
    })
}

/// Returns the edges in the order of time, each once. Edges that lead nowhere are dropped.
fn arrows(graph: &GraphView) -> BTreeSet<Arrow> {
    let known = |n: usize| n < graph.nodes.len();
    let edges = graph
        .edges
        .iter()
        .filter(|(from, to, _)| known(*from) && known(*to));
    edges
        .map(|(from, to, edge)| arrow(*from, *to, *edge))
        .collect()
}

fn arrow(from: usize, to: usize, edge: Edge) -> Arrow {
    let (first, then) = match edge {
        Edge::Requires | Edge::After => (to, from),
        Edge::Notifies | Edge::NotifiesOf(_) => (from, to),
    };
    Arrow { first, then, edge }
}

fn dot(graph: &GraphView) -> String {
    let mut out = String::from("digraph hardstand {\n  rankdir=LR;\n  node [shape=box];\n");
    for (n, (resource, _)) in graph.nodes.iter().enumerate() {
        push(
            &mut out,
            format_args!("  n{n} [label={}];\n", dot_quote(&resource.to_string())),
        );
    }
    for arrow in arrows(graph) {
        let style = match (arrow.edge, arrow.notifies()) {
            (_, Some(label)) => format!(" [label={}, style=dashed]", dot_quote(label)),
            (Edge::After, None) => " [style=dotted]".to_owned(),
            (_, None) => String::new(),
        };
        let Arrow { first, then, .. } = arrow;
        push(&mut out, format_args!("  n{first} -> n{then}{style};\n"));
    }
    out.push_str("}\n");
    out
}

/// Returns text as a quoted DOT string, in which only quotes and backslashes mean something.
fn dot_quote(text: &str) -> String {
    format!(
        "\"{}\"",
        escape(text).replace('\\', "\\\\").replace('"', "\\\"")
    )
}

fn mermaid(graph: &GraphView) -> String {
    let mut out = String::from("flowchart LR\n");
    for (n, (resource, _)) in graph.nodes.iter().enumerate() {
        push(
            &mut out,
            format_args!("  n{n}[\"{}\"]\n", mermaid_quote(&resource.to_string())),
        );
    }
    for arrow in arrows(graph) {
        let shaft = match (arrow.edge, arrow.notifies()) {
            (_, Some(label)) => format!("-. {label} .->"),
            (Edge::After, None) => "-.->".to_owned(),
            (_, None) => "-->".to_owned(),
        };
        let Arrow { first, then, .. } = arrow;
        push(&mut out, format_args!("  n{first} {shaft} n{then}\n"));
    }
    out
}

/// Returns text in which Mermaid and the HTML around it see no syntax: entities by number, as Mermaid writes them.
fn mermaid_quote(text: &str) -> String {
    let mut quoted = String::new();
    for c in escape(text).chars() {
        match c {
            c if c.is_alphanumeric() || " /._-:@".contains(c) => quoted.push(c),
            c => push(&mut quoted, format_args!("#{};", u32::from(c))),
        }
    }
    quoted
}

/// Draws every node once, below the one that makes it wait longest.
fn tree(graph: &GraphView, width: Width) -> String {
    let tree = Tree::new(graph);
    let mut out = String::new();
    let mut stack: Vec<_> = tree.roots.iter().rev().map(|root| (*root, 0)).collect();
    while let Some((node, depth)) = stack.pop() {
        tree.line(node, depth, width).end(&mut out);
        stack.extend(
            tree.children[node]
                .iter()
                .rev()
                .map(|child| (*child, depth + 1)),
        );
    }
    out
}

/// The nodes of a graph, each in one place.
struct Tree<'a> {
    nodes: &'a [(ResourceId, Option<Position>)],
    /// The arrows that lead to each node.
    before: Vec<Vec<Arrow>>,
    parents: Vec<Option<usize>>,
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
}

impl<'a> Tree<'a> {
    fn new(graph: &'a GraphView) -> Self {
        let arrows = arrows(graph);
        let mut before = vec![Vec::new(); graph.nodes.len()];
        for arrow in &arrows {
            before[arrow.then].push(*arrow);
        }
        let order = topological(&before, &arrows);
        let parents = parents(&before, &order);
        let mut children = vec![Vec::new(); graph.nodes.len()];
        let mut roots = Vec::new();
        for node in order {
            match parents[node] {
                Some(parent) => children[parent].push(node),
                None => roots.push(node),
            }
        }
        Self {
            nodes: &graph.nodes,
            before,
            parents,
            children,
            roots,
        }
    }

    fn line(&self, node: usize, depth: usize, width: Width) -> Line {
        let (resource, position) = &self.nodes[node];
        let mut line = Line::indent(2 * depth).add(&resource.to_string());
        let notifiers = self.names(node, |arrow| arrow.notifies().is_some());
        if !notifiers.is_empty() {
            line = line
                .add("  ")
                .paint(MAGENTA, "! notified by ")
                .paint(MAGENTA, &notifiers);
        }
        let parent = self.parents[node];
        let required = self.names(node, |arrow| {
            arrow.edge == Edge::Requires && Some(arrow.first) != parent
        });
        if !required.is_empty() {
            line = line.add("  ").paint(DIM, "requires ").paint(DIM, &required);
        }
        let earlier = self.names(node, |arrow| arrow.edge == Edge::After);
        if !earlier.is_empty() {
            line = line.add("  ").paint(DIM, "after ").paint(DIM, &earlier);
        }
        let place = position
            .as_ref()
            .map(|place| format!("{}:{}", place.file, place.line));
        line.right(DIM, &place.unwrap_or_default(), width)
    }

    /// Returns the names of those that a node waits for along some arrows.
    fn names(&self, node: usize, wanted: impl Fn(&Arrow) -> bool) -> String {
        let arrows = self.before[node].iter().filter(|arrow| wanted(arrow));
        let names = arrows.map(|arrow| self.nodes[arrow.first].0.to_string());
        names
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// Returns all nodes, each after those it waits for. Nodes of a cycle, which the engine refuses, come last.
fn topological(before: &[Vec<Arrow>], arrows: &BTreeSet<Arrow>) -> Vec<usize> {
    let mut waiting: Vec<usize> = before.iter().map(Vec::len).collect();
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); before.len()];
    for arrow in arrows {
        after[arrow.first].push(arrow.then);
    }
    let mut ready: BTreeSet<usize> = (0..before.len())
        .filter(|node| waiting[*node] == 0)
        .collect();
    let mut order = Vec::with_capacity(before.len());
    while let Some(node) = ready.pop_first() {
        order.push(node);
        for then in &after[node] {
            waiting[*then] -= 1;
            if waiting[*then] == 0 {
                ready.insert(*then);
            }
        }
    }
    order.extend((0..before.len()).filter(|node| waiting[*node] > 0));
    order
}

/// Returns the deepest of the nodes that each one waits for, of those that come before it in the order.
fn parents(before: &[Vec<Arrow>], order: &[usize]) -> Vec<Option<usize>> {
    let mut parents = vec![None; before.len()];
    let mut depths: Vec<Option<usize>> = vec![None; before.len()];
    for node in order.iter().copied() {
        let placed = before[node]
            .iter()
            .filter_map(|arrow| Some((depths[arrow.first]?, arrow.first)));
        let deepest = placed.max_by_key(|(depth, first)| (*depth, std::cmp::Reverse(*first)));
        parents[node] = deepest.map(|(_, first)| first);
        depths[node] = Some(deepest.map_or(0, |(depth, _)| depth + 1));
    }
    parents
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::golden;

    fn graph() -> GraphView {
        let ids = [
            "module/br_netfilter",
            "sysctl/net.bridge.bridge-nf-call-iptables",
            "package/containerd.io",
            "file//etc/containerd/config.toml",
            "service/containerd.service",
            "file//etc/\"quoted\"];--\u{202e}<b>#",
            "service/kubelet.service",
            "sysctl/net.ipv4.ip_forward",
            "sysctl/net.ipv4.conf.all.rp_filter",
        ];
        let place = |line| Position {
            file: "site.yaml".to_owned(),
            line,
            column: 3,
        };
        let nodes = ids
            .iter()
            .zip(10..)
            .map(|(id, line)| (id.parse().unwrap(), Some(place(line))));
        GraphView {
            nodes: nodes.collect(),
            edges: vec![
                (1, 0, Edge::Requires),
                (3, 2, Edge::Requires),
                (4, 2, Edge::Requires),
                (3, 4, Edge::Notifies),
                (3, 6, Edge::NotifiesOf(Topic::CgroupDriver)),
                (6, 4, Edge::Requires),
                (8, 7, Edge::After),
                (8, 0, Edge::Requires),
                (0, 99, Edge::Requires),
            ],
        }
    }

    #[test]
    fn every_format_draws_the_graph() {
        for (format, name) in [
            (GraphFormat::Tree, "graph.tree.txt"),
            (GraphFormat::Dot, "graph.dot"),
            (GraphFormat::Mermaid, "graph.mmd"),
        ] {
            golden::check(name, &golden::plain(&render(&graph(), format, Some(110))));
        }
    }

    #[test]
    fn a_cycle_does_not_hang() {
        let mut graph = graph();
        graph.edges.push((2, 6, Edge::Requires));
        let text = render(&graph, GraphFormat::Tree, None);
        assert_eq!(text.lines().count(), graph.nodes.len());
    }
}
