//! Transports: the interface between kcm's decisions and their effects on a master.
//!
//! A [`Transport`] represents one master. It carries out a [`Batch`] of typed operations in one
//! exchange. [`Local`] works in a folder and [`fake::Fake`] in memory for tests; an embedder can supply
//! its own.
//!
//! # Contract
//!
//! Every implementation satisfies these clauses, and one test suite runs against all of them:
//!
//! 1. Operations of a batch are carried out in order, each completely before the next, up to the
//!    first that fails. [`Replies`] has one reply for each operation carried out, then the failure.
//!    No operation after the failed one was started.
//! 2. `Err(TransportError)` means that no replies could be obtained. It says whether nothing was
//!    done ([`TransportError::NeverRan`]) or the outcome is unknown
//!    ([`TransportError::FateUnknown`]).
//! 3. A file appears whole or not at all, with its mode and owner. It is durable before a reply
//!    reports it done. Before it has its owner, only the user who writes it can read it.
//! 4. [`Stage`] changes no target. It writes files into a folder named [`STAGE_FOLDER`], mode 0700,
//!    beside each target, reads them back and compares digests. It replaces the leftovers of an
//!    earlier run. If it fails, it leaves nothing behind.
//! 5. [`Commit`] first checks every expectation. If one does not hold, it changes nothing and fails
//!    with [`OperationError::Changed`] or [`OperationError::UnitChanged`]. Then it keeps, renames
//!    and removes file by file in the given order, and removes the stage folders. If it is
//!    interrupted, each file is old or new, never half. Every file to be kept is kept before the
//!    first is replaced.
//! 6. Secrets travel only as content or standard input: never in argv, the environment, a message
//!    or `Debug`.
//! 7. An operation that a transport does not support fails with [`OperationError::Unsupported`]; it
//!    is never ignored.
//! 8. [`UnitAction::Stop`] and [`UnitAction::Kill`] first arm a timer on the master. The timer
//!    starts the unit again even if kcm dies. Only a start or [`UnitAction::Disarm`] disarms it.
//! 9. Bytes are cheap, exchanges are not: one batch is one exchange.
//! 10. A [`Journal`] yields entries in the journal's own order, without duplicates or gaps. It
//!     reads ahead at most one entry and one chunk of the master's output. After a cursor it
//!     continues with the entry that follows. Once it is dropped, or its reader is dead, none of
//!     its processes remains on the master.

mod accounts;
mod batch;
#[cfg(feature = "testing")]
pub mod conformance;
mod enable;
mod export;
mod failure;
pub mod fake;
mod folders;
mod glob;
mod https;
mod inspect;
mod interpret;
mod journal;
mod local;
mod public_part;
mod reply;
mod shell;
#[cfg(feature = "ssh")]
mod ssh;
mod traced;
mod unit_files;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

pub use batch::{
    Account, Attributes, Batch, Commit, Examine, Exec, ExpectedUnit, Keep, KeptFile, NoteProgram,
    Operation, Probe, Progress, Read, Readable, Rename, Sent, Settle, Stage, StagedFile,
    UnitAction, Unstage, View,
};
pub use failure::{OperationError, OperationFailure};
pub(crate) use folders::untrusted_here;
pub use folders::{CheckFolders, UntrustedFolder};
#[cfg(feature = "kube")]
pub(crate) use https::presented_by;
pub use https::{HttpsAnswer, HttpsError, HttpsQuestion, https_over};
#[cfg(feature = "kube")]
pub(crate) use https::{Unexpected, Verifier};
pub use inspect::{Inspect, Inspected, ProcessFacts};
pub(crate) use interpret::{public_kubeconfig, staged};
pub use journal::{Journal, JournalEntry, JournalError, JournalQuestion, JournalStart};
pub use local::Local;
pub(crate) use public_part::{of_jwk as public_part_of_jwk, of_public_key as public_part};
pub use reply::{
    Activity, Connection, Enablement, Examined, Listener, Observation, Output, PathState,
    ProbeReply, ProgramFacts, Replies, Reply, Settled, UnitState,
};
pub use shell::{
    Password, Shell, ShellError, ShellExit, ShellProcess, ShellStreamError, ShellTransport,
    Unquotable, command_line,
};
#[cfg(feature = "ssh")]
pub use ssh::{Connections, OpenSsh};
pub use traced::{Exchange, Traced};
pub(crate) use unit_files::environment;
pub use unit_files::{EnvironmentSource, EnvironmentState, FindUnit, FoundUnit, UnitSource};

/// Name of the folder beside a target in which files wait for their commit.
pub const STAGE_FOLDER: &str = ".kcm-stage";

