//! The sockets of runtimes that a node has.

use engine::check::{Found, Rule};
use engine::diagnostic::Severity;
use engine::question::{FileState, Question, Unanswered};
use engine::state::State;

use super::spec::Spec;
use super::{Entry, nothing_of_spec};
use crate::section::constant_path;

pub(super) const CHECKS: &[Entry] = &[Entry {
    rule: SEVERAL_SOCKETS,
    applies: Spec::is_for_kubernetes,
    of_spec: nothing_of_spec,
    questions: |_| {
        SOCKETS
            .into_iter()
            .map(|socket| Question::File(constant_path(socket)))
            .collect()
    },
    of_host: several_sockets,
}];

const SEVERAL_SOCKETS: Rule = Rule {
    id: "H012",
    title: "the node has the sockets of several container runtimes",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H012.md"),
};

/// The sockets that kubeadm looks for (cmd/kubeadm/app/constants).
const SOCKETS: [&str; 3] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
];

fn several_sockets(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let mut there = Vec::new();
    for socket in SOCKETS {
        if *state.file(&constant_path(socket))? == FileState::Other("socket".to_owned()) {
            there.push(socket);
        }
    }
    if there.len() < 2 {
        return Ok(Vec::new());
    }
    let message = format!("there are several CRI sockets: {}", there.join(", "));
    let help = "kubeadm asks which one is meant: give `--cri-socket` or `nodeRegistration.criSocket`, or remove the \
                runtime that is not used";
    let place = spec.place(&["runtime"]);
    // A runtime that is enabled beside the chosen one brings its socket.
    let found = SEVERAL_SOCKETS.found(message).help(help).at(place);
    Ok(vec![found.follows(&["H031"])])
}
