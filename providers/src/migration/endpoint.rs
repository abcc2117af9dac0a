//! The kubelet is pointed at another runtime: by the flag that kubeadm wrote for it, or, from Kubernetes 1.34 on, by
//! kubeadm's `instance-config.yaml`. A node that has not joined has neither, and kubeadm will write them.

use engine::name::{AbsPath, FileMode, PackageName, ResourceId, UnitName};
use engine::question::{FileState, Question, RegularFile, Unanswered};
use engine::resource::{Action, Decision, Proposal, Relation, Resource, Situation, TextChange};
use engine::step::{Content, Replaces, Step};

use super::flags::{self, Wanted};
use super::{config_file, docker, endpoint_of, flags_file};
use crate::file::{not_a_file, root};
use crate::kubelet::arguments::{self, Arguments, Flag};
use crate::runtime::{KubernetesVersion, Refusal, Stop, kubelet, leading_number, planned_version};
use crate::section::{notifies, requires};
use crate::service::is_running;

/// The kind of the resource.
pub(super) const KIND: &str = "endpoint";

/// Since this minor version kubeadm keeps the endpoint in `instance-config.yaml`.
const IN_CONFIG_SINCE: u32 = 34;

const KEY: &str = "containerRuntimeEndpoint";

/// The runtime that the kubelet of a node uses.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// Where it listens.
    pub(super) socket: AbsPath,
    /// Its unit.
    pub(super) service: UnitName,
    /// The Kubernetes that the node is prepared for.
    pub(super) kubernetes: Option<KubernetesVersion>,
}

impl Resource for Endpoint {
    fn id(&self) -> ResourceId {
        ResourceId::new(KIND, "kubelet")
    }

    fn desired(&self) -> String {
        format!("kubelet {KEY} {}", endpoint_of(&self.socket))
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = vec![Question::File(config_file()), Question::Unit(kubelet())];
        questions.extend(package().map(Question::Installed));
        questions.extend(arguments::questions());
        questions
    }

    fn relations(&self) -> Vec<Relation> {
        vec![
            requires(docker::id()),
            requires(ResourceId::new("service", &self.service)),
            notifies(ResourceId::new("service", kubelet())),
        ]
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        Stop::settle(self.weigh(situation))
    }
}

impl Endpoint {
    fn weigh(&self, situation: &Situation<'_>) -> Result<Decision, Stop> {
        let in_flags = read(&flags_file(), situation)?;
        let in_config = read(&config_file(), situation)?;
        if in_flags.is_none() && in_config.is_none() {
            return Ok(Decision::Converged);
        }
        let minor = self.minor(situation)?;
        check_other_flags(minor, situation)?;
        let endpoint = endpoint_of(&self.socket);
        let in_config = in_config.filter(|_| minor >= IN_CONFIG_SINCE);
        let mut proposal = Proposal::new(Action::Update, Vec::new());
        if let Some((file, text)) = in_flags {
            let wanted = Wanted {
                minor,
                endpoint: &endpoint,
                needed: in_config.is_none(),
            };
            let after = flags::edit(text, wanted).map_err(|why| left_alone(&flags_file(), &why))?;
            if after != text {
                write(&mut proposal, flags_file(), (file, text), after, situation);
            }
        }
        if let Some((file, text)) = in_config {
            let after = with_endpoint(text, &endpoint)
                .ok_or_else(|| left_alone(&config_file(), "it is not plain YAML in block style"))?;
            if after != text {
                write(&mut proposal, config_file(), (file, text), after, situation);
            }
        }
        Ok(match proposal.steps.is_empty() {
            true => Decision::Converged,
            false => Decision::Change(proposal.difference(KEY, "", endpoint)),
        })
    }

    /// Returns the minor version of the kubelet that is started next: as the plan installs it, as it is installed, as it runs,
    /// or as the spec says.
    fn minor(&self, situation: &Situation<'_>) -> Result<u32, Stop> {
        for package in package() {
            let planned = planned_version(&package, situation)?;
            let installed = situation.observed.package(&package).ok();
            let installed = installed.and_then(|package| package.installed.clone());
            if let Some(minor) = planned.or(installed).as_deref().and_then(minor_of) {
                return Ok(minor);
            }
        }
        let node = situation.observed.cluster.as_ref();
        let running = node
            .and_then(|cluster| cluster.node.as_ref())
            .and_then(|node| minor_of(&node.kubelet));
        running
            .or(self.kubernetes.map(KubernetesVersion::minor))
            .ok_or_else(|| {
                Refusal::new("which flags the kubelet takes is unknown, since its version is")
                    .help("write it as `kubernetes: { version: \"1.31\" }`")
                    .into()
            })
    }
}

fn package() -> impl Iterator<Item = PackageName> {
    "kubelet".parse().into_iter()
}

/// Returns the minor version of `v1.23.17` or `1.23.17-00`.
fn minor_of(version: &str) -> Option<u32> {
    let rest = version.strip_prefix('v').unwrap_or(version);
    let (minor, _) = leading_number(rest.strip_prefix("1.")?)?;
    Some(minor)
}

