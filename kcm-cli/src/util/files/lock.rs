//! An exclusive lock on a folder, so that two kcm processes never write to it at once.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::Mode;

/// Maximum number of attempts while other processes create and remove the folder for their locks.
const ATTEMPTS: usize = 100;

/// An exclusive lock on a folder (`flock`), held until it is dropped.
///
/// The folder itself is locked, because a lock file would remain beside the protected files.
#[derive(Debug)]
pub(crate) struct FolderLock {
    handle: File,
    /// Folders created for this lock, innermost first.
    made: Vec<PathBuf>,
}

/// The mode of folders that are created for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewFolders {
    /// Exactly 0755.
    Exact,
    /// 0755 less the umask.
    LessUmask,
}

/// An error of locking a folder.
#[derive(Debug)]
pub(crate) enum FolderLockError {
    /// Another process holds the lock.
    Held,
    /// The lock could not be tried.
    Io(io::Error),
}

impl FolderLock {
    /// Locks `folder`, and creates it if necessary. Does not wait.
    pub(crate) fn take(folder: &Path, new: NewFolders) -> Result<Self, FolderLockError> {
        let mut attempts = 1..ATTEMPTS;
        loop {
            let locked = make(folder, new).and_then(|made| {
                let lock = Self { handle: File::open(folder)?, made };
                let locked = lock.handle.try_lock();
                Ok((lock, locked))
            });
            match locked {
                Ok((lock, Ok(()))) if lock.is_on(folder) => return Ok(lock),
                Ok((mut lock, Ok(()))) if attempts.next().is_some() => lock.made.clear(),
                Ok((_, Ok(()))) => {
                    let gone = io::Error::other("another process removes the folder repeatedly");
                    return Err(FolderLockError::Io(gone));
                }
                Ok((mut lock, Err(TryLockError::WouldBlock))) => {
                    // The holder uses the folders now, so they must stay.
                    lock.made.clear();
                    return Err(FolderLockError::Held);
                }
                // A folder was removed after it was seen or created. A dangling link would stay and
                // is an error.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && !folder.ancestors().any(leads_nowhere)
                        && attempts.next().is_some() => {}
                Ok((_, Err(TryLockError::Error(error)))) | Err(error) => {
                    return Err(FolderLockError::Io(error));
                }
            }
        }
    }

    /// True if the locked folder is still the one at its path.
    fn is_on(&self, folder: &Path) -> bool {
        match (self.handle.metadata(), fs::metadata(folder)) {
            (Ok(locked), Ok(there)) => (locked.dev(), locked.ino()) == (there.dev(), there.ino()),
            _ => false,
        }
    }
}

impl Drop for FolderLock {
    /// Removes the folders that were created for the lock and are still empty.
    fn drop(&mut self) {
        // The next holder finds the folders gone, or keeps them: they go while the lock is held.
        for folder in &self.made {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        // A child process that another thread has just forked holds a copy of the handle until its
        // `execve`, and with it the lock.
        let _ = self.handle.unlock();
    }
}

/// True if a path is a dangling symbolic link.
fn leads_nowhere(path: &Path) -> bool {
    path.is_symlink() && !path.exists()
}

/// Creates the missing folders down to `folder`, durably; returns them innermost first.
///
/// With [`NewFolders::Exact`], each is private until it has its mode, regardless of the umask.
fn make(folder: &Path, new: NewFolders) -> io::Result<Vec<PathBuf>> {
    let mut missing: Vec<_> =
        folder.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.exists()).collect();
    let mut made = Vec::with_capacity(missing.len());
    while let Some(next) = missing.pop() {
        let first_mode = match new {
            NewFolders::Exact => Mode::PRIVATE_FOLDER,
            NewFolders::LessUmask => Mode::FOLDER,
        };
        match fs::DirBuilder::new().mode(first_mode.bits()).create(next) {
            Ok(()) => {
                made.insert(0, next.to_owned());
                if new == NewFolders::Exact {
                    fs::set_permissions(next, fs::Permissions::from_mode(Mode::FOLDER.bits()))?;
                }
                let parent = next.parent().filter(|parent| !parent.as_os_str().is_empty());
                File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !next.is_symlink() => {}
            Err(_) if next.is_symlink() => {
                let text = format!(
                    "{} is a dangling symbolic link; correct or remove the link",
                    next.display()
                );
                return Err(io::Error::new(io::ErrorKind::NotFound, text));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_keeps_others_out_and_leaves_nothing_behind() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("a/b");
        let lock = FolderLock::take(&folder, NewFolders::Exact).unwrap();
        assert!(matches!(FolderLock::take(&folder, NewFolders::Exact), Err(FolderLockError::Held)));
        drop(lock);
        assert!(!scratch.path().join("a").exists());

        let lock = FolderLock::take(&folder, NewFolders::Exact).unwrap();
        fs::write(folder.join("x"), "x").unwrap();
        drop(lock);
        assert!(folder.join("x").exists(), "what was put there in the meantime stays");
    }

    #[test]
    fn a_lock_that_is_held_leaves_the_holders_folder_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("a/b");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        match FolderLock::take(&folder, NewFolders::Exact) {
                            Ok(lock) => {
                                let file = folder.join("x");
                                fs::write(&file, "x").unwrap();
                                fs::remove_file(&file).unwrap();
                                drop(lock);
                            }
                            Err(FolderLockError::Held) => std::thread::yield_now(),
                            Err(FolderLockError::Io(error)) => panic!("{error}"),
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn a_link_that_leads_nowhere_is_an_error_and_no_reason_to_wait() {
        let scratch = tempfile::tempdir().unwrap();
        let link = scratch.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(matches!(FolderLock::take(&link, NewFolders::Exact), Err(FolderLockError::Io(_))));
        assert!(matches!(
            FolderLock::take(&link.join("below"), NewFolders::Exact),
            Err(FolderLockError::Io(_))
        ));
    }
}
