//! What the files that a main file imports make of it. What they would undo is refused before anything is written.
//!
//! Each release has its own rule (seen with 1.6.20, 1.7.24 and 2.1.9, and read in the source of 2.3): containerd 1.x takes
//! the whole table of a plugin from the file that comes last, 2.x merges key by key. A file that names no `version` is read
//! as the main file is. One in a newer format than the main file makes 1.7 and 2.3 exit, and 2.0 to 2.2 lose the CRI tables
//! of the main file.

use std::collections::BTreeMap;

use engine::facts::Os;
use engine::name::{AbsPath, ResourceId};
use engine::question::{FileState, Unanswered};
use engine::resource::{Difference, Situation};
use toml_edit::{DocumentMut, Item};

use super::edit::{Edited, Wanted};
use super::effective::Effective;
use super::files::{DROP_IN_SUFFIX, drop_ins, found_drop_ins};
use super::format::{Format, declared, layout_read, newer_than_main, short_name};
use super::host::Daemon;
use super::keys::Name::Field;
use super::keys::{CRI_PLUGINS, entries, find, listed};
use super::reading::merged;
use super::resource::ContainerdConfig;
use super::version::ContainerdVersion;
use crate::confdir;
use crate::runtime::{Refusal, Stop};

/// A file that is imported: where it stands, and what it will say; none if that is not known.
type Imported = (AbsPath, Option<String>);

/// What a main file and those that it imports are judged by.
struct Judge<'a> {
    /// The main file, as people of the host write it.
    main: &'a str,
    wanted: &'a Wanted,
    version: ContainerdVersion,
}

impl ContainerdConfig {
    /// Returns the imported files that may override ours, as the file names them. What surely undoes it is refused.
    pub(super) fn check_imports(
        &self,
        daemon: Daemon,
        edited: &Edited,
        situation: &Situation<'_>,
    ) -> Result<Vec<String>, Stop> {
        let mut open = Vec::new();
        for import in self.other_imports(edited) {
            self.check_loads(import, daemon, situation)?;
            open.push(import.clone());
        }
        let judge = Judge {
            main: &self.shown(),
            wanted: &self.wanted,
            version: daemon.version,
        };
        let unknown = judge.check(
            &self.path,
            &edited.text,
            &self.drop_in_files(daemon, edited, situation)?,
        )?;
        open.extend(unknown.iter().map(|path| self.wanted.written(path)));
        Ok(open)
    }

    /// Returns all files that may override ours, as the file names them.
    pub(super) fn imports(
        &self,
        daemon: Daemon,
        edited: &Edited,
        situation: &Situation<'_>,
    ) -> Result<Vec<String>, Unanswered> {
        let mut imports: Vec<_> = self.other_imports(edited).cloned().collect();
        let drop_ins = self.drop_in_files(daemon, edited, situation)?;
        imports.extend(drop_ins.iter().map(|(path, _)| self.wanted.written(path)));
        Ok(imports)
    }

    /// Returns what the file imports besides its drop-ins and itself.
    fn other_imports<'a>(&self, edited: &'a Edited) -> impl Iterator<Item = &'a String> {
        let itself = self.shown();
        let all = self.all_drop_ins();
        let drop_ins = move |import: &str| {
            all.as_ref()
                .is_some_and(|all| all.contains(&import.to_owned()))
        };
        edited
            .imports
            .iter()
            .filter(move |import| **import != itself && !drop_ins(import))
    }

    /// Returns how a file names all of its drop-ins: in full, or from where it stands.
    fn all_drop_ins(&self) -> Option<[String; 2]> {
        let slash = match self.wanted.os {
            Os::Linux => '/',
            Os::Windows => '\\',
        };
        let directory = drop_ins(&self.path)?;
        let all = |directory: &str| format!("{directory}{slash}*.{DROP_IN_SUFFIX}");
        Some([
            all(&self.wanted.written(&directory)),
            all(directory.file_name()),
        ])
    }

    /// Returns the drop-ins that are imported, as they will be once the earlier changes of the plan are made.
    fn drop_in_files(
        &self,
        daemon: Daemon,
        edited: &Edited,
        situation: &Situation<'_>,
    ) -> Result<Vec<Imported>, Unanswered> {
        let (Some(directory), Some(all)) = (drop_ins(&self.path), self.all_drop_ins()) else {
            return Ok(Vec::new());
        };
        let named = edited.imports.iter().any(|import| all.contains(import));
        if !named && !daemon.version.imports_conf_d() {
            return Ok(Vec::new());
        }
        let found = found_drop_ins(&self.path, situation.observed)?;
        let mut files: BTreeMap<AbsPath, Option<String>> = found
            .iter()
            .map(|found| (found.path.clone(), text_of(&found.state)))
            .collect();
        let is_drop_in = |path: &AbsPath| {
            let suffix = path.file_name().rsplit_once('.');
            path.parent() == directory && suffix.is_some_and(|(_, suffix)| suffix == DROP_IN_SUFFIX)
        };
        for (path, content) in situation.outlook().files {
            match content {
                Some(content) if is_drop_in(path) => {
                    let text = confdir::text_of(content.bytes());
                    files.insert(path.clone(), Some(text.into_owned()));
                }
                Some(_) => {}
                None => {
                    files.remove(path);
                }
            }
        }
        Ok(files.into_iter().collect())
    }

    /// containerd does not start with an import that names one file which it cannot read.
    fn check_loads(
        &self,
        import: &str,
        daemon: Daemon,
        situation: &Situation<'_>,
    ) -> Result<(), Stop> {
        let is_made = situation.changes(&ResourceId::new("file", import));
        if import.contains('*') || is_made || daemon.planned {
            return Ok(());
        }
        let state = situation.observed.containerd(&self.path)?;
        match state.failure.as_deref().filter(|why| why.contains(import)) {
            Some(why) => Err(Refusal::new(format!(
                "{} imports {}, which containerd cannot load, and it does not start with that: {}",
                self.shown(),
                import.escape_debug(),
                why.escape_debug()
            ))
            .help("make that file, or take it out of `imports`")
            .into()),
            None => Ok(()),
        }
    }
}

