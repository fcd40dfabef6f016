//! The folder of `ssh`'s control sockets: our own, short, private, and gone when we are.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::files::{FolderLock, FolderLockError};

/// A socket's address holds 107 bytes: a folder's path, our name for the socket, and 17 that `ssh` appends for a moment.
const LONGEST_FOLDER: usize = 80;

/// A private folder for control sockets and configurations. Removed when dropped; what a killed kcm left is removed by
/// the next one.
#[derive(Debug)]
pub(super) struct ControlFolder {
    /// Held so that others can tell that we live. Let go before the folder is removed.
    _alive: FolderLock,
    folder: TempDir,
}

impl ControlFolder {
    /// Makes one, and sweeps up those whose makers are gone.
    pub(super) fn new() -> io::Result<Self> {
        let base = base();
        make_private(&base)?;
        sweep(&base);
        loop {
            let private = Permissions::from_mode(0o700);
            let folder =
                tempfile::Builder::new().prefix("").permissions(private).tempdir_in(&base)?;
            match FolderLock::take(folder.path()) {
                Ok(alive) => return Ok(Self { _alive: alive, folder }),
                // Another kcm sweeps it up before we can say that we live.
                Err(FolderLockError::Held) => {}
                Err(FolderLockError::Io(error)) => return Err(error),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The user's run-time folder, else one of our own in `/tmp`: on this machine's own disk, unlike many a home.
fn base() -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let runtime = runtime.filter(|folder| folder.is_absolute() && folder.is_dir());
    let runtime = runtime.map(|folder| folder.join("kcm"));
    // A name of six letters and a slash come after it.
    let fits = |folder: &PathBuf| folder.as_os_str().len() + 7 <= LONGEST_FOLDER;
    runtime.filter(fits).unwrap_or_else(|| PathBuf::from(format!("/tmp/kcm-{uid}")))
}

/// In `/tmp` anybody can make a folder of any name: it must be ours alone.
fn make_private(base: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(base) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(base)?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
        let problem = format!("{} is not a folder of yours; remove it", base.display());
        return Err(io::Error::other(problem));
    }
    fs::set_permissions(base, Permissions::from_mode(0o700))
}

/// Removes the folders that nobody holds. Their `ssh` ends by itself when it has been idle for a minute.
fn sweep(base: &Path) {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    for entry in entries {
        if let Ok(unheld) = FolderLock::take(&entry.path()) {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
            drop(unheld);
        }
    }
}
