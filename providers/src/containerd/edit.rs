//! Edits the text of a containerd configuration so that it says what is wanted. Pure: text and version in, text out.

use engine::facts::Os;
use engine::name::AbsPath;
use engine::question::CriCgroupDriver;
use engine::resource::Difference;
use toml_edit::{Array, Item, Value};

use super::draft::Draft;
use super::format::{self, Needs};
use super::keys::Name::{Entry, Field};
use super::keys::{Handler, Layout, RUNC_V2, below, entries, find, handlers, listed, texts};
use super::version::ContainerdVersion;
use crate::runtime::{CgroupDriver, Refusal};

impl From<CriCgroupDriver> for CgroupDriver {
    fn from(driver: CriCgroupDriver) -> Self {
        match driver {
            CriCgroupDriver::Systemd => Self::Systemd,
            CriCgroupDriver::Cgroupfs => Self::Cgroupfs,
        }
    }
}

/// What the configuration should say. What is none or empty is left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The operating system. Windows has no runc and no cgroups, and writes paths with backslashes.
    pub(super) os: Os,
    /// The driver of every handler that runs runc.
    pub(super) driver: CgroupDriver,
    /// The pause image.
    pub(super) sandbox_image: Option<String>,
    /// The directory of `hosts.toml` files.
    pub(super) registry_config_path: Option<AbsPath>,
    /// The directories of CNI plugins.
    pub(super) cni_bin_dirs: Vec<AbsPath>,
    /// The directory of CNI configurations.
    pub(super) cni_conf_dir: Option<AbsPath>,
}

/// An edited text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edited {
    /// The text.
    pub(super) text: String,
    /// What is different in it, none if it was right.
    pub(super) differences: Vec<Difference>,
    /// A handler of the file gets another driver than the file gave it.
    pub(super) driver_changes: bool,
    /// The files that it imports, as it names them.
    pub(super) imports: Vec<String>,
    /// The address of the daemon's socket, if it names one.
    pub(super) address: Option<String>,
    /// It holds passwords or tokens of registries.
    pub(super) holds_credentials: bool,
}

/// The first line of a file that is written as a whole.
const HEADER: &str =
    "# Written by hardstand, which keeps keys and comments of others as they are.\n";

/// What is secret about the credentials of a registry.
const SECRETS: [&str; 3] = ["auth", "identitytoken", "password"];

/// What some editors begin a file with. containerd 2.x does not read a file that has it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Handlers that hardstand moves to the runc shim: their shims are gone in containerd 2.
const LEGACY_TYPES: [&str; 2] = ["io.containerd.runc.v1", "io.containerd.runtime.v1.linux"];

/// Returns a file with only what is wanted.
pub(super) fn create(wanted: &Wanted, version: ContainerdVersion) -> Result<Edited, Refusal> {
    let number = version.format_of_new_file().number();
    let mut edited = edit(&format!("{HEADER}version = {number}\n"), wanted, version)?;
    edited.differences.insert(
        0,
        Difference {
            attribute: "version".to_owned(),
            before: String::new(),
            after: number.to_string(),
        },
    );
    Ok(edited)
}

/// Edits a file so that this version of containerd reads from it what is wanted.
pub(super) fn edit(
    text: &str,
    wanted: &Wanted,
    version: ContainerdVersion,
) -> Result<Edited, Refusal> {
    let mut draft = Draft::parse(text)?;
    let owned = |path: &[&str]| wanted.says(path);
    let layout = format::settle(&mut draft, version, wanted.needs(), &owned)?;
    let driver_changes = match wanted.os {
        Os::Linux => {
            let changes = set_driver(&mut draft, layout, wanted.driver)?;
            remove_legacy_driver(&mut draft, layout)?;
            changes
        }
        Os::Windows => false,
    };
    set_sandbox_image(&mut draft, layout, wanted)?;
    check_registry(&draft, layout, wanted, version)?;
    set_registry(&mut draft, layout, wanted)?;
    set_cni(&mut draft, layout, wanted, version)?;
    let imports = listed(draft.root(), &[Field("imports")])
        .into_iter()
        .map(str::to_owned)
        .collect();
    let address = address(draft.root());
    let holds_credentials = holds_credentials(draft.root(), layout);
    let (edited, mut differences) = draft.finish();
    if text.starts_with(BYTE_ORDER_MARK) && !version.is_one() {
        differences.push(Difference {
            attribute: "byte order mark".to_owned(),
            before: "present".to_owned(),
            after: String::new(),
        });
    }
    Ok(Edited {
        text: match differences.is_empty() {
            true => text.to_owned(),
            false => edited,
        },
        differences,
        driver_changes,
        imports,
        address,
        holds_credentials,
    })
}

