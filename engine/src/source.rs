//! Where things were written: source files, spans into them, and positions for people.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// All texts that were read, so that a span can be shown with its line.
///
/// The index of a file in here is its [`SourceId`].
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

/// One text that was read, under the name it is shown with.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The path as the user gave it, or `<stdin>`.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
    /// Byte offset of the start of each line.
    line_starts: Arc<[usize]>,
}

/// A text that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InputDocument {
    /// Its name, as shown in positions.
    pub name: String,
    /// The text.
    pub text: String,
}

/// Names one file of [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

/// A range of bytes in a source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub source: SourceId,
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

/// A place as people read it: `file:line:column`, both counted from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Name of the file.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Sources {
    /// Adds a text and returns its id.
    pub fn add(&mut self, name: &str, text: &str) -> SourceId {
        let id = SourceId(u32::try_from(self.files.len()).expect("fewer than 2^32 source files"));
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(offset, _)| offset + 1))
            .collect();
        self.files.push(SourceFile {
            name: name.into(),
            text: text.into(),
            line_starts,
        });
        id
    }

    /// Returns the file of an id that these sources gave out.
    pub fn file(&self, id: SourceId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// Returns every file with its id, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &SourceFile)> {
        self.files.iter().enumerate().map(|(index, file)| {
            (
                SourceId(u32::try_from(index).expect("checked in add")),
                file,
            )
        })
    }

    /// Returns the start of a span as file, line and column.
    pub fn position(&self, span: Span) -> Position {
        let file = self.file(span.source);
        let line = file
            .line_starts
            .partition_point(|start| *start <= span.start)
            - 1;
        let column = file.text[file.line_starts[line]..span.start.min(file.text.len())]
            .chars()
            .count();
        Position {
            file: file.name.to_string(),
            line: u32::try_from(line + 1).unwrap_or(u32::MAX),
            column: u32::try_from(column + 1).unwrap_or(u32::MAX),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let mut sources = Sources::default();
        let source = sources.add("a.yaml", "one\ntwö: x\n");
        for (start, line, column) in [(0, 1, 1), (4, 2, 1), (10, 2, 6)] {
            let position = sources.position(Span {
                source,
                start,
                end: start,
            });
            assert_eq!(
                (position.line, position.column),
                (line, column),
                "offset {start}"
            );
        }
    }
}
