//! `explain`: what a named check looks for, why, and how to mend what it finds; what the code of a complaint means; or what a
//! field of the spec is.

use engine::compile::sections;
use engine::name::CheckId;
use engine::spec::{FieldPage, fields, find_field, spec_schema};
use providers::{registry, rules};

use crate::args::ExplainArgs;
use crate::error::{CommandError, ErrorKind};
use crate::exit::ExitStatus;
use crate::ui::{Ui, checks, codes, fields as field_pages};

pub(super) fn run(ui: &Ui, args: &ExplainArgs) -> Result<ExitStatus, CommandError> {
    let text = match &args.topic {
        None => checks::shown_rules(ui, &rules()),
        Some(topic) if codes::is_code(topic) => code(ui, topic)?,
        Some(topic) => match topic.parse() {
            Ok(id) => check(ui, &id)?,
            Err(_) => field(ui, topic)?,
        },
    };
    Ok(ui.conclude(&text, ExitStatus::Done))
}

fn check(ui: &Ui, id: &CheckId) -> Result<String, CommandError> {
    let rules = rules();
    let rule = rules.iter().find(|rule| rule.id == id.as_str());
    let rule = rule.ok_or_else(|| {
        CommandError::new(ErrorKind::Usage, format!("there is no check {id}"))
            .hint("`hardstand explain` lists all checks")
    })?;
    Ok(checks::shown_page(ui, rule))
}

fn code(ui: &Ui, topic: &str) -> Result<String, CommandError> {
    let code = codes::find(topic).ok_or_else(|| {
        CommandError::new(ErrorKind::Usage, format!("there is no code {topic}"))
            .hint("docs/codes.md lists all codes")
    })?;
    Ok(codes::shown(ui, &code))
}

fn field(ui: &Ui, topic: &str) -> Result<String, CommandError> {
    let pages = fields("spec", spec_schema(&sections(&registry())).as_value());
    // What the messages of other commands call a field begins with its section.
    let full = match topic == "spec" || topic.starts_with("spec.") {
        true => topic.to_owned(),
        false => format!("spec.{topic}"),
    };
    let index = find_field(&pages, &full).map_err(|like| unknown(topic, like))?;
    let page = &pages[index];
    let below: Vec<&FieldPage> = pages[index + 1..=index + page.below].iter().collect();
    Ok(field_pages::shown_page(ui, page, &below))
}

fn unknown(topic: &str, like: Option<String>) -> CommandError {
    let message = format!("there is no check, code or field `{topic}`");
    CommandError::new(ErrorKind::Usage, message).hint(match like {
        Some(like) => format!("did you mean `{like}`?"),
        None => {
            "`hardstand explain` lists all checks, `hardstand explain spec` all sections".to_owned()
        }
    })
}
