//! What hardstand knows about Linux and the container runtimes.

pub mod containerd;
