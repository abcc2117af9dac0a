//! Adds to a host's merged spec what follows from it, so that what is compiled and what is shown are the same.

use std::collections::BTreeMap;

use crate::facts::Os;
use crate::resource::{Implied, Provider, Sections};
use crate::spec::{Entry, Node, Value};

/// Returns what the sections of a host imply.
pub(crate) fn implied(
    sections: &Sections<'_>,
    os: Os,
    providers: &[Box<dyn Provider>],
) -> Vec<Implied> {
    providers
        .iter()
        .flat_map(|provider| provider.implied(sections, os))
        .collect()
}

/// Returns the sections of a host with all that they imply.
pub fn complete(
    sections: &Sections<'_>,
    os: Os,
    providers: &[Box<dyn Provider>],
) -> BTreeMap<String, Node> {
    let mut all = sections.all.clone();
    for implied in implied(sections, os, providers) {
        add(&mut all, implied);
    }
    all
}

fn add(all: &mut BTreeMap<String, Node>, implied: Implied) {
    let Implied {
        section,
        key,
        value,
        span,
        reason: _,
    } = implied;
    let node = Node { span, value };
    let empty = Node {
        span,
        value: Value::Null,
    };
    let section = all.entry(section.to_owned()).or_insert(empty);
    match key {
        Some(key) => {
            let entry = Entry {
                key,
                key_span: span,
                node,
            };
            match &mut section.value {
                Value::Map(entries) => entries.push(entry),
                other => *other = Value::Map(vec![entry]),
            }
        }
        None => match &mut section.value {
            Value::List(items) => items.push(node),
            other => *other = Value::List(vec![node]),
        },
    }
}
