//! YAML text to trees that know their places, and nothing that YAML can do beyond data: no anchors, no tags, no merge
//! keys, no duplicate keys, and a budget for everything. Start at [`parse`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Marks, StrInput, Tag};

use super::document::FIRST_LINES;
use super::lines::Lines;
use super::{Entry, Node, Value, character, scalar, syntax};
use crate::diagnostic::{Diagnostic, Problems};
use crate::source::{SourceId, Sources, Span};

/// Largest text that is read, in bytes.
pub(crate) const LARGEST_TEXT: usize = 4 << 20;
/// Deepest nesting of lists and maps.
pub(super) const DEEPEST: usize = 64;
/// Most values in one text.
const MOST_NODES: usize = 250_000;
/// Longest scalar in bytes.
const LONGEST_SCALAR: usize = 1 << 20;
/// Most complaints about characters of one text.
const MOST_CHARACTERS: usize = 20;

/// Parses all documents of a text; those that hold nothing are left out, as are those that use a refused feature of YAML.
pub fn parse(sources: &Sources, source: SourceId, problems: &mut Problems) -> Vec<Node> {
    let text = &*sources.file(source).text;
    if let Err(found) = check_text(source, text) {
        found.into_iter().for_each(|problem| problems.push(problem));
        return Vec::new();
    }
    let mut reader = Reader::new(source, text);
    let documents = reader.documents();
    if documents.is_empty() && reader.problems.iter().next().is_none() {
        problems.push(empty(source));
    }
    problems.append(reader.problems);
    documents
}

fn empty(source: SourceId) -> Diagnostic {
    Diagnostic::error(
        "E101",
        Span {
            source,
            start: 0,
            end: 0,
        },
        "the file holds no document",
    )
    .help(FIRST_LINES)
}

fn check_text(source: SourceId, text: &str) -> Result<(), Vec<Diagnostic>> {
    if text.len() > LARGEST_TEXT {
        let place = Span {
            source,
            start: 0,
            end: 0,
        };
        return Err(vec![Diagnostic::error(
            "E102",
            place,
            too_large(text.len() as u64),
        )]);
    }
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let base = text.len() - body.len();
    let found: Vec<Diagnostic> = character::refused(body)
        .take(MOST_CHARACTERS)
        .map(|(at, c)| {
            let start = base + at;
            refused_character(
                Span {
                    source,
                    start,
                    end: start + c.len_utf8(),
                },
                c,
            )
        })
        .collect();
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Returns the message about a text over the budget.
pub(super) fn too_large(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!(
        "the file is {}.{} MiB, the limit is {} MiB",
        tenths / 10,
        tenths % 10,
        LARGEST_TEXT >> 20
    )
}

fn refused_character(span: Span, c: char) -> Diagnostic {
    let name = character::name(c);
    Diagnostic::error(
        "E117",
        span,
        format!("control or invisible character {name}"),
    )
    .help("remove it")
}

/// The parse stopped; why has been said.
struct Stopped;

/// Builds trees from the parser's events.
struct Reader<'text> {
    source: SourceId,
    lines: Lines<'text>,
    parser: Parser<'text, StrInput<'text>>,
    problems: Problems,
    n_nodes: usize,
    /// The current document uses a feature that is refused, so its tree is not what was meant.
    unusable: bool,
    /// Starts of the lists and maps in brackets that are open.
    open: Vec<Span>,
}

impl<'text> Reader<'text> {
    fn new(source: SourceId, text: &'text str) -> Self {
        let body = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self {
            source,
            lines: Lines::new(body, text.len() - body.len()),
            parser: Parser::new_from_str(body),
            problems: Problems::default(),
            n_nodes: 0,
            unusable: false,
            open: Vec::new(),
        }
    }

    fn documents(&mut self) -> Vec<Node> {
        let mut documents = Vec::new();
        while let Ok(Some(node)) = self.document() {
            documents.extend(node);
        }
        documents
    }

