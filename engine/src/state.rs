//! A host as it is, or as it will be once a plan is applied, for those who judge the whole of it.
//!
//! What a step leaves behind is known for some questions and not for others. A question whose answer a step makes uncertain,
//! such as what a restarted runtime says of itself, is unanswered: nobody guesses.

mod after;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Deref;

use crate::facts::Facts;
use crate::name::UnitName;
use crate::question::Observed;

/// What is said of an answer that only the host can give once the plan is applied.
pub const AFTER_APPLY: &str = "it is known once the plan is applied";

/// A host as it is, or as it will be: all that a probe would see.
#[derive(Debug, Clone)]
pub struct State<'a> {
    observed: Cow<'a, Observed>,
    before: &'a Observed,
    restarted: BTreeSet<UnitName>,
}

impl<'a> State<'a> {
    /// Returns the host as it was observed.
    pub fn now(observed: &'a Observed) -> Self {
        Self {
            observed: Cow::Borrowed(observed),
            before: observed,
            restarted: BTreeSet::new(),
        }
    }

    /// Returns what is asked of every host.
    pub fn facts(&self) -> &Facts {
        &self.observed.facts
    }

    /// Returns the host as it was observed, whatever the plan does to it.
    pub fn before(&self) -> &'a Observed {
        self.before
    }

    /// Whether the plan starts or restarts a unit: what it said of itself will not hold, and the plan waits until it runs well.
    pub fn restarts(&self, unit: &UnitName) -> bool {
        self.restarted.contains(unit)
    }
}

impl Deref for State<'_> {
    type Target = Observed;

    fn deref(&self) -> &Observed {
        &self.observed
    }
}