impl Judge<'_> {
    /// Returns the drop-ins of which it is not known what they override.
    fn check(
        &self,
        path: &AbsPath,
        text: &str,
        drop_ins: &[Imported],
    ) -> Result<Vec<AbsPath>, Refusal> {
        let mut unknown = Vec::new();
        let Ok(main) = text.parse::<DocumentMut>() else {
            return Ok(drop_ins.iter().map(|(path, _)| path.clone()).collect());
        };
        let format = declared(main.as_item())?.unwrap_or(Format::V1);
        let mut files = vec![(path.clone(), main)];
        for (path, text) in drop_ins {
            let Some(text) = text else {
                unknown.push(path.clone());
                continue;
            };
            let document = self.drop_in(path, text, format)?;
            let is_older = declared(document.as_item())?.is_some_and(|own| own < format);
            match is_older {
                true if names_cri(document.as_item()) => unknown.push(path.clone()),
                true => {}
                false => files.push((path.clone(), document)),
            }
        }
        self.check_merged(&files)?;
        Ok(unknown)
    }

    /// Reads a drop-in with which containerd starts.
    fn drop_in(&self, path: &AbsPath, text: &str, main: Format) -> Result<DocumentMut, Refusal> {
        let refused = |why: String| {
            Refusal::new(format!("{} {why}", self.wanted.written(path))).help(format!(
                "mend it, or take it out of what {} imports",
                self.main
            ))
        };
        let document: DocumentMut = text.parse().map_err(|_| {
            refused("is imported and not valid TOML: containerd does not start with it".to_owned())
        })?;
        let root = document.as_item();
        let own = declared(root)
            .map_err(|refusal| refused(format!("is imported: {}", refusal.reason)))?;
        if let Some(why) = own.and_then(|own| newer_than_main(own, main, self.version)) {
            return Err(refused(why));
        }
        if main > Format::V1
            && let Some((list, name)) = short_name(root)
        {
            return Err(refused(format!(
                "names `{}` in `{list}`, which is not the full name of a plugin: containerd does not start with it",
                name.escape_debug()
            )));
        }
        let disabled = listed(root, &[Field("disabled_plugins")]);
        if let Some(name) = disabled.into_iter().find(|name| CRI_PLUGINS.contains(name)) {
            return Err(refused(format!(
                "disables the plugin `{name}`, and the main file cannot enable it again"
            )));
        }
        Ok(document)
    }

    /// Refuses what all of the files come to, if it is not what the main file says.
    fn check_merged(&self, files: &[(AbsPath, DocumentMut)]) -> Result<(), Refusal> {
        let [(_, main), drop_ins @ ..] = files else {
            return Ok(());
        };
        let undone = self.disagreements(&merged(files, Some(self.version)));
        let alone = self.disagreements(main.as_item());
        let Some(first) = undone.into_iter().find(|it| !alone.contains(it)) else {
            return Ok(());
        };
        let paths: Vec<_> = drop_ins
            .iter()
            .map(|(path, _)| self.wanted.written(path))
            .collect();
        Err(overridden(
            &format!("{} would set", self.main),
            &first,
            "would read",
            &paths,
            self.version,
        ))
    }

    fn disagreements(&self, root: &Item) -> Vec<Difference> {
        let layout = layout_read(root, Some(self.version));
        layout.map_or_else(Vec::new, |layout| {
            Effective::of(root.clone(), layout).disagreements(self.wanted)
        })
    }
}

/// Refuses what an import undoes.
pub(super) fn overridden(
    sets: &str,
    difference: &Difference,
    reads: &str,
    imports: &[String],
    version: ContainerdVersion,
) -> Refusal {
    let or_nothing = |text: &str| match text {
        "" => "nothing".to_owned(),
        text => text.to_owned(),
    };
    let mend = "mend the imported file, or take it out of `imports`";
    let help = match version.is_one() {
        true => format!("{mend}; in containerd 1.x an import replaces the whole table of a plugin"),
        false => mend.to_owned(),
    };
    Refusal::new(format!(
        "{sets} `{}` to {}, but containerd {reads} {}: an import overrides it ({})",
        difference.attribute,
        or_nothing(&difference.after),
        or_nothing(&difference.before),
        imports.join(", ")
    ))
    .help(help)
}

/// Whether a file says anything of the CRI plugin.
fn names_cri(root: &Item) -> bool {
    find(root, &[Field("plugins")])
        .into_iter()
        .flat_map(entries)
        .any(|(name, _)| CRI_PLUGINS.contains(&name))
}

/// Returns what a file says, if it can be read.
fn text_of(state: &FileState) -> Option<String> {
    match state {
        FileState::Regular(file) => String::from_utf8(file.content.clone()?).ok(),
        FileState::Absent
        | FileState::Directory(_)
        | FileState::Symlink(_)
        | FileState::Other(_)
        | FileState::Unreadable(_) => None,
    }
}
