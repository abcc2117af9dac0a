//! What a unit needs: to be brought into its wished state, and to run what is on disk.

use engine::facts::Init;
use engine::name::AbsPath;
use engine::question::{CriState, FileState, Question, Unanswered, UnitState};
use engine::resource::{Action, Decision, Proposal, Reason, Situation, Topic};
use engine::step::Step;

use super::resource::{OnChange, ServiceResource, Wishes};
use super::{is_running, limit, unit_files, without_systemd};
use crate::file::{installs, is_unit_file, refused};

/// Compares a unit with what is wished for it.
pub(super) fn decide(
    service: &ServiceResource,
    situation: &Situation<'_>,
) -> Result<Decision, Unanswered> {
    if situation.facts().init != Init::Systemd {
        return Ok(without_systemd());
    }
    let state = situation.observed.unit(&service.unit)?;
    if !state.exists() {
        return Ok(decide_missing(service, situation));
    }
    if is_broken(state) && !is_mended(service, state, situation) {
        return Ok(refused(
            format!("systemd cannot load the unit file of `{}`", service.unit),
            "look at `systemctl status`, mend the unit file, and run `systemctl daemon-reload`",
        ));
    }
    if let Some(limit) = service.open_files
        && let Some(refused) = limit::overridden(&service.unit, limit, situation)?
    {
        return Ok(refused);
    }
    let refresh = refresh(service, state, situation)?;
    if let Some(refused) = obstacle(service, state, &refresh) {
        return Ok(refused);
    }
    if service.wishes.active == Some(true)
        && never_stays_active(state)
        && !is_mended(service, state, situation)
    {
        return Ok(refused(
            format!(
                "`{}` runs once and is over: `active: true` would never hold, and start it at every apply",
                service.unit
            ),
            "leave out `active` and let `enabled`, a timer or another unit start it; or set `RemainAfterExit=yes` in a drop-in",
        ));
    }
    if refresh.is_none()
        && let Some(socket) = &service.gate.cri_socket
        && let Some(held_up) = silent_runtime(service, state, socket, situation)?
    {
        return Ok(held_up);
    }
    Ok(propose(service, state, refresh, situation))
}

/// Whether systemd could not make sense of the unit file.
fn is_broken(state: &UnitState) -> bool {
    matches!(state.property("LoadState"), "bad-setting" | "error")
}

/// Whether the files of a unit are others by the time that systemd reads them again.
fn is_mended(service: &ServiceResource, state: &UnitState, situation: &Situation<'_>) -> bool {
    state.property("NeedDaemonReload") == "yes"
        || unit_files_change(situation)
        || unit_files(&service.unit)
            .iter()
            .any(|file| situation.changes(file))
}

/// Whether the unit is inactive as soon as its command has ended.
fn never_stays_active(state: &UnitState) -> bool {
    state.property("Type") == "oneshot" && state.property("RemainAfterExit") == "no"
}

/// Why a unit must read its configuration again.
struct Refresh {
    how: OnChange,
    reasons: Vec<Reason>,
}

/// Decides about a unit that systemd does not know.
fn decide_missing(service: &ServiceResource, situation: &Situation<'_>) -> Decision {
    let Wishes {
        enabled,
        active,
        masked,
    } = service.wishes;
    if enabled != Some(true) && active != Some(true) && masked != Some(true) {
        return Decision::Converged;
    }
    let origin = service
        .origins()
        .into_iter()
        .find(|origin| situation.changes(origin));
    let comes = origin.is_some() || (installs(situation.proposed) && masked != Some(true));
    if !comes && masked != Some(true) {
        return refused(
            format!("the host has no unit `{}`", service.unit),
            "add the package that brings it to `packages`, and to `requires` here as `package/NAME`",
        );
    }
    let name = || service.unit.clone();
    let mut steps = vec![Step::ReloadUnitFiles];
    let mut proposal = Proposal::new(Action::Create, Vec::new());
    if masked == Some(true) {
        steps.push(Step::MaskUnit { name: name() });
        proposal = proposal.difference("masked", "", "yes");
    }
    if enabled == Some(true) {
        steps.push(Step::EnableUnit { name: name() });
        proposal = proposal.difference("enabled", "", "yes");
    }
    if active == Some(true) {
        // A package may have started it before its configuration was in place.
        let (name, gate) = (name(), service.gate.clone());
        steps.push(if situation.notified_by.is_empty() {
            Step::StartUnit { name, gate }
        } else {
            Step::RestartUnit { name, gate }
        });
        proposal = proposal.difference("active", "", "yes");
    }
    if origin.is_none() && masked != Some(true) {
        proposal.condition = Some("a package of this plan must bring the unit".to_owned());
    }
    proposal.steps = steps;
    proposal.reasons = notifications(situation);
    Decision::Change(proposal)
}