/// A connection to one master. Object-safe; used as `Arc<dyn Transport>`. The contract of the
/// module binds implementors.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Carries out `batch` in one exchange: all of it, or up to the first operation that fails. The
    /// replies name the failed operation.
    ///
    /// # Errors
    /// Returns an error if no replies could be obtained; it says whether nothing was done or the
    /// outcome is unknown.
    async fn call(&self, batch: &Batch) -> Result<Replies, TransportError>;

    /// Opens a byte stream to `address` as seen from the master.
    ///
    /// # Errors
    /// Returns an error if the stream cannot be opened or the transport does not support streams.
    async fn open_stream(&self, address: &StreamAddress) -> Result<Box<dyn Stream>, StreamError>;

    /// Sends an HTTPS request to a server as seen from the master. The server's certificate is not
    /// verified: the answer proves no identity, and the request must not carry a secret.
    /// [`https_over`] implements this over a stream.
    ///
    /// # Errors
    /// Returns an error if no answer came within 10 s.
    async fn insecure_https(&self, question: &HttpsQuestion) -> Result<HttpsAnswer, HttpsError>;

    /// Takes the master's lock for the lifetime of the guard. Does not wait for another holder.
    ///
    /// # Errors
    /// Returns an error if another process holds the lock; it names the holder as far as that is
    /// known.
    async fn lock(&self, claim: &LockClaim) -> Result<Box<dyn LockGuard>, LockError>;

    /// Reads the journal of a unit.
    ///
    /// # Errors
    /// Returns an error if reading cannot begin or the transport cannot read journals.
    async fn journal(&self, question: &JournalQuestion) -> Result<Box<dyn Journal>, JournalError>;

    /// Closes the connection, if there is one. A later call may open a new one.
    async fn close(&self);
}

/// A byte stream through a master.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A TCP address as seen from a master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamAddress {
    /// IP address or host name.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for StreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A request for a lock, with the owner to show to others that find it held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockClaim {
    /// Description of user, host and process.
    pub owner: String,
}

/// A held lock of a master; dropping the guard releases it.
pub trait LockGuard: fmt::Debug + Send + Sync {}

/// The reason a batch returned no replies.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The batch did not run: nothing was done on the master.
    #[error("{master}: cannot run commands on the master, nothing was changed: {reason}")]
    NeverRan {
        /// The master.
        master: String,
        /// The cause and how to fix it.
        reason: String,
    },
    /// The connection was lost: the batch may have been carried out partly or completely.
    #[error(
        "{master}: the change was interrupted and its outcome is unknown: {reason}; run the same command again; kcm continues from the observed state"
    )]
    FateUnknown {
        /// The master.
        master: String,
        /// The cause.
        reason: String,
    },
}

impl TransportError {
    /// Returns the cause and how to fix it.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::NeverRan { reason, .. } | Self::FateUnknown { reason, .. } => reason,
        }
    }

    /// Returns the message without the master's name, for contexts that already name it.
    pub(crate) fn without_name(&self) -> String {
        let (Self::NeverRan { master, .. } | Self::FateUnknown { master, .. }) = self;
        let text = self.to_string();
        text.strip_prefix(&format!("{master}: ")).map(str::to_owned).unwrap_or(text)
    }
}

/// The reason a stream could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The transport does not support streams.
    #[error("{master}: {reason}")]
    Unsupported {
        /// The master.
        master: String,
        /// The reason.
        reason: String,
    },
    /// No process listens on the address.
    #[error("{master}: no process listens on {address}")]
    Refused {
        /// The master.
        master: String,
        /// The address, as seen from the master.
        address: StreamAddress,
    },
    /// The SSH server of the master forbids forwarding.
    #[error(
        "{master}: sshd forbids TCP forwarding; set `AllowTcpForwarding local` in sshd_config on the master"
    )]
    Forbidden {
        /// The master.
        master: String,
    },
    /// No answer came in time.
    #[error("{master}: {address} did not answer within {} s", patience.as_secs())]
    TimedOut {
        /// The master.
        master: String,
        /// The address, as seen from the master.
        address: StreamAddress,
        /// The time waited.
        patience: Duration,
    },
    /// The master could not be queried.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// The reason a lock could not be taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process holds the lock.
    #[error("{master}: another kcm process holds the lock ({holder})")]
    Held {
        /// The master.
        master: String,
        /// The holder, as far as it is known.
        holder: String,
    },
    /// The lock request failed.
    #[error("{master}: cannot acquire the lock: {reason}")]
    Failed {
        /// The master.
        master: String,
        /// The reason.
        reason: String,
    },
}

impl LockError {
    /// Returns the fix, if one is known.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Held { .. } => Some("wait until that process ends"),
            Self::Failed { .. } => None,
        }
    }
}
