//! What hosts answer, and what is taken for no answer.

use super::*;

fn nonce() -> Nonce {
    Nonce::new([0xcd; 16])
}

fn questions() -> Vec<Question> {
    vec![
        Question::File("/etc/a b".parse().unwrap()),
        Question::File("/etc/gone".parse().unwrap()),
        Question::Files {
            directory: "/etc/x.d".parse().unwrap(),
            suffix: "conf".to_owned(),
        },
        Question::Sysctl("net.ipv4.ip_local_port_range".parse().unwrap()),
        Question::Module("overlay".parse().unwrap()),
        Question::Unit("ssh.service".parse().unwrap()),
        Question::Package("bash".parse().unwrap()),
        Question::Package("nope".parse().unwrap()),
        Question::Package("odd".parse().unwrap()),
        Question::Repository("docker".parse().unwrap()),
        Question::Containerd("/etc/containerd/config.toml".parse().unwrap()),
        Question::Cri("/run/x.sock".parse().unwrap()),
    ]
}

fn frame(body: &str) -> Vec<u8> {
    format!("HARDSTAND 1 {0} probe\n{body}end {0}\n", nonce()).into_bytes()
}

fn output() -> Vec<u8> {
    let (first, second) = (Digest::of(b"one\n==> x"), Digest::of(b""));
    frame(&format!(
        "~fact generation 7\n~fact root yes\nfact os-id debian\nfact swap /swap%20file file\n\
             ~owed containerd.service\nabsent /etc/gone\n\
             list /etc/x.d conf b.conf l.conf\n\
             file 644 81a4 0 65533 root:UNKNOWN:/etc/a b\n~size 81a4 9 1 1700000000 /etc/a b\n\
             file 600 8180 0 0 root:root:/etc/x.d/b.conf\n~size 8180 0 1 1700000000 /etc/x.d/b.conf\n\
             link /etc/x.d/l.conf /dev/null\n\
             file 666 21b6 0 0 root:root:/etc/x.d/l.conf\n~size 21b6 0 1 1700000000 /etc/x.d/l.conf\n\
             content {first}  /etc/a b\ncontent {second}  /etc/x.d/b.conf\n\
             sysctl net/ipv4/ip_local_port_range value 1%2020\n\
             module overlay loaded=no builtin=yes available=no sysfs=yes\nparameter overlay index N\n\
             unit ssh.service LoadState=loaded ActiveState=active\n~unit ssh.service MainPID=7\n\
             package bash hold installed 5.2\ncandidate nope free -\n\
             fact packages dnf\ncandidate odd held unknown no%20cache\nrepository docker indexed\n\
             containerd /etc/containerd/config.toml version 1.7.24~ds1\n~dumped /etc/containerd/config.toml\n\
             ~dump version = 2\n~dump a%09%25\n\
             ~cri /run/x.sock curl SFRUUC8yIDIwMCANCmdycGMtc3RhdHVzOiAxMg0KZ3JwYy1tZXNzYWdlOiBubyUyMENSSQ0KDQoKMA==\n\
             ~contents\n==> /etc/a b <==\none\n==> x\n==> /etc/x.d/b.conf <==\n\n"
    ))
}

#[test]
fn a_listing_of_all_entries_is_read_in_order() {
    let directory: AbsPath = "/etc/x.d".parse().unwrap();
    let question = Question::Files {
        directory: directory.clone(),
        suffix: String::new(),
    };
    let stat = |name: &str| {
        format!(
            "file 755 41ed 0 0 root:root:/etc/x.d/{name}\n~size 41ed 9 1 1700000000 /etc/x.d/{name}\n"
        )
    };
    let output = frame(&format!(
        "list /etc/x.d  .hid ..odd 00~ sub\n{}{}{}{}",
        stat(".hid"),
        stat("..odd"),
        stat("00~"),
        stat("sub")
    ));
    let questions = std::slice::from_ref(&question);
    let observed = parse_probe(&output, questions, &nonce()).unwrap();
    let found = observed.files(&directory, "").unwrap();
    let names: Vec<_> = found.iter().map(|file| file.path.file_name()).collect();
    assert_eq!(names, ["..odd", ".hid", "00~", "sub"]);
    let empty = parse_probe(&frame("list /etc/x.d \n"), questions, &nonce()).unwrap();
    assert_eq!(empty.files(&directory, "").unwrap(), []);
}

