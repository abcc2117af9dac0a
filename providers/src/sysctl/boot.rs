//! What systemd-sysctl will set at the next boot, and which line wins (sysctl.d(5), systemd's src/sysctl/sysctl.c).
//!
//! All files are read in the order of their names. A later assignment of a key replaces an earlier one and moves to the
//! end; `-key` alone excludes a key; a pattern sets only keys that no line names. `/etc/sysctl.conf` counts only through
//! the link that some distributions ship.

use std::collections::BTreeMap;
use std::rc::Rc;

use engine::name::{AbsPath, SysctlKey};
use engine::question::{Question, Unanswered};
use engine::reading::{Outlook, Reading};

use super::value::canonical;
use crate::confdir::{self, Fragment};

/// Where fragments stand, from the highest to the lowest.
pub(crate) const DIRECTORIES: [&str; 4] = [
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
];

/// All that is read at boot.
#[derive(Debug, Default)]
pub(crate) struct Boot {
    /// The lines about each key, a path below `/proc/sys`, in the order they are read.
    keys: BTreeMap<String, Vec<Assignment>>,
    /// The same about patterns.
    patterns: BTreeMap<String, Vec<Assignment>>,
}

/// A line that sets or excludes a key or a pattern.
#[derive(Debug)]
pub(crate) struct Assignment {
    /// Its rank among all lines, in the order they are read.
    rank: usize,
    /// The value; none excludes the key.
    pub(crate) value: Option<String>,
    /// The file it is written in.
    path: Rc<str>,
    /// The number of the line, from 1.
    number: usize,
}

/// Returns what must be asked to know what happens at boot.
pub(crate) fn questions() -> Vec<Question> {
    confdir::questions(&DIRECTORIES)
}

impl Reading for Boot {
    /// Reads what a host will have once the plan is carried out.
    fn read(outlook: &Outlook<'_>) -> Result<Self, Unanswered> {
        Ok(Self::of(&confdir::fragments(outlook, &DIRECTORIES)?))
    }
}

impl Boot {
    /// Returns what some fragments come to, in the order they are read.
    pub(crate) fn of(fragments: &[Fragment<'_>]) -> Self {
        let mut boot = Self::default();
        let mut rank = 0;
        for fragment in fragments {
            let path: Rc<str> = (*fragment.path).into();
            for line in fragment.lines(&['#', ';']) {
                let (target, value) = match line.text.split_once('=') {
                    Some((target, value)) => {
                        (target.trim_start_matches('-').trim(), Some(value.trim()))
                    }
                    None => match line.text.strip_prefix('-') {
                        Some(target) => (target.trim(), None),
                        None => continue,
                    },
                };
                let lines = match is_pattern(target) {
                    true => &mut boot.patterns,
                    false => &mut boot.keys,
                };
                rank += 1;
                lines
                    .entry(path_below_proc_sys(target))
                    .or_default()
                    .push(Assignment {
                        rank,
                        value: value.map(str::to_owned),
                        path: path.clone(),
                        number: line.number,
                    });
            }
        }
        boot
    }

    /// Returns what sets a key, under this or another of its names; none if nothing does.
    pub(crate) fn winner(&self, names: &[SysctlKey]) -> Option<&Assignment> {
        self.winner_among(names, |_| true)
    }

    /// As [`Boot::winner`], as if a file were not there.
    pub(crate) fn winner_without(
        &self,
        file: &AbsPath,
        names: &[SysctlKey],
    ) -> Option<&Assignment> {
        self.winner_among(names, |assignment| *assignment.path != *file.as_str())
    }

    fn winner_among(
        &self,
        names: &[SysctlKey],
        counts: impl Fn(&Assignment) -> bool,
    ) -> Option<&Assignment> {
        let (mut named, mut patterned) = (Vec::new(), Vec::new());
        for path in names.iter().map(SysctlKey::proc_path) {
            match self.keys.get(&path).and_then(|lines| last(lines, &counts)) {
                Some(assignment) => named.push(assignment),
                None => {
                    let matching = self
                        .patterns
                        .iter()
                        .filter(|(pattern, _)| matches(pattern, &path));
                    patterned.extend(matching.filter_map(|(_, lines)| last(lines, &counts)));
                }
            }
        }
        let by_rank = |assignment: &&Assignment| assignment.rank;
        let all = named.iter().chain(&patterned).copied();
        all.filter(|assignment| assignment.value.is_some())
            .max_by_key(by_rank)
            .or_else(|| named.iter().copied().max_by_key(by_rank))
    }
}

/// Returns which of the lines about one and the same is carried out: the last, or the first of those that say the same as it.
fn last(lines: &[Assignment], counts: impl Fn(&Assignment) -> bool) -> Option<&Assignment> {
    let replaced = |last: &Assignment, next: &Assignment| last.value != next.value;
    let mut counting = lines.iter().filter(|line| counts(line));
    let first = counting.next()?;
    Some(
        counting.fold(first, |last, next| match replaced(last, next) {
            true => next,
            false => last,
        }),
    )
}

impl Assignment {
    /// Returns the place as `file:line`.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.path, self.number)
    }

    /// Returns the value as the kernel will show it.
    pub(crate) fn canonical(&self) -> Option<String> {
        self.value.as_deref().map(canonical)
    }
}

fn is_pattern(target: &str) -> bool {
    target.contains(['*', '?', '['])
}

/// Returns a spelling as a path below `/proc/sys`: the first `.` or `/` met decides which of them separates.
fn path_below_proc_sys(text: &str) -> String {
    let dotted = text
        .find(['.', '/'])
        .is_some_and(|at| text.as_bytes()[at] == b'.');
    let mut path = String::with_capacity(text.len());
    for c in text.chars() {
        let c = match c {
            '.' if dotted => '/',
            '/' if dotted => '.',
            c => c,
        };
        // Empty components do not count.
        if c != '/' || !(path.is_empty() || path.ends_with('/')) {
            path.push(c);
        }
    }
    path.truncate(path.trim_end_matches('/').len());
    path
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
