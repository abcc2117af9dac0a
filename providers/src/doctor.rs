//! What a host is like before any spec: what is asked of it, and what follows from the answers. Pure, like all of this.

use std::collections::BTreeMap;

use engine::facts::{CgroupVersion, Facts, Init};
use engine::name::{AbsPath, PackageName, UnitName};
use engine::question::{CriState, FileState, FoundFile, KubeletState, Observed, Question};
use serde::Serialize;

use crate::docker::{MIRANTIS, PACKAGES};
use crate::runtime::{joined_marks, kubelet, leading_number};
use crate::section::constant_path;
use crate::service::is_running;

/// The runtimes that a kubelet may use: name, unit, and where it serves the CRI; Docker does not by itself.
const RUNTIMES: [(&str, &str, Option<&str>); 5] = [
    (
        "containerd",
        "containerd.service",
        Some("/run/containerd/containerd.sock"),
    ),
    ("CRI-O", "crio.service", Some("/run/crio/crio.sock")),
    (DOCKER, "docker.service", None),
    (
        "cri-dockerd",
        "cri-docker.service",
        Some("/run/cri-dockerd.sock"),
    ),
    // As Kubespray calls it.
    (
        "cri-dockerd",
        "cri-dockerd.service",
        Some("/run/cri-dockerd.sock"),
    ),
];

/// What Docker Engine is called, and what it is with the package of Mirantis.
const DOCKER: &str = "Docker Engine";
const MIRANTIS_NAME: &str = "Mirantis Container Runtime";

/// The last minor version whose kubelet has dockershim.
const LAST_WITH_DOCKERSHIM: u32 = 23;

const DOCKERSHIM: &str = "unix:///var/run/dockershim.sock";

/// What a host is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// hardstand works as root there.
    pub root: bool,
    /// The operating system, as it calls itself.
    pub system: String,
    /// Release of the running kernel.
    pub kernel: String,
    /// Machine architecture.
    pub architecture: String,
    /// The init system.
    pub init: Init,
    /// The cgroup hierarchy.
    pub cgroup: CgroupVersion,
    /// The container runtimes that are there.
    pub runtimes: Vec<Runtime>,
    /// The kubelet, if there is one.
    pub kubelet: Option<Kubelet>,
    /// Whether the kubelet uses Docker through dockershim, which Kubernetes 1.24 no longer has.
    pub dockershim: Dockershim,
    /// What a person should see to.
    pub hints: Vec<String>,
}

/// A container runtime on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Runtime {
    /// Its name.
    pub name: String,
    /// Its version, if it or its package tells.
    pub version: Option<String>,
    /// Where it serves the CRI, if there is anything.
    pub socket: Option<String>,
    /// Its unit runs.
    pub active: bool,
    /// What keeps a kubelet from using it, if that was seen.
    pub trouble: Option<String>,
}

/// The kubelet of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kubelet {
    /// Its version, such as `v1.31.2`.
    pub version: Option<String>,
    /// Its unit runs, or tries to.
    pub active: bool,
    /// The node has joined a cluster.
    pub joined: bool,
    /// The endpoint of its runtime, as it was told; none if nothing tells.
    pub endpoint: Option<String>,
}

/// Whether dockershim is in use, and why that is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dockershim {
    /// Whether it is; none if that cannot be told.
    pub in_use: Option<bool>,
    /// Why.
    pub why: String,
}

/// Returns what is asked of a host.
pub fn questions() -> Vec<Question> {
    let sockets = RUNTIMES.iter().filter_map(|(.., socket)| *socket);
    let units = RUNTIMES.iter().map(|(_, unit, _)| *unit);
    let files = [instance_config(), kubelet_config(), flags()];
    units
        .filter_map(unit)
        .chain([kubelet()])
        .map(Question::Unit)
        .chain(sockets.map(constant_path).map(Question::Cri))
        .chain(docker_packages().map(Question::Installed))
        .chain(files.into_iter().chain(joined_marks()).map(Question::File))
        .chain([
            Question::Kubelet(kubelet()),
            Question::Files {
                directory: manifests(),
                suffix: "yaml".to_owned(),
            },
        ])
        .collect()
}

/// Returns what follows from the answers of a host.
pub fn examine(observed: &Observed) -> Health {
    let Facts {
        os_name,
        kernel,
        architecture,
        init,
        cgroup,
        root,
        ..
    } = &observed.facts;
    let runtimes: Vec<_> = RUNTIMES
        .iter()
        .filter_map(|(name, unit_name, socket)| runtime(name, &unit(unit_name)?, *socket, observed))
        .collect();
    let kubelet = examine_kubelet(observed);
    let dockershim = dockershim(observed, kubelet.as_ref());
    Health {
        root: *root,
        system: os_name.clone(),
        kernel: kernel.clone(),
        architecture: architecture.clone(),
        init: *init,
        cgroup: *cgroup,
        hints: hints(observed, &runtimes, kubelet.as_ref(), &dockershim),
        runtimes,
        kubelet,
        dockershim,
    }
}

