//! What ssh and sudo say, and what is made of it.

use super::*;

fn target() -> Target {
    let mut target = Target::new("worker01".parse().expect("a host name"));
    target.endpoint.user = Some("ops".parse().expect("a user name"));
    target.privilege = Privilege::Sudo;
    target
}

fn through_bastion() -> Target {
    let mut target = target();
    target
        .jumps
        .push(Endpoint::new("bastion".parse().expect("a host name")));
    target
}

fn message(host: &str) -> String {
    let logs = Logs {
        jumps: Vec::new(),
        host: host.as_bytes().to_vec(),
    };
    connect_error(&target(), logs).to_string()
}

/// ssh 9.2p1 wrote these, but for those marked otherwise.
#[test]
fn what_ssh_says_about_a_connection() {
    for (log, expected) in [
        (
            "ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n",
            "connection to 127.0.0.1 port 1 refused",
        ),
        (
            "ssh: connect to host 10.9.9.9 port 22: Connection timed out\r\n",
            "no answer from 10.9.9.9 port 22 in time",
        ),
        // macOS
        (
            "ssh: connect to host 10.9.9.9 port 22: Operation timed out\r\n",
            "no answer from 10.9.9.9 port 22 in time",
        ),
        (
            "ssh: connect to host fe80::1 port 22: No route to host\r\n",
            "no route to fe80::1 port 22",
        ),
        (
            "ssh: connect to host 1.1.1.1 port 22: Network is unreachable\r\n",
            "no route to 1.1.1.1 port 22",
        ),
        (
            "ssh: Could not resolve hostname nx.invalid: Name or service not known\r\n",
            "the name nx.invalid could not be resolved",
        ),
        (
            "Connection timed out during banner exchange\r\n",
            "no answer from the ssh server in time",
        ),
        (
            "kex_exchange_identification: read: Connection reset by peer\r\n",
            "the connection was closed before the ssh server said anything",
        ),
        (
            "kex_exchange_identification: Connection closed by remote host\r\n",
            "the connection was closed before the ssh server said anything",
        ),
        // OpenSSH 7
        (
            "ssh_exchange_identification: Connection closed by remote host\r\n",
            "the connection was closed before the ssh server said anything",
        ),
        ("", "the connection was closed during the handshake"),
        // LogLevel INFO
        (
            "Connection closed by 10.0.0.1 port 22\r\n",
            "the connection was closed during the handshake",
        ),
        (
            "kex_exchange_identification: No SSH version received in first 1024 lines from server\r\n",
            "what answers there is no ssh server",
        ),
        (
            "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-dss\r\n",
            "no algorithm in common with the ssh server",
        ),
        (
            "root@127.0.0.1: Permission denied (publickey,password,keyboard-interactive).\r\n",
            "authentication failed for user root",
        ),
        (
            "Received disconnect from 127.0.0.1 port 22:2: Too many authentication failures\r\nDisconnected from \
                 127.0.0.1 port 22\r\n",
            "authentication failed: too many keys were offered",
        ),
        (
            "@@@@@@\r\n@  WARNING: UNPROTECTED PRIVATE KEY FILE!  @\r\n@@@@@@\r\nPermissions 0644 for 'ido' are \
                 too open.\r\nThis private key will be ignored.\r\nLoad key \"ido\": bad permissions\r\n\
                 root@127.0.0.1: Permission denied (publickey).\r\n",
            "ssh does not use the identity file: Load key \"ido\": bad permissions",
        ),
        (
            "No ED25519 host key is known for [127.0.0.1]:24711 and you have requested strict checking.\r\nHost \
                 key verification failed.\r\n",
            "the host key is not known: it shows ED25519",
        ),
        (
            "/x/config: line 3: Bad configuration option: usekeychain\r\n/x/config: terminating, 1 bad \
                 configuration options\r\n",
            "ssh refused its configuration",
        ),
        ("something new\r\n", "ssh could not connect"),
    ] {
        assert_eq!(message(log), expected, "{log}");
    }
}

