//! JSON that knows where each value stands, so that one value can be changed and every other byte stays.
//!
//! `serde_json` would read a file and write it anew: indentation, the order of keys and the spelling of numbers would be
//! lost. Here a text is parsed into spans, and an edit replaces one span. JSON has no comments, so there are none to keep.

use std::collections::BTreeSet;
use std::ops::Range;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Json {
    /// The bytes of the text that it is.
    pub(crate) span: Range<usize>,
    /// What it is.
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as written.
    Number,
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// A map, in the order it was written, without duplicate keys.
    Map(Vec<Member>),
}

/// A key of a map and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// The key.
    pub(crate) key: String,
    /// Where it starts.
    pub(crate) start: usize,
    /// The value.
    pub(crate) value: Json,
}

/// Why a text is not JSON that can be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {why}")]
pub(crate) struct JsonError {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The column in characters, from 1.
    pub(crate) column: usize,
    /// What is wrong there.
    pub(crate) why: String,
}

/// How deep a value may be nested.
const MAX_DEPTH: usize = 64;

/// Reads a text that is one value.
pub(crate) fn parse(text: &str) -> Result<Json, JsonError> {
    let mut parser = Parser { text, at: 0 };
    parser.takes('\u{feff}');
    parser.skip_space();
    let value = parser.value(0)?;
    parser.skip_space();
    match parser.rest().is_empty() {
        true => Ok(value),
        false => Err(parser.error("text after the end of the value")),
    }
}

/// Returns the number of the line that a byte of a text stands in.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Returns a text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns texts as a JSON list on one line.
pub(crate) fn quoted_list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let items: Vec<_> = texts.into_iter().map(quoted).collect();
    format!("[{}]", items.join(", "))
}

impl Json {
    /// Returns the value below a key of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.members()
            .iter()
            .find(|member| member.key == key)
            .map(|member| &member.value)
    }

    /// Returns the members of a map, none for anything else.
    pub(crate) fn members(&self) -> &[Member] {
        match &self.value {
            Value::Map(members) => members,
            _ => &[],
        }
    }

    /// Returns the texts of a list of nothing but texts.
    pub(crate) fn texts(&self) -> Option<Vec<&str>> {
        match &self.value {
            Value::List(items) => items.iter().map(Self::text).collect(),
            _ => None,
        }
    }

    /// Returns the text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the truth value, if it is one.
    pub(crate) fn bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Returns what it is, in words.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "an object",
        }
    }

    /// Returns the text with another value in its place.
    pub(crate) fn replaced(&self, text: &str, value: &str) -> String {
        let Range { start, end } = self.span;
        format!("{}{value}{}", &text[..start], &text[end..])
    }

    /// Returns the text with a new last member of this map, written as its last one is: on a line of its own with the
    /// same indentation, or on the same line. Above an empty map, indentation is `outer` and one step more.
    pub(crate) fn with_member(&self, text: &str, outer: &str, key: &str, value: &str) -> String {
        let key = quoted(key);
        let step = indentation(text);
        let Some(last) = self.members().last() else {
            return self.replaced(text, &format!("{{\n{outer}{step}{key}: {value}\n{outer}}}"));
        };
        let before = &text[..last.start];
        let space = &before[before.trim_end_matches([' ', '\t', '\r', '\n']).len()..];
        let space = match self.members() {
            [_] if space.is_empty() => " ",
            _ => space,
        };
        let end = last.value.span.end;
        format!("{},{space}{key}: {value}{}", &text[..end], &text[end..])
    }
}

