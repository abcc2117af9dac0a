//! The binary as scripts see it: exit codes, and what goes to stdout and what to stderr.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn hardstand(directory: &Path, line: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hardstand"));
    command.args(line).current_dir(directory).env_clear();
    command.output().unwrap()
}

fn check(output: &Output, code: i32, stdout: &str, stderr: &str) {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(
        output.status.code(),
        Some(code),
        "stdout: {out}\nstderr: {err}"
    );
    assert!(
        out.contains(stdout) && (!stdout.is_empty() || out.is_empty()),
        "stdout: {out}"
    );
    assert!(
        err.contains(stderr) && (!stderr.is_empty() || err.is_empty()),
        "stderr: {err}"
    );
}

#[test]
fn usage_errors_exit_64() {
    let directory = tempfile::tempdir().unwrap();
    for line in [
        &["plam"][..],
        &[],
        &["plan", "--detailed-exitcode", "--no-such-flag"],
        &["plan", "-j", "0"],
        &["plan", "--timeout", "10"],
        &["plan", "--shard", "3/2"],
        &["plan", "--shard", "0/2"],
        &["apply", "plan.json", "-f", "site.yaml"],
    ] {
        check(&hardstand(directory.path(), line), 64, "", "--help");
    }
}

#[test]
fn help_and_version_are_results() {
    let directory = tempfile::tempdir().unwrap();
    check(
        &hardstand(directory.path(), &["--help"]),
        0,
        "143  interrupted",
        "",
    );
    check(
        &hardstand(directory.path(), &["apply", "--help"]),
        0,
        "hardstand apply plan.json",
        "",
    );
    check(&hardstand(directory.path(), &["-V"]), 0, "hardstand ", "");
    check(
        &hardstand(directory.path(), &["completions", "bash"]),
        0,
        "_hardstand",
        "",
    );
}

const EMPTY: &str = r#"{"format":"hardstand.dev/plan/v2","tool": "0.1.0", "via": "ssh","inputs":{"documents":[],"files":{}},"plans":[],"hosts":[],
"unreachable":[{"host":"node01","reason":"\u001b[31mno route"}]}"#;

#[test]
fn a_saved_plan_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plan.json"), EMPTY).unwrap();
    let shown = hardstand(directory.path(), &["show", "plan.json"]);
    check(
        &shown,
        0,
        "node01  UNREACHABLE  \\x1b[31mno route\n\nNothing was planned; 1 host unreachable.\n",
        "sha256",
    );
    let shown = hardstand(directory.path(), &["show", "--json", "-q", "plan.json"]);
    check(&shown, 0, "\"unreachable\": 1", "");
    let shown = hardstand(
        directory.path(),
        &["show", "--color", "always", "-q", "plan.json"],
    );
    check(&shown, 0, "\x1b[1mnode01\x1b[0m", "");
}

#[test]
fn what_is_not_a_plan_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let damaged = EMPTY.replace("\"hosts\"", "\"hots\"");
    let newer = EMPTY.replace("plan/v2", "plan/v9\\u001b[2J");
    let wrapped = format!("{{\"plan\":{EMPTY},\"exitCode\":0}}");
    let doubled = format!("{EMPTY}{EMPTY}");
    for (text, code, complaint) in [
        (damaged.as_str(), 3, "damaged"),
        (&EMPTY[..90], 3, "damaged"),
        ("", 3, "damaged"),
        (doubled.as_str(), 3, "damaged"),
        (newer.as_str(), 3, "`hardstand.dev/plan/v9\\x1b[2J`"),
        (wrapped.as_str(), 3, "--out"),
    ] {
        fs::write(directory.path().join("plan.json"), text).unwrap();
        check(
            &hardstand(directory.path(), &["show", "plan.json"]),
            code,
            "",
            complaint,
        );
    }
    let large = fs::File::create(directory.path().join("large.json")).unwrap();
    large.set_len(65 * 1024 * 1024).unwrap();
    check(
        &hardstand(directory.path(), &["show", "large.json"]),
        3,
        "",
        "larger than 64 MiB",
    );
    check(
        &hardstand(directory.path(), &["show", "none.json"]),
        1,
        "",
        "because: No such file",
    );
    check(
        &hardstand(directory.path(), &["show", "."]),
        1,
        "",
        "cannot read the plan",
    );
}

