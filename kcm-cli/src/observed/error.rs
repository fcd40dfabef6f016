//! The errors of an observation.

use std::fmt;

use thiserror::Error;

use crate::transport::{OperationError, TransportError};
use crate::util::tasks::Panicked;
use crate::util::words::harmless;

/// Some masters could not be observed. Nothing was changed on any.
#[derive(Debug, Error)]
pub struct ObserveError {
    /// All masters, in the cluster file's order, each with why it could not be observed if it could not.
    pub masters: Vec<(String, Option<AskError>)>,
}

impl ObserveError {
    /// Who could not be observed and why, without what to do about it.
    pub(crate) fn cause(&self) -> String {
        let errors = self.masters.iter().filter_map(|(_, error)| error.as_ref());
        let lines = errors.map(|error| format!("  {}\n", harmless(&error.to_string())));
        let lines: Vec<_> = lines.collect();
        let answered = self.masters.iter().filter(|(_, error)| error.is_none());
        let mut answered = answered.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        if !answered.is_empty() {
            answered = harmless(&answered) + " answered. ";
        }
        format!(
            "{} of {} masters cannot be observed:\n{}{answered}No master has changed.",
            lines.len(),
            self.masters.len(),
            lines.concat()
        )
    }
}

impl fmt::Display for ObserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause())?;
        let silent = self.masters.iter().filter(|(_, error)| error.is_some());
        let skip: Vec<_> = silent.map(|(name, _)| format!("--skip {name}")).collect();
        if skip.len() < self.masters.len() {
            write!(f, " To go on without the others, say `{}`.", harmless(&skip.join(" ")))?;
        }
        Ok(())
    }
}

/// Why a master could not be observed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// It could not be asked.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// It could not answer.
    #[error("{master}: {error}")]
    Failed {
        /// The master.
        master: String,
        /// Why.
        error: OperationError,
    },
    /// Its transport did not keep the contract.
    #[error(
        "{master}: its transport answered other questions than it was asked; this is a bug in the transport"
    )]
    Contract {
        /// The master.
        master: String,
    },
    /// Its answer made kcm fail.
    #[error("{master}: {problem}")]
    Panicked {
        /// The master.
        master: String,
        /// The panic.
        problem: String,
    },
}

impl AskError {
    /// The result of one master's task.
    pub(crate) fn of_task<T, E: From<Self>>(
        master: &str,
        ended: Result<Result<T, E>, Panicked>,
    ) -> Result<T, E> {
        ended.unwrap_or_else(|panicked| Err(Self::of_panic(master, &panicked).into()))
    }

    pub(crate) fn of_panic(master: &str, panicked: &Panicked) -> Self {
        Self::Panicked { master: master.to_owned(), problem: panicked.to_string() }
    }

    /// The same without the master's name, for where that is said already.
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
