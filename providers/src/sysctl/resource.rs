//! One sysctl, and the file that holds the lines of all of them.

use engine::name::{Digest, ResourceId, SysctlKey};
use engine::question::{FileState, Question, SysctlState, Unanswered};
use engine::resource::{Action, Decision, Proposal, Reason, Relation, Resource, Situation};
use engine::step::Step;

use super::boot::{self, Assignment, Boot};
use super::key;
use super::value::{canonical, number};
use crate::confdir::{self, Fragment};
use crate::file::shared::{Part, SharedFile};
use crate::file::{FileTarget, refused};
use crate::runtime::FromRuntime;
use crate::section::{after, requires};

/// First lines of the file.
const HEADER: &str = "\
# Managed by hardstand: changes made here are undone. The sysctls are in the node's spec.
# All files of sysctl.d are read in the order of their names and the last value of a key wins, so this one is named to
# come after 99-sysctl.conf, the link to /etc/sysctl.conf that some distributions ship.
";

/// What a sysctl should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// This value, in its canonical form.
    Exactly(String),
    /// At least this number.
    AtLeast(i64),
}

impl Wanted {
    /// Whether a value, in its canonical form, will do.
    fn accepts(&self, value: &str) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == value,
            Self::AtLeast(least) => number(value).is_some_and(|value| value >= *least),
        }
    }

    /// Returns the value to write where none will do yet.
    fn value(&self) -> String {
        match self {
            Self::Exactly(value) => value.clone(),
            Self::AtLeast(least) => least.to_string(),
        }
    }

    fn described(&self) -> String {
        match self {
            Self::Exactly(value) => value.clone(),
            Self::AtLeast(least) => format!("at least {least}"),
        }
    }
}

/// One sysctl: its running value, and its value at boot.
#[derive(Debug, Clone)]
pub(super) struct Sysctl {
    pub(super) key: SysctlKey,
    pub(super) wanted: Wanted,
    /// The file with our line.
    pub(super) file: ResourceId,
    /// Files of the spec that also set sysctls.
    pub(super) others: Vec<ResourceId>,
    /// What is written to come first.
    pub(super) requires: Vec<ResourceId>,
}

impl Resource for Sysctl {
    fn id(&self) -> ResourceId {
        ResourceId::new("sysctl", &self.key)
    }

    fn desired(&self) -> String {
        format!("sysctl {} {}", self.key, self.wanted.described())
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = boot::questions();
        questions.push(Question::Sysctl(self.key.clone()));
        questions
    }

    fn relations(&self) -> Vec<Relation> {
        let module = key::module(&self.key).map(|module| ResourceId::new("module", module));
        let mut relations = vec![requires(self.file.clone())];
        relations.extend(module.map(requires));
        relations.extend(self.others.iter().cloned().map(after));
        if self.key.as_str().starts_with("net.ipv4.conf.") && !key::is_forwarding(&self.key) {
            relations.extend(key::forwarding().map(|name| after(ResourceId::new("sysctl", name))));
        }
        relations
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        let boot = situation.reading::<Boot>()?;
        let names: Vec<_> = std::iter::once(self.key.clone())
            .chain(key::other_name(&self.key))
            .collect();
        let at_boot = boot.winner(&names);
        let proposal = match situation.observed.sysctl(&self.key)? {
            SysctlState::Value(running) => self.compare_running(&canonical(running), situation),
            SysctlState::Absent if self.comes_to_exist(situation) => self
                .set(Action::Create)
                .difference("running", "", self.wanted.value()),
            SysctlState::Absent => return Ok(self.not_there()),
            SysctlState::Unreadable(reason) => {
                return Ok(Decision::Unknown(format!(
                    "`{}` cannot be read: {reason}",
                    self.key
                )));
            }
        };
        if let Some(winner) = at_boot
            && !situation.held_up.contains(&self.file)
            && let Some(refused) = self.overridden(winner)
        {
            return Ok(refused);
        }
        let proposal = self.compare_boot(proposal, at_boot);
        Ok(
            if proposal.differences.is_empty() && proposal.reasons.is_empty() {
                Decision::Converged
            } else {
                Decision::Change(proposal)
            },
        )
    }
}

