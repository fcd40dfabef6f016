//! The journal of a unit on a master, entry by entry.

use async_trait::async_trait;
use kcm_systemd::UnitName;
use thiserror::Error;
use time::OffsetDateTime;

use super::TransportError;

/// A query for entries of a master's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalQuestion {
    /// The unit whose entries are read.
    pub unit: UnitName,
    /// The start position.
    pub from: JournalStart,
    /// True to wait for entries still to come.
    pub follow: bool,
}

/// The start position in a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalStart {
    /// Start with the first entry of this second or a later one, by the master's clock.
    Since(OffsetDateTime),
    /// Start with the entry after this cursor.
    After(String),
}

/// An entry of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Position of the entry, for [`JournalStart::After`].
    pub cursor: String,
    /// Time at which the master's journal received it, by the master's clock
    /// (`__REALTIME_TIMESTAMP`), in microseconds since 1970.
    pub microseconds: u64,
    /// The message as written: any bytes, including terminal control sequences. At most
    /// [`JournalEntry::LONGEST`].
    pub message: Vec<u8>,
    /// Number of bytes cut from the end of the message.
    pub cut: u64,
}

impl JournalEntry {
    /// Maximum length of a stored message, in bytes.
    pub const LONGEST: usize = 64 * 1024;
}

/// An open journal. Dropping it ends the reading on the master, too.
#[async_trait]
pub trait Journal: Send {
    /// Returns the next entry, or `None` after the last. Reads on only when called, so a slow
    /// reader holds back the master and fills no memory.
    ///
    /// # Errors
    /// Returns an error if the connection is lost or the journal cannot be read.
    async fn next(&mut self) -> Result<Option<JournalEntry>, JournalError>;
}

/// The reason a journal could not be read, or not to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The transport does not support journals.
    #[error("{master}: {reason}")]
    Unsupported {
        /// The master.
        master: String,
        /// The reason.
        reason: String,
    },
    /// The master could not be queried.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The connection was lost in between. A new query after the last entry's cursor continues from
    /// there.
    #[error("{master}: {reason}")]
    Lost {
        /// The master.
        master: String,
        /// The cause.
        reason: String,
    },
    /// The master received the query and cannot answer it.
    #[error("{master}: cannot read the journal: {reason}")]
    Refused {
        /// The master.
        master: String,
        /// The reason and how to fix it.
        reason: String,
    },
}

impl JournalError {
    /// Returns the reason, without the master's name.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Transport(error) => error.reason(),
            Self::Unsupported { reason, .. }
            | Self::Lost { reason, .. }
            | Self::Refused { reason, .. } => reason,
        }
    }
}
