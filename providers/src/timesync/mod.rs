//! The `timeSync` section: one daemon that keeps the node's clock, with its package, its unit, and its servers.
//!
//! Certificates, leases and logs go wrong on nodes whose clocks differ. Two daemons would fight for the clock, and Debian's
//! packages of them exclude each other, so the other one's package is removed first, in the open.

#[cfg(test)]
mod tests;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{AbsPath, PackageName, ResourceId};
use engine::resource::{Declared, Provider, Resource, Section, Sections};
use engine::source::Span;
use engine::spec::Node;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::file::{managed_directory, managed_file};
use crate::package::PackageResource;
use crate::runtime::{decode, listed_package};
use crate::section::{constant_path, items, notifies, schema};
use crate::service::{DEFAULT_GATE, UnitOwner, service_for};

/// What keeps the clock of the node. Exactly one is chosen.
//
// Its schema is what matters: the chosen daemon is read by itself.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-hardstand-one-of" = true))]
#[schemars(extend(
    "x-changes" = "the packages `chrony` and `systemd-timesyncd`, and the unit of the one that is chosen",
    "x-disrupts" = "nothing that pods notice"
))]
struct TimeSyncSection {
    /// chrony: the package `chrony` is installed, `systemd-timesyncd` is removed, and `chrony.service` is enabled and runs.
    chrony: Option<ChronySection>,
    /// systemd's own: the package `systemd-timesyncd` is installed, `chrony` is removed, and `systemd-timesyncd.service` is
    /// enabled and runs. It does not start in containers.
    timesyncd: Option<TimesyncdSection>,
}

/// How chrony is configured.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ChronySection {
    /// Time servers, in /etc/chrony/sources.d/hardstand.sources. They are used besides those that /etc/chrony/chrony.conf
    /// names; that file is left alone. A change restarts chrony, which pods do not notice.
    #[schemars(example = ["ntp.example"])]
    #[schemars(extend(
        "x-changes" = "`/etc/chrony/sources.d/hardstand.sources`",
        "x-disrupts" = "chrony restarts; pods stay"
    ))]
    servers: Vec<String>,
}

/// How systemd-timesyncd is configured.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct TimesyncdSection {
    /// Time servers, in /etc/systemd/timesyncd.conf.d/hardstand.conf, in place of those that other files name. A change
    /// restarts systemd-timesyncd, which pods do not notice.
    #[schemars(example = ["ntp.example"])]
    #[schemars(extend(
        "x-changes" = "`/etc/systemd/timesyncd.conf.d/hardstand.conf`",
        "x-disrupts" = "systemd-timesyncd restarts; pods stay"
    ))]
    servers: Vec<String>,
}

/// A daemon that keeps the clock.
struct Daemon {
    package: &'static str,
    unit: &'static str,
    /// The file that names its servers.
    servers: &'static str,
    /// The package that cannot be there beside it.
    rival: &'static str,
    /// Its text.
    text: fn(&[String]) -> String,
    /// The directory of the file does not come with the package.
    makes_directory: bool,
}

const CHRONY: Daemon = Daemon {
    package: "chrony",
    unit: "chrony.service",
    servers: "/etc/chrony/sources.d/hardstand.sources",
    rival: "systemd-timesyncd",
    text: chrony_sources,
    makes_directory: false,
};

const TIMESYNCD: Daemon = Daemon {
    package: "systemd-timesyncd",
    unit: "systemd-timesyncd.service",
    servers: "/etc/systemd/timesyncd.conf.d/hardstand.conf",
    rival: "chrony",
    text: timesyncd_drop_in,
    makes_directory: true,
};

const HEADER: &str = "# Written by hardstand, which owns this file whole.\n";

/// Owns `timeSync`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeSync;

