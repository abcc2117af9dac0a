//! The fields of an inventory as they are written; their doc comments are also what editors show.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::Become;
use crate::facts::Os;
use crate::name::UserName;

/// What an inventory holds beside its envelope.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "it is read host by host, to tell the hosts apart; only its schema is used"
)]
pub(super) struct InventoryFields {
    /// Fields for every host of this document that does not set them itself.
    defaults: Option<HostFields>,
    /// The hosts by name; a name may be a range such as `worker[01-20]`.
    #[schemars(extend("minProperties" = 1))]
    hosts: BTreeMap<String, Option<HostFields>>,
}

/// Fields of a host.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HostFields {
    /// Host name or IP address to reach it at, if not its name.
    pub(super) address: Option<String>,
    /// Its operating system: `linux` (the default) or `windows`, which is reached over OpenSSH by an administrator.
    pub(super) os: Option<Os>,
    /// How ssh reaches it.
    pub(super) ssh: Option<SshFields>,
    /// How privileges are gained: `sudo`, or `none` where the login user is root. It is always `none` on Windows.
    pub(super) r#become: Option<Become>,
    /// Labels, for selectors.
    pub(super) labels: Option<BTreeMap<String, String>>,
    /// Values for `${name}` in specs.
    pub(super) vars: Option<BTreeMap<String, VarValue>>,
}

/// How ssh reaches a host. What is not set is left to the configuration of ssh.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SshFields {
    /// As `address` of the host.
    pub(super) address: Option<String>,
    /// Login name.
    pub(super) user: Option<UserName>,
    /// Port.
    #[schemars(extend("format" = "port", "minimum" = 1))]
    pub(super) port: Option<u16>,
    /// Private key to log in with; relative to the inventory, or under `~/`.
    pub(super) identity_file: Option<String>,
    /// Hosts to go through, each `[user@]host[:port]`, the nearest first.
    pub(super) jump: Option<JumpField>,
    /// File of known host keys; relative to the inventory, or under `~/`.
    pub(super) known_hosts: Option<String>,
    /// How long to wait for a connection, such as `10s`.
    pub(super) connect_timeout: Option<String>,
}

/// Jump hosts, as one text or a list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum JumpField {
    /// Hosts with commas between.
    Text(String),
    /// Hosts, each a text.
    List(Vec<String>),
}

/// The value of a variable: a text, a whole number or a boolean, kept as text.
#[derive(Debug, Clone)]
pub(super) struct VarValue(pub(super) String);

impl JsonSchema for VarValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "VarValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer", "boolean"] })
    }
}

impl<'de> Deserialize<'de> for VarValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VarVisitor)
    }
}

struct VarVisitor;

impl Visitor<'_> for VarVisitor {
    type Value = VarValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a whole number or a boolean")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<VarValue, E> {
        Ok(VarValue(value.to_owned()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<VarValue, E> {
        Ok(VarValue(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<VarValue, E> {
        Ok(VarValue(value.to_string()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<VarValue, E> {
        Ok(VarValue(value.to_string()))
    }
}
