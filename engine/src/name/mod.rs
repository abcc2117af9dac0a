//! Names and paths as validated types: one constructor each, so that a value that exists is safe to send to a host.
//!
//! The grammars are closed and ASCII, so that no name can be an option, a shell word, a `%` expansion or a second line.
//! A copy of a name shares its text: the same names are in every question, answer and plan of a fleet.

mod digest;
mod mode;
mod resource_id;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use digest::Digest;
pub use mode::FileMode;
pub use resource_id::ResourceId;

/// Why a text is not a name of the wanted type: a lowercase fragment, such as `a path must start with "/"`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NameError {
    /// What is wrong with it.
    pub reason: String,
    /// How to write it instead, if that is known.
    pub help: Option<String>,
}

impl NameError {
    fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Checks a text against the grammar that a schema's `format` names; an unknown format accepts everything.
pub fn check_format(format: &str, text: &str) -> Result<(), NameError> {
    match format {
        HostName::FORMAT => HostName::check(text),
        CheckId::FORMAT => CheckId::check(text),
        NodeName::FORMAT => NodeName::check(text),
        UserName::FORMAT => UserName::check(text),
        AbsPath::FORMAT => AbsPath::check(text),
        SysctlKey::FORMAT => SysctlKey::check(text),
        ModuleName::FORMAT => ModuleName::check(text),
        UnitName::FORMAT => UnitName::check(text),
        PackageName::FORMAT => PackageName::check(text),
        PackageVersion::FORMAT => PackageVersion::check(text),
        RepositoryName::FORMAT => RepositoryName::check(text),
        FileMode::FORMAT => FileMode::check(text),
        ResourceId::FORMAT => ResourceId::check(text),
        _ => Ok(()),
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $format:literal, $description:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The `format` that stands for this type in a schema.
            pub const FORMAT: &'static str = $format;

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::check(text)?;
                Ok(Self(Self::canonical(text).into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "description": $description })
            }
        }
    };
}

name_type!(
    /// The name of a host in the inventory, also handed to ssh: letters, digits, `.`, `-`, `_`; at most 253 bytes.
    HostName, "host-name", "a host name"
);
name_type!(
    /// The name of a check: `H` and three digits.
    CheckId, "check-id", "the name of a check such as H012"
);
name_type!(
    /// The name of a node of a cluster, as Kubernetes writes it (RFC 1123): lower-case letters, digits, `.` and `-`.
    NodeName, "node-name", "the name of a node of a cluster"
);
name_type!(
    /// A login name on a host.
    UserName, "user-name", "a user or group name"
);
name_type!(
    /// An absolute, literal, canonical path: no `.`, `..`, empty component, trailing slash or control character.
    AbsPath, "absolute-path", "an absolute path"
);
name_type!(
    /// A sysctl key in dotted form; a `/` stands for a literal dot, as in `net.ipv4.conf.eth0/100.forwarding`
    /// (sysctl.d(5)).
    SysctlKey, "sysctl-key", "a sysctl key such as net.ipv4.ip_forward"
);
name_type!(
    /// A kernel module in the kernel's own spelling: `-` is read as `_` (kmod treats both alike).
    ModuleName, "module-name", "a kernel module name"
);
name_type!(
    /// A systemd unit with its suffix, such as `containerd.service` (systemd.unit(5)).
    UnitName, "unit-name", "a systemd unit name with its suffix"
);
name_type!(
    /// The name of a package: of Debian (Debian policy 5.6.1) or an RPM package.
    PackageName, "package-name", "a package name"
);
name_type!(
    /// An exact version: of a Debian package (Debian policy 5.6.12), or `[EPOCH:]VERSION-RELEASE` of an RPM package.
    PackageVersion, "package-version", "an exact package version"
);
name_type!(
    /// The name of a package repository, and so of the files that define it (sources.list(5), dnf.conf(5)).
    RepositoryName, "repository-name", "the name of a package repository"
);

impl HostName {
    fn check(text: &str) -> Result<(), NameError> {
        check_word("a host name", text, 253, |c| matches!(c, '.' | '-' | '_'))
    }

    fn canonical(text: &str) -> Cow<'_, str> {
        text.into()
    }
}

impl CheckId {
    fn check(text: &str) -> Result<(), NameError> {
        match text.as_bytes() {
            [b'H', digits @ ..] if digits.len() == 3 && digits.iter().all(u8::is_ascii_digit) => {
                Ok(())
            }
            _ => Err(
                NameError::new(format!("`{text}` is not the name of a check"))
                    .help("write H and three digits, such as H012; `hardstand explain` lists all"),
            ),
        }
    }

