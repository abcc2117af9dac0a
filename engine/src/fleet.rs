//! One piece of work per host, a bounded number at once.
//!
//! The threads are rayon's, in a pool of their own: they sleep on the network, so their number is `--forks` and not the
//! number of cores. Each thread takes the next host in the order given, so memory is bound by `forks`, and the hosts
//! that were not started when a run is cancelled are the last ones. A panic costs its host and no other.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Asks a run to start nothing new; what has begun ends by itself.
#[derive(Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl From<Arc<AtomicBool>> for Cancel {
    /// Takes a flag that someone else sets.
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }
}

impl Cancel {
    /// Returns one that nobody has asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks; there is no way back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Does `work` for each host, up to `forks` at once, and returns the results in the order of the hosts.
///
/// A host that was not started when `cancel` was asked has none. If `work` panics, `on_panic` turns what it said into
/// the result of that host.
pub fn for_each_host<T: Sync, R: Send>(
    hosts: &[T],
    forks: usize,
    cancel: &Cancel,
    work: impl Fn(&T) -> R + Sync,
    on_panic: impl Fn(&T, String) -> R + Sync,
) -> Vec<Option<R>> {
    let next = AtomicUsize::new(0);
    let work_for = |host: &T| {
        catch_unwind(AssertUnwindSafe(|| work(host)))
            .unwrap_or_else(|panic| on_panic(host, panic_text(panic.as_ref())))
    };
    let take_hosts = || {
        let mut results = Vec::new();
        while !cancel.is_cancelled() {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(host) = hosts.get(index) else { break };
            results.push((index, work_for(host)));
        }
        results
    };
    // Where no thread can be had, the one we are on does it all.
    let per_thread = match pool(hosts.len(), forks) {
        Some(pool) => pool.broadcast(|_| take_hosts()),
        None => vec![take_hosts()],
    };
    in_order(hosts.len(), per_thread)
}

fn pool(n_hosts: usize, forks: usize) -> Option<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(forks.min(n_hosts).max(1))
        .thread_name(|index| format!("host-{index}"))
        .build()
        .ok()
}

fn in_order<R>(n_hosts: usize, per_thread: Vec<Vec<(usize, R)>>) -> Vec<Option<R>> {
    let mut results: Vec<Option<R>> = (0..n_hosts).map(|_| None).collect();
    for (index, result) in per_thread.into_iter().flatten() {
        results[index] = Some(result);
    }
    results
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic that said nothing".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn not_expected(_: &usize, panic: String) -> usize {
        unreachable!("{panic}")
    }

    #[test]
    fn results_come_in_the_order_of_the_hosts() {
        let hosts: Vec<usize> = (0..100).collect();
        let slow_when_even = |host: &usize| {
            thread::sleep(Duration::from_millis((host % 2) as u64));
            host * 10
        };
        let results = for_each_host(&hosts, 8, &Cancel::new(), slow_when_even, not_expected);
        let expected: Vec<_> = hosts.iter().map(|host| Some(host * 10)).collect();
        assert_eq!(results, expected);
    }

    #[test]
    fn no_more_than_forks_run_at_once() {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |_: &usize| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(2));
            running.fetch_sub(1, Ordering::SeqCst)
        };
        let hosts: Vec<usize> = (0..60).collect();
        drop(for_each_host(&hosts, 5, &Cancel::new(), work, not_expected));
        assert_eq!(most.into_inner(), 5);
    }

    #[test]
    fn no_host_and_no_fork_are_fine() {
        let results = for_each_host(&[], 0, &Cancel::new(), |host| *host, not_expected);
        assert_eq!(results, []);
        let results = for_each_host(&[7], 0, &Cancel::new(), |host| *host, not_expected);
        assert_eq!(results, [Some(7)]);
    }

    #[test]
    fn a_panic_costs_its_own_host_only() {
        let work = |host: &usize| match host {
            1 => panic!("host {host} is odd"),
            2 => panic!("literal"),
            _ => host.to_string(),
        };
        let results = for_each_host(&[0, 1, 2, 3], 2, &Cancel::new(), work, |host, panic| {
            format!("{host} panicked: {panic}")
        });
        let results: Vec<_> = results.into_iter().flatten().collect();
        assert_eq!(
            results,
            ["0", "1 panicked: host 1 is odd", "2 panicked: literal", "3"]
        );
    }

    #[test]
    fn after_cancel_nothing_new_is_started_and_what_runs_ends() {
        let cancel = Cancel::new();
        let work = |host: &usize| {
            if *host == 2 {
                cancel.cancel();
            }
            *host
        };
        let hosts: Vec<usize> = (0..10).collect();
        let results = for_each_host(&hosts, 1, &cancel, work, not_expected);
        assert_eq!(results[..4], [Some(0), Some(1), Some(2), None]);
        assert!(results[4..].iter().all(Option::is_none));
    }
}
