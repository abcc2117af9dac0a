//! One run of the far-side program: input goes in while output comes out, inside limits of time and size.
//!
//! Input and output flow at the same time, so neither side can block the other however much there is. Every wait is
//! inside the limits. What was heard before something broke was already handed over.
//!
//! How the program ended is asked last, when its outputs are closed: the openssh crate drops what an ssh master still
//! holds back of the output as soon as it has the exit status. So a program that leaves something running must not let
//! it keep the outputs, or the run ends as silent.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, sleep_until};

use super::error::TransportErrorKind as Kind;
use super::{Ended, Request};

/// The remote program, however it was started.
pub(super) struct Program<I, O, E, X> {
    /// Its standard input.
    pub(super) stdin: I,
    /// Its standard output.
    pub(super) stdout: O,
    /// Its standard error.
    pub(super) stderr: E,
    /// How it ends.
    pub(super) exit: X,
}

/// What is left of a conversation.
pub(super) struct Heard {
    /// How the program ended.
    pub(super) ended: Ended,
    /// The first bytes of standard output.
    pub(super) head: Vec<u8>,
}

/// What broke a conversation off, and what standard error had said.
pub(super) struct Broken {
    /// What broke it off.
    pub(super) kind: Kind,
    /// Standard error so far.
    pub(super) stderr: Vec<u8>,
}

/// How much of standard error is kept.
const STDERR_KEPT: usize = 64 * 1024;

/// How much of the beginning of standard output is kept to recognise a login that refuses.
const HEAD_KEPT: usize = 256;

const CHUNK: usize = 32 * 1024;

/// What all parts of one conversation look at.
struct Shared {
    last_byte: Cell<Instant>,
    n_bytes: Cell<usize>,
    output_limit: usize,
}

/// Feeds the program, hands on what it says, and waits for its end.
pub(super) async fn converse<I, O, E, X>(
    program: Program<I, O, E, X>,
    request: &Request<'_>,
    on_output: &mut dyn FnMut(&[u8]),
) -> Result<Heard, Broken>
where
    I: AsyncWrite + Unpin,
    O: AsyncRead + Unpin,
    E: AsyncRead + Unpin,
    X: Future<Output = Result<Option<i32>, Kind>>,
{
    let shared = Shared::new(request.output_limit);
    let (mut head, mut stderr) = (Vec::new(), Vec::new());
    let ended = tokio::select! {
        ended = talk(program, request.stdin, &shared, on_output, &mut head, &mut stderr) => ended,
        () = shared.silence_of(request.silence_limit) => Err(Kind::Silent { after: request.silence_limit }),
        () = sleep(request.time_limit) => Err(Kind::TimedOut { after: request.time_limit }),
    };
    match ended {
        Ok(exit) => Ok(Heard {
            ended: Ended { exit, stderr },
            head,
        }),
        Err(kind) => Err(Broken { kind, stderr }),
    }
}

async fn talk<I, O, E, X>(
    program: Program<I, O, E, X>,
    input: &[u8],
    shared: &Shared,
    on_output: &mut dyn FnMut(&[u8]),
    head: &mut Vec<u8>,
    stderr: &mut Vec<u8>,
) -> Result<Option<i32>, Kind>
where
    I: AsyncWrite + Unpin,
    O: AsyncRead + Unpin,
    E: AsyncRead + Unpin,
    X: Future<Output = Result<Option<i32>, Kind>>,
{
    let hear = |chunk: &[u8]| {
        keep(head, chunk, HEAD_KEPT);
        on_output(chunk);
    };
    tokio::try_join!(
        feed(program.stdin, input, shared),
        drain(program.stdout, shared, hear),
        drain(program.stderr, shared, |chunk: &[u8]| keep(
            stderr,
            chunk,
            STDERR_KEPT
        )),
    )?;
    program.exit.await
}

/// Writes all input. That the other side stops reading is no error: how it ended says more.
async fn feed<I: AsyncWrite + Unpin>(
    mut stdin: I,
    input: &[u8],
    shared: &Shared,
) -> Result<(), Kind> {
    for chunk in input.chunks(CHUNK) {
        if stdin.write_all(chunk).await.is_err() {
            return Ok(());
        }
        shared.touch();
    }
    // Dropping it is what closes it, so a failure here changes nothing.
    stdin.shutdown().await.ok();
    drop(stdin);
    Ok(())
}

/// Reads until the end and hands each chunk on. A stream that breaks has ended: how the program ended says more.
async fn drain<O: AsyncRead + Unpin>(
    mut output: O,
    shared: &Shared,
    mut on_chunk: impl FnMut(&[u8]),
) -> Result<(), Kind> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let n_read = output.read(&mut chunk).await.unwrap_or(0);
        if n_read == 0 {
            return Ok(());
        }
        let n_allowed = shared.allow(n_read);
        on_chunk(&chunk[..n_allowed]);
        if n_allowed < n_read {
            return Err(Kind::TooMuchOutput {
                limit: shared.output_limit,
            });
        }
    }
}

fn keep(kept: &mut Vec<u8>, chunk: &[u8], limit: usize) {
    let room = limit.saturating_sub(kept.len());
    kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
}

impl Shared {
    fn new(output_limit: usize) -> Self {
        Self {
            last_byte: Cell::new(Instant::now()),
            n_bytes: Cell::new(0),
            output_limit,
        }
    }

    fn touch(&self) {
        self.last_byte.set(Instant::now());
    }

    /// Counts bytes that came in and returns how many of them are within the limit.
    fn allow(&self, n_read: usize) -> usize {
        self.touch();
        let before = self.n_bytes.get();
        self.n_bytes.set(before.saturating_add(n_read));
        n_read.min(self.output_limit.saturating_sub(before))
    }

    /// Ends when no byte has moved for so long.
    async fn silence_of(&self, limit: Duration) {
        loop {
            let until = self.last_byte.get() + limit;
            if Instant::now() >= until {
                return;
            }
            sleep_until(until).await;
        }
    }
}
