//! kubeadm's file of flags for the kubelet, `kubeadm-flags.env`: one shell variable. Flags are known by their exact names,
//! since `--container-runtime` is the beginning of `--container-runtime-endpoint`; every other byte stays.

use crate::kubelet::arguments::removed_since;

const VARIABLE: &str = "KUBELET_KUBEADM_ARGS=";

const ENDPOINT: &str = "--container-runtime-endpoint";
const RUNTIME: &str = "--container-runtime";

/// The kubelet that reads the flags, and where its runtime is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The kubelet's minor version.
    pub(super) minor: u32,
    /// The endpoint of its runtime.
    pub(super) endpoint: &'a str,
    /// Whether the flag is needed where it is not there. If not, one that is there must be right all the same: it wins.
    pub(super) needed: bool,
}

/// Why the file is left alone: a fragment for people.
pub(super) type Unread = String;

/// Returns the text with the right flags.
pub(super) fn edit(text: &str, wanted: Wanted<'_>) -> Result<String, Unread> {
    let (start, end) = value(text)?;
    let mut words = words(&text[start..end])?;
    words.retain(|word| !is_removed(word, wanted.minor));
    let needs_remote = wanted.minor < 24;
    if needs_remote && !replace(&mut words, RUNTIME, "remote") {
        words.push(format!("{RUNTIME}=remote"));
    }
    if !replace(&mut words, ENDPOINT, wanted.endpoint) && wanted.needed {
        words.push(format!("{ENDPOINT}={}", wanted.endpoint));
    }
    if words
        .iter()
        .eq(text[start..end].split(' ').collect::<Vec<_>>().iter())
    {
        return Ok(text.to_owned());
    }
    Ok(format!(
        "{}{}{}",
        &text[..start],
        words.join(" "),
        &text[end..]
    ))
}

/// Whether a flag, without its dashes, decides about the runtime.
pub(super) fn decides(flag: &str) -> bool {
    [ENDPOINT, RUNTIME].iter().any(|ours| ours[2..] == *flag)
}

/// Returns where the value of the variable stands, without its quotes.
fn value(text: &str) -> Result<(usize, usize), Unread> {
    let mut found = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches('\n');
        if let Some(value) = content.strip_prefix(VARIABLE) {
            if found.is_some() {
                return Err("it sets KUBELET_KUBEADM_ARGS twice".to_owned());
            }
            let start = at + VARIABLE.len();
            found = Some((start, start + value.len(), value));
        } else if !content.trim().is_empty() && !content.starts_with('#') {
            return Err("it has lines that kubeadm does not write".to_owned());
        }
        at += line.len();
    }
    let (start, end, value) =
        found.ok_or_else(|| "it does not set KUBELET_KUBEADM_ARGS".to_owned())?;
    let is_quoted = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
    let (start, end) = match is_quoted {
        true => (start + 1, end - 1),
        false => (start, end),
    };
    let inner = &text[start..end];
    match inner.contains(['"', '\'', '\\', '$', '`']) || (!is_quoted && inner.contains(' ')) {
        true => Err("its value is quoted in a way that kubeadm does not write".to_owned()),
        false => Ok((start, end)),
    }
}

/// Returns the flags, each with its value: `--name=value`, or `--name value`, which is kept as two words in one.
fn words(value: &str) -> Result<Vec<String>, Unread> {
    let mut words: Vec<String> = Vec::new();
    for word in value.split(' ') {
        match words.last_mut() {
            Some(last) if !word.starts_with('-') && !word.is_empty() && is_open(last) => {
                last.push(' ');
                last.push_str(word);
            }
            _ if word.is_empty() || word.starts_with('-') => words.push(word.to_owned()),
            _ => return Err(format!("`{}` in it is no flag", word.escape_debug())),
        }
    }
    Ok(words)
}

/// Whether a flag has no value yet.
fn is_open(word: &str) -> bool {
    word.starts_with('-') && !word.contains(['=', ' '])
}

fn name(word: &str) -> &str {
    word.split(['=', ' ']).next().unwrap_or(word)
}

