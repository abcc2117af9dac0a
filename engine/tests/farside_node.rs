//! Runs transactions for real on a node of the lab, over ssh. Needs `HARDSTAND_LAB_RUN`, as `tests/lab/lab run` sets it:
//!
//! ```text
//! tests/lab/lab run n1=bookworm-containerd -- cargo test -p hardstand-engine --test farside_node
//! ```
//!
//! With `HARDSTAND_LAB`, the absolute path of that `lab`, the nodes' plugs are pulled too.
//!
//! The tests share the nodes, one after the other: each leaves a node as it found it, but for the generation.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use engine::farside::{
    FinalStatus, JournalEvent, Nonce, Reader, TransactionId, abort_request, begin_request,
    parse_finished, parse_probe, probe_request, purge_request, status_request,
};
use engine::name::{AbsPath, Digest, FileMode, ResourceId};
use engine::plan::{Change, HostPlan};
use engine::question::{CriRuntimeConfig, CriState, FileState, Observed, Question, SysctlState};
use engine::receipt::Receipt;
use engine::resource::Action;
use engine::step::{Content, Disruption, FileCheck, Gate, Replaces, Step};

/// Returns a variable of the environment, in which the lab says where its nodes are.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

/// A node, and how to log in.
struct Node {
    run: String,
    name: String,
}

/// How a transaction went.
struct Ended {
    events: Vec<JournalEvent>,
    observed: Option<Observed>,
}

impl Ended {
    fn status(&self) -> &FinalStatus {
        match self.events.last() {
            Some(JournalEvent::Final(status)) => status,
            other => panic!("no end: {other:?} in {:#?}", self.events),
        }
    }

    fn observed(&self) -> &Observed {
        self.observed.as_ref().expect("probed again")
    }

    fn refused(&self) -> &str {
        match self.events.last() {
            Some(JournalEvent::Refused { code, .. }) => code,
            other => panic!("not refused: {other:?}"),
        }
    }
}

impl Node {
    fn ssh(&self, command: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args([
            "-F",
            &format!("{}/ssh_config", self.run),
            "-o",
            "ConnectTimeout=10",
        ]);
        ssh.args([&self.name, command]);
        ssh
    }

