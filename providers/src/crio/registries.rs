//! The field `registries` of CRI-O: mirrors, as one drop-in of `/etc/containers/registries.conf.d`, which CRI-O takes up by a
//! reload (containers-registries.conf(5)). Certificate authorities go where containers-certs.d(5) has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{AbsPath, UnitName};
use engine::resource::{Declared, Resource, Sections};
use engine::source::Span;
use engine::spec::Node;
use schemars::JsonSchema;
use serde::Deserialize;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use crate::file::{managed_directory, managed_file};
use crate::runtime::read_authority;
use crate::section::{constant_path, items};

/// The drop-in. The last in order of names wins for a registry.
const DROP_IN: &str = "/etc/containers/registries.conf.d/99-hardstand.conf";

/// Where a directory for each host holds its certificate authority.
const CERTIFICATES: &str = "/etc/containers/certs.d";

const HEADER: &str = "# Written by hardstand, which owns this file whole.\n";

/// From whom the images of a registry are pulled.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RegistrySection {
    /// Where the registry really is, such as `registry.example:5000/hub`, without a scheme; by default where its name says.
    #[schemars(example = &"registry.example:5000/hub", extend("x-default" = "what its name says"))]
    location: Option<String>,
    /// Whether it is asked over HTTP, or over HTTPS with any certificate; not by default. Whoever is on the way can then replace
    /// images.
    #[schemars(extend("x-default" = "`false`"))]
    insecure: Option<bool>,
    /// Whether nothing may be pulled from it; not by default.
    #[schemars(extend("x-default" = "`false`"))]
    blocked: Option<bool>,
    /// Who is asked before it, in this order.
    mirrors: Vec<MirrorSection>,
}

/// A mirror.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MirrorSection {
    /// Where it is, such as `mirror.example:5000/hub`, without a scheme.
    #[schemars(example = &"mirror.example:5000/hub")]
    location: String,
    /// Whether it is asked over HTTP, or over HTTPS with any certificate; not by default.
    #[schemars(extend("x-default" = "`false`"))]
    insecure: Option<bool>,
    /// Which images are asked of it: `all` (as by default), `digest-only` or `tag-only`. Releases of CRI-O
    /// before 2023 may not know it.
    #[schemars(extend("x-default" = "`all`"))]
    pull_from_mirror: Option<PullFromMirror>,
    /// The certificate authority that it is checked against, in PEM: a file relative to this spec, which is put into
    /// /etc/containers/certs.d, below the host's name.
    #[schemars(example = &"mirror-ca.pem")]
    #[schemars(extend(
        "x-default" = "those that the node trusts",
        "x-changes" = "a file in `/etc/containers/certs.d`"
    ))]
    #[schemars(length(min = 1))]
    ca: Option<String>,
}

/// Which images are asked of a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum PullFromMirror {
    /// Those named by digest and by tag.
    All,
    /// Those named by digest.
    DigestOnly,
    /// Those named by tag.
    TagOnly,
}

impl PullFromMirror {
    fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::DigestOnly => "digest-only",
            Self::TagOnly => "tag-only",
        }
    }
}

/// Turns registries into the drop-in, the certificate authorities, and their directories.
pub(super) fn compile(
    registries: &BTreeMap<String, RegistrySection>,
    node: &Node,
    unit: &UnitName,
    sections: &Sections<'_>,
    problems: &mut Problems,
) -> Vec<Declared> {
    let Some(entry) = node.entry("registries").filter(|_| !registries.is_empty()) else {
        return Vec::new();
    };
    let authorities = check(registries, &entry.node, sections, problems);
    let drop_in = constant_path(DROP_IN);
    let mut directories = BTreeMap::new();
    let mut files = Vec::new();
    for (path, (content, span)) in authorities {
        directories.insert(constant_path(CERTIFICATES), span);
        directories.insert(path.parent(), span);
        files.push(declare(managed_file(path, content), span));
    }
    directories.insert(drop_in.parent(), entry.key_span);
    directories.insert(drop_in.parent().parent(), entry.key_span);
    let mut file = managed_file(drop_in, text(registries).into_bytes())
        .read_by(unit.clone())
        .reload_suffices();
    for authority in &files {
        file = file.after(authority.resource.id());
    }
    files.push(declare(file, entry.key_span));
    let mut declared: Vec<_> = directories
        .into_iter()
        .filter(|(path, _)| !is_listed(path, sections))
        .map(|(path, span)| declare(managed_directory(path), span))
        .collect();
    declared.append(&mut files);
    declared
}

fn is_listed(path: &AbsPath, sections: &Sections<'_>) -> bool {
    items(sections, "directories")
        .iter()
        .any(|node| node.get("path").and_then(Node::text) == Some(path.as_str()))
}

