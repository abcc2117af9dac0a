//! The program for Windows, as far as it can be checked where there is no PowerShell: its syntax by a grammar, what it
//! calls, and the bytes of requests. None of this runs it.

use std::collections::BTreeSet;

use tree_sitter::{Node, Parser, Tree};

use super::*;
use crate::name::{Digest, ResourceId};
use crate::plan::HostPlan;
use crate::question::{FileState, Question};

use crate::farside::{FarSide, TransactionId};

/// The cmdlets that the program may use: those that Windows PowerShell 5.1 and PowerShell 7 have alike.
const CMDLETS: [&str; 19] = [
    "Get-Acl",
    "Get-CimInstance",
    "Get-Command",
    "Get-Item",
    "Get-Service",
    "New-ScheduledTaskAction",
    "New-ScheduledTaskPrincipal",
    "New-ScheduledTaskSettingsSet",
    "New-TimeSpan",
    "Register-ScheduledTask",
    "Restart-Service",
    "Select-Object",
    "Set-Acl",
    "Set-Service",
    "Set-StrictMode",
    "Sort-Object",
    "Start-ScheduledTask",
    "Start-Service",
    "Start-Sleep",
];

/// More of them, and the ones that a probe has no use for are told apart below.
const MORE_CMDLETS: [&str; 2] = ["Unregister-ScheduledTask", "Where-Object"];

/// What a probe may call of them: nothing that changes a host.
const READING: [&str; 9] = [
    "Get-Acl",
    "Get-CimInstance",
    "Get-Command",
    "Get-Item",
    "Select-Object",
    "Set-StrictMode",
    "Sort-Object",
    "Start-Sleep",
    "Where-Object",
];

/// .NET members that change files; the part that answers a probe has none of them.
const WRITING: [&str; 9] = [
    "::Delete(",
    "::Move(",
    "::Replace(",
    "::Copy(",
    "CreateDirectory",
    "WriteAll",
    "FileMode]::Create",
    "FileAccess]::Write",
    "FileAccess]::ReadWrite",
];

fn parse(text: &str) -> Tree {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_powershell::LANGUAGE.into())
        .unwrap();
    parser.parse(text, None).unwrap()
}

/// Calls a function with every node of a tree.
fn visit<'a>(node: Node<'a>, see: &mut dyn FnMut(Node<'a>)) {
    see(node);
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        visit(child, see);
    }
}

/// The texts of all nodes of a kind.
fn texts<'a>(tree: &'a Tree, text: &'a str, kind: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    visit(tree.root_node(), &mut |node| {
        if node.kind() == kind {
            found.insert(&text[node.byte_range()]);
        }
    });
    found
}

fn check_syntax(text: &str) {
    let tree = parse(text);
    let mut wrong = Vec::new();
    visit(tree.root_node(), &mut |node| {
        if node.is_error() || node.is_missing() {
            let place = node.start_position();
            wrong.push(format!("{}:{}", place.row + 1, place.column + 1));
        }
    });
    let lines: Vec<&str> = text.lines().collect();
    let shown: Vec<_> = wrong
        .iter()
        .map(|place| {
            let row: usize = place.split(':').next().unwrap().parse().unwrap();
            format!("{place}: {}", lines.get(row - 1).unwrap_or(&""))
        })
        .collect();
    assert!(shown.is_empty(), "{shown:#?}");
}

#[test]
fn the_grammar_finds_what_is_broken() {
    assert!(parse("if ($a { b }").root_node().has_error());
    assert!(!parse("if ($a) { b }").root_node().has_error());
}

#[test]
fn every_text_is_powershell() {
    check_syntax(WINDOWS_PROGRAM);
    check_syntax(&PROBE_PROGRAM);
    check_syntax(LOADER);
    check_syntax(&task_program());
}

#[test]
fn every_text_is_plain_ascii() {
    for text in [WINDOWS_PROGRAM, LOADER] {
        assert!(
            text.bytes()
                .all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte))
        );
    }
}

#[test]
fn only_known_functions_and_cmdlets_are_called() {
    for program in [WINDOWS_PROGRAM, &PROBE_PROGRAM] {
        let tree = parse(program);
        let defined = texts(&tree, program, "function_name");
        let called = texts(&tree, program, "command_name");
        assert!(defined.len() > 20 && called.len() > 20);
        let is_probe = program != WINDOWS_PROGRAM;
        let unknown: Vec<_> = called
            .into_iter()
            .filter(|name| !defined.contains(name))
            .filter(|name| match is_probe {
                true => !READING.contains(name),
                false => !CMDLETS.contains(name) && !MORE_CMDLETS.contains(name),
            })
            .collect();
        // Which other verbs there are, only the first function of a probe says.
        let verbs = ["HsAbort", "HsBegin", "HsCollect", "HsPurge", "HsStatus"];
        let expected: &[&str] = if is_probe { &verbs } else { &[] };
        assert_eq!(unknown, expected);
    }
}

