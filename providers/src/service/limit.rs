//! The limit of open files that a drop-in of hardstand sets: whether it wins, and whether the running process has it.

use engine::name::{ResourceId, SysctlKey, UnitName};
use engine::question::{Question, Unanswered};
use engine::resource::{Decision, Relation, Sections, Situation};

use crate::file::refused;
use crate::runtime;
use crate::section::after;
use crate::sysctl;
use crate::unitfile;

/// Returns the limit that the spec sets for a unit, if it sets one.
pub(super) fn of_spec(unit: &UnitName, sections: &Sections<'_>) -> Option<u32> {
    let (daemons, _) = runtime::daemons(sections)?;
    daemons.limit_no_file.filter(|_| daemons.service == *unit)
}

/// Returns what must be asked to know the limit of a unit.
pub(super) fn questions(unit: &UnitName) -> Vec<Question> {
    let mut questions = unitfile::questions(unit);
    questions.push(Question::Limits(unit.clone()));
    questions.push(Question::Sysctl(nr_open()));
    questions
}

/// The kernel's bound of the limit.
pub(crate) fn nr_open() -> SysctlKey {
    "fs.nr_open"
        .parse()
        .expect("a key that is valid as written here")
}

/// Returns the edge to the kernel's bound, which a plan may raise: a process is bound by what it is when it starts.
pub(super) fn relation() -> Relation {
    after(ResourceId::new("sysctl", nr_open()))
}

/// Returns why the limit would not be what is wanted, whatever hardstand writes: another file says otherwise, and wins.
pub(super) fn overridden(
    unit: &UnitName,
    limit: u32,
    situation: &Situation<'_>,
) -> Result<Option<Decision>, Unanswered> {
    let text = unitfile::read(unit, &situation.outlook())?;
    let winner = text.and_then(|text| text.assignments("Service", "LimitNOFILE").pop());
    Ok(winner
        .filter(|winner| winner.value != limit.to_string())
        .map(|winner| {
            refused(
                format!(
                    "`{unit}` gets LimitNOFILE={} from {}, which wins over `limitNoFile: {limit}`",
                    winner.value.escape_debug(),
                    winner.place
                ),
                "take the line out there",
            )
        }))
}

/// Returns why the process of a unit has another limit than is wanted, if it runs and has.
pub(super) fn stale(
    unit: &UnitName,
    limit: u32,
    situation: &Situation<'_>,
) -> Result<Option<String>, Unanswered> {
    let limit = u64::from(limit);
    let nr_open = sysctl::running(&nr_open(), situation)?;
    let nr_open = nr_open.and_then(|value| value.parse().ok());
    let nr_open = nr_open.unwrap_or(u64::MAX);
    let running = situation.observed.limits(unit)?.open_files;
    // Of what is beyond the bounds, systemd gives as much as it can, and does not say how much that is.
    Ok(running
        .filter(|running| running.hard != limit && limit <= nr_open.min(running.bound))
        .map(|running| {
            format!(
                "it was started: it runs with at most {} open files",
                running.hard
            )
        }))
}
