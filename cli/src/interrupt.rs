//! SIGINT and SIGTERM: the first one starts nothing new and says what is waited for, the second one leaves at once.
//!
//! Outside of [`Interrupt::watch`] there is nothing to wait for, so that the first one leaves.

use std::process;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::{CommandError, ErrorKind};
use crate::exit::ExitStatus;
use crate::ui::Ui;

/// Whether someone wants us to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    requested: Arc<AtomicBool>,
    signal: AtomicI32,
    /// The command that asks hosts how they are, while some may be at work.
    status_command: Mutex<Option<String>>,
}

/// Keeps the first signal from leaving at once, for as long as it lives.
#[derive(Debug)]
#[must_use = "the first signal leaves at once unless this is kept"]
pub(crate) struct Watch<'a> {
    interrupt: &'a Interrupt,
}

impl Interrupt {
    /// Starts to listen for signals.
    pub(crate) fn install(ui: &Ui) -> Result<Self, CommandError> {
        let cannot =
            |error| CommandError::caused(ErrorKind::Failed, "cannot listen for signals", error);
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(cannot)?;
        let interrupt = Self::default();
        let (listener, ui) = (interrupt.clone(), ui.clone());
        thread::spawn(move || {
            for signal in &mut signals {
                listener.receive(signal, &ui);
            }
        });
        Ok(interrupt)
    }

    /// Says that hosts may be at work from now on, and which command asks them about it.
    pub(crate) fn watch(&self, status_command: &str) -> Watch<'_> {
        *self.status_command() = Some(status_command.to_owned());
        Watch { interrupt: self }
    }

    /// Returns the flag that is set once nothing new is to be started.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.state.requested)
    }

    /// Returns how the process ends because of a signal, if there was one.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        let requested = self.state.requested.load(Ordering::SeqCst);
        requested.then(|| status_of(self.state.signal.load(Ordering::SeqCst)))
    }

    fn receive(&self, signal: i32, ui: &Ui) {
        self.state.signal.store(signal, Ordering::SeqCst);
        let again = self.state.requested.swap(true, Ordering::SeqCst);
        let status_command = self.status_command().clone();
        match status_command {
            Some(_) if !again => ui.alert(FIRST),
            Some(command) => leave(signal, ui, &format!("{SECOND}  {command}\n")),
            None => leave(
                signal,
                ui,
                "\nInterrupted. Nothing was at work on any host.\n",
            ),
        }
    }

    fn status_command(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.state
            .status_command
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        *self.interrupt.status_command() = None;
    }
}

const FIRST: &str = "\nInterrupted: no further host is begun. Hosts at work are waited for, so that none is left \
    between a file and its restart.\nInterrupt again to leave at once.\n";
const SECOND: &str =
    "\nLeft without waiting. Hosts at work go on by themselves; ask them how it ended:\n";

fn status_of(signal: i32) -> ExitStatus {
    if signal == SIGTERM {
        ExitStatus::Terminated
    } else {
        ExitStatus::Interrupted
    }
}

fn leave(signal: i32, ui: &Ui, text: &str) -> ! {
    ui.alert(text);
    process::exit(i32::from(status_of(signal).code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_ends_with_its_scope() {
        let interrupt = Interrupt::default();
        {
            let _watch = interrupt.watch("hardstand status");
            assert_eq!(
                interrupt.status_command().as_deref(),
                Some("hardstand status")
            );
        }
        assert_eq!(interrupt.status_command().as_deref(), None);
        assert_eq!(interrupt.status(), None);
        interrupt.flag().store(true, Ordering::SeqCst);
        assert_eq!(interrupt.status(), Some(ExitStatus::Interrupted));
    }

    #[test]
    fn the_first_signal_is_noted_while_hosts_are_at_work() {
        let cli = crate::args::parse(["hardstand", "status"]).unwrap();
        let ui = Ui::new(&cli.output, &crate::ui::terminal::Environment::default());
        let interrupt = Interrupt::install(&ui).unwrap();
        let _watch = interrupt.watch("hardstand status");
        signal_hook::low_level::raise(SIGTERM).unwrap();
        let noted = (0..500).any(|_| {
            thread::sleep(std::time::Duration::from_millis(10));
            interrupt.status().is_some()
        });
        assert!(noted);
        assert_eq!(interrupt.status(), Some(ExitStatus::Terminated));
    }
}
