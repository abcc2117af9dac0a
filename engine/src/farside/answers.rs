//! Reads what the probe answered. The text comes from a host, so it is taken only if every line is one that the program
//! can print about something that was asked.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::facts::{CgroupVersion, Facts, Init, PackageManager, Swap};
use crate::name::{AbsPath, Digest, UnitName};
use crate::question::{
    Answer, Attributes, ContainerdState, CriState, FileState, FoundFile, KubeletState, LimitsState,
    ModuleState, Observed, OpenFiles, PackageState, Question, RegularFile, RepositoryState,
    SysctlState, UnitState,
};
use crate::receipt::Receipt;

use super::Nonce;
use super::cri;
use super::field::{decode, decode_lazily, encode, excerpt};

/// The longest answer that is taken, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Files up to this size come with their content; the program has the same figure.
const MAX_CONTENT: u64 = 1024 * 1024;

/// What is said of a file that was another when it was read again.
const CHANGED: &str = "it changed while it was read";

/// Why an answer was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The host printed something else, with its first bytes.
    #[error("the host printed something else before the answer: \"{0}\"")]
    Noise(String),
    /// The answer has no end.
    #[error("the answer of the host was cut off")]
    Cut,
    /// The answer is larger than [`MAX_ANSWER`].
    #[error("the answer of the host is too large")]
    TooLarge,
    /// The program would not do what was asked, and did nothing.
    #[error("the host refused: {reason}")]
    Refused {
        /// A word that stays the same.
        code: String,
        /// Why, for people.
        reason: String,
    },
    /// A line that the program does not print.
    #[error("the host printed a line that is not an answer: \"{0}\"")]
    Line(String),
    /// Something was answered twice.
    #[error("the host answered twice: \"{0}\"")]
    Twice(String),
    /// Something was answered that nobody asked.
    #[error("the host answered what was not asked: \"{0}\"")]
    NotAsked(String),
    /// A receipt on the host that cannot be read.
    #[error(
        "the host's record /var/lib/hardstand/receipts/{record} cannot be read: {reason}; move it away, and what it says is forgotten"
    )]
    Receipt {
        /// The name of its file.
        record: String,
        /// Why, for people.
        reason: String,
    },
}

/// Reads the answer to a probe: what was asked, and what the receipts on the host ask.
pub fn parse_probe(
    output: &[u8],
    questions: &[Question],
    nonce: &Nonce,
) -> Result<Observed, AnswerError> {
    let mut rest = unframe(output, "probe", nonce)?;
    let mut lines = Vec::new();
    let mut contents: &[u8] = &[];
    while let Some((line, tail)) = split_line(rest) {
        rest = tail;
        if line == b"~contents" {
            contents = rest;
            break;
        }
        lines.push(Line::read(line)?);
    }
    let mut seen = Seen::default();
    for line in &lines {
        seen.line(line)?;
    }
    seen.bodies = bodies(contents, &seen);
    seen.observed(questions)
}

/// A line of an answer.
#[derive(Debug)]
struct Line<'a> {
    text: &'a str,
    word: &'a str,
    /// What stands behind the word.
    rest: &'a str,
    /// The same as decoded fields, but for the lines that have a form of their own.
    fields: Vec<Cow<'a, str>>,
}

impl<'a> Line<'a> {
    fn read(line: &'a [u8]) -> Result<Self, AnswerError> {
        let bad = || AnswerError::Line(excerpt(line));
        let text = std::str::from_utf8(line).map_err(|_| bad())?;
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let fields: Option<Vec<_>> = match word {
            "file" | "~size" | "content" | "~receipt" | "~dump" => Some(Vec::new()),
            _ => rest.split(' ').map(decode_lazily).collect(),
        };
        Ok(Self {
            text,
            word,
            rest,
            fields: fields.ok_or_else(bad)?,
        })
    }
}

/// Reads the answer to `abort`, `gc` or `purge`.
pub fn parse_finished(output: &[u8], verb: &str, nonce: &Nonce) -> Result<(), AnswerError> {
    match unframe(output, verb, nonce)? {
        b"ok\n" => Ok(()),
        body => Err(AnswerError::Line(excerpt(body))),
    }
}

