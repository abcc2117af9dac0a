//! Events in words. Every line starts with a host's name or with spaces, never with text that a host sent.

use std::time::Duration;

use engine::event::{Event, EventKind};
use engine::name::HostName;

use super::fleet::{Fleet, Running};
use crate::ui::cluster;
use crate::ui::text::{
    BOLD, DIM, GREEN, Line, MAGENTA, PLAIN, RED, YELLOW, count, elapsed, paragraph,
};

/// Hosts beyond these are counted only.
const MAX_NAMED: usize = 8;

/// Returns what is said of an event where lines are all there is.
pub(super) fn event(event: &Event, verbose: u8) -> Option<String> {
    let start = Line::default().paint(BOLD, event.host.as_str()).add("  ");
    let line = match &event.kind {
        EventKind::ChangeDone(resource) => start.add(&resource.to_string()).paint(GREEN, " done"),
        EventKind::ChangeSkipped(resource, blocker) => {
            let why = format!(" skipped, since {blocker} was not done");
            start.add(&resource.to_string()).paint(DIM, &why)
        }
        EventKind::ApplyBegan { n_changes } => {
            start.paint(DIM, &format!("begun, {}", count(*n_changes, "change")))
        }
        EventKind::Finished => start.paint(DIM, "finished"),
        EventKind::Connecting if verbose > 0 => start.paint(DIM, "connecting"),
        EventKind::Probing if verbose > 0 => start.paint(DIM, "probing"),
        EventKind::Probed if verbose > 0 => start.paint(DIM, "probed"),
        EventKind::ChangeBegan(resource) if verbose > 0 => {
            start.add(&resource.to_string()).paint(DIM, " begun")
        }
        EventKind::ClusterBegan(step) => start.paint(DIM, &cluster::words(step)),
        EventKind::Connecting
        | EventKind::Probing
        | EventKind::Probed
        | EventKind::ChangeBegan(_)
        | EventKind::ClusterDone(_) => return None,
        EventKind::ClusterFailed(..)
        | EventKind::Unreachable(_)
        | EventKind::ChangeFailed(..)
        | EventKind::ChangeUndone(..)
        | EventKind::Reconnecting(_) => return failure(event),
    };
    let mut out = String::new();
    line.end(&mut out);
    Some(out)
}

/// Returns what is said of an event that a person should see at once.
pub(super) fn failure(event: &Event) -> Option<String> {
    let start = Line::default().paint(BOLD, event.host.as_str()).add("  ");
    let (line, text) = match &event.kind {
        EventKind::Unreachable(text) => (start.paint(RED.bold(), "UNREACHABLE").add("  "), text),
        EventKind::ChangeFailed(resource, text) => (
            start
                .add(&resource.to_string())
                .paint(RED.bold(), " failed")
                .add("  "),
            text,
        ),
        EventKind::ChangeUndone(resource, text) => (
            start
                .add(&resource.to_string())
                .paint(MAGENTA, " undone")
                .add("  "),
            text,
        ),
        EventKind::ClusterFailed(step, text) => (
            start
                .add(&cluster::words(step))
                .paint(RED.bold(), " failed")
                .add("  "),
            text,
        ),
        EventKind::Reconnecting(text) => (
            start
                .paint(YELLOW, "connection lost, asking again")
                .add("  "),
            text,
        ),
        EventKind::Connecting
        | EventKind::Probing
        | EventKind::Probed
        | EventKind::ApplyBegan { .. }
        | EventKind::ChangeBegan(_)
        | EventKind::ChangeDone(_)
        | EventKind::ChangeSkipped(..)
        | EventKind::ClusterBegan(_)
        | EventKind::ClusterDone(_)
        | EventKind::Finished => return None,
    };
    let mut out = String::new();
    paragraph(&mut out, line, 4, PLAIN, text, None);
    Some(out)
}

