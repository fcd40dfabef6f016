//! Writes a kubeconfig on this machine atomically, and excludes kubectl with kubectl's own lock.
//!
//! kubectl creates `FILE.lock` with `O_EXCL`, writes, and removes the lock. See `lockFile` in
//! <https://github.com/kubernetes/client-go/blob/v0.32.4/tools/clientcmd/loader.go>. A kubectl that
//! was killed leaves the lock, and every later write fails. The lock of kcm has a content, so that
//! the next kcm recognises and removes a lock that a killed kcm left. A lock on the folder excludes
//! other kcm processes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use kcm_kubeconfig::Kubeconfig;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::BuiltKubeconfig;
use super::losses::losses;
use crate::error::Error;
use crate::pki::{OperatorError, absolute, check_exposure};
use crate::util::files::{
    self, Disk, Effect, FileError, FileErrorKind, FileSystem as _, FolderLock, FolderLockError,
    Mode, NewFolders, NodeKind, RemotePath, Stat,
};
use crate::util::words::command;

const OUT: &str = "--out";
/// Content of the lock of kcm. The lock of kubectl is empty.
const MARK: &[u8] = b"kcm\n";
/// Age from which a lock of kubectl was probably left by a killed process. A write takes
/// milliseconds.
const STALE_AFTER: Duration = Duration::from_secs(60);

/// The destination of a kubeconfig.
#[derive(Clone, Copy, Debug)]
pub struct WriteKubeconfig<'a> {
    /// Path of the file. If it is a symbolic link, the target is written and the link stays.
    pub file: &'a Path,
    /// True if an existing kubeconfig may lose entries and settings that the new one does not have.
    pub replace: bool,
    /// Current time, to recognise a stale lock.
    pub now: OffsetDateTime,
}

/// Writes a kubeconfig. Returns false if the file already has this content and no wider mode.
///
/// A new file has mode 0600, and missing folders have mode 0755 less the umask. A replaced file keeps
/// its owner if root writes, and its mode less the permissions of other users if it contains the
/// key.
///
/// # Errors
/// If the file cannot be written, is locked by kubectl, or holds entries that the new kubeconfig
/// does not have. The file is unchanged then.
pub fn write_kubeconfig(built: &BuiltKubeconfig, to: WriteKubeconfig<'_>) -> Result<bool, Error> {
    let place = Place::new(to.file)?;
    let mut disk = Disk::folder("/");
    if place.check_lock(&mut disk, to.now)? == LockState::Free
        && !place.has_leftovers(&mut disk)?
        && place.is_current(&mut disk, built)?
    {
        return Ok(false);
    }
    if built.has_key {
        check_exposure(OUT, to.file)?;
        check_exposure(OUT, Path::new(place.file.as_str()))?;
    }
    let _folder = place.lock_folder()?;
    let _lock = place.lock(&mut disk, to.now)?;
    if place.is_current(&mut disk, built)? {
        return Ok(false);
    }
    place.write(&mut disk, built, to.replace)?;
    Ok(true)
}

/// State of kubectl's lock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LockState {
    Free,
    /// A kcm process holds the lock, or was killed.
    OfKcm,
}

/// A file that may be replaced.
struct Existing {
    stat: Stat,
    content: Zeroizing<Vec<u8>>,
}

/// Paths of the file and of its lock.
struct Place {
    file: RemotePath,
    lock: RemotePath,
}

impl Place {
    fn new(named: &Path) -> Result<Self, Error> {
        let file = absolute(OUT, named)?;
        // kubectl locks the name that it was given, not the target of a link.
        let name = named.file_name().and_then(|name| name.to_str());
        let folder = named.parent().map(|folder| absolute(OUT, folder)).transpose()?;
        let lock =
            name.zip(folder).and_then(|(name, folder)| folder.join(&format!("{name}.lock")).ok());
        let lock = lock.ok_or_else(|| {
            OperatorError::content(OUT, named, "not the path of a file; write a file name")
        })?;
        Ok(Self { file, lock })
    }

    fn read(&self, disk: &mut Disk) -> Result<Option<Existing>, Error> {
        let Some(stat) = disk.stat(&self.file).map_err(failed)? else { return Ok(None) };
        let content = disk.read(&self.file).map_err(failed)?;
        Ok(Some(Existing { stat, content }))
    }

    fn is_current(&self, disk: &mut Disk, built: &BuiltKubeconfig) -> Result<bool, Error> {
        let Some(Existing { stat, content }) = self.read(disk)? else { return Ok(false) };
        Ok(*content == built.text.as_bytes() && stat.mode == mode(&stat, built))
    }

    fn write(&self, disk: &mut Disk, built: &BuiltKubeconfig, replace: bool) -> Result<(), Error> {
        let found = self.read(disk)?;
        let mut mode = Mode::PRIVATE;
        let mut owner = None;
        if let Some(Existing { stat, content }) = &found {
            mode = self::mode(stat, built);
            if **content == *built.text.as_bytes() {
                return disk.perform(Effect::SetMode { path: &self.file, mode }).map_err(failed);
            }
            if !replace {
                self.check_losses(content, &built.document)?;
            }
            owner = Some(stat.owner).filter(|_| disk.can_set_owner());
        }
        files::overwrite(disk, &self.file, built.text.as_bytes(), mode, owner).map_err(failed)
    }