/// Returns the text of the drop-in.
fn text(registries: &BTreeMap<String, RegistrySection>) -> String {
    let mut tables = ArrayOfTables::new();
    for (name, registry) in registries {
        let RegistrySection {
            location,
            insecure,
            blocked,
            mirrors,
        } = registry;
        let mut table = Table::new();
        table["prefix"] = value(name);
        if let Some(location) = location {
            table["location"] = value(location);
        }
        for (key, flag) in [("insecure", insecure), ("blocked", blocked)] {
            if let Some(flag) = flag {
                table[key] = value(*flag);
            }
        }
        if !mirrors.is_empty() {
            let mirrors: ArrayOfTables = mirrors.iter().map(mirror).collect();
            table["mirror"] = Item::ArrayOfTables(mirrors);
        }
        tables.push(table);
    }
    let mut document = DocumentMut::new();
    document.insert("registry", Item::ArrayOfTables(tables));
    format!("{HEADER}{document}")
}

fn mirror(mirror: &MirrorSection) -> Table {
    let MirrorSection {
        location,
        insecure,
        pull_from_mirror,
        ca: _,
    } = mirror;
    let mut table = Table::new();
    table["location"] = value(location);
    if let Some(insecure) = insecure {
        table["insecure"] = value(*insecure);
    }
    if let Some(which) = pull_from_mirror {
        table["pull-from-mirror"] = value(which.as_str());
    }
    table
}

/// The certificate authorities by where they go, each with its content and its place in the spec.
type Authorities = BTreeMap<AbsPath, (Arc<[u8]>, Span)>;

/// Complains about what the schema cannot tell, and returns the certificate authorities.
fn check(
    registries: &BTreeMap<String, RegistrySection>,
    node: &Node,
    sections: &Sections<'_>,
    problems: &mut Problems,
) -> Authorities {
    let mut authorities = Authorities::new();
    for entry in node.entries() {
        let Some(registry) = registries.get(&entry.key) else {
            continue;
        };
        let name = entry.key.strip_prefix("*.").unwrap_or(&entry.key);
        check_location(name, entry.key_span, problems);
        if let Some(location) = &registry.location {
            check_location(location, entry.node.span_at(&["location"]), problems);
        }
        let RegistrySection {
            location,
            insecure,
            blocked,
            mirrors,
        } = registry;
        if location.is_none() && insecure.is_none() && blocked.is_none() && mirrors.is_empty() {
            problems.push(
                Diagnostic::error(
                    "E265",
                    entry.key_span,
                    format!("nothing is said of `{}`", entry.key),
                )
                .help("name `mirrors`, or `location`"),
            );
        }
        let nodes = entry.node.get("mirrors").map_or(&[][..], Node::items);
        for (mirror, node) in mirrors.iter().zip(nodes) {
            check_location(&mirror.location, node.span_at(&["location"]), problems);
            if let Some(ca) = &mirror.ca {
                let span = node.span_at(&["ca"]);
                let content = read_authority(ca, span, sections, problems);
                let path = content.and_then(|content| Some((path_of(mirror)?, content)));
                if let Some((path, content)) = path {
                    add(path, (content, span), &mut authorities, problems);
                }
            }
        }
    }
    authorities
}

fn path_of(mirror: &MirrorSection) -> Option<AbsPath> {
    let host = mirror.location.split('/').next()?;
    constant_path(CERTIFICATES)
        .join(host)
        .and_then(|directory| directory.join("hardstand.crt"))
        .ok()
}

fn add(
    path: AbsPath,
    (content, span): (Arc<[u8]>, Span),
    authorities: &mut Authorities,
    problems: &mut Problems,
) {
    match authorities.get(&path) {
        Some((known, earlier)) if *known != content => problems.push(
            Diagnostic::error("E266", span, "one host has two certificate authorities")
                .related(*earlier, "this is the other")
                .help("put both into one file"),
        ),
        _ => {
            authorities.insert(path, (content, span));
        }
    }
}

fn check_location(location: &str, span: Span, problems: &mut Problems) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:/".contains(c);
    let fine = location.starts_with(|c: char| c.is_ascii_alphanumeric())
        && location.chars().all(allowed)
        && !location.contains("//")
        && !location.ends_with('/');
    if fine {
        return;
    }
    let message = format!("`{}` is not where a registry is", location.escape_debug());
    problems.push(
        Diagnostic::error("E127", span, message)
            .help("write it as `mirror.example:5000/hub`, without a scheme, user or password"),
    );
}

fn declare(resource: impl Resource + 'static, span: Span) -> Declared {
    Declared {
        resource: Box::new(resource),
        span,
        written: Vec::new(),
    }
}