    fn start(&self, command: &str, request: &[u8]) -> Child {
        let mut child = self
            .ssh(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let request = request.to_vec();
        std::thread::spawn(move || drop(stdin.write_all(&request)));
        child
    }

    fn send(&self, request: &[u8]) -> Vec<u8> {
        let child = self.start("sudo -n -- sh -s", request);
        child.wait_with_output().unwrap().stdout
    }

    /// Runs a command as root and returns what it printed.
    fn root(&self, command: &str) -> String {
        let output = self
            .ssh(&format!("sudo -n -- sh -c '{command}'"))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {errors}");
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    fn probe(&self, questions: &[Question]) -> Observed {
        let nonce = nonce();
        let output = self.send(&probe_request(questions, &[], &nonce));
        parse_probe(&output, questions, &nonce).unwrap()
    }

    /// A plan of some changes, resting on what the node answers now.
    fn plan(&self, questions: &[Question], changes: Vec<Change>) -> HostPlan {
        let observed = self.probe(questions);
        HostPlan {
            host: self.name.parse().unwrap(),
            facts: observed.facts,
            questions: questions.into(),
            guards: observed.guards,
            changes: changes.into_iter().map(Into::into).collect(),
            unplanned: Vec::new(),
            unchanged: Vec::new(),
            forgotten: Vec::new(),
            checks: engine::check::Checked::default(),
            cluster: None,
        }
    }

    fn apply(&self, plan: &HostPlan) -> Ended {
        self.begin(plan, &transaction())
    }

    fn begin(&self, plan: &HostPlan, transaction: &TransactionId) -> Ended {
        let nonce = nonce();
        let request = begin_request(plan, transaction, "lab@test with spaces", &digest(), &nonce);
        self.follow(&request, &nonce, &plan.questions)
    }

    fn status(&self, transaction: &TransactionId, questions: &[Question]) -> Ended {
        let nonce = nonce();
        self.follow(&status_request(transaction, &nonce), &nonce, questions)
    }

    fn follow(&self, request: &[u8], nonce: &Nonce, questions: &[Question]) -> Ended {
        ended(&self.send(request), nonce, questions)
    }

    /// As `status`, for a transaction that goes on once it was seen to be alive.
    fn status_of_held(
        &self,
        transaction: &TransactionId,
        questions: &[Question],
        release: impl FnOnce(),
    ) -> Ended {
        let nonce = nonce();
        let request = status_request(transaction, &nonce);
        let mut child = self.start("sudo -n -- sh -s", &request);
        let stdout = child.stdout.as_mut().unwrap();
        let mut output = read_until(stdout, "alive\n");
        release();
        stdout.read_to_end(&mut output).unwrap();
        child.wait().unwrap();
        ended(&output, &nonce, questions)
    }

    /// Begins a transaction and kills ssh as soon as the journal holds a word.
    fn begin_and_lose(&self, plan: &HostPlan, transaction: &TransactionId, word: &str) {
        let nonce = nonce();
        let request = begin_request(plan, transaction, "lab", &digest(), &nonce);
        let mut child = self.start("sudo -n -- sh -s", &request);
        read_until(child.stdout.as_mut().unwrap(), word);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn ended(output: &[u8], nonce: &Nonce, questions: &[Question]) -> Ended {
    let mut reader = Reader::new(nonce);
    let events = reader
        .push(output)
        .unwrap_or_else(|error| panic!("{error}\n{}", output.escape_ascii()));
    let rest = reader.finish().unwrap();
    let observed = rest.map(|rest| parse_probe(&rest, questions, nonce).unwrap());
    Ended { events, observed }
}

/// Reads until a word was read, and returns all that was.
fn read_until(from: &mut impl Read, word: &str) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(word.as_bytes()) {
        let read = from.read(&mut byte).unwrap();
        assert_eq!(read, 1, "no {word}: {}", seen.escape_ascii());
        seen.push(byte[0]);
    }
    seen
}

fn nonce() -> Nonce {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    Nonce::new(bytes)
}

fn digest() -> Digest {
    Digest::of(b"a plan")
}

fn transaction() -> TransactionId {
    let digest = Digest::of(nonce().as_str().as_bytes());
    digest.as_str()[..32].parse().unwrap()
}

fn path(text: &str) -> AbsPath {
    text.parse().unwrap()
}

fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

fn change(resource: &str, requires: &[&str], steps: Vec<Step>) -> Change {
    Change {
        resource: id(resource),
        action: Action::Update,
        reasons: Vec::new(),
        condition: None,
        differences: Vec::new(),
        diffs: BTreeMap::new(),
        disruption: Disruption::None,
        source: None,
        requires: requires.iter().map(|resource| id(resource)).collect(),
        steps,
        receipt: Some(Receipt {
            resource: id(resource),
            created: true,
            desired: Digest::of(resource.as_bytes()),
            questions: [Question::File(path("/etc/hostname"))].into(),
        }),
    }
}

fn write(at: &str, content: &str, replaces: Replaces, owes: &[&str]) -> Step {
    Step::WriteFile {
        path: path(at),
        content: Content::Text(content.to_owned()),
        mode: FileMode::new(0o640),
        owner: "root".parse().unwrap(),
        group: "adm".parse().unwrap(),
        replaces,
        check: None,
        owes: owes.iter().map(|unit| unit.parse().unwrap()).collect(),
    }
}

fn sysctl(key: &str, value: &str) -> Step {
    Step::SetSysctl {
        key: key.parse().unwrap(),
        value: value.to_owned(),
    }
}

fn restart(unit: &str, steady_seconds: u32, cri_socket: Option<&str>) -> Step {
    Step::RestartUnit {
        name: unit.parse().unwrap(),
        gate: Gate {
            start_seconds: 20,
            steady_seconds,
            cri_socket: cri_socket.map(path),
        },
    }
}

fn owe(unit: &str) -> Step {
    Step::OweRestart {
        names: vec![unit.parse().unwrap()],
    }
}

fn file_of(observed: &Observed, at: &str) -> Option<String> {
    match observed.file(&path(at)).unwrap() {
        FileState::Regular(file) => String::from_utf8(file.content.clone().unwrap()).ok(),
        FileState::Absent => None,
        other => panic!("{other:?}"),
    }
}

const CONFIG: &str = "/etc/containerd/config.toml";
const SOCKET: &str = "/run/containerd/containerd.sock";

/// The nodes of the run; none, said aloud, where there is no lab.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn nodes() -> Vec<Node> {
    let Some(run) = variable("HARDSTAND_LAB_RUN") else {
        eprintln!("skipped: HARDSTAND_LAB_RUN is not set");
        return Vec::new();
    };
    let config = std::fs::read_to_string(format!("{run}/ssh_config")).unwrap();
    let names = config.lines().filter_map(|line| line.strip_prefix("Host "));
    names
        .filter(|name| *name != "*")
        .map(|name| Node {
            run: run.clone(),
            name: name.to_owned(),
        })
        .collect()
}

#[test]
fn transactions_on_real_nodes() {
    let nodes = nodes();
    std::thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(|| scenarios(node));
        }
    });
}

fn scenarios(node: &Node) {
    without_root(node);
    writes_converge_and_are_recorded(node);
    a_changed_host_is_stale(node);
    a_failure_skips_what_requires_it(node);
    files_are_replaced_safely(node);
    packages_are_installed_and_held(node);
    units_are_seen_with_and_without_a_file(node);
    the_runtime_describes_itself(node);
    a_runtime_that_does_not_come_up_is_undone(node);
    a_good_runtime_config_is_kept(node);
    what_cannot_be_undone_is_wedged(node);
    a_full_disk_is_seen_before(node);
    what_runs_already_still_owes_its_restart(node);
    a_lost_connection_loses_nothing(node);
    one_transaction_at_a_time(node);
    a_killed_transaction_is_known(node);
    a_damaged_bundle_is_refused(node);
    a_pulled_plug_is_known(node);
    purging_leaves_nothing(node);
}

fn without_root(node: &Node) {
    let questions = [
        Question::File(path("/etc/shadow")),
        Question::Unit("ssh.service".parse().unwrap()),
    ];
    let nonce = nonce();
    let child = node.start("sh -s", &probe_request(&questions, &[], &nonce));
    let output = child.wait_with_output().unwrap().stdout;
    let observed = parse_probe(&output, &questions, &nonce).unwrap();
    assert!(!observed.facts.root);
    let shadow = observed.file(&path("/etc/shadow")).unwrap();
    assert!(matches!(shadow, FileState::Unreadable(_)), "{shadow:?}");
    let ssh = observed.unit(&"ssh.service".parse().unwrap()).unwrap();
    assert!(ssh.exists() && ssh.is_active() && ssh.started().is_some());
    let plan = node.plan(&questions, Vec::new());
    let request = begin_request(&plan, &transaction(), "lab", &digest(), &nonce);
    let output = node
        .start("sh -s", &request)
        .wait_with_output()
        .unwrap()
        .stdout;
    let mut reader = Reader::new(&nonce);
    let events = reader.push(&output).unwrap();
    assert!(matches!(&events[..], [JournalEvent::Refused { code, .. }] if code == "root"));
}

