//! One place that configures CRI-O, such as a drop-in, and what all of them come to.
//!
//! CRI-O decodes TOML loosely: field names match in any letter case, and names that it does not know are ignored. A later
//! layer replaces a value key by key, but an entry of `crio.runtime.runtimes` as a whole.

use std::collections::BTreeMap;

use toml_edit::{Array, Document, Item, TableLike};

use crate::runtime::Refusal;

/// A value of CRI-O's configuration that hardstand sets or must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// Who manages cgroups.
    CgroupManager,
    /// The cgroup of monitor processes.
    ConmonCgroup,
    /// The handler of pods that name none.
    DefaultRuntime,
    /// The pause image.
    PauseImage,
    /// The socket.
    Listen,
    /// The directory of CNI configurations.
    NetworkDir,
    /// The directories of CNI plugins: a list, held as TOML.
    PluginDirs,
}

/// A value and where it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The value.
    pub(crate) value: String,
    /// Where, as `file:line`.
    pub(crate) place: String,
    /// What kind of place.
    pub(crate) origin: Origin,
}

/// What kind of place a value is set in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A file of CRI-O's configuration.
    File,
    /// The environment of its unit, which wins over every file.
    Environment,
    /// A flag on its command line, which wins over everything.
    Flag,
}

/// What one place sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Layer {
    /// Values by key.
    pub(crate) settings: BTreeMap<Key, Setting>,
    /// The handlers it defines, each with its own monitor cgroup.
    pub(crate) handlers: BTreeMap<String, Option<Setting>>,
}

impl Key {
    /// All of them.
    pub(super) const ALL: [Self; 7] = [
        Self::CgroupManager,
        Self::ConmonCgroup,
        Self::DefaultRuntime,
        Self::PauseImage,
        Self::Listen,
        Self::NetworkDir,
        Self::PluginDirs,
    ];

    /// Returns its name in a file.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CgroupManager => "cgroup_manager",
            Self::ConmonCgroup => "conmon_cgroup",
            Self::DefaultRuntime => "default_runtime",
            Self::PauseImage => "pause_image",
            Self::Listen => "listen",
            Self::NetworkDir => "network_dir",
            Self::PluginDirs => "plugin_dirs",
        }
    }

    /// Returns the table below `crio` that it stands in.
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::CgroupManager | Self::ConmonCgroup | Self::DefaultRuntime => "runtime",
            Self::PauseImage => "image",
            Self::Listen => "api",
            Self::NetworkDir | Self::PluginDirs => "network",
        }
    }

    /// Returns what CRI-O takes where nothing sets it, as far as that is the same in all releases.
    pub(super) fn default(self) -> &'static str {
        match self {
            Self::CgroupManager => "systemd",
            Self::Listen => "/var/run/crio/crio.sock",
            Self::NetworkDir => "/etc/cni/net.d",
            Self::PluginDirs => "[\"/opt/cni/bin\"]",
            Self::ConmonCgroup | Self::DefaultRuntime | Self::PauseImage => "",
        }
    }
}

impl Key {
    /// Whether its value is a list.
    pub(super) fn is_list(self) -> bool {
        self == Self::PluginDirs
    }

    /// Returns a value that a variable or a flag sets, in the form in which values can be compared.
    pub(super) fn canonical(self, value: &str) -> String {
        match self {
            Self::PluginDirs => list(value.split(',')),
            Self::NetworkDir => without_slash(value).to_owned(),
            Self::CgroupManager
            | Self::ConmonCgroup
            | Self::DefaultRuntime
            | Self::PauseImage
            | Self::Listen => value.to_owned(),
        }
    }
}

/// Returns directories as the TOML list that holds them.
pub(super) fn list<'a>(directories: impl Iterator<Item = &'a str>) -> String {
    let list: Array = directories.map(without_slash).collect();
    list.to_string()
}

fn without_slash(directory: &str) -> &str {
    match directory.trim_end_matches('/') {
        "" => directory,
        trimmed => trimmed,
    }
}