impl Sysctl {
    fn set(&self, action: Action) -> Proposal {
        let step = Step::SetSysctl {
            key: self.key.clone(),
            value: self.wanted.value(),
        };
        Proposal::new(action, vec![step])
    }

    fn compare_running(&self, running: &str, situation: &Situation<'_>) -> Proposal {
        if !self.wanted.accepts(running) {
            return self.set(Action::Update).difference(
                "running",
                running,
                self.wanted.described(),
            );
        }
        let Some(switch) = self.setter(situation) else {
            return Proposal::new(Action::Update, Vec::new());
        };
        let mut proposal = self.set(Action::Update);
        proposal.reasons = vec![Reason::NotifiedBy(switch)];
        proposal
    }

    /// Returns the switch that changes in this plan and makes the kernel set this key anew.
    fn setter(&self, situation: &Situation<'_>) -> Option<ResourceId> {
        if !key::is_set_by_forwarding(&self.key) {
            return None;
        }
        let changes = |switch: &ResourceId| {
            let proposal = situation.proposed.get(switch);
            proposal.is_some_and(|proposal| !proposal.steps.is_empty())
        };
        key::forwarding()
            .map(|name| ResourceId::new("sysctl", name))
            .into_iter()
            .find(changes)
    }

    /// Refuses what would not last: our line is among the others, so only a line that is read after it can win.
    fn overridden(&self, winner: &Assignment) -> Option<Decision> {
        let place = winner.place();
        let reason = match winner.canonical() {
            Some(value) if self.wanted.accepts(&value) => return None,
            Some(value) => {
                format!("its boot value {value} is set by {place}, which is read after ours")
            }
            None => format!("{place} excludes it at boot, and is read after ours"),
        };
        let help = "remove that line, or name the file in `files` with `state: absent`";
        Some(refused(reason, help))
    }

    /// Adds what is wrong at boot.
    fn compare_boot(&self, proposal: Proposal, winner: Option<&Assignment>) -> Proposal {
        let value = winner.and_then(Assignment::canonical).unwrap_or_default();
        match self.wanted.accepts(&value) {
            true => proposal,
            false => proposal.difference("boot", value, self.wanted.described()),
        }
    }

    /// Whether a module that is loaded in this plan brings the key.
    fn comes_to_exist(&self, situation: &Situation<'_>) -> bool {
        let own = key::module(&self.key).map(|module| ResourceId::new("module", module));
        own.iter()
            .chain(self.requires.iter().filter(|id| id.kind() == "module"))
            .any(|module| {
                situation.proposed.get(module).is_some_and(|proposal| {
                    proposal
                        .steps
                        .iter()
                        .any(|step| matches!(step, Step::LoadModule { .. }))
                })
            })
    }

    fn not_there(&self) -> Decision {
        let help = match key::module(&self.key) {
            Some(module) => format!("add `{module}` to `modules`"),
            None if self.key.as_str().starts_with("net.ipv6.") => {
                "IPv6 may be switched off on the kernel's command line (ipv6.disable=1)".to_owned()
            }
            None => "check its spelling; if a kernel module brings it, add `module/NAME` to its `requires`".to_owned(),
        };
        refused(
            format!("the running kernel has no sysctl `{}`", self.key),
            &help,
        )
    }
}

/// The file with the lines of all sysctls.
///
/// The line of a minimum depends on the host: it never takes away from what others set, or from what was there.
#[derive(Debug, Clone)]
pub(super) struct SysctlFile {
    pub(super) target: FileTarget,
    pub(super) sysctls: Vec<(SysctlKey, Wanted)>,
    /// Files of the spec that also set sysctls.
    pub(super) others: Vec<ResourceId>,
    /// What the section has from `runtime`.
    pub(super) from_runtime: FromRuntime,
}

