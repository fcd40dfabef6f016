//! Errors of operations.

use thiserror::Error;

use crate::util::files::{FileError, FileErrorKind, RemotePath};

/// The failure of one operation of a batch.
#[derive(Debug, Error)]
#[error("{operation}: {error}")]
pub struct OperationFailure {
    /// Index of the operation in the batch, from 0.
    pub index: usize,
    /// Name of the operation.
    pub operation: &'static str,
    /// The error.
    pub error: OperationError,
}

/// The reason an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OperationError {
    /// A file could not be read or changed. A stage or commit may be partly done.
    #[error(transparent)]
    File(#[from] FileError),
    /// A path differs from the state in the plan; nothing was changed.
    #[error(
        "{path} changed since the plan was created: expected {expected}, found {found}; run the command again"
    )]
    Changed {
        /// The path.
        path: RemotePath,
        /// The state in the plan.
        expected: String,
        /// The observed state.
        found: String,
    },
    /// A unit differs from the state in the plan; nothing was changed.
    #[error(
        "{unit} changed since the plan was created: expected {expected}, found {found}; run the command again"
    )]
    UnitChanged {
        /// The unit.
        unit: String,
        /// The state in the plan.
        expected: String,
        /// The state that systemd reports.
        found: String,
    },
    /// A staged file differs from the bytes that were sent; nothing was changed.
    #[error("{path}: the content does not match its SHA-256 digest; check the disk")]
    Corrupt {
        /// The path.
        path: RemotePath,
    },
    /// An action on a unit failed.
    #[error("{unit}: {reason}")]
    Unit {
        /// The unit.
        unit: String,
        /// The reason.
        reason: String,
    },
    /// The master does not run systemd.
    #[error(
        "systemd does not manage the master (/run/systemd/system: no such file or directory); use a master that runs systemd"
    )]
    NoSystemd,
    /// A script of an earlier run still runs on the master; nothing was changed.
    #[error(
        "a script of an earlier kcm process still runs on the master; wait a minute and run the command again"
    )]
    Busy,
    /// The transport does not support the operation.
    #[error("{transport} does not support this operation: {reason}")]
    Unsupported {
        /// The transport.
        transport: String,
        /// The reason, and an alternative.
        reason: String,
    },
}

impl OperationError {
    /// Returns the kind of the file error, if it is one.
    #[must_use]
    pub fn file_kind(&self) -> Option<FileErrorKind> {
        match self {
            Self::File(error) => Some(error.kind),
            _ => None,
        }
    }
}
