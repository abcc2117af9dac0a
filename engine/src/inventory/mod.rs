//! The hosts: their names, where they are reached, and what is known about them.

mod address;
mod collect;
mod document;
mod fields;
mod fold;
mod host;
mod natural;
mod range;
mod refused;
mod selector;
mod shard;

pub use address::{AddressError, JumpHost};
pub(crate) use document::read;
pub use document::schema;
pub use fold::fold;
pub use host::{Become, Host, Inventory, Ssh};
pub use natural::natural_cmp;
pub use range::{RangeError, expand};
pub use selector::{NoMatch, Selector, SelectorError};
pub use shard::{Shard, ShardError};
