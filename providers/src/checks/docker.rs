//! Docker Engine: what keeps dockerd or cri-dockerd from working.

use engine::check::{Found, Rule};
use engine::diagnostic::{Diagnostic, Severity};
use engine::name::{AbsPath, UnitName};
use engine::question::{FileState, Question, Unanswered};
use engine::reading::Outlook;
use engine::state::State;

use super::spec::{Runtime, Spec};
use super::{Complaints, Entry, nothing_of_spec};
use crate::docker::json::line_of;
use crate::docker::version::{Version, check_pair, has_floor, lets_old_clients_in};
use crate::docker::{self, CRI_DOCKERD_PACKAGES, DockerSection, edit, flags};
use crate::runtime::Refusal;
use crate::unitfile;

pub(super) const CHECKS: &[Entry] = &[
    Entry {
        rule: API_FLOOR,
        applies: may_be_docker,
        of_spec: api_floor_of_spec,
        questions: |spec| {
            let packages = docker_packages(spec).into_iter();
            let packages = packages.chain(cri_dockerd_packages(spec));
            let packages = packages.filter_map(|name| name.parse().ok());
            let (config, service) = daemon(spec);
            let mut questions: Vec<_> = packages.map(Question::Installed).collect();
            questions.push(Question::File(config));
            questions.extend(unitfile::questions(&service));
            questions
        },
        of_host: api_floor,
    },
    Entry {
        rule: SET_TWICE,
        applies: may_be_docker,
        of_spec: nothing_of_spec,
        questions: |spec| {
            let (config, service) = daemon(spec);
            let mut questions = vec![Question::File(config)];
            questions.extend(unitfile::questions(&service));
            questions.extend(flags::questions());
            questions
        },
        of_host: set_twice,
    },
];

const API_FLOOR: Rule = Rule {
    id: "H021",
    title: "cri-dockerd and Docker Engine have no API version in common",
    severity: Severity::Error,
    page: include_str!("../../../docs/checks/H021.md"),
};

const SET_TWICE: Rule = Rule {
    id: "H022",
    title: "daemon.json and a flag of dockerd name the same option",
    severity: Severity::Error,
    page: include_str!("../../../docs/checks/H022.md"),
};

/// Whether the spec chooses Docker Engine.
pub(super) fn is_docker(spec: &Spec) -> bool {
    matches!(spec.runtime, Some(Runtime::Docker | Runtime::Mirantis))
}

fn may_be_docker(spec: &Spec) -> bool {
    is_docker(spec) || (spec.runtime.is_none() && spec.is_for_kubernetes())
}

/// What surely breaks a node of Docker Engine may not matter on a node of which the spec does not say that it is one.
fn severity(spec: &Spec) -> Severity {
    match is_docker(spec) {
        true => Severity::Error,
        false => Severity::Warning,
    }
}

/// Returns the packages that may provide dockerd, the one that the spec names first.
pub(super) fn docker_packages(spec: &Spec) -> Vec<&str> {
    let named = spec.of_runtime("package").filter(|_| is_docker(spec));
    let named = named.and_then(|node| node.text());
    named.into_iter().chain(docker::PACKAGES).collect()
}

/// Returns the packages that may provide cri-dockerd, the one that the spec names first.
pub(super) fn cri_dockerd_packages(spec: &Spec) -> Vec<&str> {
    let named = spec
        .of_runtime("criDockerd")
        .and_then(|node| node.get("package")?.text());
    named.into_iter().chain(CRI_DOCKERD_PACKAGES).collect()
}

/// Returns the version of the first package that is installed.
pub(super) fn installed(
    names: &[&str],
    state: &State<'_>,
) -> Result<Option<(Version, String)>, Unanswered> {
    for name in names.iter().filter_map(|name| name.parse().ok()) {
        if let Some(text) = &state.package(&name)?.installed {
            return match Version::parse(text) {
                Some(version) => Ok(Some((version, text.clone()))),
                None => Err(Unanswered(format!(
                    "`{}` is no version of {name} that can be read",
                    text.escape_debug()
                ))),
            };
        }
    }
    Ok(None)
}

/// Returns what is wrong with the versions that the spec pins.
fn pinned(spec: &Spec) -> Option<Refusal> {
    let version = |names: &[&str]| Version::parse(spec.pinned(names)?.0);
    let docker = version(&docker_packages(spec))?;
    check_pair(version(&cri_dockerd_packages(spec))?, docker).err()
}

