//! The seam between what kcm decides and where it happens.
//!
//! A [`Transport`] is one master. It carries out a [`Batch`] of typed operations in one exchange:
//! [`Local`] in a folder, [`Fake`] in memory for tests, and an embedder's own wherever it likes.
//!
//! # Contract
//!
//! Every implementation holds these, and one suite of tests runs on all of them:
//!
//! 1. Operations of a batch are carried out in order, each whole before the next, up to the first that
//!    fails. [`Replies`] has one reply for each that was carried out, then the failure; none after it
//!    was begun.
//! 2. `Err(TransportError)` means that no replies could be had, and says whether nothing was done
//!    ([`TransportError::NeverRan`]) or nobody knows ([`TransportError::FateUnknown`]).
//! 3. A file appears whole or not at all, with its mode and owner, and is durable before a reply calls
//!    it done. Before it has its owner, nobody but the user who writes it can read it.
//! 4. [`Stage`] changes no target. It puts files into a folder named [`STAGE_FOLDER`], mode 0700, beside
//!    each target, reads them back and compares digests. What an earlier run left there is replaced;
//!    if it fails, it leaves nothing behind.
//! 5. [`Commit`] looks at everything it is told to expect first; if one thing is other than expected
//!    it changes nothing and fails with [`OperationError::Changed`] or [`OperationError::UnitChanged`]. Then it keeps,
//!    renames and removes file by file in the order given, and removes the stage folders. Interrupted, each file is old
//!    or new, never half, and what was to be kept is kept before the first is replaced.
//! 6. Secrets travel as content or standard input only: never in argv, the environment, a message or
//!    `Debug`.
//! 7. An operation that a transport cannot do is [`OperationError::Unsupported`], never silence.
//! 8. [`UnitAction::Stop`] and [`UnitAction::Kill`] arm a timer of the master's own first, which starts the unit again whatever becomes of kcm;
//!    only a start or [`UnitAction::Disarm`] takes it back.
//! 9. Bytes are cheap, exchanges are not: one batch is one exchange.
//! 10. A [`Journal`] gives entries in the journal's own order, none twice and none left out, and reads ahead no more than
//!     one entry and one piece of what the master sends. After a cursor it goes on with the entry that follows. Once it is
//!     dropped, or whoever reads it is dead, nothing of it is left running on the master.

mod accounts;
mod batch;
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
mod ssh;
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
pub use fake::Fake;
pub(crate) use folders::untrusted_here;
pub use folders::{CheckFolders, UntrustedFolder};
pub use https::{HttpsAnswer, HttpsError, HttpsQuestion};
pub use inspect::{Inspect, Inspected, ProcessFacts};
pub(crate) use interpret::{public_kubeconfig, staged};
pub use journal::{Journal, JournalEntry, JournalError, JournalQuestion, JournalStart};
pub use local::Local;
pub(crate) use public_part::of_certificate as public_part;
pub use reply::{
    Activity, Connection, Enablement, Examined, Listener, Observation, Output, PathState,
    ProbeReply, ProgramFacts, Replies, Reply, Settled, UnitState,
};
pub use shell::{Unquotable, command_line};
pub use ssh::{Connections, Password, SshMaster};
pub use unit_files::{EnvironmentSource, EnvironmentState, FindUnit, FoundUnit, UnitSource};

/// The folder beside a target in which files wait for their commit.
pub const STAGE_FOLDER: &str = ".kcm-stage";

/// One master. Object-safe; used as `Arc<dyn Transport>`. The module's contract binds.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Carries out `batch` in one exchange: all of it, or up to the first operation that failed, which
    /// the replies name.
    ///
    /// # Errors
    /// When there are no replies: the error says whether nothing was done or nobody knows.
    async fn call(&self, batch: &Batch) -> Result<Replies, TransportError>;

    /// Opens a byte stream to `address` as seen from the master.
    ///
    /// # Errors
    /// When it cannot be opened, or this transport has no way to.
    async fn open_stream(&self, address: &StreamAddress) -> Result<Box<dyn Stream>, StreamError>;

    /// Asks a server, as seen from the master, over HTTPS, whoever it is: its certificate is not verified, so the answer
    /// proves no identity and must carry no secret.
    ///
    /// # Errors
    /// When no answer was had within 10 s.
    async fn insecure_https(&self, question: &HttpsQuestion) -> Result<HttpsAnswer, HttpsError> {
        https::ask(self.open_stream(&question.address).await?, question).await
    }

    /// Takes the master's lock for as long as the guard lives. Does not wait for a holder.
    ///
    /// # Errors
    /// When somebody else holds it, and who, as far as that can be known.
    async fn lock(&self, claim: &LockClaim) -> Result<Box<dyn LockGuard>, LockError>;

    /// Reads the journal of a unit.
    ///
    /// # Errors
    /// When it cannot be begun, or this transport has no way to.
    async fn journal(&self, question: &JournalQuestion) -> Result<Box<dyn Journal>, JournalError> {
        let reason = format!("the journal of {} cannot be read this way", question.unit);
        Err(JournalError::Unsupported { master: "this master".to_owned(), reason })
    }

    /// Ends the connection, if there is one. What is asked afterwards may open a new one.
    async fn close(&self) {}
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

/// Who asks for a lock, for whoever finds it taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockClaim {
    /// User, host and process in words.
    pub owner: String,
}

/// Holds a master's lock; dropping it lets go.
pub trait LockGuard: fmt::Debug + Send + Sync {}

/// No replies.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Nothing was done on the master.
    #[error("{master}: could not be reached, nothing was done there: {reason}")]
    NeverRan {
        /// The master.
        master: String,
        /// Why, and how to mend it.
        reason: String,
    },
    /// The connection was lost: the batch may have been carried out, in part or whole.
    #[error(
        "{master}: lost in the middle, what was done there is unknown: {reason}; run the same command again, it goes on from what it finds"
    )]
    FateUnknown {
        /// The master.
        master: String,
        /// What happened.
        reason: String,
    },
}

impl TransportError {
    /// Why, and how to mend it.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::NeverRan { reason, .. } | Self::FateUnknown { reason, .. } => reason,
        }
    }

    /// The same without the master's name, for where that is said already.
    pub(crate) fn without_name(&self) -> String {
        let (Self::NeverRan { master, .. } | Self::FateUnknown { master, .. }) = self;
        let text = self.to_string();
        text.strip_prefix(&format!("{master}: ")).map(str::to_owned).unwrap_or(text)
    }
}

/// Why a stream could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The transport has no streams.
    #[error("{master}: {reason}")]
    Unsupported {
        /// The master.
        master: String,
        /// Why.
        reason: String,
    },
    /// Nobody listens there.
    #[error("{master}: nobody listens on {address}")]
    Refused {
        /// The master.
        master: String,
        /// The address, as seen from the master.
        address: StreamAddress,
    },
    /// The master does not let connections through.
    #[error(
        "{master}: its sshd forwards nothing; allow it with `AllowTcpForwarding local` in its sshd_config"
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
        /// How long was waited.
        patience: Duration,
    },
    /// The master could not be asked.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// Why a lock was not had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else holds it.
    #[error("{master}: another kcm is at work there ({holder}); wait for it to end")]
    Held {
        /// The master.
        master: String,
        /// The holder, as far as it is known.
        holder: String,
    },
    /// The question failed.
    #[error("{master}: the lock cannot be taken: {reason}")]
    Failed {
        /// The master.
        master: String,
        /// Why.
        reason: String,
    },
}
