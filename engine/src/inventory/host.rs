//! A host and how it is reached.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{JumpHost, natural_cmp};
use crate::facts::Os;
use crate::name::{HostName, UserName};
use crate::source::Span;

/// All hosts that were declared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inventory {
    /// The hosts in natural order of their names.
    pub hosts: Vec<Host>,
}

/// A host.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Its name, which is also what ssh is given if there is no address.
    pub name: HostName,
    /// Host name or IP address it is reached at; its name unless the inventory says otherwise.
    pub address: String,
    /// Its operating system.
    pub os: Os,
    /// How ssh reaches it.
    pub ssh: Ssh,
    /// How privileges are gained on it.
    pub privilege: Become,
    /// Labels, for selectors.
    pub labels: BTreeMap<String, String>,
    /// Values for `${name}` in specs.
    pub vars: BTreeMap<String, String>,
    /// Where it is declared.
    pub span: Span,
}

/// How ssh reaches a host. What is not set is left to the configuration of ssh.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ssh {
    /// Login name.
    pub user: Option<UserName>,
    /// Port.
    pub port: Option<u16>,
    /// Private key to log in with; a path that starts with `~/` is not expanded yet.
    pub identity_file: Option<PathBuf>,
    /// Hosts to go through, the nearest first.
    pub jump: Option<Vec<JumpHost>>,
    /// File of known host keys; a path that starts with `~/` is not expanded yet.
    pub known_hosts: Option<PathBuf>,
    /// How long to wait for a connection.
    pub connect_timeout: Option<Duration>,
}

/// How privileges are gained on a host.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Become {
    /// With `sudo`, which must not ask for a password.
    Sudo,
    /// Not at all: the login user is root, or an administrator of a Windows host.
    None,
}

impl Inventory {
    /// Returns the host with a name.
    pub fn get(&self, name: &HostName) -> Option<&Host> {
        let order = |host: &Host| natural_cmp(host.name.as_str(), name.as_str());
        let index = self.hosts.binary_search_by(order).ok()?;
        self.hosts.get(index)
    }

    /// Replaces `~/` in all paths; the library itself reads no environment.
    #[must_use]
    pub fn with_home(mut self, home: &Path) -> Self {
        for host in &mut self.hosts {
            expand_home(&mut host.ssh.identity_file, home);
            expand_home(&mut host.ssh.known_hosts, home);
        }
        self
    }
}

impl Host {
    /// Returns everything that `${name}` can stand for on this host: its variables, `host.name` and `host.address`.
    pub fn all_vars(&self) -> BTreeMap<String, String> {
        let mut vars = self.vars.clone();
        vars.insert("host.name".to_owned(), self.name.to_string());
        vars.insert("host.address".to_owned(), self.address.clone());
        vars
    }

    /// Returns what one variable stands for on this host.
    pub fn var(&self, name: &str) -> Option<&str> {
        match name {
            "host.name" => Some(self.name.as_str()),
            "host.address" => Some(&self.address),
            name => self.vars.get(name).map(String::as_str),
        }
    }
}

fn expand_home(path: &mut Option<PathBuf>, home: &Path) {
    if let Some(rest) = path.as_ref().and_then(|path| path.strip_prefix("~").ok()) {
        *path = Some(home.join(rest));
    }
}
