//! `inventory`: the hosts and how each is reached.

use engine::inventory::{Become, Host, JumpHost};

use super::session::Session;
use crate::args::InventoryArgs;
use crate::error::CommandError;
use crate::exit::ExitStatus;
use crate::ui::Ui;
use crate::ui::inventory::{HostRow, render, render_json};

pub(super) fn run(ui: &Ui, args: &InventoryArgs) -> Result<ExitStatus, CommandError> {
    let input = args.input.with(&args.paths);
    let (session, status) = Session::open_inventory(ui, &input)?;
    let hosts = session.hosts(&input)?;
    let rows: Vec<HostRow> = hosts.into_iter().map(row).collect();
    let text = if ui.json {
        render_json(&rows)
    } else {
        render(&rows)
    };
    Ok(ui.conclude(&text, status))
}

fn row(host: &Host) -> HostRow {
    let jumps = host.ssh.jump.iter().flatten().map(JumpHost::to_string);
    let jumps: Vec<_> = jumps.collect();
    HostRow {
        host: host.name.to_string(),
        address: Some(host.address.clone()).filter(|address| address != host.name.as_str()),
        user: host.ssh.user.as_ref().map(ToString::to_string),
        port: host.ssh.port,
        jump: Some(jumps.join(",")).filter(|jumps| !jumps.is_empty()),
        r#become: match host.privilege {
            Become::Sudo => Some("sudo".to_owned()),
            Become::None => None,
        },
        labels: host.labels.clone(),
    }
}