/// Returns what stands between the first and the last line; a refusal is an error.
fn unframe<'a>(output: &'a [u8], verb: &str, nonce: &Nonce) -> Result<&'a [u8], AnswerError> {
    if output.len() > MAX_ANSWER {
        return Err(AnswerError::TooLarge);
    }
    let first = format!("HARDSTAND 1 {nonce} {verb}\n");
    let Some(body) = output.strip_prefix(first.as_bytes()) else {
        return Err(match first.as_bytes().starts_with(output) {
            true => AnswerError::Cut,
            false => AnswerError::Noise(excerpt(output)),
        });
    };
    let last = format!("end {nonce}\n");
    let body = body
        .strip_suffix(last.as_bytes())
        .filter(|body| body.is_empty() || body.ends_with(b"\n"))
        .ok_or(AnswerError::Cut)?;
    match refusal(body) {
        Some(refused) => Err(refused),
        None => Ok(body),
    }
}

/// Returns the refusal that is the last line, if one is.
fn refusal(body: &[u8]) -> Option<AnswerError> {
    let line = body
        .strip_suffix(b"\n")?
        .rsplit(|byte| *byte == b'\n')
        .next()?;
    let words = std::str::from_utf8(line).ok()?.strip_prefix("refused ")?;
    let (code, reason) = words.split_once(' ')?;
    Some(AnswerError::Refused {
        code: code.to_owned(),
        reason: decode(reason)?,
    })
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Cuts the contents apart. Each is announced by a line of head's with its path; a file that changed since is left out,
/// and those after it are found by their line.
fn bodies<'a>(region: &'a [u8], seen: &Seen<'a>) -> BTreeMap<Cow<'a, str>, &'a [u8]> {
    let mut bodies = BTreeMap::new();
    let mut rest = region;
    for path in &seen.hashed {
        let Some(size) = seen.size(path) else {
            continue;
        };
        let head = format!("==> {path} <==\n");
        let Some(start) = find(rest, head.as_bytes()) else {
            continue;
        };
        rest = &rest[start + head.len()..];
        // Only a body that is what its digest says counts, and moves the place to search from.
        if let Some(content) = rest.get(..size)
            && seen.digests.get(path) == Some(&Digest::of(content))
        {
            bodies.insert(path.clone(), content);
            rest = &rest[size..];
        }
    }
    bodies
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// What stat said of a file.
#[derive(Debug, Clone, Copy)]
struct Stat<'a> {
    kind: u32,
    mode: u32,
    owner: &'a str,
    group: &'a str,
    size: u64,
    links: u64,
    modified: i64,
}

/// All lines, by what they are about. What they say is borrowed until it is part of an answer to a question.
#[derive(Debug, Default)]
struct Seen<'a> {
    facts: Facts,
    guards: Vec<Arc<str>>,
    /// The file whose volatile half is to come, by its path.
    half: Option<(&'a str, Stat<'a>)>,
    /// Files, and what links point to, by the path of the link.
    files: BTreeMap<&'a str, Stat<'a>>,
    links: BTreeMap<&'a str, &'a str>,
    absent: BTreeSet<&'a str>,
    unreadable: BTreeMap<&'a str, &'a str>,
    digests: BTreeMap<Cow<'a, str>, Digest>,
    /// Paths with a digest in the order of the answer, which is that of the contents.
    hashed: Vec<Cow<'a, str>>,
    /// Contents that are what their digest says.
    bodies: BTreeMap<Cow<'a, str>, &'a [u8]>,
    lists: BTreeMap<(&'a str, &'a str), Result<Vec<&'a str>, String>>,
    sysctls: BTreeMap<&'a str, SysctlState>,
    modules: BTreeMap<&'a str, ModuleState>,
    parameters: BTreeMap<(&'a str, &'a str), &'a str>,
    units: BTreeMap<&'a str, UnitState>,
    packages: BTreeMap<&'a str, PackageState>,
    repositories: BTreeMap<&'a str, RepositoryState>,
    containerds: BTreeMap<&'a str, ContainerdState>,
    /// The config file whose dump is being read.
    dumping: Option<&'a str>,
    cris: BTreeMap<&'a str, CriState>,
    kubelets: BTreeMap<&'a str, KubeletState>,
    limits: BTreeMap<&'a str, LimitsState>,
    unanswered: BTreeMap<(&'a str, &'a str), &'a str>,
    receipts: Vec<Receipt>,
    owed: Vec<UnitName>,
}

