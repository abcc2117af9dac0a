//! Runs the program's probe for real under every shell that it is written for, and compares it with what std sees.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use engine::farside::{Nonce, PROGRAM, parse_probe, probe_request};
use engine::name::{AbsPath, Digest};
use engine::question::{Answer, CriState, FileState, Observed, Question, SysctlState};

const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];

/// Runs a check under every shell that is there.
fn under_every_shell(check: impl Fn(&[&str])) {
    let mut n_shells = 0;
    for shell in SHELLS {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .any(|directory| directory.join(shell[0]).is_file());
        if found {
            n_shells += 1;
            check(shell);
        } else {
            skipped(&format!("there is no {}", shell[0]));
        }
    }
    assert!(n_shells > 0, "no shell at all");
}

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn skipped(reason: &str) {
    eprintln!("skipped: {reason}");
}

/// Runs a request as nobody where we are root, so that unreadable files are unreadable.
fn run(shell: &[&str], request: &[u8]) -> (Vec<u8>, String) {
    let mut words: Vec<&str> = Vec::new();
    if is_root() {
        words.extend([
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--",
        ]);
    }
    words.extend(shell);
    words.push("-s");
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let request = request.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&request)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.stdout, errors)
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn nonce() -> Nonce {
    Nonce::new(*b"0123456789abcdef")
}

fn probe(shell: &[&str], questions: &[Question]) -> Observed {
    let (output, errors) = run(shell, &probe_request(questions, &[], &nonce()));
    assert_eq!(errors, "", "under {shell:?}");
    parse_probe(&output, questions, &nonce())
        .unwrap_or_else(|error| panic!("{shell:?}: {error}\n{}", output.escape_ascii()))
}

fn path(path: &Path) -> AbsPath {
    path.to_str().unwrap().parse().unwrap()
}

/// A directory of files as hosts really have them, and worse.
fn odd_files(directory: &Path) -> Vec<PathBuf> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    let write = |name: &str, content: &[u8], mode| {
        let path = directory.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let every_byte: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let mut files = vec![
        write("binary.conf", &every_byte, 0o644),
        write("empty.conf", b"", 0o600),
        write("no-newline.conf", b"a = 1", 0o4755),
        write(
            "a b%20c $(id) `id` 'q' \"q\" [x]*.conf",
            b"odd name\n",
            0o640,
        ),
        write("back\\slash\\x2d.conf", b"\\\n", 0o444),
        write(
            "fake.conf",
            b"x\n==> /etc/passwd <==\nroot\n~contents\nend 0\n",
            0o644,
        ),
        write("-rf.conf", b"option\n", 0o644),
        write("large.conf", &vec![b'x'; 1024 * 1024 + 1], 0o644),
        write("limit.conf", &vec![b'y'; 1024 * 1024], 0o644),
        write("other.txt", b"not listed\n", 0o644),
        write(".hidden.conf", b"not listed\n", 0o644),
    ];
    symlink("/dev/null", directory.join("null.conf")).unwrap();
    symlink("nowhere at all", directory.join("broken.conf")).unwrap();
    symlink("two  blanks ", directory.join("blanks.conf")).unwrap();
    symlink("two\nlines", directory.join("lines.conf")).unwrap();
    symlink("binary.conf", directory.join("z-link.conf")).unwrap();
    fs::create_dir(directory.join("sub.conf")).unwrap();
    for name in [
        "null.conf",
        "broken.conf",
        "blanks.conf",
        "lines.conf",
        "z-link.conf",
        "sub.conf",
        "absent",
        "absent/too",
    ] {
        files.push(directory.join(name));
    }
    files
}

