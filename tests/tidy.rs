//! The invariants of docs/architecture.md that can be read off the sources.

use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The engine's modules in the order of the pipeline: one may name only what stands before it, or beside it in its line.
const STAGES: [&[&str]; 11] = [
    &[
        "source",
        "untrusted",
        "name",
        "diagnostic",
        "facts",
        "random",
    ],
    &["cluster", "step", "question", "receipt"],
    &["spec", "inventory", "state"],
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
        self.text.split("#[cfg(test)]").next().unwrap_or_default()
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