impl<'a> Seen<'a> {
    fn line(&mut self, line: &'a Line<'a>) -> Result<(), AnswerError> {
        let Line {
            text,
            word,
            rest,
            fields,
        } = line;
        let shown = || excerpt(text.as_bytes());
        if !word.starts_with('~') {
            self.guards.push((*text).into());
        }
        if *word != "~dump" {
            self.dumping = None;
        }
        let fresh = match *word {
            "file" => self.stat(rest),
            "~size" => self.size_line(rest),
            "content" => self.content(rest),
            "~receipt" => return self.receipt(rest),
            "~dump" => self.dump(rest),
            _ => {
                let fields: Vec<&str> = fields.iter().map(AsRef::as_ref).collect();
                self.fields(word, &fields)
            }
        };
        match fresh {
            Some(true) => Ok(()),
            Some(false) => Err(AnswerError::Twice(shown())),
            None => Err(AnswerError::Line(shown())),
        }
    }

    /// A line of encoded fields. Returns whether it is the first about its subject; none if it is no such line.
    fn fields(&mut self, word: &str, fields: &[&'a str]) -> Option<bool> {
        match (word, fields) {
            ("fact" | "~fact", [name, rest @ ..]) => self.fact(name, rest),
            ("~owed", [unit]) => {
                self.owed.push(unit.parse().ok()?);
                Some(true)
            }
            ("absent", [path]) => Some(self.absent.insert(path)),
            ("unreadable", [path, why]) => Some(self.unreadable.insert(path, why).is_none()),
            ("link", [path, target]) => Some(self.links.insert(path, target).is_none()),
            ("list", [directory, suffix, names @ ..]) => {
                let mut names = names.to_vec();
                names.sort_unstable();
                let key = (*directory, *suffix);
                Some(self.lists.insert(key, Ok(names)).is_none())
            }
            ("unlisted", [directory, suffix, why @ ..]) => {
                let key = (*directory, *suffix);
                Some(self.lists.insert(key, Err(why.join(" "))).is_none())
            }
            ("sysctl", [key, "absent"]) => self.sysctl(key, SysctlState::Absent),
            ("sysctl", [key, "unreadable"]) => self.sysctl(
                key,
                SysctlState::Unreadable("the kernel does not let it be read".to_owned()),
            ),
            ("sysctl", [key, "value", value]) => {
                self.sysctl(key, SysctlState::Value((*value).to_owned()))
            }
            ("module", [name, flags @ ..]) => self.module(name, flags),
            ("parameter", [module, name, value]) => {
                // A parameter of several lines is several answers about the same; the first line stands for it.
                self.parameters.entry((module, name)).or_insert(value);
                Some(true)
            }
            ("unit" | "~unit", [name, properties @ ..]) => self.unit(word, name, properties),
            ("package", [name, want, state, version]) => {
                let mut package = PackageState {
                    held: *want == "hold",
                    ..PackageState::default()
                };
                match *state {
                    "installed" => package.installed = Some((*version).to_owned()),
                    state => package.broken = Some(state.to_owned()),
                }
                Some(self.packages.insert(name, package).is_none())
            }
            ("candidate", [name, held @ ("held" | "free"), version]) => {
                let package = PackageState {
                    held: *held == "held",
                    candidate: Some((*version).to_owned()).filter(|version| version != "-"),
                    ..PackageState::default()
                };
                Some(self.packages.insert(name, package).is_none())
            }
            ("candidate", [name, held @ ("held" | "free"), "unknown", why]) => {
                let package = PackageState {
                    held: *held == "held",
                    candidate_unknown: Some((*why).to_owned()),
                    ..PackageState::default()
                };
                Some(self.packages.insert(name, package).is_none())
            }
            ("repository", [name, index @ ("indexed" | "bare")]) => {
                let state = RepositoryState {
                    indexed: *index == "indexed",
                };
                Some(self.repositories.insert(name, state).is_none())
            }
            ("containerd", [path, "absent"]) => self.containerd(path, None),
            ("containerd", [path, "version", version]) => self.containerd(path, Some(version)),
            ("~dumped", [path]) => {
                self.containerds.get_mut(*path)?.effective = Some(String::new());
                self.dumping = Some(path);
                Some(true)
            }
            ("~undumped", [path, why]) => {
                self.containerds.get_mut(*path)?.failure = Some((*why).to_owned());
                Some(true)
            }
            ("~cri", [socket, answer @ ..]) => {
                let state = cri::read(answer)?;
                Some(self.cris.insert(socket, state).is_none())
            }
            ("~kubelet", [unit, version, command_line]) => {
                let told = |field: &&str| *field != "-";
                let words = |line: &&str| line.lines().map(str::to_owned).collect();
                let state = KubeletState {
                    version: Some(version)
                        .filter(|version| told(version))
                        .map(|version| (*version).to_owned()),
                    command_line: Some(command_line).filter(|line| told(line)).map(words),
                };
                Some(self.kubelets.insert(unit, state).is_none())
            }
            ("~limits", [unit, soft, hard, bound]) => {
                let number = |field: &str| match field {
                    "unlimited" => Some(u64::MAX),
                    digits => digits.parse().ok(),
                };
                let open_files = OpenFiles {
                    soft: number(soft)?,
                    hard: number(hard)?,
                    bound: number(bound)?,
                };
                let state = LimitsState {
                    open_files: Some(open_files),
                };
                Some(self.limits.insert(unit, state).is_none())
            }
            ("~limits", [unit]) => {
                let fresh = self.limits.insert(unit, LimitsState::default());
                Some(fresh.is_none())
            }
            ("unanswered", [kind, name, why]) => {
                Some(self.unanswered.insert((kind, name), why).is_none())
            }
            _ => None,
        }
    }

    fn fact(&mut self, name: &str, values: &[&str]) -> Option<bool> {
        let facts = &mut self.facts;
        let text = |values: &[&str]| match values {
            [value] => Some((*value).to_owned()),
            _ => None,
        };
        match (name, values) {
            ("swap", [path, kind]) => facts.swaps.push(Swap {
                path: (*path).to_owned(),
                kind: (*kind).to_owned(),
            }),
            ("os-id", _) => facts.os_id = text(values)?,
            ("os-version", _) => facts.os_version = text(values)?,
            ("os-name", _) => facts.os_name = text(values)?,
            ("machine-id", _) => facts.machine_id = Some(text(values)?),
            ("kernel", _) => facts.kernel = text(values)?,
            ("kernel-command-line", _) => facts.kernel_command_line = text(values)?,
            ("architecture", _) => facts.architecture = text(values)?,
            ("init", ["systemd"]) => facts.init = Init::Systemd,
            ("cgroup", ["v1"]) => facts.cgroup = CgroupVersion::V1,
            ("cgroup", ["v2"]) => facts.cgroup = CgroupVersion::V2,
            ("packages", ["apt"]) => facts.packages = PackageManager::Apt,
            ("packages", ["dnf"]) => facts.packages = PackageManager::Dnf,
            ("root", ["yes"]) => facts.root = true,
            ("state", ["unreadable"]) => facts.records_unreadable = true,
            ("generation", [number]) => facts.generation = number.parse().ok()?,
            ("open", [id]) => facts.open_transaction = Some((*id).to_owned()),
            ("command", [name]) => return Some(facts.commands.insert((*name).to_owned())),
            ("file-system", [name]) => return Some(facts.file_systems.insert((*name).to_owned())),
            _ => return None,
        }
        Some(true)
    }

    fn sysctl(&mut self, key: &'a str, state: SysctlState) -> Option<bool> {
        Some(self.sysctls.insert(key, state).is_none())
    }

    fn module(&mut self, name: &'a str, flags: &[&str]) -> Option<bool> {
        let mut module = ModuleState::default();
        for flag in flags {
            let (name, value) = flag.split_once('=')?;
            let value = match value {
                "yes" => true,
                "no" => false,
                _ => return None,
            };
            match name {
                "loaded" => module.loaded = value,
                "builtin" => module.builtin = value,
                "available" => module.available = value,
                "sysfs" => module.in_sysfs = value,
                _ => return None,
            }
        }
        Some(self.modules.insert(name, module).is_none())
    }

    /// The two lines about a unit make one state.
    fn unit(&mut self, word: &str, name: &'a str, properties: &[&str]) -> Option<bool> {
        let first = word == "unit";
        if first == self.units.contains_key(name) {
            return Some(false);
        }
        let unit = self.units.entry(name).or_default();
        for property in properties.iter().filter(|property| !property.is_empty()) {
            let (name, value) = property.split_once('=')?;
            unit.properties.insert(name.to_owned(), value.to_owned());
        }
        Some(true)
    }

    fn containerd(&mut self, path: &'a str, version: Option<&&str>) -> Option<bool> {
        let state = ContainerdState {
            version: version.map(|version| (*version).to_owned()),
            ..ContainerdState::default()
        };
        Some(self.containerds.insert(path, state).is_none())
    }

    /// A line of a dump: a field, but for spaces, which only an odd line has encoded.
    fn dump(&mut self, line: &str) -> Option<bool> {
        let line = match line.contains('%') {
            true => decode_lazily(line)?,
            false => Cow::Borrowed(line),
        };
        let dump = self.containerds.get_mut(self.dumping?)?;
        let text = dump.effective.as_mut()?;
        text.push_str(&line);
        text.push('\n');
        Some(true)
    }

    /// `MODE RAW-MODE UID GID OWNER:GROUP:PATH`
    fn stat(&mut self, rest: &'a str) -> Option<bool> {
        let mut words = rest.splitn(5, ' ');
        let mode = u32::from_str_radix(words.next()?, 8).ok()?;
        let kind = u32::from_str_radix(words.next()?, 16).ok()? & 0o170_000;
        let (uid, gid) = (words.next()?, words.next()?);
        let mut names = words.next()?.splitn(3, ':');
        let named = |name: &'a str, number: &'a str| match name {
            "UNKNOWN" => number,
            name => name,
        };
        let (owner, group) = (named(names.next()?, uid), named(names.next()?, gid));
        let path = names.next().filter(|path| path.starts_with('/'))?;
        let stat = Stat {
            kind,
            mode,
            owner,
            group,
            size: 0,
            links: 0,
            modified: 0,
        };
        if self.half.is_some() {
            return None;
        }
        self.half = Some((path, stat));
        Some(true)
    }

    /// `RAW-MODE SIZE LINKS MODIFIED PATH`, right after the line before.
    fn size_line(&mut self, rest: &str) -> Option<bool> {
        let (path, mut stat) = self.half.take()?;
        let mut words = rest.splitn(5, ' ').skip(1);
        stat.size = words.next()?.parse().ok()?;
        stat.links = words.next()?.parse().ok()?;
        stat.modified = words.next()?.parse().ok()?;
        if words.next()? != path {
            return None;
        }
        Some(self.files.insert(path, stat).is_none())
    }

    /// A line of sha256sum: `DIGEST  PATH`, or `\DIGEST  PATH` with doubled backslashes.
    fn content(&mut self, rest: &'a str) -> Option<bool> {
        let (escaped, rest) = match rest.strip_prefix('\\') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (digest, path) = rest.split_once("  ")?;
        let path = match escaped {
            true => Cow::Owned(path.replace("\\\\", "\\")),
            false => Cow::Borrowed(path),
        };
        self.hashed.push(path.clone());
        Some(self.digests.insert(path, digest.parse().ok()?).is_none())
    }

    fn receipt(&mut self, rest: &str) -> Result<(), AnswerError> {
        let (record, json) = rest.split_once(' ').unwrap_or((rest, ""));
        let bad = |reason: String| AnswerError::Receipt {
            record: excerpt(record.as_bytes()),
            reason,
        };
        let receipt: Receipt =
            serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
        if receipt.resource.record_name() != record {
            return Err(bad(format!("it is about {}", receipt.resource)));
        }
        self.receipts.push(receipt);
        Ok(())
    }

    /// The size of a file whose content is sent.
    fn size(&self, path: &str) -> Option<usize> {
        let stat = self.files.get(path)?;
        let size = Some(stat.size).filter(|size| *size <= MAX_CONTENT)?;
        usize::try_from(size).ok()
    }

    fn observed(mut self, questions: &[Question]) -> Result<Observed, AnswerError> {
        self.settle_parameters();
        let of_receipts = self.receipts.iter().flat_map(|receipt| &*receipt.questions);
        let of_debts: Vec<Question> = self.owed.iter().cloned().map(Question::Unit).collect();
        let questions: BTreeSet<&Question> = questions
            .iter()
            .chain(of_receipts)
            .chain(&of_debts)
            .collect();
        self.check_asked(&questions)?;
        // Without an answer stay files that vanished meanwhile, and the questions of receipts that were kept.
        let answers = questions
            .into_iter()
            .filter_map(|question| Some((question.clone(), self.answer(question)?)))
            .collect();
        let receipts = self.receipts.into_iter();
        Ok(Observed {
            facts: self.facts,
            answers,
            receipts: receipts
                .map(|receipt| (receipt.resource.clone(), receipt))
                .collect(),
            owed: self.owed,
            guards: self.guards,
            cluster: None,
        })
    }

    fn settle_parameters(&mut self) {
        for ((module, name), value) in std::mem::take(&mut self.parameters) {
            if let Some(module) = self.modules.get_mut(module) {
                module.parameters.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Returns the answer to a question; none if the host said nothing about it.
    fn answer(&self, question: &Question) -> Option<Answer> {
        let unanswered = |kind: &str, name: &str| {
            let reason = self.unanswered.get(&(kind, name))?;
            Some(Answer::Unanswered((*reason).to_owned()))
        };
        match question {
            Question::File(path) => self.file(path.as_str()),
            Question::Files { directory, suffix } => self.list(directory, suffix),
            Question::Sysctl(key) => {
                let state = self.sysctls.get(key.proc_path().as_str())?;
                Some(Answer::Sysctl(state.clone()))
            }
            Question::Module(name) => {
                let state = self.modules.get(name.as_str())?;
                Some(Answer::Module(state.clone()))
            }
            Question::Unit(name) => match self.units.get(name.as_str()) {
                Some(state) => Some(Answer::Unit(state.clone())),
                None => unanswered("unit", name.as_str()),
            },
            Question::Package(name) | Question::Installed(name) => {
                match self.packages.get(name.as_str()) {
                    Some(state) => Some(Answer::Package(state.clone())),
                    None => unanswered("package", name.as_str()),
                }
            }
            Question::Repository(name) => {
                let state = self.repositories.get(name.as_str())?;
                Some(Answer::Repository(state.clone()))
            }
            Question::Containerd(path) => {
                let state = self.containerds.get(path.as_str())?;
                Some(Answer::Containerd(state.clone()))
            }
            Question::Cri(socket) => {
                let state = self.cris.get(socket.as_str())?;
                Some(Answer::Cri(state.clone()))
            }
            Question::Limits(unit) => {
                let state = self.limits.get(unit.as_str())?;
                Some(Answer::Limits(state.clone()))
            }
            Question::Kubelet(unit) => {
                let state = self.kubelets.get(unit.as_str())?;
                Some(Answer::Kubelet(state.clone()))
            }
        }
    }

    fn file(&self, path: &str) -> Option<Answer> {
        if let Some(target) = self.links.get(path) {
            return Some(Answer::File(FileState::Symlink((*target).to_owned())));
        }
        if self.absent.contains(path) {
            return Some(Answer::File(FileState::Absent));
        }
        if let Some(stat) = self.files.get(path) {
            return Some(match self.state(path, stat) {
                Some(state) => Answer::File(state),
                None => Answer::Unanswered(CHANGED.to_owned()),
            });
        }
        let why = self.unreadable.get(path)?;
        Some(Answer::File(FileState::Unreadable((*why).to_owned())))
    }

    /// Returns what is at a path; none if it changed while it was read.
    fn state(&self, path: &str, stat: &Stat) -> Option<FileState> {
        let attributes = Attributes {
            mode: stat.mode,
            owner: stat.owner.to_owned(),
            group: stat.group.to_owned(),
        };
        let other = |kind: &str| Some(FileState::Other(kind.to_owned()));
        match stat.kind {
            0o100_000 => {}
            0o040_000 => return Some(FileState::Directory(attributes)),
            0o010_000 => return other("fifo"),
            0o140_000 => return other("socket"),
            0o060_000 => return other("block device"),
            0o020_000 => return other("character device"),
            _ => return None,
        }
        if let Some(why) = self.unreadable.get(path) {
            return Some(FileState::Unreadable((*why).to_owned()));
        }
        let digest = self.digests.get(path)?.clone();
        let content = match stat.size <= MAX_CONTENT {
            true => Some(self.bodies.get(path)?.to_vec()),
            false => None,
        };
        Some(FileState::Regular(RegularFile {
            attributes,
            size: stat.size,
            links: stat.links,
            modified: stat.modified,
            digest,
            content,
        }))
    }

    fn list(&self, directory: &AbsPath, suffix: &str) -> Option<Answer> {
        let names = match self.lists.get(&(directory.as_str(), suffix))? {
            Ok(names) => names,
            Err(reason) => return Some(Answer::Unanswered(reason.clone())),
        };
        let mut found = Vec::new();
        for name in names {
            match self.found(directory, name) {
                Ok(file) => found.extend(file),
                Err(reason) => return Some(Answer::Unanswered(reason)),
            }
        }
        Some(Answer::Files(found))
    }

    /// Returns one entry; none if it vanished.
    fn found(&self, directory: &AbsPath, name: &str) -> Result<Option<FoundFile>, String> {
        let path = directory
            .join(name)
            .map_err(|error| format!("{name}: {error}"))?;
        let link = self.links.get(path.as_str()).map(|link| (*link).to_owned());
        let state = match (self.files.get(path.as_str()), &link) {
            (Some(stat), _) => self
                .state(path.as_str(), stat)
                .ok_or_else(|| format!("{path}: {CHANGED}"))?,
            (None, Some(_)) => FileState::Absent,
            (None, None) => return Ok(None),
        };
        Ok(Some(FoundFile { path, link, state }))
    }

    /// Nothing may be answered that was not asked.
    fn check_asked(&self, questions: &BTreeSet<&Question>) -> Result<(), AnswerError> {
        let mut asked = Asked::default();
        for question in questions {
            asked.add(question, self);
        }
        let check = |known: &BTreeSet<Cow<'_, str>>, name: &str| match known.contains(name) {
            true => Ok(()),
            false => Err(AnswerError::NotAsked(encode(name).into_owned())),
        };
        let paths = self.files.keys().chain(self.links.keys());
        let paths = paths
            .chain(&self.absent)
            .chain(self.unreadable.keys())
            .copied();
        for path in paths.chain(self.digests.keys().map(AsRef::as_ref)) {
            check(&asked.paths, path)?;
        }
        let unanswered = self.unanswered.keys().map(|(_, name)| name);
        let names = self.sysctls.keys().chain(self.modules.keys());
        let names = names.chain(self.units.keys()).chain(self.packages.keys());
        let names = names.chain(self.containerds.keys()).chain(self.cris.keys());
        let names = names.chain(self.repositories.keys());
        let names = names.chain(self.kubelets.keys()).chain(self.limits.keys());
        for name in names.chain(unanswered) {
            check(&asked.names, name)?;
        }
        for (directory, suffix) in self.lists.keys() {
            check(&asked.names, &format!("{directory}/*.{suffix}"))?;
        }
        Ok(())
    }
}

/// What may be answered.
#[derive(Debug, Default)]
struct Asked<'a> {
    paths: BTreeSet<Cow<'a, str>>,
    names: BTreeSet<Cow<'a, str>>,
}

impl<'a> Asked<'a> {
    fn add(&mut self, question: &'a Question, seen: &Seen<'_>) {
        let name = match question {
            Question::File(path) => {
                self.paths.insert(path.as_str().into());
                return;
            }
            Question::Files { directory, suffix } => {
                let key = (directory.as_str(), suffix.as_str());
                if let Some(Ok(names)) = seen.lists.get(&key) {
                    let paths = names.iter().filter_map(|name| directory.join(name).ok());
                    self.paths.extend(paths.map(|path| path.to_string().into()));
                }
                format!("{directory}/*.{suffix}").into()
            }
            Question::Sysctl(key) => key.proc_path().into(),
            Question::Module(name) => name.as_str().into(),
            Question::Unit(name) | Question::Limits(name) | Question::Kubelet(name) => {
                name.as_str().into()
            }
            Question::Package(name) | Question::Installed(name) => name.as_str().into(),
            Question::Repository(name) => name.as_str().into(),
            Question::Containerd(path) | Question::Cri(path) => path.as_str().into(),
        };
        self.names.insert(name);
    }
}

#[cfg(test)]
mod tests;
