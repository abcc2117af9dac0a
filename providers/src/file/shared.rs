//! A file in which each of several resources has its line.
//!
//! What cannot be planned is not changed, and neither is its line: it stays as the host has it, and is not added where there
//! is none. So a resource that is refused keeps no other from its place, and is itself not put there by the way.

use engine::name::{Digest, ResourceId};
use engine::question::{FileState, Question, Unanswered};
use engine::resource::{Decision, Difference, Relation, Resource, Situation};

use super::FileTarget;
use crate::confdir;
use crate::runtime::FromRuntime;

/// The line of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Whose line it is.
    pub(crate) resource: ResourceId,
    /// What its line begins with, up to a space or the end.
    pub(crate) subject: String,
    /// The line.
    pub(crate) line: String,
}

impl Part {
    fn is_its_line(&self, line: &str) -> bool {
        is_line_of(&self.subject, line)
    }
}

fn is_line_of(subject: &str, line: &str) -> bool {
    let behind = line.strip_prefix(subject);
    behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(' '))
}

/// A file that holds nothing but such lines, below a header.
#[derive(Debug, Clone)]
pub(crate) struct SharedFile {
    /// Where it stands.
    pub(crate) target: FileTarget,
    /// Its first lines.
    pub(crate) header: &'static str,
    /// The lines, in order.
    pub(crate) parts: Vec<Part>,
    /// What the section of these resources has from `runtime`.
    pub(crate) from_runtime: FromRuntime,
}

impl Resource for SharedFile {
    fn id(&self) -> ResourceId {
        self.target.id()
    }

    fn desired(&self) -> String {
        let lines = self.parts.iter().map(|part| part.line.as_str());
        let text = text(self.header, lines);
        self.target.desired(&Digest::of(text.as_bytes()))
    }

    fn questions(&self) -> Vec<Question> {
        self.target.questions()
    }

    fn relations(&self) -> Vec<Relation> {
        self.target.relations()
    }

    fn holds_line_of(&self, resource: &ResourceId) -> bool {
        self.parts.iter().any(|part| part.resource == *resource)
    }

    fn without(&self) -> Option<&str> {
        self.from_runtime.without.as_deref()
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        let found = situation.observed.file(&self.target.path)?;
        let now = match found {
            FileState::Regular(file) => file.content.as_deref().unwrap_or_default(),
            _ => &[],
        };
        let now = confdir::text_of(now);
        let (kept, planned): (Vec<&Part>, Vec<_>) = self
            .parts
            .iter()
            .partition(|part| situation.held_up.contains(&part.resource));
        let lines: Vec<&str> = self
            .parts
            .iter()
            .flat_map(|part| match kept.contains(&part) {
                true => now.lines().filter(|line| part.is_its_line(line)).collect(),
                false => vec![part.line.as_str()],
            })
            .collect();
        if planned.is_empty() && lines.is_empty() && *found == FileState::Absent {
            return Ok(Decision::Converged);
        }
        let text = text(self.header, lines);
        let mut decision = self.target.decide(text.as_bytes(), situation)?;
        if let Decision::Change(proposal) = &mut decision {
            proposal.differences.extend(self.dropped_from(&now));
            proposal.condition = condition(&kept);
        }
        Ok(decision)
    }
}

impl SharedFile {
    /// Returns the lines that go and no longer follow from `runtime`, and why.
    fn dropped_from(&self, now: &str) -> impl Iterator<Item = Difference> {
        let dropped = self.from_runtime.dropped.iter();
        dropped
            .filter(|(subject, _)| now.lines().any(|line| is_line_of(subject, line)))
            .map(|(subject, why)| Difference {
                attribute: (*subject).to_owned(),
                before: "at boot".to_owned(),
                after: why.clone(),
            })
    }
}

/// Returns which parts the file cannot have.
fn condition(kept: &[&Part]) -> Option<String> {
    let names: Vec<_> = kept.iter().map(|part| part.resource.to_string()).collect();
    (!kept.is_empty()).then(|| {
        format!(
            "what it says of {} stays as it is, since that cannot be planned",
            names.join(", ")
        )
    })
}

fn text<'a>(header: &str, lines: impl IntoIterator<Item = &'a str>) -> String {
    lines
        .into_iter()
        .fold(header.to_owned(), |text, line| text + line + "\n")
}