fn runtime(
    name: &str,
    unit: &UnitName,
    socket: Option<&'static str>,
    observed: &Observed,
) -> Option<Runtime> {
    let state = observed.unit(unit).ok()?;
    if !state.exists() {
        return None;
    }
    let active = is_running(state);
    let socket = socket.map(constant_path);
    let cri = socket.as_ref().and_then(|socket| observed.cri(socket).ok());
    let installed = docker_packages()
        .filter(|_| unit.as_str() == "docker.service")
        .find_map(|package| {
            let version = observed.package(&package).ok()?.installed.clone()?;
            Some((package, version))
        });
    let is_mirantis = installed
        .as_ref()
        .is_some_and(|(package, _)| package.as_str() == MIRANTIS);
    let package = || installed.map(|(_, version)| version);
    let (version, trouble) = match cri {
        Some(CriState::Answers(runtime)) => (Some(runtime.version.clone()), None),
        Some(CriState::NotServed(why)) => (None, Some(format!("it serves no CRI v1: {why}"))),
        Some(CriState::Failed(why)) => (None, Some(format!("its CRI does not answer: {why}"))),
        Some(CriState::Refused) => (None, Some("nobody listens at its socket".to_owned())),
        Some(CriState::Denied) => (None, Some("its socket is not ours to ask".to_owned())),
        Some(CriState::NotASocket) => (None, Some("its socket is none".to_owned())),
        Some(CriState::Absent | CriState::Unasked) | None => (package(), None),
    };
    Some(Runtime {
        name: if is_mirantis { MIRANTIS_NAME } else { name }.to_owned(),
        version,
        socket: socket
            .filter(|_| !matches!(cri, Some(CriState::Absent)))
            .map(|socket| socket.to_string()),
        active,
        trouble: trouble.filter(|_| active),
    })
}

fn examine_kubelet(observed: &Observed) -> Option<Kubelet> {
    let state = observed.kubelet(&kubelet()).ok();
    let unit = observed.unit(&kubelet()).ok();
    let version = state.and_then(|state| state.version.clone());
    if version.is_none() && !unit.is_some_and(|unit| unit.exists()) {
        return None;
    }
    let is_there = |path: AbsPath| {
        let state = observed.file(&path);
        state.is_ok_and(|state| !matches!(state, FileState::Absent | FileState::Unreadable(_)))
    };
    Some(Kubelet {
        endpoint: endpoint(observed, state),
        active: unit.is_some_and(is_running),
        joined: joined_marks().any(is_there),
        version,
    })
}

/// Returns what tells the kubelet where its runtime is: its command line, or else its configuration.
fn endpoint(observed: &Observed, state: Option<&KubeletState>) -> Option<String> {
    let words = state.and_then(|state| state.command_line.as_ref());
    let told = words.and_then(|words| flag(words, "--container-runtime-endpoint"));
    let configured = || {
        [instance_config(), kubelet_config()]
            .iter()
            .find_map(|path| {
                let text = text_of(observed, path)?;
                let line = text
                    .lines()
                    .find_map(|line| line.strip_prefix("containerRuntimeEndpoint:"))?;
                Some(line.trim().trim_matches(['"', '\'']).to_owned())
            })
            .filter(|endpoint| !endpoint.is_empty())
    };
    told.or_else(configured)
}

/// Decides as Kubernetes tells it: a kubelet up to 1.23 uses dockershim unless its command line says otherwise. That the
/// cluster shows `docker://` for the node would prove nothing, since it does so with cri-dockerd too.
fn dockershim(observed: &Observed, found: Option<&Kubelet>) -> Dockershim {
    let told = |in_use, why: String| Dockershim { in_use, why };
    let Some(found) = found else {
        return told(Some(false), "there is no kubelet".to_owned());
    };
    let Some(version) = &found.version else {
        return told(None, "the kubelet does not tell its version".to_owned());
    };
    match minor_of(version) {
        None => return told(None, format!("the kubelet calls itself {version}")),
        Some(minor) if minor > LAST_WITH_DOCKERSHIM => {
            return told(Some(false), format!("kubelet {version} has none"));
        }
        Some(_) => {}
    }
    let state = observed.kubelet(&kubelet()).ok();
    let Some(words) = state.and_then(|state| state.command_line.as_ref()) else {
        return match text_of(observed, &flags()) {
            Some(flags) => {
                let words: Vec<_> = flags
                    .split(|c: char| c.is_whitespace() || c == '"')
                    .map(str::to_owned)
                    .collect();
                let remote = flag(&words, "--container-runtime").as_deref() == Some("remote");
                let why = match remote {
                    true => "it does not run, and kubeadm's flags name another runtime",
                    false => "it does not run, and kubeadm's flags name no other runtime",
                };
                told(Some(!remote), format!("kubelet {version} has it; {why}"))
            }
            None => told(None, format!("kubelet {version} has it, and does not run")),
        };
    };
    let remote = flag(words, "--container-runtime").as_deref() == Some("remote");
    match (remote, flag(words, "--container-runtime-endpoint")) {
        (true, Some(endpoint)) => told(
            Some(false),
            format!("kubelet {version} runs with --container-runtime=remote and uses {endpoint}"),
        ),
        (true, None) => told(
            Some(false),
            format!("kubelet {version} runs with --container-runtime=remote"),
        ),
        (false, _) => told(
            Some(true),
            format!(
                "kubelet {version} runs without --container-runtime=remote, so it uses Docker by {DOCKERSHIM}"
            ),
        ),
    }
}