fn writes_converge_and_are_recorded(node: &Node) {
    let file = "/etc/sysctl.d/k8s.conf";
    let questions = [
        Question::File(path(file)),
        Question::Sysctl("net.ipv4.ip_forward".parse().unwrap()),
        Question::Files {
            directory: path("/etc/sysctl.d"),
            suffix: "conf".to_owned(),
        },
    ];
    node.root("sysctl -q net.ipv4.ip_forward=0");
    let steps = vec![
        write(file, "net.ipv4.ip_forward = 1\n", Replaces::Nothing, &[]),
        sysctl("net.ipv4.ip_forward", "1"),
    ];
    let before = node.probe(&[]).facts.generation;
    let plan = node.plan(
        &questions,
        vec![change("sysctl/net.ipv4.ip_forward", &[], steps)],
    );
    let transaction = transaction();
    let ended = node.begin(&plan, &transaction);
    assert_eq!(
        ended.status(),
        &FinalStatus::Committed,
        "{:#?}",
        ended.events
    );
    let observed = ended.observed();
    assert_eq!(
        file_of(observed, file).as_deref(),
        Some("net.ipv4.ip_forward = 1\n")
    );
    let value = observed.sysctl(&"net.ipv4.ip_forward".parse().unwrap());
    assert_eq!(value.unwrap(), &SysctlState::Value("1".into()));
    assert_eq!(observed.facts.generation, before + 1);
    assert_eq!(observed.facts.open_transaction, None);
    let receipt = &observed.receipts[&id("sysctl/net.ipv4.ip_forward")];
    assert_eq!(receipt.questions.len(), 1);
    assert!(
        observed.answers.contains_key(&receipt.questions[0]),
        "its questions are asked too"
    );
    assert_eq!(
        node.root("stat -c \"%a %U %G\" /etc/sysctl.d/k8s.conf"),
        "640 root adm"
    );
    assert_eq!(
        node.root("ls -A /etc/sysctl.d | grep -c hardstand || true"),
        "0"
    );
    let again = node.begin(&plan, &transaction);
    assert_eq!(again.status(), &FinalStatus::Committed);
    assert!(
        again.events.contains(&JournalEvent::Attached),
        "the same transaction is done once"
    );
    assert_eq!(again.observed().facts.generation, before + 1);
    let asked = node.status(&transaction, &questions);
    assert_eq!(asked.status(), &FinalStatus::Committed);
    node.root("rm /etc/sysctl.d/k8s.conf");
}

fn a_changed_host_is_stale(node: &Node) {
    let questions = [
        Question::File(path("/etc/stale")),
        Question::Files {
            directory: path("/etc/modprobe.d"),
            suffix: "conf".to_owned(),
        },
    ];
    node.root("echo one >/etc/stale");
    let old = Replaces::File(Digest::of(b"one\n"));
    let steps = vec![write("/etc/stale", "two\n", old, &[])];
    let plan = node.plan(&questions, vec![change("file//etc/stale", &[], steps)]);
    for (spoil, mend) in [
        ("echo x >>/etc/stale", "echo one >/etc/stale"),
        ("chmod 600 /etc/stale", "chmod 644 /etc/stale"),
        ("chown daemon /etc/stale", "chown root /etc/stale"),
        (
            "rm /etc/stale; ln -s hostname /etc/stale",
            "rm /etc/stale; echo one >/etc/stale",
        ),
        (
            "touch /etc/modprobe.d/new.conf",
            "rm /etc/modprobe.d/new.conf",
        ),
    ] {
        node.root(spoil);
        let ended = node.apply(&plan);
        assert_eq!(ended.status(), &FinalStatus::Stale, "{spoil}");
        let differs = |event: &JournalEvent| matches!(event, JournalEvent::Expected(_));
        assert!(
            ended.events.iter().any(differs),
            "{spoil}: {:#?}",
            ended.events
        );
        assert_eq!(node.root("grep -c two /etc/stale || true"), "0");
        node.root(mend);
    }
    let ended = node.apply(&plan);
    assert_eq!(
        ended.status(),
        &FinalStatus::Committed,
        "{:#?}",
        ended.events
    );
    let ended = node.apply(&plan);
    assert_eq!(ended.status(), &FinalStatus::Stale, "a plan is good once");
    node.root("rm /etc/stale");
}

fn a_failure_skips_what_requires_it(node: &Node) {
    let changes = vec![
        change(
            "sysctl/bad",
            &[],
            vec![sysctl("net.ipv4.ip_default_ttl", "999")],
        ),
        change(
            "sysctl/next",
            &["sysctl/bad"],
            vec![sysctl("net.ipv4.ip_forward", "0")],
        ),
        change(
            "sysctl/last",
            &["sysctl/next"],
            vec![sysctl("net.ipv4.ip_forward", "0")],
        ),
        change(
            "sysctl/other",
            &[],
            vec![sysctl("net.ipv4.ip_local_port_range", "20000 60000")],
        ),
    ];
    let ended = node.apply(&node.plan(&[], changes));
    assert_eq!(ended.status(), &FinalStatus::Failed, "{:#?}", ended.events);
    let failed = |event: &JournalEvent| matches!(event, JournalEvent::Failed { resource, .. } if *resource == id("sysctl/bad"));
    assert!(ended.events.iter().any(failed));
    for (resource, because) in [
        ("sysctl/next", "sysctl/bad"),
        ("sysctl/last", "sysctl/next"),
    ] {
        assert!(ended.events.contains(&JournalEvent::Skipped {
            resource: id(resource),
            because: id(because)
        }));
    }
    assert!(
        ended
            .events
            .contains(&JournalEvent::Done(id("sysctl/other")))
    );
    let receipts = &ended.observed().receipts;
    assert!(
        receipts.contains_key(&id("sysctl/other")) && !receipts.contains_key(&id("sysctl/bad"))
    );
}

