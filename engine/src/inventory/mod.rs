//! The hosts: their names, where they are reached, and what is known about them.

mod address;
mod fold;
mod natural;
mod range;

pub use address::{AddressError, JumpHost};
pub use fold::fold;
pub use natural::natural_cmp;
pub use range::{RangeError, expand};
