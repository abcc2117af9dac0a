//! Limits of the runtime's unit, which containers inherit.

use engine::check::{Found, Rule};
use engine::diagnostic::Severity;
use engine::name::UnitName;
use engine::question::{Question, SysctlState, Unanswered};
use engine::reading::Outlook;
use engine::state::State;

use super::spec::{Runtime, Spec};
use super::{Entry, nothing_of_spec};
use crate::containerd::ContainerdSection;
use crate::crio::CrioSection;
use crate::docker::DockerSection;
use crate::service::nr_open;
use crate::unitfile;

pub(super) const CHECKS: &[Entry] = &[Entry {
    rule: OPEN_FILES,
    applies: Spec::is_for_kubernetes,
    of_spec: nothing_of_spec,
    questions: |spec| {
        let units = units(spec);
        let mut questions: Vec<_> = units.iter().flat_map(unitfile::questions).collect();
        for unit in units {
            questions.push(Question::Unit(unit.clone()));
            questions.push(Question::Limits(unit));
        }
        questions.push(Question::Sysctl(nr_open()));
        questions
    },
    of_host: open_files,
}];

const OPEN_FILES: Rule = Rule {
    id: "H025",
    title: "the runtime's unit limits open files too much or not at all",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H025.md"),
};

/// Fewer open files than this are not enough for databases, proxies and the like.
const LEAST: u64 = 65_536;

/// More open files than this take a program minutes to walk. Distributions that bound it choose 1048576.
const MOST: u64 = 16 * 1_048_576;

/// Returns the units of the runtime that the spec chooses, or of all that it may have.
fn units(spec: &Spec) -> Vec<UnitName> {
    let default = |runtime| match runtime {
        Runtime::Containerd => ContainerdSection::default().service,
        Runtime::Crio => CrioSection::default().service,
        Runtime::Docker | Runtime::Mirantis => DockerSection::default().service,
    };
    match spec.runtime {
        Some(runtime) => vec![spec.of_runtime_as("service").unwrap_or(default(runtime))],
        None => [Runtime::Containerd, Runtime::Crio, Runtime::Docker]
            .map(default)
            .into(),
    }
}

fn open_files(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let mut found = Vec::new();
    for service in units(spec) {
        let Some(text) = unitfile::read(&service, &Outlook::now(state))? else {
            continue;
        };
        let Some(limit) = text.assignments("Service", "LimitNOFILE").pop() else {
            found.extend(of_process(&service, spec, state)?);
            continue;
        };
        let hard = limit.value.rsplit(':').next().unwrap_or_default();
        let (message, help) = match hard {
            "infinity" => match bound(state)? {
                most if most > MOST => (
                    format!(
                        "{service} has LimitNOFILE=infinity by {}, and here that is {most}: programs that walk all file \
                         descriptors hang in containers",
                        limit.place
                    ),
                    "set `limitNoFile: 1048576` in the section of the runtime",
                ),
                _ => {
                    found.extend(of_process(&service, spec, state)?);
                    continue;
                }
            },
            number => {
                let Ok(number) = number.parse::<u64>() else {
                    return Err(Unanswered(format!(
                        "`{}` in {} is no limit that can be read",
                        limit.value.escape_debug(),
                        limit.place
                    )));
                };
                if number >= LEAST {
                    found.extend(of_process(&service, spec, state)?);
                    continue;
                }
                (
                    format!(
                        "{service} has LimitNOFILE={} by {}: a container opens {number} files at most",
                        limit.value.escape_debug(),
                        limit.place
                    ),
                    "set `limitNoFile: 1048576` in the section of the runtime, or take the line out",
                )
            }
        };
        let place = spec.place(&["runtime"]);
        found.push(OPEN_FILES.found(message).help(help).at(place));
    }
    Ok(found)
}

/// Finds a process that has less than its unit's text would give it now, and that the plan does not restart.
fn of_process(
    service: &UnitName,
    spec: &Spec,
    state: &State<'_>,
) -> Result<Option<Found>, Unanswered> {
    if state.restarts(service) || !state.is_active(service)? {
        return Ok(None);
    }
    let running = state.limits(service)?.open_files;
    Ok(running.filter(|running| running.hard < LEAST).map(|running| {
        let message = format!(
            "{service} runs with a limit of {} open files, whatever its unit says: a container opens no more",
            running.hard
        );
        let found = OPEN_FILES.found(message).help(
            "restart it, if its unit was changed since it was started; else look for what lowers the limit of systemd itself, \
             such as `DefaultLimitNOFILE=` in /etc/systemd/system.conf",
        );
        found.at(spec.place(&["runtime"]))
    }))
}

/// Returns the kernel's bound of the limit.
fn bound(state: &State<'_>) -> Result<u64, Unanswered> {
    match state.sysctl(&nr_open())? {
        SysctlState::Value(value) => value
            .parse()
            .map_err(|_| Unanswered("fs.nr_open is no number".to_owned())),
        SysctlState::Absent => Err(Unanswered("there is no fs.nr_open".to_owned())),
        SysctlState::Unreadable(why) => Err(Unanswered(format!("cannot read fs.nr_open: {why}"))),
    }
}
