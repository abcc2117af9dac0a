//! Plans of resources that are as simple as can be.

use super::*;
use crate::diagnostic::Problems;
use crate::facts::Facts;
use crate::name::{FileMode, SysctlKey};
use crate::question::{Answer, Question, SysctlState};
use crate::reading::{Outlook, Reading};
use crate::resource::{Declared, Relation};
use crate::source::{Sources, Span};
use crate::step::{Content, Gate, Replaces};

/// A sysctl that should be 1, enough of a resource to plan with.
#[derive(Debug)]
struct One {
    name: &'static str,
    relations: Vec<Relation>,
}

impl One {
    fn key(&self) -> SysctlKey {
        format!("test.{}", self.name).parse().unwrap()
    }
}

impl Resource for One {
    fn id(&self) -> ResourceId {
        ResourceId::new("one", self.name)
    }

    fn desired(&self) -> String {
        "1".to_owned()
    }

    fn questions(&self) -> Vec<Question> {
        vec![Question::Sysctl(self.key())]
    }

    fn relations(&self) -> Vec<Relation> {
        self.relations.clone()
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        let running = situation.observed.sysctl(&self.key())?;
        Ok(match running {
            SysctlState::Value(value) if value == "1" && situation.notified_by.is_empty() => {
                Decision::Converged
            }
            SysctlState::Value(value) if value == "1" => {
                let restart = Step::RestartUnit {
                    name: "test.service".parse().unwrap(),
                    gate: Gate {
                        start_seconds: 1,
                        steady_seconds: 1,
                        cri_socket: None,
                    },
                };
                let mut proposal = Proposal::new(Action::Restart, vec![restart]);
                proposal.reasons = situation
                    .notified_by
                    .iter()
                    .cloned()
                    .map(Reason::NotifiedBy)
                    .collect();
                Decision::Change(proposal)
            }
            SysctlState::Value(value) => {
                let mut proposal = Proposal::new(Action::Update, Vec::new());
                if self.name == "pods" {
                    proposal.disruption = Disruption::PodLoss;
                }
                Decision::Change(proposal.difference("running", value, "1"))
            }
            SysctlState::Absent => Decision::Change(Proposal::new(Action::Create, Vec::new())),
            SysctlState::Unreadable(reason) => Decision::Refused {
                reason: reason.clone(),
                help: None,
            },
        })
    }
}

