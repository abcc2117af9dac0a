//! Kernel modules: loaded now, and at every boot (the `modules` section).
//!
//! All modules share one file that names them to systemd-modules-load and one with their options. A module counts as
//! present if it works, whether it was loaded or built in: some kernels have no modules at all.

mod boot;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{ModuleName, ResourceId, SysctlKey};
use engine::question::{ModuleState, Question, SysctlState, Unanswered};
use engine::resource::{
    Action, Decision, Declared, Proposal, Provider, Relation, Resource, Section, Sections,
    Situation,
};
use engine::spec::Node;
use engine::step::{Disruption, Step};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::file::{managed_file, refused};
use crate::section::{constant_path, decode, files_below, items, requires, schema, written};
use boot::{Block, Boot};

/// The file that names the modules to load at boot.
const LOAD_FILE: &str = "/etc/modules-load.d/hardstand.conf";
/// The file with the options of modules.
const OPTIONS_FILE: &str = "/etc/modprobe.d/hardstand.conf";
/// First lines of both files.
const HEADER: &str =
    "# Managed by hardstand: changes made here are undone. The modules are in the node's spec.\n";

/// A module: its name, or its name with options.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum ModuleEntry {
    /// The name of a kernel module; `-` and `_` are the same.
    Name(ModuleName),
    /// A module with options or with an order.
    Detailed(DetailedModule),
}

/// A module with options or with an order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DetailedModule {
    /// The name of a kernel module; `-` and `_` are the same.
    name: ModuleName,
    /// Options to load it with, by name; none by default. They are written to /etc/modprobe.d/hardstand.conf and take effect
    /// when the module is loaded, so for one that is loaded already only after a reboot. The options of a module that is
    /// built into the kernel come from the kernel's command line.
    #[serde(default)]
    options: BTreeMap<String, OptionValue>,
    /// Resources that come first, such as a package with further kernel modules.
    #[serde(default)]
    requires: Vec<ResourceId>,
    /// Resources that take notice when the module is loaded.
    #[serde(default)]
    notifies: Vec<ResourceId>,
}

/// The value of a module option.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum OptionValue {
    /// A whole number.
    Integer(i64),
    /// Any other value, without white space.
    Text(String),
}

/// Owns `modules`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Modules;

