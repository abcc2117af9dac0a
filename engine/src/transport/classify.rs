//! What the texts of ssh, sudo and shells mean. Pure; the table in the tests was captured from the real programs.
//!
//! The host has a say in some of these texts, so a hostile one can choose among the errors about itself. It cannot do
//! more: what is decided here is which words a person reads, and whether a connection is tried again a few times.

use super::error::{TransportError, TransportErrorKind as Kind};
use super::target::{Endpoint, Privilege, Target};
use crate::facts::Os;
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
            shell_word(file.as_str())
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

fn shell_word(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@,=".contains(c);
    match path.chars().all(is_plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
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
mod tests {
    use super::*;

    fn target() -> Target {
        let mut target = Target::new("worker01".parse().expect("a host name"));
        target.endpoint.user = Some("ops".parse().expect("a user name"));
        target.privilege = Privilege::Sudo;
        target
    }

    fn through_bastion() -> Target {
        let mut target = target();
        target
            .jumps
            .push(Endpoint::new("bastion".parse().expect("a host name")));
        target
    }

    fn message(host: &str) -> String {
        let logs = Logs {
            jumps: Vec::new(),
            host: host.as_bytes().to_vec(),
        };
        connect_error(&target(), logs).to_string()
    }

    /// ssh 9.2p1 wrote these, but for those marked otherwise.
    #[test]
    fn what_ssh_says_about_a_connection() {
        for (log, expected) in [
            (
                "ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n",
                "connection to 127.0.0.1 port 1 refused",
            ),
            (
                "ssh: connect to host 10.9.9.9 port 22: Connection timed out\r\n",
                "no answer from 10.9.9.9 port 22 in time",
            ),
            // macOS
            (
                "ssh: connect to host 10.9.9.9 port 22: Operation timed out\r\n",
                "no answer from 10.9.9.9 port 22 in time",
            ),
            (
                "ssh: connect to host fe80::1 port 22: No route to host\r\n",
                "no route to fe80::1 port 22",
            ),
            (
                "ssh: connect to host 1.1.1.1 port 22: Network is unreachable\r\n",
                "no route to 1.1.1.1 port 22",
            ),
            (
                "ssh: Could not resolve hostname nx.invalid: Name or service not known\r\n",
                "the name nx.invalid could not be resolved",
            ),
            (
                "Connection timed out during banner exchange\r\n",
                "no answer from the ssh server in time",
            ),
            (
                "kex_exchange_identification: read: Connection reset by peer\r\n",
                "the connection was closed before the ssh server said anything",
            ),
            (
                "kex_exchange_identification: Connection closed by remote host\r\n",
                "the connection was closed before the ssh server said anything",
            ),
            // OpenSSH 7
            (
                "ssh_exchange_identification: Connection closed by remote host\r\n",
                "the connection was closed before the ssh server said anything",
            ),
            ("", "the connection was closed during the handshake"),
            // LogLevel INFO
            (
                "Connection closed by 10.0.0.1 port 22\r\n",
                "the connection was closed during the handshake",
            ),
            (
                "kex_exchange_identification: No SSH version received in first 1024 lines from server\r\n",
                "what answers there is no ssh server",
            ),
            (
                "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-dss\r\n",
                "no algorithm in common with the ssh server",
            ),
            (
                "root@127.0.0.1: Permission denied (publickey,password,keyboard-interactive).\r\n",
                "authentication failed for user root",
            ),
            (
                "Received disconnect from 127.0.0.1 port 22:2: Too many authentication failures\r\nDisconnected from \
                 127.0.0.1 port 22\r\n",
                "authentication failed: too many keys were offered",
            ),
            (
                "@@@@@@\r\n@  WARNING: UNPROTECTED PRIVATE KEY FILE!  @\r\n@@@@@@\r\nPermissions 0644 for 'ido' are \
                 too open.\r\nThis private key will be ignored.\r\nLoad key \"ido\": bad permissions\r\n\
                 root@127.0.0.1: Permission denied (publickey).\r\n",
                "ssh does not use the identity file: Load key \"ido\": bad permissions",
            ),
            (
                "No ED25519 host key is known for [127.0.0.1]:24711 and you have requested strict checking.\r\nHost \
                 key verification failed.\r\n",
                "the host key is not known: it shows ED25519",
            ),
            (
                "/x/config: line 3: Bad configuration option: usekeychain\r\n/x/config: terminating, 1 bad \
                 configuration options\r\n",
                "ssh refused its configuration",
            ),
            ("something new\r\n", "ssh could not connect"),
        ] {
            assert_eq!(message(log), expected, "{log}");
        }
    }

    const CHANGED: &str = "\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r
Someone could be eavesdropping on you right now (man-in-the-middle attack)!\r
It is also possible that a host key has just been changed.\r
The fingerprint for the ED25519 key sent by the remote host is
SHA256:m4lPD2Ho0lioUcccaMbuUA0o/tKH7Qp9vwqk3cgWVlw.\r
Please contact your system administrator.\r
Add correct host key in /tmp/ts/kh to get rid of this message.\r
Offending ED25519 key in /tmp/ts/kh:1\r
  remove with:\r
  ssh-keygen -f \"/tmp/ts/kh\" -R \"h1\"\r
Host key for h1 has changed and you have requested strict checking.\r
Host key verification failed.\r
";

    #[test]
    fn a_changed_key_names_the_new_key_and_the_old_line() {
        assert_eq!(
            message(CHANGED),
            "the host key has changed: it shows ED25519 SHA256:m4lPD2Ho0lioUcccaMbuUA0o/tKH7Qp9vwqk3cgWVlw, and \
             /tmp/ts/kh:1 has another"
        );
    }

    #[test]
    fn the_fingerprint_is_read_from_a_debug_log() {
        let log = b"debug1: kex: algorithm: x\r\ndebug1: Server host key: ssh-ed25519 SHA256:m4lPD2\r\ndebug1: y";
        assert_eq!(
            shown_host_key(log),
            Some("ssh-ed25519 SHA256:m4lPD2".to_owned())
        );
        assert_eq!(shown_host_key(b"nothing"), None);
    }

    #[test]
    fn what_a_jump_host_says() {
        let logged_in = "debug1: x\r\n";
        for (jump, host, expected) in [
            (
                "channel 0: open failed: connect failed: Connection refused\r\nstdio forwarding failed\r\n",
                "kex_exchange_identification: Connection closed by remote host\r\n",
                "jump host bastion: connection to worker01 refused",
            ),
            (
                "channel 0: open failed: connect failed: Name or service not known\r\nstdio forwarding failed\r\n",
                "kex_exchange_identification: Connection closed by remote host\r\n",
                "jump host bastion: the name worker01 could not be resolved",
            ),
            (
                "channel 0: open failed: administratively prohibited: open failed\r\nstdio forwarding failed\r\n",
                "kex_exchange_identification: Connection closed by remote host\r\n",
                "jump host bastion: it refuses to forward connections",
            ),
            (
                "root@127.0.0.1: Permission denied (publickey).\r\n",
                "kex_exchange_identification: Connection closed by remote host\r\n",
                "jump host bastion: authentication failed for user root",
            ),
            (
                logged_in,
                "ops@10.0.0.7: Permission denied (publickey).\r\n",
                "authentication failed for user ops",
            ),
        ] {
            let logs = Logs {
                jumps: vec![jump.as_bytes().to_vec()],
                host: host.as_bytes().to_vec(),
            };
            assert_eq!(
                connect_error(&through_bastion(), logs).to_string(),
                expected,
                "{jump}"
            );
        }
    }

    #[test]
    fn the_command_to_add_a_key_files_it_where_we_look() {
        let mut target = through_bastion();
        assert_eq!(
            add_command(&target, 0),
            "ssh -o StrictHostKeyChecking=ask bastion true"
        );
        target.jumps[0].port = Some(2222);
        target.jumps[0].address = Some("2001:db8::1".parse().expect("an address"));
        target.endpoint.port = Some(2200);
        target.endpoint.address = Some("10.0.0.7".parse().expect("an address"));
        target.endpoint.host_key_alias = Some("worker01".parse().expect("a host name"));
        target.endpoint.known_hosts = Some("/srv/the fleet/known_hosts".parse().expect("a path"));
        assert_eq!(
            add_command(&target, 1),
            "ssh -o StrictHostKeyChecking=ask -o UserKnownHostsFile='/srv/the fleet/known_hosts' -o \
             HostKeyAlias=worker01 -J [2001:db8::1]:2222 -p 2200 ops@10.0.0.7 true"
        );
    }

    fn start(exit: i32, head: &str, stderr: &str) -> Option<String> {
        start_failure(&target(), Some(exit), head.as_bytes(), stderr.as_bytes())
            .map(|kind| kind.to_string())
    }

    /// dash, bash and busybox wrote those of Linux; those of cmd.exe and PowerShell are written by hand after their manuals.
    #[test]
    fn a_host_of_another_system_is_told_by_its_shell() {
        let told = |os, stderr: &str| {
            let target = Target { os, ..target() };
            let kind = start_failure(&target, Some(1), b"", stderr.as_bytes());
            kind.map(|kind| kind.to_string())
        };
        for stderr in [
            "'env' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n",
            "env : The term 'env' is not recognized as the name of a cmdlet, function, script file, or operable\r\n",
        ] {
            let expected = Some("the login shell of the host is not one of Linux".to_owned());
            assert_eq!(told(Os::Linux, stderr), expected);
            assert_eq!(told(Os::Windows, stderr), None);
        }
        for stderr in [
            "sh: 1: powershell.exe: not found\n",
            "bash: line 1: powershell.exe: command not found\n",
            "sh: powershell.exe: not found\n",
        ] {
            let expected = Some("there is no PowerShell on the host".to_owned());
            assert_eq!(told(Os::Windows, stderr), expected);
        }
    }

    /// sudo 1.9.13p3 wrote these, but for those marked otherwise.
    #[test]
    fn what_sudo_and_shells_say() {
        for (exit, head, stderr, expected) in [
            (
                1,
                "",
                "sudo: a password is required\n",
                Some("sudo wants a password for user ops"),
            ),
            (
                1,
                "",
                "sudo: sorry, you must have a tty to run sudo\n",
                Some("sudo wants a terminal"),
            ),
            // sudo's source; seen only where it does not ask for a password first
            (
                1,
                "",
                "ops is not in the sudoers file.\n",
                Some("sudo is not allowed for user ops"),
            ),
            (
                1,
                "",
                "Sorry, user ops is not allowed to execute '/bin/sh -s' as root on n1.\n",
                Some("sudo is not allowed for user ops"),
            ),
            // sudo-rs
            (
                1,
                "",
                "sudo: interactive authentication is required\n",
                Some("sudo wants a password for user ops"),
            ),
            (
                1,
                "",
                "sudo: I'm sorry ops. I'm afraid I can't do that\n",
                Some("sudo is not allowed for user ops"),
            ),
            (
                127,
                "",
                "env: 'sudo': No such file or directory\n",
                Some("there is no sudo on the host"),
            ),
            (
                127,
                "",
                "env: '/bin/sh': No such file or directory\n",
                Some("no shell could be run on the host"),
            ),
            (
                127,
                "",
                "bash: line 1: env: command not found\n",
                Some("no shell could be run on the host"),
            ),
            (127, "", "/bin/sh: 1: nosuch: not found\n", None),
            (
                1,
                "This account is currently not available.\n",
                "",
                Some("no shell could be run on the host"),
            ),
            (1, "", "", None),
            (1, "answers", "sudo: a password is required\n", None),
            (0, "", "sudo: a password is required\n", None),
            (2, "", "sh: 3: syntax error\n", None),
        ] {
            assert_eq!(start(exit, head, stderr).as_deref(), expected, "{stderr}");
        }
    }

    #[test]
    fn a_host_cannot_smuggle_control_characters_into_a_message() {
        let log = "\x1b[2J\u{202e}@x: Permission denied (publickey).\r\n";
        assert_eq!(
            message(log),
            "authentication failed for user \\x1b[2J\\u{202e}"
        );
    }

    #[test]
    fn only_a_dropped_connection_is_tried_again() {
        assert!(is_worth_another_try(&Kind::ClosedBeforeBanner));
        for kind in [
            Kind::Refused { to: String::new() },
            Kind::TooManyKeys,
            Kind::HostKeyRefused,
            Kind::Other,
        ] {
            assert!(!is_worth_another_try(&kind), "{kind}");
        }
    }
}
