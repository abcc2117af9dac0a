//! What the texts of ssh, sudo and shells mean. Pure; the table in the tests was captured from the real programs.
//!
//! The host has a say in some of these texts, so a hostile one can choose among the errors about itself. It cannot do
//! more: what is decided here is which words a person reads, and whether a connection is tried again a few times.

use super::error::{TransportError, TransportErrorKind as Kind};
use super::target::{Endpoint, Privilege, Target};
use crate::facts::Os;
use crate::shell;
use crate::untrusted::escape_up_to;

/// The exit status by which ssh says that it failed itself.
pub(super) const SSH_FAILED: i32 = 255;

/// What the machines on the way left in their logs, the nearest first, the host last.
pub(super) struct Logs {
    /// The logs of the jump hosts.
    pub(super) jumps: Vec<Vec<u8>>,
    /// The log of the connection to the host.
    pub(super) host: Vec<u8>,
}

/// Says why a connection could not be opened: the machine nearest to us that complained is the one to blame.
pub(super) fn connect_error(target: &Target, logs: Logs) -> TransportError {
    for (position, log) in logs.jumps.iter().enumerate() {
        let Some(jump) = target.jumps.get(position) else {
            break;
        };
        let next = target.jumps.get(position + 1).unwrap_or(&target.endpoint);
        if let Some(kind) =
            forward_failure(log, next).or_else(|| login_failure(log, target, position))
        {
            return TransportError {
                at: Some(jump.name.clone()),
                ..TransportError::new(kind, log.clone())
            };
        }
    }
    let kind = login_failure(&logs.host, target, target.jumps.len()).unwrap_or(
        match text(&logs.host).trim() {
            "" => Kind::ClosedInHandshake,
            _ => Kind::Other,
        },
    );
    TransportError::new(kind, logs.host)
}

/// Whether the same connection may well be accepted a moment later.
pub(super) fn is_worth_another_try(kind: &Kind) -> bool {
    matches!(kind, Kind::ClosedBeforeBanner)
}

/// Reads the kind and fingerprint of the key that the host showed from a log with debug messages.
pub(super) fn shown_host_key(log: &[u8]) -> Option<String> {
    let log = text(log);
    let shown = after(&log, "debug1: Server host key: ")?;
    Some(excerpt(shown.trim()))
}

/// Says why the far-side program did not run, if it is this that the texts tell.
///
/// `head` is the beginning of standard output. A program that ran says something there, so only `nologin` counts.
pub(super) fn start_failure(
    target: &Target,
    exit: Option<i32>,
    head: &[u8],
    stderr: &[u8],
) -> Option<Kind> {
    if exit == Some(0) || exit.is_none() {
        return None;
    }
    if head.starts_with(b"This account is ") {
        return Some(Kind::NoShell);
    }
    if !head.is_empty() {
        return None;
    }
    let stderr = text(stderr);
    if let Some(kind) = wrong_os(target.os, &stderr) {
        return Some(kind);
    }
    match target.privilege {
        Privilege::Sudo => {
            sudo_failure(target, exit, &stderr).or_else(|| shell_failure(exit, &stderr))
        }
        Privilege::Login => shell_failure(exit, &stderr),
    }
}

/// Says whether the login shell shows that the host runs another operating system than the inventory says. The words of
/// Windows are known in English only.
fn wrong_os(os: Os, stderr: &str) -> Option<Kind> {
    let says = |program: &str, complaint: &str| {
        let is_it = |line: &str| line.contains(program) && line.contains(complaint);
        stderr.lines().any(is_it)
    };
    match os {
        Os::Linux => says("env", " is not recognized as ").then_some(Kind::NotLinux),
        Os::Windows => says("powershell.exe", "not found").then_some(Kind::NoPowerShell),
    }
}

