//! The spec as written: YAML with positions, checked against the providers' schemas, merged for each host.

pub(crate) mod character;
mod decode;
mod files;
mod lines;
mod merge;
mod node;
mod scalar;
pub mod schema;
pub(crate) mod suggest;
mod syntax;
pub mod vars;
pub mod yaml;

#[cfg(test)]
mod testing;

pub use decode::decode;
pub use files::{FileError, Files};
pub use merge::MergedSpec;
pub use node::{Entry, Node, Value};