/// Returns why the wishes cannot be met.
fn obstacle(
    service: &ServiceResource,
    state: &UnitState,
    refresh: &Option<Refresh>,
) -> Option<Decision> {
    let Wishes {
        enabled,
        active,
        masked,
    } = service.wishes;
    let unit = &service.unit;
    let wanted = enabled == Some(true) || active == Some(true) || refresh.is_some();
    if state.is_masked() && masked.is_none() && wanted {
        return Some(refused(
            format!("`{unit}` is masked"),
            "someone masked it on purpose; write `masked: false` to unmask it",
        ));
    }
    let file_state = state.property("UnitFileState");
    let fixed = matches!(file_state, "static" | "transient" | "bad") && !is_broken(state);
    if enabled == Some(true) && fixed {
        return Some(refused(
            format!("`{unit}` cannot be enabled: its unit file is {file_state}"),
            "leave out `enabled`; other units start it",
        ));
    }
    None
}

/// Returns why a runtime that runs is not as desired all the same: its CRI does not answer, and nothing in this plan would
/// change that. Where nothing can ask it, its word is systemd's.
///
/// A restart is not proposed: the process is newer than its configuration, so it would read the same again.
fn silent_runtime(
    service: &ServiceResource,
    state: &UnitState,
    socket: &AbsPath,
    situation: &Situation<'_>,
) -> Result<Option<Decision>, Unanswered> {
    let wanted = service.wishes.active == Some(true) && state.is_active();
    let origins = service.origins();
    if !wanted || origins.iter().any(|origin| situation.changes(origin)) {
        return Ok(None);
    }
    let unit = &service.unit;
    let elsewhere =
        format!("see where it listens, in its configuration and in `systemctl status {unit}`");
    // A socket that is only known from other answers was not asked.
    if !situation
        .observed
        .answers
        .contains_key(&Question::Cri(socket.clone()))
    {
        return Ok(None);
    }
    Ok(match situation.observed.cri(socket)? {
        CriState::Answers(_) | CriState::Unasked | CriState::Denied => None,
        CriState::NotServed(said) => Some(refused(
            format!("`{unit}` runs, but serves no CRI v1 at {socket}: {said}"),
            &format!(
                "its CRI is disabled, failed to load or is too old: see `journalctl -u {unit}`, mend that, and restart it"
            ),
        )),
        CriState::Absent => Some(refused(
            format!("`{unit}` runs, but there is no {socket}"),
            &elsewhere,
        )),
        CriState::NotASocket => Some(refused(
            format!("`{unit}` runs, but {socket} is not a socket"),
            &elsewhere,
        )),
        CriState::Refused => Some(refused(
            format!("`{unit}` runs, but nobody listens at {socket}"),
            &elsewhere,
        )),
        CriState::Failed(why) => Some(Decision::Unknown(format!(
            "`{unit}` runs, but whether its CRI works is unknown: {why}"
        ))),
    })
}

fn propose(
    service: &ServiceResource,
    state: &UnitState,
    refresh: Option<Refresh>,
    situation: &Situation<'_>,
) -> Decision {
    let Wishes {
        enabled,
        active,
        masked,
    } = service.wishes;
    let name = || service.unit.clone();
    let gate = || service.gate.clone();
    let mut proposal = Proposal::new(Action::Update, Vec::new());
    let mut steps = Vec::new();
    if masked == Some(false) && state.is_masked() {
        steps.push(Step::UnmaskUnit { name: name() });
        proposal = proposal.difference("masked", "yes", "no");
    }
    if is_broken(state) || must_reload_unit_files(state, situation) {
        steps.push(Step::ReloadUnitFiles);
        if is_broken(state) {
            proposal = proposal.difference("unit files", "not understood", "read again");
        } else if state.property("NeedDaemonReload") == "yes" {
            proposal = proposal.difference("unit files", "changed since systemd read them", "read");
        }
    }
    match (enabled, is_enabled(state)) {
        (Some(true), false) => {
            steps.push(Step::EnableUnit { name: name() });
            proposal = proposal.difference("enabled", "no", "yes");
        }
        (Some(false), true) => {
            steps.push(Step::DisableUnit { name: name() });
            proposal = proposal.difference("enabled", "yes", "no");
        }
        _ => {}
    }
    let starts = active == Some(true) && !is_running(state);
    if starts {
        proposal = proposal.difference("active", state.property("ActiveState"), "active");
    }
    let refresh = refresh.filter(|_| active != Some(false));
    match &refresh {
        Some(Refresh {
            how: OnChange::Reload,
            ..
        }) if !starts => steps.push(Step::ReloadUnit {
            name: name(),
            gate: gate(),
        }),
        Some(_) => {
            steps.push(Step::RestartUnit {
                name: name(),
                gate: gate(),
            });
            proposal.disruption = service.disruption;
        }
        // A package of this plan may start it before its configuration is in place.
        None if starts && !situation.notified_by.is_empty() && installs(situation.proposed) => {
            steps.push(Step::RestartUnit {
                name: name(),
                gate: gate(),
            });
        }
        None if starts => steps.push(Step::StartUnit {
            name: name(),
            gate: gate(),
        }),
        None => {}
    }
    if active == Some(false) && is_running(state) {
        steps.push(Step::StopUnit { name: name() });
        proposal = proposal.difference("active", state.property("ActiveState"), "inactive");
        proposal.disruption = service.disruption;
    }
    if masked == Some(true) && !state.is_masked() {
        steps.push(Step::MaskUnit { name: name() });
        proposal = proposal.difference("masked", "no", "yes");
    }
    if steps.is_empty() {
        return Decision::Converged;
    }
    if proposal.differences.is_empty() {
        proposal.action = match &refresh {
            Some(Refresh {
                how: OnChange::Reload,
                ..
            }) => Action::Reload,
            Some(_) => Action::Restart,
            None => Action::Update,
        };
    }
    proposal.reasons = refresh.map_or_else(|| notifications(situation), |refresh| refresh.reasons);
    proposal.steps = steps;
    Decision::Change(proposal)
}

