//! The answer to `begin` and `status`: the journal of a transaction as it grows, and then the answers of a probe.
//!
//! A line of the journal is `SEQUENCE TIME EVENT ARGUMENT…`. An event that this version does not know is passed on as a
//! note, so that the journal of another version can be followed.

use std::collections::BTreeMap;

use crate::name::ResourceId;

use super::answers::AnswerError;
use super::field::{decode, excerpt};
use super::{Nonce, TransactionId};

/// The longest line that is taken.
const MAX_LINE: usize = 64 * 1024;

/// Something that a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalEvent {
    /// The bundle is on the host, whole.
    Staged,
    /// The host had the transaction already; its journal follows from its beginning.
    Attached,
    /// It runs.
    Began {
        /// Which.
        transaction: TransactionId,
        /// How many changes it has.
        n_changes: usize,
    },
    /// A change is about to be made.
    Intent(ResourceId),
    /// A change is made and proven.
    Done(ResourceId),
    /// A change failed.
    Failed {
        /// Which.
        resource: ResourceId,
        /// The step that failed, and why.
        reason: String,
    },
    /// A change was not tried.
    Skipped {
        /// Which.
        resource: ResourceId,
        /// The change it requires, which did not succeed.
        because: ResourceId,
    },
    /// A change was undone.
    Undone {
        /// Which.
        resource: ResourceId,
        /// Why.
        reason: String,
    },
    /// A guard of the plan that the host no longer answers.
    Expected(String),
    /// What the host answers now, and the plan did not see.
    Found(String),
    /// Something worth knowing.
    Note(String),
    /// It still runs.
    Heartbeat,
    /// The host did not begin it; nothing was changed.
    Refused {
        /// A word that stays the same: `root`, `systemd`, `tools`, `state`, `version`, `space`, `digest`, `bundle`,
        /// `again`, `busy`, `launch`, `unknown`, `staged`, `transaction`.
        code: String,
        /// Why, for people.
        reason: String,
    },
    /// It ended.
    Final(FinalStatus),
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinalStatus {
    /// All changes are made.
    Committed,
    /// Some change failed.
    Failed,
    /// Some change was undone, and its service runs as before.
    RolledBack,
    /// Something could not be undone; the text says what.
    Wedged(String),
    /// The host is not as it was planned; nothing was changed.
    Stale,
    /// It could not be done; nothing was changed. The text says why.
    Refused(String),
    /// It was killed, or the host went down. The last intent without an end is where. The text is systemd's word.
    Interrupted(String),
    /// It never ran; nothing was changed.
    NotRun,
}

/// Reads the answer to `begin` or `status` as it arrives.
#[derive(Debug)]
pub struct Reader {
    nonce: Nonce,
    phase: Phase,
    buffer: Vec<u8>,
    sequence: u64,
    resources: BTreeMap<usize, ResourceId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The first line is still to come.
    Marker,
    /// Lines of the journal.
    Journal,
    /// The transaction ended; the answer of a probe follows.
    Probe,
    /// It was refused; only the end marker follows.
    Refused,
}

impl Reader {
    /// Returns a reader of the answer to a request with this nonce.
    pub fn new(nonce: &Nonce) -> Self {
        Self {
            nonce: nonce.clone(),
            phase: Phase::Marker,
            buffer: Vec::new(),
            sequence: 0,
            resources: BTreeMap::new(),
        }
    }

