//! What systemd-sysctl will set at the next boot, and which line wins (sysctl.d(5), systemd's src/sysctl/sysctl.c).
//!
//! All files are read in the order of their names. A later assignment of a key replaces an earlier one and moves to the
//! end; `-key` alone excludes a key; a pattern sets only keys that no line names. `/etc/sysctl.conf` counts only through
//! the link that some distributions ship.

use std::collections::BTreeMap;

use engine::name::SysctlKey;
use engine::question::{Observed, Question, Unanswered};
use engine::resource::Situation;

use super::value::canonical;
use crate::confdir::{self, Fragment};

/// Where fragments stand, from the highest to the lowest.
pub(crate) const DIRECTORIES: [&str; 4] = [
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
];

/// All assignments of a boot, in the order they are carried out.
#[derive(Debug, Default)]
pub(crate) struct Boot {
    assignments: Vec<Assignment>,
}

/// One line that is carried out.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    /// The key or pattern, as a path below `/proc/sys`.
    target: String,
    /// The value; none excludes the key.
    pub(crate) value: Option<String>,
    /// Where it is written.
    pub(crate) place: String,
}

/// Returns what must be asked to know what happens at boot.
pub(crate) fn questions() -> Vec<Question> {
    confdir::questions(&DIRECTORIES)
}

impl Boot {
    /// Reads what a host will do once the earlier resources are changed.
    pub(crate) fn after(situation: &Situation<'_>) -> Result<Self, Unanswered> {
        let (observed, proposed) = (situation.observed, situation.proposed);
        Ok(Self::of(&confdir::fragments(
            observed,
            proposed,
            &DIRECTORIES,
        )?))
    }

    /// Reads what a host will do as it is.
    pub(crate) fn of_host(observed: &Observed) -> Result<Self, Unanswered> {
        let fragments = confdir::fragments(observed, &BTreeMap::new(), &DIRECTORIES)?;
        Ok(Self::of(&fragments))
    }

    /// Reads fragments in the order they are given.
    pub(crate) fn of(fragments: &[Fragment]) -> Self {
        let mut boot = Self::default();
        for line in fragments
            .iter()
            .flat_map(|fragment| fragment.lines(&['#', ';']))
        {
            let assignment = match line.text.split_once('=') {
                Some((target, value)) => (target.trim_start_matches('-'), Some(value.trim())),
                None => match line.text.strip_prefix('-') {
                    Some(target) => (target, None),
                    None => continue,
                },
            };
            let (target, value) = assignment;
            boot.assign(Assignment {
                target: path_below_proc_sys(target.trim()),
                value: value.map(str::to_owned),
                place: line.place(),
            });
        }
        boot
    }

    /// Returns what sets a key, under this or another of its names; none if nothing does.
    pub(crate) fn winner(&self, names: &[SysctlKey]) -> Option<&Assignment> {
        let paths: Vec<_> = names.iter().map(SysctlKey::proc_path).collect();
        let named = |path: &String| self.assignments.iter().any(|a| a.target == *path);
        let patterned: Vec<_> = paths.iter().filter(|path| !named(path)).collect();
        let sets = |assignment: &&Assignment| {
            assignment.value.is_some()
                && (paths.contains(&assignment.target)
                    || patterned
                        .iter()
                        .any(|path| assignment.is_pattern() && matches(&assignment.target, path)))
        };
        let excludes = |assignment: &&Assignment| paths.contains(&assignment.target);
        let last_first = || self.assignments.iter().rev();
        last_first()
            .find(sets)
            .or_else(|| last_first().find(excludes))
    }

    /// Returns the same without the lines of one file.
    pub(crate) fn without(fragments: &[Fragment], path: &str) -> Self {
        let others: Vec<_> = fragments
            .iter()
            .filter(|fragment| fragment.path != path)
            .cloned()
            .collect();
        Self::of(&others)
    }

    fn assign(&mut self, assignment: Assignment) {
        let earlier = self
            .assignments
            .iter()
            .position(|known| known.target == assignment.target);
        if let Some(at) = earlier {
            if self.assignments[at].value == assignment.value {
                return;
            }
            self.assignments.remove(at);
        }
        self.assignments.push(assignment);
    }
}

impl Assignment {
    /// Returns the value as the kernel will show it.
    pub(crate) fn canonical(&self) -> Option<String> {
        self.value.as_deref().map(canonical)
    }

    fn is_pattern(&self) -> bool {
        self.target.contains(['*', '?', '['])
    }
}

/// Returns a spelling as a path below `/proc/sys`: the first `.` or `/` met decides which of them separates.
fn path_below_proc_sys(text: &str) -> String {
    let dotted = text
        .find(['.', '/'])
        .is_some_and(|at| text.as_bytes()[at] == b'.');
    let path: String = if dotted {
        text.chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect()
    } else {
        text.to_owned()
    };
    path.split('/')
        .filter(|component| !component.is_empty())
        .collect::<Vec<_>>()
        .join("/")
}

/// Whether a path matches a pattern, component by component as in glob(7).
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern
            .iter()
            .zip(&path)
            .all(|(pattern, name)| component_matches(pattern.as_bytes(), name.as_bytes()))
}

fn component_matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern {
        [] => name.is_empty(),
        [b'*', rest @ ..] => (0..=name.len()).any(|at| component_matches(rest, &name[at..])),
        [b'?', rest @ ..] => !name.is_empty() && component_matches(rest, &name[1..]),
        [b'[', rest @ ..] => match (rest.iter().position(|c| *c == b']'), name) {
            (Some(end), [first, others @ ..]) => {
                in_set(&rest[..end], *first) && component_matches(&rest[end + 1..], others)
            }
            _ => false,
        },
        [c, rest @ ..] => name.first() == Some(c) && component_matches(rest, &name[1..]),
    }
}

fn in_set(set: &[u8], c: u8) -> bool {
    let (negated, set) = match set {
        [b'!' | b'^', rest @ ..] => (true, rest),
        set => (false, set),
    };
    let mut found = false;
    let mut at = 0;
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == b'-' {
            found |= (set[at]..=set[at + 2]).contains(&c);
            at += 3;
        } else {
            found |= set[at] == c;
            at += 1;
        }
    }
    found != negated
}