#[test]
fn the_environment_sets_flags() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plan.json"), EMPTY).unwrap();
    let show = |name: &str, value: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hardstand"));
        command
            .args(["show", "plan.json"])
            .current_dir(directory.path())
            .env_clear();
        command
            .env("HARDSTAND_QUIET", "1")
            .env(name, value)
            .output()
            .unwrap()
    };
    check(&show("HARDSTAND_JSON", "1"), 0, "\"exitCode\": 0", "");
    check(&show("HARDSTAND_JSON", "0"), 0, "Nothing was planned", "");
    check(&show("CLICOLOR_FORCE", "1"), 0, "\x1b[1mnode01", "");
    check(&show("HARDSTAND_COLOR", "sometimes"), 64, "", "sometimes");
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hardstand"));
    command
        .args(["completions", "zsh"])
        .current_dir(directory.path())
        .env_clear();
    let output = command.stdout(full).output().unwrap();
    check(
        &output,
        1,
        "",
        "error: cannot write to stdout\n  because: No space left",
    );
}

#[test]
fn what_is_asked_for_as_json_is_json() {
    let directory = tempfile::tempdir().unwrap();
    let spec = |key: &str| {
        format!(
            "apiVersion: hardstand.dev/v1alpha1\nkind: NodeSpec\nmetadata: {{ name: a }}\n\
             spec: {{ hosts: all, {key}: {{ net.ipv4.ip_forward: 1 }} }}\n"
        )
    };
    fs::write(directory.path().join("good.yaml"), spec("sysctls")).unwrap();
    fs::write(directory.path().join("bad.yaml"), spec("sysctl")).unwrap();
    let json = |line: &[&str], code: i32| -> serde_json::Value {
        let output = hardstand(directory.path(), line);
        assert_eq!(output.status.code(), Some(code), "{line:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let valid = json(&["validate", "--json", "good.yaml"], 0);
    assert_eq!(
        (&valid["valid"], &valid["specs"]),
        (&true.into(), &1.into())
    );
    let invalid = json(&["validate", "--json", "bad.yaml"], 1);
    assert_eq!(invalid["diagnostics"][0]["code"], "E119");
    assert_eq!(invalid["diagnostics"][0]["at"]["line"], 4);
    let graph = json(&["graph", "--json", "good.yaml"], 0);
    assert_eq!(graph["edges"][0]["edge"], "requires");
}

#[test]
fn shards_are_parts_of_the_inventory() {
    let directory = tempfile::tempdir().unwrap();
    let inventory =
        "apiVersion: hardstand.dev/v1alpha1\nkind: Inventory\nhosts:\n  node[1-10]: {}\n";
    fs::write(directory.path().join("i.yaml"), inventory).unwrap();
    let hosts = |shard: &str| {
        let line = [
            "inventory",
            "-i",
            "i.yaml",
            "-l",
            "node[1-9]",
            "--shard",
            shard,
        ];
        let output = hardstand(directory.path(), &line);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let words = text
            .split_whitespace()
            .filter(|word| word.starts_with("node"));
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(hosts("1/2"), ["node1", "node2", "node3", "node4"]);
    assert_eq!(hosts("2/2"), ["node5", "node6", "node7", "node8", "node9"]);
}

#[test]
fn a_shard_without_hosts_is_a_plan_of_none() {
    let directory = tempfile::tempdir().unwrap();
    let text = "apiVersion: hardstand.dev/v1alpha1\nkind: NodeSpec\nmetadata: { name: x }\nspec: { hosts: all }\n---\n\
                apiVersion: hardstand.dev/v1alpha1\nkind: Inventory\nhosts:\n  a: {}\n  b: {}\n";
    fs::write(directory.path().join("hardstand.yaml"), text).unwrap();
    let shard = ["--shard", "1/3"];
    let planned = hardstand(
        directory.path(),
        &[&["plan", "--json"], &shard[..]].concat(),
    );
    check(&planned, 0, "\"shard\": \"1/3\"", "");
    check(&planned, 0, "\"hosts\": []", "");
    check(
        &hardstand(
            directory.path(),
            &[&["validate", "--json"], &shard[..]].concat(),
        ),
        0,
        "\"shard\": \"1/3\"",
        "",
    );
}
