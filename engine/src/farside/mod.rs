//! The far side: the program that runs on a host, and the wire form between it and us.
//!
//! Start at [`PROGRAM`], whose header says what it keeps on a host; [`WINDOWS_PROGRAM`] is the same for Windows. A request is that program and one call,
//! with the data in quoted words and a quoted here-document, all in braces, so that a request that was cut off runs nothing
//! and no value is ever code.
//! Nothing here talks to a host: requests are bytes, and answers are parsed from bytes.

mod answers;
mod bundle;
mod cri;
mod field;
mod journal;
mod questions;
mod windows;

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::facts::Os;
use crate::name::{Digest, HostName, NameError};
use crate::plan::HostPlan;
use crate::question::Question;

pub use answers::{AnswerError, MAX_ANSWER, parse_finished, parse_probe};
pub use bundle::begin_request;
pub use journal::{FinalStatus, JournalEvent, Reader};
pub use questions::probe_request;
pub use windows::{WINDOWS_PROGRAM, windows_command};

/// The program, as a bundle carries it and as it is sent to `sh -s` for all but a probe.
pub const PROGRAM: &str = concat!(
    include_str!("hardstand.sh"),
    "\n",
    include_str!("hardstand/transaction.sh"),
    "\n",
    include_str!("hardstand/steps.sh"),
    "\n",
    include_str!("hardstand/units.sh"),
);

/// The part of the program that is all a probe needs.
const PROBE_PART: &str = include_str!("hardstand.sh");

/// The part of the program that answers a probe, without comments and indentation: it travels to every host each time,
/// and a shell reads it there, some of them byte by byte.
static PROBE_PROGRAM: LazyLock<String> = LazyLock::new(|| {
    let lines = PROBE_PART.lines().map(|line| line.trim_start_matches('\t'));
    let code = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    code.flat_map(|line| [line, "\n"]).collect()
});

/// 128 bits that an answer must repeat, so that nothing else can be taken for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// Returns a nonce of bytes that were not used before.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Returns the 32 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a transaction on a host: 32 hex digits. Beginning the same one twice does it once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(String);

impl TransactionId {
    /// Returns the id of the attempt to apply a plan to a host.
    pub fn new(plan: &Digest, host: &HostName, attempt: u32) -> Self {
        let digest = Digest::of(format!("{plan} {host} {attempt}").as_bytes());
        Self(digest.as_str()[..32].to_owned())
    }

    /// Returns the hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TransactionId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 32 && text.bytes().all(hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError {
                reason: "a transaction is 32 lower-case hex digits".to_owned(),
                help: None,
            })
        }
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for TransactionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TransactionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The far side of a host: what requests to it are made of. The answers are the same everywhere.
///
/// The functions beside it make those for `sh`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FarSide {
    /// [`PROGRAM`], run by `sh -s`.
    Shell,
    /// [`WINDOWS_PROGRAM`], run by [`windows_command`].
    PowerShell,
}

impl FarSide {
    /// Returns the far side of the hosts with an operating system.
    pub fn of(os: Os) -> Self {
        match os {
            Os::Linux => Self::Shell,
            Os::Windows => Self::PowerShell,
        }
    }

    /// As [`probe_request`].
    pub fn probe_request(self, questions: &[Question], keep: &[String], nonce: &Nonce) -> Vec<u8> {
        match self {
            Self::Shell => probe_request(questions, keep, nonce),
            Self::PowerShell => windows::probe(nonce, questions::lines(questions, keep).as_bytes()),
        }
    }

    /// As [`begin_request`].
    pub fn begin_request(
        self,
        plan: &HostPlan,
        transaction: &TransactionId,
        operator: &str,
        plan_digest: &Digest,
        nonce: &Nonce,
    ) -> Vec<u8> {
        if self == Self::Shell {
            return begin_request(plan, transaction, operator, plan_digest, nonce);
        }
        let bytes = bundle::bytes(plan, operator, plan_digest, windows::task_program());
        let digest = Digest::of(&bytes);
        let arguments = [transaction.as_str(), digest.as_str()];
        windows::request(nonce, "begin", &arguments, &bytes)
    }

    /// As [`status_request`].
    pub fn status_request(self, transaction: &TransactionId, nonce: &Nonce) -> Vec<u8> {
        match self {
            Self::Shell => status_request(transaction, nonce),
            Self::PowerShell => windows::request(nonce, "status", &[transaction.as_str()], &[]),
        }
    }

