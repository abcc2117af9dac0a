//! The transport against a real sshd on a loopback port, and against this machine.

mod local;
mod sshd;
mod windows;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use engine::fleet::{Cancel, for_each_host};
use engine::transport::ssh::SshConnector;
use engine::transport::{
    Connector, Ended, Privilege, Request, Target, Transport, TransportError,
    TransportErrorKind as Kind,
};

use sshd::{Sshd, as_text, free_port, kill, skip, wait_until};

/// Runs a script and returns how it ended and all that came back.
fn run(transport: &mut dyn Transport, stdin: &[u8]) -> (Result<Ended, TransportError>, Vec<u8>) {
    run_within(transport, &request(stdin))
}

fn run_within(
    transport: &mut dyn Transport,
    request: &Request<'_>,
) -> (Result<Ended, TransportError>, Vec<u8>) {
    let mut output = Vec::new();
    let ended = transport.run(request, &mut |chunk| output.extend_from_slice(chunk));
    (ended, output)
}

fn request(stdin: &[u8]) -> Request<'_> {
    Request {
        stdin,
        time_limit: Duration::from_secs(30),
        silence_limit: Duration::from_secs(20),
        output_limit: 64 << 20,
    }
}

fn connect(connector: &SshConnector, target: &Target) -> Box<dyn Transport> {
    connector
        .connect(target)
        .unwrap_or_else(|error| panic!("{error}: {:?}", error.said))
}

fn refused(connector: &SshConnector, target: &Target) -> TransportError {
    match connector.connect(target) {
        Ok(_) => panic!("connected"),
        Err(error) => error,
    }
}

fn done(exit: i32, stderr: &str) -> Ended {
    Ended {
        exit: Some(exit),
        stderr: stderr.as_bytes().to_vec(),
    }
}

#[test]
fn a_script_runs_and_says_how_it_ended_and_no_ssh_is_left() {
    let Some(sshd) = Sshd::start("") else { return };
    let connector = sshd.connector();
    let mut host = connect(&connector, &sshd.target("n1"));
    let (ended, output) = run(&mut *host, b"echo out; echo err >&2; exit 7\n");
    assert_eq!((ended, output), (Ok(done(7, "err\n")), b"out\n".to_vec()));

    let (ended, output) = run(&mut *host, b"echo \"$LC_ALL\"; exec 1>&-; exit 0");
    assert_eq!((ended, output), (Ok(done(0, "")), b"C\n".to_vec()));
    let (ended, _) = run(&mut *host, b"exit 127");
    assert_eq!(ended, Ok(done(127, "")));

    assert_eq!(sshd.ssh_processes().len(), 1);
    drop(host);
    sshd.expect_no_ssh_left();
    drop(connector);
    let left: Vec<_> = fs::read_dir(sshd.path("run"))
        .expect("entries")
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert_eq!(left, ["lock"]);
}

#[test]
fn megabytes_go_there_and_back_at_the_same_time() {
    let Some(sshd) = Sshd::start("") else { return };
    let connector = sshd.connector();
    let mut host = connect(&connector, &sshd.target("n1"));
    for size in [300 << 10, 5 << 20] {
        let data = lines(size);
        let (ended, output) = run(&mut *host, &cat_in_pieces(&data));
        assert_eq!(ended, Ok(done(0, "")));
        assert!(output == data, "{} of {size} bytes", output.len());
    }
}

/// Returns about so many bytes of text without repetition.
fn lines(size: usize) -> Vec<u8> {
    (0..size / 64)
        .flat_map(|line: usize| format!("{line:063}\n").into_bytes())
        .collect()
}

/// Returns a script that prints the text piece by piece, so that output comes while input still goes. The text is part
/// of the script, since dash reads its script ahead and what it read is lost to other readers of standard input.
fn cat_in_pieces(data: &[u8]) -> Vec<u8> {
    let here_document = |piece: &[u8]| [b"cat <<'EOF'\n".as_slice(), piece, b"EOF\n"].concat();
    data.chunks(64 << 10).flat_map(here_document).collect()
}