    fn canonical(text: &str) -> String {
        text.to_owned()
    }
}

impl NodeName {
    fn check(text: &str) -> Result<(), NameError> {
        check_word("the name of a node", text, 253, |c| matches!(c, '.' | '-'))?;
        if text.contains(|c: char| c.is_ascii_uppercase()) {
            return Err(NameError::new("the name of a node is in lower case")
                .help(format!("write `{}`", text.to_ascii_lowercase())));
        }
        Ok(())
    }

    fn canonical(text: &str) -> String {
        text.to_owned()
    }
}

impl UserName {
    fn check(text: &str) -> Result<(), NameError> {
        if let Some(rest) = text.strip_prefix('_') {
            return Self::check(rest);
        }
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && text.parse::<u32>().is_ok_and(|number| number < u32::MAX) {
            return Ok(());
        }
        if is_number {
            return Err(NameError::new(format!(
                "the number of a user is at most {}",
                u32::MAX - 1
            )));
        }
        check_word("a user name", text, 32, |c| matches!(c, '.' | '-' | '_'))
    }

    fn canonical(text: &str) -> Cow<'_, str> {
        text.into()
    }
}

impl AbsPath {
    /// Returns the directory that holds the path; `/` for a path at the top.
    pub fn parent(&self) -> Self {
        match self.0.rfind('/') {
            Some(0) | None => Self("/".into()),
            Some(slash) => Self(self.0[..slash].into()),
        }
    }

