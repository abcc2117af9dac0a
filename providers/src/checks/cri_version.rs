//! Which runtimes a kubelet works with: the versions of the CRI that both speak, and what was tested together.

use engine::check::{Found, Rule};
use engine::diagnostic::{Diagnostic, Severity};
use engine::name::PackageName;
use engine::question::{Question, Unanswered};
use engine::state::State;

use super::containerd::Containerd;
use super::crio::Crio;
use super::docker::{cri_dockerd_packages, installed, is_docker};
use super::spec::{Runtime, Spec};
use super::{Complaints, Entry};
use crate::containerd::{self, ContainerdVersion, Least};
use crate::crio::{self, CrioRelease};
use crate::docker::version::{Version, spoken};
use crate::runtime::{KubernetesVersion, Spoken};

pub(super) const CHECKS: &[Entry] = &[Entry {
    rule: NOT_TOGETHER,
    applies: Spec::is_for_kubernetes,
    of_spec: of_pins,
    questions,
    of_host,
}];

const NOT_TOGETHER: Rule = Rule {
    id: "H029",
    title: "the kubelet and the container runtime do not go together",
    severity: Severity::Error,
    page: include_str!("../../../docs/checks/H029.md"),
};

/// A runtime in a version.
#[derive(Debug, Clone, Copy)]
enum Release {
    Containerd(ContainerdVersion),
    Crio(CrioRelease),
    CriDockerd(Version),
}

/// What is wrong with a pair.
#[derive(Debug)]
struct Fault {
    severity: Severity,
    message: String,
    help: String,
}

impl Release {
    fn name(self) -> String {
        match self {
            Self::Containerd(version) => format!("containerd {version}"),
            Self::Crio(release) => format!("CRI-O {release}"),
            Self::CriDockerd(version) => format!("cri-dockerd {version}"),
        }
    }

    fn spoken(self) -> Spoken {
        match self {
            Self::Containerd(version) => version.spoken(),
            Self::Crio(release) => release.spoken(),
            Self::CriDockerd(version) => spoken(version),
        }
    }

    /// Returns what is wrong with it under a kubelet.
    fn fault(self, kubernetes: KubernetesVersion) -> Option<Fault> {
        if self.spoken().fits(kubernetes.spoken()) {
            return self.untested(kubernetes);
        }
        Some(Fault {
            severity: Severity::Error,
            message: format!(
                "{} speaks {}, and a kubelet {kubernetes} speaks {}: the node cannot join",
                self.name(),
                self.spoken().text(),
                kubernetes.spoken().text()
            ),
            help: self.help(kubernetes).to_owned(),
        })
    }

    fn help(self, kubernetes: KubernetesVersion) -> &'static str {
        match (self, kubernetes.spoken()) {
            (Self::Containerd(_), Spoken::V1Alpha2) => "install containerd 1.6 or 1.7",
            (Self::Containerd(_), Spoken::Both | Spoken::V1) => "install containerd 1.7 or newer",
            (Self::Crio(_), _) => "install the CRI-O of the same minor version as Kubernetes",
            (Self::CriDockerd(_), Spoken::V1Alpha2) => "install cri-dockerd 0.3.0 to 0.3.21",
            (Self::CriDockerd(_), Spoken::Both | Spoken::V1) => "install cri-dockerd 0.3 or newer",
        }
    }

    /// Returns what is said of a pair that can talk, and that nobody tested.
    fn untested(self, kubernetes: KubernetesVersion) -> Option<Fault> {
        let warning = |message, help: String| {
            Some(Fault {
                severity: Severity::Warning,
                message,
                help,
            })
        };
        match self {
            Self::Containerd(version) => match version.least_for(kubernetes) {
                Least::Release(least) if version < least => warning(
                    format!(
                        "containerd {version} is older than what containerd recommends for Kubernetes {kubernetes}: {least}"
                    ),
                    format!("install containerd {least} or newer"),
                ),
                Least::Branch(least) => warning(
                    format!(
                        "containerd recommends no release of this branch for Kubernetes {kubernetes}: {version}"
                    ),
                    format!("install containerd {least} or newer"),
                ),
                Least::Release(_) | Least::NotKnown => None,
            },
            Self::Crio(release) => release
                .skew(kubernetes)
                .and_then(|message| warning(message, self.help(kubernetes).to_owned())),
            Self::CriDockerd(_) => None,
        }
    }
}