fn files_are_replaced_safely(node: &Node) {
    node.root(
        "mkdir -p /etc/farside; chmod 755 /etc/farside; mkdir -m 777 /etc/open; ln -s /etc/open /etc/farside/way; \
         echo a >/etc/farside/bound; echo b >/root/bound; echo c >/etc/farside/gone; ln -s nowhere /etc/farside/link",
    );
    node.root("mount --bind /root/bound /etc/farside/bound");
    let file = |text: &str| Replaces::File(Digest::of(text.as_bytes()));
    let remove = |at: &str, replaces| Step::RemoveFile {
        path: path(at),
        replaces,
        owes: Vec::new(),
    };
    let directory = |at: &str| Step::CreateDirectory {
        path: path(at),
        mode: FileMode::new(0o755),
        owner: "root".parse().unwrap(),
        group: "root".parse().unwrap(),
    };
    let changes = vec![
        change(
            "file/open",
            &[],
            vec![write("/etc/open/x", "x", Replaces::Nothing, &[])],
        ),
        change(
            "file/way",
            &[],
            vec![write("/etc/farside/way/x", "x", Replaces::Nothing, &[])],
        ),
        change(
            "file/bound",
            &[],
            vec![write("/etc/farside/bound", "x", file("b\n"), &[])],
        ),
        change(
            "file/link",
            &[],
            vec![write(
                "/etc/farside/link",
                "x",
                Replaces::NothingOrPackaged,
                &[],
            )],
        ),
        change(
            "file/gone",
            &[],
            vec![remove("/etc/farside/gone", file("c\n"))],
        ),
        change(
            "file/unlink",
            &[],
            vec![remove("/etc/farside/link", file("nowhere"))],
        ),
        change(
            "file/new",
            &[],
            vec![
                directory("/etc/farside/sub"),
                write("/etc/farside/sub/100%", "", Replaces::Nothing, &[]),
            ],
        ),
        change(
            "directory/full",
            &[],
            vec![Step::RemoveDirectory {
                path: path("/etc/farside"),
            }],
        ),
    ];
    let ended = node.apply(&node.plan(&[], changes));
    let outcome = |resource: &str| {
        ended
            .events
            .iter()
            .any(|event| matches!(event, JournalEvent::Done(done) if *done == id(resource)))
    };
    for resource in ["file/open", "file/way", "file/bound", "file/link"] {
        assert!(!outcome(resource), "{resource}: {:#?}", ended.events);
    }
    for resource in ["file/gone", "file/unlink", "file/new", "directory/full"] {
        assert!(outcome(resource), "{resource}: {:#?}", ended.events);
    }
    let left = node.root("cd /etc/farside && find . /etc/open | sort | xargs; cat bound");
    assert_eq!(left, ". ./bound ./sub ./sub/100% ./way /etc/open\nb");
    node.root("umount /etc/farside/bound; rm -r /etc/farside /etc/open /root/bound");
}

fn packages_are_installed_and_held(node: &Node) {
    let name = || "lab-hello".parse().unwrap();
    let alone = node.probe(&[Question::Installed(name())]);
    let alone = alone.package(&name()).unwrap();
    assert_eq!((&alone.installed, &alone.candidate), (&None, &None));
    assert_eq!(alone.candidate_unknown.as_deref(), Some("it was not asked"));
    let both = [Question::Package(name()), Question::Installed(name())];
    let both = node.probe(&both);
    assert!(both.package(&name()).unwrap().candidate.is_some());
    let questions = [Question::Package(name())];
    let observed = node.probe(&questions);
    let package = observed.package(&name()).unwrap();
    assert_eq!(
        (package.installed.as_deref(), package.candidate.as_deref()),
        (None, Some("2.0"))
    );
    let install = Step::InstallPackage {
        name: name(),
        version: Some("1.0".parse().unwrap()),
    };
    let steps = vec![install, Step::HoldPackage { name: name() }];
    let plan = node.plan(&questions, vec![change("package/lab-hello", &[], steps)]);
    let ended = node.apply(&plan);
    assert_eq!(
        ended.status(),
        &FinalStatus::Committed,
        "{:#?}",
        ended.events
    );
    let package = ended.observed().package(&name()).unwrap().clone();
    assert!(
        package.held && package.installed.as_deref() == Some("1.0"),
        "{package:?}"
    );
    let steps = vec![
        Step::UnholdPackage { name: name() },
        Step::RemovePackage { name: name() },
    ];
    let mut removal = change("package/lab-hello", &[], steps);
    removal.receipt = None;
    let missing = Step::InstallPackage {
        name: "no-such-package".parse().unwrap(),
        version: None,
    };
    let changes = vec![removal, change("package/missing", &[], vec![missing])];
    let ended = node.apply(&node.plan(&questions, changes));
    assert_eq!(ended.status(), &FinalStatus::Failed, "{:#?}", ended.events);
    let package = ended.observed().package(&name()).unwrap();
    assert_eq!((package.held, &package.installed), (false, &None));
    assert!(
        !ended
            .observed()
            .receipts
            .contains_key(&id("package/lab-hello"))
    );
}

