//! Bytes that nobody can foresee, for nonces and attempts. Nothing that is planned may use them.

use std::fs::File;
use std::io::{self, Read as _};

/// Returns bytes of the kernel's random source.
pub(crate) fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