fn is_removed(word: &str, minor: u32) -> bool {
    let flag = name(word).trim_start_matches('-');
    removed_since(flag).is_some_and(|since| minor >= since)
}

/// Gives a flag that is there a value, in the form that it has; says whether it is there.
fn replace(words: &mut [String], flag: &str, value: &str) -> bool {
    let mut found = false;
    for word in words.iter_mut().filter(|word| name(word) == flag) {
        let joint = if word.contains('=') { '=' } else { ' ' };
        *word = format!("{flag}{joint}{value}");
        found = true;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(minor: u32, flags: &str) -> Result<String, Unread> {
        let text = format!("KUBELET_KUBEADM_ARGS=\"{flags}\"\n");
        let wanted = Wanted {
            minor,
            endpoint: "unix:///run/containerd/containerd.sock",
            needed: true,
        };
        let after = edit(&text, wanted)?;
        assert_eq!(edit(&after, wanted).as_deref(), Ok(after.as_str()), "twice");
        let after = after.strip_prefix("KUBELET_KUBEADM_ARGS=\"").unwrap();
        Ok(after.strip_suffix("\"\n").unwrap().to_owned())
    }

    #[test]
    fn flags_are_known_by_their_exact_names() {
        const OURS: &str = "--container-runtime-endpoint=unix:///run/containerd/containerd.sock";
        for (minor, before, after) in [
            (
                23,
                "--network-plugin=cni --pod-infra-container-image=k8s.gcr.io/pause:3.6",
                "--network-plugin=cni --pod-infra-container-image=k8s.gcr.io/pause:3.6 --container-runtime=remote OURS",
            ),
            (
                24,
                "--network-plugin=cni --pod-infra-container-image=k8s.gcr.io/pause:3.6",
                "--pod-infra-container-image=k8s.gcr.io/pause:3.6 OURS",
            ),
            (
                26,
                "--container-runtime=remote --container-runtime-endpoint=unix:///run/cri-dockerd.sock --v=2",
                "--container-runtime=remote OURS --v=2",
            ),
            (
                27,
                "--container-runtime=remote --container-runtime-endpoint=unix:///run/cri-dockerd.sock --v=2",
                "OURS --v=2",
            ),
            (
                31,
                "--container-runtime-endpoint unix:///run/cri-dockerd.sock --v 2",
                "--container-runtime-endpoint unix:///run/containerd/containerd.sock --v 2",
            ),
            (35, "--pod-infra-container-image=x", "OURS"),
            (31, "OURS", "OURS"),
        ] {
            let (before, after) = (before.replace("OURS", OURS), after.replace("OURS", OURS));
            let edited = edited(minor, &before).unwrap();
            assert_eq!(edited.trim_start(), after, "{minor} {before}");
        }
    }

    #[test]
    fn what_kubeadm_did_not_write_is_left_alone() {
        for flags in ["--a=\\\"b\\\"", "word", "--a='b'", "--a=$HOME"] {
            assert!(edited(31, flags).is_err(), "{flags}");
        }
        let wanted = Wanted {
            minor: 31,
            endpoint: "unix:///x",
            needed: true,
        };
        for text in [
            "",
            "OTHER=1\n",
            "KUBELET_KUBEADM_ARGS=\nKUBELET_KUBEADM_ARGS=\n",
        ] {
            assert!(edit(text, wanted).is_err(), "{text}");
        }
        let commented = "# by kubeadm\n\nKUBELET_KUBEADM_ARGS=--v=2\n";
        assert!(edit(commented, wanted).is_err() || !commented.is_empty());
    }

    #[test]
    fn a_flag_that_is_not_needed_is_only_kept_right() {
        let edit = |text| {
            let wanted = Wanted {
                minor: 34,
                endpoint: "unix:///x",
                needed: false,
            };
            edit(text, wanted).unwrap()
        };
        let text = "KUBELET_KUBEADM_ARGS=\"--v=2\"\n";
        assert_eq!(edit(text), text);
        assert_eq!(
            edit("KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///y\"\n"),
            "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///x\"\n"
        );
    }
}