#[test]
fn a_probe_can_change_nothing() {
    for word in WRITING {
        assert!(WINDOWS_PROGRAM.contains(word), "{word}");
        assert!(!PROBE_PROGRAM.contains(word), "{word}");
    }
}

/// Each of these means something else, or nothing, in Windows PowerShell 5.1.
#[test]
fn nothing_is_newer_than_5_1() {
    for text in [WINDOWS_PROGRAM, LOADER] {
        for word in [
            " && ",
            " || ",
            " ?? ",
            "??=",
            "?.",
            " ? ",
            "-Parallel",
            "$IsWindows",
            "clean {",
        ] {
            assert!(!text.contains(word), "{word}");
        }
    }
}

/// In .NET `$` also matches before a newline at the end, so that a text with one would pass.
#[test]
fn patterns_end_where_the_text_ends() {
    for text in [WINDOWS_PROGRAM, LOADER] {
        for line in text.lines().filter(|line| line.contains("match '")) {
            assert!(!line.contains("$'"), "{line}");
        }
    }
}

/// Without -c operators fold case, so that they would take one path or digest for another.
#[test]
fn comparisons_of_text_heed_case() {
    for text in [WINDOWS_PROGRAM, LOADER] {
        let tree = parse(text);
        for word in texts(&tree, text, "comparison_operator") {
            let of_numbers = ["-eq", "-ne", "-lt", "-le", "-gt", "-ge"];
            let heeds = word.starts_with("-c") || of_numbers.contains(&word);
            // No text is told from another by these.
            assert!(
                heeds || matches!(word, "-join" | "-match" | "-replace" | "-split"),
                "{word}"
            );
        }
    }
}

#[test]
fn nothing_that_means_something_is_left_out_of_a_probe() {
    let (part, _) = WINDOWS_PROGRAM.split_once(CUT).unwrap();
    assert!(!part.contains("@'") && !part.contains("@\"") && !part.contains("<#"));
    assert!(PROBE_PROGRAM.contains("function HsSendContents"));
    assert!(!PROBE_PROGRAM.contains("function HsBegin"));
}