    /// Takes more bytes of the answer and returns what they say.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<JournalEvent>, AnswerError> {
        self.buffer.extend_from_slice(bytes);
        let mut events = Vec::new();
        while matches!(self.phase, Phase::Marker | Phase::Journal) {
            let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') else {
                return match self.buffer.len() > MAX_LINE {
                    true => Err(AnswerError::Line(excerpt(&self.buffer))),
                    false => Ok(events),
                };
            };
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            events.extend(self.line(&line[..end])?);
        }
        match self.buffer.len() > super::MAX_ANSWER {
            true => Err(AnswerError::TooLarge),
            false => Ok(events),
        }
    }

    /// Returns the answer of the probe that followed; none if the transaction was refused. It is an error if the
    /// answer stopped before the transaction ended.
    pub fn finish(self) -> Result<Option<Vec<u8>>, AnswerError> {
        match self.phase {
            Phase::Marker if self.buffer.is_empty() => Err(AnswerError::Cut),
            Phase::Marker => Err(AnswerError::Noise(excerpt(&self.buffer))),
            Phase::Journal => Err(AnswerError::Cut),
            Phase::Probe => Ok(Some(self.buffer)),
            Phase::Refused => Ok(None),
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<JournalEvent>, AnswerError> {
        let bad = || AnswerError::Line(excerpt(line));
        let text = std::str::from_utf8(line).map_err(|_| bad())?;
        if self.phase == Phase::Marker {
            let rest = text.strip_prefix(&format!("HARDSTAND 1 {} ", self.nonce));
            if !matches!(rest, Some("begin" | "status")) {
                return Err(AnswerError::Noise(excerpt(line)));
            }
            self.phase = Phase::Journal;
            return Ok(None);
        }
        let words: Vec<&str> = text.split(' ').collect();
        let event = match words[..] {
            ["staged"] => JournalEvent::Staged,
            ["attached"] => JournalEvent::Attached,
            ["alive"] => JournalEvent::Heartbeat,
            ["refused", code, reason] => {
                self.phase = Phase::Refused;
                JournalEvent::Refused {
                    code: code.to_owned(),
                    reason: decode(reason).ok_or_else(bad)?,
                }
            }
            ["final", ref rest @ ..] => self.end(rest).ok_or_else(bad)?,
            [sequence, _time, ref rest @ ..] => {
                let sequence: u64 = sequence.parse().map_err(|_| bad())?;
                if sequence != self.sequence + 1 {
                    return Err(bad());
                }
                self.sequence = sequence;
                self.event(rest).ok_or_else(bad)?
            }
            _ => return Err(bad()),
        };
        Ok(Some(event))
    }

    fn event(&mut self, words: &[&str]) -> Option<JournalEvent> {
        let event = match *words {
            ["began", transaction, count] => JournalEvent::Began {
                transaction: transaction.parse().ok()?,
                n_changes: count.parse().ok()?,
            },
            ["intent", number, resource] => JournalEvent::Intent(self.name(number, resource)?),
            ["done", number] => JournalEvent::Done(self.resource(number)?),
            ["failed", number, reason] => JournalEvent::Failed {
                resource: self.resource(number)?,
                reason: decode(reason)?,
            },
            ["skipped", number, resource, because] => JournalEvent::Skipped {
                because: self.resource(because)?,
                resource: self.name(number, resource)?,
            },
            ["undone", number, reason] => JournalEvent::Undone {
                resource: self.resource(number)?,
                reason: decode(reason)?,
            },
            ["expected", line] => JournalEvent::Expected(decode(line)?),
            ["found", line] => JournalEvent::Found(decode(line)?),
            ["note", text] => JournalEvent::Note(decode(text)?),
            ["final", ref rest @ ..] => self.end(rest)?,
            _ => JournalEvent::Note(words.join(" ")),
        };
        Some(event)
    }

    fn end(&mut self, words: &[&str]) -> Option<JournalEvent> {
        let text = || decode(words.get(1).copied().unwrap_or("-"));
        let status = match *words.first()? {
            "committed" => FinalStatus::Committed,
            "failed" => FinalStatus::Failed,
            "rolled-back" => FinalStatus::RolledBack,
            "wedged" => FinalStatus::Wedged(text()?),
            "stale" => FinalStatus::Stale,
            "refused" => FinalStatus::Refused(text()?),
            "interrupted" => FinalStatus::Interrupted(text()?),
            "lost" => FinalStatus::NotRun,
            _ => return None,
        };
        self.phase = Phase::Probe;
        Some(JournalEvent::Final(status))
    }

    fn name(&mut self, number: &str, resource: &str) -> Option<ResourceId> {
        let resource: ResourceId = decode(resource)?.parse().ok()?;
        self.resources
            .insert(number.parse().ok()?, resource.clone());
        Some(resource)
    }

    fn resource(&self, number: &str) -> Option<ResourceId> {
        self.resources.get(&number.parse().ok()?).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn nonce() -> Nonce {
        Nonce::new([0xab; 16])
    }

    fn stream() -> String {
        format!(
            "HARDSTAND 1 {} begin\nstaged\n1 1700000000 began {ID} 3\n2 1700000000 intent 1 file//etc/a%25b\n\
             3 1700000000 done 1\nalive\n4 1700000001 intent 2 service/x.service\n\
             5 1700000002 undone 1 put%20back\n6 1700000002 failed 2 no%0aluck\n\
             7 1700000002 skipped 3 service/y.service 2\n8 1700000002 shiny 1\n\
             9 1700000003 final rolled-back -\nHARDSTAND 1 {} probe\nend\n",
            nonce(),
            nonce()
        )
    }

    #[test]
    fn a_stream_is_read_the_same_in_any_pieces() {
        let mut events = Vec::new();
        let mut reader = Reader::new(&nonce());
        for byte in stream().bytes() {
            events.extend(reader.push(&[byte]).unwrap());
        }
        let rest = reader.finish().unwrap().unwrap();
        assert_eq!(
            rest,
            format!("HARDSTAND 1 {} probe\nend\n", nonce()).into_bytes()
        );
        let mut whole = Reader::new(&nonce());
        assert_eq!(whole.push(stream().as_bytes()).unwrap(), events);
        let service: ResourceId = "service/x.service".parse().unwrap();
        assert_eq!(events.len(), 11);
        assert_eq!(
            events[7],
            JournalEvent::Failed {
                resource: service.clone(),
                reason: "no\nluck".into()
            }
        );
        assert_eq!(
            events[8],
            JournalEvent::Skipped {
                resource: "service/y.service".parse().unwrap(),
                because: service
            }
        );
        assert_eq!(events[9], JournalEvent::Note("shiny 1".into()));
        assert_eq!(events[10], JournalEvent::Final(FinalStatus::RolledBack));
    }

    #[test]
    fn a_stream_that_stops_has_no_end() {
        let text = stream();
        for length in 0..text.find("9 1700").unwrap() {
            let mut reader = Reader::new(&nonce());
            if reader.push(&text.as_bytes()[..length]).is_ok() {
                assert!(reader.finish().is_err(), "cut at {length}");
            }
        }
    }

    #[test]
    fn other_bytes_are_errors_and_never_a_panic() {
        let text = stream().into_bytes();
        for index in 0..text.len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut bytes = text.clone();
                bytes[index] ^= flip;
                let mut reader = Reader::new(&nonce());
                drop(reader.push(&bytes).map(|_| reader.finish()));
            }
        }
        let mut reader = Reader::new(&nonce());
        let error = reader.push(b"Welcome to Ubuntu\x1b[0m\n").unwrap_err();
        assert_eq!(
            error,
            AnswerError::Noise("Welcome to Ubuntu\\x1b[0m".into())
        );
    }

    #[test]
    fn a_refusal_says_why() {
        let mut reader = Reader::new(&nonce());
        let text = format!(
            "HARDSTAND 1 {} begin\nrefused busy another%20one\nend {}\n",
            nonce(),
            nonce()
        );
        let events = reader.push(text.as_bytes()).unwrap();
        assert_eq!(
            events,
            [JournalEvent::Refused {
                code: "busy".into(),
                reason: "another one".into()
            }]
        );
        assert_eq!(reader.finish(), Ok(None));
    }
}
