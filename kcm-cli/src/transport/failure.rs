//! Why an operation was not carried out.

use thiserror::Error;

use crate::util::files::{FileError, FileErrorKind, RemotePath};

/// Why an operation was not carried out.
#[derive(Debug, Error)]
#[error("{operation}: {error}")]
pub struct OperationFailure {
    /// Which operation of the batch, from 0.
    pub index: usize,
    /// The operation's name.
    pub operation: &'static str,
    /// Why.
    pub error: OperationError,
}

/// Why one operation failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OperationError {
    /// A file could not be looked at or changed. A stage or commit may be partly done.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something is not what the plan was made from; nothing was changed.
    #[error(
        "{path} changed since the plan was made: expected {expected}, found {found}; run the command again"
    )]
    Changed {
        /// The path.
        path: RemotePath,
        /// What the plan was made from.
        expected: String,
        /// What is there now.
        found: String,
    },
    /// A unit is not what the plan was made from; nothing was changed.
    #[error(
        "{unit} changed since the plan was made: expected {expected}, found {found}; run the command again"
    )]
    UnitChanged {
        /// The unit.
        unit: String,
        /// What the plan was made from.
        expected: String,
        /// What systemd says now.
        found: String,
    },
    /// A staged file does not have the bytes it was given; nothing was changed.
    #[error("{path}: what was written is not what is read back; check the disk")]
    Corrupt {
        /// The path.
        path: RemotePath,
    },
    /// A unit cannot be acted on.
    #[error("{unit}: {reason}")]
    Unit {
        /// The unit.
        unit: String,
        /// Why.
        reason: String,
    },
    /// The master has no systemd that runs.
    #[error(
        "systemd does not run there (there is no /run/systemd/system); kcm needs a master that systemd manages"
    )]
    NoSystemd,
    /// The work of an earlier run still goes on there; nothing was changed.
    #[error(
        "the work of an earlier kcm still goes on there; wait a minute and run the command again"
    )]
    Busy,
    /// The transport has no way to do this.
    #[error("{transport} cannot do this: {reason}")]
    Unsupported {
        /// The transport.
        transport: String,
        /// Why, and what can.
        reason: String,
    },
}

impl OperationError {
    /// The cause, if a file is.
    #[must_use]
    pub fn file_kind(&self) -> Option<FileErrorKind> {
        match self {
            Self::File(error) => Some(error.kind),
            _ => None,
        }
    }
}
