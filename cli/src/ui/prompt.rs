//! Asking before something is changed.

use std::io::{self, BufRead as _};

use super::Ui;
use super::text::{BOLD, Line};
use crate::error::{CommandError, ErrorKind};

/// What a person was asked to agree to, and how they may have agreed already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// The question, such as `Apply these changes to 23 hosts?`.
    pub(crate) text: &'a str,
    /// The flag `--yes` was given.
    pub(crate) yes: bool,
    /// Instead of the flag, how else one can agree, such as `save a plan with …, and apply that`.
    pub(crate) otherwise: Option<&'a str>,
}

/// Whether it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    Given,
    Withheld,
}

impl Ui {
    /// Asks, unless `--yes` was given. Without a terminal to ask on it is an error that names the flag.
    pub(crate) fn ask(&self, question: &Question<'_>) -> Result<Consent, CommandError> {
        if question.yes {
            return Ok(Consent::Given);
        }
        if !self.stdin_terminal {
            return Err(nobody_to_ask(question));
        }
        self.alert(&prompt(question.text));
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        read.map_err(|error| {
            CommandError::caused(ErrorKind::Failed, "cannot read the answer", error)
        })?;
        if !answer.ends_with('\n') {
            self.alert("\n");
        }
        Ok(consent(&answer))
    }
}

fn prompt(text: &str) -> String {
    let mut out = String::from("\n");
    Line::default()
        .paint(BOLD, text)
        .add(" Only `yes` goes on.")
        .end(&mut out);
    out.push_str("  > ");
    out
}

fn consent(answer: &str) -> Consent {
    match answer.trim() {
        "yes" => Consent::Given,
        _ => Consent::Withheld,
    }
}

fn nobody_to_ask(question: &Question<'_>) -> CommandError {
    let error = CommandError::new(
        ErrorKind::Usage,
        "nobody can be asked, since stdin is not a terminal",
    )
    .hint("give --yes to go on without asking");
    match question.otherwise {
        Some(otherwise) => error.hint(otherwise),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;
    use crate::exit::ExitStatus;
    use crate::ui::terminal::Environment;

    #[test]
    fn without_a_terminal_the_flag_is_named() {
        let cli = args::parse(["hardstand", "apply"]).unwrap();
        let ui = Ui::new(&cli.output, &Environment::default());
        let question = Question {
            text: "Apply?",
            yes: false,
            otherwise: None,
        };
        let error = ui.ask(&question).unwrap_err();
        assert!(error.hints[0].contains("--yes") && error.status() == ExitStatus::Usage);
        assert_eq!(
            ui.ask(&Question {
                yes: true,
                ..question
            })
            .ok(),
            Some(Consent::Given)
        );
    }

    #[test]
    fn only_yes_is_consent() {
        for (answer, expected) in [
            ("yes\n", Consent::Given),
            ("y\n", Consent::Withheld),
            ("", Consent::Withheld),
            ("no\n", Consent::Withheld),
        ] {
            assert_eq!(consent(answer), expected, "{answer:?}");
        }
    }
}
