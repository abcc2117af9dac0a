//! The spec as written: YAML with positions, checked against the providers' schemas, merged for each host.

mod files;
mod node;

pub use files::{FileError, Files};
pub use node::{Entry, Node, Value};
