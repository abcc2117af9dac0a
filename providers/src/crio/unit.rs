//! What the unit of CRI-O adds to its configuration: variables and flags, which win over every file.

use super::layer::{Key, Layer, Origin, Setting};

/// A text that configures the unit: its files, its drop-ins, and the files of variables that it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnitText<'a> {
    /// Where it stands.
    pub(super) path: String,
    /// The text.
    pub(super) text: &'a str,
}

/// What the texts of a unit say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Overrides {
    /// What its variables set.
    pub(super) environment: Layer,
    /// What its flags set.
    pub(super) flags: Layer,
    /// Where it is told to read another configuration, as `file:line`, with what is written there.
    pub(super) elsewhere: Vec<(String, String)>,
}

/// Flags and variables that name another configuration.
const ELSEWHERE: [&str; 6] = [
    "--config",
    "-c",
    "--config-dir",
    "-d",
    "CONTAINER_CONFIG",
    "CONTAINER_CONFIG_DIR",
];

/// Reads the texts of a unit in the order in which they count.
pub(super) fn overrides(texts: &[UnitText<'_>], usual: &[&str]) -> Overrides {
    let mut overrides = Overrides::default();
    for UnitText { path, text } in texts {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.starts_with(['#', ';']) || is_beside_the_point(line) {
                continue;
            }
            if line == "ExecStart=" {
                overrides.flags = Layer::default();
            }
            overrides.line(line, &format!("{path}:{}", index + 1), usual);
        }
    }
    overrides
}

impl Overrides {
    fn line(&mut self, line: &str, place: &str, usual: &[&str]) {
        let unquoted = line.replace(['"', '\''], " ");
        let mut words = unquoted.split_whitespace().map(bare).peekable();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, "")) => (name, None),
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            let variable = Key::ALL.into_iter().find(|key| variable(*key) == name);
            let flag = Key::ALL.into_iter().find(|key| flag(*key) == name);
            if variable.is_none() && flag.is_none() && !ELSEWHERE.contains(&name) {
                continue;
            }
            let value = value
                .or_else(|| words.next())
                .unwrap_or_default()
                .to_owned();
            let key = variable.or(flag);
            let setting = |origin| Setting {
                value: key.map_or_else(|| value.clone(), |key| key.canonical(&value)),
                place: place.to_owned(),
                origin,
            };
            if let Some(key) = variable {
                let setting = setting(Origin::Environment);
                self.environment.settings.insert(key, setting);
            } else if let Some(key) = flag {
                self.flags.settings.insert(key, setting(Origin::Flag));
            } else if !usual.contains(&value.as_str()) {
                self.elsewhere
                    .push((place.to_owned(), format!("{name} {value}")));
            }
        }
    }
}

/// Whether a line is a directive of systemd that gives the daemon neither a variable nor a flag.
fn is_beside_the_point(line: &str) -> bool {
    let is_directive = line.chars().nth(1).is_some_and(char::is_lowercase);
    is_directive && !line.starts_with("ExecStart=") && !line.starts_with("Environment=")
}

/// Returns a word without the assignment that a flag may stand behind.
fn bare(word: &str) -> &str {
    match word.find("=--") {
        Some(at) => &word[at + 1..],
        None => word.strip_prefix("Environment=").unwrap_or(word),
    }
}

fn variable(key: Key) -> &'static str {
    match key {
        Key::CgroupManager => "CONTAINER_CGROUP_MANAGER",
        Key::ConmonCgroup => "CONTAINER_CONMON_CGROUP",
        Key::DefaultRuntime => "CONTAINER_DEFAULT_RUNTIME",
        Key::PauseImage => "CONTAINER_PAUSE_IMAGE",
        Key::Listen => "CONTAINER_LISTEN",
        Key::NetworkDir => "CONTAINER_CNI_CONFIG_DIR",
        Key::PluginDirs => "CONTAINER_CNI_PLUGIN_DIR",
    }
}

fn flag(key: Key) -> &'static str {
    match key {
        Key::CgroupManager => "--cgroup-manager",
        Key::ConmonCgroup => "--conmon-cgroup",
        Key::DefaultRuntime => "--default-runtime",
        Key::PauseImage => "--pause-image",
        Key::Listen => "--listen",
        Key::NetworkDir => "--cni-config-dir",
        Key::PluginDirs => "--cni-plugin-dir",
    }
}
