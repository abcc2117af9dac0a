//! The hosts of all documents as one inventory.

use std::collections::BTreeMap;

use super::{Host, Inventory, JumpHost, fold, natural_cmp};
use crate::diagnostic::{Diagnostic, Problems};
use crate::source::Span;

impl Inventory {
    /// Returns an inventory of these hosts; one that is declared twice is an error that names both places, and two names
    /// for one machine are a warning.
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
        warn_of_one_machine(&kept, problems);
        Self { hosts: kept }
    }
}

/// Warns of hosts that are reached in the same way: the machine behind them would be changed by both at once.
fn warn_of_one_machine(hosts: &[Host], problems: &mut Problems) {
    let mut reached: BTreeMap<_, Vec<&Host>> = BTreeMap::new();
    for host in hosts {
        let jump = host.ssh.jump.iter().flatten().map(JumpHost::to_string);
        let jump: Vec<_> = jump.collect();
        let way = (&host.address, host.ssh.port, jump);
        reached.entry(way).or_default().push(host);
    }
    for ((address, port, _), mut hosts) in reached {
        hosts.sort_by_key(|host| host.span);
        let Some((first, others)) = hosts.split_first() else {
            continue;
        };
        // Several names in one entry with an address are an error already.
        let Some(second) = others.iter().find(|host| host.span != first.span) else {
            continue;
        };
        let names: Vec<_> = hosts.iter().map(|host| host.name.as_str()).collect();
        let port = port.map(|port| format!(" port {port}")).unwrap_or_default();
        let message = format!(
            "hosts `{}` are all reached at {address}{port}",
            fold(&names)
        );
        problems.push(
            Diagnostic::warning("W306", second.span, message)
                .related(first.span, "the first of them")
                .help("keep one name for one machine: under two it is changed twice, and at the same time"),
        );
    }
}
