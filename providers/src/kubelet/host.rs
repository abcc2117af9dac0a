//! What a host says of everything that configures its kubelet, as it is and as it will be once earlier changes are made.

use engine::name::AbsPath;
use engine::question::{CriRuntimeConfig, CriState, FileState, RegularFile, Unanswered};
use engine::resource::{Decision, Situation};

use super::arguments::{Arguments, Flag};
use super::config::Config;
use super::effective::{Layers, Unreadable};
use super::field::Field;
use super::resource::{DROP_IN, KubeletConfig, Target, unreadable};
use crate::confdir::{Fragment, fragments_in};
use crate::file::{installs, not_a_file, refused};
use crate::runtime::{CgroupDriver, KubernetesVersion, Refusal, Stop, canonical};
use crate::section::constant_path;

/// Where config directories usually are.
pub(super) const USUAL_DIRECTORY: &str = "/etc/kubernetes/kubelet.conf.d";

/// The feature gate under which the kubelet asks its runtime for the driver.
pub(super) const ASKS_RUNTIME: &str = "KubeletCgroupDriverFromCRI";

/// The field by which the kubelet starts with cgroup v1 all the same.
pub(super) const FAIL_CGROUP_V1: &str = "failCgroupV1";

/// The file as it was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) text: &'a str,
    pub(super) file: &'a RegularFile,
}

