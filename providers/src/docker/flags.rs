//! The flags of dockerd, and which of them the configuration file must not name too: dockerd then refuses to start
//! (moby#22339, moby#25471).

use std::collections::BTreeMap;

use engine::question::{FileState, Observed, Question, RegularFile, Unanswered};

use crate::confdir::Fragment;
use crate::section::constant_path;
use crate::unitfile::{Assignment, UnitText, words};

/// Files that distributions let a unit read its environment from.
const ENVIRONMENT_FILES: [&str; 2] = ["/etc/default/docker", "/etc/sysconfig/docker"];

/// A flag of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flag {
    /// Its long name, without dashes.
    pub(crate) name: String,
    /// Its value, if it has one.
    pub(crate) value: Option<String>,
    /// Where it stands, as `file:line`.
    pub(crate) place: String,
}

/// Short flags with their long names.
const SHORT: [(&str, &str); 7] = [
    ("-b", "bridge"),
    ("-D", "debug"),
    ("-G", "group"),
    ("-g", "data-root"),
    ("-H", "host"),
    ("-l", "log-level"),
    ("-s", "storage-driver"),
];

/// Flags that the file calls by another name.
const RENAMED: [(&str, &str); 15] = [
    ("authorization-plugin", "authorization-plugins"),
    ("cdi-spec-dir", "cdi-spec-dirs"),
    ("default-address-pool", "default-address-pools"),
    ("default-ulimit", "default-ulimits"),
    ("dns-opt", "dns-opts"),
    ("exec-opt", "exec-opts"),
    ("graph", "data-root"),
    ("host", "hosts"),
    ("insecure-registry", "insecure-registries"),
    ("label", "labels"),
    ("log-opt", "log-opts"),
    ("node-generic-resource", "node-generic-resources"),
    ("registry-mirror", "registry-mirrors"),
    ("storage-opt", "storage-opts"),
    ("add-runtime", "runtimes"),
];

/// Flags without a value. Others take the next word, unless the value follows a `=`.
const SWITCHES: [&str; 22] = [
    "allow-direct-routing",
    "cri-containerd",
    "debug",
    "experimental",
    "help",
    "icc",
    "init",
    "ip-forward",
    "ip-masq",
    "iptables",
    "ip6tables",
    "ipv6",
    "live-restore",
    "no-new-privileges",
    "raw-logs",
    "rootless",
    "selinux-enabled",
    "tls",
    "tlsverify",
    "userland-proxy",
    "validate",
    "version",
];

impl Flag {
    /// Returns the key of the configuration file that says the same.
    pub(crate) fn key(&self) -> &str {
        RENAMED
            .iter()
            .find(|(flag, _)| *flag == self.name)
            .map_or(self.name.as_str(), |(_, key)| key)
    }
}

/// Returns what must be asked, besides the text of the unit, to know the flags that it gives.
pub(crate) fn questions() -> impl Iterator<Item = Question> {
    ENVIRONMENT_FILES
        .map(|path| Question::File(constant_path(path)))
        .into_iter()
}

/// Returns the flags that a unit starts dockerd with.
pub(crate) fn given(text: &UnitText, answers: &Observed) -> Result<Vec<Flag>, Unanswered> {
    let Some(command) = text.exec_start() else {
        return Ok(Vec::new());
    };
    let mut files = Vec::new();
    for path in ENVIRONMENT_FILES.map(constant_path) {
        if let FileState::Regular(RegularFile {
            content: Some(content),
            ..
        }) = answers.file(&path)?
        {
            files.push(Fragment {
                path: path.to_string().into(),
                text: String::from_utf8_lossy(content),
            });
        }
    }
    Ok(flags(&command, &text.environment(&files)))
}

/// Returns the flags of a command, its variables filled in from an environment.
pub(crate) fn flags(command: &Assignment, environment: &BTreeMap<String, Assignment>) -> Vec<Flag> {
    let mut placed = Vec::new();
    for word in words(&command.value) {
        let name = word
            .strip_prefix("${")
            .and_then(|word| word.strip_suffix('}'))
            .or_else(|| word.strip_prefix('$'));
        match name {
            None => placed.push((word, &command.place)),
            Some(name) => {
                if let Some(Assignment { value, place }) = environment.get(name) {
                    placed.extend(words(value).into_iter().map(|word| (word, place)));
                }
            }
        }
    }
    let mut flags = Vec::new();
    let mut words = placed.into_iter().skip(1).peekable();
    while let Some((word, place)) = words.next() {
        let Some((name, mut value)) = flag(&word) else {
            continue;
        };
        if value.is_none() && !SWITCHES.contains(&name.as_str()) {
            value = words
                .next_if(|(next, _)| !next.starts_with('-'))
                .map(|(next, _)| next);
        }
        flags.push(Flag {
            name,
            value,
            place: place.clone(),
        });
    }
    flags
}

/// Returns the long name of a flag, and the value that is written with it.
fn flag(word: &str) -> Option<(String, Option<String>)> {
    if let Some(long) = word.strip_prefix("--") {
        return Some(match long.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (long.to_owned(), None),
        });
    }
    let (short, name) = SHORT.iter().find(|(short, _)| word.starts_with(short))?;
    let value = word[short.len()..].trim_start_matches('=');
    Some((
        (*name).to_owned(),
        (!value.is_empty()).then(|| value.to_owned()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_called_as_in_the_file() {
        let place = |value: &str, place: &str| Assignment {
            value: value.to_owned(),
            place: place.to_owned(),
        };
        let options = (
            "DOCKER_OPTS".to_owned(),
            place("--log-opt max-size=1m -D", "/b:2"),
        );
        let command = place(
            "/usr/bin/dockerd -H fd:// --exec-opt=native.cgroupdriver=systemd --live-restore -lwarn $DOCKER_OPTS $OTHER",
            "/a:1",
        );
        let found: Vec<_> = flags(&command, &BTreeMap::from([options]))
            .iter()
            .map(|flag| {
                (
                    flag.key().to_owned(),
                    flag.value.clone(),
                    flag.place.clone(),
                )
            })
            .collect();
        let expected = [
            ("hosts", Some("fd://"), "/a:1"),
            ("exec-opts", Some("native.cgroupdriver=systemd"), "/a:1"),
            ("live-restore", None, "/a:1"),
            ("log-level", Some("warn"), "/a:1"),
            ("log-opts", Some("max-size=1m"), "/b:2"),
            ("debug", None, "/b:2"),
        ]
        .map(|(key, value, place)| (key.to_owned(), value.map(str::to_owned), place.to_owned()));
        assert_eq!(found, expected);
    }
}
