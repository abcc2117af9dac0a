//! The cgroup driver that containerd's configuration comes to, for those who judge a host and change nothing.
//!
//! What `containerd config dump` says counts where it was asked and still holds. Else the file is read, and what it leaves
//! open is not guessed.

use engine::name::AbsPath;
use engine::question::{FoundFile, Observed, Question, Unanswered};
use engine::spec::Node;
use toml_edit::Item;

use super::PACKAGES;
use super::effective::Effective;
use super::files::{document, drop_in_question, found_drop_ins, imports_all};
use super::keys::Name::Field;
use super::keys::{
    CRI_IMAGES, CRI_RUNTIME, GRPC_CRI, Handler, Layout, below, entries, find, handlers, listed,
    texts,
};
use super::section::ContainerdSection;
use super::version::ContainerdVersion;
use crate::runtime::{CgroupDriver, decode};

/// A containerd whose driver is asked for: the one of a spec, or the usual one.
#[derive(Debug, Clone)]
pub(crate) struct Driver {
    section: ContainerdSection,
}

impl Driver {
    /// Returns the containerd of `runtime.containerd`, or the usual one.
    pub(crate) fn of(node: Option<&Node>) -> Self {
        let section =
            node.and_then(|node| decode(node, &mut engine::diagnostic::Problems::default()));
        Self {
            section: section.unwrap_or_default(),
        }
    }

    /// Returns what must be asked; only files, packages and units.
    pub(crate) fn questions(&self) -> Vec<Question> {
        let mut questions = vec![
            Question::File(self.config().clone()),
            Question::Unit(self.section.service.clone()),
        ];
        questions.extend(drop_in_question(self.config()));
        let packages = PACKAGES.iter().filter_map(|name| name.parse().ok());
        questions.extend(packages.map(Question::Installed));
        questions
    }

    /// Returns the driver of pods that name no handler; none if there is no containerd.
    pub(crate) fn read(&self, observed: &Observed) -> Result<Option<CgroupDriver>, Unanswered> {
        if !observed.unit(&self.section.service)?.exists() {
            return Ok(None);
        }
        let dump = observed.containerd(self.config()).ok();
        let dump = dump.and_then(|state| Effective::parse(state.effective.as_deref()?));
        match dump {
            Some(dump) => dump.driver(),
            None => self.read_files(observed),
        }
        .map(Some)
    }

    /// Whether it tells a kubelet its driver, as containerd since 2.0 does; none if its version is not known.
    pub(crate) fn tells(&self, observed: &Observed) -> Option<bool> {
        Some(!self.version(observed)?.is_one())
    }

    /// Returns where it is configured.
    pub(crate) fn config(&self) -> &AbsPath {
        &self.section.config_file
    }

    fn version(&self, observed: &Observed) -> Option<ContainerdVersion> {
        let daemon = observed.containerd(self.config()).ok();
        let daemon = daemon.and_then(|state| state.version.clone());
        let packages = PACKAGES.iter().filter_map(|name| name.parse().ok());
        let mut packaged =
            packages.filter_map(|name| observed.package(&name).ok()?.installed.clone());
        ContainerdVersion::parse(&daemon.or_else(|| packaged.next())?)
    }

    fn read_files(&self, observed: &Observed) -> Result<CgroupDriver, Unanswered> {
        let path = self.config();
        let version = self.version(observed);
        let found = document(path, observed.file(path)?)?;
        let root = found.as_ref().map(|document| document.as_item());
        self.check_imports(root, version, observed)?;
        let Some(root) = root else {
            return Ok(CgroupDriver::Cgroupfs);
        };
        let layout = layout(root, version).ok_or_else(|| {
            Unanswered(format!(
                "what containerd reads of {path} depends on its version, which is not known"
            ))
        })?;
        driver_of(root, layout)
    }

    /// Checks that nothing that the file imports has to do with CRI.
    fn check_imports(
        &self,
        root: Option<&Item>,
        version: Option<ContainerdVersion>,
        observed: &Observed,
    ) -> Result<(), Unanswered> {
        let mut imports = root.map_or_else(Vec::new, |root| listed(root, &[Field("imports")]));
        imports.retain(|import| *import != self.config().as_str());
        let is_all = |import: &&str| imports_all(self.config(), import);
        if let Some(other) = imports.iter().find(|import| !is_all(import)) {
            return Err(Unanswered(format!(
                "{} imports {}, which was not read",
                self.config(),
                other.escape_debug()
            )));
        }
        let by_default = version.is_none_or(ContainerdVersion::imports_conf_d);
        if imports.is_empty() && !by_default {
            return Ok(());
        }
        for FoundFile { path, state, .. } in found_drop_ins(self.config(), observed)? {
            let Some(document) = document(path, state)? else {
                continue;
            };
            let is_cri = |name: &str| ["cri", GRPC_CRI, CRI_RUNTIME, CRI_IMAGES].contains(&name);
            let plugins = find(document.as_item(), &[Field("plugins")]);
            if plugins
                .into_iter()
                .flat_map(entries)
                .any(|(name, _)| is_cri(name))
            {
                return Err(Unanswered(format!(
                    "{path} may change what {} says of CRI",
                    self.config()
                )));
            }
        }
        Ok(())
    }
}

/// Returns the tables that containerd reads; none if that takes a version.
fn layout(root: &Item, version: Option<ContainerdVersion>) -> Option<Layout> {
    let is_one = version.map(ContainerdVersion::is_one);
    let format = find(root, &[Field("version")]);
    let holds = |name: &str| {
        let plugins = find(root, &[Field("plugins")]);
        plugins
            .into_iter()
            .flat_map(entries)
            .any(|(key, _)| key == name)
    };
    match format
        .first()
        .map_or(Some(1), |format| format.as_integer())?
    {
        1 if !holds("cri") => Some(Layout::Short),
        1 => is_one?.then_some(Layout::Short),
        2 if !holds(CRI_RUNTIME) => Some(Layout::Whole),
        2 if is_one? => Some(Layout::Whole),
        2 => (!holds(GRPC_CRI)).then_some(Layout::Split),
        3 | 4 if is_one? => None,
        3 | 4 => Some(Layout::Split),
        _ => None,
    }
}

/// Returns the driver of the handler that pods get which name none; containerd itself has a runc without systemd.
pub(super) fn driver_of(root: &Item, layout: Layout) -> Result<CgroupDriver, Unanswered> {
    let key = below(layout.containerd(), &[Field("default_runtime_name")]);
    let name = texts(root, &key).into_iter().next_back().unwrap_or("runc");
    let name = if name.is_empty() { "runc" } else { name };
    let handlers = handlers(root, layout);
    let named = |handler: &&Handler| handler.place == ["runtimes", name];
    match handlers.iter().find(named) {
        Some(handler) if handler.is_runc() || name == "runc" => Ok(match handler.uses_systemd() {
            true => CgroupDriver::Systemd,
            false => CgroupDriver::Cgroupfs,
        }),
        None if name == "runc" => Ok(CgroupDriver::Cgroupfs),
        Some(_) | None => Err(Unanswered(format!(
            "how containerd's handler {} puts processes into cgroups is not known",
            name.escape_debug()
        ))),
    }
}
