//! The text of a KubeletConfiguration, of which a few top-level lines are read and edited. Every other byte stays, since
//! kubeadm or a person wrote it.

use std::collections::BTreeMap;

use super::field::Field;

/// Why a config file is left alone.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConfigError {
    /// It holds no configuration of the kubelet.
    #[error("it holds no KubeletConfiguration")]
    OtherKind,
    /// It is written as JSON, or as one flow map.
    #[error("it is not written in block style")]
    FlowStyle,
    /// It holds several documents.
    #[error("it holds several YAML documents")]
    SeveralDocuments,
    /// A key stands there more than once.
    #[error("it sets {0} more than once")]
    Twice(&'static str),
    /// The value of a key is no plain word.
    #[error("the value of {0} is no plain word")]
    OddValue(&'static str),
}

/// A config file and the lines in it that set something.
#[derive(Debug, Clone)]
pub(super) struct Config<'a> {
    text: &'a str,
    values: BTreeMap<Field, Value<'a>>,
}

/// A value as it is written.
#[derive(Debug, Clone, Copy)]
struct Value<'a> {
    /// Where it starts in the text.
    at: usize,
    /// The number of its line.
    line: usize,
    /// The value, without quotes.
    word: &'a str,
}

impl<'a> Config<'a> {
    /// Reads a config file.
    pub(super) fn read(text: &'a str) -> Result<Self, ConfigError> {
        let mut values = BTreeMap::new();
        let mut is_kubelet = false;
        let mut has_content = false;
        let mut last = None;
        let mut offset = 0;
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let start = offset;
            offset += line.len();
            if line.starts_with(['{', '[']) {
                return Err(ConfigError::FlowStyle);
            }
            if line.starts_with("---") || line.starts_with("...") {
                if has_content {
                    return Err(ConfigError::SeveralDocuments);
                }
                continue;
            }
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let Some((key, value)) = top_level(line) else {
                // What a value goes on with, unless it is a comment.
                if let Some(field) = last
                    && !line.trim_start().starts_with('#')
                {
                    return Err(ConfigError::OddValue(Field::key(field)));
                }
                continue;
            };
            has_content = true;
            is_kubelet |= key == "kind" && word(value) == Some("KubeletConfiguration");
            last = Field::ALL.into_iter().find(|field| field.key() == key);
            if let Some(field) = last {
                let word = word(value).ok_or(ConfigError::OddValue(field.key()))?;
                let value = Value {
                    at: start + (word.as_ptr() as usize - line.as_ptr() as usize),
                    line: index + 1,
                    word,
                };
                if values.insert(field, value).is_some() {
                    return Err(ConfigError::Twice(field.key()));
                }
            }
        }
        match is_kubelet {
            true => Ok(Self { text, values }),
            false => Err(ConfigError::OtherKind),
        }
    }

    /// Returns what it sets a field to; none if it leaves the field to the kubelet.
    pub(super) fn get(&self, field: Field) -> Option<&'a str> {
        let value = self.values.get(&field)?;
        (!matches!(value.word, "" | "~" | "null")).then_some(value.word)
    }

    /// Returns the number of the line that sets a field.
    pub(super) fn line(&self, field: Field) -> Option<usize> {
        Some(self.values.get(&field)?.line)
    }

    /// Returns the whole text.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Returns the text with other values, and every other byte as it was. A value that means the same stays as it is written.
    pub(super) fn with(&self, settings: &BTreeMap<Field, String>) -> String {
        let differs = |field: &Field, wanted: &str| {
            self.get(*field)
                .is_none_or(|value| !field.is_same(value, wanted))
        };
        let mut text = self.text.to_owned();
        let (present, absent): (Vec<_>, Vec<_>) = settings
            .iter()
            .filter(|(field, wanted)| differs(field, wanted))
            .partition(|(field, _)| self.values.contains_key(field));
        let mut edits: Vec<_> = present
            .iter()
            .filter_map(|(field, wanted)| Some((self.values.get(field)?, wanted)))
            .collect();
        edits.sort_by_key(|(value, _)| std::cmp::Reverse(value.at));
        for (Value { at, word, .. }, wanted) in edits {
            let space = if text[..*at].ends_with(':') { " " } else { "" };
            text.replace_range(*at..*at + word.len(), &format!("{space}{wanted}"));
        }
        let last_break = text.rfind('\n');
        let end = match last_break.is_some_and(|at| text[..at].ends_with('\r')) {
            true => "\r\n",
            false => "\n",
        };
        for (field, wanted) in absent {
            if !text.ends_with('\n') {
                text.push_str(end);
            }
            text.push_str(&format!("{}: {wanted}{end}", field.key()));
        }
        text
    }
}

/// Returns the endpoint that a KubeletConfiguration sets, with its line.
pub(crate) fn endpoint_in(text: &str) -> Result<Option<(String, usize)>, String> {
    let config = Config::read(text).map_err(|error| error.to_string())?;
    let field = Field::ContainerRuntimeEndpoint;
    Ok(config
        .get(field)
        .and_then(|value| Some((value.to_owned(), config.line(field)?))))
}

/// Returns a configuration that says nothing else.
pub(super) fn minimal(settings: &BTreeMap<Field, String>) -> String {
    let lines: String = settings
        .iter()
        .map(|(field, wanted)| line(*field, wanted))
        .collect();
    format!("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n{lines}")
}

fn line(field: Field, value: &str) -> String {
    format!("{}: {value}\n", field.key())
}

/// Returns key and value of a line that is not indented.
fn top_level(line: &str) -> Option<(&str, &str)> {
    if line.starts_with([' ', '\t', '#', '-']) {
        return None;
    }
    let (key, value) = line.split_once(':')?;
    Some((key.trim().trim_matches(['"', '\'']), value))
}

/// Returns the plain or quoted word that a value is, without the quotes; it may be empty.
fn word(value: &str) -> Option<&str> {
    let value = match value.find(" #") {
        Some(comment) => &value[..comment],
        None => value,
    };
    let value = value.trim();
    let inner = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/._-~".contains(&byte);
    (inner.bytes().all(is_plain) && !inner.starts_with('-')).then_some(inner)
}
