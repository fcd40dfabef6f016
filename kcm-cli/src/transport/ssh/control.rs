//! The folder of `ssh`'s control sockets: short, private, owned by one kcm process and removed with
//! it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

/// Maximum length of a folder's path. A socket's address holds 107 bytes: the path, the socket's
/// name, and 17 that `ssh` appends temporarily.
const LONGEST_FOLDER: usize = 80;
/// Number of letters in a folder's name.
const NAME: usize = 6;
/// Prefix of the name of a folder that its owner has not locked yet.
const NEW: &str = "new-";
/// Age from which a folder that was never locked counts as abandoned: locking takes microseconds.
const ABANDONED: Duration = Duration::from_secs(3600);
/// Maximum number of attempts while another process removes the parent folder.
const ATTEMPTS: usize = 100;

/// A private folder for control sockets and configurations. It is removed when dropped; the next
/// kcm removes the leftovers of a killed one.
///
/// A folder is created under a name that sweeps skip, then locked, and only then renamed. No other
/// kcm can ever mistake it for an abandoned one.
#[derive(Debug)]
pub(super) struct ControlFolder {
    path: PathBuf,
    /// Lock held until the folder is removed: the sign that the owner is alive.
    _alive: File,
}

impl ControlFolder {
    /// Creates a folder, and removes those whose owners are dead.
    pub(super) fn new() -> io::Result<Self> {
        let uid = rustix::process::geteuid().as_raw();
        let shared = PathBuf::from(format!("/tmp/kcm-{uid}"));
        for base in runtime_folder().into_iter().chain([shared]) {
            match Self::within(&base) {
                // Another user created the folder first.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                made => return made,
            }
        }
        // A random, unpredictable name. Leftovers of a killed kcm stay there until `/tmp` is
        // emptied.
        let own = tempfile::Builder::new().prefix(&format!("kcm-{uid}-")).tempdir_in("/tmp")?;
        Self::within(&own.keep())
    }

    fn within(base: &Path) -> io::Result<Self> {
        let mut attempts = 1..ATTEMPTS;
        loop {
            let made = make_private(base).and_then(|opened| Ok((Self::make(base)?, opened)));
            match made {
                // A cleaner of temporary files removed a folder, or the name is taken.
                Err(error) if is_passing(&error) && attempts.next().is_some() => {}
                Err(error) => return Err(error),
                Ok((made, opened)) => {
                    sweep(&opened);
                    return Ok(made);
                }
            }
        }
    }

    fn make(base: &Path) -> io::Result<Self> {
        let private = Permissions::from_mode(0o700);
        let mut builder = tempfile::Builder::new();
        let new = builder.prefix(NEW).rand_bytes(NAME).permissions(private).tempdir_in(base)?;
        let alive = open(new.path())?;
        alive.try_lock()?;
        let name = new.path().file_name().and_then(|name| name.to_str()?.strip_prefix(NEW));
        let path = base.join(name.ok_or(io::ErrorKind::InvalidFilename)?);
        fs::rename(new.path(), &path)?;
        // The folder no longer has the name by which it would be removed.
        let _ = new.keep();
        Ok(Self { path, _alive: alive })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlFolder {
    fn drop(&mut self) {
        // The next kcm removes any leftovers.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Returns a folder in the user's runtime folder, if that is private. It is on a local disk, unlike
/// many home folders.
fn runtime_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)?;
    let is_own = folder.is_absolute() && open(&folder).is_ok_and(|it| check_private(&it).is_ok());
    let folder = folder.join("kcm");
    // A slash and a name are appended.
    let fits = folder.as_os_str().len() + 1 + NAME <= LONGEST_FOLDER;
    (is_own && fits).then_some(folder)
}

/// Creates a folder with private access, or opens it. In `/tmp` any user can create a folder of
/// that name first: the error is then [`io::ErrorKind::PermissionDenied`].
fn make_private(base: &Path) -> io::Result<File> {
    match DirBuilder::new().mode(0o700).create(base) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let opened = open(base).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => error,
        // A link or a file.
        _ => io::ErrorKind::PermissionDenied.into(),
    })?;
    check_private(&opened)?;
    Ok(opened)
}

/// Rejects a folder that other users own or can access: they could have planted content in it.
fn check_private(folder: &File) -> io::Result<()> {
    let found = folder.metadata()?;
    let is_own = found.uid() == rustix::process::geteuid().as_raw();
    if is_own && found.mode() & 0o777 == 0o700 {
        Ok(())
    } else {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty)
}

/// Opens a folder; rejects links and other files.
fn open(folder: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(folder, flags, Mode::empty())?))
}

