//! Docker Engine as the runtime of a node, with cri-dockerd: the fields `docker` and `mirantis` of the section `runtime`.
//!
//! Mirantis Container Runtime is Docker Engine under another package, with the same binary, unit and file. One resource
//! edits `daemon.json`, key by key (`daemon`, with `edit` and `json`), after it compared the file with the flags that the
//! unit gives (`flags`). `service` is the unit of dockerd: whether a reload suffices, and whether containers
//! outlive a restart. `cri` is the drop-in of cri-dockerd, its units, and its socket. `version` knows what goes together.

mod cri;
mod daemon;
mod driver;
pub(crate) mod edit;
pub(crate) mod flags;
pub(crate) mod json;
mod keys;
mod section;
mod service;
#[cfg(test)]
mod tests;
pub(crate) mod version;

use engine::diagnostic::{Diagnostic, Problems};
use engine::name::{PackageName, ResourceId, UnitName};
use engine::question::{FileState, Observed, Question, Unanswered};
use engine::resource::{Declared, Filled, Resource, Sections, Situation};
use engine::source::Span;
use engine::spec::Node;
use engine::step::{Disruption, Gate};

pub(crate) use cri::{PACKAGES as CRI_DOCKERD_PACKAGES, SOCKET as CRI_DOCKERD_SOCKET};
use daemon::DaemonConfig;
pub(crate) use driver::Driver;
pub(crate) use section::{CriDockerdSection, DockerSection};
use service::DockerRule;
use version::Version;

use crate::runtime::{
    Chosen, Daemons, Defaults, GUARDED, PREREQUISITES, SYSTEMD, Stop, UNIT, decode, listed_package,
    named_package, planned_version,
};
use crate::section::check_not_managed;
use crate::service::{UnitOwner, service_for};

/// The kind of the resource that is dockerd's configuration file.
pub(crate) const KIND: &str = "docker";

/// The packages that are known to provide dockerd.
pub(crate) const PACKAGES: [&str; 4] = [MIRANTIS, "docker.io", "docker-ce", "moby-engine"];

/// The package of Mirantis Container Runtime, which was Docker Enterprise (docs.mirantis.com/mcr).
pub(crate) const MIRANTIS: &str = "docker-ee";

/// dockerd's unit has no limit of its own; loading many containers takes time.
const GATE: Gate = Gate {
    start_seconds: 120,
    steady_seconds: 10,
    cri_socket: None,
};

/// Which field of `runtime` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// `docker`.
    Docker,
    /// `mirantis`.
    Mirantis,
}

/// A package that provides a program, and which version of the program there will be.
#[derive(Debug, Clone)]
struct Provided {
    /// The packages that may provide it: the one that the spec names, or else all that are known.
    packages: Vec<PackageName>,
}

/// Turns `runtime.docker` or `runtime.mirantis` into resources.
pub(crate) fn compile(
    engine: Engine,
    chosen: Chosen<'_>,
    problems: &mut Problems,
) -> Vec<Declared> {
    let Chosen {
        node,
        span,
        kubernetes,
        sections,
    } = chosen;
    let Some(mut runtime) = decode::<DockerSection>(node, problems) else {
        return Vec::new();
    };
    section::complete(&mut runtime, node, problems);
    check_not_managed(&sections, &runtime.config_file, ("runtime", span), problems);
    if runtime.cri_dockerd.is_none()
        && let Some(kubernetes) = kubernetes.filter(|version| version.minor() >= 24)
    {
        let message =
            format!("a kubelet {kubernetes} cannot use Docker Engine without cri-dockerd");
        problems.push(
            Diagnostic::warning("W246", span, message)
                .help("add `criDockerd: {}` here, or see to it in another way"),
        );
    }
    let docker = Provided::new(runtime.package.as_ref(), engine.packages(), &sections);
    let config = DaemonConfig {
        engine,
        wanted: daemon::wanted(&runtime),
        path: runtime.config_file.clone(),
        service: runtime.service.clone(),
        cri_service: runtime
            .cri_dockerd
            .as_ref()
            .map(|cri_dockerd| cri_dockerd.service.clone()),
        docker: docker.clone(),
        others: engine.others(runtime.package.as_ref()),
        allow_driver_change: runtime.allow_driver_change,
    };
    let owner = UnitOwner {
        unit: runtime.service.clone(),
        span,
        configs: vec![runtime.config_file.clone()],
        gate: GATE,
    };
    let mut owned = service_for(owner, &sections);
    owned.resource.wishes.enabled.get_or_insert(true);
    owned.resource.wishes.active.get_or_insert(true);
    owned.resource.after.extend(docker.resources());
    let service = owned.ruled(DockerRule {
        config: config.path.clone(),
        config_id: config.id(),
    });
    let mut declared = vec![declare(config, span), service];
    declared.extend(named_package(runtime.package.as_ref(), span, &sections));
    if let Some(cri_dockerd) = runtime.cri_dockerd {
        declared.extend(named_package(cri_dockerd.package.as_ref(), span, &sections));
        let docker = (docker, runtime.service);
        declared.extend(cri::compile(cri_dockerd, docker, engine, chosen));
    }
    declared
}

