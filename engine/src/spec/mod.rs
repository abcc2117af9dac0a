//! The spec as written: YAML with positions, checked against the providers' schemas, merged for each host.

pub(crate) mod character;
mod files;
mod lines;
mod node;
mod scalar;
pub(crate) mod suggest;
mod syntax;
pub mod yaml;

#[cfg(test)]
mod testing;

pub use files::{FileError, Files};
pub use node::{Entry, Node, Value};