#[test]
fn a_program_that_reads_nothing_does_not_block_the_feeding() {
    let Some(sshd) = Sshd::start("") else { return };
    let connector = sshd.connector();
    let mut host = connect(&connector, &sshd.target("n1"));
    let script = [b"echo early; exit 3\n".as_slice(), &vec![b'#'; 5 << 20]].concat();
    let (ended, output) = run(&mut *host, &script);
    assert_eq!((ended, output), (Ok(done(3, "")), b"early\n".to_vec()));
}

#[test]
fn an_unknown_key_is_refused_with_its_fingerprint_and_the_way_to_trust_it() {
    let Some(sshd) = Sshd::start("") else { return };
    fs::write(sshd.path("known_hosts"), "").expect("written");
    let error = refused(&sshd.connector(), &sshd.target("n1"));
    let listed = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(sshd.path("host.pub"))
        .output()
        .expect("ssh-keygen runs");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let fingerprint = listed.split(' ').nth(1).expect("a fingerprint");
    assert_eq!(
        error.to_string(),
        format!("the host key is not known: it shows ssh-ed25519 {fingerprint}")
    );
    let add = format!(
        "ssh -o StrictHostKeyChecking=ask -o UserKnownHostsFile={} -p {} {}@127.0.0.1 true",
        as_text(&sshd.path("known_hosts")),
        sshd.port,
        sshd::me()
    );
    assert!(
        error.help().is_some_and(|help| help.ends_with(&add)),
        "{:?}",
        error.help()
    );
    assert!(!error.may_have_run());
    assert_eq!(fs::read(sshd.path("known_hosts")).expect("read"), b"");
}

#[test]
fn a_changed_key_is_refused_with_file_and_line() {
    let Some(sshd) = Sshd::start("") else { return };
    sshd.trust("other");
    let error = refused(&sshd.connector(), &sshd.target("n1"));
    let place = format!("{}:1 has another", as_text(&sshd.path("known_hosts")));
    assert!(
        matches!(error.kind, Kind::ChangedHostKey { .. }),
        "{error:?}"
    );
    assert!(error.to_string().ends_with(&place), "{error}");
}

#[test]
fn the_operators_settings_count_but_never_weaken_ours() {
    let Some(sshd) = Sshd::start("") else { return };
    let operator = format!(
        "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nForwardAgent yes\nControlMaster auto\nControlPath \
         {}/op-%C\nRemoteCommand false\nRequestTTY force\nSendEnv *\nLogLevel QUIET\nHost alias\n  HostName \
         127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {}\n",
        as_text(&sshd.path("")),
        sshd.port,
        sshd::me(),
        as_text(&sshd.path("id")),
    );
    fs::write(sshd.path("operator"), operator).expect("written");
    let error = refused(
        &sshd.connector(),
        &Target::new("alias".parse().expect("a name")),
    );
    assert!(
        matches!(error.kind, Kind::UnknownHostKey { .. }),
        "{error:?}"
    );

    let mut settings = sshd.settings();
    settings.known_hosts = Some(sshd.path("known_hosts"));
    let connector = SshConnector::new(settings).expect("a connector");
    let mut host = connect(&connector, &Target::new("alias".parse().expect("a name")));
    let (ended, output) = run(&mut *host, b"echo ok; tty >/dev/null || echo no tty\n");
    assert_eq!((ended, output), (Ok(done(0, "")), b"ok\nno tty\n".to_vec()));
}

#[test]
fn a_closed_port_is_refused() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut target = sshd.target("n1");
    let port = free_port();
    target.endpoint.port = Some(port);
    let error = refused(&sshd.connector(), &target);
    assert_eq!(
        error.to_string(),
        format!("connection to 127.0.0.1 port {port} refused")
    );
    assert_eq!(error.at, None);
}

