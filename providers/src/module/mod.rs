//! Kernel modules: loaded now, and at every boot (the `modules` section).
//!
//! All modules share one file that names them to systemd-modules-load and one with their options. A module counts as
//! present if it works, whether it was loaded or built in: some kernels have no modules at all.

pub(crate) mod boot;
mod compile;
mod resource;
#[cfg(test)]
mod tests;

use engine::diagnostic::Problems;
use engine::resource::{Declared, Provider, Section, Sections};

use crate::section::{Effects, items, list_schema};
pub(crate) use resource::{is_functional, proof};

/// The file that names the modules to load at boot.
const LOAD_FILE: &str = "/etc/modules-load.d/hardstand.conf";
/// The file with the options of modules.
const OPTIONS_FILE: &str = "/etc/modprobe.d/hardstand.conf";

/// Returns the modules that the section names, as the kernel spells them.
pub(crate) fn named(sections: &Sections<'_>) -> Vec<String> {
    items(sections, "modules")
        .iter()
        .filter_map(|node| node.text().or_else(|| node.get("name")?.text()))
        .map(|name| name.replace('-', "_"))
        .collect()
}

/// Owns `modules`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Modules;

impl Provider for Modules {
    fn sections(&self) -> Vec<Section> {
        vec![Section {
            name: "modules",
            schema: list_schema::<compile::ModuleEntry>(
                "Kernel modules that are loaded now and at every boot. The boot is checked too: a module that modprobe.d or the kernel's command line keeps from being loaded is refused.",
                Effects {
                    changes: "the module is loaded; `/etc/modules-load.d/hardstand.conf`",
                    disrupts: "nothing",
                },
            ),
        }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["module"]
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        compile::compile(sections, problems)
    }
}
