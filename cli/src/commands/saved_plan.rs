//! A saved plan, read with the care that a file from elsewhere needs.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use engine::name::Digest;
use engine::plan::{PLAN_FORMAT, Plan};
use serde::Deserialize;

use crate::error::{CommandError, ErrorKind};

/// A larger file is not read into memory; a fleet whose plan is larger is cut with `--limit`.
const LARGEST: u64 = 64 * 1024 * 1024;

/// A plan and the digest of the file it came from.
#[derive(Debug)]
pub(crate) struct SavedPlan {
    pub(crate) plan: Plan,
    pub(crate) digest: Digest,
}

/// Reads a saved plan from a file, or from stdin for `-`.
pub(crate) fn read(path: &Path) -> Result<SavedPlan, CommandError> {
    let bytes = bytes(path)?;
    let plan = parse(&bytes).map_err(|refusal| {
        let attempt = format!("{} is not a plan that this version applies", path.display());
        CommandError::caused(ErrorKind::Refused, attempt, refusal)
            .hint("plan again with `hardstand plan --out FILE`")
    })?;
    Ok(SavedPlan {
        plan,
        digest: Digest::of(&bytes),
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>, CommandError> {
    let read = if path == Path::new("-") {
        limited(io::stdin().lock())
    } else {
        File::open(path).and_then(limited)
    };
    let bytes = read.map_err(|error| {
        CommandError::caused(
            ErrorKind::Failed,
            format!("cannot read the plan {}", path.display()),
            error,
        )
    })?;
    if bytes.len() as u64 > LARGEST {
        let message = format!("{} is larger than 64 MiB", path.display());
        return Err(CommandError::new(ErrorKind::Refused, message));
    }
    Ok(bytes)
}

/// Reads at most one byte more than is allowed.
fn limited(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Why a text is not a plan.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("it is the output of --json, which wraps a plan; a plan to apply is saved with --out")]
    Wrapped,
    #[error("its format is `{0}`, and this version reads `{PLAN_FORMAT}`")]
    Format(String),
    #[error("it is not JSON, and a saved plan is; specs and inventories are given with -f and -i")]
    NoJson,
    #[error("it is damaged or was edited")]
    Damaged(#[source] serde_json::Error),
}

/// Only what tells the formats apart.
#[derive(Debug, Deserialize)]
struct Envelope {
    format: Option<String>,
    plan: Option<serde::de::IgnoredAny>,
}

fn parse(bytes: &[u8]) -> Result<Plan, Refusal> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|first| *first != b'{') {
        return Err(Refusal::NoJson);
    }
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(Refusal::Damaged)?;
    match envelope {
        Envelope {
            format: Some(format),
            ..
        } if format != PLAN_FORMAT => Err(Refusal::Format(format)),
        Envelope {
            format: None,
            plan: Some(_),
        } => Err(Refusal::Wrapped),
        Envelope { .. } => Plan::from_bytes(bytes).map_err(Refusal::Damaged),
    }
}
