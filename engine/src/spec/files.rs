//! Files that a spec refers to, such as the content of a managed file.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// Largest file that a spec may refer to.
const LARGEST: u64 = 1 << 20;

/// The files below the directories of the specs, and what was read of them.
///
/// What was read is kept, so that a plan can carry it and be checked elsewhere without the directory.
#[derive(Debug, Default)]
pub struct Files {
    read: Mutex<BTreeMap<String, Arc<[u8]>>>,
    recorded: bool,
}

/// Why a file that a spec refers to could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The path leads out of the spec's directory.
    #[error("`{0}` must be a relative path that stays below the directory of the spec")]
    Outside(String),
    /// A component is a link, or the end is not a regular file.
    #[error("`{0}` is not a regular file reached without links")]
    NotRegular(String),
    /// It is larger than 1 MiB.
    #[error("`{0}` is larger than 1 MiB")]
    TooLarge(String),
    /// It could not be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A plan that carries its files does not carry this one.
    #[error("the plan does not carry `{0}`")]
    NotRecorded(String),
}

impl FileError {
    /// Returns the complaint about the place of a spec that names the file.
    pub fn at(&self, span: Span) -> Diagnostic {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Diagnostic::error("E211", span, format!("{self}: it does not exist"))
                    .help("write its path from the directory of this spec, or make the file")
            }
            Self::Read { source, .. } => {
                Diagnostic::error("E211", span, format!("{self}: {source}"))
            }
            Self::Outside(_) => {
                Diagnostic::error("E211", span, self.to_string()).help("put a copy beside the spec")
            }
            Self::NotRegular(_) | Self::TooLarge(_) | Self::NotRecorded(_) => {
                Diagnostic::error("E211", span, self.to_string())
            }
        }
    }
}

impl Files {
    /// Returns files that come from a plan alone: nothing is read from disk.
    pub fn recorded(read: BTreeMap<String, Arc<[u8]>>) -> Self {
        Self {
            read: Mutex::new(read),
            recorded: true,
        }
    }

    /// Reads a file named in the spec `spec_name`, relative to the directory of that spec.
    pub fn read(&self, spec_name: &str, relative: &str) -> Result<Arc<[u8]>, FileError> {
        let directory = Path::new(spec_name).parent().unwrap_or(Path::new(""));
        let key = directory.join(relative).to_string_lossy().into_owned();
        let mut read = self
            .read
            .lock()
            .expect("nothing panics while it holds this lock");
        if let Some(bytes) = read.get(&key) {
            return Ok(bytes.clone());
        }
        if self.recorded {
            return Err(FileError::NotRecorded(key));
        }
        let bytes: Arc<[u8]> = read_beneath(directory, relative)?.into();
        read.insert(key, bytes.clone());
        Ok(bytes)
    }

    /// Returns all that was read so far, by path.
    pub fn all_read(&self) -> BTreeMap<String, Arc<[u8]>> {
        self.read
            .lock()
            .expect("nothing panics while it holds this lock")
            .clone()
    }
}

/// Reads a regular file below a directory; no component may be a link.
fn read_beneath(directory: &Path, relative: &str) -> Result<Vec<u8>, FileError> {
    let mut path = PathBuf::from(directory);
    for component in Path::new(relative).components() {
        let Component::Normal(name) = component else {
            return Err(FileError::Outside(relative.to_owned()));
        };
        path.push(name);
        let metadata = path
            .symlink_metadata()
            .map_err(|source| read_error(&path, source))?;
        if metadata.is_symlink() {
            return Err(FileError::NotRegular(relative.to_owned()));
        }
    }
    let metadata = path
        .symlink_metadata()
        .map_err(|source| read_error(&path, source))?;
    if !metadata.is_file() {
        return Err(FileError::NotRegular(relative.to_owned()));
    }
    let file = std::fs::File::open(&path).map_err(|source| read_error(&path, source))?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| read_error(&path, source))?;
    if bytes.len() as u64 > LARGEST {
        return Err(FileError::TooLarge(relative.to_owned()));
    }
    Ok(bytes)
}

fn read_error(path: &Path, source: io::Error) -> FileError {
    FileError::Read {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_below_the_spec_are_read() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.txt"), "a").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", directory.path().join("link")).unwrap();
        let spec = directory
            .path()
            .join("spec.yaml")
            .to_string_lossy()
            .into_owned();
        let files = Files::default();
        assert_eq!(&*files.read(&spec, "a.txt").unwrap(), b"a");
        for refused in ["../etc/passwd", "/etc/passwd", "link", ".", "missing"] {
            assert!(files.read(&spec, refused).is_err(), "{refused}");
        }
        let recorded = Files::recorded(files.all_read());
        assert!(recorded.read(&spec, "a.txt").is_ok());
        assert!(recorded.read(&spec, "missing").is_err());
    }
}
