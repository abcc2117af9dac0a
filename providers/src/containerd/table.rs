//! Single tables of a TOML text: keys set, renamed and spelled rightly, new tables and keys in the manner of what is there.

use engine::resource::Difference;
use toml_edit::{Array, InlineTable, Item, Key, RawString, Table, Value};

use super::keys::{Name, entries, find, shown};
use crate::runtime::Refusal;

/// Where tables of a text stand on the line: at its start, or indented by two for each level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Indentation {
    None,
    ByDepth,
}

/// Takes the space before the first item, which a comma stood before, if it is nothing else.
pub(super) fn trim_first(array: &mut Array) {
    if let Some(first) = array.get_mut(0)
        && first.decor().prefix().and_then(RawString::as_str) == Some(" ")
    {
        first.decor_mut().set_prefix("");
    }
}

/// Sets a key of a table and returns what stood there; none if nothing changes.
pub(super) fn put(table: &mut Item, key: &str, value: Value) -> Result<Option<String>, Refusal> {
    let name = Name::Field(key);
    let spelled = spellings(table, name);
    let found = find(table, &[name]);
    if spelled == [key] && found.iter().all(|item| says(item, &value)) {
        return Ok(None);
    }
    if found.iter().any(|item| item.is_table_like()) {
        return Err(Refusal::new(format!(
            "`{key}` is a table, and must be a value"
        )));
    }
    let before: Vec<_> = found.into_iter().map(shown).collect();
    let before = spelled
        .iter()
        .zip(&before)
        .map(|(spelling, text)| match spelling == key {
            true => text.clone(),
            false => format!("{text} (as `{spelling}`)"),
        })
        .collect::<Vec<_>>()
        .join(", ");
    keep_one_spelling(table, key, &spelled);
    insert(table, key, value);
    Ok(Some(before))
}

/// Whether an item says the same as a value, however it is written.
fn says(item: &Item, value: &Value) -> bool {
    match (item.as_value(), value) {
        (Some(Value::Array(found)), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found.iter().zip(wanted.iter()).all(|(found, wanted)| {
                    found.as_str().is_some() && found.as_str() == wanted.as_str()
                })
        }
        (Some(found), wanted) => {
            (found.as_str(), found.as_bool(), found.as_integer())
                == (wanted.as_str(), wanted.as_bool(), wanted.as_integer())
                && found.type_name() == wanted.type_name()
        }
        (None, _) => false,
    }
}

/// Leaves the right spelling of a key, or else the first one under the right name.
fn keep_one_spelling(table: &mut Item, key: &str, spelled: &[String]) {
    let kept = spelled
        .iter()
        .find(|spelling| *spelling == key)
        .or(spelled.first());
    for spelling in spelled.iter().filter(|spelling| Some(*spelling) != kept) {
        if let Some(table) = table.as_table_like_mut() {
            table.remove(spelling);
        }
    }
    if let Some(kept) = kept.filter(|kept| *kept != key) {
        rename(table, kept, key);
    }
}

/// Inserts a value, or replaces one and keeps the space and comments around it.
fn insert(table: &mut Item, key: &str, mut value: Value) {
    let prefix = key_prefix(table);
    let Some(table) = table.as_table_like_mut() else {
        return;
    };
    if let Some(old) = table.get_mut(key).and_then(Item::as_value_mut) {
        *value.decor_mut() = old.decor().clone();
        *old = value;
        return;
    }
    table.insert(key, Item::Value(value));
    if let (Some(prefix), Some(mut key)) = (prefix, table.key_mut(key)) {
        key.leaf_decor_mut().set_prefix(prefix);
    }
}

/// Returns the indentation for a new key: that of the first key, or two more than the header has.
fn key_prefix(table: &Item) -> Option<String> {
    let table = table.as_table()?;
    if let Some((key, _)) = table.iter().find(|(_, item)| item.is_value()) {
        let decor = table.key(key)?.leaf_decor();
        return Some(last_line(decor.prefix()?.as_str()?).to_owned());
    }
    let header = last_line(prefix_of(table)?);
    (!header.is_empty()).then(|| format!("{header}  "))
}

/// Gives a key another name in the same place of its table.
pub(super) fn rename(table: &mut Item, from: &str, to: &str) {
    let keys: Vec<_> = entries(table).map(|(key, _)| key.to_owned()).collect();
    let renamed = |key: Key| match key.get() == from {
        true => Key::new(to)
            .with_leaf_decor(key.leaf_decor().clone())
            .with_dotted_decor(key.dotted_decor().clone()),
        false => key,
    };
    match table {
        Item::Table(table) => {
            for key in keys {
                if let Some((key, item)) = table.remove_entry(&key) {
                    table.insert_formatted(&renamed(key), item);
                }
            }
        }
        Item::Value(Value::InlineTable(table)) => {
            for key in keys {
                if let Some((key, value)) = table.remove_entry(&key) {
                    table.insert_formatted(&renamed(key), value);
                }
            }
        }
        Item::None | Item::Value(_) | Item::ArrayOfTables(_) => {}
    }
}

/// Brings the name of a table into its right spelling, and returns the difference.
pub(super) fn settle_spelling(
    table: &mut Item,
    name: Name<'_>,
) -> Result<Option<Difference>, Refusal> {
    match &spellings(table, name)[..] {
        [] => Ok(None),
        [spelling] if spelling == name.text() => Ok(None),
        [spelling] => {
            rename(table, spelling, name.text());
            Ok(Some(Difference {
                attribute: format!("name of the table {}", name.text()),
                before: spelling.clone(),
                after: name.text().to_owned(),
            }))
        }
        several => Err(Refusal::new(format!(
            "`{}` are the same table to containerd, and hold different things",
            several.join("` and `")
        ))
        .help(format!("merge them into `{}`", name.text()))),
    }
}

/// Returns the spellings of a key that a table holds.
pub(super) fn spellings(table: &Item, name: Name<'_>) -> Vec<String> {
    entries(table)
        .filter(|(key, _)| name.matches(key))
        .map(|(key, _)| key.to_owned())
        .collect()
}

/// Returns a new table that fits into another: inline into an inline one, dotted into a dotted one.
pub(super) fn table_below(parent: &Item, depth: usize, indentation: Indentation) -> Item {
    if parent.is_inline_table() {
        return Item::Value(Value::InlineTable(InlineTable::new()));
    }
    let mut table = Table::new();
    table.set_implicit(true);
    table.set_dotted(parent.as_table().is_some_and(Table::is_dotted));
    if indentation == Indentation::ByDepth {
        let prefix = format!("\n{}", "  ".repeat(depth));
        table.decor_mut().set_prefix(prefix);
    }
    Item::Table(table)
}

/// Tells from the header of a table below another how the headers of the text are indented.
pub(super) fn indentation_at(item: &Item, depth: usize) -> Option<Indentation> {
    let table = item.as_table().filter(|table| !table.is_implicit())?;
    let expected = "  ".repeat(depth.checked_sub(2)? + 1);
    Some(match last_line(prefix_of(table)?) == expected {
        true => Indentation::ByDepth,
        false => Indentation::None,
    })
}

/// Returns what stands before the header of a table.
pub(super) fn prefix_of(table: &Table) -> Option<&str> {
    table.decor().prefix()?.as_str()
}

fn last_line(prefix: &str) -> &str {
    prefix.rsplit('\n').next().unwrap_or("")
}