    /// As [`purge_request`].
    pub fn purge_request(self, nonce: &Nonce) -> Vec<u8> {
        match self {
            Self::Shell => purge_request(nonce),
            Self::PowerShell => windows::request(nonce, "purge", &[], &[]),
        }
    }
}

/// Returns the request to follow a transaction to its end; the answer is read by [`Reader`], as that of `begin` is.
pub fn status_request(transaction: &TransactionId, nonce: &Nonce) -> Vec<u8> {
    request(nonce, "status", &[transaction.as_str()], &[])
}

/// Returns the request to drop a transaction that never started, or to end a dead one; see [`parse_finished`].
pub fn abort_request(transaction: &TransactionId, nonce: &Nonce) -> Vec<u8> {
    request(nonce, "abort", &[transaction.as_str()], &[])
}

/// Returns the request to remove old transactions; see [`parse_finished`].
pub fn gc_request(nonce: &Nonce) -> Vec<u8> {
    request(nonce, "gc", &[], &[])
}

/// Returns the request to remove all that hardstand keeps on a host; see [`parse_finished`].
pub fn purge_request(nonce: &Nonce) -> Vec<u8> {
    request(nonce, "purge", &[], &[])
}

/// Returns the program and one call of it; see [`call`].
fn request(nonce: &Nonce, verb: &str, arguments: &[&str], data: &[u8]) -> Vec<u8> {
    call(PROGRAM, nonce, verb, arguments, data)
}

/// Returns a program and one call of it, with the data in a here-document. The data ends with a newline or is empty.
fn call(program: &str, nonce: &Nonce, verb: &str, arguments: &[&str], data: &[u8]) -> Vec<u8> {
    let arguments: String = arguments.iter().map(|word| format!(" {word}")).collect();
    let mut request =
        format!("{{\n{program}\nhardstand_main {verb} {nonce}{arguments} <<'HARDSTAND-{nonce}'\n")
            .into_bytes();
    request.extend_from_slice(data);
    request.extend_from_slice(format!("HARDSTAND-{nonce}\nexit\n}}\n").as_bytes());
    request
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The functions that a program defines.
    fn functions(program: &str) -> BTreeSet<&str> {
        let lines = program.lines();
        lines.filter_map(|line| line.strip_suffix("() {")).collect()
    }

    #[test]
    fn a_probe_carries_every_function_that_it_calls() {
        let all = functions(PROGRAM);
        let sent = functions(&PROBE_PROGRAM);
        assert!(sent.contains("h_send_contents") && all.len() > sent.len());
        // Which other verbs there are, only the first function says.
        let (_, main) = PROBE_PROGRAM.split_once("hardstand_main() {").unwrap();
        let (main, rest) = main.split_once("\n}\n").unwrap();
        assert!(main.contains("h_begin"));
        // A variable may have the name of a function; it stands behind `$` or `{` or before `=`.
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_called = |name: &str| {
            rest.match_indices(name).any(|(place, _)| {
                let (before, after) = (&rest[..place], &rest[place + name.len()..]);
                !before.ends_with(|c| is_name(c) || "${".contains(c))
                    && !after.starts_with(|c| is_name(c) || c == '=')
            })
        };
        let missing: Vec<_> = all
            .difference(&sent)
            .filter(|name| is_called(name))
            .collect();
        assert_eq!(missing, [&""; 0]);
    }

    #[test]
    fn nothing_that_means_something_is_left_out_of_a_probe() {
        // Quotes are closed on the line they were opened on, but for the newline itself; so no line that looks like a
        // comment is a part of a text, and no text loses its indentation.
        let (head, tail) = PROBE_PART.split_once("h_nl='\n'\n").expect("the newline");
        for line in head.lines().chain(tail.lines()) {
            let line = line.trim_start_matches('\t');
            if !line.starts_with('#') {
                let escaped = line.replace("\\\"", "").replace("\\'", "");
                assert!(escaped.matches('"').count() % 2 == 0, "{line}");
                assert!(!line.contains("<<"), "{line}");
            }
        }
    }

    #[test]
    fn transactions_differ_by_plan_host_and_attempt() {
        let plan = Digest::of(b"plan");
        let host = |name: &str| name.parse().unwrap();
        let first = TransactionId::new(&plan, &host("a"), 1);
        assert_eq!(first, TransactionId::new(&plan, &host("a"), 1));
        assert_ne!(first, TransactionId::new(&plan, &host("a"), 2));
        assert_ne!(first, TransactionId::new(&plan, &host("b"), 1));
        assert_eq!(first.as_str().parse(), Ok(first));
        assert!("../../etc".parse::<TransactionId>().is_err());
    }
}
