//! Bad and good texts, each with what is said about it.

use super::*;
use crate::spec::testing::{lines, show};

fn read(text: &str) -> (Vec<Node>, Vec<String>) {
    let mut sources = Sources::default();
    let source = sources.add("a.yaml", text);
    let mut problems = Problems::default();
    let documents = parse(&sources, source, &mut problems);
    (documents, lines(&sources, problems))
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(read(text).1, expected, "{text:?}");
}

#[test]
fn data_is_read_as_written() {
    let text = "a:\n  b: [1, yes]\n  c:\n  d: {e: \"1\"}\nlist:\n- ö: 1.30\n  k: v # ü\n-\n- |\n  two\n  lines\n---\n---\nx: 1\n";
    let (documents, problems) = read(text);
    let shown: Vec<String> = documents.iter().map(show).collect();
    assert_eq!(
        shown,
        [
            r#"{a: {b: [1, "yes"], c: null, d: {e: "1"}}, list: [{ö: <1.30>, k: "v"}, null, "two\nlines\n"]}"#,
            "{x: 1}",
        ]
    );
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn spans_cut_out_what_was_written() {
    let text =
        "\u{feff}ä: ü\r\nmap:\r\n  k: \"quoted\" # ö\r\n  l: [ 1, ß ]\r\nnone:\r\nend: x\r\n";
    let (documents, _) = read(text);
    let root = &documents[0];
    for (path, expected) in [
        (&["ä"][..], "ü"),
        (&["map"], "k: \"quoted\" # ö\r\n  l: [ 1, ß ]"),
        (&["map", "k"], "\"quoted\""),
        (&["map", "l"], "[ 1, ß ]"),
        (&["none"], "none"),
        (&["end"], "x"),
    ] {
        let span = root.at(path).unwrap().span;
        assert_eq!(&text[span.start..span.end], expected, "{path:?}");
    }
    let key = root.entry("ä").unwrap().key_span;
    assert_eq!(&text[key.start..key.end], "ä");
}

#[test]
fn texts_that_are_not_yaml_are_explained() {
    for (text, expected) in [
        ("", "1:1 E101 the file holds no document"),
        (
            "# only a comment\n---\n",
            "1:1 E101 the file holds no document",
        ),
        ("a:\n\tb: 1\n", "2:1 E104 a tab is used for indentation"),
        (
            "a: \"x\n b: 1\n",
            "1:4 E110 the text in quotes that starts here is never closed",
        ),
        (
            "a: [1, 2\nb: 3\n",
            "1:4 E110 the list that starts here is not closed",
        ),
        (
            "a: {b: 1\n",
            "1:4 E110 the map that starts here is not closed",
        ),
        (
            "hosts: @workers\n",
            "1:8 E110 a text may not start with \"@\"",
        ),
        ("a: `x`\n", "1:4 E110 a text may not start with \"`\""),
        ("a: b: c\n", "1:5 E110 a `:` is not expected here"),
        (
            "- a\nb: c\n",
            "2:1 E110 this is not YAML: did not find expected '-' indicator",
        ),
        (
            "a:\n  - b\n c: d\n",
            "3:2 E110 this is not YAML: did not find expected key",
        ),
    ] {
        check(text, &[expected]);
    }
}

#[test]
fn what_yaml_can_do_beyond_data_is_refused() {
    for (text, expected) in [
        (
            "a: &x 1\n",
            &["1:4 E106 anchors and aliases are not allowed"][..],
        ),
        (
            "a: &x [1]\nb: [*x, *x]\n",
            &[
                "1:4 E106 anchors and aliases are not allowed",
                "2:5 E106 anchors and aliases are not allowed",
                "2:9 E106 anchors and aliases are not allowed",
            ],
        ),
        (
            "hosts: *\n",
            &["1:8 E106 anchors and aliases are not allowed"],
        ),
        (
            "a: &x {}\nb:\n  <<: *x\n",
            &[
                "1:4 E106 anchors and aliases are not allowed",
                "3:3 E106 merge keys are not allowed",
                "3:7 E106 anchors and aliases are not allowed",
            ],
        ),
        (
            "a: !include /etc/shadow\n",
            &["1:4 E108 the tag `!include` is not allowed"],
        ),
        (
            "a: !!python/object/apply:os.system [id]\n",
            &["1:4 E108 the tag `!!python/object/apply:os.system` is not allowed"],
        ),
        ("a: !!str 1\n", &["1:4 E108 the tag `!!str` is not allowed"]),
        (
            "files: 1\nb: 2\nfiles: 3\n\"files\": 4\n",
            &[
                "3:1 E105 `files` is already set",
                "4:1 E105 `files` is already set",
            ],
        ),
        ("1: x\n", &["1:1 E116 the key `1` is not a text"]),
        ("a: {true: x}\n", &["1:5 E116 the key `true` is not a text"]),
        ("? [a]\n: x\n", &["1:3 E116 a key must be plain text"]),
        (": x\n", &["1:1 E116 a key is empty"]),
    ] {
        check(text, expected);
    }
}

#[test]
fn characters_that_cannot_be_seen_are_refused() {
    for (text, expected) in [
        (
            "path: /etc/\u{202e}x\n",
            "1:12 E117 control or invisible character U+202E",
        ),
        (
            "a: b\n# \u{200b}\n",
            "2:3 E117 control or invisible character U+200B",
        ),
        (
            "a: \u{feff}b\n",
            "1:4 E117 control or invisible character U+FEFF",
        ),
        ("a: b\0\n", "1:5 E117 control or invisible character U+0000"),
        (
            "a: b\rc: d\n",
            "1:5 E117 control or invisible character U+000D",
        ),
        (
            "a: \"\\e[0m\"\n",
            "1:4 E117 control or invisible character U+001B",
        ),
        (
            "a: \"\\u202e\"\n",
            "1:4 E117 control or invisible character U+202E",
        ),
    ] {
        check(text, &[expected]);
    }
}

#[test]
fn budgets_hold() {
    let deep = "1:131 E107 nested deeper than 64 levels";
    check(&"- ".repeat(10_000), &[deep]);
    check(&"? ".repeat(10_000), &[deep]);
    check(
        &"[".repeat(10_000),
        &["1:256 E107 nested deeper than 64 levels"],
    );
    check(&format!("{}1{}", "[".repeat(64), "]".repeat(64)), &[]);
    let wide = format!("[{}]", "ö,".repeat(250_000));
    assert!(read(&wide).1[0].ends_with("E123 the file holds more than 250000 values"));
    let long = format!("a: {}", "x".repeat((1 << 20) + 1));
    check(
        &long,
        &["1:4 E118 a text of 1048577 bytes, the limit is 1048576"],
    );
    let large = format!("a: 1 #{}", "x".repeat(17 << 20));
    check(
        &large,
        &["1:1 E102 the file is 17.0 MiB, the limit is 4 MiB"],
    );
}

#[test]
fn a_second_duplicate_names_the_first_place() {
    let mut sources = Sources::default();
    let source = sources.add("a.yaml", "a: 1\na: 2\n");
    let mut problems = Problems::default();
    parse(&sources, source, &mut problems);
    let problem = problems.into_sorted().remove(0);
    assert_eq!(
        sources.position(problem.related[0].0).to_string(),
        "a.yaml:1:1"
    );
}
