//! From an inventory as written to hosts. Start at [`read`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use schemars::{Schema, schema_for};

use super::address::{AddressError, check_address, check_ssh_path};
use super::fields::{HostFields, InventoryFields, JumpField, SshFields, VarValue};
use super::range::{MOST_NAMES, split_list};
use super::refused::refuse_fields;
use super::{Become, Host, Ssh, expand};
use crate::diagnostic::{Diagnostic, Problems};
use crate::facts::Os;
use crate::name::HostName;
use crate::source::{Sources, Span};
use crate::spec::schema::{self, Field, Texts, unknown_field};
use crate::spec::{Entry, Node, decode, place_within, vars};

/// Longest wait for a connection, in seconds.
const LONGEST_TIMEOUT: u64 = 600;
/// Longest label.
const LONGEST_LABEL: usize = 63;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| schema_for!(InventoryFields));

/// Returns the schema of what an inventory holds beside its envelope.
pub fn schema() -> Schema {
    SCHEMA.clone()
}

/// Reads the hosts of one document and adds them; `body` is the map that holds `defaults` and `hosts`.
pub(crate) fn read(
    sources: &Sources,
    body: &Node,
    place: Span,
    hosts: &mut Vec<Host>,
    problems: &mut Problems,
) {
    let body = &refuse_fields(body, problems);
    let field = Field {
        name: "inventory".to_owned(),
        place,
        node: body,
    };
    let mut found = Problems::default();
    schema::check(&field, &SCHEMA, Texts::Final, &mut found);
    let file = &sources.file(body.span.source).name;
    let mut reader = Reader {
        sources,
        directory: Path::new(&**file).parent().unwrap_or(Path::new("")),
        is_sound: !found.has_errors(),
        problems: found,
    };
    reader.hosts(body, hosts);
    problems.append(reader.problems);
}

struct Reader<'a> {
    sources: &'a Sources,
    /// Directory of the inventory.
    directory: &'a Path,
    /// The document fits its schema.
    is_sound: bool,
    problems: Problems,
}

/// The fields of a host, each validated.
#[derive(Debug, Clone, Default)]
struct Declared {
    address: Option<String>,
    os: Option<Os>,
    ssh: Ssh,
    privilege: Option<Become>,
    labels: BTreeMap<String, String>,
    vars: BTreeMap<String, String>,
}