/// Returns the address of the daemon's socket, in a file or in an effective configuration.
pub(super) fn address(root: &Item) -> Option<String> {
    let plugin = Entry("io.containerd.server.v1.grpc");
    let of_plugin = [Field("plugins"), plugin, Field("address")];
    let of_grpc = [Field("grpc"), Field("address")];
    texts(root, &of_plugin)
        .into_iter()
        .chain(texts(root, &of_grpc))
        .find(|address| !address.is_empty())
        .map(str::to_owned)
}

/// Whether the registries of a file have passwords or tokens.
fn holds_credentials(root: &Item, layout: Layout) -> bool {
    let registry = |name| find(root, &below(layout.registry(), &[Field(name)]));
    let auths = registry("auths").into_iter().flat_map(entries);
    let configs = registry("configs")
        .into_iter()
        .flat_map(entries)
        .flat_map(|(_, item)| find(item, &[Field("auth")]));
    auths
        .map(|(_, item)| item)
        .chain(configs)
        .flat_map(|auth| SECRETS.map(|name| texts(auth, &[Field(name)])))
        .flatten()
        .any(|secret| !secret.is_empty())
}

impl Wanted {
    /// Returns a path as it is written in the file.
    pub(super) fn written(&self, path: &AbsPath) -> String {
        let on_windows = match self.os {
            Os::Linux => None,
            Os::Windows => path.on_windows(),
        };
        on_windows.unwrap_or_else(|| path.to_string())
    }

    fn needs(&self) -> Needs {
        match self.registry_config_path {
            Some(_) => Needs::FullNames,
            None => Needs::AnyFormat,
        }
    }

    /// Whether it says something about a key below a plugin of format 3.
    fn says(&self, path: &[&str]) -> bool {
        match path {
            ["containerd", "runtimes", "runc", "runtime_type"]
            | ["containerd", "runtimes", "runc", "options", "SystemdCgroup"] => {
                self.os == Os::Linux
            }
            ["pinned_images", "sandbox"] => self.sandbox_image.is_some(),
            ["registry", "config_path"] => self.registry_config_path.is_some(),
            ["cni", "bin_dir" | "bin_dirs"] => !self.cni_bin_dirs.is_empty(),
            ["cni", "conf_dir"] => self.cni_conf_dir.is_some(),
            _ => false,
        }
    }
}

/// Gives every handler of the runc shim the driver, and returns whether one changes. Without the key it is cgroupfs.
fn set_driver(draft: &mut Draft, layout: Layout, driver: CgroupDriver) -> Result<bool, Refusal> {
    set_runc_type(draft, layout, driver)?;
    let mut changes = false;
    for handler in handlers(draft.root(), layout) {
        if !handler.is_runc() {
            continue;
        }
        changes |= handler.uses_systemd() != driver.is_systemd();
        if driver.is_systemd() || !handler.systemd_cgroup.is_empty() {
            set_systemd_cgroup(draft, layout, &handler, driver)?;
        }
    }
    Ok(changes)
}

fn set_systemd_cgroup(
    draft: &mut Draft,
    layout: Layout,
    handler: &Handler,
    driver: CgroupDriver,
) -> Result<(), Refusal> {
    let table = below(
        below(layout.containerd(), &handler.path()),
        &[Field("options")],
    );
    let attribute = format!("{}.options.SystemdCgroup", handler.place.join("."));
    draft.set(&table, "SystemdCgroup", driver.is_systemd(), &attribute)
}

/// Without a type, containerd 1.x starts and then fails every sandbox.
fn set_runc_type(draft: &mut Draft, layout: Layout, driver: CgroupDriver) -> Result<(), Refusal> {
    let runc = handlers(draft.root(), layout)
        .into_iter()
        .find(|handler| handler.place == ["runtimes", "runc"]);
    let needed = match &runc {
        None => driver.is_systemd(),
        Some(handler) => {
            let name = handler.runtime_type.as_str();
            name.is_empty() || name == RUNC_V2 || LEGACY_TYPES.contains(&name)
        }
    };
    if !needed {
        return Ok(());
    }
    let place = [Field("runtimes"), Entry("runc")];
    let table = below(layout.containerd(), &place);
    draft.set(
        &table,
        "runtime_type",
        RUNC_V2,
        "runtimes.runc.runtime_type",
    )
}

/// With the runc shim, the driver's old key stops the CRI plugin of containerd 1.x.
fn remove_legacy_driver(draft: &mut Draft, layout: Layout) -> Result<(), Refusal> {
    let key = Field("systemd_cgroup");
    let is_set = find(draft.root(), &below(layout.runtime(), &[key]))
        .iter()
        .any(|item| item.as_bool() != Some(false));
    if is_set {
        draft.remove(&layout.runtime(), key, "systemd_cgroup")?;
    }
    Ok(())
}

