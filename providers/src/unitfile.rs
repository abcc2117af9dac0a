//! The text of a systemd unit: its unit file and its drop-ins, read as systemd reads them, with the line of every word.
//! `systemctl show` prints start times along with the command, so the files are read instead.
//!
//! Grammars: systemd.syntax(7) for units, systemd.service(5) for command lines and their variables, systemd.exec(5) for
//! files of variables. Specifiers such as `%i` stay as they are written.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::name::{AbsPath, UnitName};
use engine::question::{FileState, Question, Unanswered};
use engine::reading::Outlook;

use crate::confdir::{self, Fragment, fragments_in};

/// Where unit files stand, from the highest directory to the lowest.
pub(crate) const DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// The text of a unit: its unit file and its drop-ins, in the order in which systemd reads them.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnitText {
    texts: Vec<Text>,
}

/// What one of the files says.
#[derive(Debug, Clone)]
struct Text {
    path: Arc<str>,
    /// Its settings, each with its section and key.
    settings: Vec<(String, String, Setting)>,
}

/// An assignment in a unit's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// Its value, continued lines joined.
    pub(crate) value: String,
    /// Where it stands, as `file:line`.
    pub(crate) place: String,
}

/// A word of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// What the program is given.
    pub(crate) text: String,
    /// Where it is written, as `file:line`: for what a variable holds, where the variable is set.
    pub(crate) place: String,
}

/// The command that a unit starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// The program and its arguments, with the variables filled in.
    pub(crate) words: Vec<Word>,
    /// The variables that it uses, each with where.
    pub(crate) variables: Vec<Word>,
}

/// Returns what must be asked about the text of a unit.
pub(crate) fn questions(unit: &UnitName) -> Vec<Question> {
    let files = unit_files(unit).map(Question::File);
    let drop_ins = drop_in_directories(unit).map(|directory| Question::Files {
        directory,
        suffix: "conf".to_owned(),
    });
    files.chain(drop_ins).collect()
}

/// Reads the text of a unit as it will be once what was proposed is done; none if there is no unit file, or if it is masked.
pub(crate) fn read(unit: &UnitName, outlook: &Outlook<'_>) -> Result<Option<UnitText>, Unanswered> {
    let mut texts = Vec::new();
    for path in unit_files(unit) {
        match found_at(unit, &path, outlook)? {
            Found::Text(text) => {
                texts.push(Fragment {
                    path: path.to_string().into(),
                    text: text.into(),
                });
                break;
            }
            Found::Mask => return Ok(None),
            Found::Nothing => {}
        }
    }
    if texts.is_empty() {
        return Ok(None);
    }
    let directories: Vec<_> = drop_in_directories(unit).collect();
    let drop_ins = fragments_in(outlook, &directories)?;
    texts.extend(drop_ins);
    Ok(Some(UnitText::of(&texts)))
}

