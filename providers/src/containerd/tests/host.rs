//! A host as the probe saw it, with a containerd that is answered for by what the real ones printed.

use std::collections::BTreeMap;

use engine::facts::Facts;
use engine::name::{AbsPath, Digest, FileMode, ResourceId, UnitName};
use engine::question::{
    Answer, Attributes, ContainerdState, CriCgroupDriver, CriRuntime, CriRuntimeConfig, CriState,
    FileState, FoundFile, Observed, PackageState, Question, RegularFile, UnitState,
};
use engine::reading::Readings;
use engine::resource::{Action, Decision, Proposal, Resource as _, Situation};
use engine::step::{Content, Replaces, Step};

use crate::containerd::section::ContainerdSection;
use crate::unitfile;

pub(super) const CONFIG: &str = "/etc/containerd/config.toml";

/// What the real ones print for the file that Debian's package installs.
pub(super) const DEBIAN: &str = "version = 2

[plugins]
  [plugins.\"io.containerd.grpc.v1.cri\"]
    [plugins.\"io.containerd.grpc.v1.cri\".cni]
      bin_dir = \"/usr/lib/cni\"
      conf_dir = \"/etc/cni/net.d\"
  [plugins.\"io.containerd.internal.v1.opt\"]
    path = \"/var/lib/containerd/opt\"
";
pub(super) const DUMP_1_6: &str = include_str!("../testdata/dump-1.6-debian.toml");
pub(super) const DUMP_1_7: &str = include_str!("../testdata/dump-1.7-debian.toml");
pub(super) const DUMP_2_1: &str = include_str!("../testdata/dump-2.1-debian.toml");
pub(super) const DUMP_1_7_IMPORT: &str = include_str!("../testdata/dump-1.7-import.toml");
pub(super) const DUMP_2_1_IMPORT: &str = include_str!("../testdata/dump-2.1-import.toml");

/// A host.
#[derive(Debug)]
pub(super) struct Host {
    answers: BTreeMap<Question, Answer>,
    proposed: BTreeMap<ResourceId, Proposal>,
    owed: Vec<UnitName>,
}

impl Host {
    /// Returns a host without containerd.
    pub(super) fn bare() -> Self {
        let mut host = Self {
            answers: BTreeMap::new(),
            proposed: BTreeMap::new(),
            owed: Vec::new(),
        }
        .containerd(None, None)
        .cri(CriState::Unasked)
        .started("Mon 2026-11-23 20:12:34 UTC")
        .at(CONFIG, FileState::Absent)
        .at("/etc/containerd", FileState::Absent)
        .at("/etc/kubernetes/kubelet.conf", FileState::Absent)
        .at(
            "/var/lib/kubelet/pki/kubelet-client-current.pem",
            FileState::Absent,
        )
        .drop_ins(&[]);
        host.kubelet("inactive");
        for question in unitfile::questions(&"containerd.service".parse().unwrap()) {
            let nothing = match question {
                Question::Files { .. } => Answer::Files(Vec::new()),
                _ => Answer::File(FileState::Absent),
            };
            host.answers.insert(question, nothing);
        }
        host
    }

    /// Returns a host with containerd, its configuration and what it says of that.
    pub(super) fn with(version: &str, text: &str, dump: &str) -> Self {
        Self::bare()
            .containerd(Some(version), Some(dump))
            .at("/etc/containerd", directory())
            .at(CONFIG, regular(text))
    }

    pub(super) fn containerd(mut self, version: Option<&str>, dump: Option<&str>) -> Self {
        let state = ContainerdState {
            version: version.map(str::to_owned),
            effective: dump.map(str::to_owned),
            failure: dump.is_none().then(|| "containerd: no dump".to_owned()),
        };
        let question = Question::Containerd(path(CONFIG));
        self.answers.insert(question, Answer::Containerd(state));
        self
    }

    /// Lets `config dump` fail.
    pub(super) fn failing(mut self, failure: &str) -> Self {
        let question = Question::Containerd(path(CONFIG));
        if let Some(Answer::Containerd(state)) = self.answers.get_mut(&question) {
            state.effective = None;
            state.failure = Some(failure.to_owned());
        }
        self
    }

    /// Adds a file that the plan writes.
    pub(super) fn writing(mut self, at: &str, text: &str) -> Self {
        let step = Step::WriteFile {
            path: path(at),
            content: Content::Text(text.to_owned()),
            mode: FileMode::new(0o644),
            owner: "root".parse().unwrap(),
            group: "root".parse().unwrap(),
            replaces: Replaces::Nothing,
            check: None,
            owes: Vec::new(),
        };
        let proposal = Proposal::new(Action::Create, vec![step]);
        self.proposed.insert(ResourceId::new("file", at), proposal);
        self
    }

    /// Puts something at the socket, whatever its path is.
    pub(super) fn cri(mut self, state: CriState) -> Self {
        for socket in [
            "/run/containerd/containerd.sock",
            "/var/run/containerd/containerd.sock",
        ] {
            let question = Question::Cri(path(socket));
            self.answers.insert(question, Answer::Cri(state.clone()));
        }
        self
    }

    /// Lets a containerd of 2.x run with a driver.
    pub(super) fn running_with(self, driver: CriCgroupDriver) -> Self {
        self.cri(CriState::Answers(CriRuntime {
            name: "containerd".to_owned(),
            version: "2.1.9".to_owned(),
            api_version: "v1".to_owned(),
            runtime_ready: None,
            network_ready: None,
            config: CriRuntimeConfig::Driver(driver),
        }))
    }

    /// Lets the service run since then.
    pub(super) fn started(mut self, when: &str) -> Self {
        let mut unit = UnitState::default();
        for (name, value) in [("ActiveState", "active"), ("ExecMainStartTimestamp", when)] {
            unit.properties.insert(name.to_owned(), value.to_owned());
        }
        let question = Question::Unit("containerd.service".parse().unwrap());
        self.answers.insert(question, Answer::Unit(unit));
        self
    }

    /// Lets its restart be owed.
    pub(super) fn owing(mut self) -> Self {
        self.owed.push("containerd.service".parse().unwrap());
        self
    }

    pub(super) fn at(mut self, at: &str, state: FileState) -> Self {
        let question = Question::File(path(at));
        self.answers.insert(question, Answer::File(state));
        self
    }

    pub(super) fn drop_ins(self, names: &[&str]) -> Self {
        let files: Vec<_> = names.iter().map(|name| (*name, "")).collect();
        self.drop_in_texts(&files)
    }

    pub(super) fn drop_in_texts(mut self, files: &[(&str, &str)]) -> Self {
        let directory = path("/etc/containerd/conf.d");
        let files = files
            .iter()
            .map(|(name, text)| FoundFile {
                path: directory.join(name).unwrap(),
                link: None,
                state: regular(text),
            })
            .collect();
        let question = Question::Files {
            directory,
            suffix: "toml".to_owned(),
        };
        self.answers.insert(question, Answer::Files(files));
        self
    }

    pub(super) fn joined(self) -> Self {
        self.at("/etc/kubernetes/kubelet.conf", regular("apiVersion: v1\n"))
    }

    pub(super) fn running_kubelet(mut self) -> Self {
        self.kubelet("active");
        self
    }

    /// Adds a package that the plan installs.
    pub(super) fn installing(self, name: &str, candidate: &str) -> Self {
        let state = PackageState {
            candidate: Some(candidate.to_owned()),
            ..PackageState::default()
        };
        self.package(name, state).proposing(name, None)
    }

    pub(super) fn package(mut self, name: &str, state: PackageState) -> Self {
        let question = Question::Package(name.parse().unwrap());
        self.answers.insert(question, Answer::Package(state));
        self
    }

    pub(super) fn proposing(mut self, name: &str, version: Option<&str>) -> Self {
        let step = Step::InstallPackage {
            name: name.parse().unwrap(),
            version: version.map(|version| version.parse().unwrap()),
        };
        self.proposed.insert(
            ResourceId::new("package", name),
            Proposal::new(Action::Create, vec![step]),
        );
        self
    }

    fn kubelet(&mut self, state: &str) {
        let mut unit = UnitState::default();
        unit.properties
            .insert("ActiveState".to_owned(), state.to_owned());
        let question = Question::Unit("kubelet.service".parse().unwrap());
        self.answers.insert(question, Answer::Unit(unit));
    }

    /// Decides about a section, written in YAML. All that it looks at must have been asked for.
    pub(super) fn decide(&self, section: &str) -> Decision {
        let section: ContainerdSection = serde_yaml::from_str(section).unwrap();
        let config = crate::containerd::config(&section, None, None);
        let asked = config.questions();
        let observed = Observed {
            facts: Facts::default(),
            answers: self
                .answers
                .iter()
                .filter(|(question, _)| asked.contains(question))
                .map(|(question, answer)| (question.clone(), answer.clone()))
                .collect(),
            receipts: BTreeMap::new(),
            owed: self.owed.clone(),
            guards: Vec::new(),
            cluster: None,
        };
        let situation = Situation {
            observed: &observed,
            proposed: &self.proposed,
            notified_by: &[],
            dropped: &std::collections::BTreeSet::new(),
            held_up: &std::collections::BTreeSet::new(),
            receipt: None,
            drains: false,
            readings: &Readings::default(),
        };
        config.decide(&situation).unwrap()
    }

    pub(super) fn change(&self, section: &str) -> Proposal {
        match self.decide(section) {
            Decision::Change(proposal) => proposal,
            other => panic!("expected a change, got {other:?}"),
        }
    }

    /// Returns the reason and the help of a refusal, on two lines.
    pub(super) fn refusal(&self, section: &str) -> String {
        match self.decide(section) {
            Decision::Refused { reason, help } => {
                format!("{reason}\n{}", help.unwrap_or_default())
            }
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    pub(super) fn unknown(&self, section: &str) -> String {
        match self.decide(section) {
            Decision::Unknown(reason) => reason,
            other => panic!("expected that it is unknown, got {other:?}"),
        }
    }
}

pub(super) fn regular(text: &str) -> FileState {
    FileState::Regular(RegularFile {
        attributes: attributes(0o640),
        size: text.len() as u64,
        links: 1,
        modified: 1_700_000_000,
        digest: Digest::of(text.as_bytes()),
        content: Some(text.as_bytes().to_vec()),
    })
}

pub(super) fn directory() -> FileState {
    FileState::Directory(attributes(0o755))
}

fn attributes(mode: u32) -> Attributes {
    Attributes {
        mode,
        owner: "root".to_owned(),
        group: "adm".to_owned(),
    }
}

fn path(text: &str) -> AbsPath {
    text.parse().unwrap()
}
