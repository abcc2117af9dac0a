//! Which format the configuration is written in, and how a text that containerd would read wrongly is brought into one
//! that it reads rightly.

use engine::question::Unanswered;
use toml_edit::Item;

use super::draft::{Draft, Listed};
use super::keys::Name::{Entry, Field};
use super::keys::{
    CRI_IMAGES, CRI_PLUGINS, CRI_RUNTIME, GRPC_CRI, Layout, Name, entries, find, listed, shown,
};
use super::version::ContainerdVersion;
use crate::runtime::Refusal;

/// A format of the configuration: its key `version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Format {
    /// Short names of plugins; the format of a file that names none.
    V1,
    /// Plugins by their full names.
    V2,
    /// The CRI plugin in three parts.
    V3,
    /// Servers are plugins too.
    V4,
}

/// The names that format 1 has for plugins. containerd 2 keeps the same list.
const SHORT_NAMES: [(&str, &str); 16] = [
    ("aufs", "io.containerd.snapshotter.v1.aufs"),
    ("bolt", "io.containerd.metadata.v1.bolt"),
    ("btrfs", "io.containerd.snapshotter.v1.btrfs"),
    ("cgroups", "io.containerd.monitor.v1.cgroups"),
    ("cri", GRPC_CRI),
    ("devmapper", "io.containerd.snapshotter.v1.devmapper"),
    ("linux", "io.containerd.runtime.v1.linux"),
    ("native", "io.containerd.snapshotter.v1.native"),
    ("opt", "io.containerd.internal.v1.opt"),
    ("otlp", "io.containerd.tracing.processor.v1.otlp"),
    ("overlayfs", "io.containerd.snapshotter.v1.overlayfs"),
    ("restart", "io.containerd.internal.v1.restart"),
    ("scheduler", "io.containerd.gc.v1.scheduler"),
    ("task", "io.containerd.runtime.v2.task"),
    ("tracing", "io.containerd.internal.v1.tracing"),
    ("zfs", "io.containerd.snapshotter.v1.zfs"),
];

/// The streaming server, which stays under the old name of the CRI plugin in format 3.
const STREAMING: [&str; 6] = [
    "disable_tcp_service",
    "enable_tls_streaming",
    "stream_idle_timeout",
    "stream_server_address",
    "stream_server_port",
    "x509_key_pair_streaming",
];

/// What a text holds that bears on its format.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// `[plugins.cri]`.
    short_cri: bool,
    /// Other plugins by a short name.
    short: bool,
    /// `[plugins."io.containerd.grpc.v1.cri"]` with more than the streaming server.
    whole: bool,
    /// `[plugins."io.containerd.cri.v1.…"]`.
    split: bool,
    /// Any plugin by its full name.
    full: bool,
}

/// A format to write, and the tables to write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    format: Format,
    layout: Layout,
}

/// Brings a draft into a format that a version of containerd reads, and returns where its CRI configuration stands then.
///
/// A key below the tables of format 3 that containerd 1.x ignores is given up only if `owned` says so.
pub(super) fn settle(
    draft: &mut Draft,
    version: ContainerdVersion,
    needs: Needs,
    owned: &dyn Fn(&[&str]) -> bool,
) -> Result<Layout, Refusal> {
    let declared = declared(draft.root())?;
    let held = Held::by(draft.root());
    let target = target(declared, held, version, needs)?;
    if declared == Some(Format::V4) && target.format < Format::V4 {
        check_no_server_plugins(draft)?;
    }
    if declared.is_some() || target.format != Format::V1 {
        draft.set(&[], "version", target.format.number(), "version")?;
    }
    name_plugins(draft, target.format)?;
    if version.is_one() && (!held.whole || declared >= Some(Format::V3)) {
        give_up_split_tables(draft, owned)?;
    }
    Ok(target.layout)
}

/// Returns where the CRI configuration of an effective configuration stands.
pub(super) fn layout_of_dump(root: &Item) -> Option<Layout> {
    match find(root, &[Field("version")]).first()?.as_integer()? {
        2 => Some(Layout::Whole),
        3 | 4 => Some(Layout::Split),
        _ => None,
    }
}

/// What containerd does with a part of a configuration that is not in the format which it takes it for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Misread {
    /// It exits, for this reason.
    Exits(String),
    /// It ignores the part; the text says which and why.
    Ignores(String),
}

