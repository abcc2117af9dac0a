//! The far side of a Windows host: how PowerShell is started, and how a request carries program, call and data.
//!
//! OpenSSH on Windows hands a command to the login's default shell, cmd.exe unless an administrator chose PowerShell. The
//! command is plain words and base64, so both read it alike. `-Command -` would run standard input statement by statement,
//! as if it was typed, and would mix program and data; so a constant loader is the command, and reads its input as
//! `$input`, which PowerShell fills with the lines of its standard input. It runs nothing before it has seen the last line.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Nonce;

/// The program, as a bundle carries it and as it is sent for all but a probe.
pub const WINDOWS_PROGRAM: &str = include_str!("hardstand.ps1");

/// The line of the program below which nothing is needed to answer a probe.
const CUT: &str =
    "\n# ================================== a probe is sent with what stands above this line";

/// Makes a script block of the lines between the first marker and the second, and hands it those up to the third. An input
/// that was cut off, or that is none of ours, runs nothing.
const LOADER: &str = r"$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
if ($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage') {
    [Console]::Error.WriteLine('hardstand needs PowerShell in full language mode')
    exit 3
}
$l = @(foreach ($line in $input) { [string]$line })
$end = $l.Count - 1
if ($end -ge 0) { $l[0] = $l[0] -replace '^[^H]+', '' }
if ($end -lt 3 -or $l[0] -cnotmatch '^HARDSTAND-[0-9a-f]{32}\z' -or $l[$end] -cne $l[0]) {
    [Console]::Error.WriteLine('the request was cut off')
    exit 3
}
$cut = [Array]::IndexOf($l, $l[0], 1)
if ($cut -lt 2 -or $cut -ge $end - 1) {
    [Console]::Error.WriteLine('the request was cut off')
    exit 3
}
$program = [ScriptBlock]::Create($l[1..($cut - 1)] -join [char]10)
& $program @($l[($cut + 1)..($end - 1)])
exit 0
";

/// The part of the program that answers a probe, without comments and indentation. No text of it spans lines.
static PROBE_PROGRAM: LazyLock<String> = LazyLock::new(|| {
    let part = WINDOWS_PROGRAM.split_once(CUT);
    let part = part.map_or(WINDOWS_PROGRAM, |(part, _)| part);
    let lines = part.lines().map(str::trim_start);
    let code = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    code.flat_map(|line| [line, "\n"]).collect()
});

/// What the login shell of a Windows host is asked to run.
static COMMAND: LazyLock<String> = LazyLock::new(|| {
    let wide: Vec<u8> = LOADER.encode_utf16().flat_map(u16::to_le_bytes).collect();
    format!(
        "powershell.exe -NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass -OutputFormat Text -EncodedCommand {}",
        STANDARD.encode(wide)
    )
});

/// Returns what the login shell of a Windows host is asked to run; it reads a request from its standard input.
pub fn windows_command() -> &'static str {
    &COMMAND
}

/// Returns the program that a bundle carries, and that the scheduled task runs with `run` and the transaction.
pub(super) fn task_program() -> String {
    format!("{WINDOWS_PROGRAM}\nHsRunTransaction $args[1]\n")
}

/// Returns the request to answer a probe.
pub(super) fn probe(nonce: &Nonce, data: &[u8]) -> Vec<u8> {
    call(&PROBE_PROGRAM, nonce, "probe", &[], data)
}

/// Returns the request to do anything else.
pub(super) fn request(nonce: &Nonce, verb: &str, arguments: &[&str], data: &[u8]) -> Vec<u8> {
    call(WINDOWS_PROGRAM, nonce, verb, arguments, data)
}

/// Returns a program and one call of it, between three markers. The data ends with a newline or is empty.
fn call(program: &str, nonce: &Nonce, verb: &str, arguments: &[&str], data: &[u8]) -> Vec<u8> {
    let arguments: String = arguments.iter().map(|word| format!(" {word}")).collect();
    let marker = format!("HARDSTAND-{nonce}\n");
    let mut request =
        format!("{marker}{program}\nHsServe $args[0]\n{marker}{verb} {nonce}{arguments}\n")
            .into_bytes();
    request.extend_from_slice(data);
    request.extend_from_slice(marker.as_bytes());
    request
}

#[cfg(test)]
mod tests;
