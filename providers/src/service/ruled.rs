//! A unit that is decided on by a rule of its own, and is a unit like any other in all else.

use std::fmt;

use engine::name::ResourceId;
use engine::question::{Question, Unanswered};
use engine::resource::{Decision, Relation, Resource, Situation};

use super::ServiceResource;

/// What is peculiar to a unit.
pub(crate) trait Rule: fmt::Debug + Send + Sync {
    /// Returns what must be asked besides what is asked of every unit.
    fn questions(&self, unit: &ServiceResource) -> Vec<Question>;

    /// Compares what was observed with what is desired.
    fn decide(
        &self,
        unit: &ServiceResource,
        situation: &Situation<'_>,
    ) -> Result<Decision, Unanswered>;
}

/// A unit and its rule.
#[derive(Debug)]
pub(super) struct Ruled<R> {
    pub(super) unit: ServiceResource,
    pub(super) rule: R,
}

impl<R: Rule> Resource for Ruled<R> {
    fn id(&self) -> ResourceId {
        self.unit.id()
    }

    fn desired(&self) -> String {
        self.unit.desired()
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = self.unit.questions();
        questions.extend(self.rule.questions(&self.unit));
        questions
    }

    fn relations(&self) -> Vec<Relation> {
        self.unit.relations()
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        self.rule.decide(&self.unit, situation)
    }
}