/// Returns the tables of the CRI plugin that a version of containerd reads; none if it reads those of no format.
pub(super) fn layout_read(root: &Item, version: Option<ContainerdVersion>) -> Option<Layout> {
    let held = Held::by(root);
    let is_two = version.is_some_and(|version| !version.is_one());
    match declared(root).ok()? {
        None | Some(Format::V1) if is_two && !migrates_format_1(version?) => None,
        None | Some(Format::V1) => Some(Layout::Short),
        Some(Format::V2) if held.split && !held.whole && is_two => Some(Layout::Split),
        Some(Format::V2) => Some(Layout::Whole),
        Some(Format::V3 | Format::V4) if version.is_some_and(ContainerdVersion::is_one) => {
            Some(Layout::Whole)
        }
        Some(Format::V3 | Format::V4) => Some(Layout::Split),
    }
}

/// Whether it migrates the CRI plugin of format 1 and keeps its keys.
fn migrates_format_1(version: ContainerdVersion) -> bool {
    version >= ContainerdVersion::new(2, 3, 0)
}

/// Returns what containerd does not read as the file means it. The version is needed only where it decides.
pub(super) fn misread(
    root: &Item,
    version: Option<ContainerdVersion>,
) -> Result<Vec<Misread>, Unanswered> {
    let format = match declared(root) {
        Ok(format) => format,
        Err(refusal) => return Ok(vec![Misread::Exits(refusal.reason)]),
    };
    let held = Held::by(root);
    let known =
        || version.ok_or_else(|| Unanswered("the version of containerd is not known".to_owned()));
    let mut found = Vec::new();
    match format {
        None | Some(Format::V1) => {
            let full = [(held.whole, GRPC_CRI), (held.split, CRI_RUNTIME)];
            if let Some((_, plugin)) = full.into_iter().find(|(held, _)| *held) {
                let what = match format {
                    None => "names no `version`, so it is read as format 1".to_owned(),
                    Some(format) => format!("is in format {}", format.number()),
                };
                found.push(Misread::Ignores(format!(
                    "{what}, and [plugins.\"{plugin}\"] is ignored"
                )));
            } else if held.short_cri && !known()?.is_one() && !migrates_format_1(known()?) {
                let version = known()?;
                found.push(Misread::Ignores(format!(
                    "is in format 1, of which containerd {version} loses [plugins.cri]"
                )));
            }
        }
        Some(format) => {
            found.extend(short_name(root).map(|(list, name)| {
                Misread::Exits(format!(
                    "is in format {}, in which `{list}` takes full names of plugins, and `{}` is none",
                    format.number(),
                    name.escape_debug()
                ))
            }));
            found.extend(unread_tables(format, held, known)?);
        }
    }
    Ok(found)
}

/// Returns what is wrong with the tables of a format that names plugins in full.
fn unread_tables(
    format: Format,
    held: Held,
    known: impl Fn() -> Result<ContainerdVersion, Unanswered>,
) -> Result<Option<Misread>, Unanswered> {
    if format == Format::V2 {
        let lost = held.split && !held.whole && known()?.is_one();
        return Ok(lost.then(|| {
            Misread::Ignores(format!(
                "holds [plugins.\"{CRI_RUNTIME}\"], which containerd 1.x ignores"
            ))
        }));
    }
    let (version, number) = (known()?, format.number());
    if version < ContainerdVersion::new(1, 7, 0) {
        return Ok(held.split.then(|| {
            Misread::Ignores(format!(
                "is in format {number}, whose tables containerd {version} ignores"
            ))
        }));
    }
    if format > version.newest_format() {
        return Ok(Some(Misread::Exits(format!(
            "is in format {number}, which containerd {version} does not read"
        ))));
    }
    Ok(held.whole.then(|| {
        Misread::Ignores(format!(
            "is in format {number}, in which [plugins.\"{GRPC_CRI}\"] is ignored but for its streaming server"
        ))
    }))
}

/// Returns why containerd does not get along with a drop-in whose format is newer than that of the main file.
pub(super) fn newer_than_main(
    own: Format,
    main: Format,
    version: ContainerdVersion,
) -> Option<String> {
    let ignores_newer = version < ContainerdVersion::new(1, 7, 0);
    if own <= main || ignores_newer {
        return None;
    }
    let is_newer = format!(
        "is imported in format {}, and the main file is in format {}",
        own.number(),
        main.number()
    );
    let exits = own > version.newest_format() || version >= ContainerdVersion::new(2, 3, 0);
    Some(match exits {
        true => format!("{is_newer}: containerd {version} does not start with that"),
        false => format!("{is_newer}: containerd {version} loses what the main file says of CRI"),
    })
}