/// Returns why and how a unit that runs must read its configuration again, if it must.
fn refresh(
    service: &ServiceResource,
    state: &UnitState,
    situation: &Situation<'_>,
) -> Result<Option<Refresh>, Unanswered> {
    let owes = situation.owes(&service.unit);
    // What is on its way down may be in the middle of the very restart that is owed.
    let restarts = owes && state.property("ActiveState") == "deactivating";
    if !is_running(state) && !restarts {
        let starts = service.wishes.active == Some(true);
        return Ok((owes && starts).then(|| Refresh {
            how: OnChange::Restart,
            reasons: vec![Reason::Owed("an earlier run that stopped".to_owned())],
        }));
    }
    let mut reasons = notifications(situation);
    let wants_reload = service.on_change == OnChange::Reload || reload_suffices(situation);
    let reloads =
        wants_reload && state.property("CanReload") == "yes" && !unit_files_change(situation);
    let mut how = if reloads {
        OnChange::Reload
    } else {
        OnChange::Restart
    };
    if owes {
        how = OnChange::Restart;
        reasons.push(Reason::Owed("an earlier run that stopped".to_owned()));
    } else if service.on_change == OnChange::Restart
        && let Some(stale) = stale_config(service, state, situation)?
    {
        how = OnChange::Restart;
        reasons.push(Reason::Owed(stale));
    } else if let Some(limit) = service.open_files
        && let Some(stale) = limit::stale(&service.unit, limit, situation)?
    {
        how = OnChange::Restart;
        reasons.push(Reason::Owed(stale));
    }
    Ok((!reasons.is_empty()).then_some(Refresh { how, reasons }))
}

/// Returns which file is newer than the running process, in words.
fn stale_config(
    service: &ServiceResource,
    state: &UnitState,
    situation: &Situation<'_>,
) -> Result<Option<String>, Unanswered> {
    let Some(started) = state.started().filter(|_| state.is_active()) else {
        return Ok(None);
    };
    for path in &service.configs {
        if let FileState::Regular(file) = situation.observed.file(path)?
            && file.modified > started
        {
            return Ok(Some(format!("{path} is newer than the running process")));
        }
    }
    Ok(None)
}

/// Whether all that changes for the unit is taken up by a reload.
fn reload_suffices(situation: &Situation<'_>) -> bool {
    let mut changes = situation
        .notified_by
        .iter()
        .map(|notifier| situation.proposed.get(notifier));
    changes
        .all(|change| change.is_some_and(|change| change.topics.contains(&Topic::ReloadSuffices)))
}

fn notifications(situation: &Situation<'_>) -> Vec<Reason> {
    situation
        .notified_by
        .iter()
        .cloned()
        .map(Reason::NotifiedBy)
        .collect()
}

fn must_reload_unit_files(state: &UnitState, situation: &Situation<'_>) -> bool {
    state.property("NeedDaemonReload") == "yes" || unit_files_change(situation)
}

/// Whether a resource that notifies the unit changes a unit file or a drop-in.
fn unit_files_change(situation: &Situation<'_>) -> bool {
    situation
        .notified_by
        .iter()
        .filter(|notifier| notifier.kind() == "file")
        .filter_map(|notifier| notifier.name().parse().ok())
        .any(|path| is_unit_file(&path))
}

fn is_enabled(state: &UnitState) -> bool {
    matches!(
        state.property("UnitFileState"),
        "enabled" | "alias" | "generated" | "indirect"
    )
}
