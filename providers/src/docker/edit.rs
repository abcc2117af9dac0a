//! Edits the text of `daemon.json` so that it says what is wanted. Pure: text in, text out.
//!
//! Only the keys that the spec speaks of change, and of `exec-opts` only the item about the cgroup driver. All else keeps
//! its bytes, its order and its indentation. JSON has no comments, so nothing in the file can say who wrote which key.

use std::collections::BTreeMap;

use engine::name::AbsPath;
use engine::resource::Difference;

use super::json::{self, Json, Value, indentation, quoted, quoted_list};
use crate::runtime::{CgroupDriver, Refusal};

/// What the file should say. What is none or empty is left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The cgroup driver.
    pub(super) driver: CgroupDriver,
    /// Whether containers outlive the daemon.
    pub(super) live_restore: Option<bool>,
    /// Where the output of containers goes.
    pub(super) log_driver: Option<String>,
    /// Options of the log driver.
    pub(super) log_opts: BTreeMap<String, String>,
    /// Where images and containers are kept.
    pub(super) data_root: Option<AbsPath>,
    /// Mirrors of Docker Hub.
    pub(super) registry_mirrors: Option<Vec<String>>,
}

/// An edited text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edited {
    /// The text.
    pub(super) text: String,
    /// What is different in it, by key; none if it was right.
    pub(super) differences: Vec<Difference>,
}

/// The name of the item of `exec-opts` that is about the cgroup driver.
const DRIVER: &str = "native.cgroupdriver";

/// What some editors begin a file with. It is not JSON, and dockerd 20.10 does not start with it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Keys of the file that the daemon reads again on SIGHUP.
const RELOADABLE: [&str; 5] = [
    "debug",
    "insecure-registries",
    "labels",
    "live-restore",
    "registry-mirrors",
];

/// Options of log drivers that are secret.
const SECRET_LOG_OPTS: [&str; 3] = ["logentries-token", "splunk-token", "gelf-token"];

/// Whether a changed key needs no more than a reload.
pub(super) fn is_reloadable(key: &str) -> bool {
    RELOADABLE.contains(&key)
}

/// Reads a file; an empty one says nothing, as to dockerd.
pub(crate) fn read(path: &AbsPath, text: &str) -> Result<Json, Refusal> {
    let is_empty = text.trim_start_matches(BYTE_ORDER_MARK).trim().is_empty();
    let text = if is_empty { "{}" } else { text };
    let root = json::parse(text).map_err(|error| {
        refused(
            format!("{path}:{error}"),
            "mend it by hand; JSON has no comments, no trailing commas, and each key once",
        )
    })?;
    match root.value {
        Value::Map(_) => Ok(root),
        _ => Err(refused(
            format!("{path} holds {} where an object belongs", root.kind()),
            "mend it by hand",
        )),
    }
}

/// Returns the driver that a file names. Of several dockerd 20.10 and 26 take the first, and 28 the last: all are named.
pub(super) fn driver(root: &Json) -> Option<String> {
    let items = root.get("exec-opts")?.texts()?;
    let mut drivers: Vec<_> = items.into_iter().filter_map(driver_of).collect();
    drivers.dedup();
    (!drivers.is_empty()).then(|| drivers.join(" or "))
}

/// Returns the driver that an item of `exec-opts` names. dockerd trims both sides of it, and takes its name in any case.
pub(super) fn driver_of(item: &str) -> Option<&str> {
    let (name, driver) = item.split_once('=')?;
    name.trim()
        .eq_ignore_ascii_case(DRIVER)
        .then(|| driver.trim())
}

/// Whether a file lets containers outlive the daemon.
pub(super) fn live_restore(root: &Json) -> bool {
    root.get("live-restore").and_then(Json::bool) == Some(true)
}

/// Whether a file holds a password or token, which a plan must not carry.
pub(super) fn holds_credentials(root: &Json) -> bool {
    let secret_option = root
        .get("log-opts")
        .into_iter()
        .flat_map(Json::members)
        .any(|option| SECRET_LOG_OPTS.contains(&option.key.as_str()));
    secret_option || names_a_password(root)
}

/// Edits a file so that it says what is wanted.
pub(super) fn edit(path: &AbsPath, text: &str, wanted: &Wanted) -> Result<Edited, Refusal> {
    let Wanted {
        driver,
        live_restore,
        log_driver,
        log_opts,
        data_root,
        registry_mirrors,
    } = wanted;
    let (text, has_mark) = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let text = match text.trim().is_empty() {
        true => "{}\n",
        false => text,
    };
    let mut draft = Draft {
        path,
        text: text.to_owned(),
        root: read(path, text)?,
        differences: Vec::new(),
    };
    if has_mark {
        draft.differences.push(Difference {
            attribute: "byte order mark".to_owned(),
            before: "present".to_owned(),
            after: String::new(),
        });
    }
    draft.set_driver(*driver)?;
    if let Some(live_restore) = live_restore {
        draft.set(&["live-restore"], &live_restore.to_string())?;
    }
    if let Some(log_driver) = log_driver {
        draft.set(&["log-driver"], &quoted(log_driver))?;
    }
    for (name, value) in log_opts {
        draft.set(&["log-opts", name], &quoted(value))?;
    }
    draft.check_log_opts()?;
    if let Some(data_root) = data_root {
        draft.set(&["data-root"], &quoted(data_root.as_str()))?;
    }
    if let Some(mirrors) = registry_mirrors {
        draft.set_list("registry-mirrors", mirrors)?;
    }
    Ok(Edited {
        text: draft.text,
        differences: draft.differences,
    })
}

