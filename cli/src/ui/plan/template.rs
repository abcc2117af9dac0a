//! A host's plan with the name of the host left open, so that hosts which differ only by it can stand together.

use std::collections::BTreeMap;

use std::sync::Arc;

use engine::name::{HostName, ResourceId};
use engine::plan::{Change, HostPlan, Unplanned};
use engine::resource::{Action, Difference, Reason};

/// What a spec writes for the name of the host.
const PLACEHOLDER: &str = "${host.name}";

/// Returns the plan with `${host.name}` wherever a reader would see the host's name; none if there is no such place.
pub(super) fn template(plan: &HostPlan) -> Option<HostPlan> {
    let name = Name(&plan.host);
    let mut template = plan.clone();
    let changes = template.changes.iter_mut();
    changes.for_each(|it| name.change(Arc::make_mut(it)));
    let unplanned = template.unplanned.iter_mut();
    unplanned.for_each(|it| name.unplanned(it));
    let ids = template.unchanged.iter_mut();
    ids.chain(&mut template.forgotten)
        .for_each(|it| name.resource(it));
    (template != *plan).then_some(template)
}

/// The name that is left open.
#[derive(Clone, Copy)]
struct Name<'a>(&'a HostName);

impl Name<'_> {
    fn change(self, change: &mut Change) {
        let before = change.diffs.clone();
        for text in change.diffs.values_mut() {
            self.text(text);
        }
        // The whole text of a new file is shown; its digest is another on each host.
        let is_open = change.action == Action::Create && change.diffs != before;
        for Difference {
            attribute,
            before,
            after,
        } in &mut change.differences
        {
            if is_open && attribute == "content" && after.starts_with("sha256:") {
                "sha256:...".clone_into(after);
            }
            self.text(before);
            self.text(after);
        }
        self.resource(&mut change.resource);
        change.diffs = std::mem::take(&mut change.diffs)
            .into_iter()
            .map(|(mut path, diff)| {
                self.text(&mut path);
                (path, diff)
            })
            .collect::<BTreeMap<_, _>>();
        change.condition.iter_mut().for_each(|text| self.text(text));
        for reason in &mut change.reasons {
            match reason {
                Reason::NotifiedBy(resource) => self.resource(resource),
                Reason::Owed(text) => self.text(text),
                Reason::Differs | Reason::Drifted | Reason::SpecChanged | Reason::NoLongerNamed => {
                }
            }
        }
    }

    fn unplanned(self, unplanned: &mut Unplanned) {
        self.resource(&mut unplanned.resource);
        self.text(&mut unplanned.reason);
        unplanned.help.iter_mut().for_each(|text| self.text(text));
    }

    fn resource(self, resource: &mut ResourceId) {
        let mut name = resource.name().to_owned();
        self.text(&mut name);
        if name != resource.name() {
            *resource = ResourceId::new(resource.kind(), name);
        }
    }

    /// Leaves the name open where it stands by itself, and not as a part of a longer word.
    fn text(self, text: &mut String) {
        let name = self.0.as_str();
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let mut open = String::new();
        let mut done = 0;
        for (at, _) in text.match_indices(name) {
            let behind = at + name.len();
            let before = text[..at].chars().next_back();
            if !is_part(before) && !is_part(text[behind..].chars().next()) {
                open.push_str(&text[done..at]);
                open.push_str(PLACEHOLDER);
                done = behind;
            }
        }
        if done > 0 {
            open.push_str(&text[done..]);
            *text = open;
        }
    }
}
