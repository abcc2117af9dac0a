//! A machine with real semantics to plan for: it answers questions, and it does what steps say. No test needs a host.

mod steps;

use std::collections::{BTreeMap, BTreeSet};

use engine::cluster::ClusterState;
use engine::complete::complete;
use engine::diagnostic::Problems;
use engine::effective::Effective;
use engine::facts::{CgroupVersion, Facts, Init, Os, PackageManager, Swap};
use engine::graph::Graph;
use engine::name::{AbsPath, Digest, ResourceId};
use engine::plan::{Change, HostPlan, plan_host};
use engine::question::{
    Answer, Attributes, ContainerdState, CriRuntime, CriRuntimeConfig, CriState, FileState,
    FoundFile, KubeletState, LimitsState, ModuleState, Observed, OpenFiles, PackageState, Question,
    RegularFile, RepositoryState, SysctlState, UnitState,
};
use engine::receipt::Receipt;
use engine::resource::Sections;
use engine::source::{Sources, Span};
use engine::spec::{Entry, Files, Node, Value};
use engine::step::Step;

use crate::registry;

/// When everything on a fresh machine was last changed, and when its units were started.
const LONG_AGO: i64 = 1_700_000_000;

/// A machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) facts: Facts,
    pub(crate) files: BTreeMap<String, FileState>,
    pub(crate) sysctls: BTreeMap<String, String>,
    pub(crate) modules: BTreeMap<String, ModuleState>,
    pub(crate) units: BTreeMap<String, UnitState>,
    pub(crate) packages: BTreeMap<String, PackageState>,
    /// Repositories whose index was fetched.
    pub(crate) indexed: BTreeSet<String>,
    /// What every question about containerd is answered with; none leaves it unanswered.
    pub(crate) containerd: Option<ContainerdState>,
    /// What is at every CRI socket.
    pub(crate) cri: CriState,
    pub(crate) kubelet: KubeletState,
    /// How many files the processes of units may have open.
    pub(crate) open_files: BTreeMap<String, OpenFiles>,
    pub(crate) owed: BTreeSet<String>,
    pub(crate) receipts: BTreeMap<ResourceId, Receipt>,
    /// What its cluster says of it.
    pub(crate) cluster: Option<ClusterState>,
    now: i64,
}

impl Machine {
    /// Returns a Debian machine as it comes out of the box.
    pub(crate) fn debian() -> Self {
        let mut machine = Self {
            facts: Facts {
                os_id: "debian".into(),
                kernel: "6.1.0-30-amd64".into(),
                init: Init::Systemd,
                cgroup: CgroupVersion::V2,
                packages: PackageManager::Apt,
                root: true,
                commands: ["dpkg", "apt-get", "systemctl", "modprobe"]
                    .map(str::to_owned)
                    .into(),
                file_systems: ["ext4".to_owned()].into(),
                ..Facts::default()
            },
            files: BTreeMap::new(),
            sysctls: BTreeMap::new(),
            modules: BTreeMap::new(),
            units: BTreeMap::new(),
            packages: BTreeMap::new(),
            indexed: BTreeSet::new(),
            containerd: None,
            cri: CriState::Unasked,
            kubelet: KubeletState::default(),
            open_files: BTreeMap::new(),
            owed: BTreeSet::new(),
            receipts: BTreeMap::new(),
            cluster: None,
            now: LONG_AGO + 1000,
        };
        for directory in [
            "/",
            "/etc",
            "/etc/sysctl.d",
            "/etc/modules-load.d",
            "/etc/modprobe.d",
            "/etc/systemd",
            "/etc/systemd/system",
            "/etc/kubernetes",
            "/usr/lib/sysctl.d",
            "/opt",
        ] {
            machine = machine.directory(directory);
        }
        machine
    }