fn units_are_seen_with_and_without_a_file(node: &Node) {
    let names = [
        "alone.service",
        "masked.service",
        "nowhere.service",
        "ssh.service",
    ];
    let questions = names.map(|name| Question::Unit(name.parse().unwrap()));
    node.root(
        "printf \"[Service]\\nExecStart=/bin/sleep 600\\n\" > /run/systemd/system/alone.service; systemctl daemon-reload; \
         systemctl start alone; rm /run/systemd/system/alone.service; systemctl mask masked.service",
    );
    let observed = node.probe(&questions);
    let [alone, masked, nowhere, ssh] =
        names.map(|name| observed.unit(&name.parse().unwrap()).unwrap().clone());
    assert!(alone.is_active(), "{alone:?}");
    assert!(masked.is_masked(), "{masked:?}");
    assert!(!nowhere.exists() && !nowhere.is_active(), "{nowhere:?}");
    assert_eq!(nowhere.property("LoadState"), "not-found");
    assert!(ssh.exists() && ssh.is_active(), "{ssh:?}");
    node.root("systemctl stop alone; systemctl unmask masked.service; systemctl daemon-reload");
}

fn runtime_questions() -> [Question; 3] {
    [
        Question::File(path(CONFIG)),
        Question::Unit("containerd.service".parse().unwrap()),
        Question::Containerd(path(CONFIG)),
    ]
}

/// Asks with curl, with a crictl that is only a script, and with nothing.
fn the_runtime_describes_itself(node: &Node) {
    let questions = [
        Question::Cri(path(SOCKET)),
        Question::Containerd(path(CONFIG)),
    ];
    let observed = node.probe(&questions);
    let CriState::Answers(runtime) = observed.cri(&path(SOCKET)).unwrap() else {
        panic!("{:?}", observed.cri(&path(SOCKET)));
    };
    let installed = &observed.containerd(&path(CONFIG)).unwrap().version;
    assert_eq!(Some(&runtime.version), installed.as_ref());
    assert_eq!(
        (runtime.name.as_str(), runtime.api_version.as_str()),
        ("containerd", "v1")
    );
    assert!(runtime.runtime_ready.as_ref().unwrap().holds);
    let tells = matches!(runtime.config, CriRuntimeConfig::Driver(_));
    assert_eq!(
        tells,
        !runtime.version.starts_with('1'),
        "{:?}",
        runtime.config
    );
    assert!(observed.guards.iter().all(|guard| !guard.contains("cri")));
    let state = |node: &Node| node.probe(&questions).cri(&path(SOCKET)).unwrap().clone();
    let _stopped = node.root("systemctl stop containerd; rm -f /run/containerd/containerd.sock");
    assert_eq!(state(node), CriState::Absent);
    let _started = node.root("systemctl start containerd; mv /usr/bin/curl /usr/bin/not-curl");
    assert_eq!(state(node), CriState::Unasked);
    let _crictl = node.root(
        "printf \"%s\\n\" \"#!/bin/sh\" \"case \\$2\\$5 in unix:///run/containerd/containerd.sockversion) echo RuntimeName: x ;; *) exit 1 ;; esac\" \
         > /usr/local/bin/crictl; chmod 755 /usr/local/bin/crictl",
    );
    assert!(matches!(state(node), CriState::Answers(runtime) if runtime.name == "x"));
    let _back = node.root("rm /usr/local/bin/crictl; mv /usr/bin/not-curl /usr/bin/curl");
    assert!(matches!(state(node), CriState::Answers(_)));
}

/// What replaces the config that is there now.
fn replaces_config(node: &Node) -> (String, Replaces) {
    let config = node.root("cat /etc/containerd/config.toml") + "\n";
    let observed = node.probe(&runtime_questions());
    let replaces = match observed.file(&path(CONFIG)).unwrap() {
        FileState::Regular(file) => Replaces::File(file.digest.clone()),
        other => panic!("{other:?}"),
    };
    (config, replaces)
}

fn a_runtime_that_does_not_come_up_is_undone(node: &Node) {
    let before = node.root("stat -c \"%a %U %G %Y\" /etc/containerd/config.toml; sha256sum /etc/containerd/config.toml");
    for bad in [
        "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n",
        "version = 2\n[plugins]\nthis is not TOML\n",
    ] {
        let (_, replaces) = replaces_config(node);
        let changes = vec![
            change(
                "file/config",
                &[],
                vec![write(CONFIG, bad, replaces, &["containerd.service"])],
            ),
            change(
                "service/containerd",
                &["file/config"],
                vec![restart("containerd.service", 2, Some(SOCKET))],
            ),
            change(
                "service/after",
                &["service/containerd"],
                vec![sysctl("net.ipv4.ip_forward", "1")],
            ),
        ];
        let ended = node.apply(&node.plan(&runtime_questions(), changes));
        assert_eq!(
            ended.status(),
            &FinalStatus::RolledBack,
            "{:#?}",
            ended.events
        );
        let undone = |resource: &str| {
            ended.events.iter().any(
                |event| matches!(event, JournalEvent::Undone { resource: undone, .. } if *undone == id(resource)),
            )
        };
        assert!(undone("file/config") && undone("service/containerd"));
        assert!(ended.events.contains(&JournalEvent::Skipped {
            resource: id("service/after"),
            because: id("service/containerd")
        }));
        let observed = ended.observed();
        assert!(observed.owed.is_empty(), "{:?}", observed.owed);
        assert!(
            observed
                .unit(&"containerd.service".parse().unwrap())
                .unwrap()
                .is_active()
        );
        assert!(!observed.receipts.contains_key(&id("file/config")));
        let after = node.root("stat -c \"%a %U %G %Y\" /etc/containerd/config.toml; sha256sum /etc/containerd/config.toml");
        assert_eq!(after, before, "content and metadata are back");
    }
    let (_, replaces) = replaces_config(node);
    let mut checked = write(
        CONFIG,
        "not = TOML = at all\n",
        replaces,
        &["containerd.service"],
    );
    if let Step::WriteFile { check, .. } = &mut checked {
        *check = Some(FileCheck::Containerd);
    }
    let ended = node.apply(&node.plan(
        &runtime_questions(),
        vec![change("file/config", &[], vec![checked])],
    ));
    assert_eq!(ended.status(), &FinalStatus::Failed, "{:#?}", ended.events);
    assert!(ended.observed().owed.is_empty(), "nothing was written");
}

