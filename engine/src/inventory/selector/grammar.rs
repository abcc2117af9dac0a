//! From the text of a selector to an expression.

use std::collections::BTreeSet;

use super::{Expression, Glob, GlobSetBuilder, Term};
use crate::inventory::expand;
use crate::inventory::range::MOST_NAMES;

/// Deepest nesting of `(` and `!`.
const DEEPEST: usize = 32;
/// Longest selector, in bytes.
const LONGEST: usize = 16 << 10;

/// Why a text is not a selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SelectorError {
    /// Offset of the first byte that is wrong.
    pub at: usize,
    /// What is wrong, as a lowercase fragment.
    pub reason: String,
    /// How to mend it.
    pub help: Option<String>,
}

/// Parses a whole text.
pub(super) fn parse(text: &str) -> Result<Expression, SelectorError> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
        n_names: 0,
    };
    if text.len() > LONGEST {
        return Err(parser.error("a selector is longer than 16 KiB"));
    }
    if text.trim().is_empty() {
        return Err(parser
            .error("a selector is empty")
            .help("write `all` for every host"));
    }
    let expression = parser.union()?;
    match parser.peek() {
        None => Ok(expression),
        Some(')') => Err(parser.error("`)` without `(`")),
        Some(_) => Err(parser
            .error("expected `,` or `&` here")
            .help("`a,b` means either, `a&b` means both")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    n_names: usize,
}

impl<'a> Parser<'a> {
    fn union(&mut self) -> Result<Expression, SelectorError> {
        let mut parts = vec![self.intersection()?];
        while self.take(',') {
            parts.push(self.intersection()?);
        }
        Ok(Expression::Any(parts))
    }

    fn intersection(&mut self) -> Result<Expression, SelectorError> {
        let mut parts = vec![self.unary()?];
        while self.take('&') {
            parts.push(self.unary()?);
        }
        Ok(Expression::All(parts))
    }

    fn unary(&mut self) -> Result<Expression, SelectorError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("a selector is nested too deep"));
        }
        let expression = if self.take('!') {
            Expression::Not(Box::new(self.unary()?))
        } else if self.take('(') {
            let inside = self.union()?;
            if !self.take(')') {
                return Err(self.error("expected `)` here"));
            }
            inside
        } else {
            Expression::Term(self.term()?)
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn term(&mut self) -> Result<Term, SelectorError> {
        self.peek();
        let start = self.at;
        let rest = &self.text[start..];
        let end = start + term_length(rest);
        let word = &self.text[start..end];
        if word.is_empty() {
            return Err(self.error("a name, `@label` or `label=value` is missing here"));
        }
        self.at = end;
        self.term_of(word, start)
    }

    fn term_of(&mut self, word: &str, start: usize) -> Result<Term, SelectorError> {
        if word == "all" || word == "*" {
            return Ok(Term::Every);
        }
        if let Some(group) = word.strip_prefix('@') {
            self.check_word(group, start + 1, "-_./")?;
            return Ok(Term::Group(group.to_owned()));
        }
        if let Some((key, value)) = word.split_once('=') {
            self.check_word(key, start, "-_./")?;
            self.check_word(value, start + key.len() + 1, "-_.*?")?;
            return Ok(Term::Label(
                key.to_owned(),
                self.glob(value, start)?.compile_matcher(),
            ));
        }
        self.names(word, start)
    }

    fn names(&mut self, word: &str, start: usize) -> Result<Term, SelectorError> {
        self.check_word(word, start, "-_.*?[]:,/")?;
        let names = expand(word).map_err(|error| self.error_at(start + error.at, error.reason))?;
        self.n_names += names.len();
        if self.n_names > MOST_NAMES {
            let reason = format!("a selector holds more than {MOST_NAMES} names");
            return Err(self.error_at(start, reason));
        }
        if !word.contains(['*', '?']) {
            return Ok(Term::Names(names.into_iter().collect::<BTreeSet<String>>()));
        }
        let mut globs = GlobSetBuilder::new();
        for name in names {
            globs.add(self.glob(&name, start)?);
        }
        let globs = globs.build();
        globs
            .map(Term::Globs)
            .map_err(|error| self.error_at(start, error.to_string()))
    }

    fn glob(&self, text: &str, start: usize) -> Result<Glob, SelectorError> {
        Glob::new(text).map_err(|error| self.error_at(start, error.to_string()))
    }

    fn check_word(&self, word: &str, start: usize, also: &str) -> Result<(), SelectorError> {
        if word.is_empty() {
            return Err(self.error_at(start, "a word is missing here"));
        }
        let bad = word
            .char_indices()
            .find(|(_, c)| !(c.is_ascii_alphanumeric() || also.contains(*c)));
        match bad {
            None => Ok(()),
            Some((at, c)) => Err(self.error_at(start + at, format!("{c:?} is not expected here"))),
        }
    }

    /// Returns the next character that is not a blank, and moves there.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn error(&mut self, reason: &str) -> SelectorError {
        self.peek();
        self.error_at(self.at, reason)
    }

    fn error_at(&self, at: usize, reason: impl Into<String>) -> SelectorError {
        SelectorError {
            at: at.min(self.text.len()),
            reason: reason.into(),
            help: None,
        }
    }
}

impl SelectorError {
    fn help(mut self, help: &str) -> Self {
        self.help = Some(help.to_owned());
        self
    }
}

/// Returns the length of the word that a text starts with; what stands in square brackets belongs to it.
fn term_length(text: &str) -> usize {
    let mut in_brackets = false;
    for (at, c) in text.char_indices() {
        match c {
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            ',' | '&' | '!' | '(' | ')' if !in_brackets => return at,
            c if c.is_whitespace() && !in_brackets => return at,
            _ => {}
        }
    }
    text.len()
}