    pub(crate) fn directory(mut self, path: &str) -> Self {
        let state = FileState::Directory(attributes(0o755));
        self.files.insert(path.into(), state);
        self
    }

    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        let state = FileState::Regular(regular(text.as_bytes(), 0o644, LONG_AGO));
        self.files.insert(path.into(), state);
        self
    }

    pub(crate) fn at(mut self, path: &str, state: FileState) -> Self {
        self.files.insert(path.into(), state);
        self
    }

    /// Changes a regular file that is there.
    pub(crate) fn with_file(mut self, path: &str, change: impl FnOnce(&mut RegularFile)) -> Self {
        match self.files.get_mut(path) {
            Some(FileState::Regular(file)) => change(file),
            other => panic!("{path} is {other:?}"),
        }
        self
    }

    pub(crate) fn sysctl(mut self, key: &str, value: &str) -> Self {
        self.sysctls.insert(key.into(), value.into());
        self
    }

    pub(crate) fn module(mut self, name: &str, change: impl FnOnce(&mut ModuleState)) -> Self {
        change(self.modules.entry(name.into()).or_default());
        self
    }

    /// Adds a unit with properties on top of those of a loaded, enabled and running service.
    pub(crate) fn unit(mut self, name: &str, properties: &[(&str, &str)]) -> Self {
        let mut unit = UnitState::default();
        for (property, value) in [
            ("LoadState", "loaded"),
            ("ActiveState", "active"),
            ("UnitFileState", "enabled"),
            ("NeedDaemonReload", "no"),
            ("ExecMainStartTimestamp", "Mon 2023-11-20 20:12:34 UTC"),
        ]
        .iter()
        .chain(properties)
        {
            unit.properties.insert((*property).into(), (*value).into());
        }
        self.units.insert(name.into(), unit);
        self
    }

    pub(crate) fn package(mut self, name: &str, change: impl FnOnce(&mut PackageState)) -> Self {
        change(self.packages.entry(name.into()).or_default());
        self
    }

    /// Adds a containerd, and what it says that its configuration comes to.
    pub(crate) fn containerd(mut self, version: &str, dump: Option<&str>) -> Self {
        self.containerd = Some(ContainerdState {
            version: Some(version.into()),
            effective: dump.map(str::to_owned),
            failure: None,
        });
        self.unit("containerd.service", &[])
    }

    /// Lets a runtime answer at every CRI socket, ready in all respects.
    pub(crate) fn cri(mut self, name: &str, version: &str) -> Self {
        self.cri = CriState::Answers(CriRuntime {
            name: name.into(),
            version: version.into(),
            api_version: "v1".into(),
            runtime_ready: None,
            network_ready: None,
            config: CriRuntimeConfig::NotImplemented,
        });
        self
    }

    pub(crate) fn swap(mut self, path: &str) -> Self {
        self.facts.swaps.push(Swap {
            path: path.into(),
            kind: "file".into(),
        });
        self
    }

    pub(crate) fn facts(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(&mut self.facts);
        self
    }

    fn answer(&self, question: &Question) -> Answer {
        match question {
            Question::File(path) => Answer::File(self.state(path.as_str())),
            Question::Files { directory, suffix } => Answer::Files(self.list(directory, suffix)),
            Question::Sysctl(key) => Answer::Sysctl(match self.sysctls.get(key.as_str()) {
                Some(value) => SysctlState::Value(value.clone()),
                None => SysctlState::Absent,
            }),
            Question::Module(name) => {
                Answer::Module(self.modules.get(name.as_str()).cloned().unwrap_or_default())
            }
            Question::Unit(name) => {
                Answer::Unit(self.units.get(name.as_str()).cloned().unwrap_or_else(|| {
                    let mut unit = UnitState::default();
                    unit.properties
                        .insert("LoadState".into(), "not-found".into());
                    unit
                }))
            }
            Question::Package(name) | Question::Installed(name) => Answer::Package(
                self.packages
                    .get(name.as_str())
                    .cloned()
                    .unwrap_or_default(),
            ),
            Question::Repository(name) => Answer::Repository(RepositoryState {
                indexed: self.indexed.contains(name.as_str()),
            }),
            // Without one it says that there is none.
            Question::Containerd(_) => {
                Answer::Containerd(self.containerd.clone().unwrap_or_default())
            }
            Question::Cri(_) => Answer::Cri(self.cri.clone()),
            Question::Limits(unit) => Answer::Limits(LimitsState {
                open_files: self.open_files.get(unit.as_str()).copied(),
            }),
            Question::Kubelet(_) => Answer::Kubelet(self.kubelet.clone()),
        }
    }

    fn state(&self, path: &str) -> FileState {
        self.files.get(path).cloned().unwrap_or(FileState::Absent)
    }

    fn list(&self, directory: &AbsPath, suffix: &str) -> Vec<FoundFile> {
        self.files
            .iter()
            .filter_map(|(path, state)| Some((path.parse::<AbsPath>().ok()?, state)))
            .filter(|(path, _)| {
                path.parent() == *directory
                    && (suffix.is_empty() || path.as_str().ends_with(&format!(".{suffix}")))
            })
            .map(|(path, state)| match state {
                FileState::Symlink(target) => FoundFile {
                    state: match target.as_str() {
                        "/dev/null" => FileState::Other("character device".into()),
                        target => self.state(&target.replace("..", "/etc")),
                    },
                    path,
                    link: Some(target.clone()),
                },
                state => FoundFile {
                    path,
                    link: None,
                    state: state.clone(),
                },
            })
            .collect()
    }

    pub(crate) fn observed(&self, mut questions: BTreeSet<Question>) -> Observed {
        let recorded = self.receipts.values().flat_map(|r| r.questions.to_vec());
        questions.extend(recorded);
        let owed = self.owed.iter().map(|unit| unit.parse().unwrap());
        questions.extend(owed.map(Question::Unit));
        Observed {
            facts: self.facts.clone(),
            answers: questions
                .into_iter()
                .map(|question| (question.clone(), self.answer(&question)))
                .collect(),
            receipts: self.receipts.clone(),
            owed: self.owed.iter().map(|unit| unit.parse().unwrap()).collect(),
            guards: Vec::new(),
            cluster: self.cluster.clone(),
        }
    }

    /// Plans what a spec needs on this machine.
    pub(crate) fn plan(&self, spec: &str) -> HostPlan {
        let (graph, complaints) = compile(spec);
        let errors: Vec<_> = complaints.iter().filter(|c| c.starts_with('E')).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let observed = self.observed(graph.questions().iter().cloned().collect());
        plan_host(&graph, &registry(), &"node".parse().unwrap(), &observed)
    }

    /// Carries out a plan, and records what was done.
    pub(crate) fn apply(&mut self, plan: &HostPlan) {
        self.now += 100;
        for change in &plan.changes {
            for step in &change.steps {
                self.step(step);
            }
            match &change.receipt {
                Some(receipt) => self
                    .receipts
                    .insert(change.resource.clone(), receipt.clone()),
                None => self.receipts.remove(&change.resource),
            };
        }
    }

    /// Plans a spec, carries the plan out, and checks that nothing is left to do.
    pub(crate) fn converge(&mut self, spec: &str) -> HostPlan {
        let plan = self.plan(spec);
        assert_eq!(plan.unplanned, [], "cannot be planned");
        self.apply(&plan);
        let again = self.plan(spec);
        let left: Vec<_> = again.changes.iter().map(|c| &c.resource).collect();
        assert!(left.is_empty(), "did not converge: {:#?}", again.changes);
        plan
    }
}

