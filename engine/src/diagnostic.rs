//! Complaints about what was written, as data. The cli draws them.

use serde::{Deserialize, Serialize};

use crate::source::Span;

/// How bad a complaint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Nothing is planned while it stands.
    Error,
    /// Shown, and does not stop anything.
    Warning,
    /// Worth knowing, and nothing to mend.
    Note,
}

/// One complaint: what is wrong, where, why, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable code such as `E105`; each has one meaning for good.
    pub code: &'static str,
    /// What is wrong, as a lowercase fragment without a full stop.
    pub message: String,
    /// Where, if it is about a text.
    pub span: Option<Span>,
    /// Other places that belong to it, each with a word about why.
    pub related: Vec<(Span, String)>,
    /// How to mend it.
    pub help: Option<String>,
}

/// A growing list of complaints. Stages collect all of them instead of stopping at the first.
#[derive(Debug, Clone, Default)]
#[must_use = "problems that nobody reads are lost"]
pub struct Problems {
    diagnostics: Vec<Diagnostic>,
}

impl Diagnostic {
    /// Returns an error about a place.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            span: Some(span),
            related: Vec::new(),
            help: None,
        }
    }

    /// Returns an error that has no place in a text.
    pub fn unplaced(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            span: None,
            related: Vec::new(),
            help: None,
        }
    }

    /// Returns a warning about a place.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, span, message)
        }
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place that belongs to it.
    #[must_use]
    pub fn related(mut self, span: Span, why: impl Into<String>) -> Self {
        self.related.push((span, why.into()));
        self
    }
}

impl Problems {
    /// Adds a complaint.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Whether there is at least one error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Returns all complaints in the order of their places, those without one first.
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.diagnostics
            .sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
        self.diagnostics.dedup();
        self.diagnostics
    }

    /// Takes over all complaints of another list.
    pub fn append(&mut self, other: Self) {
        self.diagnostics.extend(other.diagnostics);
    }

    /// Returns the complaints as they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter()
    }
}
