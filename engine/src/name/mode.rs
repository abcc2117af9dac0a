//! File modes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::NameError;

/// The permission bits of a file, written as a quoted octal string such as `"0644"`; setuid, setgid and sticky are
/// refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileMode(u32);

impl FileMode {
    /// The `format` that stands for this type in a schema.
    pub const FORMAT: &'static str = "file-mode";

    /// Returns a mode that is known when the program is written.
    ///
    /// # Panics
    /// For bits outside `0o777`.
    pub const fn new(bits: u32) -> Self {
        assert!(bits <= 0o777, "only permission bits");
        Self(bits)
    }

    /// Returns the bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    pub(super) fn check(text: &str) -> Result<(), NameError> {
        let digits = text.strip_prefix('0').unwrap_or(text);
        if digits.len() == 3 && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
            return Ok(());
        }
        if text.len() == 4 && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
            return Err(NameError::new(format!(
                "mode `{text}` sets a setuid, setgid or sticky bit"
            ))
            .help("leave the first digit 0"));
        }
        Err(NameError::new(format!("`{text}` is not a file mode"))
            .help("write three octal digits, quoted, such as \"0644\""))
    }
}

impl FromStr for FileMode {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::check(text)?;
        u32::from_str_radix(text, 8)
            .map(Self)
            .map_err(|_| NameError::new(format!("`{text}` is not a file mode")))
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl Serialize for FileMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FileMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for FileMode {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "FileMode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": Self::FORMAT, "description": "a quoted octal mode such as \"0644\"" })
    }
}
