//! The sysctls that a kubelet with `protectKernelDefaults` wants to find. It does not start where one is another.
//!
//! A kubelet without it sets them itself, so that they are right until the next boot: what counts is what boot sets.

use engine::name::{ResourceId, SysctlKey};
use engine::question::{Question, Unanswered};
use engine::resource::Situation;

use crate::sysctl;
use crate::sysctl::boot::{self, Assignment, Boot};

/// A sysctl that the kubelet wants.
struct Wanted {
    key: &'static str,
    value: &'static str,
    /// The kernel has this value where nothing sets it.
    built_in: bool,
}

const WANTED: [Wanted; 6] = [
    wanted("vm.overcommit_memory", "1", false),
    wanted("vm.panic_on_oom", "0", true),
    wanted("kernel.panic", "10", false),
    wanted("kernel.panic_on_oops", "1", false),
    wanted("kernel.keys.root_maxkeys", "1000000", true),
    wanted("kernel.keys.root_maxbytes", "25000000", true),
];

const fn wanted(key: &'static str, value: &'static str, built_in: bool) -> Wanted {
    Wanted {
        key,
        value,
        built_in,
    }
}

/// Returns what must be asked about them.
pub(crate) fn questions() -> Vec<Question> {
    let mut questions = boot::questions();
    questions.extend(WANTED.iter().map(|wanted| Question::Sysctl(wanted.key())));
    questions
}

/// Returns the resources that set them, to come first.
pub(super) fn resources() -> impl Iterator<Item = ResourceId> {
    WANTED
        .iter()
        .map(|wanted| ResourceId::new("sysctl", wanted.key))
}

/// What keeps a kubelet with `protectKernelDefaults` from starting.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Obstacles {
    /// What is wrong, sysctl by sysctl.
    pub(crate) wrong: Vec<String>,
    /// The entries of the section `sysctls` that mend it.
    pub(crate) mend: Vec<String>,
}

/// Returns what keeps it from starting, now or after the next boot, once what was proposed is done.
pub(crate) fn obstacles(situation: &Situation<'_>) -> Result<Obstacles, Unanswered> {
    let boot = situation.reading::<Boot>()?;
    let mut obstacles = Obstacles::default();
    for wanted in &WANTED {
        if let Some(wrong) = wanted.obstacle(&boot, situation)? {
            obstacles.wrong.push(wrong);
            obstacles
                .mend
                .push(format!("{}: {}", wanted.key, wanted.value));
        }
    }
    Ok(obstacles)
}

impl Wanted {
    fn key(&self) -> SysctlKey {
        self.key.parse().expect("the keys written here are keys")
    }

    fn obstacle(
        &self,
        boot: &Boot,
        situation: &Situation<'_>,
    ) -> Result<Option<String>, Unanswered> {
        let Self {
            key,
            value,
            built_in,
        } = self;
        let running = sysctl::running(&self.key(), situation)?;
        if running.as_deref() != Some(value) {
            let running = running.unwrap_or_else(|| "not there".to_owned());
            return Ok(Some(format!("{key} is {running} and must be {value}")));
        }
        let winner = boot.winner(&[self.key()]);
        let at_boot = winner.and_then(Assignment::canonical);
        Ok(match (at_boot, winner) {
            (Some(at_boot), _) if at_boot == *value => None,
            (Some(at_boot), Some(winner)) => Some(format!(
                "{key} must be {value}, and {} sets it to {at_boot} at the next boot",
                winner.place()
            )),
            _ if *built_in => None,
            _ => Some(format!(
                "{key} must be {value}, and nothing sets it at the next boot"
            )),
        })
    }
}