fn check_file(observed: &Observed, file: &Path) {
    let asked = Question::File(path(file));
    let Some(Answer::File(state)) = observed.answers.get(&asked) else {
        panic!("{}: {:?}", file.display(), observed.answers.get(&asked));
    };
    let Ok(metadata) = fs::symlink_metadata(file) else {
        assert_eq!(state, &FileState::Absent);
        return;
    };
    if metadata.is_symlink() {
        let target = fs::read_link(file).unwrap();
        assert_eq!(
            state,
            &FileState::Symlink(target.to_str().unwrap().to_owned())
        );
        return;
    }
    if metadata.is_dir() {
        assert!(matches!(state, FileState::Directory(_)));
        return;
    }
    let FileState::Regular(regular) = state else {
        assert!(
            is_root() && metadata.mode() & 0o004 == 0,
            "{}: {state:?}",
            file.display()
        );
        assert_eq!(
            state,
            &FileState::Unreadable("permission denied".to_owned())
        );
        return;
    };
    let content = fs::read(file).unwrap();
    assert_eq!(regular.digest, Digest::of(&content));
    assert_eq!(regular.size, content.len() as u64);
    assert_eq!(
        regular.content,
        Some(content).filter(|content| content.len() <= 1024 * 1024)
    );
    assert_eq!(regular.attributes.mode, metadata.mode() & 0o7777);
    assert_eq!(
        (regular.links, regular.modified),
        (metadata.nlink(), metadata.mtime())
    );
}

