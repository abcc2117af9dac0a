//! `explain`: what a named check looks for, why, and how to mend what it finds.

use providers::rules;

use crate::args::ExplainArgs;
use crate::error::{CommandError, ErrorKind};
use crate::exit::ExitStatus;
use crate::ui::{Ui, checks};

pub(super) fn run(ui: &Ui, args: &ExplainArgs) -> Result<ExitStatus, CommandError> {
    let rules = rules();
    let text = match &args.check {
        None => checks::shown_rules(ui, &rules),
        Some(id) => {
            let rule = rules.iter().find(|rule| rule.id == id.as_str());
            let rule = rule.ok_or_else(|| {
                CommandError::new(ErrorKind::Usage, format!("there is no check {id}"))
                    .hint("`hardstand explain` lists all checks")
            })?;
            checks::shown_page(ui, rule)
        }
    };
    Ok(ui.conclude(&text, ExitStatus::Done))
}
