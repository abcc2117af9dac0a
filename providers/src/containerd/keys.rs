//! Where containerd's configuration keeps each key that hardstand owns, and what stands there.
//!
//! containerd finds keys without regard to letter case, so a key may stand in several spellings; names of plugins and of
//! runtime handlers are exact. The same reading serves a configuration file and what `containerd config dump` prints.

use toml_edit::{Item, TableLike, Value};

/// The CRI plugin up to format 2. In formats 3 and 4 only its streaming server is left under this name.
pub(super) const GRPC_CRI: &str = "io.containerd.grpc.v1.cri";
/// The runtime part of the CRI plugin from format 3 on.
pub(super) const CRI_RUNTIME: &str = "io.containerd.cri.v1.runtime";
/// The image part of the CRI plugin from format 3 on.
pub(super) const CRI_IMAGES: &str = "io.containerd.cri.v1.images";
/// The shim that takes `SystemdCgroup`.
pub(super) const RUNC_V2: &str = "io.containerd.runc.v2";

/// All names under which the CRI plugin can be disabled.
pub(super) const CRI_PLUGINS: [&str; 4] = ["cri", GRPC_CRI, CRI_RUNTIME, CRI_IMAGES];

/// One part of the path to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name<'a> {
    /// A key of containerd's own: letter case does not matter.
    Field(&'a str),
    /// A name that the file gives, such as that of a plugin or handler.
    Entry(&'a str),
}

use Name::{Entry, Field};

/// A path to a key.
pub(super) type Path<'a> = Vec<Name<'a>>;

/// Which tables hold the configuration of the CRI plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// `[plugins.cri]`, in format 1.
    Short,
    /// `[plugins."io.containerd.grpc.v1.cri"]`, in format 2.
    Whole,
    /// `[plugins."io.containerd.cri.v1.runtime"]` and `….images`, from format 3 on.
    Split,
}

/// A runtime handler of the CRI plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handler {
    /// Its path below the table `containerd`, such as `runtimes`, `runc`.
    pub(super) place: Vec<String>,
    /// Its `runtime_type`, empty if it has none.
    pub(crate) runtime_type: String,
    /// Every `SystemdCgroup` it has, as TOML: none, one, or one for each spelling.
    pub(crate) systemd_cgroup: Vec<String>,
}

impl<'a> Name<'a> {
    /// Returns the name as it should be spelled.
    pub(super) fn text(self) -> &'a str {
        match self {
            Field(text) | Entry(text) => text,
        }
    }

    /// Whether a key is this one.
    pub(super) fn matches(self, key: &str) -> bool {
        match self {
            Field(text) => text.eq_ignore_ascii_case(key),
            Entry(text) => text == key,
        }
    }
}

impl Layout {
    /// Returns the table of the runtime part.
    pub(super) fn runtime(self) -> Path<'static> {
        vec![
            Field("plugins"),
            Entry(match self {
                Self::Short => "cri",
                Self::Whole => GRPC_CRI,
                Self::Split => CRI_RUNTIME,
            }),
        ]
    }

    /// Returns the table that holds the runtime handlers and legacy forms of them.
    pub(super) fn containerd(self) -> Path<'static> {
        below(self.runtime(), &[Field("containerd")])
    }

    /// Returns the table of CNI.
    pub(super) fn cni(self) -> Path<'static> {
        below(self.runtime(), &[Field("cni")])
    }

    /// Returns the table of the registries.
    pub(super) fn registry(self) -> Path<'static> {
        below(self.images(), &[Field("registry")])
    }

    /// Returns the table that names the pause image, and the key in it.
    pub(super) fn sandbox_image(self) -> (Path<'static>, &'static str) {
        match self {
            Self::Short | Self::Whole => (self.runtime(), "sandbox_image"),
            Self::Split => (below(self.images(), &[Field("pinned_images")]), "sandbox"),
        }
    }

    fn images(self) -> Path<'static> {
        match self {
            Self::Short | Self::Whole => self.runtime(),
            Self::Split => vec![Field("plugins"), Entry(CRI_IMAGES)],
        }
    }
}

