//! The directory with the configuration, logs and control socket of each connection.
//!
//! ```text
//! RUNTIME_DIRECTORY/    0700, checked         whoever reaches a control socket is logged in as us
//!   lock                                      held while a run begins
//!   r.XXXXXX/           0700                  one run
//!     lock                                    held as long as the run lives
//!     c.XXXXXX/         0700                  one connection: config, master.log, jumpN.log, master
//! ```
//!
//! A run that was killed leaves its directory and, for up to a minute, its ssh masters. The next run sees that nobody
//! holds the lock, ends those masters and removes the directory.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::{Builder, TempDir};

use super::config::plain;
use super::error::TransportErrorKind as Kind;

/// The name of the control socket in the directory of a connection; the openssh crate expects this one.
pub(super) const SOCKET: &str = "master";

/// The name of the master's log in the directory of a connection.
pub(super) const LOG: &str = "master.log";

const RUN: &str = "r.";
const CONNECTION: &str = "c.";
const LOCK: &str = "lock";

/// How long the path of a socket may be on the tightest system we know (macOS: 104 bytes with the final NUL), less the
/// 17 bytes that ssh appends while it creates the socket.
const SOCKET_PATH_LIMIT: usize = 104 - 1 - 17;

/// The directory of a run; it is removed when this is dropped.
#[derive(Debug)]
pub(super) struct RunDirectory {
    directory: TempDir,
    _lock: File,
}

impl RunDirectory {
    /// Makes a directory for this run, after `end_master` has ended each control socket that dead runs left.
    pub(super) fn create(
        runtime_directory: &Path,
        end_master: impl Fn(&Path),
    ) -> Result<Self, Kind> {
        let unusable = |error: io::Error| unusable(runtime_directory, error.to_string());
        check_length(runtime_directory)?;
        plain(runtime_directory).map_err(|path| Kind::UnwritablePath { path: path.0 })?;
        make_private(runtime_directory).map_err(unusable)?;
        check_private(runtime_directory)?;
        let beginning = open_lock(runtime_directory).map_err(unusable)?;
        beginning.lock().map_err(unusable)?;
        sweep(runtime_directory, end_master).map_err(unusable)?;
        Self::new_in(runtime_directory).map_err(unusable)
    }

    /// Makes the directory of one connection.
    pub(super) fn connection(&self) -> io::Result<TempDir> {
        private_in(self.directory.path(), CONNECTION)
    }

    fn new_in(runtime_directory: &Path) -> io::Result<Self> {
        let directory = private_in(runtime_directory, RUN)?;
        let lock = open_lock(directory.path())?;
        lock.lock()?;
        Ok(Self {
            directory,
            _lock: lock,
        })
    }
}

/// Writes a file that nobody else can read and that was not there before.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)
}

/// Checks that the control socket of a connection will fit.
fn check_length(runtime_directory: &Path) -> Result<(), Kind> {
    let below = format!("/{RUN}XXXXXX/{CONNECTION}XXXXXX/{SOCKET}");
    let limit = SOCKET_PATH_LIMIT - below.len();
    match runtime_directory.as_os_str().len() {
        length if length > limit => Err(Kind::ControlPathTooLong {
            path: runtime_directory.to_owned(),
            limit,
        }),
        _ => Ok(()),
    }
}

