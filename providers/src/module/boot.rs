//! What a host will do about kernel modules at its next boot: which are named to be loaded, which are blocked, and with
//! which options (modules-load.d(5), modprobe.d(5)).

use std::collections::BTreeMap;

use engine::name::ModuleName;
use engine::question::{Question, Unanswered};
use engine::reading::{Outlook, Reading};

use crate::confdir::{self, Fragment, Line};

/// Where modules to load are named, from the highest to the lowest.
pub(crate) const LOAD_DIRECTORIES: [&str; 4] = [
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
];
/// Where modprobe is configured, from the highest to the lowest.
pub(crate) const MODPROBE_DIRECTORIES: [&str; 5] = [
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
];

/// What is read at boot, once the plan is carried out.
#[derive(Debug)]
pub(crate) struct Boot {
    load: Vec<Fragment<'static>>,
    modprobe: Vec<Fragment<'static>>,
    command_line: String,
}

/// What keeps a module from being loaded at boot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Where it is written.
    pub(crate) place: String,
    /// The line.
    pub(crate) line: String,
    /// What it does.
    pub(crate) effect: &'static str,
}

/// Returns what must be asked to know what happens at boot.
pub(crate) fn questions() -> Vec<Question> {
    let mut questions = confdir::questions(&LOAD_DIRECTORIES);
    questions.extend(confdir::questions(&MODPROBE_DIRECTORIES));
    questions
}

impl Reading for Boot {
    fn read(outlook: &Outlook<'_>) -> Result<Self, Unanswered> {
        let fragments = |directories| {
            let fragments = confdir::fragments(outlook, directories)?.into_iter();
            Ok(fragments.map(Fragment::into_owned).collect())
        };
        Ok(Self {
            load: fragments(&LOAD_DIRECTORIES)?,
            modprobe: fragments(&MODPROBE_DIRECTORIES)?,
            command_line: outlook.observed.facts.kernel_command_line.clone(),
        })
    }
}

impl Boot {
    /// Whether a module is named to be loaded. The whole line is the name.
    pub(crate) fn loads(&self, module: &ModuleName) -> bool {
        let named = self
            .load
            .iter()
            .flat_map(|fragment| fragment.lines(&['#', ';']))
            .any(|line| is_named(line.text, module));
        named
            || self
                .parameters("modules_load")
                .any(|name| is_named(name, module))
    }

    /// Returns what keeps a module from being loaded, although loading it by hand may work.
    pub(crate) fn blocks(&self, module: &ModuleName) -> Option<Block> {
        let blocked_by_line = self
            .modprobe_lines()
            .find_map(|line| block_of_line(line, module));
        blocked_by_line.or_else(|| {
            ["modprobe.blacklist", "module_blacklist"]
                .into_iter()
                .find(|name| self.parameters(name).any(|value| is_named(value, module)))
                .map(|name| Block {
                    place: "the kernel's command line".to_owned(),
                    line: format!("{name}={module}"),
                    effect: "keeps it from being loaded at boot",
                })
        })
    }

    /// Returns the options a module is loaded with: the last of each name, and where it is set.
    pub(crate) fn options(&self, module: &ModuleName) -> BTreeMap<&str, (&str, String)> {
        let mut options = BTreeMap::new();
        for line in self.modprobe_lines() {
            let mut words = line.text.split_whitespace();
            if words.next() != Some("options") || !words.next().is_some_and(|n| is_named(n, module))
            {
                continue;
            }
            for (name, value) in words.filter_map(|word| word.split_once('=')) {
                options.insert(name, (value, line.place()));
            }
        }
        options
    }

    /// Returns the option of a built-in module from the kernel's command line.
    pub(crate) fn command_line_option<'a>(
        &'a self,
        module: &ModuleName,
        option: &str,
    ) -> Option<&'a str> {
        let set = |word: &'a str| {
            let (name, value) = word.split_once('=')?;
            let (prefix, rest) = name.split_once('.')?;
            (is_named(prefix, module) && rest == option).then_some(value)
        };
        let mut last_first = self.command_line.split_whitespace().rev();
        last_first.find_map(set)
    }

    /// Returns the values of a list on the kernel's command line.
    fn parameters<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.command_line
            .split_whitespace()
            .filter_map(move |word| word.strip_prefix(name)?.strip_prefix('='))
            .flat_map(|list| list.split(','))
    }

    fn modprobe_lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.modprobe
            .iter()
            .flat_map(|fragment| fragment.lines(&['#']))
    }
}

fn block_of_line(line: Line<'_>, module: &ModuleName) -> Option<Block> {
    let mut words = line.text.split_whitespace();
    let (command, name) = (words.next()?, words.next()?);
    let rest: Vec<_> = words.collect();
    let effect = match command {
        _ if !is_named(name, module) => return None,
        "blacklist" => "is honoured at boot, although loading it by hand works",
        "install" if !loads_something(&rest) => {
            "runs instead of loading it, and reports success or failure of its own"
        }
        _ => return None,
    };
    Some(Block {
        place: line.place(),
        line: line.text.to_owned(),
        effect,
    })
}

/// Whether an install command seems to load the module after all.
fn loads_something(command: &[&str]) -> bool {
    command
        .iter()
        .any(|word| word.ends_with("modprobe") || word.ends_with("insmod"))
}

/// Whether a text names a module; kmod treats `-` and `_` alike.
fn is_named(text: &str, module: &ModuleName) -> bool {
    text.replace('-', "_") == module.as_str()
}
