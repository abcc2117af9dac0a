//! What the steps of a plan do to the machine. A step that could not be done on a real one panics.

use engine::name::{AbsPath, UnitName};
use engine::question::{FileState, OpenFiles, PackageState};
use engine::step::{Replaces, Step};

use super::{Machine, attributes, regular};

impl Machine {
    /// Lets a process that starts have the limit that its drop-ins set last, as far as the kernel gives it.
    fn limit_open_files(&mut self, unit: &UnitName) {
        let directory = format!("/etc/systemd/system/{unit}.d/");
        let drop_ins = self.files.iter().filter_map(|(path, state)| match state {
            FileState::Regular(file) if path.starts_with(&directory) => file.content.as_deref(),
            _ => None,
        });
        let lines = drop_ins.flat_map(|text| std::str::from_utf8(text).unwrap().lines());
        let mut limits = lines.filter_map(|line| line.strip_prefix("LimitNOFILE=")?.parse().ok());
        if let Some(limit) = limits.next_back() {
            let nr_open = self.sysctls.get("fs.nr_open");
            let nr_open = nr_open.map_or(u64::MAX, |value| value.parse().unwrap());
            let limit = nr_open.min(limit);
            let limit = OpenFiles {
                soft: limit,
                hard: limit,
                bound: u64::MAX,
            };
            self.open_files.insert(unit.to_string(), limit);
        }
    }

    pub(super) fn step(&mut self, step: &Step) {
        match step {
            Step::WriteFile {
                path,
                content,
                mode,
                replaces,
                owes,
                ..
            } => {
                self.check_replaces(path, replaces);
                self.note_unit_file(path);
                let file = regular(content.bytes(), mode.bits(), self.now);
                self.files
                    .insert(path.to_string(), FileState::Regular(file));
                self.owed.extend(owes.iter().map(ToString::to_string));
            }
            Step::RemoveFile {
                path,
                replaces,
                owes,
            } => {
                self.check_replaces(path, replaces);
                self.note_unit_file(path);
                self.files.remove(path.as_str());
                self.owed.extend(owes.iter().map(ToString::to_string));
            }
            Step::CreateDirectory { path, mode, .. } => {
                let state = FileState::Directory(attributes(mode.bits()));
                self.files.insert(path.to_string(), state);
            }
            Step::RemoveDirectory { path } => {
                let below = format!("{path}/");
                let inside = self.files.keys().find(|key| key.starts_with(&below));
                assert_eq!(inside, None, "{path} is not empty");
                self.files.remove(path.as_str());
            }
            Step::SetAttributes { path, mode, .. } => match self.files.get_mut(path.as_str()) {
                Some(FileState::Regular(file)) => file.attributes = attributes(mode.bits()),
                Some(FileState::Directory(found)) => *found = attributes(mode.bits()),
                other => panic!("{path} is {other:?}"),
            },
            Step::SetSysctl { key, value } => {
                assert!(self.sysctls.contains_key(key.as_str()), "no {key}");
                self.sysctls.insert(key.to_string(), value.clone());
            }
            Step::LoadModule { name } => {
                let module = self.modules.entry(name.to_string()).or_default();
                assert!(module.available, "no {name}");
                module.loaded = true;
                if name.as_str() == "br_netfilter" {
                    for family in ["iptables", "ip6tables", "arptables"] {
                        let key = format!("net.bridge.bridge-nf-call-{family}");
                        self.sysctls.insert(key, "1".into());
                    }
                }
            }
            Step::StopSwap => self.facts.swaps.clear(),
            Step::RefreshPackages { repository } => {
                self.indexed.insert(repository.to_string());
            }
            Step::InstallPackage { name, version } => {
                let package = self.packages.entry(name.to_string()).or_default();
                assert!(!package.held, "{name} is held");
                let version = version.as_ref().map(ToString::to_string);
                package.installed = version.or_else(|| package.candidate.take());
                let unit = format!("{name}.service");
                *self = self.clone().unit(&unit, &[]);
            }
            Step::RemovePackage { name } => {
                self.packages
                    .insert(name.to_string(), PackageState::default());
            }
            Step::HoldPackage { name } => self.packages.get_mut(name.as_str()).unwrap().held = true,
            Step::UnholdPackage { name } => {
                self.packages.get_mut(name.as_str()).unwrap().held = false;
            }
            Step::ReloadUnitFiles => {
                for unit in self.units.values_mut() {
                    unit.properties
                        .insert("NeedDaemonReload".into(), "no".into());
                }
            }
            Step::EnableUnit { name } => self.set(name, "UnitFileState", "enabled"),
            Step::DisableUnit { name } => {
                for wants in ["swap.target.wants", "multi-user.target.wants"] {
                    self.files
                        .remove(&format!("/etc/systemd/system/{wants}/{name}"));
                }
                self.set(name, "UnitFileState", "disabled");
            }
            Step::MaskUnit { name } => {
                let path = format!("/etc/systemd/system/{name}");
                let link = FileState::Symlink("/dev/null".into());
                self.files.insert(path, link);
                self.set(name, "LoadState", "masked");
            }
            Step::UnmaskUnit { name } => {
                self.set(name, "LoadState", "loaded");
                self.set(name, "UnitFileState", "disabled");
            }
            Step::StartUnit { name, .. }
            | Step::RestartUnit { name, .. }
            | Step::ReloadUnit { name, .. } => {
                self.set(name, "ActiveState", "active");
                // The machine's clock stands still during a run: what starts now started after what was written now.
                self.set(
                    name,
                    "ExecMainStartTimestamp",
                    "Mon 2033-11-21 20:12:34 UTC",
                );
                self.set(name, "StateChangeTimestamp", "Mon 2033-11-21 20:12:34 UTC");
                self.owed.remove(name.as_str());
                if !matches!(step, Step::ReloadUnit { .. }) {
                    self.limit_open_files(name);
                }
            }
            Step::OweRestart { names } => self.owed.extend(names.iter().map(ToString::to_string)),
            // What a plan pauses it starts again, or the end of the transaction does.
            Step::PauseUnit { .. } => {}
            Step::StopUnit { name } => self.set(name, "ActiveState", "inactive"),
        }
    }

    /// systemd sees that the file of a unit that it has loaded is another.
    fn note_unit_file(&mut self, path: &AbsPath) {
        let names = path.as_str().strip_prefix("/etc/systemd/system/");
        let Some(name) = names.and_then(|names| names.split('/').next()) else {
            return;
        };
        if let Some(unit) = self.units.get_mut(name.strip_suffix(".d").unwrap_or(name)) {
            unit.properties
                .insert("NeedDaemonReload".into(), "yes".into());
        }
    }

    fn set(&mut self, unit: &UnitName, property: &str, value: &str) {
        let unit = self.units.entry(unit.to_string()).or_default();
        unit.properties.insert(property.into(), value.into());
    }

    fn check_replaces(&self, path: &AbsPath, replaces: &Replaces) {
        match (replaces, self.state(path.as_str())) {
            (Replaces::Nothing | Replaces::NothingOrPackaged, FileState::Absent) => {}
            (Replaces::File(digest), FileState::Regular(file)) if file.digest == *digest => {}
            (replaces, state) => panic!("{path}: {replaces:?} but {state:?}"),
        }
    }
}
