//! The pipeline of hardstand: from a spec and an inventory to changed hosts.
//!
//! ```text
//! spec + inventory -> graph -> questions -> probe -> observed -> plan -> apply -> report
//! ```
//!
//! Everything from `observed` to `plan` is pure. Only `transport` touches hosts, and nothing here prints or reads the
//! environment. Modules stand in the order of the pipeline; a later one is never imported by an earlier one.

pub mod apply;
pub mod check;
pub mod cluster;
pub mod cluster_wide;
pub mod compile;
pub mod complete;
pub mod diagnostic;
pub mod effective;
pub mod event;
pub mod facts;
pub mod farside;
pub mod fleet;
pub mod graph;
pub mod inventory;
pub mod kubectl;
pub mod name;
pub mod node;
pub mod pipeline;
pub mod plan;
pub mod probe;
pub mod question;
mod random;
pub mod reading;
pub mod receipt;
pub mod report;
pub mod resource;
pub mod shell;
pub mod source;
pub mod spec;
pub mod state;
pub mod step;
pub mod transport;
pub mod untrusted;
