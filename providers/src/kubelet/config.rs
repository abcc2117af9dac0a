//! The text of a KubeletConfiguration, of which one top-level line is read and edited.

/// What the kubelet takes where its file names no driver.
pub(super) const DEFAULT_DRIVER: &str = "cgroupfs";
const KEY: &str = "cgroupDriver";

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
    /// The key stands there more than once.
    #[error("it sets cgroupDriver more than once")]
    Twice,
    /// The value of the key is no plain word.
    #[error("the value of cgroupDriver is no plain word")]
    OddValue,
}

/// A config file and the line in it that sets the driver.
#[derive(Debug)]
pub(super) struct Config<'a> {
    text: &'a str,
    value: Option<(usize, &'a str)>,
}

impl<'a> Config<'a> {
    /// Reads a config file.
    pub(super) fn read(text: &'a str) -> Result<Self, ConfigError> {
        let mut config = Self { text, value: None };
        let mut is_kubelet = false;
        let mut has_content = false;
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
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
            let Some((key, value)) = top_level(line) else {
                continue;
            };
            has_content = true;
            is_kubelet |= key == "kind" && word(value) == Some("KubeletConfiguration");
            if key == KEY {
                if config.value.is_some() {
                    return Err(ConfigError::Twice);
                }
                let value = word(value).ok_or(ConfigError::OddValue)?;
                let at = start + (value.as_ptr() as usize - line.as_ptr() as usize);
                config.value = Some((at, value));
            }
        }
        if is_kubelet {
            Ok(config)
        } else {
            Err(ConfigError::OtherKind)
        }
    }

    /// Returns the driver it sets.
    pub(super) fn driver(&self) -> Option<&'a str> {
        self.value
            .map(|(_, value)| value)
            .filter(|value| !value.is_empty())
    }

    /// Returns the text with another driver and every other byte as it was.
    pub(super) fn with_driver(&self, driver: &str) -> String {
        match self.value {
            Some((at, value)) => {
                let (before, after) = (&self.text[..at], &self.text[at + value.len()..]);
                let space = if before.ends_with(':') { " " } else { "" };
                format!("{before}{space}{driver}{after}")
            }
            None => {
                let newline = if self.text.ends_with('\n') { "" } else { "\n" };
                format!("{}{newline}{KEY}: {driver}\n", self.text)
            }
        }
    }
}

/// Returns a configuration that says nothing else.
pub(super) fn minimal(driver: &str) -> String {
    format!(
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n{KEY}: {driver}\n"
    )
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
    inner
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric())
        .then_some(inner)
}
