//! The operator's PKI: reads the CA, the configuration and the issued pairs on this machine, and
//! stores new pairs.

mod binary;
pub(crate) mod ca_files;
mod exposure;
pub mod identity;
mod inputs;
mod named;
mod pair;
mod passphrase;
pub(crate) mod serving;
pub mod signer;
mod store;
pub(crate) mod token_key;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::util::explanation::Explanation;
use crate::util::files::{
    FileError, FileErrorKind, FolderLock, FolderLockError, InvalidPath, NewFolders, RemotePath,
    words,
};

pub use binary::Binary;
pub(crate) use binary::{holds, program_facts, uploaded_binary};
pub(crate) use exposure::{check as check_exposure, of_key as key_exposure};
pub(crate) use inputs::{
    CA_CERT, CA_KEY, CA_LIFETIME, IDENTITY, MASTERS, RENEW_BEFORE, SERVING_PAIR, TUTORIAL_CSR,
    ca_key_to_distribute, in_words, load_authority, pair, read, renew_before, serving_pair,
    trusted, with_help,
};
pub use inputs::{Ca, IdentityRequest, Inputs, Serving};
pub(crate) use named::{NamedContent, NamedPaths};
pub use pair::Pair;
pub(crate) use pair::{Found, PairStore};
pub(crate) use passphrase::{AskPassphrase, KeyFile};
pub(crate) use store::{
    Purpose, read_request, recover, remove_request, request_path, store_ca, store_identity,
    store_request, store_serving,
};
pub use token_key::TokenKey;

/// An error of the files on the operator's machine. No file was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// A file cannot be read or written.
    #[error("{what} {}", error.explanation().problem)]
    File {
        /// Description of the file, with its key in the cluster file.
        what: &'static str,
        /// The cause.
        error: FileError,
    },
    /// A file that the cluster file names has invalid content.
    #[error("{what} {}: {}", path.display(), why.problem)]
    Content {
        /// Description of the file, with its key in the cluster file.
        what: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// The problem and its fix.
        why: Explanation,
    },
    /// A configuration file has invalid content. Unlike [`Content`](Self::Content), it is a mistake
    /// of the operator, like one in the cluster file.
    #[error("{what} {}: {}", path.display(), why.problem)]
    Configuration {
        /// Description of the file, with its key in the cluster file.
        what: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// The problem and its fix.
        why: Explanation,
    },
}

impl OperatorError {
    /// Returns the problem and its fix.
    pub(crate) fn explanation(&self) -> Explanation {
        Explanation { problem: self.to_string(), help: self.help() }
    }

    /// Returns the fix, if one is known.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::File { error, .. } => error.explanation().help,
            Self::Content { why, .. } | Self::Configuration { why, .. } => why.help.clone(),
        }
    }

    /// Creates the error of a file with invalid content.
    pub(crate) fn content(what: &'static str, path: &Path, why: impl Into<Explanation>) -> Self {
        Self::Content { what, path: path.to_owned(), why: why.into() }
    }

    pub(crate) fn configuration(
        what: &'static str,
        path: &Path,
        why: impl Into<Explanation>,
    ) -> Self {
        Self::Configuration { what, path: path.to_owned(), why: why.into() }
    }

    /// Creates the error of a file that cannot be read.
    pub(crate) fn unreadable(what: &'static str, path: &Path, error: &io::Error) -> Self {
        let error = FileError::from_io(path.display(), error);
        let detail = match error.kind {
            FileErrorKind::NotFound => {
                "no such file or directory; create the file or correct the path".to_owned()
            }
            FileErrorKind::WrongKind => in_the_way(path),
            _ => error.detail,
        };
        Self::File { what, error: FileError { detail, ..error } }
    }
}

/// Describes the directory in place of a file, or the file in place of a directory, with the fix.
fn in_the_way(path: &Path) -> String {
    match path.ancestors().find(|at| at.exists()) {
        Some(file) if file != path => {
            format!("{} is not a directory; move the file away or correct the path", file.display())
        }
        _ => "is a directory; replace the directory with the file or correct the path".to_owned(),
    }
}

/// Takes the lock of the folder of a file on this machine, and creates the folder if necessary.
pub(crate) fn lock_folder(
    what: &'static str,
    file: &RemotePath,
) -> Result<FolderLock, OperatorError> {
    let folder = file.parent().unwrap_or_else(|| file.clone());
    FolderLock::take(Path::new(folder.as_str()), NewFolders::Exact).map_err(|error| {
        let detail = match error {
            FolderLockError::Held => {
                "another kcm process holds the lock on this folder; wait until that process exits"
                    .to_owned()
            }
            FolderLockError::Io(error) => words(&error),
        };
        OperatorError::File { what, error: FileError::new(&folder, FileErrorKind::Other, detail) }
    })
}

/// Returns the absolute, normalized form of a path: symbolic links and `..` are resolved in its
/// existing part.
///
/// `what` is the path's key in the cluster file.
pub(crate) fn absolute(what: &'static str, path: &Path) -> Result<RemotePath, OperatorError> {
    let unusable = |reason: String| OperatorError::content(what, path, reason);
    // The parent of a bare file name is empty.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let whole = std::path::absolute(path).map_err(|error| unusable(error.to_string()))?;
    let mut existing = whole.as_path();
    let mut missing = Vec::new();
    let resolved = loop {
        match std::fs::canonicalize(existing) {
            Ok(resolved) => break resolved,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(OperatorError::unreadable(what, path, &error)),
        }
        if existing.is_symlink() {
            let problem = "is a dangling symbolic link; correct or remove the link";
            return Err(unusable(format!("{} {problem}", existing.display())));
        }
        match (existing.parent(), existing.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name);
                existing = parent;
            }
            _ => {
                return Err(unusable(
                    "`..` follows a directory that does not exist; correct the path".to_owned(),
                ));
            }
        }
    };
    let resolved = missing.into_iter().rev().fold(resolved, |path, name| path.join(name));
    let text = resolved
        .to_str()
        .ok_or_else(|| unusable("the path is not UTF-8; use a UTF-8 path".to_owned()))?;
    RemotePath::new(text)
        .map_err(|error: InvalidPath| unusable(format!("not a valid path; {}", error.reason)))
}