/// Returns what a text is indented by: the white space before its first member, two spaces if there is none.
pub(crate) fn indentation(text: &str) -> &str {
    text.lines()
        .map(|line| &line[..line.len() - line.trim_start_matches([' ', '\t']).len()])
        .find(|space| !space.is_empty())
        .unwrap_or("  ")
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn takes(&mut self, c: char) -> bool {
        let takes = self.rest().starts_with(c);
        if takes {
            self.at += c.len_utf8();
        }
        takes
    }

    fn error(&self, why: impl Into<String>) -> JsonError {
        self.error_at(self.at, why)
    }

    fn error_at(&self, at: usize, why: impl Into<String>) -> JsonError {
        let before = &self.text[..at];
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        JsonError {
            line: line_of(self.text, at),
            column: before[line..].chars().count() + 1,
            why: why.into(),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        if depth > MAX_DEPTH {
            return Err(self.error("nested too deep"));
        }
        let start = self.at;
        let value = match self.rest().chars().next() {
            None => return Err(self.error("the text ends here")),
            Some('{') => self.map(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Value::Text(self.string()?),
            Some(_) => self.word()?,
        };
        Ok(Json {
            span: start..self.at,
            value,
        })
    }

    fn map(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut members: Vec<Member> = Vec::new();
        let mut seen = BTreeSet::new();
        self.skip_space();
        if self.takes('}') {
            return Ok(Value::Map(members));
        }
        loop {
            self.skip_space();
            let start = self.at;
            if !self.rest().starts_with('"') {
                return Err(self.error("a key in double quotes belongs here"));
            }
            let key = self.string()?;
            if !seen.insert(key.clone()) {
                return Err(
                    self.error_at(start, format!("the key {} is there twice", quoted(&key)))
                );
            }
            self.skip_space();
            if !self.takes(':') {
                return Err(self.error("a `:` belongs here"));
            }
            self.skip_space();
            let value = self.value(depth + 1)?;
            members.push(Member { key, start, value });
            self.skip_space();
            if self.takes('}') {
                return Ok(Value::Map(members));
            }
            if !self.takes(',') {
                return Err(self.error("a `,` or `}` belongs here"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.takes(']') {
            return Ok(Value::List(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.takes(']') {
                return Ok(Value::List(items));
            }
            if !self.takes(',') {
                return Err(self.error("a `,` or `]` belongs here"));
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        let start = self.at;
        let mut escaped = false;
        let end = self.rest()[1..].find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some(end) = end else {
            return Err(self.error("this string does not end"));
        };
        self.at = start + end + 2;
        serde_json::from_str(&self.text[start..self.at])
            .map_err(|_| self.error_at(start, "this string is not valid"))
    }

    fn word(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c))
            .unwrap_or(rest.len());
        self.at += end;
        match &rest[..end] {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            word if serde_json::from_str::<serde_json::Number>(word).is_ok() => Ok(Value::Number),
            _ => Err(self.error_at(start, "no value of JSON starts here")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_has_a_place() {
        for (text, expected) in [
            ("", "1:1: the text ends here"),
            ("{", "1:2: a key in double quotes belongs here"),
            (
                "{\n  \"a\": 1,\n}",
                "3:1: a key in double quotes belongs here",
            ),
            (
                "{\n  \"a\": 1\n  \"b\": 2\n}",
                "3:3: a `,` or `}` belongs here",
            ),
            ("{\"a\": 1, \"a\": 2}", "1:10: the key \"a\" is there twice"),
            ("{\"é\": 1, \"é\": 2}", "1:10: the key \"é\" is there twice"),
            (
                "{\"x\": {\"a\": 1, \"\\u0061\": 2}}",
                "1:16: the key \"a\" is there twice",
            ),
            ("{\"a\" 1}", "1:6: a `:` belongs here"),
            ("{} x", "1:4: text after the end of the value"),
            ("{\"a\": yes}", "1:7: no value of JSON starts here"),
            ("{\"a\": 01}", "1:7: no value of JSON starts here"),
            ("// x\n{}", "1:1: no value of JSON starts here"),
            ("{\"a\": \"b}", "1:7: this string does not end"),
            ("{\"a\": \"\\x\"}", "1:7: this string is not valid"),
            ("[1 2]", "1:4: a `,` or `]` belongs here"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
        }
        let deep = "[".repeat(1000);
        assert_eq!(parse(&deep).unwrap_err().why, "nested too deep");
    }

    #[test]
    fn a_new_member_is_written_as_its_neighbours_are() {
        for (text, expected) in [
            ("{}", "{\n  \"k\": 1\n}"),
            ("{ \"a\": 1 }", "{ \"a\": 1, \"k\": 1 }"),
            ("{\"a\": 1}", "{\"a\": 1, \"k\": 1}"),
            ("{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2,\"k\": 1}"),
            (
                "{\n    \"a\": 1\n}\n",
                "{\n    \"a\": 1,\n    \"k\": 1\n}\n",
            ),
            (
                "{\n\t\"a\": [\n\t\t1\n\t]\n}",
                "{\n\t\"a\": [\n\t\t1\n\t],\n\t\"k\": 1\n}",
            ),
            (
                "{\r\n  \"a\": 1\r\n}",
                "{\r\n  \"a\": 1,\r\n  \"k\": 1\r\n}",
            ),
        ] {
            let json = parse(text).unwrap();
            let after = json.with_member(text, "", "k", "1");
            assert_eq!(after, expected);
            assert!(parse(&after).unwrap().get("k").is_some());
        }
    }
}
