//! CNI plugins: where the runtime looks for them, and where they are put.

use engine::check::{Found, Rule};
use engine::diagnostic::Severity;
use engine::question::Unanswered;
use engine::spec::Node;
use engine::state::State;

use super::containerd::Containerd;
use super::spec::Spec;
use super::{Entry, nothing_of_spec};

pub(super) const CHECKS: &[Entry] = &[Entry {
    rule: NOT_IN_OPT,
    applies: |spec| Containerd::of(spec).is_some(),
    of_spec: nothing_of_spec,
    questions: |spec| Containerd::of(spec).map_or_else(Vec::new, |it| it.questions()),
    of_host: not_in_opt,
}];

const NOT_IN_OPT: Rule = Rule {
    id: "H027",
    title: "containerd does not look for CNI plugins in /opt/cni/bin",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H027.md"),
};

/// Where the package kubernetes-cni and the DaemonSets of networks put their plugins.
const USUAL: &str = "/opt/cni/bin";

fn not_in_opt(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    if means_others(spec) {
        return Ok(Vec::new());
    }
    let Some(containerd) = Containerd::of(spec) else {
        return Ok(Vec::new());
    };
    let Some(reading) = containerd.reading(state)? else {
        return Ok(Vec::new());
    };
    let mut directories = reading.cni_bin_dirs()?;
    if directories.is_empty() {
        directories = built_in(&containerd, state)?;
    }
    if directories.iter().any(|path| is_usual(path)) {
        return Ok(Vec::new());
    }
    let shown: Vec<_> = directories
        .iter()
        .map(|path| path.escape_debug().to_string())
        .collect();
    let message = format!(
        "containerd looks for CNI plugins in {}, and networks put theirs into {USUAL}: pods fail with \"failed to find plugin\"",
        shown.join(", ")
    );
    let help = "set `runtime.containerd.cni.binDirs: [/opt/cni/bin]`; containerd 2.1 and newer take several directories";
    let place = spec.place(&["runtime", "containerd", "cni"]);
    Ok(vec![NOT_IN_OPT.found(message).help(help).at(place)])
}

fn is_usual(path: &str) -> bool {
    path.trim_end_matches('/') == USUAL
}

/// Whether the spec names directories, and not the usual one: who writes that knows why.
fn means_others(spec: &Spec) -> bool {
    let written = spec.of_runtime("cni").and_then(|cni| cni.get("binDirs"));
    let mut directories = written.map_or(&[][..], Node::items).iter();
    written.is_some() && !directories.any(|path| path.text().is_some_and(is_usual))
}

/// Returns the directories that a containerd looks in if nothing names any. One that is there tells itself.
fn built_in(containerd: &Containerd, state: &State<'_>) -> Result<Vec<String>, Unanswered> {
    if containerd.is_asked(state) {
        return Err(Unanswered(
            "what containerd makes of its configuration is not known".to_owned(),
        ));
    }
    let usual = || vec![USUAL.to_owned()];
    let package = containerd.package(state);
    match package.as_ref().map(|(name, _)| name.as_str()) {
        // Docker's packages, and upstream's archive.
        Some("containerd.io") => Ok(usual()),
        None if state.facts().commands.contains("dpkg") => Ok(usual()),
        None => Err(Unanswered(
            "where this containerd looks for CNI plugins is not known".to_owned(),
        )),
        Some("containerd") if state.facts().os_id == "debian" => {
            let version = containerd.version(state)?;
            Ok(
                match version.is_some_and(|version| version.takes_cni_bin_dirs()) {
                    true => vec!["/usr/lib/cni".to_owned(), USUAL.to_owned()],
                    false => vec!["/usr/lib/cni".to_owned()],
                },
            )
        }
        Some(name) => Err(Unanswered(format!(
            "where the containerd of the package {name} looks for CNI plugins is not known"
        ))),
    }
}
