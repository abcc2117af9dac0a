//! cri-dockerd: a drop-in of its unit that sets its flags, its two units, and the socket on which it answers.
//!
//! It has no configuration file. The drop-in clears `ExecStart=` and writes it anew: the command that the unit has without
//! it, with our flags in place of the unit's, and always with `fd://`, without which the socket unit and the daemon would
//! fight for the socket (cri-dockerd#291).

use engine::name::{AbsPath, ResourceId, UnitName};
use engine::question::{Question, Unanswered};
use engine::resource::{Decision, Declared, Relation, Resource, Situation};
use engine::step::Gate;

use super::section::CriDockerdSection;
use super::service::socket_of;
use super::{Engine, Provided, declare, version};
use crate::dropin;
use crate::file::{FileTarget, managed_directory};
use crate::runtime::{Chosen, KubernetesVersion, Refusal, Stop, canonical};
use crate::section::{constant_path, items, requires};
use crate::service::{Rule, ServiceResource, UnitOwner, service_for};
use crate::unitfile::{self, Assignment, words};

/// The packages that are known to provide cri-dockerd.
pub(crate) const PACKAGES: [&str; 1] = ["cri-dockerd"];

/// The name of the drop-in.
const DROP_IN: &str = "hardstand.conf";

/// Where it is unless its unit says otherwise.
const BINARY: &str = "/usr/bin/cri-dockerd";

/// What may stand before the path of a program in a unit.
const PREFIXES: [char; 5] = ['-', '@', ':', '+', '!'];

/// Where it answers unless its socket unit says otherwise.
pub(crate) const SOCKET: &str = "/run/cri-dockerd.sock";

/// The flag that takes the socket from systemd, and its value.
const ENDPOINT: (&str, &str) = ("container-runtime-endpoint", "fd://");

/// Returns the resources of cri-dockerd.
pub(super) fn compile(
    section: CriDockerdSection,
    (docker, docker_service): (Provided, UnitName),
    engine: Engine,
    chosen: Chosen<'_>,
) -> Vec<Declared> {
    let Chosen {
        span,
        kubernetes,
        sections,
        ..
    } = chosen;
    let package = Provided::new(section.package.as_ref(), &PACKAGES, &sections);
    let socket_unit = socket_of(&section.service);
    let listener = Listener {
        unit: socket_unit.clone(),
        socket: socket(&section),
        engine,
    };
    let mut target = FileTarget::new(drop_in(&section.service));
    target.read_by = vec![section.service.clone()];
    target.after = package.resources().collect();
    let directory = target.path.parent();
    let drop_in = DropIn {
        flags: flags(&section, kubernetes),
        service: section.service.clone(),
        listener: listener.clone(),
        package: package.clone(),
        docker,
        kubernetes,
        engine,
        target,
    };
    let owned = |unit: &UnitName, configs, gate| {
        let owner = UnitOwner {
            unit: unit.clone(),
            span,
            configs,
            gate,
        };
        let mut owned = service_for(owner, &sections);
        owned.resource.wishes.enabled.get_or_insert(true);
        owned.resource.wishes.active.get_or_insert(true);
        owned.resource.after.extend(package.resources());
        owned
    };
    let path = drop_in.target.path.clone();
    let answers = Gate {
        cri_socket: Some(listener.socket.clone()),
        ..gate()
    };
    let mut service = owned(&section.service, vec![path], answers);
    service.resource.after.extend([
        ResourceId::new("service", &docker_service),
        ResourceId::new("service", &socket_unit),
    ]);
    let service = service.ruled(listener);
    let mut listening = owned(&socket_unit, Vec::new(), gate());
    // Its group comes with the package of Docker.
    listening.resource.after.extend(drop_in.docker.resources());
    let has_directory = is_managed(&directory, &section.service, &sections);
    let mut declared = vec![declare(drop_in, span), listening.declared(), service];
    if !has_directory {
        declared.push(declare(managed_directory(directory), span));
    }
    declared
}

/// Whether the spec makes the directory of the drop-in already.
fn is_managed(
    directory: &AbsPath,
    unit: &UnitName,
    sections: &engine::resource::Sections<'_>,
) -> bool {
    let listed = items(sections, "directories")
        .iter()
        .any(|node| node.get("path").and_then(|path| path.text()) == Some(directory.as_str()));
    let with_drop_ins = items(sections, "services").iter().any(|node| {
        node.get("name").and_then(|name| name.text()) == Some(unit.as_str())
            && node
                .get("dropIns")
                .is_some_and(|drop_ins| !drop_ins.entries().is_empty())
    });
    listed || with_drop_ins || !dropin::asked_of(unit, sections).is_empty()
}

