//! The section `repositories` as written, and what is wrong with it before any host is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{RepositoryName, ResourceId};
use engine::resource::{Declared, Sections};
use engine::source::Span;
use engine::spec::Node;
use schemars::JsonSchema;
use serde::Deserialize;

use super::definition::{Apt, Definition, Rpm};
use super::resource::{IndexResource, RepositoryResource};
use crate::runtime::KubernetesVersion;
use crate::section::{check_not_managed, decode, files_below, items, written};

/// A repository: its name, and exactly one of `apt`, `rpm`, `kubernetes` and `crio`. Its files are the resource
/// `repository/NAME`; when they change, its package lists, `index/NAME`, are fetched; all packages come after that.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RepositoryEntry {
    /// Its name, and that of its files: `/etc/apt/sources.list.d/NAME.sources` and `/etc/apt/keyrings/NAME.asc`, or
    /// `/etc/yum.repos.d/NAME.repo` and `/etc/pki/rpm-gpg/RPM-GPG-KEY-NAME`.
    #[schemars(example = &"kubernetes")]
    name: RepositoryName,
    /// A repository of Debian packages; for hosts with apt only.
    apt: Option<AptEntry>,
    /// A repository of RPM packages; for hosts with dnf only.
    rpm: Option<RpmEntry>,
    /// The repository of Kubernetes itself, `pkgs.k8s.io`, for the minor version in `kubernetes.version`: there is one for
    /// each. It suits hosts with apt and with dnf.
    kubernetes: Option<KeyEntry>,
    /// The repository of CRI-O (`isv:/cri-o:/stable:`), for the minor version in `kubernetes.version`. It suits hosts with
    /// apt and with dnf.
    crio: Option<KeyEntry>,
    /// Resources that come first.
    #[serde(default)]
    requires: Vec<ResourceId>,
    /// Resources that take notice when the repository changes.
    #[serde(default)]
    notifies: Vec<ResourceId>,
}

/// A repository of Debian packages.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AptEntry {
    /// Where it is, such as `https://download.docker.com/linux/debian`: http, https or file.
    #[schemars(example = &"https://download.docker.com/linux/debian")]
    uri: String,
    /// The suite, such as `bookworm`; one that ends in `/` is a path, and has no components.
    #[schemars(example = &"bookworm")]
    suite: String,
    /// The components, such as `[main]`.
    #[schemars(example = ["main"])]
    #[serde(default)]
    components: Vec<String>,
    /// The public key that signs it, as text in ASCII armour. Write either this or `keyFile`.
    #[schemars(example = &"-----BEGIN PGP PUBLIC KEY BLOCK-----…")]
    #[schemars(extend("x-default" = "none: `keyFile`"))]
    key: Option<String>,
    /// A file with the key in ASCII armour, relative to this spec and below its directory.
    #[schemars(example = &"keys/repository.asc", extend("x-default" = "none: `key`"))]
    key_file: Option<String>,
}

/// A repository of RPM packages.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RpmEntry {
    /// Where the directory `repodata` is, such as `https://download.docker.com/linux/rhel/9/x86_64/stable`: http, https or
    /// file. dnf's variables, such as `$releasever`, may be in it.
    #[schemars(example = &"https://download.docker.com/linux/rhel/9/x86_64/stable")]
    base_url: String,
    /// The public key that signs its packages, as text in ASCII armour. Write either this or `keyFile`.
    #[schemars(example = &"-----BEGIN PGP PUBLIC KEY BLOCK-----…")]
    #[schemars(extend("x-default" = "none: `keyFile`"))]
    key: Option<String>,
    /// A file with the key in ASCII armour, relative to this spec and below its directory.
    #[schemars(example = &"keys/repository.asc", extend("x-default" = "none: `key`"))]
    key_file: Option<String>,
}

/// A repository that is known but for its key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyEntry {
    /// The public key that signs it, as text in ASCII armour: its `Release.key`. Write either this or `keyFile`.
    #[schemars(example = &"-----BEGIN PGP PUBLIC KEY BLOCK-----…")]
    #[schemars(extend("x-default" = "none: `keyFile`"))]
    key: Option<String>,
    /// A file with the key in ASCII armour, relative to this spec and below its directory.
    #[schemars(example = &"keys/repository.asc", extend("x-default" = "none: `key`"))]
    key_file: Option<String>,
}

