//! Texts from disk: the only part of this stage that reads anything.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::yaml::{LARGEST_TEXT, too_large};
use crate::diagnostic::{Diagnostic, Problems};
use crate::source::InputDocument;

/// The name of what is read from the standard input.
const STDIN: &str = "<stdin>";

/// Reads the texts behind paths: a file, a directory (its `*.yaml` and `*.yml` in order, not those below it), or `-` for
/// `stdin`. What is named twice is read once.
pub fn read_documents(
    paths: &[PathBuf],
    stdin: &mut dyn Read,
) -> Result<Vec<InputDocument>, Problems> {
    let mut problems = Problems::default();
    let mut seen = BTreeSet::new();
    let mut documents = Vec::new();
    for path in paths {
        for file in files(path, &mut problems) {
            let identity = fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
            if !seen.insert(identity) {
                continue;
            }
            match read(&file, stdin) {
                Ok(document) => documents.push(document),
                Err(problem) => problems.push(*problem),
            }
        }
    }
    if problems.has_errors() {
        return Err(problems);
    }
    Ok(documents)
}

/// Returns the files that a path stands for.
fn files(path: &Path, problems: &mut Problems) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    match yaml_files(path) {
        Ok(files) if files.is_empty() => {
            let message = format!(
                "the directory `{}` holds no .yaml or .yml file",
                path.display()
            );
            problems.push(Diagnostic::unplaced("E101", message));
            files
        }
        Ok(files) => files,
        Err(error) => {
            problems.push(*cannot_read(path, &error));
            Vec::new()
        }
    }
}

fn yaml_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_yaml && !is_hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path, stdin: &mut dyn Read) -> Result<InputDocument, Box<Diagnostic>> {
    let (name, bytes) = if path == Path::new("-") {
        (STDIN.to_owned(), read_capped(stdin, None))
    } else {
        let name = path.display().to_string();
        (name, File::open(path).and_then(read_file))
    };
    let bytes = bytes.map_err(|error| cannot_read(path, &error))?;
    match bytes {
        Bytes::All(bytes) => decode(name, bytes),
        Bytes::TooMany(size) => {
            let message = match size {
                Some(size) => format!("`{name}`: {}", too_large(size)),
                None => format!(
                    "`{name}`: the file is over the limit of {} MiB",
                    LARGEST_TEXT >> 20
                ),
            };
            Err(Box::new(Diagnostic::unplaced("E102", message)))
        }
    }
}

enum Bytes {
    All(Vec<u8>),
    /// More than the limit, and how many if that is known.
    TooMany(Option<u64>),
}

fn read_file(mut file: File) -> io::Result<Bytes> {
    let metadata = file.metadata()?;
    let size = metadata.is_file().then_some(metadata.len());
    read_capped(&mut file, size)
}

fn read_capped(reader: &mut dyn Read, size: Option<u64>) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    reader
        .take(LARGEST_TEXT as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(match bytes.len() > LARGEST_TEXT {
        true => Bytes::TooMany(size),
        false => Bytes::All(bytes),
    })
}

fn decode(name: String, bytes: Vec<u8>) -> Result<InputDocument, Box<Diagnostic>> {
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    String::from_utf8(bytes)
        .map(|text| InputDocument {
            name: name.clone(),
            text,
        })
        .map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let problem =
                Diagnostic::unplaced("E103", format!("`{name}` is not UTF-8 at byte {at}"));
            Box::new(match is_utf16 {
                true => problem.help("it looks like UTF-16; save it as UTF-8"),
                false => problem,
            })
        })
}

fn cannot_read(path: &Path, error: &io::Error) -> Box<Diagnostic> {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    let message = format!("cannot read `{}`: {reason}", path.display());
    Box::new(Diagnostic::unplaced("E131", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[PathBuf], root: &Path) -> Vec<String> {
        let documents = read_documents(paths, &mut io::Cursor::new("from: stdin")).unwrap();
        let short = |name: String| name.replace(&format!("{}/", root.display()), "");
        documents
            .into_iter()
            .map(|document| short(document.name))
            .collect()
    }

    fn failure(path: PathBuf) -> (String, Option<String>) {
        let problems = read_documents(&[path], &mut io::empty()).unwrap_err();
        let problem = problems.into_sorted().remove(0);
        (
            format!("{} {}", problem.code, problem.message),
            problem.help,
        )
    }

    #[test]
    fn files_directories_and_stdin_are_read_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for name in ["b.yaml", "a.yml", "c.txt", ".d.yaml"] {
            fs::write(root.join(name), "x: 1").unwrap();
        }
        fs::create_dir(root.join("sub.yaml")).unwrap();
        fs::write(root.join("sub.yaml/e.yaml"), "x: 1").unwrap();
        assert_eq!(names(&[root.to_owned()], root), ["a.yml", "b.yaml"]);
        let paths = [
            root.join("c.txt"),
            "-".into(),
            root.to_owned(),
            root.join("b.yaml"),
            "-".into(),
        ];
        assert_eq!(names(&paths, root), ["c.txt", "<stdin>", "a.yml", "b.yaml"]);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let path = |name: &str| root.join(name);
        fs::create_dir(path("empty")).unwrap();
        fs::write(path("latin"), b"a: \xe4").unwrap();
        fs::write(path("utf16"), b"\xff\xfea\0").unwrap();
        fs::write(path("large"), vec![b'#'; 5 << 20]).unwrap();
        let shown = root.display();
        for (name, expected, has_help) in [
            (
                "none",
                format!("E131 cannot read `{shown}/none`: it does not exist"),
                false,
            ),
            (
                "empty",
                format!("E101 the directory `{shown}/empty` holds no .yaml or .yml file"),
                false,
            ),
            (
                "latin",
                format!("E103 `{shown}/latin` is not UTF-8 at byte 3"),
                false,
            ),
            (
                "utf16",
                format!("E103 `{shown}/utf16` is not UTF-8 at byte 0"),
                true,
            ),
            (
                "large",
                format!("E102 `{shown}/large`: the file is 5.0 MiB, the limit is 4 MiB"),
                false,
            ),
        ] {
            let (message, help) = failure(path(name));
            assert_eq!((message, help.is_some()), (expected, has_help));
        }
    }
}
