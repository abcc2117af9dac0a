//! Progress on a terminal: one bar for all hosts, and a line each for the few that are at work for the longest.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::fleet::Fleet;
use super::lines::at_work;
use crate::ui::text::escape;

/// Hosts that are shown by name.
const MAX_SHOWN: usize = 8;

/// The bars on the screen.
#[derive(Debug)]
pub(super) struct Bars {
    all: MultiProgress,
    overall: ProgressBar,
    hosts: Vec<ProgressBar>,
}

impl Bars {
    pub(super) fn new(all: &MultiProgress, fleet: &Fleet) -> Self {
        let n_hosts = u64::try_from(fleet.n_hosts).unwrap_or(u64::MAX);
        // Nothing is set on a bar before it is among all: it would draw itself, and that line would stay.
        let overall = ProgressBar::new(n_hosts)
            .with_style(style(
                "{prefix} [{bar:24}] {pos}/{len} hosts  {elapsed}{msg}",
            ))
            .with_prefix(fleet.task.doing());
        Self {
            all: all.clone(),
            overall: all.add(overall),
            hosts: Vec::new(),
        }
    }

    /// Brings the screen up to date.
    pub(super) fn draw(&mut self, fleet: &Fleet, now: Duration) {
        let failed = match fleet.n_failed() {
            0 => String::new(),
            n => format!("  {n} failed"),
        };
        self.overall.set_message(failed);
        self.overall
            .set_position(u64::try_from(fleet.n_done()).unwrap_or(u64::MAX));
        self.overall.tick();
        let shown = fleet.oldest(MAX_SHOWN);
        self.resize(shown.len());
        for (bar, (host, running)) in self.hosts.iter().zip(shown) {
            bar.set_message(escape(&at_work(host, running, now)).into_owned());
            bar.tick();
        }
    }

    /// Takes everything off the screen.
    pub(super) fn clear(&mut self) {
        self.resize(0);
        self.overall.finish_and_clear();
        self.all.remove(&self.overall);
    }

    fn resize(&mut self, n: usize) {
        while self.hosts.len() < n {
            let bar = ProgressBar::new_spinner().with_style(style("  {spinner} {wide_msg}"));
            self.hosts.push(self.all.add(bar));
        }
        for bar in self.hosts.drain(n.min(self.hosts.len())..) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the template is ours");
    style.progress_chars("=> ").tick_chars("|/-\\ ")
}
