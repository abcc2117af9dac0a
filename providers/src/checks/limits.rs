//! Limits of the runtime's unit, which containers inherit.

use std::collections::BTreeMap;

use engine::check::{Found, Rule};
use engine::diagnostic::Severity;
use engine::name::{SysctlKey, UnitName};
use engine::question::{Question, SysctlState, Unanswered};
use engine::state::State;

use super::spec::{Runtime, Spec};
use super::{Entry, nothing_of_spec};
use crate::containerd::ContainerdSection;
use crate::crio::CrioSection;
use crate::docker::DockerSection;
use crate::unitfile;

pub(super) const CHECKS: &[Entry] = &[Entry {
    rule: OPEN_FILES,
    applies: Spec::is_for_kubernetes,
    of_spec: nothing_of_spec,
    questions: |spec| {
        let mut questions: Vec<_> = units(spec).iter().flat_map(unitfile::questions).collect();
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

/// What `infinity` comes to: the kernel's bound of the limit.
fn nr_open() -> SysctlKey {
    "fs.nr_open"
        .parse()
        .expect("a key that is valid as written here")
}

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
        let Some(text) = unitfile::read(&service, state, &BTreeMap::new())? else {
            continue;
        };
        let Some(limit) = text.assignments("Service", "LimitNOFILE").pop() else {
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
                _ => continue,
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
