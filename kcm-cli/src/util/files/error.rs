//! The error of a file operation.

use std::fmt;
use std::io;

use serde::Serialize;
use thiserror::Error;

use super::RemotePath;
use crate::util::explanation::Explanation;

/// The causes of file errors that have different fixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum FileErrorKind {
    /// The path does not exist.
    NotFound,
    /// The path already exists.
    Exists,
    /// Access is denied.
    PermissionDenied,
    /// The path is a folder where a file is needed, or vice versa.
    WrongKind,
    /// The file system or the quota is full.
    NoSpace,
    /// The file system is mounted read-only.
    ReadOnly,
    /// A symbolic link is dangling, circular, or leads out of the permitted folder.
    BadLink,
    /// Another user can change a parent folder.
    Untrusted,
    /// The connection was lost during the operation, so its outcome is unknown.
    Interrupted,
    /// Any other cause; see the detail.
    Other,
}

/// A file operation that failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}: {detail}{}", Help(*kind))]
#[non_exhaustive]
pub struct FileError {
    /// The path, as the reader of the message knows it.
    pub path: String,
    /// The cause.
    pub kind: FileErrorKind,
    /// The cause as text.
    pub detail: String,
}

impl FileError {
    pub(crate) fn new(path: &RemotePath, kind: FileErrorKind, detail: impl Into<String>) -> Self {
        Self { path: path.to_string(), kind, detail: detail.into() }
    }

    /// Returns the problem and its fix. Only for files of this machine.
    pub(crate) fn explanation(&self) -> Explanation {
        let why = Explanation::parse(&self.detail).at(&self.path);
        match self.kind.help() {
            Some(help) => why.or_help(help),
            None => why,
        }
    }

    /// Classifies an error of the operating system.
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

/// Returns the operating system's message without its error number.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split_once(" (os error").map_or(text.as_str(), |(words, _)| words);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

struct Help(FileErrorKind);

impl FileErrorKind {
    /// Returns the fix, if it follows from the kind.
    fn help(self) -> Option<&'static str> {
        match self {
            Self::NoSpace => Some("free some space and run the same command again"),
            Self::ReadOnly => Some("remount the file system for writing"),
            Self::PermissionDenied => {
                Some("run as a user with permission, or correct the permissions")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.help().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}