/// Says why sudo did not do it. With `-n` most versions of sudo say that they want a password even to someone who is
/// not in sudoers at all.
fn sudo_failure(target: &Target, exit: Option<i32>, stderr: &str) -> Option<Kind> {
    let user = || target.endpoint.user.clone();
    let says = |words: &str| stderr.lines().any(|line| line.contains(words));
    if says("you must have a tty to run sudo") {
        return Some(Kind::SudoWantsTerminal);
    }
    if says("is not in the sudoers file") || says("is not allowed to ") || says("I'm sorry ") {
        return Some(Kind::SudoNotAllowed { user: user() });
    }
    if says("sudo: a password is required")
        || says("sudo: a terminal is required")
        || says("sudo: interactive authentication is required")
    {
        return Some(Kind::SudoWantsPassword { user: user() });
    }
    let is_missing = |line: &str| line.starts_with("env: ") && line.contains("sudo");
    (exit == Some(127) && stderr.lines().any(is_missing)).then_some(Kind::SudoMissing)
}

/// Says whether `env` and `/bin/sh` could not be run. sh itself exits with 127 too, so its own complaints do not count.
fn shell_failure(exit: Option<i32>, stderr: &str) -> Option<Kind> {
    let by_env = |line: &str| line.starts_with("env: ") && line.contains("/bin/sh");
    let by_login_shell = |line: &str| line.contains("env: ") && line.contains("not found");
    let is_missing = |line: &str| by_env(line) || by_login_shell(line);
    (matches!(exit, Some(126 | 127)) && stderr.lines().any(is_missing)).then_some(Kind::NoShell)
}

/// Says why a jump host that was logged into could not reach the next machine.
fn forward_failure(log: &[u8], next: &Endpoint) -> Option<Kind> {
    let log = text(log);
    let reason = after(&log, "open failed: ")?;
    let to = next.listens_at().to_owned();
    Some(match reason.trim_start_matches("connect failed: ").trim() {
        "Connection refused" => Kind::Refused { to },
        "No route to host" | "Network is unreachable" => Kind::NoRoute { to },
        "Connection timed out" | "Operation timed out" => Kind::ConnectTimedOut { to },
        reason if reason.starts_with("administratively prohibited") => Kind::ForwardingRefused,
        reason if is_resolver_text(reason) => Kind::NameNotResolved { name: to },
        _ => Kind::Other,
    })
}

/// Says why a machine could not be logged into. The order is that of the handshake, the last step first, since an
/// earlier line may be a mere warning.
fn login_failure(log: &[u8], target: &Target, position: usize) -> Option<Kind> {
    let log = text(log);
    let has = |words: &str| log.contains(words);
    if has("Too many authentication failures") {
        return Some(Kind::TooManyKeys);
    }
    if has(": Permission denied (") {
        return Some(bad_identity(&log).unwrap_or_else(|| authentication_failed(&log)));
    }
    if has("Host key verification failed") || has("you have requested strict checking") {
        return Some(host_key_failure(&log, target, position));
    }
    if has("Unable to negotiate with ") {
        return Some(Kind::NoCommonAlgorithm);
    }
    if has("Bad configuration option")
        || has("bad configuration options")
        || has("Bad owner or permissions on")
    {
        return Some(Kind::Configuration);
    }
    banner_failure(&log).or_else(|| network_failure(&log, target, position))
}

fn host_key_failure(log: &str, target: &Target, position: usize) -> Kind {
    if log.contains("IDENTIFICATION HAS CHANGED") {
        return Kind::ChangedHostKey {
            shown: changed_key(log),
            place: offending_line(log),
        };
    }
    if log.contains(" host key is known for ") {
        let kind = log
            .lines()
            .find_map(|line| line.strip_prefix("No "))
            .and_then(first_word);
        return Kind::UnknownHostKey {
            shown: kind,
            add: add_command(target, position),
        };
    }
    Kind::HostKeyRefused
}

/// Reads `The fingerprint for the ED25519 key sent by the remote host is`, and the line below.
fn changed_key(log: &str) -> Option<String> {
    let kind = after(log, "The fingerprint for the ").and_then(first_word)?;
    let fingerprint = log.lines().find(|line| line.starts_with("SHA256:"))?;
    Some(format!(
        "{kind} {}",
        excerpt(fingerprint.trim().trim_end_matches('.'))
    ))
}

/// Reads `Offending ED25519 key in /home/ops/.ssh/known_hosts:7`.
fn offending_line(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.starts_with("Offending "))?;
    after(line, " key in ").map(|place| excerpt(place.trim()))
}

