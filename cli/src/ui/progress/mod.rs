//! What is going on, on stderr: bars on a terminal, lines elsewhere. One thread reads the stream of events and prints.
//!
//! `fleet` keeps what is known of the hosts, `lines` puts events into words, `bars` draws. None of them reads a clock.

mod bars;
mod fleet;
mod lines;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use engine::event::Event;

use self::bars::Bars;
use self::fleet::Fleet;
pub(crate) use self::fleet::Task;
use super::Ui;
use super::terminal::ProgressStyle;

/// How often the screen is brought up to date.
const TICK: Duration = Duration::from_millis(100);
/// How often plain output says that something still runs.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// A thread that shows events until it is told that no more come.
#[derive(Debug)]
pub(crate) struct Progress {
    sender: Sender<Event>,
    finished: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Progress {
    /// Starts to show what happens on some hosts. Once `interrupted` is set, it says what is waited for.
    pub(crate) fn start(ui: &Ui, task: Task, n_hosts: usize, interrupted: Arc<AtomicBool>) -> Self {
        let (sender, receiver) = mpsc::channel();
        let finished = Arc::new(AtomicBool::new(false));
        let mut screen = Screen::new(ui.clone(), Fleet::new(task, n_hosts), interrupted);
        let stop = Arc::clone(&finished);
        let thread = thread::spawn(move || screen.run(&receiver, &stop));
        Self {
            sender,
            finished,
            thread,
        }
    }

    /// Returns where events go.
    pub(crate) fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }

    /// Shows the events that are still on their way, and clears the bars.
    pub(crate) fn finish(self) {
        let Self {
            sender,
            finished,
            thread,
        } = self;
        drop(sender);
        finished.store(true, Ordering::SeqCst);
        thread.join().ok();
    }
}

/// What the thread works on.
struct Screen {
    ui: Ui,
    fleet: Fleet,
    bars: Option<Bars>,
    began: Instant,
    drawn: Duration,
    heartbeat: Duration,
    interrupted: Arc<AtomicBool>,
    said_waiting: bool,
}

impl Screen {
    fn new(ui: Ui, fleet: Fleet, interrupted: Arc<AtomicBool>) -> Self {
        let bars = (ui.progress == ProgressStyle::Bars).then(|| Bars::new(&ui.bars, &fleet));
        Self {
            ui,
            fleet,
            bars,
            began: Instant::now(),
            drawn: Duration::ZERO,
            heartbeat: HEARTBEAT,
            interrupted,
            said_waiting: false,
        }
    }

    fn run(&mut self, events: &Receiver<Event>, finished: &AtomicBool) {
        loop {
            match events.recv_timeout(TICK) {
                Ok(event) => self.show(&event),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if finished.load(Ordering::SeqCst) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.tick();
        }
        if let Some(bars) = &mut self.bars {
            bars.clear();
        }
    }

    fn show(&mut self, event: &Event) {
        self.fleet.observe(event, self.began.elapsed());
        let words = match self.ui.progress {
            ProgressStyle::None => None,
            ProgressStyle::Bars => lines::failure(event),
            ProgressStyle::Plain => lines::event(event, self.ui.verbose),
        };
        if let Some(words) = words {
            self.ui.alert(&words);
        }
    }

    fn tick(&mut self) {
        let now = self.began.elapsed();
        if self.interrupted.load(Ordering::SeqCst) && !self.said_waiting {
            self.said_waiting = true;
            self.ui.alert(&lines::waiting(&self.fleet, now));
        }
        match &mut self.bars {
            Some(bars) if now >= self.drawn + TICK => {
                self.drawn = now;
                bars.draw(&self.fleet, now);
            }
            None if self.ui.progress == ProgressStyle::Plain && now >= self.heartbeat => {
                self.heartbeat = now + HEARTBEAT;
                self.ui
                    .alert(&lines::heartbeat(&self.fleet, now, HEARTBEAT));
            }
            Some(_) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::event::EventKind;

    use super::*;
    use crate::args::{self, Cli};
    use crate::ui::terminal::Environment;

    fn ui(line: &str) -> Ui {
        let Cli { output, .. } = args::parse(line.split(' ')).unwrap();
        Ui::new(&output, &Environment::default())
    }

    #[test]
    fn it_ends_even_if_a_sender_is_kept() {
        let ui = ui("hardstand plan --progress none");
        let progress = Progress::start(&ui, Task::Plan, 1, Arc::default());
        let kept = progress.sender();
        let event = Event {
            host: "node01".parse().unwrap(),
            kind: EventKind::Probed,
        };
        kept.send(event).unwrap();
        progress.finish();
        assert!(
            kept.send(Event {
                host: "node01".parse().unwrap(),
                kind: EventKind::Finished
            })
            .is_err()
        );
    }
}
