//! What can go wrong with one file.

use std::fmt;
use std::io;

use serde::Serialize;
use thiserror::Error;

use super::RemotePath;

/// The causes that kcm tells apart, because their mends differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum FileErrorKind {
    /// Nothing is there.
    NotFound,
    /// Something is there already.
    Exists,
    /// Not allowed to.
    PermissionDenied,
    /// A folder is needed where there is none, or the other way round.
    WrongKind,
    /// The file system or the quota is full.
    NoSpace,
    /// The file system is mounted read-only.
    ReadOnly,
    /// A symbolic link leads nowhere, in circles, or out of the place kcm was given.
    BadLink,
    /// Somebody else can change a folder on the way.
    Untrusted,
    /// The machine was lost in the middle: whether it happened is unknown.
    Interrupted,
    /// Anything else; the detail says what.
    Other,
}

/// One file operation that did not happen.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}: {detail}{}", Mend(*kind))]
pub struct FileError {
    /// The file, as the reader of the message knows it.
    pub path: String,
    /// The cause.
    pub kind: FileErrorKind,
    /// The cause in words.
    pub detail: String,
}

impl FileError {
    pub(crate) fn new(path: &RemotePath, kind: FileErrorKind, detail: impl Into<String>) -> Self {
        Self { path: path.to_string(), kind, detail: detail.into() }
    }

    /// Tells an operating system's error apart.
    pub(crate) fn from_io(path: impl fmt::Display, error: &io::Error) -> Self {
        use io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::NotFound => FileErrorKind::NotFound,
            Io::AlreadyExists => FileErrorKind::Exists,
            Io::PermissionDenied => FileErrorKind::PermissionDenied,
            Io::NotADirectory | Io::IsADirectory | Io::DirectoryNotEmpty => {
                FileErrorKind::WrongKind
            }
            Io::StorageFull | Io::QuotaExceeded => FileErrorKind::NoSpace,
            Io::ReadOnlyFilesystem => FileErrorKind::ReadOnly,
            _ => FileErrorKind::Other,
        };
        Self { path: path.to_string(), kind, detail: words(error) }
    }
}

/// The operating system's words without its number.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split_once(" (os error").map_or(text.as_str(), |(words, _)| words);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

struct Mend(FileErrorKind);

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            FileErrorKind::NoSpace => "; free some space there and run the same command again",
            FileErrorKind::ReadOnly => "; remount the file system for writing",
            FileErrorKind::PermissionDenied => "; run as a user who may, or mend the permissions",
            _ => "",
        })
    }
}
