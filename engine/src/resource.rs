//! What a resource is: one thing that should be true of a host, and how a provider speaks of it. Everything here is pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::cluster::Cluster;
use crate::diagnostic::Problems;
use crate::facts::{Facts, Os};
use crate::name::{AbsPath, Digest, ResourceId, UnitName};
use crate::question::{Observed, Question, Unanswered};
use crate::reading::{Outlook, Reading, Readings, rewritten};
use crate::receipt::Receipt;
use crate::source::{Sources, Span};
use crate::spec::{Files, Node, Value};
use crate::state::State;
use crate::step::{Content, Disruption, Step};

/// One thing that should be true of a host. Every method is pure.
pub trait Resource: fmt::Debug + Send + Sync {
    /// Returns its name.
    fn id(&self) -> ResourceId;

    /// Returns the desired state as canonical text; its digest tells a changed spec from a changed host.
    fn desired(&self) -> String;

    /// Returns what must be asked of a host to plan it.
    fn questions(&self) -> Vec<Question>;

    /// Returns the edges that follow from what it is. Edges to resources that the host does not have are dropped.
    fn relations(&self) -> Vec<Relation> {
        Vec::new()
    }

    /// Whether it holds a line of another resource, and so is decided anew where that one cannot be planned.
    fn holds_line_of(&self, resource: &ResourceId) -> bool {
        let _ = resource;
        false
    }

    /// Returns what leaves it out, where a spec does not ask for it itself, as a fragment without a full stop.
    fn without(&self) -> Option<&str> {
        None
    }

    /// Compares what was observed with what is desired.
    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered>;
}

/// Knows a part of the spec and the kinds of resource it compiles into.
pub trait Provider: Send + Sync {
    /// Returns the fields below `spec:` that it owns, each with the schema of its value.
    fn sections(&self) -> Vec<Section>;

    /// Returns the kinds of the resources it makes.
    fn kinds(&self) -> &'static [&'static str];

    /// Turns its sections, as merged for a host, into resources. The sections were checked against their schemas.
    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared>;

    /// Returns those of its sections that mean something on Windows hosts; each of the others is an error there.
    fn windows_sections(&self) -> &'static [&'static str] {
        &[]
    }

    /// Turns its sections, as merged for a Windows host, into resources.
    fn compile_for_windows(
        &self,
        sections: &Sections<'_>,
        problems: &mut Problems,
    ) -> Vec<Declared> {
        let _ = (sections, problems);
        Vec::new()
    }

    /// Returns what it fills in for fields that these sections leave out, where that follows from other fields or needs a
    /// reason. What a schema gives as a default need not be here; a schema speaks of Linux only.
    fn defaults(&self, sections: &Sections<'_>, os: Os) -> Vec<Filled> {
        let _ = (sections, os);
        Vec::new()
    }

    /// Returns what these sections ask of other sections, where those do not say it themselves.
    fn implied(&self, sections: &Sections<'_>, os: Os) -> Vec<Implied> {
        let _ = (sections, os);
        Vec::new()
    }

    /// Returns the checks that hosts with these sections are held against, and complains about what is wrong with the spec
    /// alone.
    fn checks(
        &self,
        sections: &Sections<'_>,
        os: Os,
        problems: &mut Problems,
    ) -> Vec<Box<dyn Check>> {
        let _ = (sections, os, problems);
        Vec::new()
    }

    /// Returns what its sections say of the cluster that the host is a node of, if that is a section of its own.
    fn cluster(&self, sections: &Sections<'_>, problems: &mut Problems) -> Option<Cluster> {
        let _ = (sections, problems);
        None
    }

    /// Returns the text of a KubeletConfiguration with another cgroup driver and every other byte as it was, or why it is not
    /// edited. None for those who know nothing of it.
    fn with_cgroup_driver(&self, text: &str, driver: &str) -> Option<Result<String, String>> {
        let _ = (text, driver);
        None
    }

    /// Plans the removal of a resource that hardstand created and that no spec names any more.
    fn remove(
        &self,
        resource: &ResourceId,
        situation: &Situation<'_>,
    ) -> Result<Decision, Unanswered> {
        let _ = (resource, situation);
        Ok(Decision::Converged)
    }

    /// Returns the resource of a unit that no spec names, so that it can take notice of a removal, and of a restart that
    /// is owed. Nothing else is wanted of it.
    fn unnamed_unit(&self, unit: &UnitName) -> Option<Box<dyn Resource>> {
        let _ = unit;
        None
    }
}

