//! The private ssh configuration of one connection, as text. Pure.
//!
//! ssh takes the first value it finds for each setting, so the order is the policy:
//!
//! 1. settings that nobody may weaken, before any `Host` line, so they hold for the host and for every jump host;
//! 2. a `Host` block for each machine on the way, so that only a validated name is ever on a command line;
//! 3. `Match all`, and the operator's files. An `Include` inside a `Host` block would count for that host only. Keys,
//!    agents, certificates, `ProxyJump` and the rest of the operator's habits come from here;
//! 4. `SendEnv -*`, last, since it removes only what was asked for before it.
//!
//! Jump hosts that we know of become a `ProxyCommand` that runs ssh with this same file and a log of its own. ssh's own
//! `ProxyJump` would do the same but throw the jump host's complaints away: with `ControlPersist` ssh points the
//! standard error of its proxy at `/dev/null`. So with `ProxyJump` in the operator's file the settings above hold too,
//! but a failure at the jump host is seen only as a connection that was closed early.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::target::{Endpoint, Target};

/// What holds for the host and every jump host, whatever the operator's files say.
const HARD_SETTINGS: &str = "\
AddKeysToAgent no
BatchMode yes
CheckHostIP no
ClearAllForwardings yes
ConnectionAttempts 1
ControlMaster no
ControlPath none
EscapeChar none
ForwardAgent no
ForwardX11 no
GSSAPIDelegateCredentials no
KbdInteractiveAuthentication no
LogLevel ERROR
NoHostAuthenticationForLocalhost no
PasswordAuthentication no
PermitLocalCommand no
RemoteCommand none
RequestTTY no
ServerAliveCountMax 3
ServerAliveInterval 5
StrictHostKeyChecking yes
TCPKeepAlive yes
Tunnel no
UpdateHostKeys no
VerifyHostKeyDNS no
";

/// A path or value that cannot be written into an ssh configuration without ssh reading more into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unwritable(pub(super) String);

/// What a configuration is made from, apart from the target.
pub(super) struct Surroundings<'a> {
    /// The ssh program, absolute.
    pub(super) program: &'a Path,
    /// The directory of the connection: the configuration, the logs and the control socket.
    pub(super) directory: &'a Path,
    /// The operator's ssh configurations, the most specific first.
    pub(super) include: &'a [std::path::PathBuf],
    /// Where host keys are looked up unless the target names a file.
    pub(super) known_hosts: Option<&'a Path>,
}

/// The name of the configuration in the directory of the connection.
pub(super) const CONFIG: &str = "config";

/// Returns the name of the log that the jump host at this position writes.
pub(super) fn jump_log(position: usize) -> String {
    format!("jump{position}.log")
}

/// Returns the whole configuration.
pub(super) fn render(target: &Target, around: &Surroundings<'_>) -> Result<String, Unwritable> {
    let mut config = HARD_SETTINGS.to_owned();
    push(
        &mut config,
        format_args!("ConnectTimeout {}", whole_seconds(target.connect_timeout)),
    );
    let jump_to = |position: usize| {
        position
            .checked_sub(1)
            .map(|before| (before, &target.jumps[before]))
    };
    for (position, endpoint) in target.path().enumerate() {
        push_endpoint(&mut config, endpoint, around)?;
        if let Some((before, jump)) = jump_to(position) {
            push_jump(&mut config, before, jump, around)?;
        }
    }
    config.push_str("Match all\n");
    for file in around.include {
        push(&mut config, format_args!("Include {}", included(file)?));
    }
    config.push_str("Match all\nSendEnv -*\n");
    Ok(config)
}

fn push_endpoint(
    config: &mut String,
    endpoint: &Endpoint,
    around: &Surroundings<'_>,
) -> Result<(), Unwritable> {
    let Endpoint {
        name,
        address,
        port,
        user,
        identity_file,
        known_hosts,
        host_key_alias,
    } = endpoint;
    push(config, format_args!("Host {name}"));
    if let Some(address) = address {
        push(config, format_args!("HostName {address}"));
    }
    if let Some(port) = port {
        push(config, format_args!("Port {port}"));
    }
    if let Some(user) = user {
        push(config, format_args!("User {user}"));
    }
    if let Some(alias) = host_key_alias {
        push(config, format_args!("HostKeyAlias {alias}"));
    }
    if let Some(file) = identity_file {
        push(
            config,
            format_args!(
                "IdentitiesOnly yes\nIdentityFile {}",
                quoted(Path::new(file.as_str()))?
            ),
        );
    }
    match (known_hosts, around.known_hosts) {
        (Some(pinned), _) => {
            let pinned = quoted(Path::new(pinned.as_str()))?;
            push(
                config,
                format_args!("UserKnownHostsFile {pinned}\nGlobalKnownHostsFile none"),
            );
        }
        (None, Some(file)) => push(config, format_args!("UserKnownHostsFile {}", quoted(file)?)),
        (None, None) => {}
    }
    Ok(())
}

fn push_jump(
    config: &mut String,
    position: usize,
    jump: &Endpoint,
    around: &Surroundings<'_>,
) -> Result<(), Unwritable> {
    let program = plain(around.program)?;
    let file = plain(&around.directory.join(CONFIG))?.to_owned();
    let log = plain(&around.directory.join(jump_log(position)))?.to_owned();
    let name = &jump.name;
    // INFO has the reason why the jump host could not reach the next machine; ERROR does not.
    push(
        config,
        format_args!(
            "ProxyUseFdpass no\nProxyCommand {program} -F {file} -E {log} -o LogLevel=INFO -W '[%h]:%p' -- {name}"
        ),
    );
    Ok(())
}