const CHANGED: &str = "\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r
Someone could be eavesdropping on you right now (man-in-the-middle attack)!\r
It is also possible that a host key has just been changed.\r
The fingerprint for the ED25519 key sent by the remote host is
SHA256:m4lPD2Ho0lioUcccaMbuUA0o/tKH7Qp9vwqk3cgWVlw.\r
Please contact your system administrator.\r
Add correct host key in /tmp/ts/kh to get rid of this message.\r
Offending ED25519 key in /tmp/ts/kh:1\r
  remove with:\r
  ssh-keygen -f \"/tmp/ts/kh\" -R \"h1\"\r
Host key for h1 has changed and you have requested strict checking.\r
Host key verification failed.\r
";

#[test]
fn a_changed_key_names_the_new_key_and_the_old_line() {
    assert_eq!(
        message(CHANGED),
        "the host key has changed: it shows ED25519 SHA256:m4lPD2Ho0lioUcccaMbuUA0o/tKH7Qp9vwqk3cgWVlw, and \
             /tmp/ts/kh:1 has another"
    );
}

#[test]
fn the_fingerprint_is_read_from_a_debug_log() {
    let log = b"debug1: kex: algorithm: x\r\ndebug1: Server host key: ssh-ed25519 SHA256:m4lPD2\r\ndebug1: y";
    assert_eq!(
        shown_host_key(log),
        Some("ssh-ed25519 SHA256:m4lPD2".to_owned())
    );
    assert_eq!(shown_host_key(b"nothing"), None);
}

#[test]
fn what_a_jump_host_says() {
    let logged_in = "debug1: x\r\n";
    for (jump, host, expected) in [
        (
            "channel 0: open failed: connect failed: Connection refused\r\nstdio forwarding failed\r\n",
            "kex_exchange_identification: Connection closed by remote host\r\n",
            "jump host bastion: connection to worker01 refused",
        ),
        (
            "channel 0: open failed: connect failed: Name or service not known\r\nstdio forwarding failed\r\n",
            "kex_exchange_identification: Connection closed by remote host\r\n",
            "jump host bastion: the name worker01 could not be resolved",
        ),
        (
            "channel 0: open failed: administratively prohibited: open failed\r\nstdio forwarding failed\r\n",
            "kex_exchange_identification: Connection closed by remote host\r\n",
            "jump host bastion: it refuses to forward connections",
        ),
        (
            "root@127.0.0.1: Permission denied (publickey).\r\n",
            "kex_exchange_identification: Connection closed by remote host\r\n",
            "jump host bastion: authentication failed for user root",
        ),
        (
            logged_in,
            "ops@10.0.0.7: Permission denied (publickey).\r\n",
            "authentication failed for user ops",
        ),
    ] {
        let logs = Logs {
            jumps: vec![jump.as_bytes().to_vec()],
            host: host.as_bytes().to_vec(),
        };
        assert_eq!(
            connect_error(&through_bastion(), logs).to_string(),
            expected,
            "{jump}"
        );
    }
}

#[test]
fn the_command_to_add_a_key_files_it_where_we_look() {
    let mut target = through_bastion();
    assert_eq!(
        add_command(&target, 0),
        "ssh -o StrictHostKeyChecking=ask bastion true"
    );
    target.jumps[0].port = Some(2222);
    target.jumps[0].address = Some("2001:db8::1".parse().expect("an address"));
    target.endpoint.port = Some(2200);
    target.endpoint.address = Some("10.0.0.7".parse().expect("an address"));
    target.endpoint.host_key_alias = Some("worker01".parse().expect("a host name"));
    target.endpoint.known_hosts = Some("/srv/the fleet/known_hosts".parse().expect("a path"));
    assert_eq!(
        add_command(&target, 1),
        "ssh -o StrictHostKeyChecking=ask -o UserKnownHostsFile='/srv/the fleet/known_hosts' -o \
             HostKeyAlias=worker01 -J [2001:db8::1]:2222 -p 2200 ops@10.0.0.7 true"
    );
}

