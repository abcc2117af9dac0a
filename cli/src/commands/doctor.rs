//! `doctor`: what hosts are like before there is any spec, and what a person should see to. Nothing is changed.

use engine::compile::Fleet;
use engine::inventory::{Become, Host};
use engine::report::worst_exit_code;
use providers::doctor;

use super::session::{Session, Watched};
use crate::args::DoctorArgs;
use crate::error::{CommandError, ErrorKind};
use crate::exit::ExitStatus;
use crate::ui::Ui;
use crate::ui::doctor::{Examined, Found, shown};
use crate::ui::progress::Task;

pub(super) fn run(ui: &Ui, args: &DoctorArgs) -> Result<ExitStatus, CommandError> {
    let input = args.input.with(&args.paths);
    let session = match args.local {
        true => Session::here(ui)?,
        false => Session::open(ui, &input, engine::plan::Via::Ssh)?,
    };
    let hosts = session.hosts(&input)?;
    if hosts.is_empty() {
        return Err(CommandError::new(ErrorKind::Failed, "there are no hosts")
            .hint("give an inventory with -i, or look at this machine with --local"));
    }
    let fleet = Fleet::asked(&hosts, doctor::questions());
    let watched = Watched::install(ui, &input)?;
    let observed = session.work(Task::Ask, &args.fleet, &fleet, &watched, |run| {
        run.observe_all()
    })?;
    let examined: Vec<_> = observed
        .into_iter()
        .zip(&hosts)
        .map(|((name, observed), host)| Examined {
            host: name.to_string(),
            reached: reached(host, args.local),
            found: match observed {
                Ok(observed) => Found::Health(doctor::examine(&observed)),
                Err(reason) => Found::Unreachable(reason),
            },
        })
        .collect();
    let code = worst_exit_code(examined.iter().map(|examined| match examined.found {
        Found::Health(_) => 0,
        Found::Unreachable(_) => ExitStatus::Unreachable.code(),
    }));
    let status = watched
        .interrupted()
        .unwrap_or_else(|| ExitStatus::from_code(code));
    Ok(ui.conclude(&shown(ui, &examined, status), status))
}

/// Says as whom a host is reached, and how root is become there.
fn reached(host: &Host, local: bool) -> String {
    let login = match (&host.ssh.user, local) {
        (_, true) => "here".to_owned(),
        (Some(user), false) => format!("as {user}"),
        (None, false) => "as ssh is configured".to_owned(),
    };
    match host.privilege {
        Become::Sudo => format!("{login}, with sudo"),
        Become::None => format!("{login}, without sudo"),
    }
}
