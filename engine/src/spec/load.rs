//! From texts to NodeSpecs and an inventory. Start at [`load`].

use std::collections::BTreeMap;

use schemars::Schema;

use super::document::{self, NodeSpec};
use super::yaml;
use crate::diagnostic::{Diagnostic, Problems};
use crate::inventory::Inventory;
use crate::resource::Section;
use crate::source::InputDocument;
use crate::source::Sources;

/// All that was read.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The texts, to show places in them.
    pub sources: Sources,
    /// The NodeSpecs in the order they were read.
    pub specs: Vec<NodeSpec>,
    /// The hosts of all inventories; none if there is no inventory.
    pub inventory: Inventory,
    /// Whether all hosts were read, with all that is written about them, whatever is wrong with NodeSpecs.
    pub inventory_is_whole: bool,
    /// The schemas of the sections by name.
    pub(super) schemas: BTreeMap<&'static str, Schema>,
}

/// Reads all documents and checks them against the sections that there are. Everything wrong is reported in one run.
pub fn load(documents: &[InputDocument], sections: &[Section]) -> (Loaded, Problems) {
    let mut problems = Problems::default();
    let mut sources = Sources::default();
    let mut nodes = Vec::new();
    for InputDocument { name, text } in documents {
        let source = sources.add(name, text);
        nodes.extend(yaml::parse(&sources, source, &mut problems));
    }
    let mut of_inventory = Problems::default();
    let mut inventory_is_whole = !problems.has_errors();
    let (mut specs, mut hosts) = (Vec::new(), Vec::new());
    for node in &nodes {
        let mut found = Problems::default();
        let spec = document::read(&sources, node, sections, &mut hosts, &mut found);
        inventory_is_whole &= document::is_node_spec(node) || !found.has_errors();
        problems.append(found);
        specs.extend(spec);
    }
    check_names(&specs, &mut problems);
    let inventory = Inventory::of(hosts, &mut of_inventory);
    inventory_is_whole &= !of_inventory.has_errors();
    problems.append(of_inventory);
    let loaded = Loaded {
        inventory,
        inventory_is_whole,
        schemas: sections
            .iter()
            .map(|section| (section.name, section.schema.clone()))
            .collect(),
        sources,
        specs,
    };
    (loaded, problems)
}

fn check_names(specs: &[NodeSpec], problems: &mut Problems) {
    let mut places = BTreeMap::new();
    for spec in specs {
        if let Some(first) = places.get(&spec.name) {
            let message = format!("there are two NodeSpecs named `{}`", spec.name);
            problems
                .push(Diagnostic::error("E242", spec.span, message).related(*first, "the first"));
        } else {
            places.insert(&spec.name, spec.span);
        }
    }
}

#[cfg(test)]
mod tests;