fn a_good_runtime_config_is_kept(node: &Node) {
    let (config, replaces) = replaces_config(node);
    let better = format!("{config}# managed\n");
    let steps = |text: &str, replaces| vec![write(CONFIG, text, replaces, &["containerd.service"])];
    let service = || {
        change(
            "service/containerd",
            &[],
            vec![restart("containerd.service", 2, Some(SOCKET))],
        )
    };
    let changes = vec![
        change("file/config", &[], steps(&better, replaces)),
        service(),
    ];
    let ended = node.apply(&node.plan(&runtime_questions(), changes));
    assert_eq!(
        ended.status(),
        &FinalStatus::Committed,
        "{:#?}",
        ended.events
    );
    let noted = |event: &JournalEvent| matches!(event, JournalEvent::Note(_));
    assert!(
        !ended.events.iter().any(noted),
        "the CRI was really asked: {:#?}",
        ended.events
    );
    let observed = ended.observed();
    assert!(observed.owed.is_empty());
    let state = observed.containerd(&path(CONFIG)).unwrap();
    assert!(
        state.version.is_some()
            && state
                .effective
                .as_ref()
                .is_some_and(|dump| dump.contains("[plugins")),
        "{state:?}"
    );
    let back = Replaces::File(Digest::of(better.as_bytes()));
    let changes = vec![change("file/config", &[], steps(&config, back)), service()];
    let ended = node.apply(&node.plan(&runtime_questions(), changes));
    assert_eq!(
        ended.status(),
        &FinalStatus::Committed,
        "{:#?}",
        ended.events
    );
}

/// A unit that never comes up, and does something to its file on the way.
fn sick_plan(node: &Node, command: &str) -> HostPlan {
    node.root(&format!(
        "echo \"{command}; exit 1\" >/etc/sick.sh; \
         printf \"[Service]\\nExecStart=/bin/sh /etc/sick.sh\\n\" >/etc/systemd/system/sick.service; \
         systemctl daemon-reload; rm -f /etc/sick.conf"
    ));
    let gate = Gate {
        start_seconds: 3,
        steady_seconds: 2,
        cri_socket: None,
    };
    let restart = Step::RestartUnit {
        name: "sick.service".parse().unwrap(),
        gate,
    };
    let owes = &["sick.service"];
    let changes = vec![
        change(
            "file/sick",
            &[],
            vec![
                owe("ssh.service"),
                write("/etc/sick.conf", "new", Replaces::Nothing, owes),
            ],
        ),
        change("service/sick", &["file/sick"], vec![restart]),
        change(
            "file/other",
            &[],
            vec![write("/etc/other.conf", "", Replaces::Nothing, &[])],
        ),
    ];
    node.plan(&[Question::File(path("/etc/sick.conf"))], changes)
}

fn what_cannot_be_undone_is_wedged(node: &Node) {
    let ended = node.apply(&sick_plan(node, "true"));
    assert_eq!(
        ended.status(),
        &FinalStatus::RolledBack,
        "not worse than before: {:#?}",
        ended.events
    );
    assert_eq!(
        file_of(ended.observed(), "/etc/sick.conf"),
        None,
        "what was absent is absent"
    );
    assert!(
        ended.events.contains(&JournalEvent::Done(id("file/other"))),
        "the rest is done"
    );
    assert_eq!(
        ended.observed().owed,
        [],
        "what was undone is no reason for a restart"
    );
    node.root("rm /etc/other.conf");
    let ended = node.apply(&sick_plan(node, "echo foreign >>/etc/sick.conf"));
    let status = ended.status();
    assert!(
        matches!(status, FinalStatus::Wedged(why) if why.contains("/etc/sick.conf")),
        "{:#?}",
        ended.events
    );
    assert_eq!(
        file_of(ended.observed(), "/etc/sick.conf").as_deref(),
        Some("newforeign\n"),
        "a foreign word is kept"
    );
    assert_eq!(
        ended.observed().owed,
        ["ssh.service".parse().unwrap()],
        "what could not be undone is still a reason"
    );
    node.root("rm -f /var/lib/hardstand/receipts/* /var/lib/hardstand/owed/*");
    let plan = sick_plan(node, "exec sleep infinity");
    node.root("systemctl start sick.service; rm /etc/systemd/system/sick.service; systemctl daemon-reload");
    let ended = node.apply(&plan);
    assert!(
        matches!(ended.status(), FinalStatus::Wedged(why) if why.contains("sick.service")),
        "{:#?}",
        ended.events
    );
    assert_eq!(file_of(ended.observed(), "/etc/sick.conf"), None);
    assert!(
        !ended.observed().receipts.contains_key(&id("file/sick")),
        "what was put back is not recorded as done"
    );
    node.root("systemctl stop sick.service; rm /var/lib/hardstand/owed/ssh.service");
    node.root("rm -f /etc/systemd/system/sick.service /etc/sick.sh /etc/sick.conf /etc/other.conf; systemctl daemon-reload");
}

