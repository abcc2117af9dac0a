//! What hosts are like, as text or as JSON. Hosts that are alike are shown once.

use std::collections::BTreeMap;

use engine::facts::{CgroupVersion, Init};
use providers::doctor::{Dockershim, Health, Kubelet, Runtime};
use serde::Serialize;

use super::fold::fold;
use super::text::{BOLD, CYAN, DIM, GREEN, Line, PLAIN, RED, Width, YELLOW, count, paragraph};
use super::{Ui, json};
use crate::exit::ExitStatus;

/// Where the words about a host stand.
const COLUMN: usize = 14;

/// What came of looking at one host.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Examined {
    /// The host.
    pub(crate) host: String,
    /// As whom it is reached.
    pub(crate) reached: String,
    /// What was found.
    #[serde(flatten)]
    pub(crate) found: Found,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Found {
    /// What it is like.
    Health(Health),
    /// It could not be asked; the text says why, and how to mend that.
    Unreachable(String),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Result<'a> {
    hosts: &'a [Examined],
    exit_code: u8,
}

/// Renders what was found as the person or the program that reads it wants it.
pub(crate) fn shown(ui: &Ui, hosts: &[Examined], status: ExitStatus) -> String {
    match ui.json {
        true => json::render(&Result {
            hosts,
            exit_code: status.code(),
        }),
        false => render(hosts, ui.width),
    }
}

/// Renders text.
fn render(hosts: &[Examined], width: Width) -> String {
    let mut out = String::new();
    for (first, names) in groups(hosts) {
        let names_line = Line::default().paint(BOLD, &fold(names.iter().copied()));
        match &first.found {
            Found::Health(health) => {
                let note = count(names.len(), "host");
                names_line.add("  ").paint(DIM, &note).end(&mut out);
                draw(&mut out, &first.reached, health, width);
            }
            Found::Unreachable(reason) => {
                let start = names_line
                    .add("  ")
                    .paint(RED.bold(), "UNREACHABLE")
                    .add("  ");
                paragraph(&mut out, start, 4, PLAIN, reason, width);
            }
        }
        out.push('\n');
    }
    verdict(&mut out, hosts, width);
    out
}

/// Gathers hosts that read the same, in the order of the first of each.
fn groups(hosts: &[Examined]) -> Vec<(&Examined, Vec<&str>)> {
    let mut groups: Vec<(&Examined, Vec<&str>)> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for host in hosts {
        let key = serde_json::to_string(&(&host.reached, &host.found))
            .expect("our data has text keys only");
        let index = *known.entry(key).or_insert(groups.len());
        if index == groups.len() {
            groups.push((host, Vec::new()));
        }
        groups[index].1.push(&host.host);
    }
    groups
}

fn draw(out: &mut String, reached: &str, health: &Health, width: Width) {
    let Health {
        root,
        system,
        kernel,
        architecture,
        init,
        cgroup,
        runtimes,
        kubelet,
        dockershim,
        hints,
    } = health;
    let mut row = |label: &str, text: &str| {
        let start = Line::indent(2).paint(DIM, label).pad_to(COLUMN);
        paragraph(out, start, COLUMN, PLAIN, text, width);
    };
    let rights = if *root { "root" } else { "not root" };
    row("reached", &format!("{reached}: {rights}"));
    let init = match init {
        Init::Systemd => "systemd",
        Init::Other => "no systemd",
    };
    let cgroup = match cgroup {
        CgroupVersion::V1 => "cgroup v1",
        CgroupVersion::V2 => "cgroup v2",
        CgroupVersion::None => "no cgroups",
    };
    row(
        "system",
        &format!("{system}, kernel {kernel}, {architecture}, {init}, {cgroup}"),
    );
    if runtimes.is_empty() {
        row("runtime", "none");
    }
    for runtime in runtimes {
        row("runtime", &runtime_words(runtime));
    }
    row("kubelet", &kubelet_words(kubelet.as_ref()));
    row("dockershim", &dockershim_words(dockershim));
    for hint in hints {
        let start = Line::indent(2).paint(YELLOW, "hint:").pad_to(COLUMN);
        paragraph(out, start, COLUMN, PLAIN, hint, width);
    }
}

