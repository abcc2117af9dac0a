//! Why a configuration must not or cannot be changed, and how to mend that.

use engine::question::Unanswered;
use engine::resource::Decision;

/// A change that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Why.
    pub(crate) reason: String,
    /// How to mend it.
    pub(crate) help: Option<String>,
}

/// Why weighing ends before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// An answer is missing.
    Unanswered(Unanswered),
    /// It is decided already.
    Decided(Box<Decision>),
}

impl Refusal {
    /// Returns a refusal without help.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            help: None,
        }
    }

    /// Adds how to mend it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<Refusal> for Decision {
    fn from(Refusal { reason, help }: Refusal) -> Self {
        Self::Refused { reason, help }
    }
}

impl Stop {
    /// Returns why a check cannot be made.
    pub(crate) fn unanswered(self) -> Unanswered {
        match self {
            Self::Unanswered(unanswered) => unanswered,
            Self::Decided(decision) => Unanswered(match *decision {
                Decision::Unknown(reason) | Decision::Refused { reason, .. } => reason,
                Decision::Converged | Decision::Change(_) => {
                    "what the host has was not looked into".to_owned()
                }
            }),
        }
    }

    /// Returns the decision that a weighing comes to, wherever it ended.
    pub(crate) fn settle(weighed: Result<Decision, Self>) -> Result<Decision, Unanswered> {
        match weighed {
            Ok(decision) => Ok(decision),
            Err(Self::Decided(decision)) => Ok(*decision),
            Err(Self::Unanswered(unanswered)) => Err(unanswered),
        }
    }
}

impl From<Unanswered> for Stop {
    fn from(unanswered: Unanswered) -> Self {
        Self::Unanswered(unanswered)
    }
}

impl From<Decision> for Stop {
    fn from(decision: Decision) -> Self {
        Self::Decided(Box::new(decision))
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Decision::from(refusal).into()
    }
}
