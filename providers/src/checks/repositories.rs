//! Where packages come from.

use engine::check::{Found, Rule};
use engine::diagnostic::{Diagnostic, Severity};
use engine::question::Unanswered;
use engine::spec::Node;
use engine::state::State;

use super::spec::Spec;
use super::{Complaints, Entry};
use crate::repository::{FROZEN, source_questions, sources};

pub(super) const CHECKS: &[Entry] = &[Entry {
    rule: FROZEN_REPOSITORY,
    applies: |spec| spec.node(&["packages"]).is_some() || spec.node(&["repositories"]).is_some(),
    of_spec: frozen_of_spec,
    questions: |_| source_questions(),
    of_host: frozen_of_host,
}];

const FROZEN_REPOSITORY: Rule = Rule {
    id: "H060",
    title: "a package source is a repository of Kubernetes that is gone",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H060.md"),
};

const HELP: &str =
    "write `kubernetes: { keyFile: … }` in `repositories`: since 2023 packages are at pkgs.k8s.io";

/// Returns the address of a repository of the spec.
fn address(repository: &Node) -> Option<&Node> {
    repository
        .at(&["apt", "uri"])
        .or_else(|| repository.at(&["rpm", "baseUrl"]))
}

fn frozen_of_spec(spec: &Spec, complaints: &mut Complaints<'_>) {
    let repositories = spec.node(&["repositories"]).map_or(&[][..], Node::items);
    for node in repositories.iter().filter_map(address) {
        let named = FROZEN
            .iter()
            .find(|host| node.text().is_some_and(|text| text.contains(*host)));
        if let Some(host) = named {
            let message = format!("{host} was frozen in 2023 and is gone since 2024");
            complaints.push(Diagnostic::warning("", node.span, message).help(HELP));
        }
    }
}

fn frozen_of_host(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let repositories = spec.node(&["repositories"]).map_or(&[][..], Node::items);
    let is_of_spec = |file: &str| {
        let mut names = repositories.iter().filter_map(|node| node.get("name"));
        names.any(|name| file.rsplit_once('.').map(|(stem, _)| stem) == name.text())
    };
    let mut found = Vec::new();
    for (path, lines) in sources(state)? {
        let named = FROZEN
            .iter()
            .find(|host| lines.iter().any(|line| line.contains(*host)));
        if let Some(host) = named
            && !is_of_spec(path.file_name())
        {
            let message =
                format!("`{path}` names {host}, which was frozen in 2023 and is gone since 2024");
            let help = format!("{HELP}; remove the file");
            found.push(FROZEN_REPOSITORY.found(message).help(help));
        }
    }
    Ok(found)
}