impl KubeletConfig {
    /// Returns the file at a path, none if there is none; anything but a text is not touched.
    pub(super) fn found<'a>(
        &self,
        path: &AbsPath,
        situation: &Situation<'a>,
    ) -> Result<Option<Found<'a>>, Stop> {
        let file = match situation.observed.file(path)? {
            FileState::Absent => return Ok(None),
            FileState::Regular(file) => file,
            other => return Err(not_a_file(path, other).into()),
        };
        let text = file.content.as_deref().map(std::str::from_utf8);
        let Some(Ok(text)) = text else {
            return Err(
                refused(format!("`{path}` is not readable text"), "mend it by hand").into(),
            );
        };
        Ok(Some(Found { text, file }))
    }

    /// Checks that the kubelet reads the file at all, and returns what must still come true for that.
    pub(super) fn check_arguments(
        &self,
        arguments: &Arguments,
        situation: &Situation<'_>,
    ) -> Result<Option<String>, Stop> {
        if let Some(why) = arguments.unread() {
            return Err(Decision::Unknown(format!(
                "what the kubelet is started with is not known: {why}"
            ))
            .into());
        }
        let (name, path) = match &self.target {
            Target::ConfigFile(path) => ("config", path),
            Target::DropIn { directory, .. } => ("config-dir", directory),
        };
        if arguments.has_unit() {
            check_config_file(arguments, &self.config_file)?;
            check_directory(arguments, &self.target)?;
        }
        if arguments.last(name).is_some_and(|_| arguments.has_unit()) {
            return Ok(None);
        }
        // A package may bring the flags, as kubeadm's does.
        if arguments.has_unit() && !installs(situation.proposed) {
            return Err(Refusal::new(format!(
                "the kubelet is started without `--{name}`, so it does not read `{path}`"
            ))
            .help(format!(
                "add `--{name}={path}` to its flags, in its unit or in KUBELET_EXTRA_ARGS"
            ))
            .into());
        }
        let is_usual = matches!(self.target, Target::ConfigFile(_)) && !arguments.has_unit();
        Ok((!is_usual).then(|| format!("the kubelet must be started with `--{name}={path}`")))
    }

    /// Returns the drop-ins that the kubelet reads besides ours, in their order.
    pub(super) fn drop_ins<'a>(
        &self,
        arguments: &Arguments,
        situation: &Situation<'a>,
    ) -> Result<Vec<Fragment<'a>>, Stop> {
        let directory = match &self.target {
            Target::DropIn { directory, .. } => Some(directory.clone()),
            Target::ConfigFile(path) => match arguments.last("config-dir") {
                Some(flag) => Some(self.asked(flag, path)?),
                None => None,
            },
        };
        let Some(directory) = directory else {
            return Ok(Vec::new());
        };
        let mut drop_ins = fragments_in(&situation.outlook(), &[directory])?;
        drop_ins.retain(|drop_in| drop_in.path != self.target.path().as_str());
        Ok(drop_ins)
    }

    /// Returns the config directory of a flag, if the host was asked about it.
    fn asked(&self, flag: &Flag, path: &AbsPath) -> Result<AbsPath, Refusal> {
        let named = flag.value.as_deref().unwrap_or_default();
        self.directories()
            .find(|directory| directory.as_str() == named)
            .ok_or_else(|| {
                let named = named.escape_debug();
                Refusal::new(format!(
                    "drop-ins in `{named}` win over `{path}`, and were not read: {}",
                    flag.place
                ))
                .help(format!(
                    "set `kubelet.configDir: {named}`, to have a drop-in written there"
                ))
            })
    }

    /// Returns the config directories that the host is asked about.
    pub(super) fn directories(&self) -> impl Iterator<Item = AbsPath> {
        let ours = match &self.target {
            Target::DropIn { directory, .. } => directory.clone(),
            Target::ConfigFile(_) => constant_path(USUAL_DIRECTORY),
        };
        std::iter::once(ours)
    }

    /// Returns the config file below a drop-in of ours, as far as it is in block style.
    pub(super) fn config_below<'a>(
        &self,
        situation: &Situation<'a>,
    ) -> Result<Option<&'a str>, Stop> {
        match self.target {
            Target::ConfigFile(_) => Ok(None),
            Target::DropIn { .. } => {
                let found = self.found(&self.config_file, situation)?;
                let text = found.map(|found| found.text);
                Ok(text.filter(|text| Config::read(text).is_ok()))
            }
        }
    }

    /// Returns all that configures the kubelet, with a text in the place of our file.
    pub(super) fn layers<'a>(
        &self,
        arguments: &'a Arguments,
        drop_ins: &'a [Fragment],
        below: Option<&'a str>,
        ours: Option<&'a str>,
    ) -> Result<Layers<'a>, Stop> {
        let path = self.target.path();
        let ours = ours.and_then(|text| Some((path.to_string(), Config::read(text).ok()?)));
        let mut layers = Layers::read(arguments, drop_ins, None)
            .map_err(|Unreadable { path, error }| unreadable(&path, &error))?;
        match self.target {
            Target::ConfigFile(_) => layers.config = ours,
            Target::DropIn { .. } => {
                let name = |path: &str| path.rsplit('/').next().map(str::to_owned);
                let at = layers
                    .drop_ins
                    .partition_point(|(path, _)| name(path).as_deref() < Some(DROP_IN));
                if let Some(ours) = ours {
                    layers.drop_ins.insert(at, ours);
                }
                let below = below.and_then(|text| Config::read(text).ok());
                layers.config = below.map(|config| (self.config_file.to_string(), config));
            }
        }
        Ok(layers)
    }

    /// Whether the kubelet asks its runtime for the driver, if that tells.
    pub(super) fn may_ask_runtime(&self) -> bool {
        self.settings.contains_key(&Field::CgroupDriver)
            && self.kubernetes.is_some_and(KubernetesVersion::asks_runtime)
    }

    /// Returns the driver that the runtime tells the kubelet, so that the kubelet's own setting does not count.
    pub(super) fn told_by_runtime(
        &self,
        layers: &Layers<'_>,
        situation: &Situation<'_>,
    ) -> Result<Option<CgroupDriver>, Unanswered> {
        if !self.may_ask_runtime() || layers.switches_off(ASKS_RUNTIME) {
            return Ok(None);
        }
        let endpoint = layers.effective(Field::ContainerRuntimeEndpoint).value;
        if canonical(&endpoint) != canonical(self.socket.as_str()) {
            return Ok(None);
        }
        let CriState::Answers(runtime) = situation.observed.cri(&self.socket)? else {
            return Ok(None);
        };
        Ok(match runtime.config {
            CriRuntimeConfig::Driver(driver) => Some(CgroupDriver::from(driver)),
            CriRuntimeConfig::NotImplemented | CriRuntimeConfig::Untold(_) => None,
        })
    }
}

/// Checks that the kubelet reads no other config file.
fn check_config_file(arguments: &Arguments, file: &AbsPath) -> Result<(), Refusal> {
    let Some(flag) = arguments.last("config") else {
        return Ok(());
    };
    let read = flag.value.as_deref().unwrap_or_default();
    if read == file.as_str() {
        return Ok(());
    }
    let read = read.escape_debug();
    Err(Refusal::new(format!(
        "the kubelet reads `{read}` and not `{file}`: {}",
        flag.place
    ))
    .help(format!(
        "set `kubelet.configFile: {read}`, or change the flag"
    )))
}

/// Checks that the kubelet reads no other drop-ins than those beside ours.
fn check_directory(arguments: &Arguments, target: &Target) -> Result<(), Refusal> {
    let (Some(flag), Target::DropIn { directory, .. }) = (arguments.last("config-dir"), target)
    else {
        return Ok(());
    };
    let read = flag.value.as_deref().unwrap_or_default();
    if read == directory.as_str() {
        return Ok(());
    }
    let read = read.escape_debug();
    Err(Refusal::new(format!(
        "the kubelet reads drop-ins in `{read}` and not in `{directory}`: {}",
        flag.place
    ))
    .help(format!(
        "set `kubelet.configDir: {read}`, or change the flag"
    )))
}