#[test]
fn a_key_that_is_not_authorized_fails() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut target = sshd.target("n1");
    target.endpoint.identity_file = Some(as_text(&sshd.path("other")).parse().expect("a path"));
    let error = refused(&sshd.connector(), &target);
    assert_eq!(
        error.to_string(),
        format!("authentication failed for user {}", sshd::me())
    );

    target.endpoint.identity_file = Some(as_text(&sshd.path("missing")).parse().expect("a path"));
    let error = refused(&sshd.connector(), &target);
    assert_eq!(
        error.kind,
        Kind::NoIdentity {
            path: sshd.path("missing")
        }
    );
    sshd.expect_no_ssh_left();
}

#[test]
fn a_listener_that_never_speaks_times_out() {
    let Some(sshd) = Sshd::start("") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut target = sshd.target("n1");
    target.endpoint.port = Some(listener.local_addr().expect("an address").port());
    target.connect_timeout = Duration::from_secs(1);
    let begin = Instant::now();
    let error = refused(&sshd.connector(), &target);
    assert!(
        matches!(error.kind, Kind::ConnectTimedOut { .. }),
        "{error:?}"
    );
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn a_name_without_an_address_and_a_missing_program_are_said() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut target = sshd.target("n1");
    target.endpoint.address = Some("nosuch.invalid".parse().expect("an address"));
    let error = refused(&sshd.connector(), &target);
    assert_eq!(
        error.to_string(),
        "the name nosuch.invalid could not be resolved"
    );

    let mut settings = sshd.settings();
    settings.program = "/nonexistent/ssh".into();
    let connector = SshConnector::new(settings).expect("a connector");
    let error = refused(&connector, &sshd.target("n1"));
    assert!(
        error
            .to_string()
            .starts_with("/nonexistent/ssh could not be started"),
        "{error}"
    );
}

#[test]
fn a_connection_that_breaks_midway_is_lost_and_what_was_said_is_kept() {
    let Some(sshd) = Sshd::start("") else { return };
    let connector = sshd.connector();
    let mut host = connect(&connector, &sshd.target("n1"));
    let mut output = Vec::new();
    // The parent of the far-side sh is the sshd that serves this connection.
    let ended = host.run(&request(b"echo $PPID; exec sleep 3\n"), &mut |chunk| {
        output.extend_from_slice(chunk);
        kill(
            String::from_utf8_lossy(chunk)
                .trim()
                .parse()
                .expect("a process id"),
        );
    });
    let error = ended.expect_err("lost");
    assert_eq!(error.kind, Kind::Lost);
    assert!(error.may_have_run());
    assert!(!output.is_empty());
    sshd.expect_no_ssh_left();
    let (ended, _) = run(&mut *host, b"true");
    assert_eq!(ended.map_err(|error| error.kind), Err(Kind::Gone));
}

#[test]
fn a_killed_program_and_exit_status_255_are_lost_too() {
    let Some(sshd) = Sshd::start("") else { return };
    let connector = sshd.connector();
    for script in [b"kill -KILL $$".as_slice(), b"exit 255"] {
        let mut host = connect(&connector, &sshd.target("n1"));
        let (ended, _) = run(&mut *host, script);
        assert_eq!(
            ended.map_err(|error| error.kind),
            Err(Kind::Lost),
            "{}",
            String::from_utf8_lossy(script)
        );
    }
}

#[test]
fn a_master_that_is_gone_before_the_run_means_nothing_was_sent() {
    let Some(sshd) = Sshd::start("") else { return };
    let connector = sshd.connector();
    let mut host = connect(&connector, &sshd.target("n1"));
    sshd.ssh_processes().into_iter().for_each(kill);
    let (ended, _) = run(&mut *host, b"true");
    let error = ended.expect_err("gone");
    assert_eq!(error.kind, Kind::Gone);
    assert!(!error.may_have_run());
}

