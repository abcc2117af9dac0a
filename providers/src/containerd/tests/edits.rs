//! `testdata/edits.yaml` against `testdata/edits.txt`: every file that containerd reads wrongly, for every version.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::containerd::edit::{self, Edited, Wanted};
use crate::containerd::section::ContainerdSection;
use crate::containerd::version::ContainerdVersion;
use crate::runtime::{CgroupDriver, Refusal};

const CASES: &str = include_str!("../testdata/edits.yaml");
const RESULTS: &str = include_str!("../testdata/edits.txt");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    containerd: Vec<String>,
    wanted: ContainerdSection,
    before: Option<String>,
}

fn cases() -> Vec<Case> {
    serde_yaml::from_str(CASES).unwrap()
}

fn run(case: &Case, version: &str) -> Result<Edited, Refusal> {
    let version = ContainerdVersion::parse(version).unwrap();
    let wanted = wanted(&case.wanted);
    match &case.before {
        Some(text) => edit::edit(text, &wanted, version),
        None => edit::create(&wanted, version),
    }
}

fn wanted(section: &ContainerdSection) -> Wanted {
    crate::containerd::config(section, None, None).wanted
}

fn render(case: &Case) -> String {
    let mut text = format!("==== {}\n", case.name);
    let mut results: Vec<(Vec<&str>, String)> = Vec::new();
    for version in &case.containerd {
        let result = result_text(case, version);
        match results.iter_mut().find(|(_, known)| *known == result) {
            Some((versions, _)) => versions.push(version),
            None => results.push((vec![version], result)),
        }
    }
    for (versions, result) in results {
        write!(text, "---- {}\n{result}", versions.join(" ")).unwrap();
    }
    text
}

fn result_text(case: &Case, version: &str) -> String {
    let edited = match run(case, version) {
        Ok(edited) => edited,
        Err(Refusal { reason, help }) => {
            let help = help.map_or_else(String::new, |help| format!("help: {help}\n"));
            return format!("refused: {reason}\n{help}");
        }
    };
    let mut text = String::new();
    for difference in &edited.differences {
        let (before, after) = (&difference.before, &difference.after);
        writeln!(text, "{}: {before} -> {after}", difference.attribute).unwrap();
    }
    if edited.driver_changes {
        text.push_str("the driver changes\n");
    }
    match case.before.as_ref() == Some(&edited.text) {
        true => text.push_str("(unchanged)\n"),
        false => edited.text.lines().for_each(|line| {
            let bar = if line.is_empty() { "|" } else { "| " };
            writeln!(text, "{bar}{line}").unwrap();
        }),
    }
    text
}

#[test]
fn files_become_what_is_written_beside_them() {
    let results: String = cases().iter().map(render).collect();
    let expected = RESULTS.split_inclusive("\n==== ").collect::<Vec<_>>();
    for (result, expected) in results.split_inclusive("\n==== ").zip(expected) {
        assert_eq!(result, expected);
    }
    assert_eq!(results, RESULTS);
}

#[test]
fn an_edited_file_needs_no_edit() {
    for case in cases() {
        for version in &case.containerd {
            let Ok(edited) = run(&case, version) else {
                continue;
            };
            let version = ContainerdVersion::parse(version).unwrap();
            let again = edit::edit(&edited.text, &wanted(&case.wanted), version).unwrap();
            assert_eq!(again.text, edited.text, "{} for {version}", case.name);
            assert!(again.differences.is_empty(), "{} for {version}", case.name);
            assert!(!again.driver_changes, "{} for {version}", case.name);
        }
    }
}

#[test]
fn a_changed_text_has_differences() {
    for case in cases() {
        for version in &case.containerd {
            if let (Ok(edited), Some(before)) = (run(&case, version), &case.before) {
                assert_eq!(
                    edited.text != *before,
                    !edited.differences.is_empty(),
                    "{}",
                    case.name
                );
            }
        }
    }
}

#[test]
fn a_file_cut_off_anywhere_is_edited_for_good_or_refused() {
    for case in cases() {
        let Some(text) = &case.before else {
            continue;
        };
        for (end, _) in text.char_indices().step_by(5) {
            check_cut(&case, &text[..end]);
        }
    }
}

fn check_cut(case: &Case, text: &str) {
    let wanted = wanted(&case.wanted);
    for version in &case.containerd {
        let version = ContainerdVersion::parse(version).unwrap();
        let Ok(edited) = edit::edit(text, &wanted, version) else {
            continue;
        };
        let again = edit::edit(&edited.text, &wanted, version).unwrap();
        assert_eq!(again.text, edited.text, "{text}");
        assert!(!again.driver_changes, "{text}");
    }
}

#[test]
fn a_right_text_stays_however_it_is_written() {
    let wanted = Wanted {
        driver: CgroupDriver::Cgroupfs,
        ..Wanted::default()
    };
    for text in [
        "version = 2\r\n[grpc]\r\nuid = 0\r\n",
        "\u{feff}version = 2\n",
        "version = 2",
        "\n\n\tversion\t=\t2\t# two\n\n\n",
    ] {
        let version = ContainerdVersion::new(1, 7, 24);
        let edited = edit::edit(text, &wanted, version).unwrap();
        assert_eq!(edited.text, text);
        assert!(edited.differences.is_empty(), "{text:?}");
    }
}