#[test]
fn an_answer_is_read_in_full() {
    let observed = parse_probe(&output(), &questions(), &nonce()).unwrap();
    assert_eq!(observed.facts.generation, 7);
    assert_eq!(observed.facts.swaps[0].path, "/swap file");
    assert_eq!(observed.owed[0].as_str(), "containerd.service");
    let FileState::Regular(file) = observed.file(&"/etc/a b".parse().unwrap()).unwrap() else {
        panic!("a regular file");
    };
    assert_eq!(file.content.as_deref(), Some(&b"one\n==> x"[..]));
    assert_eq!(
        (file.attributes.mode, file.attributes.group.as_str()),
        (0o644, "65533")
    );
    let gone = observed.file(&"/etc/gone".parse().unwrap()).unwrap();
    assert_eq!(gone, &FileState::Absent);
    let found = observed
        .files(&"/etc/x.d".parse().unwrap(), "conf")
        .unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].link.as_deref(), Some("/dev/null"));
    assert_eq!(found[1].state, FileState::Other("character device".into()));
    let sysctl = observed.sysctl(&"net.ipv4.ip_local_port_range".parse().unwrap());
    assert_eq!(sysctl.unwrap(), &SysctlState::Value("1 20".into()));
    let module = observed.module(&"overlay".parse().unwrap()).unwrap();
    assert!(module.builtin && module.parameters["index"] == "N");
    let unit = observed.unit(&"ssh.service".parse().unwrap()).unwrap();
    assert!(unit.is_active() && unit.property("MainPID") == "7");
    assert!(observed.package(&"bash".parse().unwrap()).unwrap().held);
    assert_eq!(observed.facts.packages, PackageManager::Dnf);
    let odd = observed.package(&"odd".parse().unwrap()).unwrap();
    assert!(odd.held && odd.candidate.is_none());
    assert_eq!(odd.candidate_unknown.as_deref(), Some("no cache"));
    let repository = observed.repository(&"docker".parse().unwrap());
    assert!(repository.unwrap().indexed);
    let containerd = observed.containerd(&"/etc/containerd/config.toml".parse().unwrap());
    assert_eq!(
        containerd.unwrap().effective.as_deref(),
        Some("version = 2\na\t%\n")
    );
    let cri = observed.cri(&"/run/x.sock".parse().unwrap());
    assert_eq!(cri, Ok(&CriState::NotServed("no CRI".into())));
    assert!(observed.guards.iter().all(|guard| !guard.starts_with('~')));
    assert!(observed.guards.contains(&"absent /etc/gone".into()));
}

#[test]
fn a_file_that_changed_meanwhile_is_unanswered_and_spoils_no_other() {
    let text = String::from_utf8(output()).unwrap();
    for grown in ["two\n==> xyz", "o", ""] {
        let text = text.replace("one\n==> x", grown);
        let observed = parse_probe(text.as_bytes(), &questions(), &nonce()).unwrap();
        let error = observed.file(&"/etc/a b".parse().unwrap()).unwrap_err();
        assert_eq!(error.0, CHANGED);
        assert!(observed.files(&"/etc/x.d".parse().unwrap(), "conf").is_ok());
    }
}

#[test]
fn anything_else_is_an_error() {
    let check = |body: &str| parse_probe(&frame(body), &questions(), &nonce()).unwrap_err();
    assert!(matches!(check("hello\n"), AnswerError::Line(_)));
    assert!(matches!(
        check("sysctl a/b absent\n"),
        AnswerError::NotAsked(_)
    ));
    assert!(matches!(
        check("absent /etc/shadow\n"),
        AnswerError::NotAsked(_)
    ));
    assert!(matches!(
        check("absent /etc/gone\nabsent /etc/gone\n"),
        AnswerError::Twice(_)
    ));
    assert!(matches!(
        check("~receipt 00 {}\n"),
        AnswerError::Receipt { .. }
    ));
    assert_eq!(
        check("fact os-id debian\nrefused root changes%20need%20root\n"),
        AnswerError::Refused {
            code: "root".into(),
            reason: "changes need root".into()
        }
    );
    let noisy = [b"motd \xff\n".as_slice(), &output()].concat();
    let error = parse_probe(&noisy, &questions(), &nonce()).unwrap_err();
    assert!(matches!(error, AnswerError::Noise(text) if text.starts_with("motd \\xff\\n")));
    let other = parse_probe(&output(), &questions(), &Nonce::new([1; 16]));
    assert!(matches!(other, Err(AnswerError::Noise(_))));
}

#[test]
fn cut_or_flipped_bytes_never_panic() {
    let output = output();
    for length in 0..output.len() {
        assert!(parse_probe(&output[..length], &questions(), &nonce()).is_err());
    }
    for index in 0..output.len() {
        for flip in [0x01, 0x02, 0x10, 0x20, 0x80, 0xff] {
            let mut bytes = output.clone();
            bytes[index] ^= flip;
            drop(parse_probe(&bytes, &questions(), &nonce()));
        }
    }
}

#[test]
fn short_verbs_end_with_ok() {
    let text = format!("HARDSTAND 1 {0} purge\nok\nend {0}\n", nonce());
    assert_eq!(parse_finished(text.as_bytes(), "purge", &nonce()), Ok(()));
    assert!(parse_finished(text.as_bytes(), "abort", &nonce()).is_err());
}