fn push(config: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(config, "{line}").expect("writing to a string cannot fail");
}

/// Rounds up, since ssh reads 0 as no limit.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0 || duration.is_zero())
}

/// Returns a path for a place where a shell and ssh's own expansion read it: letters, digits and `/ . _ - + @ , =` only.
pub(super) fn plain(path: &Path) -> Result<&str, Unwritable> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@,=".contains(c);
    match path.to_str() {
        Some(text) if text.starts_with('/') && text.chars().all(is_plain) => Ok(text),
        _ => Err(unwritable(path)),
    }
}

/// Returns a path for a setting that expands `%` and `${}`, in quotes.
fn quoted(path: &Path) -> Result<String, Unwritable> {
    let text = unquoted(path)?;
    Ok(format!("\"{}\"", text.replace('%', "%%")))
}

/// Returns a path for `Include`, which expands shell patterns, and `%` in some versions only.
fn included(path: &Path) -> Result<String, Unwritable> {
    let text = unquoted(path)?;
    if text.contains(['*', '?', '[', ']', '{', '}', '%']) {
        return Err(unwritable(path));
    }
    Ok(format!("\"{text}\""))
}

fn unquoted(path: &Path) -> Result<&str, Unwritable> {
    let is_bad = |c: char| c.is_control() || matches!(c, '"' | '\\');
    match path.to_str() {
        Some(text) if text.starts_with('/') && !text.contains(is_bad) && !text.contains("${") => {
            Ok(text)
        }
        _ => Err(unwritable(path)),
    }
}

fn unwritable(path: &Path) -> Unwritable {
    Unwritable(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn host(name: &str) -> Target {
        Target::new(name.parse().expect("a host name"))
    }

    fn rendered(target: &Target, include: &[&str]) -> Result<String, Unwritable> {
        let include: Vec<PathBuf> = include.iter().map(PathBuf::from).collect();
        let around = Surroundings {
            program: Path::new("/usr/bin/ssh"),
            directory: Path::new("/run/hardstand/r.1/c.2"),
            include: &include,
            known_hosts: None,
        };
        render(target, &around)
    }

    fn after_hard_settings(target: &Target, include: &[&str]) -> String {
        let config = rendered(target, include).expect("a configuration");
        config
            .strip_prefix(HARD_SETTINGS)
            .expect("hard settings come first")
            .to_owned()
    }

    #[test]
    fn a_bare_name_leaves_the_rest_to_the_operator() {
        assert_eq!(
            after_hard_settings(
                &host("worker01"),
                &["/home/ops/.ssh/config", "/etc/ssh/ssh_config"]
            ),
            "ConnectTimeout 10\n\
             Host worker01\n\
             Match all\n\
             Include \"/home/ops/.ssh/config\"\n\
             Include \"/etc/ssh/ssh_config\"\n\
             Match all\n\
             SendEnv -*\n"
        );
    }

    #[test]
    fn everything_known_about_a_machine_is_in_its_block() {
        let mut target = host("worker01");
        target.connect_timeout = Duration::from_millis(2500);
        target.endpoint = Endpoint {
            address: Some("2001:db8::7".parse().expect("an address")),
            port: Some(2222),
            user: Some("ops".parse().expect("a user name")),
            identity_file: Some("/home/o p/id%x".parse().expect("a path")),
            known_hosts: Some("/srv/fleet/known_hosts".parse().expect("a path")),
            host_key_alias: Some("worker01".parse().expect("a host name")),
            ..target.endpoint
        };
        assert_eq!(
            after_hard_settings(&target, &[]),
            "ConnectTimeout 3\n\
             Host worker01\n\
             HostName 2001:db8::7\n\
             Port 2222\n\
             User ops\n\
             HostKeyAlias worker01\n\
             IdentitiesOnly yes\n\
             IdentityFile \"/home/o p/id%%x\"\n\
             UserKnownHostsFile \"/srv/fleet/known_hosts\"\n\
             GlobalKnownHostsFile none\n\
             Match all\n\
             Match all\n\
             SendEnv -*\n"
        );
    }

    #[test]
    fn each_machine_is_reached_through_the_one_before() {
        let mut target = host("worker01");
        target.jumps = ["outer", "inner"]
            .map(|name| Endpoint::new(name.parse().expect("a host name")))
            .into();
        let proxy = |position: usize, name: &str| {
            format!(
                "ProxyUseFdpass no\nProxyCommand /usr/bin/ssh -F /run/hardstand/r.1/c.2/config -E \
                 /run/hardstand/r.1/c.2/jump{position}.log -o LogLevel=INFO -W '[%h]:%p' -- {name}\n"
            )
        };
        assert_eq!(
            after_hard_settings(&target, &[]),
            format!(
                "ConnectTimeout 10\nHost outer\nHost inner\n{}Host worker01\n{}Match all\nMatch all\nSendEnv -*\n",
                proxy(0, "outer"),
                proxy(1, "inner")
            )
        );
    }

    #[test]
    fn a_path_that_ssh_would_read_more_into_is_refused() {
        for path in [
            "relative",
            "/a\nProxyCommand x",
            "/a\"b",
            "/a\\b",
            "/*",
            "/a?",
            "/[a]",
            "/%h",
            "/${HOME}",
        ] {
            assert_eq!(
                rendered(&host("a"), &[path]),
                Err(Unwritable(path.to_owned()))
            );
        }
        for path in ["/with space", "/a'b", "/$(x)", "/a;b", "/%h", "/a&b"] {
            assert_eq!(plain(Path::new(path)), Err(Unwritable(path.to_owned())));
        }
    }

    #[test]
    fn a_wait_is_never_rounded_down_to_forever() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}