fn make_private(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Checks that a directory is one, is ours, and is closed to everybody else.
fn check_private(directory: &Path) -> Result<(), Kind> {
    let failed = |error: io::Error| unusable(directory, error.to_string());
    let found = fs::symlink_metadata(directory).map_err(failed)?;
    if !found.is_dir() {
        return Err(unusable(directory, "it is not a directory".to_owned()));
    }
    if found.mode() & 0o077 != 0 {
        let reason = format!("others can enter it (mode {:04o})", found.mode() & 0o7777);
        return Err(unusable(directory, reason));
    }
    // What we create belongs to us; there is no other way to learn who we are without unsafe code.
    let ours = private_in(directory, CONNECTION).map_err(failed)?;
    let our_uid = fs::symlink_metadata(ours.path()).map_err(failed)?.uid();
    if found.uid() != our_uid {
        return Err(unusable(
            directory,
            format!("it belongs to the user with id {}", found.uid()),
        ));
    }
    Ok(())
}

/// Removes what dead runs left.
fn sweep(runtime_directory: &Path, end_master: impl Fn(&Path)) -> io::Result<()> {
    for run in entries(runtime_directory, RUN)? {
        let lock = open_lock(&run)?;
        if lock.try_lock().is_err() {
            continue;
        }
        let sockets = entries(&run, CONNECTION)?
            .into_iter()
            .map(|connection| connection.join(SOCKET));
        sockets
            .filter(|socket| socket.exists())
            .for_each(|socket| end_master(&socket));
        fs::remove_dir_all(&run)?;
    }
    Ok(())
}

fn entries(directory: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let is_ours = entry.file_name().to_string_lossy().starts_with(prefix);
        if is_ours && entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn open_lock(directory: &Path) -> io::Result<File> {
    let lock = directory.join(LOCK);
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(lock)
}

fn private_in(directory: &Path, prefix: &str) -> io::Result<TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    Builder::new()
        .prefix(prefix)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(directory)
}

fn unusable(directory: &Path, reason: String) -> Kind {
    Kind::RuntimeDirectory {
        path: directory.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn nothing_to_end(socket: &Path) {
        unreachable!("{}", socket.display())
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("it is there").mode() & 0o7777
    }

    #[test]
    fn everything_made_is_private_and_gone_afterwards() {
        let parent = tempfile::tempdir().expect("a directory");
        let runtime = parent.path().join("run");
        let run = RunDirectory::create(&runtime, nothing_to_end).expect("a run");
        let connection = run.connection().expect("a connection");
        assert_eq!(
            [
                mode(&runtime),
                mode(run.directory.path()),
                mode(connection.path())
            ],
            [0o700; 3]
        );
        write_private(&connection.path().join("config"), b"x").expect("written");
        assert_eq!(mode(&connection.path().join("config")), 0o600);
        drop((connection, run));
        assert_eq!(
            entries(&runtime, "").expect("entries"),
            Vec::<PathBuf>::new()
        );
    }

    #[test]
    fn a_directory_that_others_can_enter_is_refused() {
        let runtime = tempfile::tempdir().expect("a directory");
        fs::set_permissions(runtime.path(), fs::Permissions::from_mode(0o750)).expect("chmod");
        let error = RunDirectory::create(runtime.path(), nothing_to_end).expect_err("refused");
        assert!(
            error
                .to_string()
                .ends_with("others can enter it (mode 0750)"),
            "{error}"
        );
    }

    #[test]
    fn a_link_is_refused() {
        let parent = tempfile::tempdir().expect("a directory");
        let link = parent.path().join("link");
        symlink(parent.path(), &link).expect("a link");
        let error = RunDirectory::create(&link, nothing_to_end).expect_err("refused");
        assert!(
            error.to_string().ends_with("it is not a directory"),
            "{error}"
        );
    }

    #[test]
    fn a_path_too_long_or_strange_is_refused_before_anything_is_made() {
        let long = PathBuf::from(format!("/tmp/{}", "x".repeat(60)));
        let error = RunDirectory::create(&long, nothing_to_end).expect_err("refused");
        assert!(
            matches!(error, Kind::ControlPathTooLong { limit: 61, .. }),
            "{error:?}"
        );
        for path in ["/tmp/with space", "/tmp/%h", "relative"] {
            let error = RunDirectory::create(Path::new(path), nothing_to_end).expect_err("refused");
            assert_eq!(
                error,
                Kind::UnwritablePath {
                    path: path.to_owned()
                }
            );
            assert!(!Path::new(path).exists());
        }
    }

    #[test]
    fn what_dead_runs_left_is_swept_and_what_lives_stays() {
        let parent = tempfile::tempdir().expect("a directory");
        let runtime = parent.path().join("run");
        make_private(&runtime).expect("a directory");
        let dead = runtime.join("r.dead");
        fs::create_dir_all(dead.join("c.1")).expect("a directory");
        fs::write(dead.join("c.1/master"), "").expect("a file");
        let alive = RunDirectory::create(&runtime, |_| {}).expect("a run");
        fs::create_dir_all(dead.join("c.1")).expect("a directory");
        fs::write(dead.join("c.1/master"), "").expect("a file");

        let ended = RefCell::new(Vec::new());
        let end = |socket: &Path| ended.borrow_mut().push(socket.to_owned());
        let next = RunDirectory::create(&runtime, end).expect("a run");
        assert_eq!(ended.into_inner(), [dead.join("c.1/master")]);
        assert!(!dead.exists());
        assert!(alive.directory.path().exists() && next.directory.path().exists());
    }
}