fn a_full_disk_is_seen_before(node: &Node) {
    node.root("mkdir -p /etc/small; mount -t tmpfs -o size=512k,mode=755 tmpfs /etc/small; echo old >/etc/small/f");
    let old = Replaces::File(Digest::of(b"old\n"));
    let steps = vec![write("/etc/small/f", &"x".repeat(600_000), old, &[])];
    let ended = node.apply(&node.plan(&[], vec![change("file/small", &[], steps)]));
    assert!(
        matches!(ended.status(), FinalStatus::Refused(why) if why.contains("/etc/small")),
        "{:#?}",
        ended.events
    );
    assert_eq!(node.root("cat /etc/small/f; ls -A /etc/small"), "old\nf");
    node.root("umount /etc/small; rmdir /etc/small");
}

fn what_runs_already_still_owes_its_restart(node: &Node) {
    let gate = Gate {
        start_seconds: 20,
        steady_seconds: 1,
        cri_socket: None,
    };
    let start = Step::StartUnit {
        name: "late.service".parse().unwrap(),
        gate,
    };
    let steps = vec![
        write("/etc/late.conf", "x", Replaces::Nothing, &["late.service"]),
        start,
    ];
    node.root("printf \"[Service]\\nExecStart=/bin/sleep infinity\\n\" >/run/systemd/system/late.service; systemctl daemon-reload; systemctl start late");
    let ended = node.apply(&node.plan(&[], vec![change("file/late", &[], steps)]));
    assert_eq!(
        ended.status(),
        &FinalStatus::Committed,
        "{:#?}",
        ended.events
    );
    assert_eq!(ended.observed().owed, ["late.service".parse().unwrap()]);
    let back = vec![change(
        "service/late",
        &[],
        vec![restart("late.service", 1, None)],
    )];
    let ended = node.apply(&node.plan(&[], back));
    assert!(ended.observed().owed.is_empty());
    node.root("systemctl stop late; rm /etc/late.conf /run/systemd/system/late.service; systemctl daemon-reload");
}

/// A unit that is slow to be proven, and a file that owes its restart.
fn slow_plan(node: &Node, text: &str) -> HostPlan {
    node.root(
        "test -e /etc/systemd/system/slow.service || { \
         printf \"[Service]\\nExecStart=/bin/sleep infinity\\n\" >/etc/systemd/system/slow.service; \
         systemctl daemon-reload; systemctl start slow.service; }; rm -f /etc/slow.conf",
    );
    let changes = vec![
        change(
            "file//etc/slow.conf",
            &[],
            vec![write(
                "/etc/slow.conf",
                text,
                Replaces::Nothing,
                &["slow.service"],
            )],
        ),
        change(
            "service/slow.service",
            &["file//etc/slow.conf"],
            vec![restart("slow.service", 6, None)],
        ),
    ];
    let questions = [
        Question::File(path("/etc/slow.conf")),
        Question::Unit("slow.service".parse().unwrap()),
    ];
    node.plan(&questions, changes)
}

fn a_lost_connection_loses_nothing(node: &Node) {
    for word in ["staged", "intent 1", "intent 2"] {
        let plan = slow_plan(node, word);
        let transaction = transaction();
        node.begin_and_lose(&plan, &transaction, word);
        let ended = node.begin(&plan, &transaction);
        assert!(ended.events.contains(&JournalEvent::Attached), "{word}");
        assert_eq!(
            ended.status(),
            &FinalStatus::Committed,
            "{word}: {:#?}",
            ended.events
        );
        let intents = ended
            .events
            .iter()
            .filter(|event| matches!(event, JournalEvent::Intent(_)));
        assert_eq!(intents.count(), 2, "each change was made once");
        assert_eq!(
            file_of(ended.observed(), "/etc/slow.conf").as_deref(),
            Some(word)
        );
        assert!(ended.observed().owed.is_empty());
    }
}

/// A plan whose transaction lasts as long as /run/held is there, however slow the node is.
fn held_plan(node: &Node) -> HostPlan {
    node.root(
        "touch /run/held; echo \"while test -e /run/held; do sleep 0.2; done\" >/etc/held.sh; \
         printf \"[Service]\\nExecStartPre=/bin/sh /etc/held.sh\\nExecStart=/bin/sleep infinity\\n\" \
         >/etc/systemd/system/held.service; systemctl daemon-reload",
    );
    let gate = Gate {
        start_seconds: 300,
        steady_seconds: 1,
        cri_socket: None,
    };
    let restart = Step::RestartUnit {
        name: "held.service".parse().unwrap(),
        gate,
    };
    node.plan(
        &[],
        vec![change("service/held.service", &[], vec![restart])],
    )
}

fn one_transaction_at_a_time(node: &Node) {
    let plan = held_plan(node);
    let first = transaction();
    node.begin_and_lose(&plan, &first, "intent 1");
    while node.probe(&[]).owed.is_empty() {
        std::thread::sleep(Duration::from_millis(200));
    }
    let open = node.probe(&[]);
    assert_eq!(open.facts.open_transaction.as_deref(), Some(first.as_str()));
    assert_eq!(open.owed, ["held.service".parse().unwrap()]);
    let second = node.apply(&node.plan(&[], Vec::new()));
    assert_eq!(second.refused(), "busy");
    let nonce = nonce();
    let output = node.send(&abort_request(&first, &nonce));
    let error = parse_finished(&output, "abort", &nonce).unwrap_err();
    assert!(error.to_string().contains("is running"), "{error}");
    let output = node.send(&purge_request(&nonce));
    assert!(parse_finished(&output, "purge", &nonce).is_err());
    let ended = node.status_of_held(&first, &plan.questions, || {
        node.root("rm /run/held");
    });
    assert_eq!(
        ended.status(),
        &FinalStatus::Committed,
        "{:#?}",
        ended.events
    );
    assert!(ended.events.contains(&JournalEvent::Heartbeat));
    node.root("systemctl stop held.service; rm /etc/systemd/system/held.service /etc/held.sh; systemctl daemon-reload");
}

