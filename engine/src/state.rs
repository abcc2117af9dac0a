//! A host as it is, or as it will be once a plan is applied, for those who judge the whole of it.
//!
//! What a step leaves behind is known for some questions and not for others. A question whose answer a step makes uncertain,
//! such as what a restarted runtime says of itself, is unanswered: nobody guesses.

mod after;

use std::borrow::Cow;
use std::ops::Deref;

use crate::facts::Facts;
use crate::question::Observed;

/// What is said of an answer that only the host can give once the plan is applied.
pub const AFTER_APPLY: &str = "it is known once the plan is applied";

/// A host as it is, or as it will be: all that a probe would see.
#[derive(Debug, Clone)]
pub struct State<'a> {
    observed: Cow<'a, Observed>,
}

impl<'a> State<'a> {
    /// Returns the host as it was observed.
    pub fn now(observed: &'a Observed) -> Self {
        Self {
            observed: Cow::Borrowed(observed),
        }
    }

    /// Returns what is asked of every host.
    pub fn facts(&self) -> &Facts {
        &self.observed.facts
    }
}

impl Deref for State<'_> {
    type Target = Observed;

    fn deref(&self) -> &Observed {
        &self.observed
    }
}