    /// Refuses to replace a kubeconfig that has more than the new one.
    fn check_losses(&self, content: &[u8], new: &Kubeconfig) -> Result<(), Error> {
        let refused = |problem: String| {
            let detail = format!(
                "{problem}; write to another file and merge with kubectl, or add --replace"
            );
            failed(FileError::new(&self.file, FileErrorKind::Exists, detail))
        };
        let text = std::str::from_utf8(content).ok();
        let parsed = text.map(Kubeconfig::from_yaml);
        let Some(Ok(old)) = parsed else {
            return Err(refused("the existing file is not a kubeconfig".to_owned()));
        };
        match losses(&old, new).as_slice() {
            [] => Ok(()),
            lost => Err(refused(format!("a replacement would lose {}", lost.join(", ")))),
        }
    }

    fn lock_folder(&self) -> Result<FolderLock, Error> {
        let folder = self.file.parent().unwrap_or_else(|| self.file.clone());
        FolderLock::take(Path::new(folder.as_str()), NewFolders::LessUmask).map_err(|error| {
            failed(match error {
                FolderLockError::Held => {
                    let detail = "another kcm process writes to this folder; run the same command again when it has finished";
                    FileError::new(&folder, FileErrorKind::Other, detail)
                }
                FolderLockError::Io(error) => FileError::from_io(&folder, &error),
            })
        })
    }

    /// Takes kubectl's lock. The caller holds the lock of the folder, so a lock of kcm is stale.
    fn lock(&self, disk: &mut Disk, now: OffsetDateTime) -> Result<KubectlLock, Error> {
        if self.check_lock(disk, now)? == LockState::OfKcm {
            files::remove_if_present(disk, &self.lock).map_err(failed)?;
        }
        for leftover in self.leftovers() {
            files::remove_if_present(disk, &leftover).map_err(failed)?;
        }
        // A lock with its content appears at once, and never replaces an existing one.
        let fresh = files::fresh(&self.lock);
        files::write_new(disk, &fresh, MARK, Mode::PRIVATE, None).map_err(failed)?;
        let taken = disk.perform(Effect::HardLink { path: &self.lock, original: &fresh });
        disk.perform(Effect::Remove { path: &fresh }).map_err(failed)?;
        match taken {
            Ok(()) => Ok(KubectlLock(self.lock.clone())),
            Err(error) if error.kind == FileErrorKind::Exists => Err(self.locked()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Refuses a lock of kubectl, fresh or stale.
    fn check_lock(&self, disk: &mut Disk, now: OffsetDateTime) -> Result<LockState, Error> {
        let Some(stat) = disk.stat(&self.lock).map_err(failed)? else {
            return Ok(LockState::Free);
        };
        if stat.kind == NodeKind::File
            && disk.read(&self.lock).is_ok_and(|content| *content == MARK)
        {
            return Ok(LockState::OfKcm);
        }
        let modified = fs::symlink_metadata(self.lock.as_str()).and_then(|it| it.modified());
        let age = modified.map(|modified| now - OffsetDateTime::from(modified));
        let Some(age) = age.ok().filter(|age| *age >= STALE_AFTER) else {
            return Err(self.locked());
        };
        let remove = command(["rm", self.lock.as_str()]);
        let detail = format!(
            "this lock file is {} minutes old, and a killed kubectl probably left it; if no kubectl runs, remove it with `{remove}`",
            age.whole_minutes()
        );
        Err(failed(FileError::new(&self.lock, FileErrorKind::Exists, detail)))
    }

    fn locked(&self) -> Error {
        let detail = "another process, such as kubectl, has locked the kubeconfig; run the same command again when it has finished";
        failed(FileError::new(&self.lock, FileErrorKind::Exists, detail))
    }

    /// Files that a killed kcm may leave beside its lock.
    fn leftovers(&self) -> [RemotePath; 2] {
        [files::fresh(&self.lock), files::fresh(&self.file)]
    }

    fn has_leftovers(&self, disk: &mut Disk) -> Result<bool, Error> {
        for leftover in self.leftovers() {
            if disk.stat(&leftover).map_err(failed)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Kubectl's lock, held by this process and removed on drop.
struct KubectlLock(RemotePath);

impl Drop for KubectlLock {
    fn drop(&mut self) {
        // The next kcm removes a lock that cannot be removed now.
        let _ = Disk::folder("/").perform(Effect::Remove { path: &self.0 });
    }
}

/// Returns the mode of an existing file, without access for others if it contains a key.
fn mode(stat: &Stat, built: &BuiltKubeconfig) -> Mode {
    let kept = if built.has_key { Mode::PRIVATE.bits() } else { u32::MAX };
    Mode::from_bits(stat.mode.bits() & kept)
}

fn failed(error: FileError) -> Error {
    OperatorError::File { what: OUT, error }.into()
}
