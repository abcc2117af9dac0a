//! Unit files and drop-ins of the `files` section that no service takes notice of: systemd reads them again, once.

use engine::facts::Init;
use engine::name::{AbsPath, ResourceId, UnitName};
use engine::question::{Question, Unanswered};
use engine::resource::{
    Action, Decision, Declared, Proposal, Reason, Relation, Resource, Sections, Situation,
};
use engine::spec::Node;
use engine::step::Step;

use super::without_systemd;
use crate::file::is_unit_file;
use crate::section::{managed_paths, requires};

/// The kind of the one resource that is made here.
pub(super) const KIND: &str = "systemd";

/// Returns the resource that makes systemd read unit files again, if the spec has any that no service does it for.
/// `named` are the units that have a resource of their own.
pub(super) fn compile(sections: &Sections<'_>, named: &dyn Fn(&str) -> bool) -> Option<Declared> {
    let files: Vec<_> = unheeded(sections).collect();
    let (_, first) = files.first()?;
    let units = files
        .iter()
        .filter_map(|(path, _)| unit_of(path))
        .filter(|unit| !named(unit.as_str()));
    Some(Declared {
        span: first.span,
        written: Vec::new(),
        resource: Box::new(UnitFiles {
            units: units.collect(),
            files: files.iter().map(|(path, _)| path.clone()).collect(),
        }),
    })
}

/// Returns what a unit waits for: that resource, if it is about the unit's files.
pub(super) fn comes_before(unit: &UnitName, sections: &Sections<'_>) -> Vec<ResourceId> {
    let concerns = |path: &AbsPath| unit_of(path).as_ref() == Some(unit);
    match unheeded(sections).any(|(path, _)| concerns(&path)) {
        true => vec![id()],
        false => Vec::new(),
    }
}

fn id() -> ResourceId {
    ResourceId::new(KIND, "unit-files")
}

/// Returns the unit files and drop-ins of the `files` section that notify no service.
fn unheeded<'a>(sections: &Sections<'a>) -> impl Iterator<Item = (AbsPath, &'a Node)> {
    let notifies_service = |node: &Node| {
        let items = node.get("notifies").map_or(&[][..], Node::items);
        items
            .iter()
            .any(|item| item.text().is_some_and(|id| id.starts_with("service/")))
    };
    managed_paths(sections)
        .filter(move |(path, node)| is_unit_file(path) && !notifies_service(node))
}

/// Returns the unit that a unit file or drop-in is a part of; none for a template, of which systemd knows instances only.
fn unit_of(path: &AbsPath) -> Option<UnitName> {
    let parent = path.parent();
    let of_drop_in = parent.as_str().strip_suffix(".d");
    let name = of_drop_in.unwrap_or(path.as_str()).rsplit('/').next()?;
    name.parse().ok().filter(|_| !name.contains("@."))
}

/// The unit files of the spec that no service takes notice of, as systemd read them.
#[derive(Debug)]
struct UnitFiles {
    files: Vec<AbsPath>,
    /// Their units, as far as these have no resource of their own, which would see to it.
    units: Vec<UnitName>,
}

impl Resource for UnitFiles {
    fn id(&self) -> ResourceId {
        id()
    }

    fn desired(&self) -> String {
        "unit files as they are on disk".to_owned()
    }

    fn questions(&self) -> Vec<Question> {
        self.units.iter().cloned().map(Question::Unit).collect()
    }

    fn relations(&self) -> Vec<Relation> {
        let files = self.files.iter();
        files
            .map(|path| requires(ResourceId::new("file", path)))
            .collect()
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        if situation.facts().init != Init::Systemd {
            return Ok(without_systemd());
        }
        let changed = self
            .files
            .iter()
            .map(|path| ResourceId::new("file", path))
            .filter(|file| situation.changes(file));
        let reasons: Vec<_> = changed.map(Reason::NotifiedBy).collect();
        let mut stale = false;
        for unit in &self.units {
            stale |= situation.observed.unit(unit)?.property("NeedDaemonReload") == "yes";
        }
        if reasons.is_empty() && !stale {
            return Ok(Decision::Converged);
        }
        let mut proposal = Proposal::new(Action::Reload, vec![Step::ReloadUnitFiles]);
        if stale {
            proposal = proposal.difference("unit files", "changed since systemd read them", "read");
        }
        proposal.reasons = reasons;
        Ok(Decision::Change(proposal))
    }
}
