//! The `files` and `directories` sections as written, and what is wrong with them before any host is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{AbsPath, FileMode, ResourceId, UnitName, UserName};
use engine::resource::{Declared, Resource, Sections};
use engine::source::Span;
use engine::spec::Node;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resource::AbsentFile;
use super::target::{FileTarget, root};
use super::{DirectoryResource, FileResource};
use crate::section::{decode, items, written};

/// Places that are no managed location, with why.
const DENIED: [(&str, &str); 10] = [
    ("/proc", "it shows the kernel's state; use `sysctls`"),
    ("/sys", "it shows the kernel's state"),
    ("/dev", "it holds devices"),
    ("/run", "it is gone after a reboot"),
    ("/var/run", "it is gone after a reboot"),
    ("/var/lib/hardstand", "it holds what hardstand itself keeps"),
    ("/etc/passwd", "packages add their users to it"),
    ("/etc/shadow", "packages add their users to it"),
    ("/etc/group", "packages add their groups to it"),
    ("/etc/gshadow", "packages add their groups to it"),
];

/// The mode of a file that says nothing of it.
const FILE_MODE: FileMode = FileMode::new(0o644);

/// The mode of a directory that says nothing of it.
const DIRECTORY_MODE: FileMode = FileMode::new(0o755);

/// Whether something should exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum State {
    /// It should exist.
    #[default]
    Present,
    /// It should not exist.
    Absent,
}

/// A file with its whole content.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FileEntry {
    /// Where the file stands: an absolute path whose directory exists or is among `directories`. Links are not followed.
    #[schemars(example = &"/etc/motd")]
    path: AbsPath,
    /// The whole content. Write either this or `source`.
    #[schemars(example = &"Welcome\n", extend("x-default" = "none: `source`"))]
    content: Option<String>,
    /// A file with the content, relative to this spec and below its directory, at most 1 MiB.
    #[schemars(example = &"files/motd", extend("x-default" = "none: `content`"))]
    source: Option<String>,
    /// Permission bits as quoted octal digits; default "0644". Setuid, setgid and sticky bits are refused.
    #[schemars(example = &"0600", extend("default" = FILE_MODE))]
    mode: Option<FileMode>,
    /// Owner; default root.
    #[schemars(example = &"root", extend("default" = root()))]
    owner: Option<UserName>,
    /// Group; default root.
    #[schemars(example = &"root", extend("default" = root()))]
    group: Option<UserName>,
    /// `present` (the default), or `absent`: the file is removed, with a copy in the backup of the run.
    #[serde(default)]
    state: State,
    /// Resources that come first, such as `package/chrony`.
    #[serde(default)]
    requires: Vec<ResourceId>,
    /// Resources that take notice when the file changes, such as `service/chrony.service`, which restarts.
    #[serde(default)]
    notifies: Vec<ResourceId>,
}

/// A directory.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DirectoryEntry {
    /// Where the directory stands: an absolute path whose parent exists or is among `directories`.
    #[schemars(example = &"/opt/cni/bin")]
    path: AbsPath,
    /// Permission bits as quoted octal digits; default "0755". They do not apply to what is inside.
    #[schemars(example = &"0700", extend("default" = DIRECTORY_MODE))]
    mode: Option<FileMode>,
    /// Owner; default root.
    #[schemars(example = &"root", extend("default" = root()))]
    owner: Option<UserName>,
    /// Group; default root.
    #[schemars(example = &"root", extend("default" = root()))]
    group: Option<UserName>,
    /// `present` (the default), or `absent`: the directory is removed if it is empty.
    #[serde(default)]
    state: State,
    /// Resources that come first.
    #[serde(default)]
    requires: Vec<ResourceId>,
    /// Resources that take notice when the directory changes.
    #[serde(default)]
    notifies: Vec<ResourceId>,
}

