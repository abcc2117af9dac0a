//! Fields that an inventory must not have on principle, each with its reason.

use crate::diagnostic::{Diagnostic, Problems};
use crate::spec::{Entry, Node, Value};

/// Fields that would hand options to ssh as they are.
const RAW_OPTIONS: [&str; 8] = [
    "options",
    "args",
    "extraArgs",
    "commonArgs",
    "proxyCommand",
    "proxyJump",
    "config",
    "controlPath",
];
/// Fields that would hold a secret.
const SECRETS: [&str; 5] = [
    "password",
    "becomePassword",
    "sudoPassword",
    "passphrase",
    "privateKey",
];
/// Returns the document without the fields that are refused on principle, each with its reason.
pub(super) fn refuse_fields(body: &Node, problems: &mut Problems) -> Node {
    let mut body = body.clone();
    for entry in map_entries(&mut body) {
        match entry.key.as_str() {
            "defaults" => refuse_in_host(&mut entry.node, problems),
            "hosts" => map_entries(&mut entry.node)
                .iter_mut()
                .for_each(|host| refuse_in_host(&mut host.node, problems)),
            _ => {}
        }
    }
    body
}

fn refuse_in_host(host: &mut Node, problems: &mut Problems) {
    refuse_in(host, problems);
    for entry in map_entries(host) {
        if entry.key == "ssh" {
            refuse_in(&mut entry.node, problems);
        }
    }
}

fn refuse_in(node: &mut Node, problems: &mut Problems) {
    if let Value::Map(entries) = &mut node.value {
        entries.retain(|entry| match refusal(entry) {
            Some(problem) => {
                problems.push(problem);
                false
            }
            None => true,
        });
    }
}

fn refusal(entry: &Entry) -> Option<Diagnostic> {
    let key = entry.key.as_str();
    if RAW_OPTIONS.contains(&key) {
        let message = format!("`{key}`: an inventory holds no options of ssh");
        return Some(Diagnostic::error("E309", entry.key_span, message).help(
            "put them into the ssh configuration of whoever runs this; jump hosts go under `jump`",
        ));
    }
    SECRETS.contains(&key).then(|| {
        Diagnostic::error(
            "E310",
            entry.key_span,
            format!("`{key}`: an inventory holds no secrets"),
        )
        .help("log in with a key or an agent, and allow sudo without a password")
    })
}

fn map_entries(node: &mut Node) -> &mut [Entry] {
    match &mut node.value {
        Value::Map(entries) => entries,
        _ => &mut [],
    }
}
