//! The pipeline of hardstand: from a spec and an inventory to changed hosts.
//!
//! ```text
//! spec + inventory -> graph -> questions -> probe -> observed -> plan -> apply -> report
//! ```
//!
//! Everything from `observed` to `plan` is pure. Only `transport` touches hosts, and nothing here prints or reads the
//! environment. Modules stand in the order of the pipeline; a later one is never imported by an earlier one.

pub mod diagnostic;
pub mod event;
pub mod facts;
pub mod fleet;
pub mod name;
pub mod plan;
pub mod question;
pub mod receipt;
pub mod report;
pub mod resource;
pub mod source;
pub mod spec;
pub mod step;
pub mod transport;
pub mod untrusted;