/// Turns the section into resources.
pub(super) fn compile(sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
    let mut taken: BTreeMap<RepositoryName, Span> = BTreeMap::new();
    let mut declared = Vec::new();
    for node in items(sections, "repositories") {
        let Some(entry) = decode::<RepositoryEntry>(node, problems) else {
            continue;
        };
        let span = node.span_at(&["name"]);
        if let Some(earlier) = taken.insert(entry.name.clone(), span) {
            problems.push(
                Diagnostic::error("E201", span, format!("`{}` is managed twice", entry.name))
                    .related(earlier, "it is managed here already")
                    .help("keep one of the two"),
            );
            continue;
        }
        declared.extend(
            repository(entry, node, sections, problems)
                .into_iter()
                .flatten(),
        );
    }
    declared
}

fn repository(
    entry: RepositoryEntry,
    node: &Node,
    sections: &Sections<'_>,
    problems: &mut Problems,
) -> Option<[Declared; 2]> {
    let (field, definition, key, key_file) = definition(&entry, node, sections, problems)?;
    let key = read_key(
        (key, key_file),
        (node.get(field)?, node),
        sections,
        problems,
    )?;
    let RepositoryEntry {
        name,
        requires,
        notifies,
        ..
    } = entry;
    let resource = RepositoryResource {
        definition,
        key,
        // What removes an old definition of the same repository comes first.
        after: files_below(sections, &["/etc/apt/sources.list.d", "/etc/yum.repos.d"]),
        name,
    };
    for file in resource.paths() {
        let by = ("repositories", node.span_at(&["name"]));
        check_not_managed(sections, &file, by, problems);
    }
    let index = IndexResource {
        name: resource.name.clone(),
    };
    Some([
        Declared {
            span: node.span,
            written: written(node, &requires, &notifies),
            resource: Box::new(resource),
        },
        Declared {
            span: node.span,
            written: Vec::new(),
            resource: Box::new(index),
        },
    ])
}

/// The field that is written, what it defines, and the key as text and as a file.
type Defined = (&'static str, Definition, Option<String>, Option<String>);

fn definition(
    entry: &RepositoryEntry,
    node: &Node,
    sections: &Sections<'_>,
    problems: &mut Problems,
) -> Option<Defined> {
    let name = &entry.name;
    let minor = |field: &str, published: fn(u32) -> Definition, problems: &mut Problems| {
        let version = kubernetes(sections);
        if version.is_none() {
            let message = format!("`{name}` has no version to be for");
            problems.push(
                Diagnostic::error("E281", node.span_at(&[field]), message)
                    .help("write `kubernetes: { version: \"1.31\" }`; there is one repository for each minor version"),
            );
        }
        version.map(|version| published(version.minor()))
    };
    match (&entry.apt, &entry.rpm, &entry.kubernetes, &entry.crio) {
        (Some(apt), None, None, None) => {
            check_apt(apt, node, problems)?;
            let definition = Definition::Apt(Apt {
                uri: apt.uri.clone(),
                suite: apt.suite.clone(),
                components: apt.components.clone(),
            });
            Some(("apt", definition, apt.key.clone(), apt.key_file.clone()))
        }
        (None, Some(rpm), None, None) => {
            check_url(&rpm.base_url, node.span_at(&["rpm", "baseUrl"]), problems)?;
            let definition = Definition::Rpm(Rpm {
                base_url: rpm.base_url.clone(),
            });
            Some(("rpm", definition, rpm.key.clone(), rpm.key_file.clone()))
        }
        (None, None, Some(key), None) => {
            let definition = minor("kubernetes", Definition::Kubernetes, problems)?;
            if kubernetes(sections).is_some_and(|version| version.minor() < 24) {
                let message = "pkgs.k8s.io has nothing before Kubernetes 1.24";
                let span = node.span_at(&["kubernetes"]);
                problems.push(
                    Diagnostic::error("E281", span, message)
                        .help("older packages are nowhere to be had any more: mirror them, and write `apt` or `rpm`"),
                );
                return None;
            }
            Some((
                "kubernetes",
                definition,
                key.key.clone(),
                key.key_file.clone(),
            ))
        }
        (None, None, None, Some(key)) => {
            let definition = minor("crio", Definition::Crio, problems)?;
            Some(("crio", definition, key.key.clone(), key.key_file.clone()))
        }
        _ => {
            let message = format!("`{name}` is not exactly one kind of repository");
            problems.push(
                Diagnostic::error("E280", node.span, message)
                    .help("write one of `apt`, `rpm`, `kubernetes` and `crio`"),
            );
            None
        }
    }
}

fn kubernetes(sections: &Sections<'_>) -> Option<KubernetesVersion> {
    let version = sections.all.get("kubernetes")?.get("version")?;
    version.text()?.parse().ok()
}

fn check_apt(apt: &AptEntry, node: &Node, problems: &mut Problems) -> Option<()> {
    check_url(&apt.uri, node.span_at(&["apt", "uri"]), problems)?;
    let is_word = |text: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/~+:".contains(c);
        !text.is_empty() && !text.starts_with('-') && text.chars().all(allowed)
    };
    let suite = node.span_at(&["apt", "suite"]);
    let components = node.span_at(&["apt", "components"]);
    let is_path = apt.suite.ends_with('/');
    let (span, message, help) = if !is_word(&apt.suite) {
        let message = format!("`{}` is no suite", apt.suite.escape_debug());
        (
            suite,
            message,
            "write one such as `bookworm`, or a path that ends in `/`",
        )
    } else if let Some(odd) = apt.components.iter().find(|word| !is_word(word)) {
        let message = format!("`{}` is no component", odd.escape_debug());
        (components, message, "write one such as `main`")
    } else if is_path && !apt.components.is_empty() {
        let message = format!("the suite `{}` is a path, and has no components", apt.suite);
        (components, message, "leave `components` out")
    } else if !is_path && apt.components.is_empty() {
        let message = format!("the suite `{}` has no components", apt.suite);
        (
            suite,
            message,
            "add `components`, such as `[main]`, or end the suite in `/` if it is a path",
        )
    } else {
        return Some(());
    };
    problems.push(Diagnostic::error("E282", span, message).help(help));
    None
}

