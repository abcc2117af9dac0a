//! What follows from the answers of a host, for all who want to know it: read once for a host, however many ask.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::name::{AbsPath, ResourceId};
use crate::question::{Observed, Unanswered};
use crate::step::{Content, Step};

/// Something that several resources or checks read out of the same answers.
pub trait Reading: Sized + 'static {
    /// Reads it. It follows from the outlook alone.
    fn read(outlook: &Outlook<'_>) -> Result<Self, Unanswered>;
}

/// A host as it was observed, with the files that it will have.
#[derive(Debug, Clone)]
pub struct Outlook<'a> {
    /// What was seen of the host.
    pub observed: &'a Observed,
    /// What paths will hold: a content, or nothing.
    pub files: BTreeMap<&'a AbsPath, Option<&'a Content>>,
    /// The resources that are removed because no spec names them any more.
    pub dropped: &'a BTreeSet<ResourceId>,
}

/// What was read already, of one outlook.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    read: RefCell<BTreeMap<TypeId, Rc<dyn Any>>>,
}

impl<'a> Outlook<'a> {
    /// Returns the outlook of a host that stays as it is.
    pub fn now(observed: &'a Observed) -> Self {
        static NOTHING: BTreeSet<ResourceId> = BTreeSet::new();
        Self {
            observed,
            files: BTreeMap::new(),
            dropped: &NOTHING,
        }
    }
}

impl Readings {
    /// Returns a reading of an outlook, which must be the same for all readings.
    pub(crate) fn get<'a, R: Reading>(
        &self,
        outlook: impl FnOnce() -> Outlook<'a>,
    ) -> Result<Rc<R>, Unanswered> {
        type Kept<R> = Result<Rc<R>, Unanswered>;
        let known = self.read.borrow().get(&TypeId::of::<R>()).cloned();
        if let Some(known) = known.and_then(|known| known.downcast::<Kept<R>>().ok()) {
            return (*known).clone();
        }
        // One reading may ask for another, so nothing is borrowed meanwhile.
        let read: Kept<R> = R::read(&outlook()).map(Rc::new);
        let kept = Rc::new(read.clone());
        self.read.borrow_mut().insert(TypeId::of::<R>(), kept);
        read
    }
}

/// Returns what a step makes of a file: its path, and its content or nothing. None if it leaves all files as they are.
pub(crate) fn rewritten(step: &Step) -> Option<(&AbsPath, Option<&Content>)> {
    match step {
        Step::WriteFile { path, content, .. } => Some((path, Some(content))),
        Step::RemoveFile { path, .. } => Some((path, None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;

    struct Root(bool);

    impl Reading for Root {
        fn read(outlook: &Outlook<'_>) -> Result<Self, Unanswered> {
            Ok(Self(outlook.observed.facts.root))
        }
    }

    struct Lost;

    impl Reading for Lost {
        fn read(_: &Outlook<'_>) -> Result<Self, Unanswered> {
            Err(Unanswered("lost".into()))
        }
    }

    #[test]
    fn each_reading_is_read_once_and_kept_by_its_type() {
        let observed = Observed {
            facts: Facts::default(),
            answers: BTreeMap::new(),
            receipts: BTreeMap::new(),
            owed: Vec::new(),
            guards: Vec::new(),
            cluster: None,
        };
        let readings = Readings::default();
        let first = readings.get::<Root>(|| Outlook::now(&observed)).unwrap();
        let second = readings
            .get::<Root>(|| unreachable!("it is read already"))
            .unwrap();
        assert!(Rc::ptr_eq(&first, &second) && !first.0);
        let lost = readings.get::<Lost>(|| Outlook::now(&observed));
        assert_eq!(lost.err(), Some(Unanswered("lost".into())));
        let lost = readings.get::<Lost>(|| unreachable!("it is read already"));
        assert!(lost.is_err());
    }
}
