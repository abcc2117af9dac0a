//! containerd's configuration as its files have it, for those who judge it and do not edit it.
//!
//! The files come first, since they are known after a plan as well. What they leave open, such as what a distribution has
//! built in, is taken from `containerd config dump` where it was asked for.

use std::cell::OnceCell;

use engine::name::AbsPath;
use engine::question::{FoundFile, Unanswered};
use engine::state::State;
use toml_edit::{DocumentMut, Item, Table};

use super::edit::registry_conflict;
use super::files::{document, found_drop_ins, imports_all};
use super::format::{self, Misread, layout_of_dump};
use super::keys::Name::Field;
use super::keys::{CRI_PLUGINS, Handler, Layout, below, entries, find, handlers, listed, texts};
use super::version::ContainerdVersion;

/// The keys at the top of a configuration that some containerd knows.
const TOP: [&str; 18] = [
    "cgroup",
    "debug",
    "disabled_plugins",
    "grpc",
    "imports",
    "metrics",
    "oom_score",
    "plugin_dir",
    "plugins",
    "proxy_plugins",
    "required_plugins",
    "root",
    "state",
    "stream_processors",
    "temp",
    "timeouts",
    "ttrpc",
    "version",
];

/// The configuration of a containerd.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The files, the main one first.
    files: Vec<(AbsPath, DocumentMut)>,
    /// What they come to, and the tables that containerd reads of it; none if what they import is not known.
    merged: Option<(Item, Option<Layout>)>,
    /// What containerd itself says they come to, as it printed it.
    printed: Option<String>,
    /// The same, read once somebody needs it; it is long.
    dump: OnceCell<Option<(DocumentMut, Layout)>>,
    /// What is imported and was not read.
    unread: Option<String>,
    version: Option<ContainerdVersion>,
}

/// Where `SystemdCgroup` went that has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It is not set.
    Unset,
    /// It is no boolean, but this.
    NoBoolean(String),
    /// It stands in a table that containerd does not read it from.
    Elsewhere(String),
}

impl Reading {
    /// Reads the files of a host, and what `containerd config dump` said if it was asked.
    pub(crate) fn of(
        config: &AbsPath,
        version: Option<ContainerdVersion>,
        state: &State<'_>,
    ) -> Result<Self, Unanswered> {
        let mut files = Vec::new();
        if let Some(document) = document(config, state.file(config)?)? {
            files.push((config.clone(), document));
        }
        let (drop_ins, unread) = imports(config, &files, version, state)?;
        for found in drop_ins {
            if let Some(document) = document(&found.path, &found.state)? {
                files.push((found.path.clone(), document));
            }
        }
        let containerd = state.containerd(config).ok();
        let printed = containerd.and_then(|containerd| containerd.effective.clone());
        let unread = unread.or_else(|| other_format(&files));
        let merged = unread.is_none().then(|| {
            let root = merged(&files, version);
            let layout = format::layout_read(&root, version);
            (root, layout)
        });
        Ok(Self {
            files,
            merged,
            printed,
            dump: OnceCell::new(),
            unread,
            version,
        })
    }

    /// Returns the files that disable the CRI plugin, each with the name that it has there.
    pub(crate) fn disabled(&self) -> Result<Vec<(String, String)>, Unanswered> {
        let of = |name: &str, root: &Item| -> Vec<(String, String)> {
            listed(root, &[Field("disabled_plugins")])
                .into_iter()
                .filter(|plugin| CRI_PLUGINS.contains(plugin))
                .map(|plugin| (name.to_owned(), plugin.to_owned()))
                .collect()
        };
        let found: Vec<_> = self
            .files
            .iter()
            .flat_map(|(path, document)| of(path.as_str(), document.as_item()))
            .collect();
        if !found.is_empty() || self.unread.is_none() {
            return Ok(found);
        }
        let (root, _) = self.whole()?;
        Ok(of("an imported file", root))
    }

    /// Returns the keys at the top of a file that no containerd knows.
    pub(crate) fn unknown_keys(&self) -> Vec<(&AbsPath, &str)> {
        let unknown = |key: &&str| !TOP.iter().any(|known| known.eq_ignore_ascii_case(key));
        self.files
            .iter()
            .flat_map(|(path, document)| {
                let keys = entries(document.as_item()).map(|(key, _)| key);
                keys.filter(unknown).map(move |key| (path, key))
            })
            .collect()
    }

