//! What containerd says its configuration comes to: the output of `containerd config dump`, imports and migrations done.

use engine::facts::Os;
use engine::question::Unanswered;
use engine::resource::Difference;
use toml_edit::{DocumentMut, Item};

use super::driver::driver_of;
use super::edit::{self, Wanted};
use super::format::layout_of_dump;
use super::keys::Name::Field;
use super::keys::{CRI_PLUGINS, Handler, Layout, Name, RUNC_V2, below, handlers, listed, texts};
use crate::runtime::CgroupDriver;

/// An effective configuration.
#[derive(Debug)]
pub(super) struct Effective {
    document: DocumentMut,
    layout: Layout,
}

impl Effective {
    /// Reads what `containerd config dump` printed. Its format need not be that of the file.
    pub(super) fn parse(dump: &str) -> Option<Self> {
        let document: DocumentMut = dump.parse().ok()?;
        let layout = layout_of_dump(document.as_item())?;
        Some(Self { document, layout })
    }

    /// Returns what a configuration comes to that is read from files.
    pub(super) fn of(root: Item, layout: Layout) -> Self {
        let table = root.into_table().unwrap_or_default();
        Self {
            document: DocumentMut::from(table),
            layout,
        }
    }

    /// Returns the address of the daemon's socket.
    pub(super) fn address(&self) -> Option<String> {
        edit::address(self.root())
    }

    /// Returns the driver of pods that name no handler.
    pub(super) fn driver(&self) -> Result<CgroupDriver, Unanswered> {
        driver_of(self.root(), self.layout)
    }

    /// Whether a handler of the runc shim has another driver.
    pub(super) fn has_other_driver(&self, driver: CgroupDriver) -> bool {
        self.runc_handlers()
            .any(|handler| handler.uses_systemd() != driver.is_systemd())
    }

    /// Returns what does not come to what is wanted.
    pub(super) fn disagreements(&self, wanted: &Wanted) -> Vec<Difference> {
        let Wanted {
            os,
            driver,
            sandbox_image,
            registry_config_path,
            cni_bin_dirs,
            cni_conf_dir,
        } = wanted;
        let (images, sandbox) = self.layout.sandbox_image();
        let registry = below(self.layout.registry(), &[Field("config_path")]);
        let conf_dir = below(self.layout.cni(), &[Field("conf_dir")]);
        let texts = [
            (
                below(images, &[Field(sandbox)]),
                sandbox,
                sandbox_image.clone(),
            ),
            (
                registry,
                "registry.config_path",
                registry_config_path
                    .as_ref()
                    .map(|path| wanted.written(path)),
            ),
            (
                conf_dir,
                "cni.conf_dir",
                cni_conf_dir.as_ref().map(|path| wanted.written(path)),
            ),
        ];
        let mut found = self.disabled();
        if *os == Os::Linux {
            found.extend(self.handlers_with_other_driver(*driver));
        }
        for (path, attribute, wanted) in texts {
            let wanted = wanted.map(|wanted| format!("{wanted:?}"));
            found.extend(wanted.and_then(|wanted| self.other_text(&path, attribute, &wanted)));
        }
        let bin_dirs: Vec<_> = cni_bin_dirs
            .iter()
            .map(|path| wanted.written(path))
            .collect();
        found.extend(self.other_bin_dirs(&bin_dirs));
        found
    }

    fn root(&self) -> &Item {
        self.document.as_item()
    }

    fn runc_handlers(&self) -> impl Iterator<Item = Handler> {
        handlers(self.root(), self.layout)
            .into_iter()
            .filter(Handler::is_runc)
    }

    fn disabled(&self) -> Vec<Difference> {
        listed(self.root(), &[Field("disabled_plugins")])
            .into_iter()
            .filter(|name| CRI_PLUGINS.contains(name))
            .map(|name| difference("disabled_plugins", format!("{name:?}"), String::new()))
            .collect()
    }

    fn handlers_with_other_driver(&self, driver: CgroupDriver) -> Vec<Difference> {
        let runc = handlers(self.root(), self.layout)
            .into_iter()
            .find(|handler| handler.place == ["runtimes", "runc"]);
        let runc_type = runc.map_or_else(String::new, |handler| handler.runtime_type);
        let mut found = Vec::new();
        if runc_type.is_empty() {
            let attribute = "runtimes.runc.runtime_type";
            found.push(difference(attribute, String::new(), format!("{RUNC_V2:?}")));
        }
        for handler in self.runc_handlers() {
            if handler.uses_systemd() != driver.is_systemd() {
                found.push(difference(
                    &format!("{}.options.SystemdCgroup", handler.place.join(".")),
                    handler.systemd_cgroup.join(", "),
                    driver.is_systemd().to_string(),
                ));
            }
        }
        found
    }

    fn other_text(&self, path: &[Name<'_>], attribute: &str, wanted: &str) -> Option<Difference> {
        let found: Vec<_> = texts(self.root(), path)
            .into_iter()
            .map(|text| format!("{text:?}"))
            .collect();
        let found = found.join(", ");
        (found != wanted).then(|| difference(attribute, found, wanted.to_owned()))
    }

    fn other_bin_dirs(&self, wanted: &[String]) -> Option<Difference> {
        let key = |name| below(self.layout.cni(), &[Field(name)]);
        let one = texts(self.root(), &key("bin_dir"));
        let list = listed(self.root(), &key("bin_dirs"));
        let found: Vec<_> = one
            .into_iter()
            .chain(list)
            .filter(|directory| !directory.is_empty())
            .collect();
        let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();
        if wanted.is_empty() || found == wanted {
            return None;
        }
        Some(difference(
            "cni.bin_dirs",
            format!("{found:?}"),
            format!("{wanted:?}"),
        ))
    }
}

fn difference(attribute: &str, before: String, after: String) -> Difference {
    Difference {
        attribute: attribute.to_owned(),
        before,
        after,
    }
}
