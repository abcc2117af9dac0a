//! How many handshakes go on at once, and how long to wait before another try.
//!
//! sshd drops new connections at random while ten others have not logged in yet (MaxStartups 10:30:100), so no machine
//! gets more than [`PER_MACHINE`] of ours at once, and one fewer after each connection it dropped. What counts is the
//! first machine on the way: a fleet behind one jump host is one sshd. Jump hosts that only the operator's ssh
//! configuration knows of escape this; for them there are the limit over all and the retries.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many handshakes with one machine go on at once.
const PER_MACHINE: usize = 8;

/// How many handshakes go on at once over all machines: each costs this machine some 10 ms of one core.
const OVER_ALL: usize = 32;

/// How often a connection is tried that was closed before the server said anything.
pub(super) const TRIES: u32 = 6;

/// Lets a bounded number of handshakes begin.
#[derive(Debug, Default)]
pub(super) struct Ramp {
    machines: Mutex<BTreeMap<String, Machine>>,
    one_ended: Condvar,
}

/// One handshake under way; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Handshake<'a> {
    ramp: &'a Ramp,
    machine: String,
}

/// What is known about one machine.
#[derive(Debug, Clone, Copy)]
struct Machine {
    n_under_way: usize,
    limit: usize,
}

impl Ramp {
    /// Waits until one more handshake with this machine may begin.
    pub(super) fn wait(&self, machine: &str) -> Handshake<'_> {
        let is_full = |machines: &mut BTreeMap<String, Machine>| {
            let here = machines.get(machine).copied().unwrap_or_default();
            let n_over_all: usize = machines.values().map(|machine| machine.n_under_way).sum();
            here.n_under_way >= here.limit || n_over_all >= OVER_ALL
        };
        let mut machines = self
            .one_ended
            .wait_while(self.lock(), is_full)
            .unwrap_or_else(PoisonError::into_inner);
        machines.entry(machine.to_owned()).or_default().n_under_way += 1;
        Handshake {
            ramp: self,
            machine: machine.to_owned(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Machine>> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handshake<'_> {
    /// Notes that the machine dropped this connection: it gets fewer at once from now on.
    pub(super) fn was_dropped(self) {
        let mut machines = self.ramp.lock();
        if let Some(here) = machines.get_mut(&self.machine) {
            here.limit = here.limit.saturating_sub(1).max(1);
        }
    }
}

impl Drop for Handshake<'_> {
    fn drop(&mut self) {
        let mut machines = self.ramp.lock();
        if let Some(here) = machines.get_mut(&self.machine) {
            here.n_under_way -= 1;
        }
        self.ramp.one_ended.notify_all();
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            n_under_way: 0,
            limit: PER_MACHINE,
        }
    }
}

/// Returns how long to wait after a try, the first being 0: 0.25 s, 0.5 s, 1 s …, each somewhere between half and all.
pub(super) fn pause_after(attempt: u32) -> Duration {
    let longest = 250 << attempt.min(4);
    let random = RandomState::new().build_hasher().finish();
    Duration::from_millis(longest / 2 + random % (longest / 2 + 1))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    fn most_at_once(n_threads: usize, machine: impl Fn(usize) -> String + Sync) -> usize {
        let (ramp, running, most) = (Ramp::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for index in 0..n_threads {
                let (ramp, running, most, machine) = (&ramp, &running, &most, &machine);
                scope.spawn(move || {
                    let _handshake = ramp.wait(&machine(index));
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(20));
                    running.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert!(ramp.lock().values().all(|machine| machine.n_under_way == 0));
        most.into_inner()
    }

    #[test]
    fn one_machine_gets_few_at_once() {
        assert_eq!(most_at_once(30, |_| "bastion".to_owned()), PER_MACHINE);
    }

    #[test]
    fn many_machines_get_more_yet_not_all() {
        assert_eq!(most_at_once(60, |index| index.to_string()), OVER_ALL);
    }

    #[test]
    fn each_drop_lets_one_fewer_begin_and_never_none() {
        let ramp = Ramp::default();
        for n_dropped in 1..20 {
            ramp.wait("bastion").was_dropped();
            let limit = ramp.lock()["bastion"].limit;
            assert_eq!(limit, PER_MACHINE.saturating_sub(n_dropped).max(1));
        }
    }

    #[test]
    fn pauses_grow_and_differ() {
        for attempt in 0..10 {
            let longest = Duration::from_millis(250 << attempt.min(4));
            let pause = pause_after(attempt);
            assert!(
                longest / 2 <= pause && pause <= longest,
                "{attempt}: {pause:?}"
            );
        }
        let pauses: std::collections::BTreeSet<_> = (0..20).map(|_| pause_after(4)).collect();
        assert!(pauses.len() > 10, "{pauses:?}");
    }
}