    /// Returns the next document: none at the end of the text, an inner none if it is empty or unusable.
    fn document(&mut self) -> Result<Option<Option<Node>>, Stopped> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(None),
                (Event::DocumentStart(_), _) => break,
                _ => {}
            }
        }
        self.unusable = false;
        let (event, marks) = self.next()?;
        let node = self.node(event, marks, 0)?;
        Ok(Some(
            (!self.unusable && node.value != Value::Null).then_some(node),
        ))
    }

    fn next(&mut self) -> Result<(Event<'text>, Marks), Stopped> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let at = self.lines.offset(error.marker());
                let place = syntax::Place {
                    source: self.source,
                    lines: &self.lines,
                    at,
                    open: self.open.last().copied(),
                };
                self.problems.push(syntax::explain(error.info(), &place));
                Err(Stopped)
            }
            None => Ok((Event::StreamEnd, Marks::default())),
        }
    }

    fn node(&mut self, event: Event<'text>, marks: Marks, depth: usize) -> Result<Node, Stopped> {
        let span = self.span(marks);
        self.count(span, depth)?;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_properties(anchor, tag, span);
                self.scalar(&text, style, span)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_properties(anchor, tag, span);
                self.list(span, depth)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_properties(anchor, tag, span);
                self.map(span, depth)
            }
            Event::Alias(_) => {
                self.refuse(syntax::alias(span));
                Ok(Node {
                    span,
                    value: Value::Null,
                })
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => {
                self.problems.push(Diagnostic::error(
                    "E110",
                    span,
                    "the document ends where a value is expected",
                ));
                Err(Stopped)
            }
        }
    }

    fn count(&mut self, span: Span, depth: usize) -> Result<(), Stopped> {
        self.n_nodes += 1;
        if self.n_nodes > MOST_NODES {
            let message = format!("the file holds more than {MOST_NODES} values");
            self.problems.push(Diagnostic::error("E123", span, message));
            return Err(Stopped);
        }
        if depth > DEEPEST {
            self.problems.push(syntax::too_deep(span));
            return Err(Stopped);
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, mut span: Span) -> Result<Node, Stopped> {
        if text.len() > LONGEST_SCALAR {
            let message = format!(
                "a text of {} bytes, the limit is {LONGEST_SCALAR}",
                text.len()
            );
            self.problems.push(Diagnostic::error("E118", span, message));
            return Err(Stopped);
        }
        if let Some((_, c)) = character::find_refused(text) {
            self.problems.push(refused_character(span, c));
        }
        let value = match style {
            ScalarStyle::Plain => scalar::resolve(text),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                span.end = span.start + scalar::quoted_length(self.lines.slice(span));
                Value::String(text.to_owned())
            }
            ScalarStyle::Literal | ScalarStyle::Folded => Value::String(text.to_owned()),
        };
        Ok(Node { span, value })
    }

    fn list(&mut self, mut span: Span, depth: usize) -> Result<Node, Stopped> {
        self.open(span);
        let mut items: Vec<Node> = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => {
                    self.close(&mut span, end, items.last().map(|item| item.span.end));
                    return Ok(Node {
                        span,
                        value: Value::List(items),
                    });
                }
                (event, marks) => items.push(self.node(event, marks, depth + 1)?),
            }
        }
    }

    fn map(&mut self, mut span: Span, depth: usize) -> Result<Node, Stopped> {
        self.open(span);
        let mut entries: Vec<Entry> = Vec::new();
        let mut places: BTreeMap<String, Span> = BTreeMap::new();
        let mut last_end = None;
        loop {
            let (event, marks) = match self.next()? {
                (Event::MappingEnd, end) => {
                    self.close(&mut span, end, last_end);
                    return Ok(Node {
                        span,
                        value: Value::Map(entries),
                    });
                }
                next => next,
            };
            let key = self.key(event, marks, depth)?;
            let (event, marks) = self.next()?;
            let mut node = self.node(event, marks, depth + 1)?;
            let Some((key, key_span)) = key else { continue };
            if node.span.start == node.span.end {
                node.span = key_span;
            }
            last_end = Some(node.span.end);
            match places.get(&key) {
                Some(first) => self
                    .problems
                    .push(syntax::duplicate(&key, key_span, *first)),
                None => {
                    places.insert(key.clone(), key_span);
                    entries.push(Entry {
                        key,
                        key_span,
                        node,
                    });
                }
            }
        }
    }

    fn key(
        &mut self,
        event: Event<'text>,
        marks: Marks,
        depth: usize,
    ) -> Result<Option<(String, Span)>, Stopped> {
        let plain = matches!(&event, Event::Scalar(_, ScalarStyle::Plain, _, _));
        let node = self.node(event, marks, depth + 1)?;
        match node.value {
            Value::String(key) if key == "<<" && plain => self.refuse(syntax::merge_key(node.span)),
            Value::String(key) => return Ok(Some((key, node.span))),
            value => self.refuse(syntax::not_a_key(
                &value,
                self.lines.slice(node.span),
                node.span,
            )),
        }
        Ok(None)
    }

    fn refuse_properties(&mut self, anchor: usize, tag: Option<Cow<'text, Tag>>, span: Span) {
        if anchor != 0 {
            self.refuse(syntax::alias(span));
        }
        if let Some(tag) = tag {
            self.refuse(syntax::tag(&tag, span));
        }
    }

    fn refuse(&mut self, problem: Diagnostic) {
        self.unusable = true;
        self.problems.push(problem);
    }

    fn open(&mut self, span: Span) {
        if self.lines.slice(span).starts_with(['[', '{']) {
            self.open.push(span);
        }
    }

    /// Sets the end of a list or map: its bracket, or the end of what it holds.
    fn close(&mut self, span: &mut Span, end: Marks, last_end: Option<usize>) {
        let end = self.span(end);
        if self
            .open
            .last()
            .is_some_and(|open| open.start == span.start)
            && self.lines.slice(end).starts_with([']', '}'])
        {
            self.open.pop();
            span.end = end.end;
        } else {
            span.end = last_end.unwrap_or(span.end).max(span.end);
        }
    }

    fn span(&mut self, marks: Marks) -> Span {
        let start = self.lines.offset(&marks.start);
        let end = self.lines.offset(&marks.end).max(start);
        let mut span = Span {
            source: self.source,
            start,
            end,
        };
        let trimmed = self.lines.slice(span).trim_end().len();
        span.end = start + trimmed;
        span
    }
}

#[cfg(test)]
mod tests;