impl Layer {
    /// Reads a file of CRI-O's configuration. CRI-O does not start with one that cannot be read.
    pub(super) fn parse(path: &str, text: &str) -> Result<Self, Refusal> {
        let document = Document::parse(text).map_err(|error| {
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            unreadable(format!("{path}:{line} is not valid TOML: {message}"))
        })?;
        let file = File { path, text };
        let mut layer = Self::default();
        for crio in file.tables(document.as_item(), "crio")? {
            for key in Key::ALL {
                for table in file.tables(crio, key.table())? {
                    if let Some(setting) = file.value(table, key)? {
                        layer.settings.insert(key, setting);
                    }
                }
            }
            for runtime in file.tables(crio, "runtime")? {
                for runtimes in file.tables(runtime, "runtimes")? {
                    for (name, handler) in entries(runtimes) {
                        let monitor = file.setting(handler, "monitor_cgroup")?;
                        layer.handlers.insert(name.to_owned(), monitor);
                    }
                }
            }
        }
        Ok(layer)
    }

    /// Puts a later layer on top.
    pub(super) fn overlay(&mut self, later: &Self) {
        let Self { settings, handlers } = later;
        let copied = settings
            .iter()
            .map(|(key, setting)| (*key, setting.clone()));
        self.settings.extend(copied);
        self.handlers.extend(handlers.clone());
    }

    /// Returns the value of a key, CRI-O's own where nothing sets it.
    pub(crate) fn value(&self, key: Key) -> &str {
        let setting = self.settings.get(&key);
        setting.map_or(key.default(), |setting| setting.value.as_str())
    }
}

/// A file that is read, for saying where something stands in it.
#[derive(Clone, Copy)]
struct File<'a> {
    path: &'a str,
    text: &'a str,
}

impl File<'_> {
    /// Returns the tables with a name, in any letter case.
    fn tables<'i>(self, item: &'i Item, name: &str) -> Result<Vec<&'i Item>, Refusal> {
        let found: Vec<_> = entries(item)
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, item)| item)
            .collect();
        match found.iter().find(|item| !item.is_table_like()) {
            Some(item) => Err(unreadable(format!(
                "{} must be a table: `{name}`",
                self.place(item)
            ))),
            None => Ok(found),
        }
    }

    /// Returns what a table sets a key to, in the form in which values can be compared.
    fn value(self, table: &Item, key: Key) -> Result<Option<Setting>, Refusal> {
        if key.is_list() {
            return self.setting_with(table, key.name(), "a list of strings", |item| {
                let items: Option<Vec<_>> =
                    item.as_array()?.iter().map(|one| one.as_str()).collect();
                Some(list(items?.into_iter()))
            });
        }
        let setting = self.setting(table, key.name())?;
        Ok(setting.map(|setting| Setting {
            value: key.canonical(&setting.value),
            ..setting
        }))
    }

    /// Returns the text that a table sets a name to.
    fn setting(self, table: &Item, name: &str) -> Result<Option<Setting>, Refusal> {
        self.setting_with(table, name, "a string", |item| {
            item.as_str().map(str::to_owned)
        })
    }

    fn setting_with(
        self,
        table: &Item,
        name: &str,
        kind: &str,
        read: impl Fn(&Item) -> Option<String>,
    ) -> Result<Option<Setting>, Refusal> {
        let mut found: Vec<Setting> = Vec::new();
        for (_, item) in entries(table).filter(|(key, _)| key.eq_ignore_ascii_case(name)) {
            let place = self.place(item);
            let Some(value) = read(item) else {
                return Err(unreadable(format!("{place} must be {kind}: `{name}`")));
            };
            found.push(Setting {
                value,
                place,
                origin: Origin::File,
            });
        }
        match &found[..] {
            [one, others @ ..] if others.iter().any(|other| other.value != one.value) => {
                Err(Refusal::new(format!(
                    "{} sets `{name}` again in another letter case, and CRI-O takes either",
                    others[0].place
                ))
                .help("keep one of the two"))
            }
            _ => Ok(found.pop()),
        }
    }

    fn place(self, item: &Item) -> String {
        let line = line_of(self.text, item.span().map_or(0, |span| span.start));
        format!("{}:{line}", self.path)
    }
}

fn entries(item: &Item) -> impl Iterator<Item = (&str, &Item)> {
    item.as_table_like().into_iter().flat_map(TableLike::iter)
}

fn line_of(text: &str, at: usize) -> usize {
    let before = &text.as_bytes()[..at.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

fn unreadable(reason: String) -> Refusal {
    Refusal::new(reason)
        .help("mend that line, or move the file out of CRI-O's way; CRI-O does not start with it")
}
