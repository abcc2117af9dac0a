//! Selectors: which hosts a text means.
//!
//! ```text
//! all *                     every host
//! web1  web[01-20]  web*    hosts by name, by range of names, by glob
//! @gpu                      hosts with the label `gpu`, or with any label whose value is `gpu`, as in `role: gpu`
//! zone=eu-1  zone=eu-*      hosts by the value of a label
//! a,b   a&b   !a   (a,b)    union, intersection, complement; `!` binds tightest, then `&`, then `,`
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use globset::{Glob, GlobMatcher, GlobSet, GlobSetBuilder};

use super::{Host, Inventory};
use crate::spec::suggest::nearest;

mod grammar;

pub use grammar::SelectorError;

/// Which hosts are meant.
#[derive(Debug, Clone)]
pub struct Selector {
    text: String,
    expression: Expression,
}

#[derive(Debug, Clone)]
enum Expression {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Term(Term),
}

#[derive(Debug, Clone)]
enum Term {
    Every,
    Names(BTreeSet<String>),
    Globs(GlobSet),
    Group(String),
    Label(String, GlobMatcher),
}

/// A selector, or a name in it, matches no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{selector}` matches no host")]
pub struct NoMatch {
    /// The selector, or the name in it.
    pub selector: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

impl Selector {
    /// Returns the text it was parsed from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it means a host.
    pub fn matches(&self, host: &Host) -> bool {
        self.expression.matches(host)
    }

    /// Returns the hosts it means, in the order of the inventory. None at all is an error, and so is a single name that
    /// no host has.
    pub fn select<'a>(&self, inventory: &'a Inventory) -> Result<Vec<&'a Host>, NoMatch> {
        let terms = self.expression.terms();
        if let Some(name) = terms.iter().find_map(|term| term.absent_name(inventory)) {
            return Err(NoMatch {
                selector: name.to_owned(),
                suggestion: near_name(name, inventory),
            });
        }
        let hosts: Vec<&Host> = inventory
            .hosts
            .iter()
            .filter(|host| self.matches(host))
            .collect();
        if hosts.is_empty() {
            return Err(NoMatch {
                selector: self.text.clone(),
                suggestion: terms.iter().find_map(|term| term.suggestion(inventory)),
            });
        }
        Ok(hosts)
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Ok(Self {
            text: text.to_owned(),
            expression: grammar::parse(text)?,
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Expression {
    fn matches(&self, host: &Host) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.matches(host)),
            Self::All(parts) => parts.iter().all(|part| part.matches(host)),
            Self::Not(part) => !part.matches(host),
            Self::Term(term) => term.matches(host),
        }
    }

    /// Returns the terms that are not negated.
    fn terms(&self) -> Vec<&Term> {
        match self {
            Self::Any(parts) | Self::All(parts) => parts.iter().flat_map(Self::terms).collect(),
            Self::Not(_) => Vec::new(),
            Self::Term(term) => vec![term],
        }
    }
}

impl Term {
    fn matches(&self, host: &Host) -> bool {
        match self {
            Self::Every => true,
            Self::Names(names) => names.contains(host.name.as_str()),
            Self::Globs(globs) => globs.is_match(host.name.as_str()),
            Self::Group(group) => host
                .labels
                .iter()
                .any(|(key, value)| key == group || value == group),
            Self::Label(key, value) => host
                .labels
                .get(key)
                .is_some_and(|text| value.is_match(text)),
        }
    }

    /// Returns the single name that it asks for, if no host has it.
    fn absent_name<'a>(&'a self, inventory: &Inventory) -> Option<&'a str> {
        let Self::Names(names) = self else {
            return None;
        };
        let only = names.first().filter(|_| names.len() == 1)?;
        let name = only.parse().ok()?;
        inventory.get(&name).is_none().then_some(only)
    }

    fn suggestion(&self, inventory: &Inventory) -> Option<String> {
        match self {
            Self::Every | Self::Globs(_) => None,
            Self::Names(names) => near_name(names.first()?, inventory),
            Self::Group(group) => {
                let words = labels(inventory).flat_map(|(key, value)| [key, value]);
                near(group, words).map(|word| format!("@{word}"))
            }
            Self::Label(key, value) => {
                let keys = labels(inventory).map(|(key, _)| key);
                let near_key = near(key, keys)?;
                let values = labels(inventory).filter(|(key, _)| *key == near_key);
                match near(value.glob().glob(), values.map(|(_, value)| value)) {
                    Some(value) => Some(format!("{near_key}={value}")),
                    None => Some(format!("{near_key}=...")),
                }
            }
        }
    }
}

fn labels(inventory: &Inventory) -> impl Iterator<Item = (&str, &str)> {
    inventory
        .hosts
        .iter()
        .flat_map(|host| &host.labels)
        .map(|(key, value)| (key.as_str(), value.as_str()))
}

fn near<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    nearest(word, candidates.collect::<BTreeSet<&str>>())
}

fn near_name(name: &str, inventory: &Inventory) -> Option<String> {
    let names = inventory.hosts.iter().map(|host| host.name.as_str());
    nearest(name, names).map(str::to_owned)
}

#[cfg(test)]
mod tests;