/// cri-dockerd starts at once; it gives up on a Docker that does not answer within seconds.
fn gate() -> Gate {
    Gate {
        start_seconds: 90,
        steady_seconds: 5,
        cri_socket: None,
    }
}

fn drop_in(service: &UnitName) -> AbsPath {
    format!("/etc/systemd/system/{service}.d/{DROP_IN}")
        .parse()
        .expect("a unit name makes a file name")
}

/// Returns where it answers.
pub(super) fn socket(section: &CriDockerdSection) -> AbsPath {
    let written = section.socket.clone();
    written.unwrap_or_else(|| constant_path(SOCKET))
}

/// Returns the pause image that it is told.
pub(super) fn pause_image(
    section: &CriDockerdSection,
    kubernetes: Option<KubernetesVersion>,
) -> Option<String> {
    let written = section.pod_infra_container_image.clone();
    written.or_else(|| kubernetes.and_then(KubernetesVersion::pause_image))
}

/// Returns the flags that the spec sets, in the order of the documentation.
fn flags(
    section: &CriDockerdSection,
    kubernetes: Option<KubernetesVersion>,
) -> Vec<(&'static str, String)> {
    [
        (
            "pod-infra-container-image",
            pause_image(section, kubernetes),
        ),
        ("network-plugin", section.network_plugin.clone()),
        (
            "cni-bin-dir",
            section.cni_bin_dir.as_ref().map(AbsPath::to_string),
        ),
        (
            "cni-conf-dir",
            section.cni_conf_dir.as_ref().map(AbsPath::to_string),
        ),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// The drop-in that sets cri-dockerd's flags.
#[derive(Debug)]
struct DropIn {
    target: FileTarget,
    flags: Vec<(&'static str, String)>,
    service: UnitName,
    listener: Listener,
    package: Provided,
    docker: Provided,
    kubernetes: Option<KubernetesVersion>,
    engine: Engine,
}

/// The unit that listens for cri-dockerd, and where that is expected.
#[derive(Debug, Clone)]
struct Listener {
    unit: UnitName,
    socket: AbsPath,
    engine: Engine,
}

impl Listener {
    /// The socket unit has the say. If it names another socket than the spec, the gate would not pass, and crictl and the
    /// kubelet would be pointed at nothing.
    fn check(&self, situation: &Situation<'_>) -> Result<(), Stop> {
        let listens = listens(&self.unit, situation)?;
        let expected = canonical(self.socket.as_str());
        let elsewhere = listens.filter(|listens| canonical(&listens.value) != expected);
        let Some(listens) = elsewhere else {
            return Ok(());
        };
        let value = listens.value.escape_debug();
        Err(Refusal::new(format!(
            "cri-dockerd listens on {value} by {}, and the spec expects {}",
            listens.place, self.socket
        ))
        .help(format!(
            "set `runtime.{}.criDockerd.socket` to {value}",
            self.engine.field()
        ))
        .into())
    }
}

/// cri-dockerd is left alone where it would not answer as expected.
impl Rule for Listener {
    fn questions(&self, _: &ServiceResource) -> Vec<Question> {
        unitfile::questions(&self.unit)
    }

    fn decide(
        &self,
        unit: &ServiceResource,
        situation: &Situation<'_>,
    ) -> Result<Decision, Unanswered> {
        let checked = self.check(situation);
        Stop::settle(checked.and_then(|()| Ok(unit.decide(situation)?)))
    }
}

impl Resource for DropIn {
    fn id(&self) -> ResourceId {
        self.target.id()
    }

    fn desired(&self) -> String {
        let Self { flags, .. } = self;
        format!("cri-dockerd {} {flags:?}", self.service)
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = self.target.questions();
        questions.extend(unitfile::questions(&self.service));
        questions.extend(unitfile::questions(&self.listener.unit));
        questions.extend(self.package.questions());
        questions.extend(self.docker.questions());
        questions
    }

    fn relations(&self) -> Vec<Relation> {
        let mut relations = self.target.relations();
        relations.extend(self.docker.resources().map(requires));
        relations.push(requires(ResourceId::new(
            "file",
            format!("/etc/systemd/system/{}", self.service),
        )));
        relations
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        Stop::settle(self.weigh(situation))
    }
}

impl DropIn {
    fn weigh(&self, situation: &Situation<'_>) -> Result<Decision, Stop> {
        self.check_versions(situation)?;
        self.listener.check(situation)?;
        let command = self.command(situation)?;
        let text = format!(
            "# Written by hardstand. cri-dockerd has no configuration file; its flags are here.\n\
             [Service]\nExecStart=\nExecStart={command}\n"
        );
        Ok(self.target.decide(text.as_bytes(), situation)?)
    }

    fn check_versions(&self, situation: &Situation<'_>) -> Result<(), Stop> {
        let Some(cri_dockerd) = self.package.version(situation)? else {
            return Ok(());
        };
        if let Some(kubernetes) = self.kubernetes {
            version::check_kubernetes(cri_dockerd, kubernetes)?;
        }
        if let Some(docker) = self.docker.version(situation)? {
            version::check_pair(cri_dockerd, docker)?;
        }
        Ok(())
    }

    /// Returns the command that the unit should run.
    fn command(&self, situation: &Situation<'_>) -> Result<String, Stop> {
        let Some(text) = unitfile::read(&self.service, &situation.outlook())? else {
            if !self.package.is_planned(situation) {
                return Err(Refusal::new(format!(
                    "cri-dockerd is not installed: the host has no unit `{}`",
                    self.service
                ))
                .help(format!(
                    "set `runtime.{}.criDockerd.package`, or install it with `files` or by hand",
                    self.engine.field()
                ))
                .into());
            }
            return Ok(self.command_with(&[BINARY.to_owned()]));
        };
        let (before, after) = text.around(DROP_IN);
        if let Some(later) = after.exec_start() {
            return Err(Refusal::new(format!(
                "{} sets the command of `{}` and is read after {}",
                later.place, self.service, self.target.path
            ))
            .help("remove it, or give it a name that sorts before ours")
            .into());
        }
        let command = before.exec_start().map(|command| words(&command.value));
        match command.as_deref() {
            Some([binary, rest @ ..]) if binary.trim_start_matches(PREFIXES).starts_with('/') => {
                let kept = std::iter::once(binary.clone()).chain(self.foreign(rest));
                Ok(self.command_with(&kept.collect::<Vec<_>>()))
            }
            Some(_) | None => Ok(self.command_with(&[BINARY.to_owned()])),
        }
    }

    /// Returns the words that belong to flags which are not set here.
    fn foreign(&self, words: &[String]) -> Vec<String> {
        let is_ours =
            |name: &str| name == ENDPOINT.0 || self.flags.iter().any(|(flag, _)| *flag == name);
        let mut foreign = Vec::new();
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            let name = word.trim_start_matches('-');
            let (name, has_value) = match name.split_once('=') {
                Some((name, _)) => (name, true),
                None => (name, false),
            };
            if !word.starts_with('-') || !is_ours(name) {
                foreign.push(word.clone());
            } else if !has_value {
                let _value = words.next_if(|next| !next.starts_with('-'));
            }
        }
        foreign
    }

    fn command_with(&self, words: &[String]) -> String {
        let mut command: Vec<_> = words.iter().map(|word| quoted(word)).collect();
        command.insert(1, format!("--{} {}", ENDPOINT.0, ENDPOINT.1));
        for (name, value) in &self.flags {
            let value = value.replace('%', "%%").replace('$', "$$");
            command.push(quoted(&format!("--{name}={value}")));
        }
        command.join(" ")
    }
}

/// Puts a word in quotes where systemd would split it.
fn quoted(word: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !"\"'\\;".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

/// Returns where a socket unit listens: its first path.
fn listens(
    socket_unit: &UnitName,
    situation: &Situation<'_>,
) -> Result<Option<Assignment>, Unanswered> {
    let Some(text) = unitfile::read(socket_unit, &situation.outlook())? else {
        return Ok(None);
    };
    let mut streams = text.assignments("Socket", "ListenStream");
    for stream in &mut streams {
        stream.value = stream.value.replace("%t/", "/run/");
    }
    Ok(streams
        .into_iter()
        .find(|stream| stream.value.starts_with('/')))
}