/// Names, modes, owners, sizes and times of all below a directory.
fn snapshot(directory: &Path) -> Vec<String> {
    let mut lines: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .chain([directory.to_path_buf()])
        .map(|path| {
            let metadata = fs::symlink_metadata(&path).unwrap();
            let (modified, changed) = (metadata.mtime_nsec(), metadata.ctime_nsec());
            format!(
                "{path:?} {:o} {} {modified} {changed}",
                metadata.mode(),
                metadata.len()
            )
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn files_are_answered_as_they_are_and_left_as_they_are() {
    let scratch = tempfile::tempdir().unwrap();
    let files = odd_files(scratch.path());
    let mut questions: Vec<Question> = files
        .iter()
        .map(|file| Question::File(path(file)))
        .collect();
    for directory in [scratch.path().to_path_buf(), scratch.path().join("absent")] {
        questions.push(Question::Files {
            directory: path(&directory),
            suffix: "conf".to_owned(),
        });
    }
    under_every_shell(|shell| {
        let before = snapshot(scratch.path());
        let observed = probe(shell, &questions);
        assert_eq!(snapshot(scratch.path()), before);
        for file in &files {
            check_file(&observed, file);
        }
        let found = observed.files(&path(scratch.path()), "conf").unwrap();
        let mut names: Vec<&str> = found.iter().map(|file| file.path.file_name()).collect();
        assert_eq!(names.len(), 15, "{names:?}");
        names.sort_unstable();
        assert!(found.iter().map(|file| file.path.file_name()).eq(names));
        let linked = found
            .iter()
            .find(|file| file.path.file_name() == "z-link.conf")
            .unwrap();
        assert_eq!(linked.link.as_deref(), Some("binary.conf"));
        assert!(matches!(&linked.state, FileState::Regular(file) if file.size == 5000));
        let absent = observed
            .files(&path(&scratch.path().join("absent")), "conf")
            .unwrap();
        assert!(absent.is_empty());
        let again = probe(shell, &questions);
        assert_eq!(again.guards, observed.guards, "guards read the same twice");
    });
}

#[test]
fn no_link_gets_the_target_of_another() {
    let scratch = tempfile::tempdir().unwrap();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // A target of one newline more makes up for one that is nothing but a newline.
    let links = [("a", "two\nlines"), ("b", "\n"), ("c", "\nlast")]
        .map(|(name, target)| (scratch.path().join(name), target));
    for (link, target) in &links {
        symlink(target, link).unwrap();
    }
    for asked in [&links[..], &links[..2]] {
        let questions: Vec<Question> = asked
            .iter()
            .map(|(link, _)| Question::File(path(link)))
            .collect();
        under_every_shell(|shell| {
            let observed = probe(shell, &questions);
            for (link, _) in asked.iter().filter(|(_, target)| *target != "\n") {
                check_file(&observed, link);
            }
        });
    }
}

#[test]
fn a_listing_without_a_suffix_holds_every_entry() {
    let scratch = tempfile::tempdir().unwrap();
    let _files = odd_files(scratch.path());
    for name in ["..two", "plain", "10-a.conf.rpmsave", "99-b.conf~"] {
        fs::write(scratch.path().join(name), name).unwrap();
    }
    let empty = scratch.path().join("sub.conf");
    let questions = [scratch.path(), &empty].map(|directory| Question::Files {
        directory: path(directory),
        suffix: String::new(),
    });
    under_every_shell(|shell| {
        let observed = probe(shell, &questions);
        let found = observed.files(&path(scratch.path()), "").unwrap();
        let names: Vec<_> = found.iter().map(|file| file.path.file_name()).collect();
        let mut expected: Vec<_> = fs::read_dir(scratch.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        expected.sort_unstable();
        assert_eq!(names, expected);
        let backup = found
            .iter()
            .find(|file| file.path.file_name() == "99-b.conf~")
            .unwrap();
        assert!(
            matches!(&backup.state, FileState::Regular(file) if file.content.as_deref() == Some(b"99-b.conf~"))
        );
        assert!(
            found
                .iter()
                .any(|file| matches!(file.state, FileState::Directory(_)))
        );
        assert_eq!(observed.files(&path(&empty), "").unwrap(), []);
    });
}

#[test]
fn a_listing_with_a_name_that_cannot_be_said_is_unanswered() {
    let scratch = tempfile::tempdir().unwrap();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(scratch.path().join("a\nlist \u{1b}[2J\u{fc}.conf"), b"x").unwrap();
    let question = Question::Files {
        directory: path(scratch.path()),
        suffix: "conf".to_owned(),
    };
    under_every_shell(|shell| {
        let observed = probe(shell, std::slice::from_ref(&question));
        let error = observed.files(&path(scratch.path()), "conf").unwrap_err();
        assert_eq!(error.0, "odd name a\nlist \u{1b}[2J\u{fc}.conf");
    });
}

#[test]
fn the_machine_is_answered_as_it_is() {
    let questions = [
        Question::Sysctl("net.ipv4.ip_local_port_range".parse().unwrap()),
        Question::Sysctl("kernel.osrelease".parse().unwrap()),
        Question::Sysctl("no.such.key".parse().unwrap()),
        Question::Module("no_such_module".parse().unwrap()),
        Question::Package("no-such-package".parse().unwrap()),
        Question::Installed("no-such-package-either".parse().unwrap()),
        Question::Repository("no-such-repository".parse().unwrap()),
        Question::Unit("no-such-unit.service".parse().unwrap()),
        Question::Containerd("/etc/containerd/config.toml".parse().unwrap()),
    ];
    let sysctl = |path: &str| {
        let text = fs::read_to_string(format!("/proc/sys/{path}")).unwrap();
        SysctlState::Value(text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    under_every_shell(|shell| {
        let observed = probe(shell, &questions);
        let value = |key: &str| observed.sysctl(&key.parse().unwrap()).unwrap().clone();
        assert_eq!(
            value("net.ipv4.ip_local_port_range"),
            sysctl("net/ipv4/ip_local_port_range")
        );
        assert_eq!(value("kernel.osrelease"), sysctl("kernel/osrelease"));
        assert_eq!(value("no.such.key"), SysctlState::Absent);
        let module = observed.module(&"no_such_module".parse().unwrap()).unwrap();
        assert!(!module.loaded && !module.builtin && !module.available && !module.in_sysfs);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        assert_eq!(observed.facts.kernel, kernel.trim());
        let line = fs::read_to_string("/proc/cmdline").unwrap();
        assert_eq!(
            observed.facts.kernel_command_line,
            line.trim_end_matches('\n')
        );
        assert!(!observed.facts.root || !is_root());
        assert!(observed.facts.file_systems.contains("proc"));
        assert_eq!(observed.answers.len(), questions.len());
    });
}

#[test]
fn a_cri_socket_is_told_from_what_is_none() {
    let scratch = tempfile::tempdir().unwrap();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let at = |name: &str, mode: u32| {
        let at = scratch.path().join(name);
        fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
        Question::Cri(path(&at))
    };
    fs::write(scratch.path().join("file"), b"").unwrap();
    drop(UnixListener::bind(scratch.path().join("stale")).unwrap());
    drop(UnixListener::bind(scratch.path().join("closed")).unwrap());
    let other = UnixListener::bind(scratch.path().join("other s%cket")).unwrap();
    std::thread::spawn(move || {
        for stream in other.incoming() {
            // curl says the same of a connection that is closed at once as of none.
            let mut stream = stream.unwrap();
            drop(stream.read(&mut [0; 16]));
            drop(stream.write_all(b"* OK IMAP4 ready\r\n"));
        }
    });
    let absent = Question::Cri(path(&scratch.path().join("absent")));
    let questions = [
        absent,
        at("file", 0o666),
        at("closed", 0o600),
        at("stale", 0o666),
        at("other s%cket", 0o666),
    ];
    under_every_shell(|shell| {
        let before = snapshot(scratch.path());
        let observed = probe(shell, &questions);
        assert_eq!(snapshot(scratch.path()), before);
        let state = |index: usize| match observed.answers.get(&questions[index]) {
            Some(Answer::Cri(state)) => state,
            other => panic!("{:?}: {other:?}", questions[index]),
        };
        assert_eq!(state(0), &CriState::Absent);
        assert_eq!(state(1), &CriState::NotASocket);
        if is_root() {
            assert_eq!(state(2), &CriState::Denied);
        }
        if !observed.facts.commands.contains("curl") {
            skipped("there is no curl");
            return;
        }
        assert_eq!(state(3), &CriState::Refused);
        assert!(matches!(state(4), CriState::Failed(_)), "{:?}", state(4));
        assert!(observed.guards.iter().all(|guard| !guard.contains("cri")));
    });
}

#[test]
fn a_request_that_was_cut_off_runs_nothing() {
    let questions = [Question::Sysctl("kernel.osrelease".parse().unwrap())];
    let request = probe_request(&questions, &[], &nonce());
    let text = String::from_utf8_lossy(&request);
    let call = text.rfind("\nhardstand_main ").unwrap();
    let some = (0..call).step_by(call / 60);
    let lengths: Vec<usize> = some.chain((call..request.len() - 1).step_by(2)).collect();
    under_every_shell(|shell| {
        for length in &lengths {
            let (output, _) = run(shell, &request[..*length]);
            assert_eq!(
                output,
                b"",
                "{shell:?}: cut at {length} of {}",
                request.len()
            );
        }
    });
}

#[test]
fn a_hostile_question_is_refused() {
    let hostile = Question::Files {
        directory: "/etc".parse().unwrap(),
        suffix: "conf\nend\nHARDSTAND; touch /tmp/pwned".to_owned(),
    };
    under_every_shell(|shell| {
        let (output, _) = run(
            shell,
            &probe_request(std::slice::from_ref(&hostile), &[], &nonce()),
        );
        let error = parse_probe(&output, std::slice::from_ref(&hostile), &nonce()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the host refused: not a suffix"),
            "{error}"
        );
    });
}

#[test]
fn the_program_is_clean() {
    let lint = Command::new("shellcheck")
        .args(["--severity=style", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut lint) = lint else {
        skipped("there is no shellcheck");
        return;
    };
    lint.stdin
        .take()
        .unwrap()
        .write_all(PROGRAM.as_bytes())
        .unwrap();
    let output = lint.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