impl UnitText {
    /// Returns the text that some files make up, the unit file first.
    pub(crate) fn of(texts: &[Fragment<'_>]) -> Self {
        Self {
            texts: texts.iter().map(read_text).collect(),
        }
    }

    /// Returns the text without a drop-in and without those that are read after it, and with only the latter.
    pub(crate) fn around(&self, drop_in: &str) -> (Self, Self) {
        let name = |text: &Text| text.path.rsplit('/').next().map(str::to_owned);
        let (before, after): (Vec<_>, Vec<_>) = self
            .texts
            .iter()
            .enumerate()
            .filter(|(_, text)| name(text).as_deref() != Some(drop_in))
            .partition(|(index, text)| *index == 0 || name(text).as_deref() < Some(drop_in));
        let texts = |list: Vec<(usize, &Text)>| Self {
            texts: list.into_iter().map(|(_, text)| text.clone()).collect(),
        };
        (texts(before), texts(after))
    }

    /// Returns the assignments of a key in a section. An empty one takes back those before it.
    pub(crate) fn assignments(&self, section: &str, key: &str) -> Vec<Assignment> {
        self.settings(section, key)
            .iter()
            .map(|setting| Assignment {
                value: text_of(&setting.value),
                place: setting.place(),
            })
            .collect()
    }

    /// Returns the command that the unit runs, as it is written.
    pub(crate) fn exec_start(&self) -> Option<Assignment> {
        self.assignments("Service", "ExecStart").pop()
    }

    /// Returns the command that the unit runs, with its variables filled in from the unit and from the files it names.
    pub(crate) fn command(&self, files: &[Fragment<'_>]) -> Option<Command> {
        let settings = self.settings("Service", "ExecStart");
        let setting = settings.last()?;
        let variables = self.variables(files);
        let mut command = Command {
            words: Vec::new(),
            variables: Vec::new(),
        };
        for (index, word) in split(&setting.value, in_unit).iter().enumerate() {
            let place = setting.place_of(word);
            let text = text_of(word);
            match (index, bare_variable(&text)) {
                (_, None) if text == ";" => break,
                (1.., Some(name)) => {
                    let words = variables.get(name).map(Setting::words);
                    command.words.extend(words.into_iter().flatten());
                    command.variables.push(Word { text, place });
                }
                _ => {
                    let text = command.filled_in(&text, &variables, &place);
                    command.words.push(Word { text, place });
                }
            }
        }
        Some(command)
    }

    /// Returns what the environment holds that the unit's text itself sets, or that a file it names sets.
    pub(crate) fn environment(&self, files: &[Fragment<'_>]) -> BTreeMap<String, Assignment> {
        let assignment = |variable: Setting| Assignment {
            value: text_of(&variable.value),
            place: variable.place(),
        };
        self.variables(files)
            .into_iter()
            .map(|(name, variable)| (name, assignment(variable)))
            .collect()
    }

    /// The files that the unit names win over the unit itself.
    fn variables(&self, files: &[Fragment<'_>]) -> BTreeMap<String, Setting> {
        let mut variables = BTreeMap::new();
        for setting in self.settings("Service", "Environment") {
            for word in split(&setting.value, in_unit) {
                if let Some(at) = word.iter().position(|(c, _)| *c == '=') {
                    let variable = setting.with_value(word[at + 1..].to_vec(), word[0].1);
                    variables.insert(text_of(&word[..at]), variable);
                }
            }
        }
        for named in self.assignments("Service", "EnvironmentFile") {
            let path = named.value.trim_start_matches('-');
            for file in files.iter().filter(|file| file.path == path) {
                variables.extend(environment_of(file));
            }
        }
        variables
    }

    fn settings(&self, section: &str, key: &str) -> Vec<&Setting> {
        let mut settings = Vec::new();
        for text in &self.texts {
            for (at, name, setting) in &text.settings {
                if at != section || name != key {
                    continue;
                }
                match setting.value.is_empty() {
                    true => settings.clear(),
                    false => settings.push(setting),
                }
            }
        }
        settings
    }
}

impl Command {
    /// Puts variables into a word, and notes them. One that nothing sets is empty.
    fn filled_in(
        &mut self,
        word: &str,
        variables: &BTreeMap<String, Setting>,
        place: &str,
    ) -> String {
        let mut text = String::new();
        let mut rest = word;
        while let Some(at) = rest.find('$') {
            text.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                text.push('$');
                rest = after;
                continue;
            }
            let braced = rest
                .strip_prefix('{')
                .and_then(|braced| braced.split_once('}'))
                .filter(|(name, _)| is_name(name));
            let Some((name, after)) = braced else {
                text.push('$');
                continue;
            };
            if let Some(variable) = variables.get(name) {
                text.push_str(&text_of(&variable.value));
            }
            self.variables.push(Word {
                text: format!("${{{name}}}"),
                place: place.to_owned(),
            });
            rest = after;
        }
        text.push_str(rest);
        text
    }
}

/// Returns the words of a command line, quotes taken off.
pub(crate) fn words(line: &str) -> Vec<String> {
    let characters: Located = line.chars().map(|c| (c, 0)).collect();
    split(&characters, in_unit)
        .iter()
        .map(|word| text_of(word))
        .collect()
}

/// Characters, each with the number of the line that it stands on.
type Located = Vec<(char, usize)>;

/// What is set, and where.
#[derive(Debug, Clone)]
struct Setting {
    path: Arc<str>,
    line: usize,
    value: Located,
}

impl Setting {
    fn place(&self) -> String {
        format!("{}:{}", self.path, self.line)
    }

    /// Returns where a word of the value stands.
    fn place_of(&self, word: &[(char, usize)]) -> String {
        let line = word.first().map_or(self.line, |(_, line)| *line);
        format!("{}:{line}", self.path)
    }

    fn with_value(&self, value: Located, line: usize) -> Self {
        Self {
            path: self.path.clone(),
            line,
            value,
        }
    }

    fn words(&self) -> Vec<Word> {
        split(&self.value, std::convert::identity)
            .iter()
            .map(|word| Word {
                text: text_of(word),
                place: self.place_of(word),
            })
            .collect()
    }
}

fn text_of(characters: &[(char, usize)]) -> String {
    characters.iter().map(|(c, _)| c).collect()
}

/// Returns the name of a variable that is a word of its own, `$NAME`, and so is split into words.
fn bare_variable(word: &str) -> Option<&str> {
    word.strip_prefix('$').filter(|name| is_name(name))
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Splits at white space that is not quoted. Quotes are taken off wherever they stand, and a backslash escapes what follows.
fn split(characters: &[(char, usize)], unescaped: fn(char) -> char) -> Vec<Located> {
    let mut words = Vec::new();
    let mut word: Option<Located> = None;
    let mut quote = None;
    let mut characters = characters.iter().copied();
    while let Some((c, line)) = characters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, '\\') => {
                let escaped = characters.next().map(|(c, _)| (unescaped(c), line));
                word.get_or_insert_default().extend(escaped);
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push((c, line)),
        }
    }
    words.extend(word);
    words
}

/// Returns what an escaped character stands for in a unit. In what a variable holds, it only loses its meaning.
fn in_unit(c: char) -> char {
    match c {
        'n' => '\n',
        's' => ' ',
        't' => '\t',
        c => c,
    }
}

fn unit_files(unit: &UnitName) -> impl Iterator<Item = AbsPath> {
    DIRECTORIES
        .into_iter()
        .filter_map(move |directory| format!("{directory}/{unit}").parse().ok())
}

/// Returns the directories of a unit's drop-ins, from the highest to the lowest.
pub(crate) fn drop_in_directories(unit: &UnitName) -> impl Iterator<Item = AbsPath> {
    DIRECTORIES
        .into_iter()
        .filter_map(move |directory| format!("{directory}/{unit}.d").parse().ok())
}

/// What a path of a unit file holds.
enum Found {
    /// The unit's text.
    Text(String),
    /// Nothing, so that a lower directory counts.
    Nothing,
    /// A link to nowhere: there is no such unit, whatever the lower directories hold.
    Mask,
}

fn found_at(unit: &UnitName, path: &AbsPath, outlook: &Outlook<'_>) -> Result<Found, Unanswered> {
    if let FileState::Symlink(target) = outlook.observed.file(path)? {
        let lower = DIRECTORIES
            .iter()
            .any(|directory| *target == format!("{directory}/{unit}"));
        return match target.as_str() {
            "/dev/null" => Ok(Found::Mask),
            _ if lower => Ok(Found::Nothing),
            _ => Err(Unanswered(format!(
                "{path} is a link to {}, which was not read",
                target.escape_debug()
            ))),
        };
    }
    Ok(text_at(path, outlook)?.map_or(Found::Nothing, Found::Text))
}

/// Returns the text that stands at a path once what was proposed is done; none if there is no regular file.
pub(crate) fn text_at(path: &AbsPath, outlook: &Outlook<'_>) -> Result<Option<String>, Unanswered> {
    if let Some(content) = outlook.files.get(path) {
        return Ok(content.map(|content| text(content.bytes())));
    }
    match outlook.observed.file(path)? {
        FileState::Regular(file) => match &file.content {
            Some(content) => Ok(Some(text(content))),
            None => Err(Unanswered(format!("{path} is too large to read"))),
        },
        FileState::Unreadable(why) => Err(Unanswered(format!("cannot read {path}: {why}"))),
        FileState::Absent
        | FileState::Directory(_)
        | FileState::Symlink(_)
        | FileState::Other(_) => Ok(None),
    }
}

fn text(content: &[u8]) -> String {
    confdir::text_of(content).into_owned()
}

/// Reads a unit file.
fn read_text(fragment: &Fragment<'_>) -> Text {
    let path: Arc<str> = (*fragment.path).into();
    let mut settings = Vec::new();
    let mut section = String::new();
    for line in logical_lines(&fragment.text) {
        let text = text_of(&line);
        if let Some(name) = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
        {
            name.clone_into(&mut section);
        } else if let Some(at) = line.iter().position(|(c, _)| *c == '=') {
            let setting = Setting {
                path: path.clone(),
                line: line[0].1,
                value: trimmed(&line[at + 1..]).to_vec(),
            };
            let key = text_of(trimmed(&line[..at]));
            settings.push((section.clone(), key, setting));
        }
    }
    Text { path, settings }
}

/// Returns the lines of a unit file, trimmed, with the lines that continue them; comments and blank lines left out. A comment
/// does not end a line that goes on, a blank line does.
fn logical_lines(text: &str) -> Vec<Located> {
    let mut lines = Vec::new();
    let mut open: Option<Located> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        let backslashes = line.chars().rev().take_while(|c| *c == '\\').count();
        let goes_on = backslashes % 2 == 1;
        let text = match goes_on {
            true => line[..line.len() - 1].trim_end(),
            false => line,
        };
        let logical = open.get_or_insert_default();
        logical.extend(text.chars().map(|c| (c, index + 1)));
        if goes_on {
            logical.push((' ', index + 1));
        } else {
            lines.extend(open.take());
        }
    }
    lines.extend(open);
    lines
        .iter()
        .map(|line| trimmed(line).to_vec())
        .filter(|line| !line.is_empty())
        .collect()
}

fn trimmed(characters: &[(char, usize)]) -> &[(char, usize)] {
    let is_text = |(c, _): &(char, usize)| !c.is_whitespace();
    let Some(start) = characters.iter().position(is_text) else {
        return &[];
    };
    let end = characters
        .iter()
        .rposition(is_text)
        .map_or(start, |at| at + 1);
    &characters[start..end]
}

/// Where the reading of a file of variables stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Key,
    Comment,
    /// Before a value, or behind a quoted part of it.
    Gap,
    Value,
    Quote(char),
}