impl Resource for SysctlFile {
    fn id(&self) -> ResourceId {
        self.target.id()
    }

    fn desired(&self) -> String {
        let wanted = self
            .sysctls
            .iter()
            .fold(String::new(), |text, (key, wanted)| {
                format!("{text}{key} {}\n", wanted.described())
            });
        self.target.desired(&Digest::of(wanted.as_bytes()))
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = self.target.questions();
        let minimums = self
            .minimums()
            .map(|(key, _)| Question::Sysctl(key.clone()));
        questions.extend(minimums);
        if self.minimums().next().is_some() {
            questions.extend(boot::questions());
        }
        questions
    }

    fn relations(&self) -> Vec<Relation> {
        let mut relations = self.target.relations();
        relations.extend(self.others.iter().cloned().map(after));
        relations
    }

    fn holds_line_of(&self, resource: &ResourceId) -> bool {
        let is_it =
            |key: &SysctlKey| resource.kind() == "sysctl" && resource.name() == key.as_str();
        self.sysctls.iter().any(|(key, _)| is_it(key))
    }

    fn without(&self) -> Option<&str> {
        self.from_runtime.without.as_deref()
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        let parts = self.sysctls.iter();
        let file = SharedFile {
            target: self.target.clone(),
            header: HEADER,
            parts: parts
                .map(|(key, wanted)| self.part(key, wanted, situation))
                .collect::<Result<_, _>>()?,
            from_runtime: self.from_runtime.clone(),
        };
        file.decide(situation)
    }
}

impl SysctlFile {
    fn part(
        &self,
        key: &SysctlKey,
        wanted: &Wanted,
        situation: &Situation<'_>,
    ) -> Result<Part, Unanswered> {
        let value = match wanted {
            Wanted::Exactly(value) => value.clone(),
            Wanted::AtLeast(least) => self.minimum(key, *least, situation)?.to_string(),
        };
        Ok(Part {
            resource: ResourceId::new("sysctl", key),
            subject: key.to_string(),
            line: format!("{key} = {value}"),
        })
    }

    fn minimums(&self) -> impl Iterator<Item = (&SysctlKey, i64)> {
        self.sysctls
            .iter()
            .filter_map(|(key, wanted)| match wanted {
                Wanted::AtLeast(least) => Some((key, *least)),
                Wanted::Exactly(_) => None,
            })
    }

    /// Returns the number that our line should hold: no less than what other files set, or else than what our line holds
    /// already, or else than what runs now.
    fn minimum(
        &self,
        key: &SysctlKey,
        least: i64,
        situation: &Situation<'_>,
    ) -> Result<i64, Unanswered> {
        let value = |winner: Option<&Assignment>| number(&winner?.canonical()?);
        let names = std::slice::from_ref(key);
        let all = situation.reading::<Boot>()?;
        let set_elsewhere = value(all.winner_without(&self.target.path, names));
        let own = Boot::of(&[self.own_lines(situation)?]);
        let set_here = value(own.winner(names)).filter(|value| *value >= least);
        let running = match situation.observed.sysctl(key)? {
            SysctlState::Value(value) => number(value),
            SysctlState::Absent | SysctlState::Unreadable(_) => None,
        };
        let known = match (set_elsewhere, set_here) {
            (None, None) => running,
            (elsewhere, here) => elsewhere.max(here),
        };
        Ok(known.map_or(least, |known| known.max(least)))
    }

    fn own_lines<'a>(&'a self, situation: &Situation<'a>) -> Result<Fragment<'a>, Unanswered> {
        let text = match situation.observed.file(&self.target.path)? {
            FileState::Regular(file) => file.content.as_deref().unwrap_or_default(),
            _ => &[],
        };
        Ok(Fragment {
            path: self.target.path.as_str().into(),
            text: confdir::text_of(text),
        })
    }
}
