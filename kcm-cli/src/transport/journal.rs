//! A unit's journal on a master, entry by entry.

use async_trait::async_trait;
use kcm_systemd::UnitName;
use thiserror::Error;
use time::OffsetDateTime;

use super::TransportError;

/// What is wanted of a master's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalQuestion {
    /// Whose entries.
    pub unit: UnitName,
    /// Where to begin.
    pub from: JournalStart,
    /// Whether to wait for what is yet to come.
    pub follow: bool,
}

/// Where a journal begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalStart {
    /// With the first entry of this second or a later one, by the master's clock.
    Since(OffsetDateTime),
    /// With the entry after this one.
    After(String),
}

/// An entry of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its place, for [`JournalStart::After`].
    pub cursor: String,
    /// When the master's journal took it, by the master's clock (`__REALTIME_TIMESTAMP`), in microseconds since 1970.
    pub microseconds: u64,
    /// The message as it was written: any bytes, also those that drive a terminal. At most [`JournalEntry::LONGEST`].
    pub message: Vec<u8>,
    /// How many bytes of the message are left out.
    pub cut: u64,
}

impl JournalEntry {
    /// The longest message that is kept, in bytes.
    pub const LONGEST: usize = 64 * 1024;
}

/// A journal that is being read. Dropping it ends the reading on the master, too.
#[async_trait]
pub trait Journal: Send {
    /// The next entry; none after the last. Reads on only when asked, so whoever is slow holds back the master and
    /// fills no memory.
    ///
    /// # Errors
    /// When the connection is lost, or the journal cannot be read.
    async fn next(&mut self) -> Result<Option<JournalEntry>, JournalError>;
}

/// Why a journal is not read, or not to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The transport has no journals.
    #[error("{master}: {reason}")]
    Unsupported {
        /// The master.
        master: String,
        /// Why.
        reason: String,
    },
    /// The master could not be asked.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The connection was lost in between. Asking again after the last entry's cursor goes on where it was.
    #[error("{master}: {reason}")]
    Lost {
        /// The master.
        master: String,
        /// What happened.
        reason: String,
    },
    /// The master has the question and cannot answer it.
    #[error("{master}: its journal cannot be read: {reason}")]
    Refused {
        /// The master.
        master: String,
        /// Why, and how to mend it.
        reason: String,
    },
}

impl JournalError {
    /// Why, without the master's name.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Transport(error) => error.reason(),
            Self::Unsupported { reason, .. }
            | Self::Lost { reason, .. }
            | Self::Refused { reason, .. } => reason,
        }
    }
}