/// Returns what is filled in where the spec says nothing.
pub(crate) fn defaults(engine: Engine, chosen: Chosen<'_>) -> Vec<Filled> {
    let Chosen {
        node, kubernetes, ..
    } = chosen;
    let mut unheard = Problems::default();
    let Some(mut section) = decode::<DockerSection>(node, &mut unheard) else {
        return Vec::new();
    };
    section::complete(&mut section, node, &mut unheard);
    let driver = daemon::wanted(&section).driver;
    let mut defaults = Defaults::below(&format!("runtime.{}", engine.field()))
        .add("cgroupDriver", driver.as_str(), SYSTEMD)
        .add("allowDriverChange", section.allow_driver_change, GUARDED)
        .add("prerequisites", true, PREREQUISITES)
        .add(
            "configFile",
            section.config_file.as_str(),
            "the file that dockerd reads where no flag names another",
        )
        .add("service", section.service.as_str(), UNIT);
    if let Some(cri_dockerd) = &section.cri_dockerd {
        let pause = cri::pause_image(cri_dockerd, kubernetes);
        defaults = defaults
            .add("criDockerd.service", cri_dockerd.service.as_str(), UNIT)
            .add_pause_image("criDockerd.podInfraContainerImage", pause, kubernetes)
            .add(
                "criDockerd.socket",
                cri::socket(cri_dockerd).as_str(),
                "where the socket unit of its package listens",
            );
    }
    defaults.finish()
}

/// Returns its daemons, as far as other sections build on them.
pub(crate) fn daemons(node: &Node) -> Option<Daemons> {
    let mut unheard = Problems::default();
    let mut section: DockerSection = decode(node, &mut unheard)?;
    section::complete(&mut section, node, &mut unheard);
    let (cri_service, socket) = match section.cri_dockerd {
        Some(cri) => {
            let socket = cri::socket(&cri);
            (Some(cri.service), Some(socket))
        }
        None => (None, None),
    };
    Some(Daemons {
        service: section.service,
        cri_service,
        socket,
        limit_no_file: section.limit_no_file,
    })
}

/// Returns what a restart of a unit does to what runs on the node: that of dockerd takes its containers along, unless they
/// live on. What dockerd is told now is known where the spec chooses Docker Engine.
pub(crate) fn restart_disruption(unit: &UnitName, observed: &Observed) -> Disruption {
    let usual = DockerSection::default();
    if *unit != usual.service {
        return Disruption::Restart;
    }
    match observed.file(&usual.config_file) {
        Ok(FileState::Regular(file)) if service::keeps_containers(file) => Disruption::Restart,
        Ok(_) | Err(_) => Disruption::PodLoss,
    }
}

fn declare(resource: impl Resource + 'static, span: Span) -> Declared {
    Declared {
        resource: Box::new(resource),
        span,
        written: Vec::new(),
    }
}

/// Returns the first of some packages that is installed.
fn installed<'a>(
    packages: &'a [PackageName],
    observed: &Observed,
) -> Result<Option<&'a PackageName>, Unanswered> {
    for name in packages {
        if observed.package(name)?.installed.is_some() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

impl Engine {
    /// Returns the field of `runtime`.
    fn field(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Mirantis => "mirantis",
        }
    }

    /// Returns the packages that are known to provide its dockerd.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Docker => &PACKAGES,
            Self::Mirantis => &[MIRANTIS],
        }
    }

    /// Returns the packages with which a node is of another engine. Whoever names a package knows what it is.
    fn others(self, named: Option<&PackageName>) -> Vec<PackageName> {
        let others = PACKAGES
            .iter()
            .filter(|package| named.is_none() && !self.packages().contains(package));
        others.filter_map(|name| name.parse().ok()).collect()
    }
}

impl Provided {
    fn new(named: Option<&PackageName>, known: &[&str], sections: &Sections<'_>) -> Self {
        let named = named.cloned().or_else(|| listed_package(sections, known));
        Self {
            packages: match named {
                Some(name) => vec![name],
                None => known.iter().filter_map(|name| name.parse().ok()).collect(),
            },
        }
    }

    fn questions(&self) -> impl Iterator<Item = Question> {
        self.packages.iter().cloned().map(Question::Installed)
    }

    /// Returns the resources that bring it. The graph drops those that the host does not have.
    fn resources(&self) -> impl Iterator<Item = ResourceId> {
        self.packages
            .iter()
            .map(|name| ResourceId::new("package", name))
    }

    /// Whether the plan installs it, or another version of it.
    fn is_planned(&self, situation: &Situation<'_>) -> bool {
        self.packages
            .iter()
            .any(|name| planned_version(name, situation).is_ok_and(|version| version.is_some()))
    }

    /// Whether a package that provides it is installed.
    fn is_installed(&self, observed: &Observed) -> Result<bool, Unanswered> {
        Ok(installed(&self.packages, observed)?.is_some())
    }

    /// Returns the version that there will be; none if no package tells.
    fn version(&self, situation: &Situation<'_>) -> Result<Option<Version>, Stop> {
        for name in &self.packages {
            let text = match planned_version(name, situation)? {
                Some(version) => Some(version),
                None => situation.observed.package(name)?.installed.clone(),
            };
            if let Some(text) = text {
                return Ok(Version::parse(&text));
            }
        }
        Ok(None)
    }
}