impl Provider for TimeSync {
    fn sections(&self) -> Vec<Section> {
        vec![Section {
            name: "timeSync",
            schema: schema::<TimeSyncSection>(),
        }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[]
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        let Some(entry) = sections
            .all
            .get("timeSync")
            .and_then(|node| node.entries().first())
        else {
            return Vec::new();
        };
        let node = &entry.node;
        let (daemon, servers) = match entry.key.as_str() {
            "chrony" => (
                CHRONY,
                decode(node, problems).map(|ChronySection { servers }| servers),
            ),
            _ => (
                TIMESYNCD,
                decode(node, problems).map(|TimesyncdSection { servers }| servers),
            ),
        };
        let Some(servers) = servers else {
            return Vec::new();
        };
        check_servers(&servers, node, problems);
        let mut declared = packages(&daemon, entry.key_span, sections, problems);
        if !servers.is_empty() {
            declared.extend(files(&daemon, &servers, entry.key_span, sections));
        }
        declared.push(service(&daemon, &servers, entry.key_span, sections));
        declared
    }
}

/// Returns the package of the daemon, and that of the other one, which goes first: apt is not let to remove one package for
/// another on its own.
fn packages(
    daemon: &Daemon,
    span: Span,
    sections: &Sections<'_>,
    problems: &mut Problems,
) -> Vec<Declared> {
    let mut declared = Vec::new();
    if let Some(node) = listed(daemon.rival, sections) {
        if node.get("state").and_then(Node::text) != Some("absent") {
            let message = format!(
                "`{}` cannot be installed beside `{}`",
                daemon.rival, daemon.package
            );
            problems.push(
                Diagnostic::error("E264", node.span, message)
                    .related(span, format!("`{}` is chosen here", daemon.package))
                    .help("keep one of the two"),
            );
        }
    } else {
        let package = ResourceId::new("package", daemon.package);
        declared.push(Declared {
            resource: Box::new(PackageResource::absent(
                package_name(daemon.rival),
                sections,
            )),
            span,
            written: vec![(notifies(package), span)],
        });
    }
    if listed_package(sections, &[daemon.package]).is_none() {
        declared.push(declare(
            PackageResource::installed(package_name(daemon.package), sections),
            span,
        ));
    }
    declared
}

/// Returns what `packages` says of a package.
fn listed<'a>(name: &str, sections: &Sections<'a>) -> Option<&'a Node> {
    items(sections, "packages").iter().find(|item| {
        let named = item.get("name").unwrap_or(item);
        named.text() == Some(name)
    })
}

/// Returns the file that names the servers, and its directory where no package brings it.
fn files(
    daemon: &Daemon,
    servers: &[String],
    span: Span,
    sections: &Sections<'_>,
) -> Vec<Declared> {
    let path = constant_path(daemon.servers);
    let unit = daemon.unit.parse().expect("a valid unit name");
    let mut declared = Vec::new();
    let is_listed = |path: &AbsPath| {
        items(sections, "directories")
            .iter()
            .any(|node| node.get("path").and_then(Node::text) == Some(path.as_str()))
    };
    if daemon.makes_directory && !is_listed(&path.parent()) {
        declared.push(declare(managed_directory(path.parent()), span));
    }
    let text = format!("{HEADER}{}", (daemon.text)(servers));
    let file = managed_file(path, text.into_bytes())
        .read_by(unit)
        .after(ResourceId::new("package", daemon.package));
    declared.push(declare(file, span));
    declared
}

fn chrony_sources(servers: &[String]) -> String {
    let lines = servers
        .iter()
        .map(|server| format!("server {server} iburst\n"));
    lines.collect()
}

/// An empty assignment forgets what other files name.
fn timesyncd_drop_in(servers: &[String]) -> String {
    format!("[Time]\nNTP=\nNTP={}\n", servers.join(" "))
}

/// Returns the unit: enabled and running, unless `services` wishes otherwise. Its package may have left it masked when it was
/// removed earlier.
fn service(daemon: &Daemon, servers: &[String], span: Span, sections: &Sections<'_>) -> Declared {
    let owner = UnitOwner {
        unit: daemon.unit.parse().expect("a valid unit name"),
        span,
        configs: match servers.is_empty() {
            true => Vec::new(),
            false => vec![constant_path(daemon.servers)],
        },
        gate: DEFAULT_GATE,
    };
    let mut owned = service_for(owner, sections);
    let service = &mut owned.resource;
    service.wishes.enabled.get_or_insert(true);
    service.wishes.active.get_or_insert(true);
    service.wishes.masked.get_or_insert(false);
    service
        .after
        .push(ResourceId::new("package", daemon.package));
    owned.declared()
}

/// Both files take names and addresses separated by space, and both would take more for an option.
fn check_servers(servers: &[String], node: &Node, problems: &mut Problems) {
    let places = node.get("servers").map_or(&[][..], Node::items);
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    for (index, server) in servers.iter().enumerate() {
        if !server.is_empty() && !server.starts_with('-') && server.chars().all(allowed) {
            continue;
        }
        let span = places.get(index).map_or(node.span, |place| place.span);
        let message = format!("`{}` is not a time server", server.escape_debug());
        problems.push(
            Diagnostic::error("E127", span, message)
                .help("write a host name or an address, without options"),
        );
    }
}

fn package_name(name: &str) -> PackageName {
    name.parse().expect("a valid package name")
}

fn declare(resource: impl Resource + 'static, span: Span) -> Declared {
    Declared {
        resource: Box::new(resource),
        span,
        written: Vec::new(),
    }
}