/// Returns the release that the spec pins the runtime to, and its place.
fn pinned(spec: &Spec) -> Option<(Release, engine::source::Span)> {
    let runtime = spec.runtime?;
    let of = |known: &[&str], parse: fn(&str) -> Option<Release>| {
        let named = spec.of_runtime("package").and_then(|node| node.text());
        let names: Vec<&str> = named.into_iter().chain(known.iter().copied()).collect();
        let (text, node) = spec.pinned(&names)?;
        Some((parse(text)?, node.span))
    };
    match runtime {
        Runtime::Containerd => of(&containerd::PACKAGES, |text| {
            ContainerdVersion::parse(text).map(Release::Containerd)
        }),
        Runtime::Crio => of(&crio::PACKAGES, |text| {
            CrioRelease::parse(text).map(Release::Crio)
        }),
        Runtime::Docker | Runtime::Mirantis => {
            let (text, node) = spec.pinned(&cri_dockerd_packages(spec))?;
            let version = Version::parse(text)?;
            Some((Release::CriDockerd(version), node.span))
        }
    }
}

fn of_pins(spec: &Spec, complaints: &mut Complaints<'_>) {
    let (Some((release, span)), Some(kubernetes)) = (pinned(spec), spec.kubernetes) else {
        return;
    };
    if let Some(Fault {
        severity,
        message,
        help,
    }) = release.fault(kubernetes)
    {
        let diagnostic = Diagnostic::error(NOT_TOGETHER.id, span, message).help(help);
        complaints.push_as(severity, diagnostic);
    }
}

fn kubelet() -> PackageName {
    "kubelet".parse().expect("a package name")
}

fn questions(spec: &Spec) -> Vec<Question> {
    let mut questions = Vec::new();
    if spec.kubernetes.is_none() {
        questions.push(Question::Installed(kubelet()));
    }
    questions.extend(Containerd::of(spec).map_or_else(Vec::new, |it| it.questions()));
    questions.extend(Crio::of(spec).map_or_else(Vec::new, |it| it.questions()));
    if is_docker(spec) {
        let names = cri_dockerd_packages(spec);
        let packages = names.into_iter().filter_map(|name| name.parse().ok());
        questions.extend(packages.map(Question::Installed));
    }
    questions
}

fn of_host(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let kubernetes = match spec.kubernetes {
        Some(version) => version,
        None => {
            let installed = state.package(&kubelet())?.installed.as_deref();
            match installed.and_then(KubernetesVersion::of_package) {
                Some(version) => version,
                None => return Ok(Vec::new()),
            }
        }
    };
    // What the spec itself was told is not said again of each host.
    let told = pinned(spec)
        .filter(|_| spec.kubernetes.is_some())
        .and_then(|(release, _)| release.fault(kubernetes));
    if told.is_some() {
        return Ok(Vec::new());
    }
    let found = releases(spec, state)?.into_iter().filter_map(|release| {
        let Fault {
            severity,
            message,
            help,
        } = release.fault(kubernetes)?;
        let severity = match spec.runtime {
            Some(_) => severity,
            None => severity.max(Severity::Warning),
        };
        let found = NOT_TOGETHER.found(message).severity(severity).help(help);
        Some(found.at(spec.place(&["kubernetes", "version"])))
    });
    Ok(found.collect())
}

/// Returns the runtimes that are installed and that may be those of the kubelet.
fn releases(spec: &Spec, state: &State<'_>) -> Result<Vec<Release>, Unanswered> {
    let mut releases = Vec::new();
    if let Some(containerd) = Containerd::of(spec)
        && !containerd.gives_way(state)?
    {
        releases.extend(containerd.known_version(state)?.map(Release::Containerd));
    }
    if let Some(crio) = Crio::of(spec) {
        releases.extend(crio.release(state)?.map(Release::Crio));
    }
    if is_docker(spec) {
        let installed = installed(&cri_dockerd_packages(spec), state)?;
        releases.extend(installed.map(|(version, _)| Release::CriDockerd(version)));
    }
    Ok(releases)
}
