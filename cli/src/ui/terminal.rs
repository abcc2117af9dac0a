//! What the terminal can do: decided once, for stdout and stderr apart, from the flags and the environment.

use std::env;
use std::io::{self, IsTerminal as _};

use anstream::ColorChoice;

use super::text::Width;
use crate::args::{OutputArgs, ProgressArg, When};

/// What the environment and the streams say, read once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    pub(crate) stdin_terminal: bool,
    pub(crate) stdout_terminal: bool,
    pub(crate) stderr_terminal: bool,
    /// `NO_COLOR` is set and not empty (no-color.org).
    pub(crate) no_color: bool,
    /// `CLICOLOR`, if it is set.
    pub(crate) clicolor: Option<String>,
    /// `CLICOLOR_FORCE`, if it is set.
    pub(crate) clicolor_force: Option<String>,
    /// `TERM` is `dumb`.
    pub(crate) dumb: bool,
    /// Columns of the terminal that stdout is.
    pub(crate) columns: Option<usize>,
}

/// How progress is shown, once `auto` is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProgressStyle {
    Bars,
    Plain,
    None,
}

impl Environment {
    /// Reads the environment and looks at the streams.
    pub(crate) fn read() -> Self {
        let text = |name: &str| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let size = terminal_size::terminal_size_of(io::stdout());
        Self {
            stdin_terminal: io::stdin().is_terminal(),
            stdout_terminal: io::stdout().is_terminal(),
            stderr_terminal: io::stderr().is_terminal(),
            no_color: text("NO_COLOR").is_some_and(|value| !value.is_empty()),
            clicolor: text("CLICOLOR"),
            clicolor_force: text("CLICOLOR_FORCE"),
            dumb: text("TERM").is_some_and(|term| term == "dumb"),
            columns: size.map(|(terminal_size::Width(columns), _)| usize::from(columns)),
        }
    }

    /// Returns whether a stream is colored: the flag wins, then `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR`, the stream.
    pub(crate) fn color(&self, args: &OutputArgs, terminal: bool) -> ColorChoice {
        let when = if args.no_color {
            When::Never
        } else {
            args.color
        };
        let colored = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => self.auto_color(terminal),
        };
        if colored {
            ColorChoice::AlwaysAnsi
        } else {
            ColorChoice::Never
        }
    }

    fn auto_color(&self, terminal: bool) -> bool {
        if self.no_color {
            return false;
        }
        if self
            .clicolor_force
            .as_deref()
            .is_some_and(|value| value != "0" && !value.is_empty())
        {
            return true;
        }
        self.clicolor.as_deref() != Some("0") && terminal && !self.dumb
    }

    /// Returns the columns in which results are laid out.
    pub(crate) fn width(&self) -> Width {
        self.columns.map(|columns| columns.clamp(40, 160))
    }

    /// Returns how progress is shown. Bars need a terminal, even when asked for, since they would vanish elsewhere.
    pub(crate) fn progress(&self, args: &OutputArgs) -> ProgressStyle {
        let bars = self.stderr_terminal && !self.dumb;
        match (args.quiet, args.progress) {
            (true, _) | (_, ProgressArg::None) => ProgressStyle::None,
            (_, ProgressArg::Auto | ProgressArg::Bars) if bars => ProgressStyle::Bars,
            (_, ProgressArg::Auto | ProgressArg::Bars | ProgressArg::Plain) => ProgressStyle::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(color: When) -> OutputArgs {
        OutputArgs {
            json: false,
            color,
            no_color: false,
            progress: ProgressArg::Auto,
            quiet: false,
            verbose: 0,
        }
    }

    fn environment(
        no_color: bool,
        clicolor: Option<&str>,
        force: Option<&str>,
        dumb: bool,
    ) -> Environment {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Environment {
            no_color,
            clicolor: owned(clicolor),
            clicolor_force: owned(force),
            dumb,
            ..Environment::default()
        }
    }

    #[test]
    fn color_follows_flag_then_environment_then_stream() {
        let rows = [
            (
                environment(false, None, None, false),
                When::Auto,
                true,
                true,
            ),
            (
                environment(false, None, None, false),
                When::Auto,
                false,
                false,
            ),
            (
                environment(true, None, Some("1"), false),
                When::Auto,
                true,
                false,
            ),
            (
                environment(false, None, Some("1"), false),
                When::Auto,
                false,
                true,
            ),
            (
                environment(false, None, Some("0"), false),
                When::Auto,
                false,
                false,
            ),
            (
                environment(false, Some("0"), None, false),
                When::Auto,
                true,
                false,
            ),
            (
                environment(false, None, None, true),
                When::Auto,
                true,
                false,
            ),
            (
                environment(true, None, None, true),
                When::Always,
                false,
                true,
            ),
            (
                environment(false, None, Some("1"), false),
                When::Never,
                true,
                false,
            ),
        ];
        for (environment, when, terminal, colored) in rows {
            let choice = environment.color(&args(when), terminal);
            assert_eq!(
                choice == ColorChoice::AlwaysAnsi,
                colored,
                "{environment:?} {when:?}"
            );
        }
    }

    #[test]
    fn bars_need_a_terminal() {
        let mut environment = Environment::default();
        assert_eq!(
            environment.progress(&args(When::Auto)),
            ProgressStyle::Plain
        );
        environment.stderr_terminal = true;
        assert_eq!(environment.progress(&args(When::Auto)), ProgressStyle::Bars);
        environment.dumb = true;
        assert_eq!(
            environment.progress(&args(When::Auto)),
            ProgressStyle::Plain
        );
        let quiet = OutputArgs {
            quiet: true,
            ..args(When::Auto)
        };
        assert_eq!(environment.progress(&quiet), ProgressStyle::None);
    }
}