/// Plans ones: each row is a name, its edges (`-x` requires, `>x` after, `+x` notifies), and its running value.
fn plan(rows: &[(&'static str, &str, &str)], receipts: &[(&str, &str)]) -> HostPlan {
    let (graph, observed) = ones(rows, receipts);
    plan_host(&graph, &[], &"node".parse().unwrap(), &observed)
}

fn ones(rows: &[(&'static str, &str, &str)], receipts: &[(&str, &str)]) -> (Graph, Observed) {
    let mut sources = Sources::default();
    let source = sources.add("spec.yaml", "x");
    let span = Span {
        source,
        start: 0,
        end: 1,
    };
    let mut answers = BTreeMap::new();
    let mut declared = Vec::new();
    for (name, edges, running) in rows {
        let relations = edges
            .split_whitespace()
            .map(|edge| {
                let (kind, target) = edge.split_at(1);
                let edge = match kind {
                    "-" => Edge::Requires,
                    ">" => Edge::After,
                    _ => Edge::Notifies,
                };
                Relation {
                    edge,
                    target: ResourceId::new("one", target),
                }
            })
            .collect();
        let one = One { name, relations };
        let state = match *running {
            "" => SysctlState::Absent,
            "!" => SysctlState::Unreadable("not readable".to_owned()),
            value => SysctlState::Value(value.to_owned()),
        };
        answers.insert(Question::Sysctl(one.key()), Answer::Sysctl(state));
        declared.push(Declared {
            resource: Box::new(one),
            span,
            written: Vec::new(),
        });
    }
    let mut problems = Problems::default();
    let graph = Graph::build(declared, &sources, &mut problems);
    assert!(!problems.has_errors());
    let receipts = receipts
        .iter()
        .map(|(name, desired)| {
            let resource = ResourceId::new("one", name);
            let receipt = Receipt {
                resource: resource.clone(),
                created: false,
                desired: crate::name::Digest::of(desired.as_bytes()),
                questions: Arc::default(),
            };
            (resource, receipt)
        })
        .collect();
    let observed = Observed {
        facts: Facts::default(),
        answers,
        receipts,
        owed: Vec::new(),
        guards: Vec::new(),
        cluster: None,
    };
    (graph, observed)
}

#[test]
fn a_host_whose_cluster_could_not_be_asked_is_planned_whole_or_not_at_all() {
    let drain = Cluster {
        drain: Some(crate::cluster::Drain {
            timeout_seconds: 1,
            delete_empty_dir_data: false,
            force: false,
            grace_period_seconds: None,
        }),
        ..Cluster::default()
    };
    let edits = Cluster {
        cgroup_driver: Some("systemd".to_owned()),
        edit_kubelet_config: true,
        ..Cluster::default()
    };
    let loses = [("a", "", "0"), ("pods", "", "0")];
    let harmless = [("a", "", "0"), ("pods", "", "1")];
    for (cluster, rows, n_changes, why) in [
        (&drain, &loses, 0, Some("would be drained")),
        (&drain, &harmless, 1, None),
        (&Cluster::default(), &loses, 2, None),
        (&edits, &harmless, 0, Some("comes before its nodes")),
    ] {
        let (graph, observed) = ones(rows, &[]);
        let graph = graph.in_cluster(Some(cluster.clone()));
        let plan = plan_host_alone(&graph, &[], &"node".parse().unwrap(), &observed);
        assert_eq!(plan.changes.len(), n_changes, "{plan:#?}");
        assert_eq!(
            plan.unplanned.len(),
            usize::from(why.is_some()),
            "{plan:#?}"
        );
        for (unplanned, why) in plan.unplanned.iter().zip(why) {
            assert_eq!(unplanned.verdict, Verdict::Unknown);
            assert!(unplanned.reason.contains(why), "{unplanned:?}");
        }
    }
}

#[test]
fn what_is_as_desired_has_no_change() {
    let plan = plan(&[("a", "", "1")], &[]);
    assert_eq!(plan.changes, []);
    assert_eq!(plan.unchanged, [ResourceId::new("one", "a")]);
}

#[test]
fn records_tell_drift_from_a_changed_spec() {
    for (receipts, reason) in [
        (&[][..], Reason::Differs),
        (&[("a", "1")][..], Reason::Drifted),
        (&[("a", "2")][..], Reason::SpecChanged),
    ] {
        let plan = plan(&[("a", "", "0")], receipts);
        assert_eq!(plan.changes[0].reasons, [reason]);
    }
}

#[test]
fn a_notified_resource_changes_and_says_by_whom() {
    let plan = plan(&[("config", "+service", "0"), ("service", "", "1")], &[]);
    let config = ResourceId::new("one", "config");
    let owe = Step::OweRestart {
        names: vec!["test.service".parse().unwrap()],
    };
    assert_eq!(plan.changes[0].steps, [owe]);
    let restart = &plan.changes[1];
    assert_eq!(restart.action, Action::Restart);
    assert_eq!(restart.reasons, [Reason::NotifiedBy(config.clone())]);
    assert_eq!(restart.requires, [config]);
}

#[test]
fn waiting_reaches_through_what_does_not_change() {
    let plan = plan(&[("a", "", "0"), ("b", "-a", "1"), ("c", "-b", "0")], &[]);
    assert_eq!(plan.changes[1].requires, [ResourceId::new("one", "a")]);
}

#[test]
fn what_requires_the_refused_is_held_up_and_the_rest_goes_on() {
    let plan = plan(
        &[
            ("a", "", "!"),
            ("b", "-a", "0"),
            ("c", "-b", "0"),
            ("d", "", "0"),
        ],
        &[],
    );
    let held_up: Vec<_> = plan
        .unplanned
        .iter()
        .map(|unplanned| (unplanned.resource.name(), unplanned.verdict))
        .collect();
    assert_eq!(
        held_up,
        [
            ("a", Verdict::Refused),
            ("b", Verdict::Unknown),
            ("c", Verdict::Unknown)
        ]
    );
    assert_eq!(plan.changes.len(), 1);
}

#[test]
fn what_only_comes_after_goes_on_whatever_becomes_of_the_first() {
    for (first, held_up) in [("!", vec!["switch"]), ("0", vec![]), ("1", vec![])] {
        let plan = plan(&[("last", ">switch", "0"), ("switch", "", first)], &[]);
        let unplanned = plan.unplanned.iter();
        let unplanned: Vec<_> = unplanned.map(|one| one.resource.name()).collect();
        assert_eq!(unplanned, held_up, "{first}");
        let last = plan.changes.last().unwrap();
        assert_eq!(last.resource.name(), "last");
        assert_eq!(last.requires, []);
        assert_eq!(last.reasons, [Reason::Differs]);
    }
}

#[test]
fn nothing_restarts_with_a_configuration_that_is_refused() {
    let plan = plan(
        &[
            ("config", "+service", "!"),
            ("other", "+service", "0"),
            ("service", "", "1"),
        ],
        &[],
    );
    let changed: Vec<_> = plan
        .changes
        .iter()
        .map(|change| change.resource.name())
        .collect();
    assert_eq!(changed, ["other"]);
    assert_eq!(
        plan.unplanned[1].reason,
        "it would restart with one/config, which cannot be planned"
    );
}

#[test]
fn a_record_of_what_was_not_created_is_forgotten() {
    let plan = plan(&[], &[("old", "1")]);
    assert_eq!(plan.forgotten, [ResourceId::new("one", "old")]);
    assert_eq!(plan.changes, []);
}

/// How many files are proposed so far.
#[derive(Debug)]
struct Proposed(usize);

impl Reading for Proposed {
    fn read(outlook: &Outlook<'_>) -> Result<Self, Unanswered> {
        Ok(Self(outlook.files.len()))
    }
}

/// Writes how many files are proposed before it, into a file of its own or, as a sysctl, into none.
#[derive(Debug)]
struct Count(&'static str);

impl Resource for Count {
    fn id(&self) -> ResourceId {
        ResourceId::new("count", self.0)
    }

    fn desired(&self) -> String {
        String::new()
    }

    fn questions(&self) -> Vec<Question> {
        Vec::new()
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        let n_files = situation.reading::<Proposed>()?.0.to_string();
        let step = match self.0.strip_prefix('/') {
            Some(_) => Step::WriteFile {
                path: self.0.parse().unwrap(),
                content: Content::Text(String::new()),
                mode: FileMode::new(0o644),
                owner: "root".parse().unwrap(),
                group: "root".parse().unwrap(),
                replaces: Replaces::Nothing,
                check: None,
                owes: Vec::new(),
            },
            None => Step::SetSysctl {
                key: self.0.parse().unwrap(),
                value: n_files.clone(),
            },
        };
        let proposal = Proposal::new(Action::Create, vec![step]);
        Ok(Decision::Change(proposal.difference("files", "", n_files)))
    }
}

#[test]
fn a_reading_is_made_anew_when_a_file_is_proposed() {
    let (_, observed) = ones(&[], &[]);
    let mut sources = Sources::default();
    let span = Span {
        source: sources.add("spec.yaml", "x"),
        start: 0,
        end: 1,
    };
    let declared = ["a.b", "/one", "a.c", "a.d", "/two", "a.e"].map(|name| Declared {
        resource: Box::new(Count(name)),
        span,
        written: Vec::new(),
    });
    let graph = Graph::build(declared.into(), &sources, &mut Problems::default());
    let plan = plan_host(&graph, &[], &"node".parse().unwrap(), &observed);
    let changes = plan.changes.iter();
    let counts: Vec<_> = changes.map(|it| it.differences[0].after.as_str()).collect();
    assert_eq!(counts, ["0", "0", "1", "1", "1", "2"]);
}
