//! Files on this machine: all of them, or a folder as the root of a master.

use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, OFlags};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::links::{self, Last};
use super::small;
use super::{
    Effect, FileError, FileErrorKind, FileSystem, Mode, NodeKind, Owner, RemotePath, Room, Stat,
};

/// Files on this machine below a folder that represents `/`.
#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
    links: Links,
}

/// The treatment of symbolic links in a path.
#[derive(Debug, Clone, Copy)]
enum Links {
    /// Links are followed inside the folder, which is the `/` of another machine, never out of it.
    Inside,
    /// Links are followed as on any file system, because the folder is part of this machine.
    Anywhere,
}

impl Disk {
    /// Uses `folder` as the `/` of another machine, as `systemctl --root` does.
    ///
    /// An absolute symbolic link in it starts at `folder`, and no link leads out of it. The folder
    /// may not exist yet, and must not be a link.
    #[must_use]
    pub fn machine(folder: impl Into<PathBuf>) -> Self {
        Self { root: folder.into(), links: Links::Inside }
    }

    /// Uses `folder` as a folder of this machine. It may not exist yet.
    #[must_use]
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        Self { root: folder.into(), links: Links::Anywhere }
    }

    /// Returns the folder that represents `/`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the location of `path` on this machine, with links resolved except in the last
    /// component.
    fn locate(&self, path: &RemotePath) -> Result<PathBuf, FileError> {
        self.resolve(path, Last::Itself)
    }

    /// Returns the location of the folder `path` on this machine, with all links resolved.
    fn locate_folder(&self, path: &RemotePath) -> Result<PathBuf, FileError> {
        self.resolve(path, Last::Followed)
    }

    fn resolve(&self, path: &RemotePath, last: Last) -> Result<PathBuf, FileError> {
        match self.links {
            Links::Anywhere => Ok(self.shown(path)),
            Links::Inside => self.chase(path, last),
        }
    }

    fn chase(&self, path: &RemotePath, last: Last) -> Result<PathBuf, FileError> {
        let bad = || {
            let detail = "cannot resolve the symbolic links in the path: too many levels, or a target that is not UTF-8";
            self.error(path, FileErrorKind::BadLink, detail)
        };
        if fs::symlink_metadata(&self.root).is_ok_and(|it| it.is_symlink()) {
            let detail = "is a symbolic link, and kcm would write files to its target; replace the link with a folder";
            let path = self.root.display().to_string();
            return Err(FileError {
                path,
                kind: FileErrorKind::BadLink,
                detail: detail.to_owned(),
            });
        }
        let below = |path: &str| self.root.join(path.trim_start_matches('/'));
        let found = links::walk(path.as_str(), last, |at| match fs::read_link(below(at)) {
            Ok(target) => target.into_os_string().into_string().map(Some).map_err(|_| bad()),
            Err(_) => Ok(None),
        })?;
        found.map(|path| below(&path)).ok_or_else(bad)
    }

    /// Returns `path` for messages, as the operator finds it on this machine.
    fn shown(&self, path: &RemotePath) -> PathBuf {
        self.root.join(path.as_str().trim_start_matches('/'))
    }

    fn error(
        &self,
        path: &RemotePath,
        kind: FileErrorKind,
        detail: impl Into<String>,
    ) -> FileError {
        FileError { path: self.shown(path).display().to_string(), kind, detail: detail.into() }
    }

    fn failed(&self, path: &RemotePath) -> impl Fn(io::Error) -> FileError + '_ {
        let shown = self.shown(path);
        move |error| FileError::from_io(shown.display(), &error)
    }

    fn make_folder(&self, path: &RemotePath, mode: Mode) -> io::Result<()> {
        let at = self.locate(path).map_err(|error| io::Error::other(error.detail))?;
        let is_root = path.parent().is_none();
        // The umask can only remove bits, so the mode is narrow first and exact afterwards.
        fs::DirBuilder::new().mode(0o700).recursive(is_root).create(&at)?;
        fs::set_permissions(&at, Permissions::from_mode(mode.bits()))
    }
}

impl FileSystem for Disk {
    fn stat(&mut self, path: &RemotePath) -> Result<Option<Stat>, FileError> {
        let at = self.locate(path)?;
        // The folder that represents `/` may be reached through a link.
        let found =
            if path.parent().is_none() { fs::metadata(&at) } else { fs::symlink_metadata(&at) };
        let found = match found {
            Ok(found) => found,
            // A path below a regular file does not exist either.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(self.failed(path)(error)),
        };
        let kind = if found.is_file() {
            NodeKind::File
        } else if found.is_dir() {
            NodeKind::Folder
        } else if found.is_symlink() {
            let target = fs::read_link(&at).map_err(self.failed(path))?;
            NodeKind::Link(target.to_string_lossy().into_owned())
        } else {
            NodeKind::Other
        };
        let nanoseconds =
            i128::from(found.ctime()) * 1_000_000_000 + i128::from(found.ctime_nsec());
        Ok(Some(Stat {
            kind,
            mode: Mode::from_bits(found.mode()),
            owner: Owner { uid: found.uid(), gid: found.gid() },
            size: found.size(),
            changed: OffsetDateTime::from_unix_timestamp_nanos(nanoseconds)
                .unwrap_or(OffsetDateTime::UNIX_EPOCH),
        }))
    }