/// A text that is being edited, and what it says.
struct Draft<'a> {
    path: &'a AbsPath,
    text: String,
    root: Json,
    differences: Vec<Difference>,
}

impl Draft<'_> {
    /// Puts a value, written as JSON, at a path of one or two keys.
    fn set(&mut self, keys: &[&str], value: &str) -> Result<(), Refusal> {
        let (last, above) = keys.split_last().expect("a key is set");
        let mut holder = &self.root;
        let mut outer = "";
        for key in above {
            match holder.get(key) {
                None => {
                    let step = indentation(&self.text).to_owned();
                    let value = format!("{{\n{step}{step}{}: {value}\n{step}}}", quoted(last));
                    let text = holder.with_member(&self.text, outer, key, &value);
                    return self.put(keys, None, text);
                }
                Some(map) if matches!(map.value, Value::Map(_)) => holder = map,
                Some(other) => {
                    return Err(refused(
                        format!(
                            "{}:{}: `{key}` is {}, and an object belongs there",
                            self.path,
                            json::line_of(&self.text, other.span.start),
                            other.kind()
                        ),
                        "mend it by hand",
                    ));
                }
            }
            outer = indentation(&self.text);
        }
        match holder.get(last) {
            Some(found) if self.text[found.span.clone()] == *value => Ok(()),
            Some(found) if same_value(found, value) => Ok(()),
            Some(found) => {
                let before = self.text[found.span.clone()].to_owned();
                let text = found.replaced(&self.text, value);
                self.put(keys, Some(before), text)
            }
            None => {
                let text = holder.with_member(&self.text, outer, last, value);
                self.put(keys, None, text)
            }
        }
    }

    fn set_list(&mut self, key: &str, items: &[String]) -> Result<(), Refusal> {
        let found = self.root.get(key).and_then(Json::texts);
        match found.is_some_and(|found| found == items) {
            true => Ok(()),
            false => self.set(&[key], &quoted_list(items.iter().map(String::as_str))),
        }
    }

    /// Sets the one item of `exec-opts` that names the driver, and keeps the others.
    fn set_driver(&mut self, driver: CgroupDriver) -> Result<(), Refusal> {
        let wanted = format!("{DRIVER}={}", driver.as_str());
        let Some(list) = self.root.get("exec-opts") else {
            return self.set(&["exec-opts"], &quoted_list([wanted.as_str()]));
        };
        let (Value::List(items), Some(texts)) = (&list.value, list.texts()) else {
            return Err(refused(
                format!(
                    "{}:{}: `exec-opts` is {}, and a list of strings belongs there",
                    self.path,
                    json::line_of(&self.text, list.span.start),
                    list.kind()
                ),
                "mend it by hand",
            ));
        };
        let ours: Vec<_> = texts
            .iter()
            .enumerate()
            .filter(|(_, text)| driver_of(text).is_some())
            .map(|(index, _)| index)
            .collect();
        match ours[..] {
            [one] if driver_of(texts[one]) == Some(driver.as_str()) => Ok(()),
            [one] => {
                let before = self.text[list.span.clone()].to_owned();
                let text = items[one].replaced(&self.text, &quoted(&wanted));
                self.put(&["exec-opts"], Some(before), text)
            }
            _ => {
                let others = texts.iter().copied();
                let others = others.filter(|text| driver_of(text).is_none());
                let value = quoted_list(others.chain([wanted.as_str()]));
                self.set(&["exec-opts"], &value)
            }
        }
    }

    /// dockerd 20.10 only finds out about these when it starts.
    fn check_log_opts(&self) -> Result<(), Refusal> {
        let options = self
            .root
            .get("log-opts")
            .into_iter()
            .flat_map(Json::members);
        for option in options {
            if option.value.text().is_none() {
                return Err(refused(
                    format!(
                        "{}:{}: `log-opts.{}` is {}, and dockerd takes only strings there",
                        self.path,
                        json::line_of(&self.text, option.start),
                        option.key.escape_debug(),
                        option.value.kind()
                    ),
                    "write it in `logOpts`, or put it in quotes by hand",
                ));
            }
        }
        Ok(())
    }

    fn put(&mut self, keys: &[&str], before: Option<String>, text: String) -> Result<(), Refusal> {
        self.root = read(self.path, &text)?;
        let mut value = Some(&self.root);
        for key in keys {
            value = value.and_then(|value| value.get(key));
        }
        let after = value.map_or("", |value| &text[value.span.clone()]);
        self.differences.push(Difference {
            attribute: keys.join("."),
            before: before.unwrap_or_default(),
            after: after.to_owned(),
        });
        self.text = text;
        Ok(())
    }
}

/// Whether a value says what another text of JSON says, such as with other escapes.
fn same_value(found: &Json, text: &str) -> bool {
    json::parse(text).is_ok_and(|other| match (&found.value, &other.value) {
        (Value::Text(found), Value::Text(other)) => found == other,
        (Value::Bool(found), Value::Bool(other)) => found == other,
        _ => false,
    })
}

/// Whether a text in the value is a URL with a password.
fn names_a_password(value: &Json) -> bool {
    match &value.value {
        Value::Text(text) => has_password(text),
        Value::List(items) => items.iter().any(names_a_password),
        Value::Map(members) => members.iter().any(|member| names_a_password(&member.value)),
        Value::Null | Value::Bool(_) | Value::Number => false,
    }
}

/// Whether a URL has a password.
pub(super) fn has_password(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.contains(':'))
}

fn refused(reason: String, help: &str) -> Refusal {
    Refusal::new(reason).help(help)
}
