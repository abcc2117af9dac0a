//! The field `registries` of containerd: from whom it pulls, as one directory with a `hosts.toml` for each registry.
//!
//! containerd reads these files at each pull, so they need no restart. It tries the hosts in the order of the text, and
//! the registry itself last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{AbsPath, PackageName, ResourceId};
use engine::resource::{Declared, Resource, Sections};
use engine::source::Span;
use engine::spec::Node;
use schemars::JsonSchema;
use serde::Deserialize;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::file::{managed_directory, managed_file};
use crate::runtime::read_authority;
use crate::section::{constant_path, items};

/// Where containerd is told to look for the directories, unless the spec says otherwise.
pub(super) const CONFIG_PATH: &str = "/etc/containerd/certs.d";

/// The directory for registries that have none of their own.
const DEFAULT: &str = "_default";

/// Headers that carry secrets.
const SECRET_HEADERS: [&str; 4] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
];

/// Names of Docker Hub that containerd does not look for.
const NAMES_OF_DOCKER_HUB: [&str; 3] =
    ["hub.docker.com", "index.docker.io", "registry-1.docker.io"];

const HEADER: &str = "# Written by hardstand, which owns this file whole.\n";

/// From whom the images of a registry are pulled.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RegistrySection {
    /// The registry itself, which is asked last, such as `https://registry-1.docker.io`. By default `https://` and the name.
    #[schemars(example = &"https://registry-1.docker.io")]
    #[schemars(extend("x-default" = "`https://` and the name"))]
    server: Option<String>,
    /// Who is asked before it, such as mirrors, in this order.
    hosts: Vec<HostSection>,
}

/// A mirror, or the registry itself with more to say about it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HostSection {
    /// Its URL, such as `https://mirror.example:5000`. User and password must not be in it.
    #[schemars(example = &"https://mirror.example:5000")]
    url: String,
    /// What it is asked for; by default everything. `[pull, resolve]` is right for a mirror that is trusted to know tags.
    #[schemars(example = ["pull", "resolve"], extend("x-default" = "everything"))]
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    capabilities: Vec<Capability>,
    /// The certificate authority that it is checked against, in PEM: a file relative to this spec, which is put beside the
    /// `hosts.toml`; or, with a leading `/`, a file that is on the node already.
    #[schemars(example = &"mirror-ca.pem")]
    #[schemars(extend(
        "x-default" = "those that the node trusts",
        "x-changes" = "`hosts.toml`, and a file beside it"
    ))]
    #[schemars(length(min = 1))]
    ca: Option<String>,
    /// Whether its certificate is not checked at all; checked by default. Whoever is on the way can then replace images.
    #[schemars(extend("x-default" = "`false`"))]
    skip_verify: Option<bool>,
    /// Whether the path of the URL is the whole path of its API, as for a project of Harbor: `https://h.example/v2/project`.
    /// By default `/v2` is added.
    #[schemars(extend("x-default" = "`false`"))]
    override_path: Option<bool>,
    /// Headers of every request, such as `x-region: eu`. Those that carry credentials are refused.
    #[schemars(example = serde_json::json!({ "x-region": "eu" }))]
    #[serde(default)]
    header: BTreeMap<String, String>,
}

/// What a host is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Capability {
    /// Content by its digest.
    Pull,
    /// The digest of a tag.
    Resolve,
    /// Taking new content.
    Push,
}

impl Capability {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Resolve => "resolve",
            Self::Push => "push",
        }
    }
}

/// What all registries of a node have in common.
pub(super) struct Place<'a> {
    /// The directory of their directories.
    pub(super) config_path: AbsPath,
    /// The package that brings the directory above it.
    pub(super) package: Option<&'a PackageName>,
    /// All sections.
    pub(super) sections: &'a Sections<'a>,
}