/// Returns the command that shows the key to a person, asks, and files it where the strict connection will look.
fn add_command(target: &Target, position: usize) -> String {
    let machines: Vec<_> = target.path().collect();
    let endpoint = machines[position];
    let mut words = vec!["ssh -o StrictHostKeyChecking=ask".to_owned()];
    if let Some(file) = &endpoint.known_hosts {
        words.push(format!(
            "-o UserKnownHostsFile={}",
            shell::word(file.as_str())
        ));
    }
    if let Some(alias) = &endpoint.host_key_alias {
        words.push(format!("-o HostKeyAlias={alias}"));
    }
    if position > 0 {
        let jumps: Vec<_> = machines[..position]
            .iter()
            .map(|jump| jump_word(jump))
            .collect();
        words.push(format!("-J {}", jumps.join(",")));
    }
    if let Some(port) = endpoint.port {
        words.push(format!("-p {port}"));
    }
    words.push(login_word(endpoint, endpoint.listens_at()));
    words.push("true".to_owned());
    words.join(" ")
}

fn jump_word(jump: &Endpoint) -> String {
    let address = jump.listens_at();
    let host = match (address.contains(':'), jump.port) {
        (_, None) => address.to_owned(),
        (true, Some(port)) => format!("[{address}]:{port}"),
        (false, Some(port)) => format!("{address}:{port}"),
    };
    login_word(jump, &host)
}

fn login_word(endpoint: &Endpoint, host: &str) -> String {
    endpoint
        .user
        .as_ref()
        .map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"))
}

fn bad_identity(log: &str) -> Option<Kind> {
    let line = log.lines().find(|line| line.starts_with("Load key \""))?;
    Some(Kind::BadIdentity {
        reason: excerpt(line.trim()),
    })
}

fn authentication_failed(log: &str) -> Kind {
    let line = log
        .lines()
        .find(|line| line.contains(": Permission denied ("));
    let user = line
        .and_then(|line| line.split_once('@'))
        .map(|(user, _)| excerpt(user));
    Kind::AuthenticationFailed { user }
}

fn banner_failure(log: &str) -> Option<Kind> {
    if log.contains("Connection timed out during banner exchange") {
        return Some(Kind::ConnectTimedOut {
            to: "the ssh server".to_owned(),
        });
    }
    if log.contains("No SSH version received")
        || log.contains("client sent invalid protocol identifier")
    {
        return Some(Kind::NotSsh);
    }
    let closed = [
        "kex_exchange_identification: ",
        "ssh_exchange_identification: ",
        "banner exchange: ",
    ];
    if closed.iter().any(|words| log.contains(words)) {
        return Some(Kind::ClosedBeforeBanner);
    }
    let ended = [
        "Connection closed by ",
        "Connection reset by ",
        "Broken pipe",
        "Timeout before authentication",
    ];
    ended
        .iter()
        .any(|words| log.contains(words))
        .then_some(Kind::ClosedInHandshake)
}

fn network_failure(log: &str, target: &Target, position: usize) -> Option<Kind> {
    if let Some(name) = after(log, "Could not resolve hostname ") {
        let name = name.split(':').next().unwrap_or_default();
        return Some(Kind::NameNotResolved {
            name: excerpt(name),
        });
    }
    let (to, reason) = after(log, "connect to host ")?.rsplit_once(": ")?;
    let to = match to.is_empty() {
        true => target.path().nth(position)?.listens_at().to_owned(),
        false => excerpt(to),
    };
    Some(match reason.trim() {
        "Connection refused" => Kind::Refused { to },
        "Connection timed out" | "Operation timed out" => Kind::ConnectTimedOut { to },
        "No route to host" | "Network is unreachable" | "Host is down" | "Permission denied" => {
            Kind::NoRoute { to }
        }
        "Connection reset by peer" => Kind::ClosedBeforeBanner,
        _ => Kind::Other,
    })
}

fn is_resolver_text(reason: &str) -> bool {
    let texts = [
        "Name or service not known",
        "nodename nor servname",
        "failure in name resolution",
        "No address assoc",
    ];
    texts.iter().any(|words| reason.contains(words))
}

/// Returns the rest of the line after the first place where the words stand.
fn after<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(words)?;
    rest.lines().next()
}

fn first_word(text: &str) -> Option<String> {
    text.split_whitespace().next().map(excerpt)
}

fn excerpt(text: &str) -> String {
    escape_up_to(text.as_bytes(), 256)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