impl Provider for Modules {
    fn sections(&self) -> Vec<Section> {
        vec![Section {
            name: "modules",
            schema: schema::<Vec<ModuleEntry>>(),
        }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["module"]
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        let others = [&boot::LOAD_DIRECTORIES[..], &boot::MODPROBE_DIRECTORIES[..]].concat();
        let others = files_below(sections, &others);
        let modules: Vec<_> = items(sections, "modules")
            .iter()
            .filter_map(|node| {
                let entry = decode(node, problems)?;
                Some(module(entry, node, &others, problems))
            })
            .collect();
        let names: Vec<_> = modules.iter().map(|(module, _)| module).collect();
        let mut declared: Vec<_> = match sections.all.get("modules") {
            Some(section) => shared_files(&names, section),
            None => Vec::new(),
        };
        declared.extend(modules.into_iter().map(|(module, declaration)| Declared {
            resource: Box::new(module),
            ..declaration
        }));
        declared
    }
}

/// One kernel module.
#[derive(Debug, Clone)]
struct Module {
    name: ModuleName,
    options: BTreeMap<String, String>,
    /// Files of the spec that also say something of modules, and what else is written to come first.
    after: Vec<ResourceId>,
}

/// Returns a module and the rest of its declaration.
fn module(
    entry: ModuleEntry,
    node: &Node,
    others: &[ResourceId],
    problems: &mut Problems,
) -> (Module, Declared) {
    let detailed = match entry {
        ModuleEntry::Name(name) => DetailedModule {
            name,
            options: BTreeMap::new(),
            requires: Vec::new(),
            notifies: Vec::new(),
        },
        ModuleEntry::Detailed(detailed) => detailed,
    };
    let DetailedModule {
        name,
        options,
        requires,
        notifies,
    } = detailed;
    let written = written(node, &requires, &notifies);
    let module = Module {
        name,
        options: options
            .into_iter()
            .filter_map(|(name, value)| checked_option(name, value, node, problems))
            .collect(),
        after: others.iter().cloned().chain(requires).collect(),
    };
    let declared = Declared {
        resource: Box::new(module.clone()),
        span: node.span,
        written,
    };
    (module, declared)
}

fn checked_option(
    name: String,
    value: OptionValue,
    node: &Node,
    problems: &mut Problems,
) -> Option<(String, String)> {
    let value = match value {
        OptionValue::Integer(value) => value.to_string(),
        OptionValue::Text(text) => text,
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_value = |c: char| c.is_ascii_graphic() && !matches!(c, '#' | '\\' | '"' | '\'');
    let fine = !name.is_empty() && name.chars().all(is_name) && value.chars().all(is_value);
    if !fine {
        problems.push(
            Diagnostic::error(
                "E216",
                node.span_at(&["options", &name]),
                format!("`{name}={value}` is not a module option"),
            )
            .help("a name of letters, digits and `_`, and a value without white space and quotes"),
        );
    }
    fine.then_some((name, value))
}

/// Returns the files that all modules share.
fn shared_files(modules: &[&Module], section: &Node) -> Vec<Declared> {
    if modules.is_empty() {
        return Vec::new();
    }
    let mut load = HEADER.to_owned();
    let mut options = HEADER.to_owned();
    for module in modules {
        load += &format!("{}\n", module.name);
        if !module.options.is_empty() {
            options += &format!("{}\n", options_line(module));
        }
    }
    let has_options = modules.iter().any(|module| !module.options.is_empty());
    [
        Some((LOAD_FILE, load)),
        has_options.then_some((OPTIONS_FILE, options)),
    ]
    .into_iter()
    .flatten()
    .map(|(path, text)| Declared {
        resource: Box::new(managed_file(constant_path(path), text.into_bytes())),
        span: section.span,
        written: Vec::new(),
    })
    .collect()
}

fn options_line(module: &Module) -> String {
    module
        .options
        .iter()
        .fold(format!("options {}", module.name), |line, (name, value)| {
            format!("{line} {name}={value}")
        })
}

impl Module {
    /// Whether the module works now.
    fn is_present(
        &self,
        state: &ModuleState,
        situation: &Situation<'_>,
    ) -> Result<bool, Unanswered> {
        Ok(state.loaded || state.builtin || state.in_sysfs || self.is_functional(situation)?)
    }

    /// Whether what the module is for is there, however it came to be.
    fn is_functional(&self, situation: &Situation<'_>) -> Result<bool, Unanswered> {
        if situation.facts().file_systems.contains(self.name.as_str()) {
            return Ok(true);
        }
        match self.proof() {
            Some(key) => Ok(*situation.observed.sysctl(&key)? != SysctlState::Absent),
            None => Ok(false),
        }
    }

    /// Returns a sysctl that exists only if the module works.
    fn proof(&self) -> Option<SysctlKey> {
        (self.name.as_str() == "br_netfilter").then(|| {
            "net.bridge.bridge-nf-call-iptables"
                .parse()
                .expect("a sysctl key")
        })
    }

    fn decide_loadable(
        &self,
        state: &ModuleState,
        present: bool,
        situation: &Situation<'_>,
    ) -> Result<Decision, Unanswered> {
        let boot = Boot::after(situation)?;
        if let Some(block) = boot.blocks(&self.name) {
            return Ok(self.blocked(&block));
        }
        if !present && !state.available && !self.comes_with_package(situation) {
            return Ok(self.not_available());
        }
        if !present && loading_is_disabled(situation)? {
            return Ok(refused(
                format!(
                    "`{}` is not loaded, and the kernel loads no more modules",
                    self.name
                ),
                "kernel.modules_disabled is 1: reboot the node without that setting",
            ));
        }
        let steps = if present {
            Vec::new()
        } else {
            vec![Step::LoadModule {
                name: self.name.clone(),
            }]
        };
        let action = if present {
            Action::Update
        } else {
            Action::Create
        };
        let mut proposal = Proposal::new(action, steps);
        if !present {
            proposal = proposal.difference("running", "not loaded", "loaded");
        }
        if !boot.loads(&self.name) {
            proposal = proposal.difference("boot", "not loaded", "loaded");
        }
        proposal = self.compare_options(proposal, state, &boot);
        if proposal.differences.is_empty() {
            return Ok(Decision::Converged);
        }
        if !present && !state.available {
            proposal.condition = Some("a package of this plan must bring it".to_owned());
        }
        Ok(Decision::Change(proposal))
    }

    /// Adds the options that differ: those of the loaded module, and those that another file sets after ours.
    fn compare_options(
        &self,
        mut proposal: Proposal,
        state: &ModuleState,
        boot: &Boot<'_>,
    ) -> Proposal {
        let at_boot = boot.options(&self.name);
        for (name, wanted) in &self.options {
            let running = state.parameters.get(name).filter(|_| state.loaded);
            if let Some(running) = running.filter(|running| !same_option(running, wanted)) {
                proposal = proposal.difference(&format!("option {name}"), running, wanted);
                proposal.disruption = Disruption::Reboot;
                proposal.condition = Some(
                    "the module is loaded with other options; they change when it is loaded again, at the next boot"
                        .to_owned(),
                );
            }
            if let Some((value, place)) = at_boot.get(name.as_str())
                && !same_option(value, wanted)
            {
                proposal = proposal.difference(&format!("boot option {name}"), *value, wanted);
                proposal.condition = Some(format!(
                    "option {name}={value} is set by {place}, which is read after ours"
                ));
            }
        }
        proposal
    }

    /// Decides about a module that is part of the kernel: there is nothing to load, and its options come from elsewhere.
    fn decide_builtin(
        &self,
        state: &ModuleState,
        situation: &Situation<'_>,
    ) -> Result<Decision, Unanswered> {
        let boot = Boot::after(situation)?;
        let wrong = self.options.iter().find(|(name, wanted)| {
            let running = state.parameters.get(*name);
            let at_boot = boot.command_line_option(&self.name, name);
            !running.is_some_and(|running| same_option(running, wanted))
                && !at_boot.is_some_and(|value| same_option(value, wanted))
        });
        Ok(match wrong {
            None => Decision::Converged,
            Some((name, wanted)) => refused(
                format!(
                    "`{}` is built into the kernel, so modprobe.d does not set its option `{name}`",
                    self.name
                ),
                &format!(
                    "add `{}.{name}={wanted}` to the kernel's command line and reboot",
                    self.name
                ),
            ),
        })
    }

    fn comes_with_package(&self, situation: &Situation<'_>) -> bool {
        self.after
            .iter()
            .any(|resource| resource.kind() == "package" && situation.changes(resource))
    }

    fn blocked(&self, block: &Block) -> Decision {
        refused(
            format!(
                "`{}` will not be loaded at boot: `{}` in {} {}",
                self.name, block.line, block.place, block.effect
            ),
            "remove that line, or leave the module out of the spec",
        )
    }

    fn not_available(&self) -> Decision {
        refused(
            format!("the running kernel has no module `{}`", self.name),
            "if the kernel was upgraded since the last boot, reboot; some distributions split modules off \
             (kernel-modules-extra on RHEL and its kin, linux-modules-extra on Ubuntu); in a container the module is \
             loaded on the host",
        )
    }
}

impl Resource for Module {
    fn id(&self) -> ResourceId {
        ResourceId::new("module", &self.name)
    }

    fn desired(&self) -> String {
        format!("module {}", options_line(self))
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = boot::questions();
        questions.push(Question::Module(self.name.clone()));
        questions.push(Question::Sysctl(modules_disabled()));
        questions.extend(self.proof().map(Question::Sysctl));
        questions
    }

    fn relations(&self) -> Vec<Relation> {
        [LOAD_FILE, OPTIONS_FILE]
            .into_iter()
            .map(|path| ResourceId::new("file", path))
            .chain(self.after.iter().cloned())
            .map(requires)
            .collect()
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        let state = situation.observed.module(&self.name)?;
        let present = self.is_present(state, situation)?;
        if state.builtin || (present && !state.loaded && !state.available) {
            self.decide_builtin(state, situation)
        } else {
            self.decide_loadable(state, present, situation)
        }
    }
}

fn loading_is_disabled(situation: &Situation<'_>) -> Result<bool, Unanswered> {
    let disabled = situation.observed.sysctl(&modules_disabled())?;
    Ok(*disabled == SysctlState::Value("1".to_owned()))
}

fn modules_disabled() -> SysctlKey {
    "kernel.modules_disabled".parse().expect("a sysctl key")
}

/// Whether two spellings of an option are the same: the kernel shows booleans as `Y` and `N`.
fn same_option(one: &str, other: &str) -> bool {
    let canonical = |text: &str| match text.trim() {
        "Y" | "y" | "1" => "1".to_owned(),
        "N" | "n" | "0" => "0".to_owned(),
        text => text.to_owned(),
    };
    canonical(one) == canonical(other)
}