/// Removes the unlocked folders in an open base folder, even if its path names another folder by
/// now. Their `ssh` processes exit on their own after a minute of idleness.
fn sweep(base: &File) {
    let base = format!("/proc/self/fd/{}", base.as_raw_fd());
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let path = entry.path();
        // A folder that cannot be opened is gone or does not belong to kcm.
        let Ok(folder) = open(&path) else { continue };
        let is_left = match entry.file_name().to_str() {
            Some(name) if name.starts_with(NEW) => is_old(&folder),
            Some(name) => name.len() == NAME && name.bytes().all(|it| it.is_ascii_alphanumeric()),
            None => false,
        };
        // The lock is held during the removal, so no other process removes the same folder.
        if is_left && folder.try_lock().is_ok() {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

fn is_old(folder: &File) -> bool {
    let changed = folder.metadata().and_then(|found| found.modified());
    changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > ABANDONED))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::SystemTime;

    use super::*;

    /// Returns every name in a folder, sorted.
    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn many_at_once_each_keep_their_own_folder() {
        const STARTS: usize = 40;
        let scratch = tempfile::tempdir().unwrap();
        for round in 0..5 {
            let base = scratch.path().join(format!("base-{}", round % 2));
            let (ready, made, done) =
                (Barrier::new(STARTS), Barrier::new(STARTS), Barrier::new(STARTS));
            let start = || {
                ready.wait();
                let folder = ControlFolder::within(&base).unwrap();
                fs::write(folder.path().join("0.conf"), "x").unwrap();
                made.wait();
                sweep(&open(&base).unwrap());
                done.wait();
                assert_eq!(fs::read_to_string(folder.path().join("0.conf")).unwrap(), "x");
                let bits = fs::metadata(folder.path()).unwrap().mode() & 0o777;
                assert_eq!(bits, 0o700);
            };
            std::thread::scope(|scope| {
                let starts: Vec<_> = (0..STARTS).map(|_| scope.spawn(start)).collect();
                for start in starts {
                    start.join().unwrap();
                }
            });
            assert_eq!(names(&base), [""; 0]);
        }
    }

    #[test]
    fn what_a_killed_one_left_is_swept_and_nothing_else() {
        let scratch = tempfile::tempdir().unwrap();
        let base = scratch.path().join("kcm");
        let held = ControlFolder::within(&base).unwrap();
        for name in ["aB3dEf", "new-aB3dEf", "new-ghIjkl", "of-others", "seven77"] {
            fs::create_dir(base.join(name)).unwrap();
            fs::write(base.join(name).join("0.s"), "").unwrap();
        }
        let long_ago = SystemTime::now() - 2 * ABANDONED;
        open(&base.join("new-ghIjkl")).unwrap().set_modified(long_ago).unwrap();
        fs::write(base.join("script"), "").unwrap();
        std::os::unix::fs::symlink("of-others", base.join("linked")).unwrap();
        let other = ControlFolder::within(&base).unwrap();
        let name = |folder: &ControlFolder| {
            folder.path().file_name().unwrap().to_str().unwrap().to_owned()
        };
        let mut expected = vec![name(&held), name(&other)];
        expected
            .extend(["linked", "new-aB3dEf", "of-others", "script", "seven77"].map(str::to_owned));
        expected.sort();
        assert_eq!(names(&base), expected);
    }

    #[test]
    fn a_folder_that_is_not_ours_alone_is_not_used() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        for name in ["open", "others"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::set_permissions(at("open"), Permissions::from_mode(0o750)).unwrap();
        fs::set_permissions(at("others"), Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink(at("open"), at("link")).unwrap();
        fs::write(at("file"), "").unwrap();
        let mut refused = vec!["open", "link", "file"];
        // Only root can change the owner.
        if std::os::unix::fs::chown(at("others"), Some(1999), None).is_ok() {
            refused.push("others");
        }
        for name in refused {
            let error = ControlFolder::within(&at(name)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{name}: {error}");
        }
        assert_eq!(names(&at("open")), [""; 0]);
    }

    #[test]
    fn one_is_made_while_the_folder_above_is_removed() {
        let scratch = tempfile::tempdir().unwrap();
        let base = scratch.path().join("kcm");
        let (start, end) = (Barrier::new(2), std::sync::atomic::AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                while !end.load(std::sync::atomic::Ordering::Relaxed) {
                    // A cleaner removes only empty folders.
                    let _ = fs::remove_dir(&base);
                    std::thread::sleep(Duration::from_micros(100));
                }
            });
            start.wait();
            let made = (0..300).map(|_| ControlFolder::within(&base).map(drop));
            let failed: Vec<_> = made.filter_map(Result::err).collect();
            end.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(failed.is_empty(), "{} of 300: {:?}", failed.len(), failed.first());
        });
    }
}
