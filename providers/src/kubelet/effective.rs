//! Which value of a field the kubelet takes, and where it comes from: flags win over the drop-ins of the config directory,
//! the last of them over the others, those over the config file, and that over what is built in.

use super::arguments::Arguments;
use super::config::{Config, ConfigError};
use super::field::Field;
use crate::confdir::Fragment;

/// The value that the kubelet takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effective {
    /// The value, as it is written.
    pub(crate) value: String,
    /// Where it comes from.
    pub(crate) origin: Origin,
}

/// Where a value comes from, as `file:line`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag.
    Flag(String),
    /// A drop-in of the config directory.
    DropIn(String),
    /// The config file.
    Config(String),
    /// The kubelet itself.
    BuiltIn,
}

/// Everything that configures a kubelet.
#[derive(Debug, Clone)]
pub(super) struct Layers<'a> {
    /// Its command line.
    pub(super) arguments: &'a Arguments,
    /// The drop-ins of its config directory with their paths, in the order in which they are read.
    pub(super) drop_ins: Vec<(String, Config<'a>)>,
    /// Its config file with its path, if it reads one.
    pub(super) config: Option<(String, Config<'a>)>,
}

/// A file of the configuration that is not read, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// Where it stands.
    pub(super) path: String,
    /// Why.
    pub(super) error: ConfigError,
}

impl<'a> Layers<'a> {
    /// Reads the files that configure a kubelet: the drop-ins in their order, and the config file below them.
    pub(super) fn read(
        arguments: &'a Arguments,
        drop_ins: &'a [Fragment<'_>],
        config: Option<&'a Fragment<'_>>,
    ) -> Result<Self, Unreadable> {
        let read = |file: &'a Fragment<'_>| match Config::read(&file.text) {
            Ok(config) => Ok((file.path.to_string(), config)),
            Err(error) => Err(Unreadable {
                path: file.path.to_string(),
                error,
            }),
        };
        Ok(Self {
            arguments,
            drop_ins: drop_ins.iter().map(read).collect::<Result<_, _>>()?,
            config: config.map(read).transpose()?,
        })
    }
}

impl Layers<'_> {
    /// Returns the value of a field that the kubelet takes.
    pub(super) fn effective(&self, field: Field) -> Effective {
        self.by_flag(field)
            .or_else(|| {
                let mut drop_ins = self.drop_ins.iter().rev();
                drop_ins.find_map(|drop_in| in_file(drop_in, field, Origin::DropIn))
            })
            .or_else(|| in_file(self.config.as_ref()?, field, Origin::Config))
            .unwrap_or_else(|| Effective {
                value: field.default().to_owned(),
                origin: Origin::BuiltIn,
            })
    }

    /// Whether a feature gate, or a field that is true or false, is switched off anywhere.
    pub(super) fn switches_off(&self, gate: &str) -> bool {
        let by_flag = self.arguments.all("feature-gates").any(|flag| {
            let value = flag.value.as_deref().unwrap_or_default();
            value.contains(&format!("{gate}=false"))
        });
        let files = self.drop_ins.iter().chain(&self.config);
        by_flag
            || files
                .flat_map(|(_, config)| config.text().lines())
                .filter(|line| !line.trim_start().starts_with('#'))
                .any(|line| {
                    let words: Vec<_> = line.split([':', ' ', '"', '{', '}', ',']).collect();
                    words.contains(&gate) && words.contains(&"false")
                })
    }

    fn by_flag(&self, field: Field) -> Option<Effective> {
        let flag = self.arguments.last(field.flag())?;
        Some(Effective {
            value: flag
                .value
                .clone()
                .unwrap_or_else(|| field.bare_flag().to_owned()),
            origin: Origin::Flag(flag.place.clone()),
        })
    }
}

fn in_file(
    (path, config): &(String, Config<'_>),
    field: Field,
    origin: fn(String) -> Origin,
) -> Option<Effective> {
    let value = config.get(field)?;
    let place = match config.line(field) {
        Some(line) => format!("{path}:{line}"),
        None => path.clone(),
    };
    Some(Effective {
        value: value.to_owned(),
        origin: origin(place),
    })
}