fn a_killed_transaction_is_known(node: &Node) {
    let plan = slow_plan(node, "killed");
    let transaction = transaction();
    node.begin_and_lose(&plan, &transaction, "intent 2");
    node.root("systemctl kill -s KILL hardstand-apply.service");
    let began = Instant::now();
    let ended = node.status(&transaction, &plan.questions);
    assert!(began.elapsed() < Duration::from_secs(15));
    // A systemd that kills the whole cgroup at once may also kill the hook that writes the final line.
    let interrupted =
        matches!(ended.status(), FinalStatus::Interrupted(why) if why == "signal" || why == "-");
    assert!(interrupted, "{:#?}", ended.events);
    let observed = ended.observed();
    assert_eq!(
        observed.facts.open_transaction.as_deref(),
        Some(transaction.as_str())
    );
    assert_eq!(
        observed.owed,
        ["slow.service".parse().unwrap()],
        "the restart is still owed"
    );
    assert_eq!(
        file_of(observed, "/etc/slow.conf").as_deref(),
        Some("killed")
    );
    let changes = vec![change(
        "service/slow.service",
        &[],
        vec![restart("slow.service", 1, None)],
    )];
    let next = node.apply(&node.plan(&plan.questions, changes));
    assert_eq!(next.status(), &FinalStatus::Committed, "{:#?}", next.events);
    assert!(next.observed().owed.is_empty());
    assert_eq!(next.observed().facts.open_transaction, None);
    node.root("systemctl stop slow.service; rm /etc/systemd/system/slow.service /etc/slow.conf; systemctl daemon-reload");
}

fn a_damaged_bundle_is_refused(node: &Node) {
    let plan = node.plan(
        &[],
        vec![change(
            "file/x",
            &[],
            vec![write("/etc/x", "x", Replaces::Nothing, &[])],
        )],
    );
    let nonce = nonce();
    let transaction = transaction();
    let request = begin_request(&plan, &transaction, "lab", &digest(), &nonce);
    let at = request
        .windows(6)
        .position(|window| window == b"/etc/x")
        .unwrap();
    let mut damaged = request.clone();
    damaged[at + 5] = b'y';
    let ended = node.follow(&damaged, &nonce, &[]);
    assert_eq!(ended.refused(), "digest");
    let output = node.send(&request[..request.len() - 3]);
    assert!(output.is_empty(), "a cut request runs nothing");
}

/// Pulls the plug in the middle of a transaction, where the lab's own command is given in `HARDSTAND_LAB`.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn a_pulled_plug_is_known(node: &Node) {
    let Some(lab) = variable("HARDSTAND_LAB") else {
        eprintln!("skipped: HARDSTAND_LAB is not set, so no plug is pulled");
        return;
    };
    let run = node.run.rsplit('/').next().unwrap();
    let lab = |verb: &str| {
        let status = Command::new(&lab)
            .args([verb, run, &node.name])
            .status()
            .unwrap();
        assert!(status.success(), "lab {verb}");
    };
    let plan = slow_plan(node, "unplugged");
    let transaction = transaction();
    node.begin_and_lose(&plan, &transaction, "intent 2");
    lab("kill");
    lab("start");
    let ended = node.status(&transaction, &plan.questions);
    let interrupted = matches!(ended.status(), FinalStatus::Interrupted(_));
    assert!(interrupted, "{:#?}", ended.events);
    let observed = ended.observed();
    assert_eq!(
        observed.facts.open_transaction.as_deref(),
        Some(transaction.as_str())
    );
    assert_eq!(observed.owed, ["slow.service".parse().unwrap()]);
    let nonce = nonce();
    let output = node.send(&abort_request(&transaction, &nonce));
    parse_finished(&output, "abort", &nonce).unwrap();
    assert_eq!(node.probe(&[]).facts.open_transaction, None);
    let ended = node.apply(&node.plan(&[], Vec::new()));
    assert_eq!(
        ended.status(),
        &FinalStatus::Committed,
        "{:#?}",
        ended.events
    );
    assert!(
        ended.observed().owed.is_empty(),
        "a unit that does not run owes nothing"
    );
    node.root("rm /etc/systemd/system/slow.service /etc/slow.conf; systemctl daemon-reload");
}

fn purging_leaves_nothing(node: &Node) {
    assert!(
        node.root("ls /var/lib/hardstand/txn | wc -l")
            .parse::<u32>()
            .unwrap()
            <= 4
    );
    assert_eq!(
        node.root("find / -xdev -name \"*.hardstand*\" | wc -l"),
        "0"
    );
    node.root("for unit in ssh gone; do echo x >/var/lib/hardstand/owed/$unit.service; done");
    let nonce = nonce();
    let output = node.send(&purge_request(&nonce));
    let error = parse_finished(&output, "purge", &nonce).unwrap_err();
    assert!(
        error.to_string().contains("restart of ssh.service"),
        "{error}"
    );
    node.root("rm /var/lib/hardstand/owed/ssh.service");
    let output = node.send(&purge_request(&nonce));
    parse_finished(&output, "purge", &nonce).unwrap();
    assert_eq!(node.root("find / -xdev -name \"*hardstand*\" | xargs"), "");
    assert_eq!(
        node.root("systemctl list-units --all \"hardstand*\" --no-legend | wc -l"),
        "0"
    );
}