fn start(exit: i32, head: &str, stderr: &str) -> Option<String> {
    start_failure(&target(), Some(exit), head.as_bytes(), stderr.as_bytes())
        .map(|kind| kind.to_string())
}

/// dash, bash and busybox wrote those of Linux; those of cmd.exe and PowerShell are written by hand after their manuals.
#[test]
fn a_host_of_another_system_is_told_by_its_shell() {
    let told = |os, stderr: &str| {
        let target = Target { os, ..target() };
        let kind = start_failure(&target, Some(1), b"", stderr.as_bytes());
        kind.map(|kind| kind.to_string())
    };
    for stderr in [
        "'env' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n",
        "env : The term 'env' is not recognized as the name of a cmdlet, function, script file, or operable\r\n",
    ] {
        let expected = Some("the login shell of the host is not one of Linux".to_owned());
        assert_eq!(told(Os::Linux, stderr), expected);
        assert_eq!(told(Os::Windows, stderr), None);
    }
    for stderr in [
        "sh: 1: powershell.exe: not found\n",
        "bash: line 1: powershell.exe: command not found\n",
        "sh: powershell.exe: not found\n",
    ] {
        let expected = Some("there is no PowerShell on the host".to_owned());
        assert_eq!(told(Os::Windows, stderr), expected);
    }
}

/// sudo 1.9.13p3 wrote these, but for those marked otherwise.
#[test]
fn what_sudo_and_shells_say() {
    for (exit, head, stderr, expected) in [
        (
            1,
            "",
            "sudo: a password is required\n",
            Some("sudo wants a password for user ops"),
        ),
        (
            1,
            "",
            "sudo: sorry, you must have a tty to run sudo\n",
            Some("sudo wants a terminal"),
        ),
        // sudo's source; seen only where it does not ask for a password first
        (
            1,
            "",
            "ops is not in the sudoers file.\n",
            Some("sudo is not allowed for user ops"),
        ),
        (
            1,
            "",
            "Sorry, user ops is not allowed to execute '/bin/sh -s' as root on n1.\n",
            Some("sudo is not allowed for user ops"),
        ),
        // sudo-rs
        (
            1,
            "",
            "sudo: interactive authentication is required\n",
            Some("sudo wants a password for user ops"),
        ),
        (
            1,
            "",
            "sudo: I'm sorry ops. I'm afraid I can't do that\n",
            Some("sudo is not allowed for user ops"),
        ),
        (
            127,
            "",
            "env: 'sudo': No such file or directory\n",
            Some("there is no sudo on the host"),
        ),
        (
            127,
            "",
            "env: '/bin/sh': No such file or directory\n",
            Some("no shell could be run on the host"),
        ),
        (
            127,
            "",
            "bash: line 1: env: command not found\n",
            Some("no shell could be run on the host"),
        ),
        (127, "", "/bin/sh: 1: nosuch: not found\n", None),
        (
            1,
            "This account is currently not available.\n",
            "",
            Some("no shell could be run on the host"),
        ),
        (1, "", "", None),
        (1, "answers", "sudo: a password is required\n", None),
        (0, "", "sudo: a password is required\n", None),
        (2, "", "sh: 3: syntax error\n", None),
    ] {
        assert_eq!(start(exit, head, stderr).as_deref(), expected, "{stderr}");
    }
}

#[test]
fn a_host_cannot_smuggle_control_characters_into_a_message() {
    let log = "\x1b[2J\u{202e}@x: Permission denied (publickey).\r\n";
    assert_eq!(
        message(log),
        "authentication failed for user \\x1b[2J\\u{202e}"
    );
}

#[test]
fn only_a_dropped_connection_is_tried_again() {
    assert!(is_worth_another_try(&Kind::ClosedBeforeBanner));
    for kind in [
        Kind::Refused { to: String::new() },
        Kind::TooManyKeys,
        Kind::HostKeyRefused,
        Kind::Other,
    ] {
        assert!(!is_worth_another_try(&kind), "{kind}");
    }
}
