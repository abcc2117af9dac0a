//! The bundle of a transaction: all that a host needs to apply its part of a plan without us.
//!
//! First lines that the program reads one by one, then bodies, which those lines name by their place in the bundle.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::name::{Digest, ResourceId, UnitName};
use crate::plan::{Change, HostPlan};
use crate::receipt::Receipt;
use crate::step::{FileCheck, Gate, Replaces, Step};

use super::field::encode;
use super::questions::line as question_line;
use super::{Nonce, PROGRAM, TransactionId, request};

/// Characters of base64 in a line.
const BODY_LINE: usize = 76;

/// Returns the request to begin a transaction: stage it, run it in a unit of its own, follow it, and probe again.
/// If the host has the transaction already, it is only followed. The answer is read by [`super::Reader`].
pub fn begin_request(
    plan: &HostPlan,
    transaction: &TransactionId,
    operator: &str,
    plan_digest: &Digest,
    nonce: &Nonce,
) -> Vec<u8> {
    let program = format!("{PROGRAM}\nhardstand_main \"$@\"\n");
    let bytes = bytes(plan, operator, plan_digest, program);
    let digest = Digest::of(&bytes);
    request(
        nonce,
        "begin",
        &[transaction.as_str(), digest.as_str()],
        &bytes,
    )
}

/// Returns a bundle that carries a program.
pub(super) fn bytes(
    plan: &HostPlan,
    operator: &str,
    plan_digest: &Digest,
    program: String,
) -> Vec<u8> {
    let mut bundle = Bundle::default();
    bundle.line(format!("plan {plan_digest}"));
    bundle.line(format!("operator {}", encode(operator)));
    bundle.line(format!("generation {}", plan.facts.generation));
    bundle.line(format!("deadline {}", deadline(plan)));
    bundle.line(format!("count {}", plan.changes.len()));
    for question in plan.questions.iter() {
        bundle.line(format!("question {}", question_line(question)));
    }
    for guard in &plan.guards {
        // A guard that the program could never print cannot match, and must not end its line.
        bundle.line(format!("guard {}", guard.replace(['\n', '\r', '\0'], "%")));
    }
    let numbers = numbers(&plan.changes);
    for change in &plan.changes {
        bundle.change(change, &numbers);
    }
    for resource in &plan.forgotten {
        bundle.line(format!("forget {}", resource.record_name()));
    }
    bundle.into_bytes(program)
}

/// The number of each change, from 1, in the order they are applied.
fn numbers(changes: &[Arc<Change>]) -> BTreeMap<&ResourceId, usize> {
    let ids = changes.iter().map(|change| &change.resource);
    ids.zip(1..).collect()
}

/// How long the transaction may take in all, in seconds. It is a bound for what hangs, not an estimate.
fn deadline(plan: &HostPlan) -> u64 {
    let steps = plan.changes.iter().flat_map(|change| &change.steps);
    600 + steps.map(seconds).sum::<u64>()
}

fn seconds(step: &Step) -> u64 {
    match step {
        Step::InstallPackage { .. } | Step::RemovePackage { .. } => 1200,
        Step::RefreshPackages { .. } => 900,
        Step::StopSwap => 300,
        Step::PauseUnit { .. } | Step::StopUnit { .. } => 180,
        // Twice: once more if it is undone. The CRI has 15 seconds and its calls.
        Step::StartUnit { gate, .. }
        | Step::RestartUnit { gate, .. }
        | Step::ReloadUnit { gate, .. } => {
            2 * (u64::from(gate.start_seconds) + u64::from(gate.steady_seconds) + 180)
        }
        Step::ReloadUnitFiles
        | Step::EnableUnit { .. }
        | Step::DisableUnit { .. }
        | Step::MaskUnit { .. }
        | Step::UnmaskUnit { .. } => 90,
        Step::WriteFile { .. }
        | Step::RemoveFile { .. }
        | Step::CreateDirectory { .. }
        | Step::RemoveDirectory { .. }
        | Step::SetAttributes { .. }
        | Step::SetSysctl { .. }
        | Step::LoadModule { .. }
        | Step::HoldPackage { .. }
        | Step::UnholdPackage { .. }
        | Step::OweRestart { .. } => 60,
    }
}

/// A bundle that grows.
#[derive(Debug, Default)]
struct Bundle {
    lines: Vec<String>,
    contents: BTreeMap<String, Vec<u8>>,
}

impl Bundle {
    fn line(&mut self, line: String) {
        self.lines.push(line);
    }

    /// Keeps some bytes and returns the name the program knows them by.
    fn content(&mut self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.contents
            .entry(digest.as_str().to_owned())
            .or_insert_with(|| bytes.to_vec());
        digest
    }

    fn change(&mut self, change: &Change, numbers: &BTreeMap<&ResourceId, usize>) {
        let number = numbers[&change.resource];
        let requires = change
            .requires
            .iter()
            .filter_map(|resource| numbers.get(resource))
            .map(usize::to_string);
        let requires = list(requires);
        let id = change.resource.to_string();
        let id = encode(&id);
        self.line(format!("change {number} {id} {requires}"));
        for step in &change.steps {
            let step = self.step(step);
            self.line(format!("step {step}"));
        }
        let record = change.resource.record_name();
        match &change.receipt {
            Some(receipt) => {
                let digest = self.content(&receipt_file(receipt));
                self.line(format!("record {number} {record} {digest}"));
            }
            None => self.line(format!("unrecord {number} {record}")),
        }
        self.line(format!("done {number}"));
    }