/// Returns a plugin in a list that is not named in full.
pub(super) fn short_name(root: &Item) -> Option<(&'static str, &str)> {
    ["disabled_plugins", "required_plugins"]
        .into_iter()
        .find_map(|list| {
            let names = listed(root, &[Field(list)]);
            let short = names.into_iter().find(|name| !name.contains('.'))?;
            Some((list, short))
        })
}

/// Whether what is wanted can be said in format 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// It can.
    AnyFormat,
    /// A directory of registries is wanted, which format 1 does not know.
    FullNames,
}

impl Format {
    /// Returns the number that stands in the file.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }

    fn from_number(number: i64) -> Option<Self> {
        [Self::V1, Self::V2, Self::V3, Self::V4]
            .into_iter()
            .find(|format| format.number() == number)
    }
}

impl Held {
    fn by(root: &Item) -> Self {
        let plugins: Vec<_> = find(root, &[Field("plugins")])
            .into_iter()
            .flat_map(entries)
            .collect();
        let has = |name: &str| plugins.iter().any(|(key, _)| *key == name);
        let whole = plugins
            .iter()
            .filter(|(key, _)| *key == GRPC_CRI)
            .flat_map(|(_, item)| entries(item))
            .any(|(key, _)| !STREAMING.contains(&key));
        let is_full = |name: &str| name.starts_with("io.containerd.");
        Self {
            short_cri: has("cri"),
            short: plugins
                .iter()
                .any(|(key, _)| *key != "cri" && !is_full(key)),
            whole,
            split: has(CRI_RUNTIME) || has(CRI_IMAGES),
            full: plugins.iter().any(|(key, _)| is_full(key)),
        }
    }
}

/// Returns the format that the text names, none if it names none.
pub(super) fn declared(root: &Item) -> Result<Option<Format>, Refusal> {
    let found = find(root, &[Field("version")]);
    let number = match found[..] {
        [] => return Ok(None),
        [item] => item.as_integer(),
        _ => {
            return Err(Refusal::new(
                "`version` is set twice in different spellings",
            ));
        }
    };
    match number.and_then(Format::from_number) {
        Some(format) => Ok(Some(format)),
        None => Err(Refusal::new(format!(
            "`version = {}` is no format that hardstand knows",
            shown(found[0])
        ))
        .help("write the configuration in format 2 or 3")),
    }
}

fn target(
    declared: Option<Format>,
    held: Held,
    version: ContainerdVersion,
    needs: Needs,
) -> Result<Target, Refusal> {
    if held.short_cri && (held.whole || held.split) {
        return Err(two_tables("[plugins.cri]", "tables of a newer format"));
    }
    if version.is_one() {
        return Ok(target_of_one(declared, held, needs));
    }
    if held.whole && held.split && declared <= Some(Format::V2) {
        let whole = format!("[plugins.\"{GRPC_CRI}\"]");
        return Err(two_tables(&whole, &format!("[plugins.\"{CRI_RUNTIME}\"]")));
    }
    Ok(target_of_two(declared, held, version))
}

/// containerd 1.x reads formats 1 and 2.
fn target_of_one(declared: Option<Format>, held: Held, needs: Needs) -> Target {
    let first = declared.is_none_or(|format| format == Format::V1);
    let readable = !held.whole && !held.full && !held.split && needs == Needs::AnyFormat;
    if first && held.short_cri && readable {
        return Target {
            format: Format::V1,
            layout: Layout::Short,
        };
    }
    Target {
        format: Format::V2,
        layout: Layout::Whole,
    }
}

/// containerd 2.x loses the CRI keys of format 1, and migrates format 2 well.
fn target_of_two(declared: Option<Format>, held: Held, version: ContainerdVersion) -> Target {
    let format = match declared {
        Some(format) if format >= Format::V2 => format.min(version.newest_format()),
        Some(_) | None if held.split => Format::V3,
        Some(_) | None if held.short_cri || held.short || held.full => Format::V2,
        Some(_) | None => version.format_of_new_file(),
    };
    let layout = match format {
        Format::V1 | Format::V2 if !held.split => Layout::Whole,
        Format::V1 | Format::V2 | Format::V3 | Format::V4 => Layout::Split,
    };
    Target { format, layout }
}

