//! What hardstand knows about Linux and the container runtimes.

pub mod containerd;

use engine::resource::Provider;

/// Returns every provider.
pub fn registry() -> Vec<Box<dyn Provider>> {
    vec![Box::new(containerd::ContainerdProvider)]
}
