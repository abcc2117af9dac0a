//! The command line that a unit's files give: the last `ExecStart=` that stands after the last empty one, its words, and
//! where it stands. `systemctl show` prints start times along with it, so the files are read instead.

use std::collections::BTreeMap;

use engine::name::{AbsPath, ResourceId, UnitName};
use engine::question::{FileState, Question, Unanswered};
use engine::resource::Situation;
use engine::step::Step;

use crate::confdir::{Fragment, fragments_in};

/// Where unit files stand, from the highest directory to the lowest.
const DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// The text of a unit: its unit file and its drop-ins, in the order in which systemd reads them.
#[derive(Debug, Clone, Default)]
pub(super) struct UnitText {
    texts: Vec<Fragment<'static>>,
}

/// An assignment in a unit's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// Its value, continued lines joined.
    pub(super) value: String,
    /// Where it stands, as `file:line`.
    pub(super) place: String,
}

/// Returns what must be asked about the text of a unit.
pub(super) fn questions(unit: &UnitName) -> Vec<Question> {
    let files = unit_files(unit).map(Question::File);
    let drop_ins = drop_in_directories(unit).map(|directory| Question::Files {
        directory,
        suffix: "conf".to_owned(),
    });
    files.chain(drop_ins).collect()
}

/// Reads the text of a unit as it will be once what was proposed is done; none if there is no unit file.
pub(super) fn read(
    unit: &UnitName,
    situation: &Situation<'_>,
) -> Result<Option<UnitText>, Unanswered> {
    let mut texts = Vec::new();
    for path in unit_files(unit) {
        if let Some(text) = text_at(&path, situation)? {
            texts.push(Fragment {
                path: path.to_string().into(),
                text: text.into(),
            });
            break;
        }
    }
    if texts.is_empty() {
        return Ok(None);
    }
    let directories: Vec<_> = drop_in_directories(unit).collect();
    let drop_ins = fragments_in(situation.observed, situation.proposed, &directories)?;
    texts.extend(drop_ins.into_iter().map(Fragment::into_owned));
    Ok(Some(UnitText { texts }))
}

impl UnitText {
    /// Returns the text without a drop-in and without those that are read after it, and with only the latter.
    pub(super) fn around(&self, drop_in: &str) -> (Self, Self) {
        let name = |fragment: &Fragment<'_>| fragment.path.rsplit('/').next().map(str::to_owned);
        let (before, after): (Vec<_>, Vec<_>) = self
            .texts
            .iter()
            .enumerate()
            .filter(|(_, fragment)| name(fragment).as_deref() != Some(drop_in))
            .partition(|(index, fragment)| {
                *index == 0 || name(fragment).as_deref() < Some(drop_in)
            });
        let texts = |list: Vec<(usize, &Fragment<'static>)>| Self {
            texts: list.into_iter().map(|(_, text)| text.clone()).collect(),
        };
        (texts(before), texts(after))
    }

    /// Returns the assignments of a key in a section. An empty one takes back those before it.
    pub(super) fn assignments(&self, section: &str, key: &str) -> Vec<Assignment> {
        let mut assignments = Vec::new();
        for fragment in &self.texts {
            for (at, name, value, place) in settings(fragment) {
                if at != section || name != key {
                    continue;
                }
                match value.is_empty() {
                    true => assignments.clear(),
                    false => assignments.push(Assignment { value, place }),
                }
            }
        }
        assignments
    }

    /// Returns the command that the unit runs.
    pub(super) fn exec_start(&self) -> Option<Assignment> {
        self.assignments("Service", "ExecStart").pop()
    }