#[test]
fn limits_of_time_silence_and_size_cut_a_hostile_host_off() {
    let Some(sshd) = Sshd::start("") else { return };
    let connector = sshd.connector();
    let second = Duration::from_secs(1);
    for (script, expected) in [
        ("exec sleep 4", Kind::Silent { after: second }),
        (
            "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo .; sleep 0.1; done",
            Kind::TimedOut { after: 2 * second },
        ),
        ("exec yes", Kind::TooMuchOutput { limit: 1 << 20 }),
        ("exec yes >&2", Kind::TooMuchOutput { limit: 1 << 20 }),
        (
            "exec tr '\\0' x </dev/zero",
            Kind::TooMuchOutput { limit: 1 << 20 },
        ),
    ] {
        let mut host = connect(&connector, &sshd.target("n1"));
        let limits = Request {
            stdin: script.as_bytes(),
            time_limit: 2 * second,
            silence_limit: second,
            output_limit: 1 << 20,
        };
        let begin = Instant::now();
        let (ended, output) = run_within(&mut *host, &limits);
        let error = ended.expect_err(script);
        assert_eq!(error.kind, expected, "{script}");
        assert!(error.may_have_run());
        assert!(output.len() <= 1 << 20, "{script}: {}", output.len());
        assert!(
            begin.elapsed() < 4 * second,
            "{script}: {:?}",
            begin.elapsed()
        );
        sshd.expect_no_ssh_left();
    }
}

#[test]
fn what_was_said_before_the_end_is_never_cut_however_slowly_it_is_read() {
    let Some(sshd) = Sshd::start("") else { return };
    let connector = sshd.connector();
    let mut host = connect(&connector, &sshd.target("n1"));
    let mut n_heard = 0;
    let ended = host.run(
        &request(b"head -c 3000000 /dev/zero; exit 9"),
        &mut |chunk| {
            thread::sleep(Duration::from_millis(5));
            n_heard += chunk.len();
        },
    );
    assert_eq!((ended, n_heard), (Ok(done(9, "")), 3_000_000));
}

#[test]
fn something_left_running_that_holds_the_outputs_ends_as_silence() {
    let Some(sshd) = Sshd::start("") else { return };
    let connector = sshd.connector();
    let mut host = connect(&connector, &sshd.target("n1"));
    let second = Duration::from_secs(1);
    let limits = Request {
        silence_limit: second,
        ..request(b"sleep 4 & echo done")
    };
    let (ended, output) = run_within(&mut *host, &limits);
    assert_eq!(
        ended.map_err(|error| error.kind),
        Err(Kind::Silent { after: second })
    );
    assert_eq!(output, b"done\n");
    sshd.expect_no_ssh_left();

    let mut host = connect(&connector, &sshd.target("n1"));
    let (ended, _) = run(&mut *host, b"sleep 4 >/dev/null 2>&1 & echo done");
    assert_eq!(ended, Ok(done(0, "")));
}

#[test]
fn forty_hosts_on_eight_threads_come_out_in_order() {
    let Some(sshd) = Sshd::start("") else { return };
    let connector = sshd.connector();
    let targets: Vec<_> = (0..40)
        .map(|index| sshd.target(&format!("n{index:02}")))
        .collect();
    let said = for_each_host(
        &targets,
        8,
        &Cancel::new(),
        |target| {
            let mut host = connect(&connector, target);
            let script = format!("echo {}; head -c 100000 /dev/zero", target.endpoint.name);
            let (ended, output) = run(&mut *host, script.as_bytes());
            (
                ended,
                String::from_utf8_lossy(&output[..3]).into_owned(),
                output.len(),
            )
        },
        |_, panic| panic!("{panic}"),
    );
    for (index, said) in said.into_iter().enumerate() {
        assert_eq!(
            said,
            Some((Ok(done(0, "")), format!("n{index:02}"), 100_004))
        );
    }
    sshd.expect_no_ssh_left();
}

