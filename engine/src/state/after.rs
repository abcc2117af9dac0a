//! What steps leave behind, step by step.

use std::collections::BTreeMap;

use crate::name::{AbsPath, PackageName, UnitName};
use crate::question::{
    Answer, Attributes, FileState, FoundFile, ModuleState, Observed, PackageState, Question,
    RegularFile, RepositoryState, SysctlState,
};
use crate::step::Step;

use super::{AFTER_APPLY, State};

/// When a file that a step writes will have been written: later than anything that runs now was started.
const LATER: i64 = i64::MAX;

impl<'a> State<'a> {
    /// Returns the host as it will be after some steps.
    pub fn after<'s>(observed: &'a Observed, steps: impl IntoIterator<Item = &'s Step>) -> Self {
        let mut state = Self::now(observed);
        for step in steps {
            state.take(step);
        }
        state
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::WriteFile {
                path,
                content,
                mode,
                owner,
                group,
                ..
            } => {
                let bytes = content.bytes();
                let file = RegularFile {
                    attributes: Attributes {
                        mode: mode.bits(),
                        owner: owner.to_string(),
                        group: group.to_string(),
                    },
                    size: bytes.len() as u64,
                    links: 1,
                    modified: LATER,
                    digest: content.digest(),
                    content: Some(bytes.to_vec()),
                };
                self.put(path, FileState::Regular(file));
            }
            Step::RemoveFile { path, .. } | Step::RemoveDirectory { path } => {
                self.put(path, FileState::Absent);
            }
            Step::CreateDirectory {
                path,
                mode,
                owner,
                group,
            } => {
                let attributes = Attributes {
                    mode: mode.bits(),
                    owner: owner.to_string(),
                    group: group.to_string(),
                };
                self.put(path, FileState::Directory(attributes));
            }
            Step::SetAttributes {
                path,
                mode,
                owner,
                group,
            } => {
                let attributes = Attributes {
                    mode: mode.bits(),
                    owner: owner.to_string(),
                    group: group.to_string(),
                };
                match self.file(path).cloned() {
                    Ok(FileState::Regular(file)) => {
                        self.put(path, FileState::Regular(RegularFile { attributes, ..file }));
                    }
                    Ok(FileState::Directory(_)) => self.put(path, FileState::Directory(attributes)),
                    Ok(_) | Err(_) => {}
                }
            }
            Step::SetSysctl { key, value } => {
                let state = SysctlState::Value(value.clone());
                self.set(Question::Sysctl(key.clone()), Answer::Sysctl(state));
            }
            Step::LoadModule { name } => {
                let mut module = self.module(name).cloned().unwrap_or_default();
                let ModuleState {
                    loaded, in_sysfs, ..
                } = &mut module;
                (*loaded, *in_sysfs) = (true, true);
                self.set(Question::Module(name.clone()), Answer::Module(module));
            }
            Step::StopSwap => self.observed.to_mut().facts.swaps.clear(),
            Step::RefreshPackages { repository } => self.set(
                Question::Repository(repository.clone()),
                Answer::Repository(RepositoryState { indexed: true }),
            ),
            Step::InstallPackage { name, version } => {
                self.package_with(name, |package| {
                    let candidate = package.candidate.take();
                    package.installed = match version {
                        Some(version) => Some(version.to_string()),
                        None => candidate.or_else(|| package.installed.take()),
                    };
                    package.broken = None;
                });
                self.doubt_programs();
            }
            Step::RemovePackage { name } => {
                self.package_with(name, |package| package.installed = None);
                self.doubt_programs();
            }
            Step::HoldPackage { name } => self.package_with(name, |package| package.held = true),
            Step::UnholdPackage { name } => {
                self.package_with(name, |package| package.held = false);
            }
            Step::ReloadUnitFiles => self.reload_unit_files(),
            Step::EnableUnit { name } => self.unit_with(name, &[("UnitFileState", "enabled")]),
            Step::DisableUnit { name } => self.unit_with(name, &[("UnitFileState", "disabled")]),
            Step::MaskUnit { name } => {
                self.unit_with(
                    name,
                    &[("LoadState", "masked"), ("UnitFileState", "masked")],
                );
            }
            Step::UnmaskUnit { name } => self.unmask(name),
            Step::StartUnit { name, .. } | Step::RestartUnit { name, .. } => {
                self.restarted.insert(name.clone());
                self.unit_with(name, &[("ActiveState", "active"), ("SubState", "running")]);
                self.doubt(|question| match question {
                    Question::Limits(unit) => unit == name,
                    question => matches!(question, Question::Cri(_)),
                });
            }
            Step::ReloadUnit { name, .. } => {
                self.unit_with(name, &[("ActiveState", "active"), ("SubState", "running")]);
                self.doubt(|question| matches!(question, Question::Cri(_)));
            }
            Step::OweRestart { .. } => {}
            Step::StopUnit { name } | Step::PauseUnit { name, .. } => {
                self.unit_with(name, &[("ActiveState", "inactive"), ("SubState", "dead")]);
                self.doubt(|question| matches!(question, Question::Cri(_)));
            }
        }
    }

    fn set(&mut self, question: Question, answer: Answer) {
        self.answers_mut().insert(question, answer);
    }

    fn answers_mut(&mut self) -> &mut BTreeMap<Question, Answer> {
        &mut self.observed.to_mut().answers
    }

    /// Takes over what is at a path into the answers about it and about the directory that lists it.
    fn put(&mut self, path: &AbsPath, state: FileState) {
        let directory = path.parent();
        let first = Question::Files {
            directory: directory.clone(),
            suffix: String::new(),
        };
        for (question, answer) in self.answers_mut().range_mut(first..) {
            match question {
                Question::Files {
                    directory: listed,
                    suffix,
                } if *listed == directory => {
                    let lists = suffix.is_empty() || path.as_str().ends_with(&format!(".{suffix}"));
                    if let (true, Answer::Files(files)) = (lists, answer) {
                        list(files, path, &state);
                    }
                }
                _ => break,
            }
        }
        self.doubt_dumps();
        self.set(Question::File(path.clone()), Answer::File(state));
    }

    /// A dump of a configuration is of the files as they were; one that is imported may stand anywhere. The program is the
    /// same.
    fn doubt_dumps(&mut self) {
        for answer in self.answers_mut().values_mut() {
            if let Answer::Containerd(state) = answer {
                state.effective = None;
                state.failure = Some(AFTER_APPLY.to_owned());
            }
        }
    }

    fn package_with(&mut self, name: &PackageName, change: impl FnOnce(&mut PackageState)) {
        let mut package = self.package(name).cloned().unwrap_or_default();
        change(&mut package);
        self.set(Question::Package(name.clone()), Answer::Package(package));
    }

    /// Sets properties of a unit. One that is uncertain stays so in all others.
    fn unit_with(&mut self, name: &UnitName, properties: &[(&str, &str)]) {
        let known = self.unit(name).cloned();
        let is_certain = known.is_ok();
        let mut unit = known.unwrap_or_else(|_| self.partly.remove(name).unwrap_or_default());
        for (property, value) in properties {
            unit.properties
                .insert((*property).to_owned(), (*value).to_owned());
        }
        match is_certain {
            true => self.set(Question::Unit(name.clone()), Answer::Unit(unit)),
            false => {
                self.partly.insert(name.clone(), unit);
            }
        }
    }

    /// Takes the mask off a unit. Whether there is a unit below it, and whether it is enabled, shows only then.
    fn unmask(&mut self, name: &UnitName) {
        let known = self.unit(name).cloned();
        let mut unit = known.unwrap_or_else(|_| self.partly.remove(name).unwrap_or_default());
        for property in ["LoadState", "UnitFileState", "FragmentPath"] {
            unit.properties.remove(property);
        }
        self.partly.insert(name.clone(), unit);
        self.doubt(|question| matches!(question, Question::Unit(unit) if unit == name));
    }

    fn reload_unit_files(&mut self) {
        let units = self
            .observed
            .answers
            .keys()
            .filter_map(|question| match question {
                Question::Unit(name) => Some(name.clone()),
                _ => None,
            });
        for unit in units.collect::<Vec<_>>() {
            self.unit_with(&unit, &[("NeedDaemonReload", "no")]);
        }
    }

    /// A package brings programs and their units; what they say of themselves is not known before.
    fn doubt_programs(&mut self) {
        self.partly.clear();
        self.doubt(|question| {
            matches!(
                question,
                Question::Containerd(_)
                    | Question::Cri(_)
                    | Question::Limits(_)
                    | Question::Unit(_)
            )
        });
    }

    /// Makes questions unanswered.
    fn doubt(&mut self, is_doubtful: impl Fn(&Question) -> bool) {
        for (question, answer) in self.answers_mut() {
            if is_doubtful(question) {
                *answer = Answer::Unanswered(AFTER_APPLY.to_owned());
            }
        }
    }
}

