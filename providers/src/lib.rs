//! What hardstand knows about Linux and the container runtimes.
//!
//! Each module owns sections of the spec and the kinds of resource they compile into. All of it is pure: a resource asks
//! questions, reads answers and proposes steps; it never sees a host. Start with `sysctl`, the clearest of them. What
//! other providers may build on is public: [`file`] for managed files, [`service`] for the unit of a runtime, [`section`]
//! for reading the spec.

pub mod containerd;
pub mod file;
pub mod section;
pub mod service;

mod confdir;
mod kubelet;
mod module;
mod package;
mod swap;
mod sysctl;
#[cfg(test)]
mod testing;

use engine::resource::Provider;

/// Returns every provider; where the graph leaves a choice, resources are changed in this order.
pub fn registry() -> Vec<Box<dyn Provider>> {
    vec![
        Box::new(package::Packages),
        Box::new(module::Modules),
        Box::new(sysctl::Sysctls),
        Box::new(swap::NoSwap),
        Box::new(file::FilesAndDirectories),
        Box::new(containerd::ContainerdProvider),
        Box::new(kubelet::Kubelet),
        Box::new(service::Services),
    ]
}
