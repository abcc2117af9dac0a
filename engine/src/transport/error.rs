//! Why a host could not be reached or asked: one kind, one text and one help for each cause.
//!
//! The texts are lowercase fragments. What ssh or the host said is kept whole in [`TransportError::said`] and appears in
//! no text; the few words taken from it (a fingerprint, a file name) are escaped.

use std::path::PathBuf;
use std::time::Duration;

use crate::name::{HostName, UserName};
use crate::untrusted::Untrusted;

/// Why a host could not be reached or asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{kind}", at_jump_host(.at.as_ref()))]
pub struct TransportError {
    /// What went wrong.
    pub kind: TransportErrorKind,
    /// The jump host where it went wrong; none if that is the host itself or this machine.
    pub at: Option<HostName>,
    /// What ssh, sudo or the host said, whole.
    pub said: Untrusted,
}

/// What can go wrong on the way to a host and while it is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportErrorKind {
    /// No known-hosts file has a key for the host.
    #[error("the host key is not known{}", it_shows(.shown.as_deref()))]
    UnknownHostKey {
        /// The kind and, if it could be asked for, the fingerprint of the key the host showed.
        shown: Option<String>,
        /// The command that shows the key to a person and adds it.
        add: String,
    },
    /// A known-hosts file has another key for the host.
    #[error("the host key has changed{}{}", it_shows(.shown.as_deref()), has_another(.place.as_deref()))]
    ChangedHostKey {
        /// The kind and fingerprint of the key the host showed, if ssh said it.
        shown: Option<String>,
        /// `FILE:LINE` of the other key, if ssh said it.
        place: Option<String>,
    },
    /// The host key is revoked, or its certificate does not hold.
    #[error("the host key was refused")]
    HostKeyRefused,
    /// Nothing listens there.
    #[error("connection to {to} refused")]
    Refused {
        /// Address and port, as far as known.
        to: String,
    },
    /// Nobody answered in time.
    #[error("no answer from {to} in time")]
    ConnectTimedOut {
        /// Address and port, as far as known.
        to: String,
    },
    /// There is no way there.
    #[error("no route to {to}")]
    NoRoute {
        /// Address and port, as far as known.
        to: String,
    },
    /// The name has no address.
    #[error("the name {name} could not be resolved")]
    NameNotResolved {
        /// The name.
        name: String,
    },
    /// The connection was closed or reset before the server said anything.
    #[error("the connection was closed before the ssh server said anything")]
    ClosedBeforeBanner,
    /// The connection was closed between the first word and the login.
    #[error("the connection was closed during the handshake")]
    ClosedInHandshake,
    /// Something else than an ssh server answered.
    #[error("what answers there is no ssh server")]
    NotSsh,
    /// Client and server have no algorithm in common.
    #[error("no algorithm in common with the ssh server")]
    NoCommonAlgorithm,
    /// A jump host may not open connections for us.
    #[error("it refuses to forward connections")]
    ForwardingRefused,
    /// The server accepted none of our keys.
    #[error("authentication failed{}", for_user(.user.as_deref()))]
    AuthenticationFailed {
        /// Who tried to log in, if ssh said it.
        user: Option<String>,
    },
    /// The server gave up before the right key was tried.
    #[error("authentication failed: too many keys were offered")]
    TooManyKeys,
    /// The key file to log in with is not there.
    #[error("the identity file {} cannot be read", path.display())]
    NoIdentity {
        /// The file.
        path: PathBuf,
    },
    /// A key file is there, but ssh will not use it.
    #[error("ssh does not use the identity file: {reason}")]
    BadIdentity {
        /// Why, in ssh's words, escaped.
        reason: String,
    },
    /// There is no sudo on the host.
    #[error("there is no sudo on the host")]
    SudoMissing,
    /// sudo asks for a password, which nobody can give.
    #[error("sudo wants a password{}", for_user(.user.as_ref().map(UserName::as_str)))]
    SudoWantsPassword {
        /// Who logged in, if the target says.
        user: Option<UserName>,
    },
    /// The user may not use sudo, or not for this.
    #[error("sudo is not allowed{}", for_user(.user.as_ref().map(UserName::as_str)))]
    SudoNotAllowed {
        /// Who logged in, if the target says.
        user: Option<UserName>,
    },
    /// sudo asks for a terminal, which there is none of.
    #[error("sudo wants a terminal")]
    SudoWantsTerminal,
    /// The login shell refuses, or there is no `/bin/sh`.
    #[error("no shell could be run on the host")]
    NoShell,
    /// The login shell is one of Windows, and the inventory says nothing of that.
    #[error("the login shell of the host is not one of Linux")]
    NotLinux,
    /// There is no PowerShell, so it is no Windows host.
    #[error("there is no PowerShell on the host")]
    NoPowerShell,
    /// The server does not open another session on this connection.
    #[error("the server refused to open a session")]
    SessionRefused,
    /// The connection was gone before anything was sent.
    #[error("the connection was gone before anything was sent")]
    Gone,
    /// The server did not start the program in time; nothing was sent.
    #[error("nothing was started within {} s", .after.as_secs())]
    NotStarted {
        /// How long was waited.
        after: Duration,
    },
    /// The connection was lost, or the program was killed, before it was done.
    #[error("the connection was lost midway")]
    Lost,
    /// The program took too long.
    #[error("not done within {} s", .after.as_secs())]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The program said nothing for too long.
    #[error("nothing was heard for {} s", .after.as_secs())]
    Silent {
        /// How long was waited.
        after: Duration,
    },
    /// The program said too much.
    #[error("more than {limit} bytes came back")]
    TooMuchOutput {
        /// How many bytes were allowed.
        limit: usize,
    },
    /// The path of the control socket would not fit into a socket address.
    #[error("the runtime directory {} is too long a path for ssh's control socket", path.display())]
    ControlPathTooLong {
        /// The directory.
        path: PathBuf,
        /// How many bytes its path may have.
        limit: usize,
    },
    /// The directory for control sockets cannot be used.
    #[error("the runtime directory {} cannot be used: {reason}", path.display())]
    RuntimeDirectory {
        /// The directory.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A program of this machine could not be started.
    #[error("{} could not be started: {reason}", path.display())]
    ProgramMissing {
        /// The program.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A path cannot be written into an ssh configuration.
    #[error("the path {path} cannot be used in an ssh configuration")]
    UnwritablePath {
        /// The path.
        path: String,
    },
    /// A host is its own jump host.
    #[error("{name} stands twice on the way to the host")]
    JumpLoop {
        /// The name that is there twice.
        name: HostName,
    },
    /// ssh does not accept its configuration, or the operator's.
    #[error("ssh refused its configuration")]
    Configuration,
    /// ssh failed and said something that is not in our list.
    #[error("ssh could not connect")]
    Other,
}

impl TransportError {
    /// Returns an error about which nobody said anything.
    pub fn silent(kind: TransportErrorKind) -> Self {
        Self::new(kind, Vec::new())
    }

    /// Returns an error with what was said.
    pub fn new(kind: TransportErrorKind, said: Vec<u8>) -> Self {
        Self {
            kind,
            at: None,
            said: Untrusted::new(said),
        }
    }

    /// Whether the far-side program may have begun, so that the outcome on the host is unknown.
    pub fn may_have_run(&self) -> bool {
        use TransportErrorKind as Kind;
        matches!(
            self.kind,
            Kind::Lost | Kind::TimedOut { .. } | Kind::Silent { .. } | Kind::TooMuchOutput { .. }
        )
    }

    /// Returns how to mend it, if there is a way that fits most.
    pub fn help(&self) -> Option<String> {
        self.kind.help()
    }
}

impl From<TransportErrorKind> for TransportError {
    fn from(kind: TransportErrorKind) -> Self {
        Self::silent(kind)
    }
}

impl TransportErrorKind {
    fn help(&self) -> Option<String> {
        let help = match self {
            Self::UnknownHostKey { add, .. } => return Some(unknown_key_help(add)),
            Self::SudoWantsPassword { user } | Self::SudoNotAllowed { user } => {
                return Some(sudoers_help(user.as_ref()));
            }
            Self::NotSsh | Self::Lost | Self::SudoMissing => self.help_at_the_host(),
            Self::ChangedHostKey { .. } => {
                "find out why before anything else: a reinstalled host, another host at this address, or someone in \
                 between; if the new key is right, remove the old line and add the new key"
            }
            Self::HostKeyRefused => {
                "see `ssh -v` for the reason: a revoked key, or a certificate that does not hold"
            }
            Self::Refused { .. } => "check address and port, and that sshd runs there",
            Self::ConnectTimedOut { .. } => {
                "check address, port and firewall; a jump host may be needed"
            }
            Self::NoRoute { .. } => {
                "check the address and this machine's network; a jump host may be needed"
            }
            Self::NameNotResolved { .. } => "check the spelling, or give the host an `address`",
            Self::ClosedBeforeBanner => {
                "sshd drops connections while too many log in at once (MaxStartups); otherwise look at its log, at \
                 hosts.deny, and at jump hosts in your ssh configuration"
            }
            Self::ClosedInHandshake => "look at the log of sshd on the host",
            Self::NoCommonAlgorithm => "see `ssh -v`; one side is much older than the other",
            Self::ForwardingRefused => {
                "set `AllowTcpForwarding yes` in sshd_config of the jump host for this user"
            }
            Self::AuthenticationFailed { .. } => {
                "hardstand never asks for a password: the public key must be in authorized_keys on the host, and the \
                 private key in an agent (`ssh-add -l`) or in a file without a passphrase"
            }
            Self::TooManyKeys => {
                "name the one right key with `identityFile`, or with IdentityFile and IdentitiesOnly"
            }
            Self::NoIdentity { .. } => "check the path, and that you may read it",
            Self::BadIdentity { .. } => {
                "the file must be a private key that only you can read (chmod 600)"
            }
            Self::SudoWantsTerminal => {
                "remove `requiretty` from sudoers for this user: `Defaults:USER !requiretty`"
            }
            Self::NoShell => {
                "the login shell of this user must run commands, and /bin/sh must exist"
            }
            Self::NotLinux => "if it runs Windows, say `os: windows` in the inventory",
            Self::NoPowerShell => {
                "the inventory says `os: windows`; leave it out if the host runs Linux"
            }
            Self::SessionRefused => {
                "raise `MaxSessions` in sshd_config of the host; 10 is its default"
            }
            Self::Gone => "the host or the network ended the connection; run it again",
            Self::NotStarted { .. } => {
                "the host is overloaded, or its login hangs; try `ssh HOST true`"
            }
            Self::TimedOut { .. } | Self::Silent { .. } => {
                "the host may still be at work; ask it again"
            }
            Self::TooMuchOutput { .. } => {
                "the answers come from the host: see what in its login or sh prints so much"
            }
            Self::ControlPathTooLong { .. } => {
                "choose a shorter runtime directory, such as one below /run/user"
            }
            Self::RuntimeDirectory { .. } => {
                "it must be a directory of yours that nobody else can enter (chmod 700)"
            }
            Self::ProgramMissing { .. } => {
                "install the OpenSSH client, or name the program by its absolute path"
            }
            Self::UnwritablePath { .. } => {
                "ssh reads quotes, backslashes, `${` and patterns in paths; use a path without them"
            }
            Self::JumpLoop { .. } => "take the host out of its own list of jump hosts",
            Self::Configuration => "run `ssh -G HOST`; it names the file and line",
            Self::Other => "run `ssh -v HOST` to see more",
        };
        Some(help.to_owned())
    }

    fn help_at_the_host(&self) -> &'static str {
        match self {
            Self::NotSsh => "check address and port",
            Self::SudoMissing => "install sudo on the host, or log in as root without `become`",
            _ => "the outcome on the host is unknown; ask it again",
        }
    }
}

fn unknown_key_help(add: &str) -> String {
    format!(
        "compare the fingerprint with what the host itself says (on its console: `ssh-keygen -lf \
         /etc/ssh/ssh_host_ed25519_key.pub`), and only if they agree, add it: {add}"
    )
}

fn sudoers_help(user: Option<&UserName>) -> String {
    let user = user.map_or("USER", UserName::as_str);
    format!("allow it in sudoers on the host: `{user} ALL=(root) NOPASSWD: /bin/sh`")
}

fn at_jump_host(at: Option<&HostName>) -> String {
    at.map_or_else(String::new, |name| format!("jump host {name}: "))
}

fn for_user(user: Option<&str>) -> String {
    user.map_or_else(String::new, |user| format!(" for user {user}"))
}

fn it_shows(key: Option<&str>) -> String {
    key.map_or_else(String::new, |key| format!(": it shows {key}"))
}

fn has_another(place: Option<&str>) -> String {
    place.map_or_else(String::new, |place| format!(", and {place} has another"))
}