/// Returns the graph of a spec and what is wrong with it, each as `CODE message`. What its sections imply is left out.
pub(crate) fn compile(spec: &str) -> (Graph, Vec<String>) {
    compile_at("spec.yaml", spec)
}

/// As [`compile`], for a spec under a path.
pub(crate) fn compile_at(name: &str, spec: &str) -> (Graph, Vec<String>) {
    let (sources, all) = read(name, spec);
    compile_sections(&sources, &all)
}

/// As [`compile`], with what the sections imply.
pub(crate) fn compile_completed(spec: &str) -> (Graph, Vec<String>) {
    let (sources, all) = read("spec.yaml", spec);
    let written = Sections {
        all: &all,
        files: &Files::default(),
        sources: &sources,
    };
    compile_sections(&sources, &complete(&written, Os::Linux, &registry()))
}

fn compile_sections(sources: &Sources, all: &BTreeMap<String, Node>) -> (Graph, Vec<String>) {
    let sections = Sections {
        all,
        files: &Files::default(),
        sources,
    };
    let mut problems = Problems::default();
    let declared = registry()
        .iter()
        .flat_map(|provider| provider.compile(&sections, &mut problems))
        .collect();
    let checks = registry()
        .iter()
        .flat_map(|provider| provider.checks(&sections, Os::Linux, &mut problems))
        .collect();
    let cluster = registry()
        .iter()
        .find_map(|provider| provider.cluster(&sections, &mut problems));
    let graph = Graph::build(declared, sources, &mut problems)
        .with_checks(checks)
        .in_cluster(cluster);
    let complaints = problems
        .into_sorted()
        .into_iter()
        .map(|problem| format!("{} {}", problem.code, problem.message))
        .collect();
    (graph, complaints)
}