    /// Returns what containerd does not read as the main file means it.
    pub(crate) fn misread(&self) -> Result<Vec<Misread>, Unanswered> {
        match self.files.first() {
            Some((_, document)) => format::misread(document.as_item(), self.version),
            None => Ok(Vec::new()),
        }
    }

    /// Returns the runtime handlers.
    pub(crate) fn handlers(&self) -> Result<Vec<Handler>, Unanswered> {
        let (root, layout) = self.whole()?;
        Ok(layout.map_or_else(Vec::new, |layout| handlers(root, layout)))
    }

    /// Returns the name of the handler of pods that name none.
    pub(crate) fn default_handler(&self) -> Result<String, Unanswered> {
        let key = |layout: Layout| below(layout.containerd(), &[Field("default_runtime_name")]);
        let found = self.text(key)?.filter(|name| !name.is_empty());
        Ok(found.unwrap_or_else(|| "runc".to_owned()))
    }

    /// Returns why nothing puts containers of runc under systemd.
    pub(crate) fn lost_systemd_cgroup(&self) -> Result<Option<Lost>, Unanswered> {
        let handlers = self.handlers()?;
        let runs_runc = |handler: &&Handler| handler.is_runc() || handler.is_named_runc();
        if handlers.iter().any(|handler| handler.uses_systemd()) {
            return Ok(None);
        }
        let text = handlers
            .iter()
            .filter(runs_runc)
            .flat_map(|handler| &handler.systemd_cgroup)
            .find(|value| !matches!(value.as_str(), "true" | "false"));
        if let Some(text) = text {
            return Ok(Some(Lost::NoBoolean(text.clone())));
        }
        let (root, layout) = self.whole()?;
        let mut places = Vec::new();
        places_of("SystemdCgroup", root, &mut Vec::new(), &mut places);
        let is_read = |place: &Vec<String>| match layout {
            Some(layout) => handlers.iter().any(|handler| {
                let options = [Field("options"), Field("SystemdCgroup")];
                let table = below(layout.containerd(), &handler.path());
                let path = below(table, &options);
                path.len() == place.len()
                    && path.iter().zip(place).all(|(name, key)| name.matches(key))
            }),
            None => false,
        };
        Ok(Some(
            match places.into_iter().find(|place| !is_read(place)) {
                Some(place) => Lost::Elsewhere(place.join(".")),
                None => Lost::Unset,
            },
        ))
    }

    /// Returns what about the registries keeps the CRI plugin from being loaded: the old key, and what it does not go with.
    pub(crate) fn registry_conflict(&self) -> Result<Option<(&'static str, String)>, Unanswered> {
        let (root, layout) = self.whole()?;
        Ok(layout.and_then(|layout| registry_conflict(root, layout, false, self.version)))
    }

    /// Returns the directories of CNI plugins that the configuration names, or that are built in as far as containerd says.
    pub(crate) fn cni_bin_dirs(&self) -> Result<Vec<String>, Unanswered> {
        let of = |root: &Item, layout: Layout| -> Vec<String> {
            let key = |name| below(layout.cni(), &[Field(name)]);
            let one = texts(root, &key("bin_dir"));
            let list = listed(root, &key("bin_dirs"));
            let all = one.into_iter().chain(list).filter(|path| !path.is_empty());
            all.map(str::to_owned).collect()
        };
        let (root, layout) = self.whole()?;
        let named = layout.map_or_else(Vec::new, |layout| of(root, layout));
        if !named.is_empty() {
            return Ok(named);
        }
        let built_in = self.dump().map(|(root, layout)| of(root, layout));
        Ok(built_in.unwrap_or_default())
    }

    /// Returns the pause image that the configuration names, or that is built in as far as containerd says.
    pub(crate) fn pause_image(&self) -> Result<Option<String>, Unanswered> {
        let path = |layout: Layout| {
            let (table, key) = layout.sandbox_image();
            below(table, &[Field(key)])
        };
        if let Some(image) = self.text(path)? {
            return Ok(Some(image));
        }
        let dump = self.dump();
        Ok(dump.and_then(|(root, layout)| last(root, path(layout))))
    }

    fn text(
        &self,
        path: impl Fn(Layout) -> super::keys::Path<'static>,
    ) -> Result<Option<String>, Unanswered> {
        let (root, layout) = self.whole()?;
        Ok(layout.and_then(|layout| last(root, path(layout))))
    }

