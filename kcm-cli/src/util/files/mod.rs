//! File system access in single steps, for crash safety and tests.
//!
//! Every change that kcm makes to a file is one [`Effect`], carried out by [`FileSystem::perform`].
//! A directory on disk ([`Disk`]) and the memory of a fake master implement the same trait. The
//! order of effects, on which crash safety depends, is therefore written once, and a test can stop
//! after any of them.

mod bytes;
mod disk;
mod error;
mod links;
mod lock;
mod path;
mod place;
mod small;

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;
use zeroize::Zeroizing;

pub use bytes::Bytes;
pub use disk::Disk;
pub(crate) use error::words;
pub use error::{FileError, FileErrorKind};
pub(crate) use links::{Last, next_target, real, walk as walk_links};
pub(crate) use lock::{FolderLock, FolderLockError, NewFolders};
pub use path::{InvalidPath, RemotePath};
pub(crate) use place::{
    fresh, make_folders, make_folders_into, overwrite, remove_if_present, replace, write_new,
};
pub(crate) use small::{LONGEST_FILE, read_small, read_small_or_stdin};

/// Returns the path with a suffix at the end of its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Permission bits of a file, as `chmod` takes them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mode(u32);

impl Mode {
    /// Read and write for the owner only: keys, and files that contain one.
    pub const PRIVATE: Self = Self(0o600);
    /// Read for all, write for the owner: certificates and units.
    pub const PUBLIC: Self = Self(0o644);
    /// Read and execute for all, write for the owner: programs.
    pub const PROGRAM: Self = Self(0o755);
    /// Folder that all users may enter.
    pub const FOLDER: Self = Self(0o755);
    /// Folder that only its owner may enter.
    pub const PRIVATE_FOLDER: Self = Self(0o700);

    /// Keeps the permission bits of `bits` (`st_mode & 07777`).
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & 0o7777)
    }

    /// Returns the permission bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl JsonSchema for Mode {
    fn schema_name() -> Cow<'static, str> {
        "Mode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Permission bits of a file in octal, as `chmod` takes them.",
            "type": "string",
            "pattern": "^[0-7]{4}$",
        })
    }
}

impl Serialize for Mode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bits = u32::from_str_radix(&text, 8).map_err(D::Error::custom)?;
        Ok(Self::from_bits(bits))
    }
}

/// Numeric user and group of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Owner {
    /// `root:root`.
    pub const ROOT: Self = Self { uid: 0, gid: 0 };
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ROOT => f.write_str("root:root"),
            Self { uid, gid } => write!(f, "{uid}:{gid}"),
        }
    }
}

/// The type of a file system node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link with its target.
    Link(String),
    /// A device, socket or pipe.
    Other,
}

/// The result of `lstat` for a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Type of the node.
    pub kind: NodeKind,
    /// Permission bits.
    pub mode: Mode,
    /// User and group.
    pub owner: Owner,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of content, mode, owner or name (`ctime`; a rename changes it too).
    pub changed: OffsetDateTime,
}

/// The space and the access for new files in a folder, which may not exist yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Room {
    /// Free bytes for the current user.
    pub available: u64,
    /// Obstacle to creating files in the folder.
    pub obstacle: Option<FileErrorKind>,
}

/// A single change to a file system. Every change except `Write` is atomic.
#[derive(Clone, Copy)]
pub enum Effect<'a> {
    /// Creates one folder. Its parent must exist, and the folder must not.
    MakeFolder {
        /// The new folder.
        path: &'a RemotePath,
        /// Permission bits, regardless of the umask.
        mode: Mode,
    },
    /// Creates an empty regular file that did not exist (`O_EXCL`), readable by its owner only.
    Create {
        /// The new file.
        path: &'a RemotePath,
    },
    /// Writes the whole content of a file from `Create`. If interrupted, it may leave a part of it.
    Write {
        /// The file.
        path: &'a RemotePath,
        /// The complete content.
        content: &'a [u8],
    },
    /// Changes user and group.
    SetOwner {
        /// The file.
        path: &'a RemotePath,
        /// The new owner.
        owner: Owner,
    },
    /// Changes the permission bits.
    SetMode {
        /// The file.
        path: &'a RemotePath,
        /// The new permission bits.
        mode: Mode,
    },
    /// Makes the content of a file durable (`fsync`).
    Sync {
        /// The file.
        path: &'a RemotePath,
    },
    /// Makes the entries of a folder durable (`fsync` on the folder).
    SyncFolder {
        /// The folder.
        path: &'a RemotePath,
    },
    /// Renames within one file system, and replaces an existing file.
    Rename {
        /// The old name.
        from: &'a RemotePath,
        /// The new name.
        to: &'a RemotePath,
    },
    /// Creates a symbolic link that did not exist.
    Link {
        /// The link.
        path: &'a RemotePath,
        /// The target, as stored in the link.
        target: &'a str,
    },
    /// Creates a second name of a file on the same file system, which did not exist.
    HardLink {
        /// The second name.
        path: &'a RemotePath,
        /// The existing name.
        original: &'a RemotePath,
    },
    /// Removes a file or a symbolic link.
    Remove {
        /// The file.
        path: &'a RemotePath,
    },
    /// Removes an empty folder.
    RemoveFolder {
        /// The folder.
        path: &'a RemotePath,
    },
}

