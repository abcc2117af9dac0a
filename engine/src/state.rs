//! A host as it is, or as it will be once a plan is applied, for those who judge the whole of it.
//!
//! What a step leaves behind is known for some questions and not for others. A question whose answer a step makes uncertain,
//! such as what a restarted runtime says of itself, is unanswered: nobody guesses.

mod after;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::rc::Rc;

use crate::facts::Facts;
use crate::name::UnitName;
use crate::question::{Observed, Unanswered, UnitState};
use crate::reading::{Outlook, Reading, Readings};

/// What is said of an answer that only the host can give once the plan is applied.
pub const AFTER_APPLY: &str = "it is known once the plan is applied";

/// A host as it is, or as it will be: all that a probe would see.
#[derive(Debug, Clone)]
pub struct State<'a> {
    observed: Cow<'a, Observed>,
    before: &'a Observed,
    restarted: BTreeSet<UnitName>,
    /// What steps make of units that are uncertain otherwise. Of these no question is answered.
    partly: BTreeMap<UnitName, UnitState>,
    readings: Readings,
}

impl<'a> State<'a> {
    /// Returns the host as it was observed.
    pub fn now(observed: &'a Observed) -> Self {
        Self {
            observed: Cow::Borrowed(observed),
            before: observed,
            restarted: BTreeSet::new(),
            partly: BTreeMap::new(),
            readings: Readings::default(),
        }
    }

    /// Returns what is asked of every host.
    pub fn facts(&self) -> &Facts {
        &self.observed.facts
    }

    /// Returns something that follows from the answers.
    pub fn reading<R: Reading>(&self) -> Result<Rc<R>, Unanswered> {
        self.readings.get(|| Outlook::now(self))
    }

    /// Returns what was read so far.
    pub(crate) fn readings(&self) -> &Readings {
        &self.readings
    }

    /// Returns the host as it was observed, whatever the plan does to it.
    pub fn before(&self) -> &'a Observed {
        self.before
    }

    /// Whether the plan starts or restarts a unit: what it said of itself will not hold, and the plan waits until it runs well.
    pub fn restarts(&self, unit: &UnitName) -> bool {
        self.restarted.contains(unit)
    }

    /// Whether a unit runs; unanswered if the plan leaves that open.
    pub fn is_active(&self, unit: &UnitName) -> Result<bool, Unanswered> {
        Ok(self.unit_with_known(unit, "ActiveState")?.is_active())
    }

    /// Returns a property of a unit; unanswered if the plan leaves it open.
    pub fn property(&self, unit: &UnitName, property: &str) -> Result<&str, Unanswered> {
        Ok(self.unit_with_known(unit, property)?.property(property))
    }

    /// Returns a unit of which at least a property is known.
    fn unit_with_known(&self, unit: &UnitName, property: &str) -> Result<&UnitState, Unanswered> {
        let partly = self.partly.get(unit);
        match partly.filter(|known| known.properties.contains_key(property)) {
            Some(known) => Ok(known),
            None => self.unit(unit),
        }
    }
}

impl Deref for State<'_> {
    type Target = Observed;

    fn deref(&self) -> &Observed {
        &self.observed
    }
}
