//! Where a host is reached: addresses, jump hosts and the files of ssh, validated so that none of them can be an option,
//! an expansion or a second word of a command line.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::name::{HostName, UserName};

/// Why a text is not accepted: the code of the complaint, a lowercase fragment, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct AddressError {
    /// Code of the complaint.
    pub code: &'static str,
    /// What is wrong.
    pub reason: String,
    /// How to mend it.
    pub help: Option<String>,
}

/// A host that connections go through: `[user@]host[:port]`, an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct JumpHost {
    /// Login name.
    pub user: Option<UserName>,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: Option<u16>,
}

impl FromStr for JumpHost {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (user, behind) = match text.split_once('@') {
            Some((user, behind)) => (Some(parse_user(user)?), behind),
            None => (None, text),
        };
        let (host, port) = split_port(behind)?;
        check_address(host)?;
        Ok(Self {
            user,
            host: host.to_owned(),
            port: port.map(parse_port).transpose()?,
        })
    }
}

impl fmt::Display for JumpHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// Checks a host name or a canonical IP address.
pub(super) fn check_address(text: &str) -> Result<(), AddressError> {
    if text.contains(':') && !text.contains("://") {
        return check_ipv6(text);
    }
    text.parse::<HostName>().map_err(|error| {
        let is_option = text.starts_with('-') || text.contains("://");
        let help = match text.split_once("://") {
            Some((_, host)) => Some(format!("write the bare host name: {host}")),
            None => error.help.clone(),
        };
        AddressError {
            code: if is_option { "E301" } else { "E302" },
            reason: error.reason,
            help,
        }
    })?;
    if is_numeric(text) && text.parse::<Ipv4Addr>().is_err() {
        return Err(refused("E305", format!("`{text}` is not an IPv4 address"))
            .help("write four decimal numbers without leading zeros"));
    }
    Ok(())
}

/// Checks the path of an identity or of known hosts, which ssh would expand and split.
pub(super) fn check_ssh_path(text: &str) -> Result<(), AddressError> {
    let error = |reason: &str| Err(refused("E307", format!("the path {text:?} {reason}")));
    if text.is_empty() || text == "~" || text.ends_with('/') {
        return error("is not the path of a file");
    }
    if text.starts_with('-') {
        return error("may not start with `-`");
    }
    if text.starts_with('~') && !text.starts_with("~/") {
        return error("names the home of another user");
    }
    let is_literal = |c: char| c.is_ascii_graphic() && !"%$\"'\\`,;*?".contains(c);
    if !text.chars().all(is_literal) {
        return error("holds a character that ssh may not take literally");
    }
    Ok(())
}

fn check_ipv6(text: &str) -> Result<(), AddressError> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    if let Some((address, _)) = bare {
        return Err(refused("E305", format!("`{text}` is not a bare address"))
            .help(format!("write {address}, and the port under `port`")));
    }
    let Ok(address) = text.parse::<Ipv6Addr>() else {
        let problem = refused("E305", format!("`{text}` is not an IPv6 address"));
        return Err(match text.split_once(':') {
            Some((host, port)) if parse_port(port).is_ok() => {
                problem.help(format!("write {host}, and the port under `port`"))
            }
            _ => problem,
        });
    };
    let canonical = IpAddr::V6(address).to_canonical().to_string();
    if canonical == text {
        return Ok(());
    }
    Err(refused(
        "E305",
        format!("`{text}` is not written in the canonical way"),
    )
    .help(format!("write {canonical}")))
}

/// Whether the resolver would take the text for an IPv4 address, in any of its old spellings.
fn is_numeric(text: &str) -> bool {
    text.split('.').all(|part| {
        let hex = part.strip_prefix("0x").or(part.strip_prefix("0X"));
        match hex {
            Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
            None => part.bytes().all(|byte| byte.is_ascii_digit()),
        }
    })
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), AddressError> {
    if let Some(rest) = text.strip_prefix('[') {
        return match rest.split_once(']') {
            Some((host, "")) => Ok((host, None)),
            Some((host, behind)) if behind.starts_with(':') => Ok((host, Some(&behind[1..]))),
            _ => Err(refused("E305", format!("`{text}` is not [address]:port"))),
        };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') && !text.contains("://") => {
            Ok((host, Some(port)))
        }
        _ => Ok((text, None)),
    }
}

fn parse_user(text: &str) -> Result<UserName, AddressError> {
    text.parse::<UserName>().map_err(|error| AddressError {
        code: "E303",
        reason: error.reason,
        help: error.help,
    })
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse()
        .ok()
        .filter(|port| is_plain && *port != 0)
        .ok_or_else(|| {
            refused(
                "E304",
                format!("`{text}` is not a port between 1 and 65535"),
            )
        })
}

fn refused(code: &'static str, reason: String) -> AddressError {
    AddressError {
        code,
        reason,
        help: None,
    }
}

impl AddressError {
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_canonical_addresses_are_taken() {
        for (text, code) in [
            ("worker-1.example.com", None),
            ("10.0.0.1", None),
            ("fe80::1", None),
            ("2001:db8::2", None),
            ("node.1", None),
            ("-V", Some("E301")),
            ("-oProxyCommand=x", Some("E301")),
            ("ssh://-V", Some("E301")),
            ("ssh://h", Some("E301")),
            ("a b", Some("E302")),
            ("h%h", Some("E302")),
            ("$(x)", Some("E302")),
            ("a,b", Some("E302")),
            ("u@h", Some("E302")),
            ("wörker", Some("E302")),
            ("", Some("E302")),
            ("fe80::1%eth0;x", Some("E305")),
            ("fe80::1%eth0", Some("E305")),
            ("[::1]:22", Some("E305")),
            ("::ffff:1.2.3.4", Some("E305")),
            ("2001:DB8::2", Some("E305")),
            ("host:22", Some("E305")),
            ("10.0.0.256", Some("E305")),
            ("10.0.0.01", Some("E305")),
            ("127.1", Some("E305")),
            ("0x7f.1", Some("E305")),
            ("2130706433", Some("E305")),
        ] {
            let found = check_address(text).err().map(|error| error.code);
            assert_eq!(found, code, "{text:?}");
        }
    }

    #[test]
    fn jump_hosts_read_back_as_written() {
        for text in [
            "bastion",
            "ops@bastion",
            "ops@bastion:2222",
            "[fe80::1]:22",
            "ops@[::1]",
            "10.0.0.1:22",
        ] {
            assert_eq!(text.parse::<JumpHost>().unwrap().to_string(), text);
        }
        for (text, code) in [
            ("-oX", "E301"),
            ("a -oX", "E302"),
            ("a@-b", "E301"),
            ("-l@b", "E303"),
            ("@b", "E303"),
            ("a@b@c", "E302"),
            ("b:0", "E304"),
            ("b:65536", "E304"),
            ("b:22x", "E304"),
            ("b:+22", "E304"),
            ("b:", "E304"),
            ("fe80::x", "E305"),
            ("[::1", "E305"),
        ] {
            assert_eq!(text.parse::<JumpHost>().unwrap_err().code, code, "{text:?}");
        }
    }

    #[test]
    fn paths_for_ssh_are_literal() {
        for text in [
            "~/.ssh/id_ed25519",
            "/etc/keys/ops",
            "keys/ops.pem",
            "../known_hosts",
        ] {
            assert_eq!(check_ssh_path(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "-F",
            "~",
            "~root/x",
            "a b",
            "%h",
            "${HOME}/x",
            "a\"b",
            "keys/",
            "ä",
        ] {
            assert!(check_ssh_path(text).is_err(), "{text}");
        }
    }
}