fn runtime_words(runtime: &Runtime) -> String {
    let Runtime {
        name,
        version,
        socket,
        active,
        trouble,
    } = runtime;
    let mut text = name.clone();
    if let Some(version) = version {
        text += &format!(" {version}");
    }
    text += if *active { ", runs" } else { ", stopped" };
    if let Some(socket) = socket {
        text += &format!(", at {socket}");
    }
    if let Some(trouble) = trouble {
        text += &format!("; {trouble}");
    }
    text
}

fn kubelet_words(kubelet: Option<&Kubelet>) -> String {
    let Some(Kubelet {
        version,
        active,
        joined,
        endpoint,
    }) = kubelet
    else {
        return "none".to_owned();
    };
    let version = version.as_deref().unwrap_or("of unknown version");
    let active = if *active { "runs" } else { "stopped" };
    let joined = match joined {
        true => "has joined a cluster",
        false => "has joined no cluster",
    };
    let endpoint = match endpoint {
        Some(endpoint) => format!(", uses {endpoint}"),
        None => String::new(),
    };
    format!("{version}, {active}, {joined}{endpoint}")
}

fn dockershim_words(dockershim: &Dockershim) -> String {
    let Dockershim { in_use, why } = dockershim;
    let in_use = match in_use {
        Some(true) => "in use",
        Some(false) => "not in use",
        None => "unknown",
    };
    format!("{in_use}: {why}")
}

fn verdict(out: &mut String, hosts: &[Examined], width: Width) {
    let health = |host: &Examined| match &host.found {
        Found::Health(health) => Some(health.clone()),
        Found::Unreachable(_) => None,
    };
    let reached: Vec<_> = hosts.iter().filter_map(health).collect();
    let hinted = reached
        .iter()
        .filter(|health| !health.hints.is_empty())
        .count();
    let mut text = format!("{}: {} reached", count(hosts.len(), "host"), reached.len());
    if reached.len() < hosts.len() {
        text += &format!(", {} unreachable", hosts.len() - reached.len());
    }
    if hinted > 0 {
        text += &format!(", {hinted} with hints");
    }
    let style = match (reached.len() == hosts.len(), hinted) {
        (false, _) => RED.bold(),
        (true, 0) => GREEN.bold(),
        (true, _) => CYAN.bold(),
    };
    paragraph(out, Line::default(), 4, style, &format!("{text}."), width);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::golden;
    use crate::ui::text::is_hostile;

    fn host(name: &str, found: Found) -> Examined {
        Examined {
            host: name.to_owned(),
            reached: "as ops, with sudo".to_owned(),
            found,
        }
    }

    fn healthy() -> Health {
        Health {
            root: true,
            system: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            kernel: "6.1.0".to_owned(),
            architecture: "x86_64".to_owned(),
            init: Init::Systemd,
            cgroup: CgroupVersion::V2,
            runtimes: vec![Runtime {
                name: "Docker Engine".to_owned(),
                version: Some("20.10.24".to_owned()),
                socket: None,
                active: true,
                trouble: None,
            }],
            kubelet: Some(Kubelet {
                version: Some("v1.23.17".to_owned()),
                active: true,
                joined: true,
                endpoint: None,
            }),
            dockershim: Dockershim {
                in_use: Some(true),
                why: "kubelet v1.23.17 runs without --container-runtime=remote".to_owned(),
            },
            hints: vec!["dockershim is gone in Kubernetes 1.24".to_owned()],
        }
    }

    #[test]
    fn hosts_that_are_alike_are_shown_once_and_nothing_hostile_is() {
        let hostile = Health {
            system: "Debian \x1b[2J\u{202e}".to_owned(),
            runtimes: Vec::new(),
            kubelet: None,
            hints: Vec::new(),
            ..healthy()
        };
        let text = render(
            &[
                host("n1", Found::Health(healthy())),
                host("n2", Found::Health(healthy())),
                host("n3", Found::Health(hostile)),
                host("n4", Found::Unreachable("no route to host".to_owned())),
            ],
            None,
        );
        let text = golden::plain(&text);
        assert!(!text.chars().any(|c| c != '\n' && is_hostile(c)), "{text}");
        for said in [
            "n[1-2]  2 hosts\n",
            "  dockershim  in use: kubelet v1.23.17 runs without",
            "  kubelet     v1.23.17, runs, has joined a cluster\n",
            "n4  UNREACHABLE  no route to host\n",
            "4 hosts: 3 reached, 1 unreachable, 2 with hints.\n",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
}
