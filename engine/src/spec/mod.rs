//! The spec as written: YAML with positions, checked against the providers' schemas, merged for each host.

pub(crate) mod character;
mod decode;
mod document;
mod fields;
mod files;
mod hosts;
mod json_schema;
mod lines;
mod load;
mod merge;
mod node;
mod place;
mod read;
mod scalar;
pub mod schema;
pub(crate) mod suggest;
mod syntax;
pub mod vars;
pub mod yaml;

#[cfg(test)]
pub(crate) mod testing;

pub use decode::decode;
pub use document::{API_VERSION, NodeSpec};
pub use fields::{CHANGES, DEFAULT, DISRUPTS, FieldPage, fields, find_field};
pub use files::{FileError, Files};
pub use hosts::{HostSpec, HostSpecs, merge_for_hosts, undefined_variables};
pub use json_schema::{json_schema, spec_schema};
pub use load::{Loaded, load};
pub use merge::MergedSpec;
pub use node::{Entry, Node, Value};
pub(crate) use place::place_within;
pub use read::read_documents;
