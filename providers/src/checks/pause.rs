//! The pause image: the runtime's and that of the Kubernetes version.

use engine::check::{Found, Rule};
use engine::diagnostic::{Diagnostic, Severity};
use engine::name::UnitName;
use engine::question::{Question, Unanswered};
use engine::reading::Outlook;
use engine::spec::Node;
use engine::state::State;

use super::containerd::Containerd;
use super::crio::Crio;
use super::docker::{cri_dockerd_packages, installed, is_docker};
use super::spec::Spec;
use super::{Complaints, Entry};
use crate::crio::Key;
use crate::docker::{CriDockerdSection, version};
use crate::unitfile;

pub(super) const CHECKS: &[Entry] = &[Entry {
    rule: PAUSE_IMAGE,
    applies: |spec| spec.kubernetes.is_some(),
    of_spec: pause_image_of_spec,
    questions: |spec| {
        let mut questions = Containerd::of(spec).map_or_else(Vec::new, |it| it.questions());
        questions.extend(Crio::of(spec).map_or_else(Vec::new, |it| it.questions()));
        if is_docker(spec) {
            questions.extend(unitfile::questions(&cri_dockerd(spec)));
            let names = cri_dockerd_packages(spec);
            let packages = names.into_iter().filter_map(|name| name.parse().ok());
            questions.extend(packages.map(Question::Installed));
        }
        questions
    },
    of_host: pause_image_of_host,
}];

const PAUSE_IMAGE: Rule = Rule {
    id: "H013",
    title: "the pause image is not the one of the Kubernetes version",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H013.md"),
};

/// Returns the pause image that the spec names.
fn written(spec: &Spec) -> Option<&Node> {
    let of_cri_dockerd = || spec.of_runtime("criDockerd")?.get("podInfraContainerImage");
    ["sandboxImage", "pauseImage"]
        .iter()
        .find_map(|field| spec.of_runtime(field))
        .or_else(of_cri_dockerd)
}

/// Whether two images have the same tag: a mirror is no fault.
fn same_tag(one: &str, other: &str) -> bool {
    let tag = |image: &str| image.rsplit_once(':').map(|(_, tag)| tag.to_owned());
    tag(one) == tag(other)
}

fn pause_image_of_spec(spec: &Spec, complaints: &mut Complaints<'_>) {
    let (Some(version), Some(node)) = (spec.kubernetes, written(spec)) else {
        return;
    };
    let (Some(expected), Some(image)) = (version.pause_image(), node.text()) else {
        return;
    };
    if same_tag(image, &expected) {
        return;
    }
    let message = format!("the pause image `{image}` is not the one of Kubernetes {version}");
    complaints.push(
        Diagnostic::warning(PAUSE_IMAGE.id, node.span, message).help(format!(
            "kubeadm of {version} pulls {expected}; a mirror of your own should serve that tag"
        )),
    );
}

/// The spec's own image was judged with the spec.
fn pause_image_of_host(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let expected = spec.kubernetes.and_then(|version| version.pause_image());
    let (Some(version), Some(expected), None) = (spec.kubernetes, expected, written(spec)) else {
        return Ok(Vec::new());
    };
    let used = [
        ("containerd", of_containerd(spec, state)?),
        ("CRI-O", of_crio(spec, state)?),
        ("cri-dockerd", of_cri_dockerd(spec, state)?),
    ];
    let found = used.into_iter().filter_map(|(runtime, image)| {
        let image = image.filter(|image| !same_tag(image, &expected))?;
        let message = format!(
            "{runtime} uses the pause image `{}`, and kubeadm of Kubernetes {version} pulls `{expected}`",
            image.escape_debug()
        );
        let help = "choose the `runtime` in the spec, and its pause image follows from `kubernetes.version`";
        let found = PAUSE_IMAGE.found(message).help(help);
        Some(found.at(spec.place(&["kubernetes", "version"])))
    });
    Ok(found.collect())
}

fn built_in(tag: Option<&str>, runtime: &str) -> Result<Option<String>, Unanswered> {
    match tag {
        Some(tag) => Ok(Some(format!("registry.k8s.io/pause:{tag}"))),
        None => Err(Unanswered(format!(
            "the pause image that {runtime} has built in is not known"
        ))),
    }
}

fn of_containerd(spec: &Spec, state: &State<'_>) -> Result<Option<String>, Unanswered> {
    let Some(containerd) = Containerd::of(spec) else {
        return Ok(None);
    };
    let Some(reading) = containerd.reading(state)? else {
        return Ok(None);
    };
    if let Some(image) = reading.pause_image()? {
        return Ok(Some(image));
    }
    let version = containerd.version(state)?;
    built_in(
        version.and_then(|version| version.pause_tag()),
        "containerd",
    )
}

fn of_crio(spec: &Spec, state: &State<'_>) -> Result<Option<String>, Unanswered> {
    let Some(crio) = Crio::of(spec) else {
        return Ok(None);
    };
    let release = crio.release(state)?;
    let effective = crio.effective(state)?;
    let image = effective.value(Key::PauseImage);
    match release {
        _ if !image.is_empty() => Ok(Some(image.to_owned())),
        Some(release) => built_in(release.pause_tag(), "CRI-O"),
        // There is no CRI-O.
        None => Ok(None),
    }
}

fn cri_dockerd(spec: &Spec) -> UnitName {
    let named = spec.of_runtime("criDockerd");
    let named = named.and_then(|node| node.get("service")?.text()?.parse().ok());
    named.unwrap_or_else(|| CriDockerdSection::default().service)
}

fn of_cri_dockerd(spec: &Spec, state: &State<'_>) -> Result<Option<String>, Unanswered> {
    const FLAG: &str = "--pod-infra-container-image";
    if !is_docker(spec) {
        return Ok(None);
    }
    let Some(text) = unitfile::read(&cri_dockerd(spec), &Outlook::now(state))? else {
        return Ok(None);
    };
    let command = text.exec_start();
    let words = command.map_or_else(Vec::new, |command| unitfile::words(&command.value));
    let mut given = None;
    for (index, word) in words.iter().enumerate() {
        given = match word.strip_prefix(FLAG) {
            Some("") => words.get(index + 1).cloned(),
            Some(value) => value.strip_prefix('=').map(str::to_owned),
            None => given,
        };
    }
    if given.is_some() {
        return Ok(given);
    }
    let installed = installed(&cri_dockerd_packages(spec), state)?;
    let tag = installed.map(|(version, _)| version::pause_tag(version));
    built_in(tag, "cri-dockerd")
}
