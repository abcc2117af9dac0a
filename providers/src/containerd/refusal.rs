//! Why a configuration must not or cannot be changed, and how to mend that.

use engine::resource::Decision;

/// A change that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Why.
    pub(super) reason: String,
    /// How to mend it.
    pub(super) help: Option<String>,
}

impl Refusal {
    /// Returns a refusal without help.
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            help: None,
        }
    }

    /// Adds how to mend it.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<Refusal> for Decision {
    fn from(Refusal { reason, help }: Refusal) -> Self {
        Self::Refused { reason, help }
    }
}