/// Turns registries into directories and files.
pub(super) fn compile(
    registries: &BTreeMap<String, RegistrySection>,
    node: &Node,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Vec<Declared> {
    let mut declared = Vec::new();
    let Some(all) = node.entry("registries").filter(|_| !registries.is_empty()) else {
        return declared;
    };
    declared.extend(place.directory(&place.config_path, all.key_span));
    for entry in all.node.entries() {
        let Some(registry) = registries.get(&entry.key) else {
            continue;
        };
        if !check_name(&entry.key, entry.key_span, problems) {
            continue;
        }
        check(&entry.key, registry, &entry.node, entry.key_span, problems);
        if let Ok(directory) = place.config_path.join(&entry.key) {
            declared.extend(place.directory(&directory, entry.key_span));
            declared.extend(files(registry, &directory, &entry.node, place, problems));
        }
    }
    declared
}

impl Place<'_> {
    /// Returns a directory, unless the spec has it already.
    fn directory(&self, path: &AbsPath, span: Span) -> Option<Declared> {
        let is_listed = items(self.sections, "directories")
            .iter()
            .any(|node| node.get("path").and_then(Node::text) == Some(path.as_str()));
        let package = self.package.map(|name| ResourceId::new("package", name));
        let directory = package
            .into_iter()
            .fold(managed_directory(path.clone()), |directory, package| {
                directory.after(package)
            });
        (!is_listed).then(|| declare(directory, span))
    }
}

/// Returns the files of a registry: its `hosts.toml`, and the certificate authorities that it names.
fn files(
    registry: &RegistrySection,
    directory: &AbsPath,
    node: &Node,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Vec<Declared> {
    let mut authorities: BTreeMap<AbsPath, (Arc<[u8]>, Span)> = BTreeMap::new();
    let mut paths = Vec::new();
    let nodes = node.get("hosts").map_or(&[][..], Node::items);
    for (host, node) in registry.hosts.iter().zip(nodes) {
        let mut path = None;
        if let Some(ca) = &host.ca {
            let span = node.span_at(&["ca"]);
            path = authority(ca, host, directory, span, place, problems);
            if let Some((path, Some(content))) = &path {
                match authorities.get(path) {
                    Some((known, earlier)) if known != content => problems.push(
                        Diagnostic::error("E266", span, "one host has two certificate authorities")
                            .related(*earlier, "this is the other")
                            .help("put both into one file"),
                    ),
                    _ => {
                        authorities.insert(path.clone(), (content.clone(), span));
                    }
                }
            }
        }
        paths.push(path.map(|(path, _)| path));
    }
    let mut declared = Vec::new();
    if let Ok(path) = directory.join("hosts.toml") {
        let text = text(registry, &paths);
        let mut file = managed_file(path, text.into_bytes());
        for path in authorities.keys() {
            file = file.after(ResourceId::new("file", path));
        }
        declared.push(declare(file, node.span));
    }
    for (path, (content, span)) in authorities {
        declared.push(declare(managed_file(path, content), span));
    }
    declared
}

/// Returns where a certificate authority is on the node, with its content if it comes with the spec.
fn authority(
    ca: &str,
    host: &HostSection,
    directory: &AbsPath,
    span: Span,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<(AbsPath, Option<Arc<[u8]>>)> {
    if ca.starts_with('/') {
        return match ca.parse() {
            Ok(path) => Some((path, None)),
            Err(error) => {
                problems.push(Diagnostic::error("E127", span, format!("{error}")));
                None
            }
        };
    }
    let content = read_authority(ca, span, place.sections, problems)?;
    let name = authority_of(&host.url)?.replace([':', '[', ']'], "_");
    let path = directory.join(&format!("{name}.crt")).ok()?;
    Some((path, Some(content)))
}

/// Returns the text of a `hosts.toml`.
fn text(registry: &RegistrySection, authorities: &[Option<AbsPath>]) -> String {
    let RegistrySection { server, hosts } = registry;
    let mut document = DocumentMut::new();
    if let Some(server) = server {
        document["server"] = value(server);
    }
    let mut tables = Table::new();
    tables.set_implicit(true);
    for (host, ca) in hosts.iter().zip(authorities) {
        tables.insert(&host.url, Item::Table(table(host, ca.as_ref())));
    }
    document.insert("host", Item::Table(tables));
    format!("{HEADER}{document}")
}

fn table(host: &HostSection, authority: Option<&AbsPath>) -> Table {
    let HostSection {
        url: _,
        capabilities,
        ca: _,
        skip_verify,
        override_path,
        header,
    } = host;
    let mut table = Table::new();
    if !capabilities.is_empty() {
        let names: Array = capabilities.iter().map(|one| one.as_str()).collect();
        table["capabilities"] = value(names);
    }
    if let Some(authority) = authority {
        table["ca"] = value(authority.as_str());
    }
    if let Some(skip_verify) = skip_verify {
        table["skip_verify"] = value(*skip_verify);
    }
    if let Some(override_path) = override_path {
        table["override_path"] = value(*override_path);
    }
    if !header.is_empty() {
        let headers: Table = header
            .iter()
            .map(|(name, text)| (name.as_str(), value(text)))
            .collect();
        table["header"] = Item::Table(headers);
    }
    table
}

/// Complains about a name that containerd would not look for.
fn check_name(name: &str, span: Span, problems: &mut Problems) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
    let is_host =
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed);
    if !is_host && name != DEFAULT {
        let message = format!("`{}` is not the name of a registry", name.escape_debug());
        problems.push(
            Diagnostic::error("E127", span, message)
                .help("write its host as in the names of images, such as `docker.io` or `registry.example:5000`, or `_default`"),
        );
        return false;
    }
    if NAMES_OF_DOCKER_HUB.contains(&name) {
        let message = format!(
            "containerd does not look for `{name}`: images of Docker Hub are on `docker.io`"
        );
        problems.push(Diagnostic::warning("W265", span, message).help("write `docker.io`"));
    }
    true
}