fn hints(
    observed: &Observed,
    runtimes: &[Runtime],
    kubelet: Option<&Kubelet>,
    dockershim: &Dockershim,
) -> Vec<String> {
    let mut hints = Vec::new();
    let facts = &observed.facts;
    if facts.init != Init::Systemd {
        hints.push("it does not run systemd, without which hardstand changes nothing".to_owned());
    }
    if !facts.root {
        hints.push(
            "hardstand is not root there: set `become: sudo` in the inventory, or log in as root"
                .to_owned(),
        );
    }
    if dockershim.in_use == Some(true) {
        hints.push(
            "dockershim is gone in Kubernetes 1.24: move to containerd with `runtime: { containerd: { replaces: docker } }`, or \
             keep Docker with `runtime: { docker: { criDockerd: {} } }`"
                .to_owned(),
        );
    }
    let serving = runtimes
        .iter()
        .filter(|runtime| runtime.active && runtime.socket.is_some() && runtime.trouble.is_none())
        .count();
    if serving > 1 {
        hints.push(
            "several runtimes serve the CRI: kubeadm needs to be told which one with criSocket"
                .to_owned(),
        );
    }
    let of_docker = mounting_docker(observed);
    if !of_docker.is_empty() {
        hints.push(format!(
            "static pods use Docker's socket and break without it: {}",
            of_docker.join(", ")
        ));
    } else if kubelet.is_some_and(|kubelet| kubelet.joined)
        && runtimes
            .iter()
            .any(|runtime| is_docker(&runtime.name) && runtime.active)
    {
        hints.push(
            "pods that mount Docker's socket break without Docker: look for `docker.sock` in `kubectl get pods -A -o yaml`"
                .to_owned(),
        );
    }
    if let Some(transaction) = &facts.open_transaction {
        hints.push(format!(
            "the transaction {transaction} is open or was interrupted"
        ));
    }
    let owed: BTreeMap<_, _> = observed.owed.iter().map(|unit| (unit, ())).collect();
    hints.extend(
        owed.keys()
            .map(|unit| format!("a restart of {unit} is owed")),
    );
    hints
}

/// Returns the manifests of static pods that name Docker's socket.
fn mounting_docker(observed: &Observed) -> Vec<String> {
    let files = observed.files(&manifests(), "yaml").unwrap_or_default();
    let names_it = |file: &&FoundFile| match &file.state {
        FileState::Regular(regular) => regular
            .content
            .as_ref()
            .is_some_and(|content| content.windows(11).any(|part| part == b"docker.sock")),
        _ => false,
    };
    files
        .iter()
        .filter(names_it)
        .map(|file| file.path.to_string())
        .collect()
}

/// Returns the value of a flag, in the last place where it stands: `--name=value` or `--name value`.
fn flag(words: &[String], name: &str) -> Option<String> {
    words.iter().enumerate().rev().find_map(|(at, word)| {
        let rest = word.strip_prefix(name)?;
        match rest.strip_prefix('=') {
            Some(value) => Some(value.to_owned()),
            None if rest.is_empty() => words.get(at + 1).cloned(),
            None => None,
        }
    })
}

fn minor_of(version: &str) -> Option<u32> {
    let (minor, _) = leading_number(version.strip_prefix("v1.")?)?;
    Some(minor)
}

fn text_of<'a>(observed: &'a Observed, path: &AbsPath) -> Option<&'a str> {
    match observed.file(path) {
        Ok(FileState::Regular(file)) => std::str::from_utf8(file.content.as_deref()?).ok(),
        _ => None,
    }
}

fn docker_packages() -> impl Iterator<Item = PackageName> {
    PACKAGES.into_iter().filter_map(|name| name.parse().ok())
}

fn is_docker(name: &str) -> bool {
    [DOCKER, MIRANTIS_NAME].contains(&name)
}

