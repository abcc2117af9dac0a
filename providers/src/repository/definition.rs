//! What a repository is in the words of apt and dnf: its files and their content; and the sources that a host has.

use engine::facts::PackageManager;
use engine::name::{AbsPath, RepositoryName};
use engine::question::{FileState, Question, Unanswered};
use engine::state::State;

use super::path;
use crate::section::constant_path;

/// Hosts whose repositories of Kubernetes were frozen in September 2023 and went away in 2024.
pub(crate) const FROZEN: [&str; 2] = ["apt.kubernetes.io", "packages.cloud.google.com"];

/// What a spec says of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Definition {
    /// Of Debian packages.
    Apt(Apt),
    /// Of RPM packages.
    Rpm(Rpm),
    /// That of Kubernetes, for a minor version.
    Kubernetes(u32),
    /// That of CRI-O, for a minor version.
    Crio(u32),
}

/// A repository of Debian packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Apt {
    pub(super) uri: String,
    /// One that ends in `/` is a path, and has no components.
    pub(super) suite: String,
    pub(super) components: Vec<String>,
}

/// A repository of RPM packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rpm {
    pub(super) base_url: String,
}

/// Where the files of a repository are on a host, and what its definition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) key: AbsPath,
    pub(super) source: AbsPath,
    pub(super) text: String,
}

impl Definition {
    /// Returns its files on a host with a package manager; none if it is for another one.
    pub(super) fn files(&self, name: &RepositoryName, manager: PackageManager) -> Option<Files> {
        let (key, source) = places(name, manager)?;
        let text = match (self.on(manager)?, manager) {
            (Self::Apt(apt), _) => apt.text(&key),
            (Self::Rpm(rpm), _) => rpm.text(name, &key),
            (Self::Kubernetes(_) | Self::Crio(_), _) => return None,
        };
        Some(Files { key, source, text })
    }

    /// Returns the same as a repository of what a manager installs.
    fn on(&self, manager: PackageManager) -> Option<Self> {
        let published = |base: String| match manager {
            PackageManager::Apt => Some(Self::Apt(Apt {
                uri: format!("{base}/deb/"),
                suite: "/".to_owned(),
                components: Vec::new(),
            })),
            PackageManager::Dnf => Some(Self::Rpm(Rpm {
                base_url: format!("{base}/rpm/"),
            })),
            PackageManager::None => None,
        };
        match (self, manager) {
            (Self::Apt(_), PackageManager::Apt) | (Self::Rpm(_), PackageManager::Dnf) => {
                Some(self.clone())
            }
            (Self::Apt(_) | Self::Rpm(_), _) => None,
            (Self::Kubernetes(minor), _) => {
                published(format!("https://pkgs.k8s.io/core:/stable:/v1.{minor}"))
            }
            (Self::Crio(minor), _) => published(format!(
                "https://download.opensuse.org/repositories/isv:/cri-o:/stable:/v1.{minor}"
            )),
        }
    }

    /// Returns its address and suite for apt; none if it is none of apt.
    pub(super) fn apt(&self) -> Option<(String, String)> {
        match self.on(PackageManager::Apt)? {
            Self::Apt(apt) => Some((apt.uri, apt.suite)),
            Self::Rpm(_) | Self::Kubernetes(_) | Self::Crio(_) => None,
        }
    }

    /// Returns what it holds, for people.
    pub(super) fn packages(&self) -> &'static str {
        match self {
            Self::Apt(_) => "Debian packages",
            Self::Rpm(_) => "RPM packages",
            Self::Kubernetes(_) | Self::Crio(_) => "packages",
        }
    }
}

impl Apt {
    fn text(&self, key: &AbsPath) -> String {
        let Self {
            uri,
            suite,
            components,
        } = self;
        let components = match components.as_slice() {
            [] => String::new(),
            components => format!("Components: {}\n", components.join(" ")),
        };
        format!("{HEADER}Types: deb\nURIs: {uri}\nSuites: {suite}\n{components}Signed-By: {key}\n")
    }
}

impl Rpm {
    fn text(&self, name: &RepositoryName, key: &AbsPath) -> String {
        let base_url = &self.base_url;
        format!(
            "{HEADER}[{name}]\nname={name}\nbaseurl={base_url}\nenabled=1\ngpgcheck=1\ngpgkey=file://{key}\n"
        )
    }
}

const HEADER: &str =
    "# Managed by hardstand: changes made here are undone. The repository is in the node's spec.\n";

/// Returns where the key and the definition of a repository stand.
pub(super) fn places(name: &RepositoryName, manager: PackageManager) -> Option<(AbsPath, AbsPath)> {
    let (key, source) = match manager {
        PackageManager::Apt => (
            format!("/etc/apt/keyrings/{name}.asc"),
            format!("/etc/apt/sources.list.d/{name}.sources"),
        ),
        PackageManager::Dnf => (
            format!("/etc/pki/rpm-gpg/RPM-GPG-KEY-{name}"),
            format!("/etc/yum.repos.d/{name}.repo"),
        ),
        PackageManager::None => return None,
    };
    Some((path(&key), path(&source)))
}

/// Returns the questions after all sources that a host has.
pub(crate) fn source_questions() -> Vec<Question> {
    let files = |(directory, suffix): (&'static str, &str)| Question::Files {
        directory: constant_path(directory),
        suffix: suffix.to_owned(),
    };
    let mut questions = vec![Question::File(constant_path(APT_SOURCES))];
    questions.extend(DIRECTORIES.map(files));
    questions
}

const APT_SOURCES: &str = "/etc/apt/sources.list";
const DIRECTORIES: [(&str, &str); 3] = [
    ("/etc/apt/sources.list.d", "list"),
    ("/etc/apt/sources.list.d", "sources"),
    ("/etc/yum.repos.d", "repo"),
];

/// Returns the files that name sources, each with its lines without comments. [`source_questions`] must have been asked.
pub(crate) fn sources(state: &State<'_>) -> Result<Vec<(AbsPath, Vec<String>)>, Unanswered> {
    let mut sources = Vec::new();
    let main = constant_path(APT_SOURCES);
    sources.extend(lines(state.file(&main)?).map(|lines| (main, lines)));
    for (directory, suffix) in DIRECTORIES {
        for found in state.files(&constant_path(directory), suffix)? {
            sources.extend(lines(&found.state).map(|lines| (found.path.clone(), lines)));
        }
    }
    Ok(sources)
}

fn lines(state: &FileState) -> Option<Vec<String>> {
    let FileState::Regular(file) = state else {
        return None;
    };
    let text = String::from_utf8_lossy(file.content.as_deref()?).into_owned();
    let lines = text.lines().map(str::trim);
    Some(
        lines
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect(),
    )
}