fn set_sandbox_image(draft: &mut Draft, layout: Layout, wanted: &Wanted) -> Result<(), Refusal> {
    let Some(image) = &wanted.sandbox_image else {
        return Ok(());
    };
    let (table, key) = layout.sandbox_image();
    draft.set(&table, key, image.as_str(), key)
}

/// The CRI plugin does not load with both ways to configure registries, while the daemon starts.
fn check_registry(
    draft: &Draft,
    layout: Layout,
    wanted: &Wanted,
    version: ContainerdVersion,
) -> Result<(), Refusal> {
    let with_path = wanted.registry_config_path.is_some();
    let Some((legacy, why)) = registry_conflict(draft.root(), layout, with_path, Some(version))
    else {
        return Ok(());
    };
    Err(Refusal::new(format!(
        "the file holds `{legacy}`, and with {why} containerd does not load its CRI plugin"
    ))
    .help("move them to hosts.toml files below the `registryConfigPath`, and remove them from the file"))
}

/// Returns the old way to configure registries that a configuration uses, and what it does not go with.
pub(super) fn registry_conflict(
    root: &Item,
    layout: Layout,
    with_path: bool,
    version: Option<ContainerdVersion>,
) -> Option<(&'static str, String)> {
    let registry = |name| below(layout.registry(), &[Field(name)]);
    let has_config_path = with_path
        || texts(root, &registry("config_path"))
            .iter()
            .any(|path| !path.is_empty());
    let has = |name| {
        find(root, &registry(name))
            .into_iter()
            .any(|table| entries(table).next().is_some())
    };
    let has_tls = find(root, &registry("configs"))
        .into_iter()
        .flat_map(entries)
        .any(|(_, item)| !find(item, &[Field("tls")]).is_empty());
    let is_one = version.is_some_and(ContainerdVersion::is_one);
    let legacy = match (has("mirrors"), has_tls && is_one) {
        (true, _) => "registry.mirrors",
        (false, true) => "registry.configs with tls",
        (false, false) => return None,
    };
    match version {
        _ if has_config_path => Some((legacy, "a `config_path`".to_owned())),
        Some(version) if version.has_registry_config_path() => Some((
            legacy,
            format!("the `config_path` that containerd {version} has built in"),
        )),
        Some(_) | None => None,
    }
}

fn set_registry(draft: &mut Draft, layout: Layout, wanted: &Wanted) -> Result<(), Refusal> {
    match &wanted.registry_config_path {
        Some(path) => draft.set(
            &layout.registry(),
            "config_path",
            wanted.written(path),
            "registry.config_path",
        ),
        None => Ok(()),
    }
}

fn set_cni(
    draft: &mut Draft,
    layout: Layout,
    wanted: &Wanted,
    version: ContainerdVersion,
) -> Result<(), Refusal> {
    if let Some(directory) = &wanted.cni_conf_dir {
        draft.set(
            &layout.cni(),
            "conf_dir",
            wanted.written(directory),
            "cni.conf_dir",
        )?;
    }
    let directories: Vec<String> = wanted
        .cni_bin_dirs
        .iter()
        .map(|directory| wanted.written(directory))
        .collect();
    match &directories[..] {
        [] => Ok(()),
        directories if version.takes_cni_bin_dirs() => set_bin_dirs(draft, layout, directories),
        [directory] => draft.set(&layout.cni(), "bin_dir", directory.as_str(), "cni.bin_dir"),
        _ => Err(Refusal::new(format!(
            "containerd {version} takes one directory of CNI plugins, and `cni.binDirs` names several"
        ))
        .help("name one, or install containerd 2.1 or newer")),
    }
}

/// A `bin_dir` that says the same is left, since containerd still reads it.
fn set_bin_dirs(draft: &mut Draft, layout: Layout, wanted: &[String]) -> Result<(), Refusal> {
    let key = |name| below(layout.cni(), &[Field(name)]);
    let old = texts(draft.root(), &key("bin_dir"));
    let has_list = !find(draft.root(), &key("bin_dirs")).is_empty();
    let same = matches!((&old[..], wanted), ([old], [wanted]) if *old == wanted.as_str());
    if same && !has_list {
        return Ok(());
    }
    if !old.is_empty() {
        draft.remove(&layout.cni(), Field("bin_dir"), "cni.bin_dir")?;
    }
    let list: Array = wanted.iter().map(String::as_str).collect();
    draft.set(
        &layout.cni(),
        "bin_dirs",
        Value::Array(list),
        "cni.bin_dirs",
    )
}