#[test]
fn a_server_that_drops_connections_in_the_rush_is_tried_again() {
    let Some(sshd) = Sshd::start("MaxStartups 3:100:3") else {
        return;
    };
    let connector = sshd.connector();
    let targets: Vec<_> = (0..16)
        .map(|index| sshd.target(&format!("n{index:02}")))
        .collect();
    let work = |target: &Target| {
        connector
            .connect(target)
            .map(|mut host| run(&mut *host, b"echo hi").1)
    };
    let said = for_each_host(&targets, 16, &Cancel::new(), work, |_, panic| {
        panic!("{panic}")
    });
    for said in said {
        assert_eq!(said, Some(Ok(b"hi\n".to_vec())));
    }
}

#[test]
fn a_fleet_behind_one_jump_host_is_reached() {
    let Some(sshd) = Sshd::start("") else { return };
    let connector = sshd.connector();
    let behind_bastion = |index| Target {
        jumps: vec![sshd.endpoint("bastion")],
        ..sshd.target(&format!("n{index:02}"))
    };
    let targets: Vec<_> = (0..24).map(behind_bastion).collect();
    let work = |target: &Target| {
        connector
            .connect(target)
            .map(|mut host| run(&mut *host, b"echo hi").1)
    };
    let said = for_each_host(&targets, 24, &Cancel::new(), work, |_, panic| {
        panic!("{panic}")
    });
    for said in said {
        assert_eq!(said, Some(Ok(b"hi\n".to_vec())));
    }
    sshd.expect_no_ssh_left();
}

#[test]
fn a_server_that_opens_no_session_says_so() {
    let Some(sshd) = Sshd::start("MaxSessions 0") else {
        return;
    };
    let connector = sshd.connector();
    let mut host = connect(&connector, &sshd.target("n1"));
    let error = run(&mut *host, b"true").0.expect_err("refused");
    assert_eq!(error.kind, Kind::SessionRefused, "{error:?}");
    assert!(!error.may_have_run());
}

#[test]
fn a_jump_host_is_jumped_and_named_when_it_fails() {
    let Some(sshd) = Sshd::start("") else { return };
    let connector = sshd.connector();
    let mut target = sshd.target("n1");
    target.jumps = vec![sshd.endpoint("outer"), sshd.endpoint("inner")];
    let (ended, output) = run(&mut *connect(&connector, &target), b"echo there");
    assert_eq!((ended, output), (Ok(done(0, "")), b"there\n".to_vec()));
    sshd.expect_no_ssh_left();

    target.endpoint.port = Some(free_port());
    let error = refused(&connector, &target);
    assert_eq!(
        error.to_string(),
        "jump host inner: connection to 127.0.0.1 refused"
    );

    target.jumps[0].known_hosts = Some(as_text(&sshd.path("authorized")).parse().expect("a path"));
    let error = refused(&connector, &target);
    assert!(
        error.to_string().starts_with(
            "jump host outer: the host key is not known: it shows ssh-ed25519 SHA256:"
        )
    );

    target.jumps[1] = target.jumps[0].clone();
    assert!(matches!(
        refused(&connector, &target).kind,
        Kind::JumpLoop { .. }
    ));
    sshd.expect_no_ssh_left();
}

#[test]
fn a_jump_host_that_does_not_forward_says_so() {
    let Some(sshd) = Sshd::start("AllowTcpForwarding no") else {
        return;
    };
    let mut target = sshd.target("n1");
    target.jumps = vec![sshd.endpoint("bastion")];
    let error = refused(&sshd.connector(), &target);
    assert_eq!(
        error.to_string(),
        "jump host bastion: it refuses to forward connections"
    );
}