    /// Returns the last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or("")
    }

    /// Returns the path of an entry below this one.
    pub fn join(&self, name: &str) -> Result<Self, NameError> {
        format!("{}/{name}", self.0.trim_end_matches('/')).parse()
    }

    /// Returns the path as Windows writes it, if it is one of Windows: `/C:/x` is `C:\x`, and `/pipe/x` is `\\.\pipe\x`.
    ///
    /// Paths of Windows hosts travel in the form that OpenSSH's sftp has for them. A component that Windows would read as
    /// another, such as one that ends with a dot, is none.
    pub fn on_windows(&self) -> Option<String> {
        if let Some(pipe) = self.0.strip_prefix("/pipe/") {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            return pipe
                .chars()
                .all(is_plain)
                .then(|| format!(r"\\.\pipe\{pipe}"));
        }
        let (drive, below) = self.0.strip_prefix('/')?.split_once(":/")?;
        let is_drive = drive.len() == 1 && drive.starts_with(|c: char| c.is_ascii_alphabetic());
        let is_name = |name: &str| {
            !name.ends_with(['.', ' ']) && !name.contains(['\\', ':', '*', '?', '"', '<', '>', '|'])
        };
        (is_drive && below.split('/').all(is_name))
            .then(|| format!(r"{drive}:\{}", below.replace('/', r"\")))
    }

    fn check(text: &str) -> Result<(), NameError> {
        if !text.starts_with('/') {
            let error = NameError::new("a path must be absolute and literal, starting with `/`");
            return Err(match text.strip_prefix("unix://") {
                Some(path) => error.help(format!("write `{path}`")),
                None => error,
            });
        }
        if text.len() > 4095 {
            return Err(NameError::new("a path may have at most 4095 bytes"));
        }
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~');
        if !text.bytes().all(is_plain)
            && let Some(c) = text.chars().find(|c| c.is_control() || !c.is_ascii())
        {
            return Err(NameError::new(format!(
                "a path may not hold the character {}",
                c.escape_unicode()
            )));
        }
        if text == "/" {
            return Ok(());
        }
        for component in text.as_bytes()[1..].split(|byte| *byte == b'/') {
            match component {
                b"" => {
                    return Err(NameError::new("a path may not hold an empty component")
                        .help("remove the doubled or trailing `/`"));
                }
                b"." | b".." => {
                    return Err(NameError::new(format!(
                        "a path may not hold the component `{}`",
                        component.escape_ascii()
                    ))
                    .help("write the path it leads to"));
                }
                _ if component.len() > 255 => {
                    return Err(NameError::new(
                        "a component of a path may have at most 255 bytes",
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn canonical(text: &str) -> Cow<'_, str> {
        text.into()
    }
}

impl SysctlKey {
    /// Returns the key as a path below `/proc/sys`, such as `net/ipv4/conf/eth0.100/forwarding`.
    pub fn proc_path(&self) -> String {
        let swapped = self.0.bytes().map(|byte| match byte {
            b'.' => b'/',
            b'/' => b'.',
            byte => byte,
        });
        String::from_utf8(swapped.collect()).expect("a key is ASCII")
    }

    /// Returns the key for a spelling found in a sysctl.d file: the first `.` or `/` met decides which of them separates
    /// (sysctl.d(5)).
    pub fn from_file(text: &str) -> Result<Self, NameError> {
        match text.find(['.', '/']) {
            Some(at) if text.as_bytes()[at] == b'/' => Self::from_proc_path(text),
            _ => text.parse(),
        }
    }

    fn from_proc_path(path: &str) -> Result<Self, NameError> {
        let dotted: String = path
            .chars()
            .map(|c| match c {
                '/' => '.',
                '.' => '/',
                c => c,
            })
            .collect();
        dotted.parse()
    }

    fn check(text: &str) -> Result<(), NameError> {
        let bad = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_' | '-'));
        if let Some(c) = text.chars().find(|c| bad(*c)) {
            return Err(NameError::new(format!(
                "a sysctl key may not hold the character {}",
                c.escape_debug()
            )));
        }
        if text
            .find(['.', '/'])
            .is_some_and(|at| text.as_bytes()[at] == b'/')
        {
            return Err(NameError::new("a sysctl key is written with dots")
                .help(format!("write `{}`", text.replace('/', "."))));
        }
        if !text.contains('.')
            || text
                .split('.')
                .any(|part| part.is_empty() || part.starts_with('/'))
        {
            return Err(NameError::new(
                "a sysctl key is two or more words joined by dots",
            ));
        }
        if text.contains("//") || text.len() > 255 {
            return Err(NameError::new("this is not a sysctl key"));
        }
        Ok(())
    }

    fn canonical(text: &str) -> Cow<'_, str> {
        text.into()
    }
}

impl ModuleName {
    fn check(text: &str) -> Result<(), NameError> {
        check_word("a module name", text, 64, |c| matches!(c, '-' | '_'))
    }

    fn canonical(text: &str) -> Cow<'_, str> {
        text.replace('-', "_").into()
    }
}

impl UnitName {
    const SUFFIXES: [&'static str; 7] = [
        ".service", ".socket", ".timer", ".path", ".mount", ".swap", ".target",
    ];

    fn check(text: &str) -> Result<(), NameError> {
        check_word("a unit name", text, 255, |c| {
            matches!(c, '.' | '-' | '_' | '@' | ':' | '\\')
        })?;
        let Some(stem) = Self::SUFFIXES
            .iter()
            .find_map(|suffix| text.strip_suffix(suffix))
        else {
            return Err(NameError::new("a unit name needs its suffix")
                .help(format!("write `{text}.service`")));
        };
        if stem.ends_with('@') {
            return Err(NameError::new("a template unit needs an instance")
                .help(format!("write `{stem}NAME{}`", &text[stem.len()..])));
        }
        Ok(())
    }

    fn canonical(text: &str) -> Cow<'_, str> {
        text.into()
    }
}

impl PackageName {
    fn check(text: &str) -> Result<(), NameError> {
        check_word("a package name", text, 128, |c| {
            matches!(c, '.' | '-' | '+' | '_')
        })
    }

    fn canonical(text: &str) -> Cow<'_, str> {
        text.into()
    }
}

impl PackageVersion {
    fn check(text: &str) -> Result<(), NameError> {
        check_word("a package version", text, 128, |c| {
            matches!(c, '.' | '-' | '+' | '~' | ':' | '^' | '_')
        })
    }

    fn canonical(text: &str) -> String {
        text.to_owned()
    }
}

impl RepositoryName {
    fn check(text: &str) -> Result<(), NameError> {
        check_word("a repository name", text, 64, |c| {
            matches!(c, '.' | '-' | '_')
        })
    }

    fn canonical(text: &str) -> Cow<'_, str> {
        text.into()
    }
}

fn check_word(
    what: &str,
    text: &str,
    longest: usize,
    also: fn(char) -> bool,
) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::new(format!("{what} may not be empty")));
    }
    if text.len() > longest {
        return Err(NameError::new(format!(
            "{what} may have at most {longest} characters"
        )));
    }
    if let Some(c) = text
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || also(*c)))
    {
        return Err(NameError::new(format!(
            "{what} may not hold the character `{}`",
            c.escape_debug()
        )));
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(NameError::new(format!(
            "{what} must start with a letter or a digit"
        )));
    }
    Ok(())
}