#[test]
fn the_command_is_plain_for_every_login_shell() {
    let command = windows_command();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" .-+/=".contains(&byte);
    assert!(command.bytes().all(is_plain));
    assert!(
        command.len() < 8000,
        "cmd.exe takes at most 8191 characters"
    );
    let encoded = command.rsplit(' ').next().unwrap();
    let wide: Vec<u16> = STANDARD
        .decode(encoded)
        .unwrap()
        .chunks(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    assert_eq!(String::from_utf16(&wide).unwrap(), LOADER);
}

#[test]
fn a_request_is_the_program_and_one_call_between_markers() {
    let nonce = Nonce::new([7; 16]);
    let keep: ResourceId = "service/containerd.service".parse().unwrap();
    let config = "/C:/Program Files/containerd/config.toml";
    let request = FarSide::PowerShell.probe_request(
        &[Question::Containerd(config.parse().unwrap())],
        &[keep.record_name()],
        &nonce,
    );
    let text = String::from_utf8(request).unwrap();
    let marker = format!("HARDSTAND-{nonce}\n");
    let parts: Vec<&str> = text.split(&marker).collect();
    assert_eq!(parts[1], format!("{}\nHsServe $args[0]\n", *PROBE_PROGRAM));
    assert_eq!(
        parts[2],
        format!(
            "probe {nonce}\nkeep {}\ncontainerd /C:/Program%20Files/containerd/config.toml\nend\n",
            keep.record_name()
        )
    );
    assert_eq!((parts[0], parts[3], parts.len()), ("", "", 4));
    let purge = String::from_utf8(FarSide::PowerShell.purge_request(&nonce)).unwrap();
    assert!(purge.ends_with(&format!("{marker}purge {nonce}\n{marker}")));
}

#[test]
fn a_bundle_carries_the_program_that_the_task_runs() {
    let plan = HostPlan {
        host: "win1".parse().unwrap(),
        facts: Default::default(),
        questions: [].into(),
        guards: vec!["fact os-id windows".into()],
        changes: Vec::new(),
        unplanned: Vec::new(),
        unchanged: Vec::new(),
        forgotten: Vec::new(),
        cluster: None,
        checks: Default::default(),
    };
    let digest = Digest::of(b"plan");
    let transaction = TransactionId::new(&digest, &plan.host, 1);
    let nonce = Nonce::new([7; 16]);
    let request = FarSide::PowerShell.begin_request(&plan, &transaction, "me", &digest, &nonce);
    let text = String::from_utf8(request).unwrap();
    let marker = format!("HARDSTAND-{nonce}\n");
    let call = text.split(&marker).nth(2).unwrap();
    let (first, bundle) = call.split_once('\n').unwrap();
    let of_bundle = Digest::of(bundle.as_bytes());
    assert_eq!(first, format!("begin {nonce} {transaction} {of_bundle}"));
    let lines: Vec<&str> = bundle.lines().collect();
    let program = lines
        .iter()
        .find_map(|line| line.strip_prefix("program "))
        .unwrap();
    let words: Vec<&str> = program.split(' ').collect();
    let (start, count): (usize, usize) = (words[0].parse().unwrap(), words[1].parse().unwrap());
    let body = lines[start - 1..][..count].join("\n") + "\n";
    assert_eq!(body, task_program());
    assert_eq!(Digest::of(body.as_bytes()).as_str(), words[2]);
}

/// Written by hand after the program, since it was never run: no answer of a real host is among the tests.
const ANSWER: &str = "\
~fact generation 3
~owed containerd.service
fact os-id windows
fact os-version 10.0.20348
fact os-name Windows%20Server%202022%20Datacenter
fact kernel 10.0.20348.2402
fact machine-id 0f8fad5b-d9cb-469f-a165-70867728950e
fact architecture x86_64
~fact root yes
~fact command containerd
~fact command crictl
file 644 81a4 0 0 Administrators:Administrators:/C:/Program Files/containerd/config.toml
~size 81a4 13 1 1795464000 /C:/Program Files/containerd/config.toml
file 755 41ed 0 0 Administrators:Administrators:/C:/Program Files/containerd
~size 41ed 0 1 0 /C:/Program Files/containerd
list /C:/Program%20Files/containerd/conf.d toml
absent /C:/gone
unit containerd.service LoadState=loaded UnitFileState=enabled PathName=%22C:%5cx.exe%22%20--run-service ActiveState=active
~unit containerd.service MainPID=4711 SubState=running ExecMainStartTimestamp=Mon%202026-11-23%2020:12:34%20UTC
unit nope.service LoadState=not-found ActiveState=inactive
~unit nope.service MainPID=0
containerd /C:/Program%20Files/containerd/config.toml version 1.7.24
~dumped /C:/Program%20Files/containerd/config.toml
~dump version = 2
~dump state = 'C:\\ProgramData\\containerd\\state'
~cri /pipe/containerd-containerd unasked
content DIGEST  /C:/Program Files/containerd/config.toml
~contents
==> /C:/Program Files/containerd/config.toml <==
version = 2\r\n
";

#[test]
fn an_answer_of_windows_is_read() {
    let path = |text: &str| text.parse::<crate::name::AbsPath>().unwrap();
    let config = path("/C:/Program Files/containerd/config.toml");
    let questions = [
        Question::File(config.clone()),
        Question::File(config.parent()),
        Question::File(path("/C:/gone")),
        Question::Files {
            directory: path("/C:/Program Files/containerd/conf.d"),
            suffix: "toml".to_owned(),
        },
        Question::Unit("containerd.service".parse().unwrap()),
        Question::Unit("nope.service".parse().unwrap()),
        Question::Containerd(config.clone()),
        Question::Cri(path("/pipe/containerd-containerd")),
    ];
    let nonce = Nonce::new([7; 16]);
    let digest = Digest::of(b"version = 2\r\n");
    let answer = format!(
        "HARDSTAND 1 {nonce} probe\n{}end {nonce}\n",
        ANSWER.replace("DIGEST", digest.as_str())
    );
    let observed = crate::farside::parse_probe(answer.as_bytes(), &questions, &nonce).unwrap();
    assert_eq!(observed.answers.len(), questions.len());
    assert_eq!(observed.facts.os_id, "windows");
    assert!(observed.facts.root);
    let FileState::Regular(file) = observed.file(&config).unwrap() else {
        panic!("a regular file");
    };
    assert_eq!(file.content.as_deref(), Some(&b"version = 2\r\n"[..]));
    let unit = observed.unit(&"containerd.service".parse().unwrap());
    let unit = unit.unwrap();
    assert!(unit.is_active() && unit.exists());
    assert_eq!(unit.started(), Some(1_795_464_754));
    assert_eq!(unit.property("PathName"), r#""C:\x.exe" --run-service"#);
    let missing = observed.unit(&"nope.service".parse().unwrap()).unwrap();
    assert!(!missing.exists());
    let containerd = observed.containerd(&config).unwrap();
    assert!(
        containerd
            .effective
            .as_ref()
            .unwrap()
            .contains(r"C:\ProgramData")
    );
}
