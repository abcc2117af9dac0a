//! The pause image: the runtime's and that of the Kubernetes version.

use engine::check::Rule;
use engine::diagnostic::{Diagnostic, Severity};

use super::spec::Spec;
use super::{Complaints, Entry, no_questions, nothing_of_host};

pub(super) const CHECKS: &[Entry] = &[Entry {
    rule: PAUSE_IMAGE,
    applies: |spec| spec.kubernetes.is_some() && spec.runtime.is_some(),
    of_spec: pause_image_of_spec,
    questions: no_questions,
    of_host: nothing_of_host,
}];

const PAUSE_IMAGE: Rule = Rule {
    id: "H013",
    title: "the pause image is not the one of the Kubernetes version",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H013.md"),
};

fn pause_image_of_spec(spec: &Spec, complaints: &mut Complaints<'_>) {
    let Some(version) = spec.kubernetes else {
        return;
    };
    let written = ["sandboxImage", "pauseImage"]
        .iter()
        .find_map(|field| spec.of_runtime(field));
    let (Some(expected), Some(node)) = (version.pause_image(), written) else {
        return;
    };
    let Some(image) = node.text() else {
        return;
    };
    let tag = |image: &str| image.rsplit_once(':').map(|(_, tag)| tag.to_owned());
    if tag(image) == tag(&expected) {
        return;
    }
    let message = format!("the pause image `{image}` is not the one of Kubernetes {version}");
    complaints.push(
        Diagnostic::warning(PAUSE_IMAGE.id, node.span, message).help(format!(
            "kubeadm of {version} pulls {expected}; a mirror of your own should serve that tag"
        )),
    );
}
