//! `graph`: which resource of a host comes after which, and which takes notice of which.

use super::session::Session;
use crate::args::GraphArgs;
use crate::error::{CommandError, ErrorKind};
use crate::exit::ExitStatus;
use crate::ui::Ui;
use crate::ui::graph::{GraphView, render, render_json};

pub(super) fn run(ui: &Ui, args: &GraphArgs) -> Result<ExitStatus, CommandError> {
    let mut input = args.input.with(&args.paths);
    let session = Session::open_unasked(ui, &input)?;
    if let Some(host) = &args.host {
        input = session.host(host, &input)?;
    }
    let fleet = session.fleet(&input)?;
    let host = fleet
        .hosts
        .first()
        .ok_or_else(|| CommandError::new(ErrorKind::Failed, "no NodeSpec selects this host"))?;
    let node = |node: &engine::graph::GraphNode| (node.id.clone(), Some(node.position.clone()));
    let edges = host.graph.edges().into_iter();
    let view = GraphView {
        nodes: host.graph.nodes().map(node).collect(),
        edges: edges.map(|(from, edge, to)| (from, to, edge)).collect(),
    };
    let text = match ui.json {
        true => render_json(&view),
        false => render(&view, args.format, ui.width),
    };
    Ok(ui.conclude(&text, ExitStatus::Done))
}
