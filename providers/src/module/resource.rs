//! The `module` resource.

use std::collections::BTreeMap;

use engine::name::{ModuleName, ResourceId, SysctlKey};
use engine::question::{ModuleState, Observed, Question, SysctlState, Unanswered};
use engine::resource::{Action, Decision, Proposal, Relation, Resource, Situation};
use engine::step::{Disruption, Step};

use super::boot::{self, Block, Boot};
use super::{LOAD_FILE, OPTIONS_FILE};
use crate::file::refused;
use crate::section::requires;

/// One kernel module.
#[derive(Debug, Clone)]
pub(super) struct Module {
    pub(super) name: ModuleName,
    pub(super) options: BTreeMap<String, String>,
    /// Files of the spec that also say something of modules, and what else is written to come first.
    pub(super) after: Vec<ResourceId>,
}

impl Resource for Module {
    fn id(&self) -> ResourceId {
        ResourceId::new("module", &self.name)
    }

    fn desired(&self) -> String {
        format!("module {}", self.options_line())
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = boot::questions();
        questions.push(Question::Module(self.name.clone()));
        questions.push(Question::Sysctl(modules_disabled()));
        questions.extend(proof(&self.name).map(Question::Sysctl));
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

impl Module {
    /// Returns the name and the options as modprobe.d has them.
    pub(super) fn options_line(&self) -> String {
        let start = format!("options {}", self.name);
        self.options.iter().fold(start, |line, (name, value)| {
            format!("{line} {name}={value}")
        })
    }

    /// Whether the module works now.
    fn is_present(
        &self,
        state: &ModuleState,
        situation: &Situation<'_>,
    ) -> Result<bool, Unanswered> {
        let is_there = state.loaded || state.builtin || state.in_sysfs;
        Ok(is_there || is_functional(&self.name, situation.observed)?)
    }

    fn decide_loadable(
        &self,
        state: &ModuleState,
        present: bool,
        situation: &Situation<'_>,
    ) -> Result<Decision, Unanswered> {
        let boot = situation.reading::<Boot>()?;
        if let Some(block) = boot.blocks(&self.name) {
            return Ok(self.blocked(&block));
        }
        if !present && !state.available && !self.comes_with_package(situation) {
            return Ok(self.not_available());
        }
        if let Some(refused) = self.overridden(&boot, situation) {
            return Ok(refused);
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
        proposal = self.compare_options(proposal, state);
        if proposal.differences.is_empty() {
            return Ok(Decision::Converged);
        }
        if !present && !state.available {
            proposal.condition = Some("a package of this plan must bring it".to_owned());
        }
        Ok(Decision::Change(proposal))
    }

    /// Refuses an option that would not last: our line is among the others, so only one that is read after it can win.
    fn overridden(&self, boot: &Boot, situation: &Situation<'_>) -> Option<Decision> {
        if situation
            .held_up
            .contains(&ResourceId::new("file", OPTIONS_FILE))
        {
            return None;
        }
        let at_boot = boot.options(&self.name);
        self.options.iter().find_map(|(name, wanted)| {
            let (value, place) = at_boot.get(name.as_str())?;
            (!same_option(value, wanted)).then(|| {
                refused(
                    format!(
                        "its option {name}={value} is set by {place}, which is read after ours"
                    ),
                    "remove that line, or name the file in `files` with `state: absent`",
                )
            })
        })
    }

    /// Adds the options with which it is loaded and that differ.
    fn compare_options(&self, mut proposal: Proposal, state: &ModuleState) -> Proposal {
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
        }
        proposal
    }

    /// Decides about a module that is part of the kernel: there is nothing to load, and its options come from elsewhere.
    fn decide_builtin(
        &self,
        state: &ModuleState,
        situation: &Situation<'_>,
    ) -> Result<Decision, Unanswered> {
        let boot = situation.reading::<Boot>()?;
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
            "remove that line, or leave the module out of the spec; where it follows from `runtime`, `prerequisites: false` does that",
        )
    }

    fn not_available(&self) -> Decision {
        refused(
            format!("the running kernel has no module `{}`", self.name),
            "if the kernel was upgraded since the last boot, reboot; some distributions split modules off \
             (kernel-modules-extra on RHEL and its kin, linux-modules-extra on Ubuntu); in a container the module is \
             loaded on the host; where it follows from `runtime`, `prerequisites: false` leaves it out",
        )
    }
}

/// Whether what a module is for is there, however it came to be.
pub(crate) fn is_functional(name: &ModuleName, observed: &Observed) -> Result<bool, Unanswered> {
    if observed.facts.file_systems.contains(name.as_str()) {
        return Ok(true);
    }
    match proof(name) {
        Some(key) => Ok(*observed.sysctl(&key)? != SysctlState::Absent),
        None => Ok(false),
    }
}

/// Returns a sysctl that exists only if the module works.
pub(crate) fn proof(name: &ModuleName) -> Option<SysctlKey> {
    (name.as_str() == "br_netfilter").then(|| {
        "net.bridge.bridge-nf-call-iptables"
            .parse()
            .expect("a sysctl key")
    })
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