/// Returns what a spec comes to with its defaults.
pub(crate) fn effective(spec: &str, os: Os) -> Effective {
    let (sources, all) = read("spec.yaml", spec);
    let sections = Sections {
        all: &all,
        files: &Files::default(),
        sources: &sources,
    };
    engine::effective::effective(&sections, os, &registry())
}

/// Reads the sections of a spec, all at one place.
fn read(name: &str, spec: &str) -> (Sources, BTreeMap<String, Node>) {
    let mut sources = Sources::default();
    let source = sources.add(name, spec);
    let span = Span {
        source,
        start: 0,
        end: 1,
    };
    let whole = node(&serde_yaml::from_str(spec).unwrap(), span);
    let entries = whole.entries().iter();
    let all = entries.map(|entry| (entry.key.clone(), entry.node.clone()));
    (sources, all.collect())
}

/// Returns a change by the name of its resource.
#[track_caller]
pub(crate) fn change<'a>(plan: &'a HostPlan, resource: &str) -> &'a Change {
    plan.changes
        .iter()
        .find(|change| change.resource.to_string() == resource)
        .unwrap_or_else(|| panic!("{resource} does not change: {plan:#?}"))
}

/// Returns the text that a plan writes to a path.
#[track_caller]
pub(crate) fn written(plan: &HostPlan, path: &str) -> String {
    let steps = plan.changes.iter().flat_map(|change| &change.steps);
    let content = steps.into_iter().find_map(|step| match step {
        Step::WriteFile {
            path: found,
            content,
            ..
        } if found.as_str() == path => Some(content.bytes().to_vec()),
        _ => None,
    });
    let content = content.unwrap_or_else(|| panic!("{path} is not written: {plan:#?}"));
    String::from_utf8(content).unwrap()
}

/// Returns the changes of a plan, one a line: the resource, then its differences.
pub(crate) fn summary(plan: &HostPlan) -> Vec<String> {
    let changes = plan.changes.iter().map(|change| {
        let differences: Vec<_> = change
            .differences
            .iter()
            .map(|d| format!("{} {}->{}", d.attribute, d.before, d.after))
            .collect();
        format!("{}: {}", change.resource, differences.join(", "))
    });
    let unplanned = plan.unplanned.iter().map(|unplanned| {
        format!(
            "{} {:?}: {}",
            unplanned.resource, unplanned.verdict, unplanned.reason
        )
    });
    changes.chain(unplanned).collect()
}

pub(crate) fn regular(content: &[u8], mode: u32, modified: i64) -> RegularFile {
    RegularFile {
        attributes: attributes(mode),
        size: content.len() as u64,
        links: 1,
        modified,
        digest: Digest::of(content),
        content: Some(content.to_vec()),
    }
}

pub(crate) fn attributes(mode: u32) -> Attributes {
    Attributes {
        mode,
        owner: "root".into(),
        group: "root".into(),
    }
}

/// Returns YAML as a node whose parts all stand at one place.
pub(crate) fn node(yaml: &serde_yaml::Value, span: Span) -> Node {
    let value = match yaml {
        serde_yaml::Value::Null => Value::Null,
        serde_yaml::Value::Bool(value) => Value::Bool(*value),
        serde_yaml::Value::Number(number) => match number.as_i64() {
            Some(value) => Value::Integer(value),
            None => Value::Float(number.to_string()),
        },
        serde_yaml::Value::String(text) => Value::String(text.clone()),
        serde_yaml::Value::Sequence(items) => {
            Value::List(items.iter().map(|item| node(item, span)).collect())
        }
        serde_yaml::Value::Mapping(map) => Value::Map(
            map.iter()
                .map(|(key, value)| Entry {
                    key: key.as_str().unwrap().to_owned(),
                    key_span: span,
                    node: node(value, span),
                })
                .collect(),
        ),
        serde_yaml::Value::Tagged(_) => panic!("tags are not for specs"),
    };
    Node { span, value }
}