fn unit(name: &str) -> Option<UnitName> {
    name.parse().ok()
}

fn instance_config() -> AbsPath {
    constant_path("/var/lib/kubelet/instance-config.yaml")
}

fn kubelet_config() -> AbsPath {
    constant_path("/var/lib/kubelet/config.yaml")
}

fn flags() -> AbsPath {
    constant_path("/var/lib/kubelet/kubeadm-flags.env")
}

fn manifests() -> AbsPath {
    constant_path("/etc/kubernetes/manifests")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Machine;

    fn health(machine: &Machine) -> Health {
        examine(&machine.observed(questions().into_iter().collect()))
    }

    fn kubelet_of(version: &str, words: Option<&str>) -> Machine {
        let mut machine = Machine::debian().unit("kubelet.service", &[]);
        machine.kubelet = KubeletState {
            version: Some(version.to_owned()),
            command_line: words.map(|words| words.split(' ').map(str::to_owned).collect()),
        };
        machine
    }

    #[test]
    fn dockershim_is_told_from_the_command_line() {
        for (version, words, in_use) in [
            ("v1.23.17", Some("kubelet --network-plugin=cni"), Some(true)),
            (
                "v1.23.17",
                Some("kubelet --container-runtime=docker"),
                Some(true),
            ),
            (
                "v1.23.17",
                Some("kubelet --container-runtime-endpoint=unix:///run/x.sock"),
                Some(true),
            ),
            (
                "v1.20.4",
                Some(
                    "kubelet --container-runtime remote --container-runtime-endpoint unix:///run/x.sock",
                ),
                Some(false),
            ),
            ("v1.24.0", Some("kubelet"), Some(false)),
            ("v1.23.17", None, None),
            ("devel", Some("kubelet"), None),
        ] {
            let health = health(&kubelet_of(version, words));
            assert_eq!(
                health.dockershim.in_use, in_use,
                "{version} {words:?}: {health:#?}"
            );
            let told = health
                .hints
                .iter()
                .any(|hint| hint.starts_with("dockershim"));
            assert_eq!(told, in_use == Some(true));
        }
    }

    #[test]
    fn a_kubelet_that_does_not_run_is_judged_by_kubeadms_flags() {
        let stopped = kubelet_of("v1.22.1", None).file(
            "/var/lib/kubelet/kubeadm-flags.env",
            "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///x\"\n",
        );
        assert_eq!(health(&stopped).dockershim.in_use, Some(true));
    }

    #[test]
    fn the_endpoint_is_the_last_that_was_told() {
        let told = kubelet_of(
            "v1.31.2",
            Some(
                "kubelet --container-runtime-endpoint=unix:///a --container-runtime-endpoint unix:///b",
            ),
        );
        let endpoint = |machine: &Machine| health(machine).kubelet.unwrap().endpoint;
        assert_eq!(endpoint(&told).as_deref(), Some("unix:///b"));
        let configured = kubelet_of("v1.34.0", Some("kubelet")).file(
            "/var/lib/kubelet/instance-config.yaml",
            "containerRuntimeEndpoint: \"unix:///c\"\n",
        );
        assert_eq!(endpoint(&configured).as_deref(), Some("unix:///c"));
    }

    #[test]
    fn a_bare_machine_is_well() {
        let health = health(&Machine::debian());
        assert_eq!((health.runtimes.len(), health.kubelet), (0, None));
        assert_eq!(health.hints, [""; 0]);
        assert_eq!(health.dockershim.in_use, Some(false));
    }

    #[test]
    fn mirantis_is_told_by_its_package() {
        for (package, name) in [
            ("docker-ee", "Mirantis Container Runtime"),
            ("docker-ce", "Docker Engine"),
        ] {
            let machine = Machine::debian()
                .unit("docker.service", &[])
                .package(package, |p| p.installed = Some("25.0.8".into()));
            let runtimes = health(&machine).runtimes;
            assert_eq!((runtimes.len(), runtimes[0].name.as_str()), (1, name));
            assert_eq!(runtimes[0].version.as_deref(), Some("25.0.8"));
        }
    }

    #[test]
    fn static_pods_with_dockers_socket_are_named() {
        let machine = Machine::debian()
            .unit("docker.service", &[])
            .directory("/etc/kubernetes/manifests")
            .file(
                "/etc/kubernetes/manifests/a.yaml",
                "path: /var/run/docker.sock",
            )
            .file("/etc/kubernetes/manifests/b.yaml", "path: /var/run");
        let health = health(&machine);
        assert!(
            health.hints[0].ends_with(": /etc/kubernetes/manifests/a.yaml"),
            "{health:#?}"
        );
        assert_eq!(health.runtimes[0].name, "Docker Engine");
    }
}
