//! A host that the inventory calls Windows, over a real ssh and sshd. PowerShell is a stand-in: a shell script by its name
//! that reads a request and answers a probe with a text written by hand. It shows that command and request arrive whole
//! where PowerShell would read them, and nothing of what PowerShell would do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use engine::diagnostic::Problems;
use engine::facts::Os;
use engine::graph::Graph;
use engine::probe::{Limits, probe_host};
use engine::source::Sources;
use engine::transport::local::LocalConnector;
use engine::transport::{Connector as _, Target};

use super::sshd::Sshd;

const STAND_IN: &str = r#"#!/bin/sh
# A stand-in for Windows PowerShell in a test.
case $* in
"-NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass -OutputFormat Text -EncodedCommand "*) ;;
*) exit 64 ;;
esac
program=0 call='' last='' first=''
while IFS= read -r line; do
	[ -n "$first" ] || first=$line
	case $line in
	"$first") call=$last last=marker program=$((program + 1)) ;;
	'function HsProbe('*) probes=yes ;;
	'probe '*) [ "$last" = marker ] && asked=$line ;;
	esac
	[ "$line" = "$first" ] || last=$line
done
nonce=${first#HARDSTAND-}
[ "$program" = 3 ] && [ "$call" = end ] && [ "${probes-}" = yes ] && [ "${asked-}" = "probe $nonce" ] || exit 65
printf 'HARDSTAND 1 %s probe\n~fact root yes\nfact os-id windows\nend %s\n' "$nonce" "$nonce"
"#;

fn limits() -> Limits {
    Limits {
        total: Duration::from_secs(30),
        silence: Duration::from_secs(20),
    }
}

#[test]
fn a_request_arrives_whole_where_powershell_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("powershell.exe");
    fs::write(&program, STAND_IN).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    // The login finds the stand-in where Windows has PowerShell: on its PATH.
    let command = format!(
        "ForceCommand PATH={}:/usr/bin:/bin /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"",
        directory.path().display()
    );
    let Some(sshd) = Sshd::start(&command) else {
        return;
    };
    let mut target = sshd.target("win1");
    target.os = Os::Windows;
    let graph = Graph::build(Vec::new(), &Sources::default(), &mut Problems::default());
    let observed = probe_host(&sshd.connector(), &target, &graph, limits());
    let observed = observed.unwrap_or_else(|error| panic!("{}", error.explain()));
    assert_eq!(observed.facts.os_id, "windows");
    assert_eq!(observed.guards, ["fact os-id windows".into()]);
}

#[test]
fn this_machine_is_never_taken_for_a_windows_host() {
    let mut target = Target::new("win1".parse().unwrap());
    target.os = Os::Windows;
    let error = LocalConnector.connect(&target).err().unwrap();
    assert_eq!(error.to_string(), "there is no PowerShell on the host");
}

#[test]
fn a_host_without_powershell_is_no_windows_host() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut target = sshd.target("win1");
    target.os = Os::Windows;
    let graph = Graph::build(Vec::new(), &Sources::default(), &mut Problems::default());
    let error = probe_host(&sshd.connector(), &target, &graph, limits()).unwrap_err();
    assert_eq!(
        error.explain(),
        "there is no PowerShell on the host; the inventory says `os: windows`; leave it out if the host runs Linux"
    );
}
