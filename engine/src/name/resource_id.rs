//! What resources are called.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Digest, NameError};

/// What a resource is called: its kind and its name, shown as `sysctl/net.ipv4.ip_forward` or `file//etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// Both with a slash between. No letter of a kind is below the slash, so ids are ordered by kind and then by name.
    text: Arc<str>,
    /// Length of the kind.
    kind: usize,
}

impl ResourceId {
    /// The `format` that stands for this type in a schema.
    pub const FORMAT: &'static str = "resource-id";

    /// Returns the id of a resource whose kind and name are already validated.
    pub fn new(kind: &str, name: impl fmt::Display) -> Self {
        Self {
            text: format!("{kind}/{name}").into(),
            kind: kind.len(),
        }
    }

    /// Returns the kind, such as `sysctl`.
    pub fn kind(&self) -> &str {
        &self.text[..self.kind]
    }

    /// Returns the name within the kind.
    pub fn name(&self) -> &str {
        &self.text[self.kind + 1..]
    }

    /// Returns the name of the host's record of this resource: 32 hex digits, safe as a file name.
    pub fn record_name(&self) -> String {
        Digest::of(self.text.as_bytes()).as_str()[..32].to_owned()
    }

    pub(super) fn check(text: &str) -> Result<(), NameError> {
        match text.split_once('/') {
            Some((kind, name))
                if !kind.is_empty()
                    && !name.is_empty()
                    && kind.bytes().all(|byte| byte.is_ascii_lowercase())
                    && !name.chars().any(char::is_control) =>
            {
                Ok(())
            }
            _ => Err(NameError::new(format!("`{text}` is not a resource")).help(
                "write kind/name, such as `service/containerd.service` or `file//etc/hosts`",
            )),
        }
    }
}

impl FromStr for ResourceId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::check(text)?;
        let (kind, name) = text.split_once('/').expect("checked to hold a slash");
        Ok(Self::new(kind, name))
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for ResourceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for ResourceId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ResourceId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": Self::FORMAT, "description": "a resource as kind/name" })
    }
}