impl Handler {
    /// Whether it is called runc. Where it has no type, containerd 2 takes that of its own.
    pub(crate) fn is_named_runc(&self) -> bool {
        self.place == ["runtimes", "runc"]
    }

    /// Returns its name.
    pub(crate) fn name(&self) -> &str {
        self.place.last().map_or("", String::as_str)
    }

    /// Whether its shim takes `SystemdCgroup`.
    pub(crate) fn is_runc(&self) -> bool {
        self.runtime_type == RUNC_V2
    }

    /// Whether it puts containers where systemd manages them. Anything but a boolean `true` counts for nothing.
    pub(crate) fn uses_systemd(&self) -> bool {
        !self.systemd_cgroup.is_empty() && self.systemd_cgroup.iter().all(|value| value == "true")
    }

    /// Returns its path below the table `containerd`.
    pub(super) fn path(&self) -> Path<'_> {
        match &self.place[..] {
            [runtimes, name] => vec![Field(runtimes), Entry(name)],
            place => place.iter().map(|name| Field(name)).collect(),
        }
    }
}

/// Returns a path that goes on from another.
pub(super) fn below<'a>(mut path: Path<'a>, names: &[Name<'a>]) -> Path<'a> {
    path.extend_from_slice(names);
    path
}

/// Returns everything that stands at a path, in whatever spelling.
pub(super) fn find<'a>(item: &'a Item, path: &[Name<'_>]) -> Vec<&'a Item> {
    let Some((first, rest)) = path.split_first() else {
        return vec![item];
    };
    entries(item)
        .filter(|(key, _)| first.matches(key))
        .flat_map(|(_, item)| find(item, rest))
        .collect()
}

/// Returns the texts that stand at a path.
pub(super) fn texts<'a>(item: &'a Item, path: &[Name<'_>]) -> Vec<&'a str> {
    find(item, path)
        .into_iter()
        .filter_map(Item::as_str)
        .collect()
}

/// Returns the texts of the lists that stand at a path.
pub(super) fn listed<'a>(item: &'a Item, path: &[Name<'_>]) -> Vec<&'a str> {
    find(item, path)
        .into_iter()
        .filter_map(Item::as_array)
        .flat_map(|array| array.iter().filter_map(|value| value.as_str()))
        .collect()
}

/// Returns the keys of a table with what stands there, none for anything else.
pub(super) fn entries(item: &Item) -> impl Iterator<Item = (&str, &Item)> {
    item.as_table_like().into_iter().flat_map(TableLike::iter)
}

/// Returns the runtime handlers, the legacy `default_runtime` and `untrusted_workload_runtime` too.
pub(super) fn handlers(root: &Item, layout: Layout) -> Vec<Handler> {
    let mut found = Vec::new();
    for containerd in find(root, &layout.containerd()) {
        for (key, item) in entries(containerd) {
            if Field("runtimes").matches(key) {
                let named = entries(item).map(|(name, item)| handler(&["runtimes", name], item));
                found.extend(named);
            } else if layout != Layout::Split {
                let legacy = ["default_runtime", "untrusted_workload_runtime"]
                    .into_iter()
                    .filter(|name| Field(name).matches(key));
                found.extend(legacy.map(|name| handler(&[name], item)));
            }
        }
    }
    found
}

fn handler(place: &[&str], item: &Item) -> Handler {
    let options = [Field("options"), Field("SystemdCgroup")];
    Handler {
        place: place.iter().map(ToString::to_string).collect(),
        runtime_type: texts(item, &[Field("runtime_type")])
            .last()
            .map_or_else(String::new, ToString::to_string),
        systemd_cgroup: find(item, &options).into_iter().map(shown).collect(),
    }
}

/// Returns a value as TOML on one line, without the space and comments in and around it.
pub(super) fn shown(item: &Item) -> String {
    match item {
        Item::Value(Value::Array(array)) => {
            let items: Vec<_> = array.iter().map(bare).collect();
            format!("[{}]", items.join(", "))
        }
        Item::Value(value) => bare(value),
        Item::None | Item::Table(_) | Item::ArrayOfTables(_) => item.type_name().to_owned(),
    }
}

fn bare(value: &Value) -> String {
    value.clone().decorated("", "").to_string()
}
