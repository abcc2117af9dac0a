//! `validate`: everything that can be found wrong without asking a host.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::inventory::Shard;
use engine::plan::Via;
use serde::Serialize;

use super::session::Session;
use crate::args::ValidateArgs;
use crate::error::CommandError;
use crate::exit::ExitStatus;
use crate::ui::text::count;
use crate::ui::{Ui, json};

/// What was found valid, as JSON.
#[derive(Debug, Serialize)]
struct Valid {
    valid: bool,
    specs: usize,
    hosts: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<Shard>,
    graphs: usize,
}

pub(super) fn run(ui: &Ui, args: &ValidateArgs) -> Result<ExitStatus, CommandError> {
    let input = args.input.with(&args.paths);
    let session = Session::open_ignoring(ui, &input, Via::Ssh, &args.ignore.ignored)?;
    let n_specs = session.loaded.specs.len();
    let n_hosts = session.loaded.inventory.hosts.len();
    if n_specs == 0 && !ui.json {
        return Ok(ui.conclude(
            &format!("Valid: {}, no NodeSpec.\n", count(n_hosts, "host")),
            ExitStatus::Done,
        ));
    }
    let n_graphs = match n_hosts {
        0 => session.graphs_without_hosts()?,
        _ => {
            let fleet = session.fleet(&input)?;
            let graphs: BTreeSet<_> = fleet
                .hosts
                .iter()
                .map(|host| Arc::as_ptr(&host.graph))
                .collect();
            graphs.len()
        }
    };
    if ui.json {
        let valid = Valid {
            valid: true,
            specs: n_specs,
            hosts: n_hosts,
            shard: input.shard,
            graphs: n_graphs,
        };
        return Ok(ui.conclude(&json::render(&valid), ExitStatus::Done));
    }
    let text = format!(
        "Valid: {}, {}, {}.\n",
        count(n_specs, "NodeSpec"),
        count(n_hosts, "host"),
        count(n_graphs, "different graph"),
    );
    Ok(ui.conclude(&text, ExitStatus::Done))
}