impl Reader<'_> {
    fn hosts(&mut self, body: &Node, hosts: &mut Vec<Host>) {
        let defaults = match body.get("defaults") {
            Some(node) => {
                let defaults = self.declared(node);
                self.check_become(&defaults, Os::default(), node);
                defaults
            }
            None => Declared::default(),
        };
        if let Some(address) = defaults_address(body) {
            let known = ["os", "ssh", "become", "labels", "vars"];
            self.problems
                .push(unknown_field("address", address.key_span, &known));
        }
        let entries = body.get("hosts").map(Node::entries).unwrap_or_default();
        for entry in entries {
            hosts.extend(self.host(entry, &defaults));
            if hosts.len() > MOST_NAMES {
                let message = format!("there are more than {MOST_NAMES} hosts");
                self.problems
                    .push(Diagnostic::error("E324", entry.key_span, message));
                return;
            }
        }
    }

    fn host(&mut self, entry: &Entry, defaults: &Declared) -> Vec<Host> {
        let names = self.names(entry);
        let declared = self.declared(&entry.node);
        self.check_become(&declared, defaults.os.unwrap_or_default(), &entry.node);
        if declared.address.is_none()
            && let Some(name) = names.first()
        {
            self.check(check_address(name.as_str()), entry.key_span);
        }
        if let (Some(address), [_, _, ..]) = (&declared.address, &names[..]) {
            let message = format!("all of `{}` would be reached at `{address}`", entry.key);
            let span = entry.node.span_at(&["address"]);
            self.problems.push(
                Diagnostic::error("E308", span, message).help("give each host its own entry"),
            );
        }
        names
            .into_iter()
            .map(|name| host(name, &declared, defaults, entry.key_span))
            .collect()
    }

    fn names(&mut self, entry: &Entry) -> Vec<HostName> {
        let texts = match expand(&entry.key) {
            Ok(texts) => texts,
            Err(error) => {
                let span = place_within(self.sources, entry.key_span, &entry.key, error.at, 1);
                self.problems
                    .push(Diagnostic::error("E321", span, error.reason));
                return Vec::new();
            }
        };
        let mut names = Vec::with_capacity(texts.len());
        for text in texts {
            match text.parse::<HostName>() {
                Ok(name) => names.push(name),
                Err(_) => {
                    self.check(check_address(&text), entry.key_span);
                    return Vec::new();
                }
            }
        }
        names
    }

    /// Reads the fields of a host or of the defaults. What does not fit its schema was reported and counts as not set.
    fn declared(&mut self, node: &Node) -> Declared {
        let fields = match decode::<Option<HostFields>>(node) {
            Ok(fields) => fields.unwrap_or_default(),
            Err(problem) => {
                if self.is_sound {
                    self.problems.push(problem);
                }
                return Declared::default();
            }
        };
        let HostFields {
            address,
            os,
            ssh,
            r#become,
            labels,
            vars,
        } = fields;
        let ssh = ssh.unwrap_or_default();
        Declared {
            address: self.address(address, ssh.address.as_deref(), node),
            os,
            ssh: self.ssh(&ssh, node.get("ssh").unwrap_or(node)),
            privilege: r#become,
            labels: self.labels(labels.unwrap_or_default(), node),
            vars: self.vars(vars.unwrap_or_default(), node),
        }
    }

    /// There is no sudo on Windows. What the defaults say for the other hosts does not count there.
    fn check_become(&mut self, declared: &Declared, usual: Os, node: &Node) {
        if declared.os.unwrap_or(usual) == Os::Windows && declared.privilege == Some(Become::Sudo) {
            let message = "`become: sudo` does not apply to a Windows host";
            self.problems.push(
                Diagnostic::error("E330", node.span_at(&["become"]), message)
                    .help("leave it out, and log in as a member of Administrators"),
            );
        }
    }

    fn address(
        &mut self,
        address: Option<String>,
        of_ssh: Option<&str>,
        node: &Node,
    ) -> Option<String> {
        let (here, below) = (
            node.span_at(&["address"]),
            node.span_at(&["ssh", "address"]),
        );
        match (&address, of_ssh) {
            (Some(_), Some(_)) => {
                self.problems.push(
                    Diagnostic::error("E126", below, "the address is set twice")
                        .related(here, "set here"),
                );
            }
            (Some(text), None) => self.check(check_address(text), here),
            (None, Some(text)) => self.check(check_address(text), below),
            (None, None) => {}
        }
        address.or_else(|| of_ssh.map(str::to_owned))
    }

    fn ssh(&mut self, fields: &SshFields, node: &Node) -> Ssh {
        Ssh {
            user: fields.user.clone(),
            port: fields.port,
            identity_file: self.path(fields.identity_file.as_deref(), node, "identityFile"),
            jump: self.jump(fields.jump.as_ref(), node),
            known_hosts: self.path(fields.known_hosts.as_deref(), node, "knownHosts"),
            connect_timeout: self.timeout(fields.connect_timeout.as_deref(), node),
        }
    }

    fn path(&mut self, text: Option<&str>, node: &Node, field: &str) -> Option<PathBuf> {
        let text = text?;
        self.check(check_ssh_path(text), node.span_at(&[field]));
        Some(match text.starts_with("~/") {
            true => PathBuf::from(text),
            false => self.directory.join(text),
        })
    }

    fn jump(&mut self, field: Option<&JumpField>, node: &Node) -> Option<Vec<super::JumpHost>> {
        let node = node.get("jump")?;
        let hosts: Vec<(&str, Span)> = match field? {
            JumpField::Text(text) => split_list(text)
                .into_iter()
                .map(|(at, host)| {
                    let span = place_within(self.sources, node.span, text, at, host.len());
                    (host.trim(), span)
                })
                .collect(),
            JumpField::List(hosts) => {
                let spans = node.items().iter().map(|item| item.span);
                hosts.iter().map(String::as_str).zip(spans).collect()
            }
        };
        let mut jump = Vec::new();
        for (host, span) in hosts {
            match host.parse() {
                Ok(host) => jump.push(host),
                Err(error) => self.check(Err(error), span),
            }
        }
        Some(jump)
    }

    fn timeout(&mut self, text: Option<&str>, node: &Node) -> Option<Duration> {
        let text = text?;
        let seconds = match (text.strip_suffix('s'), text.strip_suffix('m')) {
            (Some(digits), _) => digits.parse::<u64>().ok(),
            (None, Some(digits)) => digits.parse::<u64>().ok().and_then(|n| n.checked_mul(60)),
            (None, None) => None,
        };
        let seconds = seconds.filter(|seconds| (1..=LONGEST_TIMEOUT).contains(seconds));
        if seconds.is_none() {
            let span = node.span_at(&["connectTimeout"]);
            let message = format!("{text:?} is not a time between 1s and {LONGEST_TIMEOUT}s");
            self.problems.push(
                Diagnostic::error("E237", span, message)
                    .help("write a number and `s` or `m`, such as `10s`"),
            );
        }
        seconds.map(Duration::from_secs)
    }

    fn labels(
        &mut self,
        labels: BTreeMap<String, String>,
        node: &Node,
    ) -> BTreeMap<String, String> {
        for (key, value) in &labels {
            if !is_label_key(key) || !is_label_value(value) {
                let span = node.span_at(&["labels", key]);
                let message = format!("`{key}: {value}` is not a label");
                self.problems.push(
                    Diagnostic::error("E322", span, message).help(
                        "a label holds letters, digits, `-`, `_` and `.`, at most 63 of them",
                    ),
                );
            }
        }
        labels
    }

    fn vars(&mut self, vars: BTreeMap<String, VarValue>, node: &Node) -> BTreeMap<String, String> {
        for entry in node.get("vars").map(Node::entries).unwrap_or_default() {
            if !vars::is_name(&entry.key) || entry.key.contains('.') {
                let message = format!("`{}` is not a name of a variable", entry.key);
                self.problems.push(
                    Diagnostic::error("E323", entry.key_span, message)
                        .help("start with a letter, then letters, digits, `_` and `-`"),
                );
            }
        }
        vars.into_iter()
            .map(|(name, VarValue(value))| (name, value))
            .collect()
    }

    fn check(&mut self, verdict: Result<(), AddressError>, span: Span) {
        let Err(AddressError { code, reason, help }) = verdict else {
            return;
        };
        let problem = Diagnostic::error(code, span, reason);
        self.problems.push(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }
}