#[test]
fn sudo_runs_the_script_as_root() {
    let Some(sshd) = Sshd::start("") else { return };
    let may_sudo = Command::new("sudo")
        .args(["-n", "true"])
        .stderr(Stdio::null())
        .status();
    if !may_sudo.is_ok_and(|status| status.success()) {
        return skip("this user may not use sudo without a password");
    }
    let connector = sshd.connector();
    let mut target = sshd.target("n1");
    target.privilege = Privilege::Sudo;
    let (ended, output) = run(
        &mut *connect(&connector, &target),
        b"id -u; echo \"${SUDO_USER:-none}\"",
    );
    assert_eq!(
        (ended, output),
        (Ok(done(0, "")), format!("0\n{}\n", sshd::me()).into_bytes())
    );
}

#[test]
fn a_master_is_out_of_the_terminals_reach() {
    let Some(sshd) = Sshd::start("") else { return };
    let connector = sshd.connector();
    let _host = connect(&connector, &sshd.target("n1"));
    let masters = sshd.ssh_processes();
    assert_eq!(masters.len(), 1);
    let [our_group, our_session] = group_and_session(std::process::id());
    assert_ne!(group_and_session(masters[0])[0], our_group);
    // The parent may end a moment before the child calls setsid.
    wait_until("it has its own session", || {
        group_and_session(masters[0])[1] != our_session
    });
}

/// Reads fields 5 and 6 of proc(5)'s stat, which come after the name in parentheses.
fn group_and_session(id: u32) -> [u32; 2] {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("a process");
    let (_, fields) = stat.rsplit_once(") ").expect("a name");
    let mut fields = fields
        .split(' ')
        .skip(2)
        .map(|field| field.parse().expect("a number"));
    [
        fields.next().expect("a group"),
        fields.next().expect("a session"),
    ]
}

/// Set when this binary is run again by the test below, to be killed while it holds a connection.
const VICTIM: &str = "HARDSTAND_TEST_VICTIM";

#[test]
fn what_a_killed_run_leaves_is_ended_by_the_next() {
    if let Some(port) = std::env::var_os(VICTIM).and_then(|port| port.into_string().ok()) {
        return hold_a_connection(&port);
    }
    let Some(sshd) = Sshd::start("") else { return };
    let mut victim = Command::new(std::env::current_exe().expect("this binary"))
        .args([
            "--exact",
            "what_a_killed_run_leaves_is_ended_by_the_next",
            "--nocapture",
        ])
        .env(VICTIM, format!("{} {}", sshd.port, as_text(&sshd.path(""))))
        .stdout(Stdio::piped())
        .spawn()
        .expect("this binary runs");
    let lines = BufReader::new(victim.stdout.take().expect("its output")).lines();
    let holds = lines
        .map_while(Result::ok)
        .any(|line| line.contains("holding"));
    let masters = sshd.ssh_processes();
    victim.kill().expect("killed");
    victim.wait().expect("ended");
    assert!(holds);
    assert_eq!(masters.len(), 1);
    assert_eq!(sshd.ssh_processes(), masters, "a master outlives its run");
    let _next = sshd.connector();
    sshd.expect_no_ssh_left();
}

fn hold_a_connection(place: &str) {
    use std::io::Write as _;
    let (port, directory) = place.split_once(' ').expect("a port and a directory");
    let (target, settings) = sshd::at(port.parse().expect("a port"), directory.as_ref());
    let connector = SshConnector::new(settings).expect("a connector");
    let _host = connect(&connector, &target);
    writeln!(std::io::stdout(), "\nholding").expect("written");
    thread::sleep(Duration::from_secs(20));
}

#[test]
fn a_runtime_directory_that_others_can_enter_is_refused() {
    let Some(sshd) = Sshd::start("") else { return };
    wait_until("the directory is there", || {
        fs::create_dir_all(sshd.path("run")).is_ok()
    });
    let error = SshConnector::new(sshd.settings()).expect_err("refused");
    assert!(
        matches!(error.kind, Kind::RuntimeDirectory { .. }),
        "{error:?}"
    );
}
