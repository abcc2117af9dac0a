//! This machine as a host.

use std::time::{Duration, Instant};

use engine::transport::local::LocalConnector;
use engine::transport::{
    Connector as _, Privilege, Request, Target, Transport, TransportErrorKind as Kind,
};

use crate::{cat_in_pieces, done, lines, request, run, run_within};

fn this_machine() -> Box<dyn Transport> {
    let target = Target::new("localhost".parse().expect("a name"));
    LocalConnector.connect(&target).expect("this machine")
}

#[test]
fn a_script_runs_with_a_clean_environment() {
    let (ended, output) = run(
        &mut *this_machine(),
        b"echo \"$LC_ALL ${HOME:-none}\"; pwd; echo err >&2; exit 7",
    );
    assert_eq!(
        (ended, output),
        (Ok(done(7, "err\n")), b"C none\n/\n".to_vec())
    );
}

#[test]
fn megabytes_go_there_and_back_at_the_same_time() {
    let data = lines(5 << 20);
    let (ended, output) = run(&mut *this_machine(), &cat_in_pieces(&data));
    assert_eq!(ended, Ok(done(0, "")));
    assert!(output == data, "{}", output.len());
}

#[test]
fn a_signal_leaves_no_exit_status() {
    let (ended, _) = run(&mut *this_machine(), b"kill -KILL $$");
    assert_eq!(ended.map(|ended| ended.exit), Ok(None));
}

#[test]
fn what_exceeds_a_limit_is_killed_with_all_it_started() {
    let limits = Request {
        silence_limit: Duration::from_millis(500),
        ..request(b"echo $$; sleep 5 & wait")
    };
    let begin = Instant::now();
    let (ended, output) = run_within(&mut *this_machine(), &limits);
    assert_eq!(
        ended.map_err(|error| error.kind),
        Err(Kind::Silent {
            after: Duration::from_millis(500)
        })
    );
    assert!(begin.elapsed() < Duration::from_secs(3));
    let group = String::from_utf8_lossy(&output).trim().to_owned();
    crate::wait_until("the group is dead", || !group_lives(&group));
}

fn group_lives(group: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("proc").flatten();
    let stats =
        processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let lives_in = |stat: String| {
        let (_, fields) = stat.rsplit_once(") ").unwrap_or_default();
        let fields: Vec<_> = fields.split(' ').collect();
        fields.get(2) == Some(&group) && fields.first() != Some(&"Z")
    };
    stats.into_iter().any(lives_in)
}

#[test]
fn endless_output_is_cut() {
    let limits = Request {
        output_limit: 1 << 20,
        ..request(b"exec yes")
    };
    let (ended, output) = run_within(&mut *this_machine(), &limits);
    assert_eq!(
        ended.map_err(|error| error.kind),
        Err(Kind::TooMuchOutput { limit: 1 << 20 })
    );
    assert_eq!(output.len(), 1 << 20);
}

#[test]
fn root_needs_no_sudo_and_others_are_told_what_is_missing() {
    let mut target = Target::new("localhost".parse().expect("a name"));
    target.privilege = Privilege::Sudo;
    let mut here = LocalConnector.connect(&target).expect("this machine");
    let (ended, output) = run(&mut *here, b"id -u");
    match ended {
        // Whoever runs the tests is root, or may become it.
        Ok(ended) => assert_eq!((ended.exit, output), (Some(0), b"0\n".to_vec())),
        Err(error) => assert!(
            matches!(
                error.kind,
                Kind::SudoMissing
                    | Kind::SudoWantsPassword { .. }
                    | Kind::SudoNotAllowed { .. }
                    | Kind::SudoWantsTerminal
            ),
            "{error:?}"
        ),
    }
}