    fn step(&mut self, step: &Step) -> String {
        match step {
            Step::WriteFile {
                path,
                content,
                mode,
                owner,
                group,
                replaces,
                check,
                owes,
            } => {
                let digest = self.content(content.bytes());
                let (path, replaces) = (encode(path.as_str()), replaced(replaces));
                let (check, owes) = (checked(*check), units(owes));
                format!("write {path} {mode} {owner} {group} {replaces} {check} {digest} {owes}")
            }
            Step::RemoveFile {
                path,
                replaces,
                owes,
            } => {
                let (path, replaces) = (encode(path.as_str()), replaced(replaces));
                format!("remove {path} {replaces} {}", units(owes))
            }
            Step::CreateDirectory {
                path,
                mode,
                owner,
                group,
            } => format!("mkdir {} {mode} {owner} {group}", encode(path.as_str())),
            Step::RemoveDirectory { path } => format!("rmdir {}", encode(path.as_str())),
            Step::SetAttributes {
                path,
                mode,
                owner,
                group,
            } => format!(
                "attributes {} {mode} {owner} {group}",
                encode(path.as_str())
            ),
            Step::SetSysctl { key, value } => {
                format!("sysctl {} ={}", encode(&key.proc_path()), encode(value))
            }
            Step::LoadModule { name } => format!("module {name}"),
            Step::StopSwap => "swapoff".to_owned(),
            Step::RefreshPackages { repository } => format!("refresh {repository}"),
            Step::InstallPackage { name, version } => {
                let version = version.as_ref().map_or("-", |version| version.as_str());
                format!("install {name} {version}")
            }
            Step::RemovePackage { name } => format!("uninstall {name}"),
            Step::HoldPackage { name } => format!("hold {name}"),
            Step::UnholdPackage { name } => format!("unhold {name}"),
            Step::ReloadUnitFiles => "daemon-reload".to_owned(),
            Step::EnableUnit { name } => format!("enable {name}"),
            Step::DisableUnit { name } => format!("disable {name}"),
            Step::MaskUnit { name } => format!("mask {name}"),
            Step::UnmaskUnit { name } => format!("unmask {name}"),
            Step::OweRestart { names } => format!("owe {}", units(names)),
            Step::StartUnit { name, gate } => gated("start", name, gate),
            Step::PauseUnit { name } => format!("pause {name}"),
            Step::StopUnit { name } => format!("stop {name}"),
            Step::RestartUnit { name, gate } => gated("restart", name, gate),
            Step::ReloadUnit { name, gate } => gated("reload", name, gate),
        }
    }

    /// Returns the lines, with the place of every body, and then the bodies.
    fn into_bytes(self, program: String) -> Vec<u8> {
        let need: usize = self.contents.values().map(Vec::len).sum();
        // The first line, `need`, `program`, one line for each content, and `bodies`.
        let n_lines = self.lines.len() + self.contents.len() + 4;
        let mut head = vec!["hardstand-bundle 1".to_owned(), format!("need {need}")];
        head.extend(self.lines);
        let mut first = n_lines + 1;
        let mut place = |body: &str| {
            let count = body.matches('\n').count();
            first += count;
            format!("{} {count}", first - count)
        };
        let digest = Digest::of(program.as_bytes());
        head.push(format!("program {} {digest}", place(&program)));
        let mut bodies = vec![program];
        for (digest, bytes) in &self.contents {
            let body = body(bytes);
            head.push(format!("content {} {digest}", place(&body)));
            bodies.push(body);
        }
        head.push("bodies\n".to_owned());
        debug_assert_eq!(head.len(), n_lines, "bodies stand where the lines say");
        (head.join("\n") + &bodies.concat()).into_bytes()
    }
}

/// Bytes as lines of base64.
fn body(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let mut body = String::with_capacity(text.len() + text.len() / BODY_LINE + 1);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(BODY_LINE));
        body.push_str(line);
        body.push('\n');
        rest = tail;
    }
    body
}

/// A receipt as it is kept on the host: JSON for us in the first line, then the questions for the program.
fn receipt_file(receipt: &Receipt) -> Vec<u8> {
    let mut file = serde_json::to_string(receipt).expect("a receipt is plain data");
    file.push('\n');
    for question in &*receipt.questions {
        file.push_str(&question_line(question));
        file.push('\n');
    }
    file.into_bytes()
}

fn gated(verb: &str, name: &UnitName, gate: &Gate) -> String {
    let Gate {
        start_seconds,
        steady_seconds,
        cri_socket,
    } = gate;
    let socket = cri_socket
        .as_ref()
        .map_or(Cow::Borrowed("-"), |path| encode(path.as_str()));
    format!("{verb} {name} {start_seconds} {steady_seconds} {socket}")
}

fn replaced(replaces: &Replaces) -> String {
    match replaces {
        Replaces::Nothing => "nothing".to_owned(),
        Replaces::File(digest) => digest.to_string(),
        Replaces::NothingOrPackaged => "any".to_owned(),
    }
}

fn checked(check: Option<FileCheck>) -> &'static str {
    match check {
        None => "-",
        Some(FileCheck::Containerd) => "containerd",
        Some(FileCheck::Docker) => "docker",
    }
}

fn units(units: &[UnitName]) -> String {
    list(units.iter().map(UnitName::to_string))
}

fn list(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    match words.is_empty() {
        true => "-".to_owned(),
        false => words.join(","),
    }
}