fn check(name: &str, registry: &RegistrySection, node: &Node, span: Span, problems: &mut Problems) {
    if registry.server.is_none() && registry.hosts.is_empty() {
        problems.push(
            Diagnostic::error("E265", span, format!("nothing is said of `{name}`"))
                .help("name `hosts`, or `server`"),
        );
    }
    if let Some(server) = &registry.server {
        check_url(server, node.span_at(&["server"]), problems);
    }
    let nodes = node.get("hosts").map_or(&[][..], Node::items);
    let mut seen = BTreeSet::new();
    for (host, node) in registry.hosts.iter().zip(nodes) {
        let span = node.span_at(&["url"]);
        if !seen.insert(&host.url) {
            problems.push(Diagnostic::error("E105", span, "`hosts` lists this twice"));
        }
        check_url(&host.url, span, problems);
        check_headers(&host.header, node, problems);
    }
}

fn check_url(url: &str, span: Span, problems: &mut Problems) {
    let fine = |c: char| c.is_ascii_graphic() && !"\"'\\`?#".contains(c);
    match authority_of(url) {
        Some(authority) if authority.contains('@') => problems.push(
            Diagnostic::error(
                "E261",
                span,
                "a user or password of a registry must not be in a spec",
            )
            .help("use image pull secrets, or a credential provider of the kubelet"),
        ),
        Some(authority) if !authority.is_empty() && url.chars().all(fine) => {}
        Some(_) | None => problems.push(
            Diagnostic::error("E127", span, "this is not the URL of a registry")
                .help("write it as `https://mirror.example:5000`"),
        ),
    }
}

/// Specs and plans are read by many.
fn check_headers(header: &BTreeMap<String, String>, node: &Node, problems: &mut Problems) {
    let token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    for entry in node.get("header").map_or(&[][..], Node::entries) {
        let name = entry.key.as_str();
        let text = header.get(name).map_or("", String::as_str);
        if SECRET_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            problems.push(
                Diagnostic::error(
                    "E261",
                    entry.key_span,
                    format!("the header `{name}` carries credentials"),
                )
                .help("use image pull secrets, or a credential provider of the kubelet"),
            );
        } else if name.is_empty() || !name.chars().all(token) || text.chars().any(char::is_control)
        {
            let message = format!("`{}` is not a header", name.escape_debug());
            problems.push(Diagnostic::error("E127", entry.key_span, message));
        }
    }
}

/// Returns the part of a URL that names the host.
fn authority_of(url: &str) -> Option<&str> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    rest.split(['/', '?', '#']).next()
}

fn declare(resource: impl Resource + 'static, span: Span) -> Declared {
    Declared {
        resource: Box::new(resource),
        span,
        written: Vec::new(),
    }
}

/// Returns the directory that containerd is told about: the one that the spec names, or the usual one if there is anything
/// to put there.
pub(super) fn config_path(
    written: Option<&AbsPath>,
    registries: &BTreeMap<String, RegistrySection>,
) -> Option<AbsPath> {
    let usual = (!registries.is_empty()).then(|| constant_path(CONFIG_PATH));
    written.cloned().or(usual)
}
