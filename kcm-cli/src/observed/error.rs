//! Errors of an observation.

use std::fmt;

use thiserror::Error;

use crate::transport::{OperationError, TransportError};
use crate::util::tasks::Panicked;
use crate::util::words::{count, harmless};

/// An error of masters that could not be observed. No master was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub struct ObserveError {
    /// All masters in the cluster file's order, each with its error if it could not be observed.
    pub masters: Vec<(String, Option<AskError>)>,
}

impl ObserveError {
    /// Returns the fix: the options that leave out the failed masters, if others remain.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let silent = self.masters.iter().filter(|(_, error)| error.is_some());
        let skip: Vec<_> = silent.map(|(name, _)| format!("--skip {name}")).collect();
        let remains = skip.len() < self.masters.len();
        remains.then(|| format!("add `{}` to continue without them", skip.join(" ")))
    }
}

/// The failed masters, each with its error on a line of its own.
impl fmt::Display for ObserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.masters.iter().filter_map(|(_, error)| error.as_ref());
        let lines = errors.map(|error| format!("\n  {}", harmless(&error.to_string())));
        let lines: Vec<_> = lines.collect();
        let masters = count(self.masters.len(), "master");
        let failed = lines.len();
        write!(f, "cannot observe {failed} of {masters}; no master has changed{}", lines.concat())
    }
}

/// The reason why a master could not be observed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// The transport failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// An operation on the master failed.
    #[error("{master}: {error}")]
    Failed {
        /// Name of the master.
        master: String,
        /// The cause.
        error: OperationError,
    },
    /// The transport violated its contract.
    #[error("{master}: the transport returned unexpected replies; this is a bug in the transport")]
    Contract {
        /// Name of the master.
        master: String,
    },
    /// The task that observed the master panicked.
    #[error("{master}: {problem}")]
    Panicked {
        /// Name of the master.
        master: String,
        /// Message of the panic.
        problem: String,
    },
}

impl AskError {
    /// Returns the result of one master's task, or an error if it panicked.
    pub(crate) fn of_task<T, E: From<Self>>(
        master: &str,
        ended: Result<Result<T, E>, Panicked>,
    ) -> Result<T, E> {
        ended.unwrap_or_else(|panicked| Err(Self::of_panic(master, &panicked).into()))
    }

    pub(crate) fn of_panic(master: &str, panicked: &Panicked) -> Self {
        Self::Panicked { master: master.to_owned(), problem: panicked.to_string() }
    }

    /// Formats the error without the master's name, for messages that already contain it.
    pub(crate) fn without_name(&self) -> String {
        let (master, text) = match self {
            Self::Transport(error) => return error.without_name(),
            Self::Failed { master, .. }
            | Self::Contract { master }
            | Self::Panicked { master, .. } => (master, self.to_string()),
        };
        text.strip_prefix(&format!("{master}: ")).map(str::to_owned).unwrap_or(text)
    }
}
