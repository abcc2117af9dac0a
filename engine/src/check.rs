//! Named checks: rules about a host that no single resource can see, each with an id, a severity and a page.
//!
//! A check judges a [`State`]: the host as it is, and the host as it will be once its plan is applied. So a plan tells apart
//! what it mends, what it leaves and what it would cause. Like a resource, a check asks questions and never sees a host.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::diagnostic::Severity;
use crate::name::CheckId;
use crate::question::{Question, Unanswered};
use crate::source::Position;
use crate::state::State;

/// A rule, whatever spec or host it is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its name for good, such as `H012`.
    pub id: &'static str,
    /// What it finds, as a lowercase fragment without a full stop.
    pub title: &'static str,
    /// How bad a finding is, unless the finding says otherwise.
    pub severity: Severity,
    /// What it looks for, why, and how to mend it: a page in Markdown.
    pub page: &'static str,
}

/// A rule bound to the merged spec of some hosts. Every method is pure.
pub trait Check: fmt::Debug + Send + Sync {
    /// Returns the rule.
    fn rule(&self) -> &Rule;

    /// Returns what must be asked of a host to judge it.
    fn questions(&self) -> Vec<Question>;

    /// Returns why what it finds is ignored; none if it is not.
    fn ignored(&self) -> Option<&str>;

    /// Returns what it finds about a host; nothing if the host passes.
    fn judge(&self, state: &State<'_>) -> Result<Vec<Found>, Unanswered>;
}

/// Something that a check found in one state of a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, as a lowercase fragment without a full stop.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Where the spec has to do with it.
    pub source: Option<Position>,
    /// The checks that tell its cause, if they find something too.
    pub follows: &'static [&'static str],
}

/// What a check found about a host, and what the plan does about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The check.
    pub check: CheckId,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Where the spec has to do with it.
    pub source: Option<Position>,
    /// Why it is ignored; none if it is not.
    pub ignored: Option<String>,
    /// Whether it is there before and after the plan.
    pub standing: Standing,
}

/// Whether a finding is there before and after the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// It is there, and the plan leaves it.
    Stays,
    /// The plan would cause it.
    Caused,
    /// It is there, and the plan mends it.
    Mended,
}

/// A check that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unjudged {
    /// The check.
    pub check: CheckId,
    /// Why.
    pub reason: String,
}

/// What all checks say about a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checked {
    /// What they found, the worst first.
    pub findings: Vec<Finding>,
    /// The checks that could not be made of the host as it is.
    pub unknown: Vec<Unjudged>,
    /// The checks that found nothing.
    pub passed: Vec<CheckId>,
}

impl Rule {
    /// Returns a finding of this rule.
    pub fn found(&self, message: impl Into<String>) -> Found {
        Found {
            severity: self.severity,
            message: message.into(),
            help: None,
            source: None,
            follows: &[],
        }
    }

    /// Returns its id as a name.
    pub fn check_id(&self) -> CheckId {
        self.id
            .parse()
            .expect("rules are called H and three digits; a test reads them all")
    }
}

impl Found {
    /// Adds how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds where the spec has to do with it, if it has.
    #[must_use]
    pub fn at(mut self, place: Option<Position>) -> Self {
        self.source = place;
        self
    }

    /// Says which checks tell its cause, if they find something too. It is not told beside a cause that is as bad.
    #[must_use]
    pub fn follows(mut self, causes: &'static [&'static str]) -> Self {
        self.follows = causes;
        self
    }

    /// Makes it worse or better than the rule says.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }
}

impl Finding {
    fn new(check: &dyn Check, found: Found, standing: Standing) -> Self {
        let Found {
            severity,
            message,
            help,
            source,
            follows: _,
        } = found;
        Self {
            severity,
            check: check.rule().check_id(),
            message,
            help,
            source,
            ignored: check.ignored().map(str::to_owned),
            standing,
        }
    }

    /// Whether it keeps the plan from being applied: an error that stands afterwards and is not ignored.
    pub fn blocks(&self) -> bool {
        self.severity == Severity::Error && self.ignored.is_none() && self.is_left()
    }

    /// Whether it is there once the plan is applied.
    fn is_left(&self) -> bool {
        self.standing != Standing::Mended
    }

    /// Whether it is as bad as what follows from it, so that telling it is enough.
    fn tells_for(&self, consequence: &Self) -> bool {
        self.ignored.is_none() && self.severity <= consequence.severity
    }

    /// Whether it is there now.
    pub fn is_there(&self) -> bool {
        self.standing != Standing::Caused
    }
}

/// A finding, and the checks that may tell its cause.
#[derive(Debug)]
struct Made {
    finding: Finding,
    follows: &'static [&'static str],
}

impl Made {
    fn new(check: &dyn Check, found: Found, standing: Standing) -> Self {
        Self {
            follows: found.follows,
            finding: Finding::new(check, found, standing),
        }
    }

    /// Whether others tell its cause, wherever it is there: now, once the plan is applied, or both.
    fn is_explained(&self, all: &[Self]) -> bool {
        let Self { finding, follows } = self;
        let causes: Vec<_> = all
            .iter()
            .map(|other| &other.finding)
            .filter(|cause| follows.contains(&cause.check.as_str()) && cause.tells_for(finding))
            .collect();
        (!finding.is_there() || causes.iter().any(|cause| cause.is_there()))
            && (!finding.is_left() || causes.iter().any(|cause| cause.is_left()))
    }
}

impl Checked {
    /// Makes all checks of a host as it is, and as it will be if anything changes.
    pub fn of(checks: &[Box<dyn Check>], now: &State<'_>, after: Option<&State<'_>>) -> Self {
        let mut checked = Self::default();
        let mut made = Vec::new();
        for check in checks {
            checked.make(&**check, now, after, &mut made);
        }
        let told = made.iter().filter(|one| !one.is_explained(&made));
        checked.findings = told.map(|one| one.finding.clone()).collect();
        checked.findings.sort();
        checked.findings.dedup();
        checked
    }

    fn make(
        &mut self,
        check: &dyn Check,
        now: &State<'_>,
        after: Option<&State<'_>>,
        made: &mut Vec<Made>,
    ) {
        let rule = check.rule();
        let there = check.judge(now);
        if let (Err(Unanswered(reason)), None) = (&there, check.ignored()) {
            self.unknown.push(Unjudged {
                check: rule.check_id(),
                reason: reason.clone(),
            });
        }
        let is_known = there.is_ok();
        let there = there.unwrap_or_default();
        // What cannot be told of the host after the plan is taken to be as it is.
        let left = match after.map(|after| check.judge(after)) {
            Some(Ok(left)) => left,
            Some(Err(_)) | None => there.clone(),
        };
        if is_known && there.is_empty() && left.is_empty() {
            self.passed.push(rule.check_id());
        }
        for found in &left {
            if !there.contains(found) {
                made.push(Made::new(check, found.clone(), Standing::Caused));
            }
        }
        for found in there {
            let standing = match left.contains(&found) {
                true => Standing::Stays,
                false => Standing::Mended,
            };
            made.push(Made::new(check, found, standing));
        }
    }

    /// Returns why the plan of the host is not applied, if checks keep it from that.
    pub fn refusal(&self) -> Option<String> {
        let blocking: Vec<String> = self
            .findings
            .iter()
            .filter(|finding| finding.blocks())
            .map(|finding| format!("{}: {}", finding.check, finding.message))
            .collect();
        (!blocking.is_empty()).then(|| blocking.join("; "))
    }
}