/// Returns what has been going on for a while, the longest first.
pub(super) fn heartbeat(fleet: &Fleet, now: Duration, at_least: Duration) -> String {
    let mut out = String::new();
    let slow = |running: &Running| now.saturating_sub(running.since) >= at_least;
    let running = fleet.oldest(fleet.n_running());
    let slow: Vec<_> = running
        .into_iter()
        .filter(|(_, running)| slow(running))
        .collect();
    for (host, running) in slow.iter().take(MAX_NAMED) {
        let text = format!(
            "still {} {}",
            fleet.task.doing(),
            at_work(host, running, now)
        );
        Line::default().paint(DIM, &text).end(&mut out);
    }
    if slow.len() > MAX_NAMED {
        let text = format!(
            "still {} {}",
            fleet.task.doing(),
            count(slow.len() - MAX_NAMED, "other host")
        );
        Line::default().paint(DIM, &text).end(&mut out);
    }
    out
}

/// Returns what is waited for after an interrupt.
pub(super) fn waiting(fleet: &Fleet, now: Duration) -> String {
    let mut out = String::new();
    for (host, running) in fleet.oldest(MAX_NAMED) {
        Line::indent(2)
            .add("waiting for ")
            .add(&at_work(host, running, now))
            .end(&mut out);
    }
    if fleet.n_running() > MAX_NAMED {
        let others = count(fleet.n_running() - MAX_NAMED, "other host");
        Line::indent(2)
            .add("waiting for ")
            .add(&others)
            .end(&mut out);
    }
    out
}

/// Returns a host with what it does and since when.
pub(super) fn at_work(host: &HostName, running: &Running, now: Duration) -> String {
    let since = now.saturating_sub(running.since).as_secs();
    format!("{host} {} ({})", running.what, elapsed(since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::golden;
    use crate::ui::progress::Task;

    fn happens(host: &str, kind: EventKind) -> Event {
        Event {
            host: host.parse().unwrap(),
            kind,
        }
    }

    fn run() -> Vec<Event> {
        let sysctl = "sysctl/net.ipv4.ip_forward"
            .parse::<engine::name::ResourceId>()
            .unwrap();
        let service = "service/containerd.service"
            .parse::<engine::name::ResourceId>()
            .unwrap();
        vec![
            happens("node07", EventKind::Connecting),
            happens("node08", EventKind::Connecting),
            happens("node07", EventKind::ApplyBegan { n_changes: 2 }),
            happens(
                "node08",
                EventKind::Unreachable("timed out\n::error::via \x1b[31mbastion".to_owned()),
            ),
            happens("node07", EventKind::ChangeBegan(sysctl.clone())),
            happens("node07", EventKind::ChangeDone(sysctl.clone())),
            happens(
                "node09",
                EventKind::ChangeFailed(
                    service.clone(),
                    "exit 1\u{202e}\n  unit is dead".to_owned(),
                ),
            ),
            happens("node09", EventKind::ChangeSkipped(sysctl, service.clone())),
            happens("node07", EventKind::Reconnecting("broken pipe".to_owned())),
            happens("node07", EventKind::ChangeBegan(service.clone())),
            happens(
                "node10",
                EventKind::ChangeUndone(service, "did not come up".to_owned()),
            ),
        ]
    }

    #[test]
    fn events_become_lines() {
        let text: String = run()
            .iter()
            .filter_map(|happened| event(happened, 0))
            .collect();
        golden::check("progress.plain.txt", &golden::plain(&text));
    }

    #[test]
    fn long_work_is_repeated_and_waited_for() {
        let mut fleet = Fleet::new(Task::Apply, 4);
        for event in run() {
            fleet.observe(&event, Duration::from_secs(2));
        }
        let text = golden::plain(&heartbeat(
            &fleet,
            Duration::from_secs(42),
            Duration::from_secs(10),
        ));
        assert_eq!(
            text,
            "still applying node07 service/containerd.service (40s)\n"
        );
        assert_eq!(
            heartbeat(&fleet, Duration::from_secs(5), Duration::from_secs(10)),
            ""
        );
        let text = waiting(&fleet, Duration::from_secs(3));
        assert_eq!(
            text,
            "  waiting for node07 service/containerd.service (1s)\n"
        );
        fleet.observe(
            &happens("node07", EventKind::Finished),
            Duration::from_secs(50),
        );
        assert_eq!(
            (fleet.n_running(), fleet.n_done(), fleet.n_failed()),
            (0, 2, 3)
        );
    }
}