/// Returns the variables that a file sets, in its order.
fn environment_of(file: &Fragment<'_>) -> Vec<(String, Setting)> {
    let path: Arc<str> = (*file.path).into();
    let mut variables = Vec::new();
    let mut at = At::Key;
    let (mut key, mut value): (String, Located) = Default::default();
    let (mut start, mut line) = (1, 1);
    let mut characters = file.text.chars().chain(['\n']).peekable();
    while let Some(c) = characters.next() {
        match (at, c) {
            (At::Key, '\n') => key.clear(),
            (At::Comment, '\n') => at = At::Key,
            (At::Comment, _) => {}
            (At::Key, '#' | ';') if key.is_empty() => at = At::Comment,
            (At::Key, '=') => (at, start) = (At::Gap, line),
            (At::Key, c) => {
                if !c.is_whitespace() || !key.is_empty() {
                    key.push(c);
                }
            }
            (At::Gap | At::Value, '\n') => {
                let ended = std::mem::take(&mut value);
                let value = match at {
                    At::Value => trimmed_end(&ended),
                    At::Gap | At::Key | At::Comment | At::Quote(_) => &ended,
                };
                let setting = Setting {
                    path: path.clone(),
                    line: start,
                    value: value.to_vec(),
                };
                let name = std::mem::take(&mut key);
                if is_name(name.trim_end()) {
                    variables.push((name.trim_end().to_owned(), setting));
                }
                at = At::Key;
            }
            (At::Gap, '"' | '\'') => at = At::Quote(c),
            (At::Gap, c) if c.is_whitespace() => {}
            (At::Quote(open), c) if c == open => at = At::Gap,
            (At::Quote('"'), '\\') => {
                let escaped = characters.peek().copied();
                match escaped {
                    Some('"' | '\\' | '`' | '$') => {
                        value.extend(characters.next().map(|c| (c, line)));
                    }
                    Some('\n') => {
                        characters.next();
                        line += 1;
                    }
                    Some(_) | None => value.push(('\\', line)),
                }
            }
            (At::Gap | At::Value, '\\') => {
                at = At::Value;
                match characters.next() {
                    Some('\n') => line += 1,
                    escaped => value.extend(escaped.map(|c| (c, line))),
                }
            }
            (At::Gap, c) => {
                at = At::Value;
                value.push((c, line));
            }
            (At::Value | At::Quote(_), c) => value.push((c, line)),
        }
        if c == '\n' {
            line += 1;
        }
    }
    variables
}

fn trimmed_end(characters: &[(char, usize)]) -> &[(char, usize)] {
    let end = characters
        .iter()
        .rposition(|(c, _)| !c.is_whitespace())
        .map_or(0, |at| at + 1);
    &characters[..end]
}

#[cfg(test)]
mod tests;
