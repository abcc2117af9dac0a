//! Which host to reach and how, as plain data. Every value that can get near a command line is a validated name.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::facts::Os;
use crate::name::{AbsPath, HostName, NameError, UserName};

/// A host to run the far-side program on, and the way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The host itself.
    pub endpoint: Endpoint,
    /// The jump hosts on the way, the nearest first. None leaves it to the operator's ssh configuration.
    pub jumps: Vec<Endpoint>,
    /// Whether the program is run as root by sudo.
    pub privilege: Privilege,
    /// Its operating system, which decides what the program is run with.
    pub os: Os,
    /// How long one connection may take to be answered.
    pub connect_timeout: Duration,
}

/// One machine that is logged into: the host, or a jump host. What is none is left to the operator's ssh configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name; `Host` blocks of the operator's ssh configuration are matched by it.
    pub name: HostName,
    /// Where it listens; the name if none is given.
    pub address: Option<Address>,
    /// The port it listens on.
    pub port: Option<u16>,
    /// Who logs in.
    pub user: Option<UserName>,
    /// The one key to log in with; no other is offered then.
    pub identity_file: Option<AbsPath>,
    /// The one file its host key must be in; no other counts then.
    pub known_hosts: Option<AbsPath>,
    /// The name its key is filed under, if that is not its address.
    pub host_key_alias: Option<HostName>,
}

/// As whom the far-side program is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// As the user that logged in.
    Login,
    /// As root, by `sudo -n`.
    Sudo,
}

/// Where a host listens: a DNS name or a literal IP address without a zone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(String);

impl Target {
    /// Returns a target that leaves all but its name to the operator's ssh configuration.
    pub fn new(name: HostName) -> Self {
        Self {
            endpoint: Endpoint::new(name),
            jumps: Vec::new(),
            privilege: Privilege::Login,
            os: Os::default(),
            connect_timeout: Duration::from_secs(10),
        }
    }

    /// Returns the machines in the order they are reached, the host last.
    pub(super) fn path(&self) -> impl DoubleEndedIterator<Item = &Endpoint> {
        self.jumps.iter().chain([&self.endpoint])
    }

    /// Returns the first name that stands on the path twice; ssh would jump in circles without end.
    pub(super) fn repeated(&self) -> Option<&HostName> {
        let names: Vec<_> = self.path().map(|endpoint| &endpoint.name).collect();
        let again = |(index, name): (usize, &&HostName)| names[..index].contains(name);
        (0..names.len())
            .find(|index| again((*index, &names[*index])))
            .map(|index| names[index])
    }
}

impl Endpoint {
    /// Returns one that leaves all but its name to the operator's ssh configuration.
    pub fn new(name: HostName) -> Self {
        Self {
            name,
            address: None,
            port: None,
            user: None,
            identity_file: None,
            known_hosts: None,
            host_key_alias: None,
        }
    }

    /// Returns where it listens as far as we know.
    pub(super) fn listens_at(&self) -> &str {
        self.address
            .as_ref()
            .map_or(self.name.as_str(), Address::as_str)
    }
}

impl Address {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.parse::<IpAddr>() {
            Ok(address) => Ok(Self(address.to_string())),
            Err(_) => text.parse::<HostName>().map(|name| Self(name.to_string())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_names_or_literal_ips() {
        for (text, expected) in [
            ("10.0.0.7", "10.0.0.7"),
            ("node-1.example.com", "node-1.example.com"),
            ("FE80:0::1", "fe80::1"),
        ] {
            assert_eq!(
                text.parse::<Address>().map(|a| a.to_string()),
                Ok(expected.to_owned())
            );
        }
    }

    #[test]
    fn nothing_else_is_an_address() {
        for text in [
            "",
            "-V",
            "-oProxyCommand=x",
            "ssh://h",
            "a b",
            "%h",
            "$(x)",
            "fe80::1%eth0",
            "[::1]:22",
            "a,b",
            "u@h",
            "h\nProxyCommand x",
            "${HOME}",
            "h\0",
            "h\u{202e}",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_name_twice_on_the_path_is_found() {
        let host = |name: &str| Endpoint::new(name.parse().expect("a host name"));
        let mut target = Target::new("a".parse().expect("a host name"));
        assert_eq!(target.repeated(), None);
        target.jumps = vec![host("b"), host("c")];
        assert_eq!(target.repeated(), None);
        target.jumps.push(host("a"));
        assert_eq!(target.repeated().map(HostName::as_str), Some("a"));
    }
}
