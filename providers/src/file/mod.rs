//! Files and directories: the `files` and `directories` sections, and managed files for other providers.
//!
//! [`managed_file`] is how another provider puts a whole file in place; [`FileTarget`] is for one whose content depends on
//! what was observed.

mod compile;
mod refusal;
mod resource;
pub(crate) mod shared;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use engine::diagnostic::Problems;
use engine::name::{AbsPath, ResourceId};
use engine::question::Unanswered;
use engine::resource::{Decision, Declared, Provider, Section, Sections, Situation};

pub use resource::{DirectoryResource, FileResource};
pub use target::FileTarget;

pub(crate) use refusal::{editable, not_a_file, refused};
pub(crate) use target::{installs, is_unit_file, root};

use crate::section::{Effects, list_schema};

/// Returns the file that should stand at a path with a content: root's, mode 0644 unless told otherwise.
pub fn managed_file(path: AbsPath, content: impl Into<Arc<[u8]>>) -> FileResource {
    FileResource::new(FileTarget::new(path), content)
}

/// Returns the directory that should stand at a path: root's, mode 0755.
pub fn managed_directory(path: AbsPath) -> DirectoryResource {
    DirectoryResource::new(path)
}

/// Owns `files` and `directories`, and the removal of every file and directory that hardstand created.
#[derive(Debug, Clone, Copy)]
pub struct FilesAndDirectories;

impl Provider for FilesAndDirectories {
    fn sections(&self) -> Vec<Section> {
        vec![
            Section {
                name: "directories",
                schema: list_schema::<compile::DirectoryEntry>(
                    "Directories that exist, with their mode and owners, or that do not exist.",
                    Effects {
                        changes: "a directory with its mode and owners; what is inside stays",
                        disrupts: "nothing by itself",
                    },
                ),
            },
            Section {
                name: "files",
                schema: list_schema::<compile::FileEntry>(
                    "Files with their whole content, or that do not exist.",
                    Effects {
                        changes: "a file with its whole content, mode and owners",
                        disrupts: "nothing by itself: `notifies` names who takes notice",
                    },
                ),
            },
        ]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["directory", "file"]
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        compile::compile(sections, problems)
    }

    fn remove(
        &self,
        resource: &ResourceId,
        situation: &Situation<'_>,
    ) -> Result<Decision, Unanswered> {
        let Ok(path) = resource.name().parse() else {
            return Ok(Decision::Unknown(format!(
                "the host's record names `{resource}`, which is no path"
            )));
        };
        if resource.kind() == "directory" {
            resource::remove_directory(&path, situation)
        } else {
            target::remove(&path, situation)
        }
    }
}
