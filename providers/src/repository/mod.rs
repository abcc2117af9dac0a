//! Repositories that packages come from, of apt or of dnf (the `repositories` section).
//!
//! A repository is its two files, the key and the definition, and an index, the package lists that are fetched from it.
//! `section` is what a spec says of one, `definition` what it is in the words of apt and dnf, `resource` how it comes to a
//! host.

mod definition;
mod resource;
mod section;
#[cfg(test)]
mod tests;

use engine::diagnostic::Problems;
use engine::name::{AbsPath, RepositoryName, ResourceId};
use engine::question::Unanswered;
use engine::resource::{Decision, Declared, Provider, Section, Sections, Situation};
use engine::spec::Node;

use crate::section::{Effects, items, list_schema};
use section::RepositoryEntry;

pub(crate) use definition::{FROZEN, source_questions, sources};

/// Owns `repositories`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Repositories;

impl Provider for Repositories {
    fn sections(&self) -> Vec<Section> {
        vec![Section {
            name: "repositories",
            schema: list_schema::<RepositoryEntry>(
                "Repositories that packages come from, each with the key that signs it.",
                Effects {
                    changes: "files of apt or dnf, and the package lists",
                    disrupts: "nothing",
                },
            ),
        }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["index", "repository"]
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        section::compile(sections, problems)
    }

    fn remove(
        &self,
        resource: &ResourceId,
        situation: &Situation<'_>,
    ) -> Result<Decision, Unanswered> {
        match resource.name().parse() {
            // Package lists without a source are of no effect.
            Ok(_) if resource.kind() == "index" => Ok(Decision::Converged),
            Ok(name) => resource::remove(&name, situation),
            Err(_) => Ok(Decision::Unknown(format!(
                "the host's record names `{resource}`, which is no repository"
            ))),
        }
    }
}

/// Returns the package lists of all repositories that a spec declares, as resources to wait for.
pub(crate) fn declared(sections: &Sections<'_>) -> Vec<ResourceId> {
    items(sections, "repositories")
        .iter()
        .filter_map(|node| name_of(node).map(|name| index_id(&name)))
        .collect()
}

fn name_of(node: &Node) -> Option<RepositoryName> {
    node.get("name")?.text()?.parse().ok()
}

fn id(name: &RepositoryName) -> ResourceId {
    ResourceId::new("repository", name)
}

fn index_id(name: &RepositoryName) -> ResourceId {
    ResourceId::new("index", name)
}

/// Returns a path that is made of a constant and a name, which holds no slash.
fn path(text: &str) -> AbsPath {
    text.parse()
        .expect("a repository's name keeps a path canonical")
}
