//! containerd's configuration: what keeps its CRI plugin from being loaded, and what has no effect.

use engine::check::{Found, Rule};
use engine::diagnostic::Severity;
use engine::facts::{Init, Os};
use engine::name::{AbsPath, PackageName};
use engine::question::{FileState, Question, Unanswered};
use engine::spec::Node;
use engine::state::State;

use super::spec::{Runtime, Spec};
use super::{Entry, nothing_of_spec};
use crate::containerd::{
    ContainerdSection, ContainerdVersion, Handler, Lost, Misread, PACKAGES, Reading,
    drop_in_question, windows,
};
use crate::section::constant_path;

pub(super) const CHECKS: &[Entry] = &[
    entry(CRI_DISABLED, cri_disabled),
    entry(UNKNOWN_KEY, unknown_key),
    entry(MISREAD, misread),
    entry(NO_RUNTIME_TYPE, no_runtime_type),
    entry(NO_SYSTEMD_CGROUP, no_systemd_cgroup),
    entry(MIRRORS_AND_CONFIG_PATH, mirrors_and_config_path),
    entry(HANDLERS_DIFFER, handlers_differ),
];

const fn entry(
    rule: Rule,
    of_host: fn(&Spec, &State<'_>) -> Result<Vec<Found>, Unanswered>,
) -> Entry {
    Entry {
        rule,
        applies: |spec| Containerd::of(spec).is_some(),
        of_spec: nothing_of_spec,
        questions: |spec| Containerd::of(spec).map_or_else(Vec::new, |it| it.questions()),
        of_host,
    }
}

const CRI_DISABLED: Rule = Rule {
    id: "H001",
    title: "containerd's CRI plugin is disabled",
    severity: Severity::Error,
    page: include_str!("../../../docs/checks/H001.md"),
};

const UNKNOWN_KEY: Rule = Rule {
    id: "H002",
    title: "containerd does not know a key of its configuration",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H002.md"),
};

const MISREAD: Rule = Rule {
    id: "H003",
    title: "containerd's configuration is not in the format that containerd takes it for",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H003.md"),
};

const NO_RUNTIME_TYPE: Rule = Rule {
    id: "H006",
    title: "a runtime handler of containerd 1.x has options and no runtime_type",
    severity: Severity::Error,
    page: include_str!("../../../docs/checks/H006.md"),
};

const NO_SYSTEMD_CGROUP: Rule = Rule {
    id: "H007",
    title: "SystemdCgroup is not in effect in containerd",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H007.md"),
};

const MIRRORS_AND_CONFIG_PATH: Rule = Rule {
    id: "H008",
    title: "containerd's registries are configured in two ways that exclude each other",
    severity: Severity::Error,
    page: include_str!("../../../docs/checks/H008.md"),
};

const HANDLERS_DIFFER: Rule = Rule {
    id: "H023",
    title: "the runtime handlers of containerd differ in SystemdCgroup",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H023.md"),
};

/// Returns the file that a containerd without `--config` reads.
fn default_config(os: Os) -> AbsPath {
    match os {
        Os::Linux => ContainerdSection::default().config_file,
        Os::Windows => windows::default_config(),
    }
}

/// The sockets of other runtimes: where one is, containerd need not be that of Kubernetes.
const OTHER_SOCKETS: [&str; 2] = ["/run/crio/crio.sock", "/run/cri-dockerd.sock"];

/// Where a spec has to do with containerd.
#[derive(Debug)]
pub(super) struct Containerd {
    /// The main file of its configuration.
    pub(super) config: AbsPath,
    /// The packages that may provide it.
    packages: Vec<PackageName>,
    /// Whether they tell what the daemon itself does not.
    asks_packages: bool,
    /// The spec chooses it. Otherwise it chooses nothing, and a node may have it all the same.
    pub(super) is_chosen: bool,
}

impl Containerd {
    /// Returns it if the spec chooses containerd, or is for Kubernetes and chooses no runtime.
    pub(super) fn of(spec: &Spec) -> Option<Self> {
        let is_chosen = match spec.runtime {
            Some(Runtime::Containerd) => true,
            None if spec.is_for_kubernetes() => false,
            None | Some(Runtime::Crio | Runtime::Docker | Runtime::Mirantis) => return None,
        };
        let named = spec.of_runtime("package").and_then(Node::text);
        Some(Self {
            config: spec
                .of_runtime_as("configFile")
                .unwrap_or_else(|| default_config(spec.os)),
            packages: named
                .into_iter()
                .chain(PACKAGES)
                .filter_map(|name| name.parse().ok())
                .collect(),
            asks_packages: spec.os == Os::Linux && (!is_chosen || spec.may_change_packages()),
            is_chosen,
        })
    }

    /// Returns what must be asked to read its configuration. The daemon itself is asked only if its resource asks it anyway.
    pub(super) fn questions(&self) -> Vec<Question> {
        let mut questions = vec![Question::File(self.config.clone())];
        questions.extend(drop_in_question(&self.config));
        if self.asks_packages {
            questions.extend(self.packages.iter().cloned().map(Question::Installed));
        }
        if self.is_chosen {
            questions.push(Question::Containerd(self.config.clone()));
        } else {
            questions.extend(OTHER_SOCKETS.map(|path| Question::File(constant_path(path))));
        }
        questions
    }

    /// Returns the version that is installed; none if there is none, or nobody knows it.
    pub(super) fn version(
        &self,
        state: &State<'_>,
    ) -> Result<Option<ContainerdVersion>, Unanswered> {
        let text = self.version_text(state)?;
        text.map_or(Ok(None), |text| {
            let version = ContainerdVersion::parse(&text).ok_or_else(|| {
                Unanswered(format!(
                    "`{}` is no version of containerd that can be read",
                    text.escape_debug()
                ))
            });
            version.map(Some)
        })
    }

    /// As [`Containerd::version`]; unanswered if a containerd may be there of which nobody knows it.
    pub(super) fn known_version(
        &self,
        state: &State<'_>,
    ) -> Result<Option<ContainerdVersion>, Unanswered> {
        let version = self.version(state)?;
        if version.is_none() && state.containerd(&self.config).is_err() {
            self.check_packages(state)?;
        }
        Ok(version)
    }

    /// As [`Containerd::version`], as it is told.
    pub(super) fn version_text(&self, state: &State<'_>) -> Result<Option<String>, Unanswered> {
        let daemon = state.containerd(&self.config);
        if let Ok(daemon) = &daemon
            && daemon.version.is_some()
        {
            return Ok(daemon.version.clone());
        }
        let packaged = self.package(state).map(|(_, version)| version);
        match (packaged, daemon) {
            (None, Err(why)) if !self.asks_packages => Err(why),
            (packaged, _) => Ok(packaged),
        }
    }

    /// Checks that it is known which of its packages are there.
    fn check_packages(&self, state: &State<'_>) -> Result<(), Unanswered> {
        for name in &self.packages {
            state.package(name)?;
        }
        Ok(())
    }

    /// Whether a containerd that is there was asked for its version and configuration, whatever it could say.
    pub(super) fn is_asked(&self, state: &State<'_>) -> bool {
        let daemon = state.containerd(&self.config).ok();
        daemon.is_some_and(|daemon| daemon.version.is_some())
    }

    /// Returns the package that provides it, and its version.
    pub(super) fn package(&self, state: &State<'_>) -> Option<(&PackageName, String)> {
        self.packages.iter().find_map(|name| {
            let installed = state.package(name).ok()?.installed.clone()?;
            Some((name, installed))
        })
    }

    /// Whether the spec does not choose it, and another runtime is there to serve Kubernetes.
    pub(super) fn gives_way(&self, state: &State<'_>) -> Result<bool, Unanswered> {
        if !self.is_chosen {
            for socket in OTHER_SOCKETS {
                if *state.file(&constant_path(socket))? != FileState::Absent {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Returns its configuration; none if the host has no containerd, or another runtime serves Kubernetes.
    pub(super) fn reading(&self, state: &State<'_>) -> Result<Option<Reading>, Unanswered> {
        if self.gives_way(state)? {
            return Ok(None);
        }
        let version = self.version(state)?;
        if version.is_none() && *state.file(&self.config)? == FileState::Absent {
            return Ok(None);
        }
        Reading::of(&self.config, version, state).map(Some)
    }

    /// What surely breaks a node of containerd may not matter on a node of which the spec does not say that it is one.
    fn at_worst(&self, severity: Severity) -> Severity {
        match severity {
            Severity::Error if !self.is_chosen => Severity::Warning,
            severity => severity,
        }
    }
}

/// Judges the configuration of a host, if there is one.
fn judge(
    spec: &Spec,
    state: &State<'_>,
    judge: impl Fn(&Containerd, &Reading) -> Result<Vec<Found>, Unanswered>,
) -> Result<Vec<Found>, Unanswered> {
    let Some(containerd) = Containerd::of(spec) else {
        return Ok(Vec::new());
    };
    let Some(reading) = containerd.reading(state)? else {
        return Ok(Vec::new());
    };
    let place = spec.place(&["runtime", "containerd"]);
    let found = judge(&containerd, &reading)?;
    Ok(found
        .into_iter()
        .map(|found| {
            let severity = containerd.at_worst(found.severity);
            let mut found = found.severity(severity).at(place.clone());
            if let Some(shown) = containerd
                .config
                .on_windows()
                .filter(|_| spec.os == Os::Windows)
            {
                found.message = found.message.replace(containerd.config.as_str(), &shown);
            }
            found
        })
        .collect())
}

fn cri_disabled(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    judge(spec, state, |_, reading| {
        let disabled = reading.disabled()?;
        let found = disabled.into_iter().map(|(file, plugin)| {
            CRI_DISABLED
                .found(format!(
                    "`disabled_plugins` of {file} names `{plugin}`: containerd runs without its CRI, and no kubelet can use it"
                ))
                .help("take the plugin off the list, and restart containerd")
        });
        Ok(found.collect())
    })
}

fn unknown_key(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    judge(spec, state, |_, reading| {
        let unknown = reading.unknown_keys().into_iter().map(|(file, key)| {
            let help = match key {
                "enabled_plugins" => {
                    "remove it; a plugin is enabled unless `disabled_plugins` names it"
                }
                _ => "remove it, or move it into the table it belongs to",
            };
            UNKNOWN_KEY
                .found(format!(
                    "{file} sets `{}`, which is no key of containerd: it has no effect",
                    key.escape_debug()
                ))
                .help(help)
        });
        Ok(unknown.collect())
    })
}

fn misread(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    judge(spec, state, |containerd, reading| {
        let found = reading.misread()?.into_iter().map(|misread| {
            let (severity, why, then) = match misread {
                Misread::Exits(why) => (Severity::Error, why, ": containerd does not start with it"),
                Misread::Ignores(why) => (Severity::Warning, why, ""),
            };
            MISREAD
                .found(format!("{} {why}{then}", containerd.config))
                .severity(severity)
                .help(
                    "write it in the format of its `version`, or let `runtime.containerd` bring it into one; `containerd \
                     config dump` shows what containerd makes of it",
                )
        });
        Ok(found.collect())
    })
}

fn no_runtime_type(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    judge(spec, state, |containerd, reading| {
        let handlers = reading.handlers()?;
        let lacking: Vec<&Handler> = handlers
            .iter()
            .filter(|handler| handler.runtime_type.is_empty() && !handler.systemd_cgroup.is_empty())
            .collect();
        if lacking.is_empty() {
            return Ok(Vec::new());
        }
        let version = containerd
            .version(state)?
            .ok_or_else(|| Unanswered("the version of containerd is not known".to_owned()))?;
        if !version.is_one() {
            return Ok(Vec::new());
        }
        let found = lacking.into_iter().map(|handler| {
            NO_RUNTIME_TYPE
                .found(format!(
                    "the handler `{}` of containerd {version} has `SystemdCgroup` and no `runtime_type`: containerd starts, \
                     and every pod fails",
                    handler.name().escape_debug()
                ))
                .help("add `runtime_type = \"io.containerd.runc.v2\"` to its table")
        });
        Ok(found.collect())
    })
}

fn no_systemd_cgroup(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let wants_cgroupfs = [
        spec.of_runtime("cgroupDriver"),
        spec.node(&["kubelet", "cgroupDriver"]),
    ]
    .into_iter()
    .flatten()
    .any(|driver| driver.text() == Some("cgroupfs"));
    if wants_cgroupfs || state.facts().init != Init::Systemd {
        return Ok(Vec::new());
    }
    judge(spec, state, |_, reading| {
        let Some(lost) = reading.lost_systemd_cgroup()? else {
            return Ok(Vec::new());
        };
        let follows: &[&str] = match lost {
            Lost::Unset | Lost::NoBoolean(_) => &[],
            Lost::Elsewhere(_) => &["H003"],
        };
        let why = match lost {
            Lost::Unset => "`SystemdCgroup` of the handler `runc` is not set to true".to_owned(),
            Lost::NoBoolean(value) => format!(
                "`SystemdCgroup` of the handler `runc` is {}, which is no boolean and counts for nothing",
                value.escape_debug().to_string().replace("\\\"", "\"")
            ),
            Lost::Elsewhere(place) => format!(
                "`{}` stands where containerd does not read it",
                place.escape_debug()
            ),
        };
        let message = format!("{why}: containerd manages cgroups itself, next to systemd");
        let help = "set `runtime.containerd.cgroupDriver: systemd`, or `cgroupfs` here and in the kubelet if it is meant";
        let found = NO_SYSTEMD_CGROUP.found(message).help(help);
        Ok(vec![found.follows(follows)])
    })
}

fn mirrors_and_config_path(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    judge(spec, state, |_, reading| {
        let Some((legacy, other)) = reading.registry_conflict()? else {
            return Ok(Vec::new());
        };
        let message = format!(
            "the configuration has `{legacy}` and {other}: containerd runs without its CRI, and no kubelet can use it"
        );
        let help =
            "move the mirrors to hosts.toml files below the `config_path`, and remove the tables";
        Ok(vec![MIRRORS_AND_CONFIG_PATH.found(message).help(help)])
    })
}

fn handlers_differ(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    judge(spec, state, |_, reading| {
        let handlers = reading.handlers()?;
        let runc = |handler: &&Handler| handler.is_runc() || handler.is_named_runc();
        let (with, without): (Vec<_>, Vec<_>) = handlers
            .iter()
            .filter(runc)
            .partition(|handler| handler.uses_systemd());
        if with.is_empty() || without.is_empty() {
            return Ok(Vec::new());
        }
        let names = |handlers: &[&Handler]| {
            let names: Vec<_> = handlers
                .iter()
                .map(|handler| format!("`{}`", handler.name().escape_debug()))
                .collect();
            names.join(", ")
        };
        let default = reading.default_handler()?;
        let is_default = |handler: &&Handler| handler.name() == default;
        let then = match without.iter().any(is_default) {
            true => format!(
                "; `{}` is that of pods that name none, and tells the kubelet cgroupfs",
                default.escape_debug()
            ),
            false => String::new(),
        };
        let message = format!(
            "of the handlers that run runc, {} set `SystemdCgroup` and {} do not{then}",
            names(&with),
            names(&without)
        );
        let help =
            "set `SystemdCgroup = true` in the options of each, as `runtime.containerd` does";
        let found = HANDLERS_DIFFER.found(message).help(help);
        // Where `runc` is among those without, that it is lost there says it all.
        let follows: &[&str] = match without.iter().any(|handler| handler.is_named_runc()) {
            true => &["H007"],
            false => &[],
        };
        Ok(vec![found.follows(follows)])
    })
}