/// A value that a provider fills in where the spec says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// Its field, such as `runtime.containerd.sandboxImage`.
    pub path: String,
    /// The value, in JSON.
    pub value: serde_json::Value,
    /// Why this one, as a fragment without a full stop.
    pub reason: String,
}

/// An item of a section that follows from another section, as if it were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Implied {
    /// The section that it is added to, such as `modules`.
    pub section: &'static str,
    /// Its key, if that section is a map; a list gets it as its last item.
    pub key: Option<String>,
    /// The value.
    pub value: Value,
    /// Where that stands which it follows from.
    pub span: Span,
    /// Why, as a fragment without a full stop.
    pub reason: String,
}

/// A field below `spec:`.
#[derive(Debug, Clone)]
pub struct Section {
    /// Its name, such as `sysctls`.
    pub name: &'static str,
    /// What it may hold.
    pub schema: schemars::Schema,
}

/// The sections of a provider, as merged for one host.
#[derive(Debug, Clone, Copy)]
pub struct Sections<'a> {
    /// All sections of the host's spec by name, those of other providers too.
    pub all: &'a BTreeMap<String, Node>,
    /// Files that the spec may refer to.
    pub files: &'a Files,
    /// The texts of the specs, for the names and places of spans.
    pub sources: &'a Sources,
}

/// A resource with where it was declared and what was written about its order.
#[derive(Debug)]
pub struct Declared {
    /// The resource.
    pub resource: Box<dyn Resource>,
    /// Where the spec asks for it.
    pub span: Span,
    /// Written `requires:` and `notifies:`; a target that the host does not have is an error.
    pub written: Vec<(Relation, Span)>,
}

/// An edge to another resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Relation {
    /// What the edge means.
    pub edge: Edge,
    /// The other end.
    pub target: ResourceId,
}

/// What an edge of the graph means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Edge {
    /// The source is changed after the target, and not at all if the target fails.
    Requires,
    /// The source is changed after the target, whatever becomes of that.
    After,
    /// The target is changed after the source, and must take notice when the source changed.
    Notifies,
    /// As `Notifies`, but only a change with this topic is told.
    NotifiesOf(Topic),
}

/// What kind of change is told along an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Topic {
    /// The runtime's cgroup driver changed; the kubelet reads it once, when it starts.
    CgroupDriver,
    /// Only what a unit takes up by a reload changed, so that it need not restart.
    ReloadSuffices,
}

/// All that a resource may look at when it decides.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What was seen of the host.
    pub observed: &'a Observed,
    /// The proposals of the resources that come before this one, by resource. One that is converged has none.
    pub proposed: &'a BTreeMap<ResourceId, Proposal>,
    /// The resources that change in this plan and notify this one.
    pub notified_by: &'a [ResourceId],
    /// The host's record of this resource.
    pub receipt: Option<&'a Receipt>,
    /// The resources that hardstand created and that no spec names any more, so that this plan removes them.
    pub dropped: &'a BTreeSet<ResourceId>,
    /// The resources that cannot be planned: nothing of theirs is changed, so a file that they share with others keeps their
    /// part as it is. Those that come later are known once they were found.
    pub held_up: &'a BTreeSet<ResourceId>,
    /// What would cost the node its pods is done while it is drained.
    pub drains: bool,
    /// What was read so far of the host with the files that are proposed.
    pub readings: &'a Readings,
}

impl<'a> Situation<'a> {
    /// Returns the situation of a host in which nothing is proposed.
    pub fn of(state: &'a State<'_>) -> Self {
        static NOTHING_PROPOSED: BTreeMap<ResourceId, Proposal> = BTreeMap::new();
        static NO_RESOURCES: BTreeSet<ResourceId> = BTreeSet::new();
        Self {
            observed: state,
            proposed: &NOTHING_PROPOSED,
            notified_by: &[],
            receipt: None,
            dropped: &NO_RESOURCES,
            held_up: &NO_RESOURCES,
            drains: false,
            readings: state.readings(),
        }
    }