    /// Returns what the environment holds that the unit's text itself sets, or that a file it names sets.
    pub(super) fn environment(&self, files: &[Fragment<'_>]) -> BTreeMap<String, Assignment> {
        let mut environment = BTreeMap::new();
        for assignment in self.assignments("Service", "Environment") {
            for word in words(&assignment.value) {
                if let Some((name, value)) = word.split_once('=') {
                    let value = Assignment {
                        value: value.to_owned(),
                        place: assignment.place.clone(),
                    };
                    environment.insert(name.to_owned(), value);
                }
            }
        }
        for named in self.assignments("Service", "EnvironmentFile") {
            let path = named.value.trim_start_matches('-');
            for file in files.iter().filter(|file| file.path == path) {
                for line in file.lines(&['#', ';']) {
                    if let Some((name, value)) = line.text.split_once('=') {
                        let value = Assignment {
                            value: words(value).join(" "),
                            place: line.place(),
                        };
                        environment.insert(name.trim().to_owned(), value);
                    }
                }
            }
        }
        environment
    }
}

/// Returns the words of a command line, quotes taken off.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, '\\') => word.get_or_insert_default().extend(characters.next()),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn unit_files(unit: &UnitName) -> impl Iterator<Item = AbsPath> {
    DIRECTORIES
        .into_iter()
        .filter_map(move |directory| format!("{directory}/{unit}").parse().ok())
}

fn drop_in_directories(unit: &UnitName) -> impl Iterator<Item = AbsPath> {
    DIRECTORIES
        .into_iter()
        .filter_map(move |directory| format!("{directory}/{unit}.d").parse().ok())
}

fn text_at(path: &AbsPath, situation: &Situation<'_>) -> Result<Option<String>, Unanswered> {
    let file = ResourceId::new("file", path);
    let steps = situation
        .proposed
        .get(&file)
        .map(|proposal| &proposal.steps);
    for step in steps.into_iter().flatten() {
        match step {
            Step::WriteFile { content, .. } => {
                return Ok(Some(String::from_utf8_lossy(content.bytes()).into_owned()));
            }
            Step::RemoveFile { .. } => return Ok(None),
            _ => {}
        }
    }
    match situation.observed.file(path)? {
        FileState::Regular(file) => match &file.content {
            Some(content) => Ok(Some(String::from_utf8_lossy(content).into_owned())),
            None => Err(Unanswered(format!("{path} is too large to read"))),
        },
        FileState::Unreadable(why) => Err(Unanswered(format!("cannot read {path}: {why}"))),
        FileState::Absent
        | FileState::Directory(_)
        | FileState::Symlink(_)
        | FileState::Other(_) => Ok(None),
    }
}

/// Returns the settings of a unit file: section, key, value and place.
fn settings(fragment: &Fragment<'_>) -> Vec<(String, String, String, String)> {
    let mut settings: Vec<(String, String, String, String)> = Vec::new();
    let mut section = String::new();
    let mut continues = false;
    for line in fragment.lines(&['#', ';']) {
        let (text, more) = match line.text.strip_suffix('\\') {
            Some(text) => (text.trim_end(), true),
            None => (line.text, false),
        };
        if continues {
            if let Some((_, _, value, _)) = settings.last_mut() {
                value.push(' ');
                value.push_str(text);
            }
        } else if let Some(name) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = text.split_once('=') {
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            settings.push((section.clone(), key, value, line.place()));
        }
        continues = more;
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(texts: &[(&str, &str)]) -> UnitText {
        UnitText {
            texts: texts
                .iter()
                .map(|(path, text)| Fragment {
                    path: (*path).to_owned().into(),
                    text: (*text).to_owned().into(),
                })
                .collect(),
        }
    }

    #[test]
    fn the_last_command_after_an_empty_one_counts() {
        let base = (
            "/lib/x.service",
            "[Unit]\nExecStart=no\n[Service]\nExecStart=/a \\\n  # why\n  --b\n",
        );
        let command = |texts: &[(&str, &str)]| unit(texts).exec_start().unwrap();
        assert_eq!(command(&[base]).value, "/a --b");
        assert_eq!(command(&[base]).place, "/lib/x.service:4");
        let drop_in = (
            "/etc/x.service.d/a.conf",
            "[Service]\nExecStart=\nExecStart=/c\n",
        );
        assert_eq!(command(&[base, drop_in]).value, "/c");
        assert_eq!(command(&[base, drop_in]).place, "/etc/x.service.d/a.conf:3");
    }

    #[test]
    fn words_lose_their_quotes() {
        for (line, expected) in [
            ("/a -H fd://  --b=c", &["/a", "-H", "fd://", "--b=c"][..]),
            ("a \"b c\" 'd'e \"\"", &["a", "b c", "de", ""]),
            ("a\\ b", &["a b"]),
            ("", &[]),
        ] {
            assert_eq!(words(line), expected, "{line}");
        }
    }
}
