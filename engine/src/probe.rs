//! Asks one host everything that planning it needs, in one execution, and reads the answer.

use std::io;
use std::time::Duration;

use crate::farside::{self, AnswerError, FarSide, MAX_ANSWER, Nonce};
use crate::graph::Graph;
use crate::question::Observed;
use crate::random;
use crate::transport::{Connector, Ended, Request, Target, Transport, TransportError};
use crate::untrusted::escape_up_to;

/// How much of what a host said on stderr is worth showing.
const SHOWN_STDERR: usize = 300;

/// How long conversations with a host may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the first byte to the last.
    pub total: Duration,
    /// Without any byte.
    pub silence: Duration,
}

/// Why a host could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It could not be reached, or the connection broke.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// What it answered is not an answer.
    #[error("{error}{}", said(.stderr))]
    Answer {
        /// What is wrong with it.
        error: AnswerError,
        /// What the host said on stderr.
        stderr: Vec<u8>,
    },
    /// This machine's random source cannot be read.
    #[error("cannot read /dev/urandom")]
    Random(#[source] io::Error),
}

impl ProbeError {
    /// Returns how to mend it, if that is known.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Transport(error) => error.help(),
            Self::Answer { error: AnswerError::Noise(_), .. } => Some(
                "the login shell must print nothing when it is not interactive: look at its rc files".to_owned(),
            ),
            Self::Answer { .. } | Self::Random(_) => None,
        }
    }

    /// Returns message and help as one text for people.
    pub fn explain(&self) -> String {
        match self.help() {
            Some(help) => format!("{self}; {help}"),
            None => self.to_string(),
        }
    }
}

/// Why the records of a host were not removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotPurged {
    /// It could not be reached.
    Unreachable(String),
    /// It was not done, for another reason.
    Refused(String),
}

impl From<ProbeError> for NotPurged {
    fn from(error: ProbeError) -> Self {
        let reason = error.explain();
        match error {
            ProbeError::Transport(_)
            | ProbeError::Answer {
                error: AnswerError::Noise(_),
                ..
            } => Self::Unreachable(reason),
            ProbeError::Answer { .. } | ProbeError::Random(_) => Self::Refused(reason),
        }
    }
}

/// Connects to a host and observes it.
pub fn probe_host(
    connector: &dyn Connector,
    target: &Target,
    graph: &Graph,
    limits: Limits,
) -> Result<Observed, ProbeError> {
    let mut transport = connector.connect(target)?;
    let questions = graph.questions();
    let nonce = nonce()?;
    let request = FarSide::of(target.os).probe_request(questions, graph.records(), &nonce);
    let (output, ended) = converse(&mut *transport, &request, limits)?;
    farside::parse_probe(&output, questions, &nonce).map_err(|error| ProbeError::Answer {
        error,
        stderr: ended.stderr,
    })
}

/// Removes all that hardstand keeps on a host; what it manages stays.
pub fn purge_host(
    connector: &dyn Connector,
    target: &Target,
    limits: Limits,
) -> Result<(), NotPurged> {
    let mut transport = connector.connect(target).map_err(ProbeError::from)?;
    let nonce = nonce()?;
    let request = FarSide::of(target.os).purge_request(&nonce);
    let (output, ended) = converse(&mut *transport, &request, limits).map_err(ProbeError::from)?;
    let finished = farside::parse_finished(&output, "purge", &nonce);
    finished.map_err(|error| {
        let stderr = ended.stderr;
        ProbeError::Answer { error, stderr }.into()
    })
}

/// Returns a nonce that was not used before.
pub(crate) fn nonce() -> Result<Nonce, ProbeError> {
    random::bytes().map(Nonce::new).map_err(ProbeError::Random)
}

fn converse(
    transport: &mut dyn Transport,
    stdin: &[u8],
    limits: Limits,
) -> Result<(Vec<u8>, Ended), TransportError> {
    let mut output = Vec::new();
    let request = Request {
        stdin,
        time_limit: limits.total,
        silence_limit: limits.silence,
        output_limit: MAX_ANSWER,
    };
    let ended = transport.run(&request, &mut |chunk| output.extend_from_slice(chunk))?;
    Ok((output, ended))
}

fn said(stderr: &[u8]) -> String {
    match stderr.trim_ascii() {
        [] => String::new(),
        stderr => format!("; it said: {}", escape_up_to(stderr, SHOWN_STDERR)),
    }
}
