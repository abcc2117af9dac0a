//! Tables of cases: what becomes of a file, what containerd says of it, what is decided about a host, what a spec compiles
//! into.

mod decisions;
mod edits;
mod host;
mod registries;
mod spec;
