//! The invariants of docs/architecture.md that can be read off the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The engine's modules in the order of the pipeline: one may name only what stands before it, or beside it in its line.
const STAGES: [&[&str]; 12] = [
    &[
        "source",
        "untrusted",
        "name",
        "diagnostic",
        "facts",
        "random",
        "shell",
    ],
    &["cluster", "step", "question", "receipt"],
    &["reading", "spec", "inventory"],
    &["state"],
    &["check"],
    &["resource"],
    &["graph"],
    &["plan", "event", "report"],
    &["farside", "transport", "fleet", "kubectl"],
    &["complete", "compile", "effective", "probe"],
    &["apply", "cluster_wide", "node"],
    &["pipeline"],
];

/// What an earlier module takes from a later one, as plain data.
const EXCEPTIONS: [(&str, &str); 1] = [
    // A section is the name and the schema that a spec is read with; providers declare it.
    ("spec", "resource"),
];

/// Codes that several modules make, because their meaning holds in each. What is not here is made in one place only, so that
/// no number is taken twice for different things.
const SHARED_CODES: [&str; 22] = [
    "E101", "E102", "E105", "E110", "E115", "E118", "E120", "E123", "E126", "E127", "E201", "E210",
    "E215", "E238", "E261", "E265", "E266", "E301", "E302", "E303", "E304", "E331",
];

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Returns the text before the unit tests.
    fn code(&self) -> &str {
        let names: Vec<_> = self
            .path
            .iter()
            .map(|name| name.to_string_lossy())
            .collect();
        let is_test = |name: &str| {
            matches!(
                name,
                "tests" | "tests.rs" | "testing" | "testing.rs" | "fixtures.rs" | "golden.rs"
            )
        };
        if names.iter().any(|name| is_test(name)) {
            return "";
        }
        let tests = "#[cfg(test)]\nmod tests {";
        self.text.split(tests).next().unwrap_or_default()
    }

    fn is_below(&self, directory: &str) -> bool {
        self.path.starts_with(Path::new(ROOT).join(directory))
    }
}

fn sources(directory: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut directories = vec![Path::new(ROOT).join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push(Source { path, text });
            }
        }
    }
    assert!(!sources.is_empty(), "{directory} has no sources");
    sources
}

fn all_sources() -> Vec<Source> {
    ["engine/src", "providers/src", "cli/src"]
        .iter()
        .flat_map(|directory| sources(directory))
        .collect()
}

#[test]
fn every_file_says_what_it_is_for() {
    for source in all_sources().into_iter().chain(sources("tests")) {
        assert!(
            source.text.starts_with("//!"),
            "{} has no header",
            source.path.display()
        );
    }
}

#[test]
fn only_the_transport_names_openssh_and_tokio() {
    for source in all_sources() {
        if !source.is_below("engine/src/transport") {
            for word in ["openssh::", "tokio::"] {
                assert!(
                    !source.text.contains(word),
                    "{} names {word}",
                    source.path.display()
                );
            }
        }
    }
}

#[test]
fn only_one_module_runs_kubectl() {
    for source in sources("engine/src") {
        let is_kubectl = source.path.ends_with("engine/src/kubectl.rs");
        if !is_kubectl && !source.is_below("engine/src/transport") {
            assert!(
                !source.code().contains("process::Command"),
                "{} runs a program",
                source.path.display()
            );
        }
    }
}

#[test]
fn providers_never_see_a_transport() {
    for source in sources("providers/src") {
        for word in [
            "engine::transport",
            "engine::farside",
            "engine::apply",
            "engine::probe",
            "engine::kubectl",
            "std::fs",
            "std::process",
            "std::net",
        ] {
            assert!(
                !source.code().contains(word),
                "{} names {word}",
                source.path.display()
            );
        }
    }
}

#[test]
fn only_the_ui_prints() {
    for source in all_sources() {
        if !source.is_below("cli/src/ui") {
            for word in ["println!", "print!(", "std::io::stdout", "std::io::stderr"] {
                assert!(
                    !source.code().contains(word),
                    "{} has {word}",
                    source.path.display()
                );
            }
        }
    }
}

#[test]
fn later_stages_are_not_imported_by_earlier_ones() {
    let rank = |module: &str| {
        STAGES
            .iter()
            .position(|stage| stage.contains(&module))
            .unwrap_or_else(|| panic!("engine module {module} has no place in STAGES"))
    };
    for source in sources("engine/src") {
        let relative = source
            .path
            .strip_prefix(Path::new(ROOT).join("engine/src"))
            .unwrap();
        let first = relative.iter().next().unwrap().to_string_lossy();
        let module = first.trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        for named in source.code().split("crate::").skip(1) {
            let named: String = named
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            let is_fine = named == module
                || EXCEPTIONS.contains(&(module, named.as_str()))
                || rank(&named) <= rank(module);
            assert!(
                is_fine,
                "{} imports {named}, a later stage",
                relative.display()
            );
        }
    }
}

#[test]
fn nothing_panics_outside_tests() {
    for source in all_sources() {
        for word in [".unwrap()", "panic!(", "todo!(", "unimplemented!("] {
            assert!(
                !source.code().contains(word),
                "{} has {word}",
                source.path.display()
            );
        }
    }
}

#[test]
fn a_code_has_one_meaning_and_a_line_in_the_book() {
    let is_code = |word: &str| {
        let digits = word.strip_prefix(['E', 'W']).unwrap_or_default();
        digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut places: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
    for source in all_sources() {
        for word in source.code().split('"').filter(|word| is_code(word)) {
            let places = places.entry(word.to_owned()).or_default();
            places.insert(source.path.clone());
        }
    }
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/codes.md")).unwrap();
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let explained: Vec<_> = rows
        .map(|(code, _)| code)
        .filter(|code| is_code(code))
        .collect();
    let made: Vec<_> = places.keys().map(String::as_str).collect();
    assert_eq!(
        made, explained,
        "the codes that are made, and those of docs/codes.md"
    );
    let shared: Vec<_> = places
        .iter()
        .filter(|(_, places)| places.len() > 1)
        .map(|(code, _)| code.as_str())
        .collect();
    assert_eq!(
        shared, SHARED_CODES,
        "the codes that several modules make: {places:#?}"
    );
}