/// Returns a file with its text; none if there is none.
fn read<'a>(
    path: &AbsPath,
    situation: &Situation<'a>,
) -> Result<Option<(&'a RegularFile, &'a str)>, Stop> {
    match situation.observed.file(path)? {
        FileState::Absent => Ok(None),
        FileState::Regular(file) => match file.content.as_deref().map(std::str::from_utf8) {
            Some(Ok(text)) => Ok(Some((file, text))),
            Some(Err(_)) | None => Err(left_alone(path, "it is no readable text").into()),
        },
        other => Err(not_a_file(path, other).into()),
    }
}

fn left_alone(path: &AbsPath, why: &str) -> Refusal {
    Refusal::new(format!("{path} is not edited: {why}"))
        .help("mend it by hand, so that it reads as kubeadm writes it")
}

/// Flags that stand elsewhere than in kubeadm's file are a person's to change: in the unit, a drop-in, or a file that one of
/// them names. Those that decide about the runtime may win over kubeadm's.
fn check_other_flags(minor: u32, situation: &Situation<'_>) -> Result<(), Stop> {
    let arguments = situation.reading::<Arguments>()?;
    let kubeadm = format!("{}:", flags_file());
    let is_wrong = |flag: &&Flag| {
        let is_gone = arguments::removed_since(&flag.name).is_some_and(|since| since <= minor);
        !flag.place.starts_with(&kubeadm) && (is_gone || flags::decides(&flag.name))
    };
    match arguments.flags().find(is_wrong) {
        Some(Flag { name, place, .. }) => Err(Refusal::new(format!(
            "{place} gives the kubelet `--{name}`, which decides about its runtime or which a kubelet 1.{minor} exits on"
        ))
        .help("take it out of that file; kubeadm's own flags are set here")
        .into()),
        None => Ok(()),
    }
}

/// Returns a configuration with the endpoint, every other line as it is; none if it has the key in a way that is not one
/// plain line.
fn with_endpoint(text: &str, endpoint: &str) -> Option<String> {
    let prefix = format!("{KEY}:");
    let line = format!("{prefix} {endpoint}\n");
    let n_keys = text
        .lines()
        .filter(|line| line.starts_with(&prefix))
        .count();
    if text.trim_start().starts_with('{') || n_keys > 1 || text.matches(KEY).count() != n_keys {
        return None;
    }
    if n_keys == 0 {
        let joint = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        return Some(format!("{text}{joint}{line}"));
    }
    let said = text
        .lines()
        .find_map(|line| line.strip_prefix(&prefix))
        .map(|said| said.trim().trim_matches(['"', '\'']));
    if said == Some(endpoint) {
        return Some(text.to_owned());
    }
    let lines = text.split_inclusive('\n');
    Some(
        lines
            .map(|old| if old.starts_with(&prefix) { &line } else { old })
            .collect(),
    )
}

fn write(
    proposal: &mut Proposal,
    path: AbsPath,
    (file, before): (&RegularFile, &str),
    after: String,
    situation: &Situation<'_>,
) {
    let runs = situation.observed.unit(&kubelet()).is_ok_and(is_running);
    let name = |text: &str| text.parse().unwrap_or_else(|_| root());
    proposal.texts.push(TextChange {
        path: path.to_string(),
        before: Some(before.to_owned()),
        after: Some(after.clone()),
    });
    proposal.steps.push(Step::WriteFile {
        path,
        content: Content::Text(after),
        mode: FileMode::new(file.attributes.mode & 0o777),
        owner: name(&file.attributes.owner),
        group: name(&file.attributes.group),
        replaces: Replaces::File(file.digest.clone()),
        check: None,
        owes: if runs { vec![kubelet()] } else { Vec::new() },
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_one_line_of_a_configuration() {
        let ours = "containerRuntimeEndpoint: unix:///x\n";
        for (before, after) in [
            ("", Some(ours.to_owned())),
            ("kind: K\n", Some(format!("kind: K\n{ours}"))),
            ("kind: K", Some(format!("kind: K\n{ours}"))),
            (
                "containerRuntimeEndpoint: \"unix:///y\"\nkind: K\n",
                Some(format!("{ours}kind: K\n")),
            ),
            (
                "containerRuntimeEndpoint: \"unix:///x\"\n",
                Some("containerRuntimeEndpoint: \"unix:///x\"\n".to_owned()),
            ),
            ("{\"containerRuntimeEndpoint\": \"unix:///y\"}", None),
            ("a:\n  containerRuntimeEndpoint: unix:///y\n", None),
        ] {
            assert_eq!(with_endpoint(before, "unix:///x"), after, "{before}");
        }
    }

    #[test]
    fn versions_are_those_of_kubelets_and_of_packages() {
        for (text, minor) in [
            ("v1.23.17", Some(23)),
            ("1.31.2-1.1", Some(31)),
            ("v1.34.0-beta.1", Some(34)),
            ("2.0", None),
            ("", None),
        ] {
            assert_eq!(minor_of(text), minor, "{text}");
        }
    }
}
