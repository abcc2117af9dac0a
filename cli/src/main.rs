//! The `hardstand` command.
fn main() {}
