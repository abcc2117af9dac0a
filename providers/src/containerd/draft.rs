//! A TOML text that is edited key by key: comments, order, foreign keys and the manner of writing stay.
//!
//! Every change of a value is noted as a difference. Nothing in here knows what containerd's keys mean.

use engine::resource::Difference;
use toml_edit::{DocumentMut, Item, Table, Value};

use super::keys::{Name, entries, find, shown};
use super::table::{
    Indentation, indentation_at, prefix_of, put, rename, settle_spelling, spellings, table_below,
    trim_first,
};
use crate::runtime::Refusal;

/// The text while it is edited.
#[derive(Debug)]
pub(super) struct Draft {
    document: DocumentMut,
    differences: Vec<Difference>,
    /// The comments at the end of a text that has no tables: they belong to the keys above them.
    comments: Option<String>,
}

impl Draft {
    /// Reads a text; one that is not TOML is refused with the line.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut document: DocumentMut = text.parse().map_err(|error| not_toml(text, &error))?;
        let comments = take_comments(&mut document);
        Ok(Self {
            document,
            differences: Vec::new(),
            comments,
        })
    }

    /// Returns all that is in it, for reading.
    pub(super) fn root(&self) -> &Item {
        self.document.as_item()
    }

    /// Returns the edited text and what is different in it.
    pub(super) fn finish(mut self) -> (String, Vec<Difference>) {
        if let Some(comments) = self.comments.take() {
            match first_header(self.document.as_table_mut()) {
                Some(table) => {
                    let prefix = prefix_of(table).unwrap_or("\n").to_owned();
                    table.decor_mut().set_prefix(comments + &prefix);
                }
                None => self.document.set_trailing(comments),
            }
        }
        (self.document.to_string(), self.differences)
    }

    /// Sets a key of a table, and makes the table if it is not there.
    ///
    /// The attribute is what the difference is called.
    pub(super) fn set(
        &mut self,
        table: &[Name<'_>],
        key: &str,
        value: impl Into<Value>,
        attribute: &str,
    ) -> Result<(), Refusal> {
        let value = value.into();
        let after = shown(&Item::Value(value.clone()));
        let table = self.descend(table)?;
        if let Some(before) = put(table, key, value)? {
            self.note(attribute, before, after);
        }
        Ok(())
    }

    /// Removes a key, in whatever spelling, from a table that may not be there.
    pub(super) fn remove(
        &mut self,
        table: &[Name<'_>],
        name: Name<'_>,
        attribute: &str,
    ) -> Result<(), Refusal> {
        let before = match find(self.root(), table).first() {
            Some(item) => spellings(item, name),
            None => return Ok(()),
        };
        if before.is_empty() {
            return Ok(());
        }
        let table = self.descend(table)?;
        let mut texts = Vec::new();
        for spelling in before {
            let removed = table
                .as_table_like_mut()
                .and_then(|table| table.remove(&spelling));
            texts.extend(removed.map(|item| shown(&item)));
        }
        self.note(attribute, texts.join(", "), String::new());
        Ok(())
    }

    /// Gives an entry of a table another name in the same place.
    pub(super) fn rename(
        &mut self,
        table: &[Name<'_>],
        from: &str,
        to: &str,
    ) -> Result<(), Refusal> {
        let item = self.descend(table)?;
        if entries(item).any(|(key, _)| key == to) {
            return Err(Refusal::new(format!(
                "`{from}` and `{to}` are the same to containerd, and hold different things"
            ))
            .help(format!("merge them into `{to}`")));
        }
        rename(item, from, to);
        let path: Vec<_> = table.iter().map(|name| name.text()).collect();
        self.note(&path.join("."), from.to_owned(), to.to_owned());
        Ok(())
    }

    /// Changes the items of a list at the top of the text in place.
    pub(super) fn change_list(
        &mut self,
        key: &str,
        change: impl Fn(&str) -> Listed,
    ) -> Result<(), Refusal> {
        let name = Name::Field(key);
        for spelling in spellings(self.root(), name) {
            let Some(item) = self.document.get_mut(&spelling) else {
                continue;
            };
            let before = shown(item);
            let Some(array) = item.as_array_mut() else {
                return Err(Refusal::new(format!("`{spelling}` must be a list")));
            };
            for value in array.iter_mut() {
                if let Some(Listed::As(text)) = value.as_str().map(&change) {
                    let decor = value.decor().clone();
                    *value = Value::from(text);
                    *value.decor_mut() = decor;
                }
            }
            array.retain(|value| value.as_str().map(&change) != Some(Listed::Not));
            trim_first(array);
            let after = shown(item);
            if before != after {
                self.note(key, before, after);
            }
        }
        Ok(())
    }

    fn note(&mut self, attribute: &str, before: String, after: String) {
        self.differences.push(Difference {
            attribute: attribute.to_owned(),
            before,
            after,
        });
    }

    /// Returns the table at a path, spelled as it should be, and makes what is missing.
    fn descend(&mut self, path: &[Name<'_>]) -> Result<&mut Item, Refusal> {
        let Self {
            document,
            differences,
            ..
        } = self;
        let mut item = document.as_item_mut();
        let mut indentation = Indentation::None;
        for (depth, name) in path.iter().enumerate() {
            differences.extend(settle_spelling(item, *name)?);
            indentation = indentation_at(item, depth).unwrap_or(indentation);
            let made = table_below(item, depth, indentation);
            item = item
                .as_table_like_mut()
                .ok_or_else(|| not_a_table(&path[..depth]))?
                .entry(name.text())
                .or_insert(made);
        }
        if item.is_table_like() {
            Ok(item)
        } else {
            Err(not_a_table(path))
        }
    }
}

/// What becomes of an item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listed {
    /// It stays.
    Same,
    /// It is written in another way.
    As(String),
    /// It is taken out.
    Not,
}

/// Takes the comments behind the last key out of a text that has no tables.
fn take_comments(document: &mut DocumentMut) -> Option<String> {
    let comments = document.trailing().as_str()?.to_owned();
    if comments.trim().is_empty() || first_header(document.as_table_mut()).is_some() {
        return None;
    }
    document.set_trailing("");
    Some(comments)
}

/// Returns the first table that is written with a header.
fn first_header(table: &mut Table) -> Option<&mut Table> {
    for (_, item) in table.iter_mut() {
        let Item::Table(below) = item else {
            continue;
        };
        if !below.is_dotted() && (!below.is_implicit() || !below.get_values().is_empty()) {
            return Some(below);
        }
        if let Some(found) = first_header(below) {
            return Some(found);
        }
    }
    None
}

fn not_toml(text: &str, error: &toml_edit::TomlError) -> Refusal {
    let line = error
        .span()
        .map(|span| text.as_bytes()[..span.start.min(text.len())].iter())
        .map_or(1, |before| {
            before.filter(|byte| **byte == b'\n').count() + 1
        });
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    Refusal::new(format!("line {line} is not valid TOML: {message}"))
        .help("mend that line; containerd cannot read the file as it is")
}

fn not_a_table(path: &[Name<'_>]) -> Refusal {
    let names: Vec<_> = path.iter().map(|name| name.text()).collect();
    Refusal::new(format!("`{}` must be a table", names.join(".")))
}