fn api_floor_of_spec(spec: &Spec, complaints: &mut Complaints<'_>) {
    let (Some(Refusal { reason, help }), Some((_, node))) =
        (pinned(spec), spec.pinned(&cri_dockerd_packages(spec)))
    else {
        return;
    };
    let mut diagnostic = Diagnostic::error(API_FLOOR.id, node.span, reason);
    if let Some(help) = help {
        diagnostic = diagnostic.help(help);
    }
    complaints.push(diagnostic);
}

fn api_floor(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    if pinned(spec).is_some() {
        return Ok(Vec::new());
    }
    let cri_dockerd = installed(&cri_dockerd_packages(spec), state)?;
    let docker = installed(&docker_packages(spec), state)?;
    let (Some((cri_dockerd, _)), Some((docker, _))) = (cri_dockerd, docker) else {
        return Ok(Vec::new());
    };
    let Err(Refusal { reason, help }) = check_pair(cri_dockerd, docker) else {
        return Ok(Vec::new());
    };
    if has_floor(docker) && is_floor_lowered(spec, state)? {
        return Ok(Vec::new());
    }
    let mut found = API_FLOOR
        .found(reason)
        .severity(severity(spec))
        .at(spec.place(&["runtime"]));
    found.help = help;
    Ok(vec![found])
}

/// Whether daemon.json or the unit lowers the API that dockerd wants at least, so that old clients get in.
fn is_floor_lowered(spec: &Spec, state: &State<'_>) -> Result<bool, Unanswered> {
    let (path, service) = daemon(spec);
    let mut floors = Vec::new();
    if let Some(text) = text_of(&path, state)? {
        let root = edit::read(&path, text).map_err(|refusal| Unanswered(refusal.reason))?;
        let mut members = root.members().iter();
        let member = members.find(|member| member.key == "min-api-version");
        floors.extend(member.and_then(|member| Some(member.value.text()?.to_owned())));
    }
    if let Some(unit) = unitfile::read(&service, &Outlook::now(state))? {
        let variable = unit.environment(&[]).remove("DOCKER_MIN_API_VERSION");
        floors.extend(variable.map(|variable| variable.value));
    }
    for floor in floors {
        match lets_old_clients_in(&floor) {
            Some(true) => return Ok(true),
            Some(false) => {}
            None => {
                return Err(Unanswered(format!(
                    "`{}` is no version of Docker's API that can be read",
                    floor.escape_debug()
                )));
            }
        }
    }
    Ok(false)
}

/// Returns the text of daemon.json, if it is there.
fn text_of<'a>(path: &AbsPath, state: &'a State<'_>) -> Result<Option<&'a str>, Unanswered> {
    let text = match state.file(path)? {
        FileState::Absent => return Ok(None),
        FileState::Regular(file) => file.content.as_deref().map(std::str::from_utf8),
        _ => None,
    };
    match text {
        Some(Ok(text)) => Ok(Some(text)),
        _ => Err(Unanswered(format!("{path} cannot be read as text"))),
    }
}

/// Returns dockerd's file and unit.
fn daemon(spec: &Spec) -> (AbsPath, UnitName) {
    let DockerSection {
        config_file,
        service,
        ..
    } = DockerSection::default();
    match is_docker(spec) {
        true => (
            spec.of_runtime_as("configFile").unwrap_or(config_file),
            spec.of_runtime_as("service").unwrap_or(service),
        ),
        false => (config_file, service),
    }
}

fn set_twice(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let (path, service) = daemon(spec);
    let Some(text) = text_of(&path, state)? else {
        return Ok(Vec::new());
    };
    let Some(unit) = unitfile::read(&service, &Outlook::now(state))? else {
        return Ok(Vec::new());
    };
    let given = flags::given(&unit, state)?;
    let root = edit::read(&path, text).map_err(|refusal| Unanswered(refusal.reason))?;
    let place = spec.place(&["runtime"]);
    let found = root.members().iter().filter_map(|member| {
        let flag = given.iter().find(|flag| flag.key() == member.key)?;
        let message = format!(
            "{path}:{} sets `{}`, and `--{}` in {} does too: dockerd does not start with both",
            line_of(text, member.start),
            member.key.escape_debug(),
            flag.name.escape_debug(),
            flag.place
        );
        let found = SET_TWICE
            .found(message)
            .severity(severity(spec))
            .help(format!("take it out of {path} or of {}", flag.place));
        Some(found.at(place.clone()))
    });
    Ok(found.collect())
}