    /// Returns the host with the files that it will have once what is proposed is done.
    pub fn outlook(&self) -> Outlook<'a> {
        let proposals = self.proposed.values();
        Outlook {
            observed: self.observed,
            files: proposals.flat_map(Proposal::rewritten).collect(),
            dropped: self.dropped,
        }
    }

    /// Returns something that follows from the answers, and from the files that are proposed.
    pub fn reading<R: Reading>(&self) -> Result<Rc<R>, Unanswered> {
        self.readings.get(|| self.outlook())
    }

    /// Returns what is asked of every host.
    pub fn facts(&self) -> &Facts {
        &self.observed.facts
    }

    /// Whether an earlier resource changes in this plan.
    pub fn changes(&self, resource: &ResourceId) -> bool {
        self.proposed.contains_key(resource)
    }

    /// Whether hardstand owes a unit a restart from a run that stopped.
    pub fn owes(&self, unit: &UnitName) -> bool {
        self.observed.owed.contains(unit)
    }
}

/// What a resource says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is as desired: now, persisted, and after a reboot.
    Converged,
    /// It is not, and these steps bring it there.
    Change(Proposal),
    /// It cannot be told, and why.
    Unknown(String),
    /// It must not or cannot be brought about, why, and how to mend that.
    Refused {
        /// Why.
        reason: String,
        /// How to mend it.
        help: Option<String>,
    },
}

/// A proposed change of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// What kind of change.
    pub action: Action,
    /// What is different, attribute by attribute.
    pub differences: Vec<Difference>,
    /// Whole texts that change, for a diff.
    pub texts: Vec<TextChange>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// What it does to what runs on the node, if that is worse than its steps say.
    pub disruption: Disruption,
    /// What it depends on that the plan cannot promise, such as another file that overrides ours at boot.
    pub condition: Option<String>,
    /// Why, where the differences do not tell it, such as an owed restart.
    pub reasons: Vec<Reason>,
    /// What kind of change this is to those it notifies.
    pub topics: BTreeSet<Topic>,
    /// Units that take notice of a removal. A removal has no edges that could tell.
    pub notifies: BTreeSet<UnitName>,
}

impl Proposal {
    /// Returns a proposal of some steps, to be filled in.
    pub fn new(action: Action, steps: Vec<Step>) -> Self {
        Self {
            action,
            differences: Vec::new(),
            texts: Vec::new(),
            steps,
            disruption: Disruption::None,
            condition: None,
            reasons: Vec::new(),
            topics: BTreeSet::new(),
            notifies: BTreeSet::new(),
        }
    }

    /// Returns the files that it changes, each with its content or nothing.
    pub(crate) fn rewritten(&self) -> impl Iterator<Item = (&AbsPath, Option<&Content>)> {
        self.steps.iter().filter_map(rewritten)
    }

    /// Adds a difference.
    #[must_use]
    pub fn difference(
        mut self,
        attribute: &str,
        before: impl Into<String>,
        after: impl Into<String>,
    ) -> Self {
        self.differences.push(Difference {
            attribute: attribute.to_owned(),
            before: before.into(),
            after: after.into(),
        });
        self
    }
}

/// What kind of change a resource undergoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It did not exist.
    Create,
    /// It exists and is different.
    Update,
    /// It is removed.
    Delete,
    /// A service is restarted.
    Restart,
    /// A service reads its configuration again.
    Reload,
}

/// Why a resource changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// It differs from the spec.
    Differs,
    /// Hardstand applied this very state before, and someone changed it since.
    Drifted,
    /// The spec was changed since it was last applied.
    SpecChanged,
    /// Another resource that changes notifies it.
    NotifiedBy(ResourceId),
    /// A restart is still owed: the text says since what.
    Owed(String),
    /// The spec no longer names it, and hardstand created it.
    NoLongerNamed,
}

/// One attribute that is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Difference {
    /// Which, such as `mode` or `running`.
    pub attribute: String,
    /// What it is; empty if it is absent.
    pub before: String,
    /// What it will be; empty if it will be absent.
    pub after: String,
}

/// A text that changes, for a diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextChange {
    /// The path it stands under.
    pub path: String,
    /// The text before; none if there is none.
    pub before: Option<String>,
    /// The text after; none if there is none.
    pub after: Option<String>,
}

/// Returns the digest that a receipt holds for a resource.
pub fn desired_digest(resource: &dyn Resource) -> Digest {
    Digest::of(resource.desired().as_bytes())
}