/// What a path is taken for, and where.
type Taken = BTreeMap<AbsPath, (&'static str, Span)>;

/// Turns both sections into resources.
pub(super) fn compile(sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
    let mut taken = Taken::new();
    let mut declared = Vec::new();
    for node in items(sections, "directories") {
        let Some(entry) = decode::<DirectoryEntry>(node, problems) else {
            continue;
        };
        take(&entry.path, "a directory", node, &mut taken, problems);
        declared.push(Declared {
            span: node.span,
            written: written(node, &entry.requires, &entry.notifies),
            resource: Box::new(directory(entry)),
        });
    }
    for node in items(sections, "files") {
        let Some(entry) = decode::<FileEntry>(node, problems) else {
            continue;
        };
        let place = match entry.state {
            State::Present => "a file",
            State::Absent => "absent",
        };
        take(&entry.path, place, node, &mut taken, problems);
        let written = written(node, &entry.requires, &entry.notifies);
        if let Some(resource) = file(entry, node, sections, problems) {
            declared.push(Declared {
                span: node.span,
                written,
                resource,
            });
        }
    }
    check_nesting(&taken, problems);
    declared
}

fn directory(entry: DirectoryEntry) -> DirectoryResource {
    let directory = DirectoryResource::new(entry.path).attributes(
        entry.mode.unwrap_or(DIRECTORY_MODE),
        entry.owner.unwrap_or_else(root),
        entry.group.unwrap_or_else(root),
    );
    match entry.state {
        State::Present => directory,
        State::Absent => directory.absent(),
    }
}

fn file(
    entry: FileEntry,
    node: &Node,
    sections: &Sections<'_>,
    problems: &mut Problems,
) -> Option<Box<dyn Resource>> {
    let target = FileTarget {
        mode: entry.mode.unwrap_or(FILE_MODE),
        owner: entry.owner.clone().unwrap_or_else(root),
        group: entry.group.clone().unwrap_or_else(root),
        read_by: units(&entry.notifies),
        after: entry.requires.clone(),
        ..FileTarget::new(entry.path.clone())
    };
    match entry.state {
        State::Present => {
            let content = content(&entry, node, sections, problems)?;
            check_no_secret(&entry.path, &content, node, problems);
            Some(Box::new(FileResource::new(target, content)))
        }
        State::Absent => {
            if let Some(field) = ["content", "source"]
                .iter()
                .find_map(|field| node.entry(field))
            {
                let message = format!("`{}` has `{}` but is absent", entry.path, field.key);
                problems.push(Diagnostic::error("E238", field.key_span, message));
            }
            Some(Box::new(AbsentFile { target }))
        }
    }
}

/// Returns the units among resources.
fn units(resources: &[ResourceId]) -> Vec<UnitName> {
    resources
        .iter()
        .filter(|resource| resource.kind() == "service")
        .filter_map(|resource| resource.name().parse().ok())
        .collect()
}

fn content(
    entry: &FileEntry,
    node: &Node,
    sections: &Sections<'_>,
    problems: &mut Problems,
) -> Option<Arc<[u8]>> {
    match (&entry.content, &entry.source) {
        (Some(content), None) => Some(content.as_bytes().into()),
        (None, Some(source)) => {
            let span = node.span_at(&["source"]);
            let spec = &sections.sources.file(span.source).name;
            match sections.files.read(spec, source) {
                Ok(bytes) => Some(bytes),
                Err(error) => {
                    problems.push(error.at(span));
                    None
                }
            }
        }
        (content, _) => {
            let message = if content.is_some() {
                format!("`{}` has both `content` and `source`", entry.path)
            } else {
                format!("`{}` has neither `content` nor `source`", entry.path)
            };
            problems.push(Diagnostic::error("E210", node.span, message).help("write one of them"));
            None
        }
    }
}

/// Complains about a content that gives itself away as a secret: specs are in version control, and plans and diffs show it.
fn check_no_secret(path: &AbsPath, content: &[u8], node: &Node, problems: &mut Problems) {
    let text = String::from_utf8_lossy(content);
    let what = if text.contains("PRIVATE KEY-----") {
        "a private key"
    } else if text.contains("\"auths\"") && text.contains("\"auth\"") {
        "credentials of a registry"
    } else {
        return;
    };
    // The place of the path: a complaint shows the line it is about.
    let span = node.span_at(&["path"]);
    let message = format!("`{path}` would hold {what}, which plans and diffs would show");
    problems.push(
        Diagnostic::error("E231", span, message)
            .help("put it on the node by other means, and leave the file out of the spec"),
    );
}

/// Notes what a path is, and complains if it is taken or no managed location.
fn take(
    path: &AbsPath,
    what: &'static str,
    node: &Node,
    taken: &mut Taken,
    problems: &mut Problems,
) {
    let span = node.span_at(&["path"]);
    let denied = DENIED.iter().find(|(denied, _)| is_within(path, denied));
    if let Some((place, why)) = denied {
        let message = format!("`{path}` is not a managed location");
        let place = match path.as_str() == *place {
            true => String::new(),
            false => format!("below `{place}`: "),
        };
        problems.push(Diagnostic::error("E205", span, message).help(format!("{place}{why}")));
    }
    if path.as_str() == "/" {
        problems.push(Diagnostic::error(
            "E205",
            span,
            "`/` is not a managed location",
        ));
    }
    if path.as_str().contains(['*', '?']) {
        let message = format!("`{path}` is a pattern, and a path is taken as it is written");
        problems.push(Diagnostic::error("E205", span, message).help("write each path by itself"));
    }
    for field in ["owner", "group"] {
        if node.get(field).and_then(Node::text) == Some("0") {
            let message = format!("`{field}` is written as a number that has a name");
            problems.push(
                Diagnostic::error("E209", node.span_at(&[field]), message).help("write `root`"),
            );
        }
    }
    if let Some((_, earlier)) = taken.get(path) {
        problems.push(
            Diagnostic::error("E201", span, format!("`{path}` is managed twice"))
                .related(*earlier, "it is managed here already")
                .help("keep one of the two"),
        );
        return;
    }
    taken.insert(path.clone(), (what, span));
}

/// Complains about paths below a path that is no directory.
fn check_nesting(taken: &Taken, problems: &mut Problems) {
    for (path, (_, span)) in taken {
        let above = std::iter::successors(Some(path.parent()), |path| Some(path.parent()))
            .take_while(|path| path.as_str() != "/")
            .find_map(|above| Some((taken.get(&above)?, above)))
            .filter(|((what, _), _)| *what != "a directory");
        if let Some(((what, earlier), above)) = above {
            let message = format!("`{above}` is {what}, so it cannot contain `{path}`");
            problems.push(
                Diagnostic::error("E202", *span, message)
                    .related(*earlier, format!("it is {what} here")),
            );
        }
    }
}

fn is_within(path: &AbsPath, directory: &str) -> bool {
    path.as_str()
        .strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