    fn read(&mut self, path: &RemotePath) -> Result<Zeroizing<Vec<u8>>, FileError> {
        let at = self.locate(path)?;
        let read = |mut file: fs::File| match self.links {
            // The files of a machine include large programs.
            Links::Inside => {
                let mut content = Zeroizing::new(Vec::new());
                file.read_to_end(&mut content).map(|_| content)
            }
            Links::Anywhere => small::read(file),
        };
        open_itself(&at).and_then(read).map_err(self.failed(path))
    }

    fn list(&mut self, path: &RemotePath) -> Result<Vec<String>, FileError> {
        let at = self.locate_folder(path)?;
        let entries = match fs::read_dir(at) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(path)(error)),
        };
        let mut names = entries
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(self.failed(path))?;
        names.sort();
        Ok(names)
    }

    fn room(&mut self, folder: &RemotePath) -> Result<Room, FileError> {
        let at = self.locate_folder(folder)?;
        let existing = at.ancestors().find(|at| at.exists()).unwrap_or(Path::new("."));
        if !existing.is_dir() {
            return Err(FileError {
                path: existing.display().to_string(),
                kind: FileErrorKind::WrongKind,
                detail: "not a directory; move the file away".to_owned(),
            });
        }
        let may = rustix::fs::access(existing, Access::WRITE_OK | Access::EXEC_OK);
        let obstacle = may.err().map(|error| FileError::from_io("", &error.into()).kind);
        let found = rustix::fs::statvfs(existing).map_err(|e| self.failed(folder)(e.into()))?;
        // Root may also use the reserved blocks.
        let blocks = if self.can_set_owner() { found.f_bfree } else { found.f_bavail };
        Ok(Room { available: blocks.saturating_mul(found.f_frsize), obstacle })
    }

    fn perform(&mut self, effect: Effect<'_>) -> Result<(), FileError> {
        let path = effect.path();
        let at = self.locate(path)?;
        match effect {
            Effect::MakeFolder { path, mode } => self.make_folder(path, mode),
            Effect::Create { .. } => {
                fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(at).map(drop)
            }
            Effect::Write { content, .. } => fs::OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(at)
                .and_then(|mut file| file.write_all(content)),
            Effect::SetOwner { owner, .. } => {
                std::os::unix::fs::lchown(at, Some(owner.uid), Some(owner.gid))
            }
            Effect::SetMode { mode, .. } => open_itself(&at)
                .and_then(|file| file.set_permissions(Permissions::from_mode(mode.bits()))),
            Effect::Sync { .. } => open_itself(&at).and_then(|file| file.sync_all()),
            Effect::SyncFolder { path } => {
                fs::File::open(self.locate_folder(path)?).and_then(|folder| folder.sync_all())
            }
            Effect::Rename { from, .. } => fs::rename(self.locate(from)?, at),
            Effect::Link { target, .. } => std::os::unix::fs::symlink(target, at),
            Effect::HardLink { original, .. } => fs::hard_link(self.locate(original)?, at),
            Effect::Remove { .. } => fs::remove_file(at),
            Effect::RemoveFolder { .. } => fs::remove_dir(at),
        }
        .map_err(self.failed(path))
    }

    fn can_set_owner(&self) -> bool {
        rustix::process::geteuid().is_root()
    }
}

/// Opens a file or a folder without following a link in the last component or waiting for a pipe.
fn open_itself(at: &Path) -> io::Result<fs::File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    fs::OpenOptions::new().read(true).custom_flags(flags).open(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RemotePath {
        RemotePath::new(text).unwrap()
    }

    #[test]
    fn links_are_followed_inside_the_machine_and_never_out_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let mut disk = Disk::machine(folder.path());
        fs::create_dir_all(folder.path().join("data/opt")).unwrap();
        std::os::unix::fs::symlink("/data/opt", folder.path().join("opt")).unwrap();
        disk.perform(Effect::Create { path: &path("/opt/x") }).unwrap();
        disk.perform(Effect::SyncFolder { path: &path("/opt") }).unwrap();
        assert_eq!(disk.list(&path("/opt")).unwrap(), ["x"]);
        assert!(disk.room(&path("/opt")).unwrap().available > 0);
        assert!(folder.path().join("data/opt/x").is_file());

        std::os::unix::fs::symlink(outside.path(), folder.path().join("etc")).unwrap();
        assert!(disk.perform(Effect::Create { path: &path("/etc/x") }).is_err());
        std::os::unix::fs::symlink("../../../../../../../../..", folder.path().join("up")).unwrap();
        disk.perform(Effect::Create { path: &path("/up/y") }).unwrap();
        assert!(folder.path().join("y").is_file(), "`..` stops at the root");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);

        std::os::unix::fs::symlink("loop", folder.path().join("loop")).unwrap();
        let error = disk.stat(&path("/loop/x")).unwrap_err();
        assert_eq!(error.kind, FileErrorKind::BadLink);
    }

    #[test]
    fn the_umask_does_not_decide_the_mode_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = Disk::machine(folder.path().join("not/yet/there"));
        disk.perform(Effect::MakeFolder { path: &path("/"), mode: Mode::FOLDER }).unwrap();
        disk.perform(Effect::MakeFolder { path: &path("/a"), mode: Mode::FOLDER }).unwrap();
        assert_eq!(disk.stat(&path("/a")).unwrap().unwrap().mode, Mode::FOLDER);
    }
}
