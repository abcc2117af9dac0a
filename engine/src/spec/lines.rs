//! From the parser's lines and columns in characters to byte offsets.

use saphyr_parser::Marker;

use crate::source::Span;

/// The lines of a text, with the last conversion kept so that a pass over the text costs one walk.
#[derive(Debug)]
pub(super) struct Lines<'text> {
    text: &'text str,
    /// What is added to an offset in `text` to get one in the file.
    base: usize,
    lines: Vec<Line>,
    last: Cursor,
}

#[derive(Debug)]
struct Line {
    start: usize,
    end: usize,
    ascii: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Cursor {
    line: usize,
    column: usize,
    /// Bytes from the start of the line.
    bytes: usize,
}

impl<'text> Lines<'text> {
    /// Indexes a text that starts at the offset `base` of its file.
    pub(super) fn new(text: &'text str, base: usize) -> Self {
        let mut start = 0;
        let mut lines = Vec::new();
        for line in text.split_inclusive('\n') {
            let end = start + line.len();
            lines.push(Line {
                start,
                end,
                ascii: line.is_ascii(),
            });
            start = end;
        }
        lines.push(Line {
            start,
            end: start,
            ascii: true,
        });
        Self {
            text,
            base,
            lines,
            last: Cursor::default(),
        }
    }

    /// Returns the byte offset in the file of a mark of the parser.
    pub(super) fn offset(&mut self, marker: &Marker) -> usize {
        let index = marker.line().saturating_sub(1).min(self.lines.len() - 1);
        let line = &self.lines[index];
        let bytes = match line.ascii {
            true => marker.col(),
            false => {
                self.last = self.walk(index, marker.col());
                self.last.bytes
            }
        };
        self.base + (line.start + bytes).min(line.end)
    }

    /// Returns the part of the text that a span covers.
    pub(super) fn slice(&self, span: Span) -> &'text str {
        self.text
            .get(span.start - self.base..span.end - self.base)
            .unwrap_or("")
    }

    /// Returns the text around an offset: from the start of its line, and to the end of the text.
    pub(super) fn around(&self, offset: usize) -> (&'text str, &'text str) {
        let at = (offset - self.base).min(self.text.len());
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        (&self.text[start..at], &self.text[at..])
    }

    /// Returns the offset of a tab in the indentation of the line that holds an offset, or of the line before it.
    pub(super) fn indenting_tab(&self, offset: usize) -> Option<usize> {
        let at = offset - self.base;
        let index = self
            .lines
            .partition_point(|line| line.start <= at)
            .saturating_sub(1);
        (index.saturating_sub(1)..=index).rev().find_map(|index| {
            let line = &self.lines[index];
            let text = &self.text[line.start..line.end];
            let indentation = &text[..text.len() - text.trim_start_matches([' ', '\t']).len()];
            indentation
                .find('\t')
                .map(|tab| self.base + line.start + tab)
        })
    }

    fn walk(&self, index: usize, column: usize) -> Cursor {
        let from = match self.last {
            last if last.line == index && last.column <= column => last,
            _ => Cursor {
                line: index,
                column: 0,
                bytes: 0,
            },
        };
        let line = &self.lines[index];
        let rest = &self.text[line.start + from.bytes..line.end];
        let bytes: usize = rest
            .chars()
            .take(column - from.column)
            .map(char::len_utf8)
            .sum();
        Cursor {
            line: index,
            column,
            bytes: from.bytes + bytes,
        }
    }
}
