//! What systemd-sysctl will set at the next boot, and which line wins (sysctl.d(5), systemd's src/sysctl/sysctl.c).
//!
//! All files are read in the order of their names. A later assignment of a key replaces an earlier one and moves to the
//! end; `-key` alone excludes a key; a pattern sets only keys that no line names. `/etc/sysctl.conf` counts only through
//! the link that some distributions ship.

use engine::name::SysctlKey;
use engine::question::{Observed, Question, Unanswered};
use engine::resource::Situation;

use super::value::canonical;
use crate::confdir::{self, Fragment, Line};

/// Where fragments stand, from the highest to the lowest.
pub(crate) const DIRECTORIES: [&str; 4] = [
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
];

/// One line that is carried out.
#[derive(Debug, Clone)]
pub(crate) struct Assignment<'a> {
    /// The key or pattern, as a path below `/proc/sys`.
    target: String,
    /// The value; none excludes the key.
    pub(crate) value: Option<&'a str>,
    /// Where it is written.
    pub(crate) line: Line<'a>,
}

/// Returns what must be asked to know what happens at boot.
pub(crate) fn questions() -> Vec<Question> {
    confdir::questions(&DIRECTORIES)
}

/// Reads what a host has as it is.
pub(crate) fn of_host(observed: &Observed) -> Result<Vec<Fragment<'_>>, Unanswered> {
    confdir::fragments(observed, &DIRECTORIES)
}

/// Reads what a host will have once the plan is carried out.
pub(crate) fn fragments<'a>(situation: &Situation<'a>) -> Result<Vec<Fragment<'a>>, Unanswered> {
    confdir::fragments_after(situation, &DIRECTORIES)
}

/// Returns what sets a key, under this or another of its names; none if nothing does. The fragments come in the order
/// they are read.
pub(crate) fn winner<'a>(
    fragments: impl IntoIterator<Item = &'a Fragment<'a>>,
    names: &[SysctlKey],
) -> Option<Assignment<'a>> {
    let paths: Vec<_> = names.iter().map(SysctlKey::proc_path).collect();
    let assignments = assignments(fragments, &paths);
    let named = |path: &String| assignments.iter().any(|a| a.target == *path);
    let patterned: Vec<_> = paths.iter().filter(|path| !named(path)).collect();
    let sets = |assignment: &&Assignment<'a>| {
        assignment.value.is_some()
            && (paths.contains(&assignment.target)
                || patterned
                    .iter()
                    .any(|path| matches(&assignment.target, path)))
    };
    let excludes = |assignment: &&Assignment<'a>| paths.contains(&assignment.target);
    let last_first = || assignments.iter().rev();
    last_first()
        .find(sets)
        .or_else(|| last_first().find(excludes))
        .cloned()
}

/// Returns the assignments to some paths, and the patterns, in the order they are carried out.
fn assignments<'a>(
    fragments: impl IntoIterator<Item = &'a Fragment<'a>>,
    paths: &[String],
) -> Vec<Assignment<'a>> {
    let mut assignments: Vec<Assignment<'a>> = Vec::new();
    let last_words: Vec<_> = paths.iter().map(|path| last_word(path)).collect();
    // Most files are about other keys altogether.
    let is_about_them = |fragment: &&Fragment<'_>| {
        is_pattern(&fragment.text) || last_words.iter().any(|word| fragment.text.contains(*word))
    };
    for line in fragments
        .into_iter()
        .filter(is_about_them)
        .flat_map(|fragment| fragment.lines(&['#', ';']))
    {
        let (target, value) = match line.text.split_once('=') {
            Some((target, value)) => (target.trim_start_matches('-').trim(), Some(value.trim())),
            None => match line.text.strip_prefix('-') {
                Some(target) => (target.trim(), None),
                None => continue,
            },
        };
        // Most lines are about other keys, and their last word tells.
        if !last_words.contains(&last_word(target)) && !is_pattern(target) {
            continue;
        }
        let target = path_below_proc_sys(target);
        if let Some(at) = assignments.iter().position(|known| known.target == target) {
            if assignments[at].value == value {
                continue;
            }
            assignments.remove(at);
        }
        assignments.push(Assignment {
            target,
            value,
            line,
        });
    }
    assignments
}

/// Returns what stands behind the last separator of a key, however that is spelled.
fn last_word(key: &str) -> &str {
    let mut words = key.rsplit(['.', '/']);
    words.find(|word| !word.is_empty()).unwrap_or_default()
}

fn is_pattern(target: &str) -> bool {
    target.contains(['*', '?', '['])
}

impl Assignment<'_> {
    /// Returns the value as the kernel will show it.
    pub(crate) fn canonical(&self) -> Option<String> {
        self.value.map(canonical)
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