    /// Returns all that is configured, with the tables that are read.
    fn whole(&self) -> Result<(&Item, Option<Layout>), Unanswered> {
        if let Some((root, layout)) = &self.merged {
            return Ok((root, *layout));
        }
        match self.dump() {
            Some((root, layout)) => Ok((root, Some(layout))),
            None => Err(Unanswered(self.unread.clone().unwrap_or_default())),
        }
    }

    /// Returns what containerd itself says, if it was asked and could tell.
    fn dump(&self) -> Option<(&Item, Layout)> {
        let read = || {
            let document: DocumentMut = self.printed.as_deref()?.parse().ok()?;
            let layout = layout_of_dump(document.as_item())?;
            Some((document, layout))
        };
        let dump = self.dump.get_or_init(read).as_ref();
        dump.map(|(document, layout)| (document.as_item(), *layout))
    }
}

fn last(root: &Item, path: super::keys::Path<'_>) -> Option<String> {
    texts(root, &path).last().map(ToString::to_string)
}

/// Returns the drop-ins that the main file imports, and what it imports besides.
fn imports<'s>(
    config: &AbsPath,
    files: &[(AbsPath, DocumentMut)],
    version: Option<ContainerdVersion>,
    state: &'s State<'_>,
) -> Result<(&'s [FoundFile], Option<String>), Unanswered> {
    let is_all = |import: &str| imports_all(config, import);
    let mut named = files
        .iter()
        .flat_map(|(_, document)| listed(document.as_item(), &[Field("imports")]))
        .filter(|import| *import != config.as_str());
    let is_named = named.clone().any(is_all);
    let unread = named
        .find(|import| !is_all(import))
        .map(|import| format!("{} is imported, and was not read", import.escape_debug()));
    let found = found_drop_ins(config, state)?;
    if is_named || found.is_empty() {
        return Ok((found, unread));
    }
    Ok(match version {
        Some(version) if version.imports_conf_d() => (found, unread),
        Some(_) => (&[], unread),
        None => {
            let directory = config.parent();
            let why = format!(
                "whether {directory}/conf.d is imported depends on the version of containerd"
            );
            (&[], unread.or(Some(why)))
        }
    })
}

/// A file of another format than the main one is read in ways that differ from release to release. One that names no format
/// is read as the main file is.
fn other_format(files: &[(AbsPath, DocumentMut)]) -> Option<String> {
    let (main, rest) = files.split_first()?;
    let version = |document: &DocumentMut| {
        let found = find(document.as_item(), &[Field("version")]);
        found.first().and_then(|item| item.as_integer())
    };
    rest.iter()
        .find(|(_, document)| {
            let own = version(document);
            own.is_some() && own != version(&main.1)
        })
        .map(|(path, _)| format!("{path} is in another format than {}", main.0))
}

/// Puts the files on top of each other: lists are appended, and tables of a plugin are replaced as a whole by containerd 1.
pub(super) fn merged(files: &[(AbsPath, DocumentMut)], version: Option<ContainerdVersion>) -> Item {
    let deep = version.is_none_or(|version| !version.is_one());
    let mut root = Table::new();
    for (_, document) in files {
        for (key, item) in document.as_table() {
            match (root.get_mut(key), item) {
                (Some(Item::Value(old)), Item::Value(new)) if old.is_array() => {
                    if let (Some(old), Some(new)) = (old.as_array_mut(), new.as_array()) {
                        old.extend(new.iter().cloned());
                    }
                }
                (Some(old), new) if Field("plugins").matches(key) => overlay(old, new, deep),
                (_, new) => {
                    root.insert(key, new.clone());
                }
            }
        }
    }
    Item::Table(root)
}

fn overlay(old: &mut Item, new: &Item, deep: bool) {
    let (Some(table), Some(added)) = (old.as_table_like_mut(), new.as_table_like()) else {
        *old = new.clone();
        return;
    };
    for (key, item) in added.iter() {
        match table.get_mut(key) {
            Some(there) if deep => overlay(there, item, deep),
            Some(_) | None => {
                table.insert(key, item.clone());
            }
        }
    }
}

/// Collects the paths to a key, wherever it stands.
fn places_of(key: &str, item: &Item, path: &mut Vec<String>, places: &mut Vec<Vec<String>>) {
    for (name, below) in entries(item) {
        path.push(name.to_owned());
        if name.eq_ignore_ascii_case(key) {
            places.push(path.clone());
        }
        places_of(key, below, path, places);
        path.pop();
    }
}