fn check_url(url: &str, span: Span, problems: &mut Problems) -> Option<()> {
    let rest = ["https://", "http://", "file:///"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let is_plain = url
        .chars()
        .all(|c| c.is_ascii_graphic() && !"\"'\\[]<>#".contains(c));
    let (code, message, help) = match rest {
        Some(rest) if is_plain && !rest.is_empty() => {
            let authority = rest.split('/').next().unwrap_or("");
            if !authority.contains('@') {
                return Some(());
            }
            // The text is not repeated: it holds a secret.
            (
                "E261",
                "the address of the repository holds a user or a password".to_owned(),
                "leave them out: the file on the host can be read by everybody. apt reads them from \
                 /etc/apt/auth.conf.d, dnf from a file of its own",
            )
        }
        _ => (
            "E282",
            format!(
                "`{}` is not the address of a repository",
                url.escape_debug()
            ),
            "write `https://…`, `http://…` or `file:///…`",
        ),
    };
    problems.push(Diagnostic::error(code, span, message).help(help));
    None
}

/// Returns the key, which must be a public one in ASCII armour.
fn read_key(
    (text, file): (Option<String>, Option<String>),
    (node, entry): (&Node, &Node),
    sections: &Sections<'_>,
    problems: &mut Problems,
) -> Option<Arc<[u8]>> {
    let (key, span): (Arc<[u8]>, Span) = match (text, file) {
        (Some(text), None) => (text.into_bytes().into(), node.span_at(&["key"])),
        (None, Some(file)) => {
            let span = node.span_at(&["keyFile"]);
            let spec = &sections.sources.file(span.source).name;
            match sections.files.read(spec, &file) {
                Ok(bytes) => (bytes, span),
                Err(error) => {
                    problems.push(error.at(span));
                    return None;
                }
            }
        }
        (text, _) => {
            let count = if text.is_some() { "both" } else { "neither" };
            let joined = if text.is_some() { "and" } else { "nor" };
            let message = format!("the repository has {count} `key` {joined} `keyFile`");
            problems.push(Diagnostic::error("E210", entry.span, message).help("write one of them"));
            return None;
        }
    };
    let (code, message, help) = match std::str::from_utf8(&key) {
        Ok(text) if text.contains("PRIVATE KEY BLOCK") => (
            "E261",
            "the key of the repository is a private one",
            "write the public key: `gpg --armor --export`. Take the private one out of version control, and replace it",
        ),
        Ok(text) if text.contains(BEGIN) && text.contains(END) => return Some(key),
        _ => (
            "E283",
            "the key of the repository is not a public key in ASCII armour",
            "it begins with `-----BEGIN PGP PUBLIC KEY BLOCK-----`; `gpg --enarmor` makes one of a binary key",
        ),
    };
    problems.push(Diagnostic::error(code, span, message).help(help));
    None
}

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