fn two_tables(one: &str, other: &str) -> Refusal {
    Refusal::new(format!(
        "the file holds CRI configuration in {one} and in {other}, and it is not clear which is meant"
    ))
    .help("keep one of them")
}

/// Gives plugins their full names, on which format 2 insists, and takes the CRI plugin off the list of disabled ones.
fn name_plugins(draft: &mut Draft, format: Format) -> Result<(), Refusal> {
    let lists = ["disabled_plugins", "required_plugins"];
    if format >= Format::V2 {
        check_names(draft, &lists)?;
    }
    for list in lists {
        draft.change_list(list, |name| match full_name(name) {
            _ if list == "disabled_plugins" && CRI_PLUGINS.contains(&name) => Listed::Not,
            Some(full) if format >= Format::V2 => Listed::As(full.to_owned()),
            Some(_) | None => Listed::Same,
        })?;
    }
    if format == Format::V2 {
        for name in short_plugins(draft) {
            let full = full_name(&name).ok_or_else(|| unknown_plugin(&name))?;
            draft.rename(&[Field("plugins")], &name, full)?;
        }
    }
    Ok(())
}

fn check_names(draft: &Draft, lists: &[&str]) -> Result<(), Refusal> {
    let unknown = lists
        .iter()
        .flat_map(|list| listed(draft.root(), &[Field(list)]))
        .find(|name| !name.contains('.') && full_name(name).is_none());
    unknown.map_or(Ok(()), |name| Err(unknown_plugin(name)))
}

fn short_plugins(draft: &Draft) -> Vec<String> {
    find(draft.root(), &[Field("plugins")])
        .into_iter()
        .flat_map(entries)
        .map(|(key, _)| key.to_owned())
        .filter(|key| !key.starts_with("io.containerd.") && !key.contains('.'))
        .collect()
}

fn full_name(short: &str) -> Option<&'static str> {
    SHORT_NAMES
        .iter()
        .find(|(name, _)| *name == short)
        .map(|(_, full)| *full)
}

fn unknown_plugin(name: &str) -> Refusal {
    Refusal::new(format!(
        "`{name}` is no plugin that containerd's format 2 can name, and containerd does not start with it"
    ))
    .help("write the full name of the plugin, or remove it")
}

/// Removes the tables of format 3, which containerd 1.x ignores, if nothing is lost with them.
fn give_up_split_tables(draft: &mut Draft, owned: &dyn Fn(&[&str]) -> bool) -> Result<(), Refusal> {
    for plugin in [CRI_RUNTIME, CRI_IMAGES] {
        let foreign = find(draft.root(), &[Field("plugins"), Entry(plugin)])
            .into_iter()
            .find_map(|table| first_leaf(table, &mut Vec::new(), owned));
        if let Some(key) = foreign {
            return Err(Refusal::new(format!(
                "containerd 1.x does not read format 3, so it ignores `{key}` of [plugins.\"{plugin}\"]"
            ))
            .help(format!(
                "write it below [plugins.\"{GRPC_CRI}\"] with `version = 2`, or install containerd 2"
            )));
        }
        draft.remove(&[Field("plugins")], Name::Entry(plugin), plugin)?;
    }
    Ok(())
}

/// Returns the first value below a table that is not ours.
fn first_leaf<'a>(
    item: &'a Item,
    path: &mut Vec<&'a str>,
    owned: &dyn Fn(&[&str]) -> bool,
) -> Option<String> {
    if !item.is_table_like() {
        return (!owned(path)).then(|| path.join("."));
    }
    for (key, below) in entries(item) {
        path.push(key);
        if let Some(found) = first_leaf(below, path, owned) {
            return Some(found);
        }
        path.pop();
    }
    None
}

fn check_no_server_plugins(draft: &Draft) -> Result<(), Refusal> {
    let server = find(draft.root(), &[Field("plugins")])
        .into_iter()
        .flat_map(entries)
        .find(|(key, _)| key.starts_with("io.containerd.server."));
    match server {
        Some((name, _)) => Err(Refusal::new(format!(
            "the file is in format 4, which this containerd does not read, and sets [plugins.\"{name}\"]"
        ))
        .help("write it in format 3, or install containerd 2.3 or newer")),
        None => Ok(()),
    }
}
