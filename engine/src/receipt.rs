//! What hardstand records on a host about each resource it changed there.
//!
//! A receipt tells drift (someone changed it) from intent (the spec changed), and it is how a resource that the spec no
//! longer names is found again and removed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::name::{Digest, ResourceId};
use crate::question::Question;

/// The record of one resource on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    /// The resource.
    pub resource: ResourceId,
    /// Hardstand made it: only then may it ever be removed.
    pub created: bool,
    /// Digest of the desired state that was last applied.
    pub desired: Digest,
    /// What must be asked to plan its removal.
    pub questions: Arc<[Question]>,
}
