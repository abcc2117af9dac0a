//! Fields that an inventory does not have, each with its reason or with what is written instead.

use crate::diagnostic::{Diagnostic, Problems};
use crate::spec::schema::unknown_field;
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
const SECRETS: [&str; 9] = [
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_become_pass",
    "ansible_become_password",
    "password",
    "becomePassword",
    "sudoPassword",
    "passphrase",
    "privateKey",
];
/// Fields of other inventories and of other places, and what is written instead.
const WRITTEN_OTHERWISE: [(&str, &str); 14] = [
    ("ansible_become", "become: sudo"),
    ("ansible_host", "address: …"),
    ("ansible_port", "ssh: { port: … }"),
    ("ansible_ssh_private_key_file", "ssh: { identityFile: … }"),
    ("ansible_user", "ssh: { user: … }"),
    ("connectTimeout", "ssh: { connectTimeout: … }"),
    ("host", "address: …"),
    ("hostname", "address: …"),
    ("identityFile", "ssh: { identityFile: … }"),
    ("ip", "address: …"),
    ("jump", "ssh: { jump: … }"),
    ("knownHosts", "ssh: { knownHosts: … }"),
    ("port", "ssh: { port: … }"),
    ("user", "ssh: { user: … }"),
];

/// Returns the document without the fields that are refused on principle, each with its reason.
pub(super) fn refuse_fields(body: &Node, problems: &mut Problems) -> Node {
    let mut body = body.clone();
    for entry in map_entries(&mut body) {
        match entry.key.as_str() {
            "defaults" => refuse_in_host(&mut entry.node, problems),
            "hosts" => refuse_in_hosts(&mut entry.node, problems),
            _ => {}
        }
    }
    body
}

fn refuse_in_hosts(hosts: &mut Node, problems: &mut Problems) {
    for host in map_entries(hosts) {
        if let Some(problem) = lone_address(host) {
            problems.push(problem);
            host.node.value = Value::Null;
        }
        refuse_in_host(&mut host.node, problems);
    }
}

/// Complains about a host that is nothing but an address.
fn lone_address(host: &Entry) -> Option<Diagnostic> {
    let address = host.node.text()?;
    let message = format!("`{}`: expected a map, found a text", host.key);
    Some(
        Diagnostic::error("E120", host.node.span, message)
            .help(format!("write `{}: {{ address: {address} }}`", host.key)),
    )
}

fn refuse_in_host(host: &mut Node, problems: &mut Problems) {
    refuse_otherwise_written(host, problems);
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

fn refuse_otherwise_written(host: &mut Node, problems: &mut Problems) {
    if let Value::Map(entries) = &mut host.value {
        entries.retain(|entry| {
            let found = WRITTEN_OTHERWISE
                .iter()
                .find(|(field, _)| *field == entry.key);
            if let Some((field, instead)) = found {
                problems.push(
                    unknown_field(field, entry.key_span, &[]).help(format!("write `{instead}`")),
                );
            }
            found.is_none()
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