fn host(name: HostName, declared: &Declared, defaults: &Declared, span: Span) -> Host {
    let ssh = declared.ssh.or(&defaults.ssh);
    let is_root = ssh
        .user
        .as_ref()
        .is_some_and(|user| user.as_str() == "root");
    let os = declared.os.or(defaults.os).unwrap_or_default();
    let privilege = match os {
        Os::Windows => Become::None,
        Os::Linux => {
            let usual = if is_root { Become::None } else { Become::Sudo };
            declared.privilege.or(defaults.privilege).unwrap_or(usual)
        }
    };
    Host {
        address: declared.address.clone().unwrap_or_else(|| name.to_string()),
        name,
        os,
        ssh,
        privilege,
        labels: joined(&declared.labels, &defaults.labels),
        vars: joined(&declared.vars, &defaults.vars),
        span,
    }
}

impl Ssh {
    /// Returns these settings, filled up from others.
    fn or(&self, others: &Self) -> Self {
        let own = self.clone();
        let others = others.clone();
        Self {
            user: own.user.or(others.user),
            port: own.port.or(others.port),
            identity_file: own.identity_file.or(others.identity_file),
            jump: own.jump.or(others.jump),
            known_hosts: own.known_hosts.or(others.known_hosts),
            connect_timeout: own.connect_timeout.or(others.connect_timeout),
        }
    }
}

fn joined(
    own: &BTreeMap<String, String>,
    others: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut joined = others.clone();
    joined.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
    joined
}

fn defaults_address(body: &Node) -> Option<&Entry> {
    let defaults = body.get("defaults")?;
    let of_ssh = || defaults.get("ssh")?.entry("address");
    defaults.entry("address").or_else(of_ssh)
}

fn is_label_key(text: &str) -> bool {
    let name = match text.split_once('/') {
        Some((prefix, name)) if prefix.parse::<HostName>().is_ok() => name,
        Some(_) => return false,
        None => text,
    };
    !name.is_empty() && is_label_value(name)
}

fn is_label_value(text: &str) -> bool {
    let is_end = |c: char| c.is_ascii_alphanumeric();
    text.len() <= LONGEST_LABEL
        && text
            .chars()
            .all(|c| is_end(c) || matches!(c, '-' | '_' | '.'))
        && (text.is_empty() || text.starts_with(is_end) && text.ends_with(is_end))
}

#[cfg(test)]
mod tests;