/// Puts a path into a list of files, or takes it out if nothing is there.
fn list(files: &mut Vec<FoundFile>, path: &AbsPath, state: &FileState) {
    files.retain(|found| found.path != *path);
    if *state != FileState::Absent {
        let at = files.partition_point(|found| found.path < *path);
        let found = FoundFile {
            path: path.clone(),
            link: None,
            state: state.clone(),
        };
        files.insert(at, found);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::facts::{Facts, Swap};
    use crate::name::Digest;
    use crate::question::{ContainerdState, UnitState};
    use crate::step::{Content, Gate, Replaces};

    fn observed(answers: impl IntoIterator<Item = (Question, Answer)>) -> Observed {
        Observed {
            facts: Facts {
                swaps: vec![Swap {
                    path: "/swap".into(),
                    kind: "file".into(),
                }],
                commands: BTreeSet::new(),
                ..Facts::default()
            },
            answers: answers.into_iter().collect(),
            receipts: std::collections::BTreeMap::new(),
            cluster: None,
            owed: Vec::new(),
            guards: Vec::new(),
        }
    }

    fn write(path: &str, text: &str) -> Step {
        Step::WriteFile {
            path: path.parse().unwrap(),
            content: Content::Text(text.into()),
            mode: engine_mode(),
            owner: "root".parse().unwrap(),
            group: "root".parse().unwrap(),
            replaces: Replaces::Nothing,
            check: None,
            owes: Vec::new(),
        }
    }

    fn engine_mode() -> crate::name::FileMode {
        crate::name::FileMode::new(0o644)
    }

    #[test]
    fn a_written_file_is_there_and_in_its_directory() {
        let directory: AbsPath = "/etc/x.d".parse().unwrap();
        let listing = Question::Files {
            directory: directory.clone(),
            suffix: "conf".into(),
        };
        let observed = observed([(listing, Answer::Files(Vec::new()))]);
        let steps = [
            write("/etc/x.d/b.conf", "b"),
            write("/etc/x.d/a.conf", "a"),
            write("/etc/x.d/a.txt", "t"),
        ];
        let state = State::after(&observed, &steps);
        let names: Vec<_> = state
            .files(&directory, "conf")
            .unwrap()
            .iter()
            .map(|found| found.path.to_string())
            .collect();
        assert_eq!(names, ["/etc/x.d/a.conf", "/etc/x.d/b.conf"]);
        let Ok(FileState::Regular(file)) = state.file(&"/etc/x.d/a.conf".parse().unwrap()) else {
            panic!("it is written");
        };
        assert_eq!(file.digest, Digest::of(b"a"));
        let gone = [
            write("/etc/x.d/a.conf", "a"),
            Step::RemoveFile {
                path: "/etc/x.d/a.conf".parse().unwrap(),
                replaces: Replaces::Nothing,
                owes: Vec::new(),
            },
        ];
        let state = State::after(&observed, &gone);
        assert_eq!(state.files(&directory, "conf").unwrap(), []);
    }

    #[test]
    fn a_written_file_makes_a_dump_old_and_leaves_the_version() {
        let config: AbsPath = "/etc/containerd/config.toml".parse().unwrap();
        let state = ContainerdState {
            version: Some("2.1.9".into()),
            effective: Some("version = 3".into()),
            failure: None,
        };
        let asked = Question::Containerd(config.clone());
        let observed = observed([(asked, Answer::Containerd(state))]);
        let steps = [write("/etc/containerd/conf.d/a.toml", "")];
        let after = State::after(&observed, &steps);
        let containerd = after.containerd(&config).unwrap();
        assert_eq!(containerd.version.as_deref(), Some("2.1.9"));
        assert_eq!(containerd.effective, None);
        assert_eq!(containerd.failure.as_deref(), Some(AFTER_APPLY));
    }

    #[test]
    fn a_unit_in_doubt_is_known_only_in_what_steps_make_of_it() {
        let unit: UnitName = "x.service".parse().unwrap();
        let mut known = UnitState::default();
        for (property, value) in [("ActiveState", "active"), ("UnitFileState", "enabled")] {
            known.properties.insert(property.into(), value.into());
        }
        let observed = observed([(Question::Unit(unit.clone()), Answer::Unit(known))]);
        let package = Step::RemovePackage {
            name: "x".parse().unwrap(),
        };
        let disable = Step::DisableUnit { name: unit.clone() };
        let unmask = Step::UnmaskUnit { name: unit.clone() };
        let after = |steps: &[Step]| {
            let state = State::after(&observed, steps);
            assert_eq!(state.unit(&unit).unwrap_err().to_string(), AFTER_APPLY);
            (
                state.is_active(&unit).ok(),
                state
                    .property(&unit, "UnitFileState")
                    .ok()
                    .map(str::to_owned),
            )
        };
        let reload = Step::ReloadUnitFiles;
        assert_eq!(after(&[package.clone(), reload.clone()]), (None, None));
        let disabled = Some("disabled".to_owned());
        assert_eq!(
            after(&[package.clone(), disable.clone(), reload]),
            (None, disabled)
        );
        assert_eq!(after(&[disable, package]), (None, None));
        // What a mask hides may be enabled.
        assert_eq!(after(&[unmask]), (Some(true), None));
    }

    #[test]
    fn what_a_restarted_runtime_says_is_not_guessed() {
        let socket: AbsPath = "/run/x.sock".parse().unwrap();
        let unit: UnitName = "x.service".parse().unwrap();
        let answers = [
            (
                Question::Cri(socket.clone()),
                Answer::Cri(crate::question::CriState::Absent),
            ),
            (
                Question::Unit(unit.clone()),
                Answer::Unit(UnitState::default()),
            ),
        ];
        let observed = observed(answers);
        assert!(State::now(&observed).cri(&socket).is_ok());
        let gate = Gate {
            start_seconds: 1,
            steady_seconds: 0,
            cri_socket: None,
        };
        let steps = [
            Step::RestartUnit {
                name: unit.clone(),
                gate,
            },
            Step::StopSwap,
        ];
        let state = State::after(&observed, &steps);
        assert!(state.restarts(&unit) && !State::now(&observed).restarts(&unit));
        assert_eq!(state.cri(&socket).unwrap_err().to_string(), AFTER_APPLY);
        assert!(state.unit(&unit).unwrap().is_active());
        assert!(state.facts().swaps.is_empty());
    }
}