impl Effect<'_> {
    /// Returns the path that the effect changes; for a rename the new name.
    #[must_use]
    pub fn path(&self) -> &RemotePath {
        match self {
            Self::MakeFolder { path, .. }
            | Self::Create { path }
            | Self::Write { path, .. }
            | Self::SetOwner { path, .. }
            | Self::SetMode { path, .. }
            | Self::Sync { path }
            | Self::SyncFolder { path }
            | Self::Rename { to: path, .. }
            | Self::Link { path, .. }
            | Self::HardLink { path, .. }
            | Self::Remove { path }
            | Self::RemoveFolder { path } => path,
        }
    }
}

/// Shows everything except the written bytes.
impl fmt::Debug for Effect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeFolder { path, mode } => write!(f, "make folder {path} {mode}"),
            Self::Create { path } => write!(f, "create {path}"),
            Self::Write { path, content } => write!(f, "write {path} ({} bytes)", content.len()),
            Self::SetOwner { path, owner } => write!(f, "set owner {path} {owner}"),
            Self::SetMode { path, mode } => write!(f, "set mode {path} {mode}"),
            Self::Sync { path } => write!(f, "sync {path}"),
            Self::SyncFolder { path } => write!(f, "sync folder {path}"),
            Self::Rename { from, to } => write!(f, "rename {from} to {to}"),
            Self::Link { path, target } => write!(f, "link {path} to {target}"),
            Self::HardLink { path, original } => write!(f, "link {path} and {original}"),
            Self::Remove { path } => write!(f, "remove {path}"),
            Self::RemoveFolder { path } => write!(f, "remove folder {path}"),
        }
    }
}

/// A file system that is read directly and changed in single steps.
pub trait FileSystem {
    /// Returns the state of `path` without following a symbolic link; `None` if it does not exist.
    ///
    /// # Errors
    /// If the state cannot be determined. A failed query never returns `None`.
    fn stat(&mut self, path: &RemotePath) -> Result<Option<Stat>, FileError>;

    /// Reads a whole regular file. The buffer is wiped when dropped, because it may hold a key.
    ///
    /// # Errors
    /// If the file is absent or unreadable.
    fn read(&mut self, path: &RemotePath) -> Result<Zeroizing<Vec<u8>>, FileError>;

    /// Returns the names in a folder, sorted; empty if the folder does not exist.
    ///
    /// # Errors
    /// If `path` is not a folder or cannot be read.
    fn list(&mut self, path: &RemotePath) -> Result<Vec<String>, FileError>;

    /// Returns the space and access for new files in `folder`, or in its nearest existing ancestor.
    ///
    /// # Errors
    /// If the answer cannot be determined.
    fn room(&mut self, folder: &RemotePath) -> Result<Room, FileError>;

    /// Performs one change.
    ///
    /// # Errors
    /// If the change did not happen. Only [`Effect::Write`] may leave a partial result.
    fn perform(&mut self, effect: Effect<'_>) -> Result<(), FileError>;

    /// True if files can be given to another user, as root can.
    fn can_set_owner(&self) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_shows_how_much_it_writes_but_never_what() {
        let path = RemotePath::new("/etc/key.pem").unwrap();
        let effect = Effect::Write { path: &path, content: b"secret" };
        assert_eq!(format!("{effect:?}"), "write /etc/key.pem (6 bytes)");
    }

    #[test]
    fn modes_print_as_chmod_takes_them() {
        assert_eq!(Mode::from_bits(0o100_600).to_string(), "0600");
        assert_eq!(Mode::FOLDER.to_string(), "0755");
    }
}
