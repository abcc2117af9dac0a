//! What hosts that change alike have in common, held once: thousands of plans are kept until the last host was asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::name::ResourceId;
use crate::question::Question;

use super::HostPlan;

/// What a plan speaks of, whatever it says of that. Plans of one shape have the same parts at the same places.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    changes: Vec<ResourceId>,
    unplanned: Vec<ResourceId>,
    unchanged: Vec<ResourceId>,
    forgotten: Vec<ResourceId>,
    n_guards: usize,
    questions: Arc<[Question]>,
}

impl Shape {
    /// Returns the shape of a host's plan.
    pub(super) fn of(plan: &HostPlan) -> Self {
        let changes = plan.changes.iter();
        let unplanned = plan.unplanned.iter();
        Self {
            changes: changes.map(|change| change.resource.clone()).collect(),
            unplanned: unplanned.map(|held| held.resource.clone()).collect(),
            unchanged: plan.unchanged.clone(),
            forgotten: plan.forgotten.clone(),
            n_guards: plan.guards.len(),
            questions: plan.questions.clone(),
        }
    }
}

/// The first plan of each shape that was seen.
#[derive(Debug, Default)]
pub(crate) struct Common {
    first: BTreeMap<Shape, HostPlan>,
}

impl Common {
    /// Makes a plan share what it has in common with the first of its shape.
    pub(crate) fn share(&mut self, plan: &mut HostPlan) {
        let first = self
            .first
            .entry(Shape::of(plan))
            .or_insert_with(|| plan.clone());
        plan.questions = first.questions.clone();
        share(&mut plan.guards, &first.guards);
        share(&mut plan.changes, &first.changes);
    }
}

fn share<T: PartialEq + ?Sized>(parts: &mut [Arc<T>], first: &[Arc<T>]) {
    for (part, first) in parts.iter_mut().zip(first) {
        if part == first {
            *part = first.clone();
        }
    }
}
