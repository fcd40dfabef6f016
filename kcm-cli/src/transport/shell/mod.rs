//! The interface to an SSH library: a [`Shell`] starts commands on a master, and [`ShellTransport`]
//! makes a [`Transport`](super::Transport) of it.
//!
//! `script` renders a batch as one POSIX script, the master's shell runs it (`scripts/`), and
//! `answer` parses its output. An implementor needs to know none of them. It connects the three
//! standard streams of a command, and opens byte streams.

mod answer;
mod command;
mod exchange;
mod explain;
mod journal;
mod lock;
mod script;
mod transport;
mod words;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Stream, StreamAddress};
#[cfg(feature = "ssh")]
pub(super) use explain::{last_line, tidy};
pub use transport::{Password, ShellTransport};
pub use words::{Unquotable, command_line};

/// A login shell on one master, reached through an SSH library.
///
/// # Contract
///
/// The suite [`conformance::shell`](crate::transport::conformance::shell) checks these clauses
/// (feature `testing`):
///
/// 1. [`start`](Shell::start) passes the line to the login shell unchanged (RFC 4254, section 6.5,
///    `exec`), without a terminal. No byte of a stream is changed, and standard error stays
///    separate from standard output.
/// 2. `Err(ShellError)` means that the line was not started. If it may have been started, the
///    result is a process whose exit is [`ShellExit::Lost`]. Both calls limit their own time.
/// 3. Six processes and any number of streams run at the same time and do not wait for one another.
/// 4. A process whose standard input is dropped reads end of file. Dropping a process closes all
///    its streams.
/// 5. A stream connects as seen from the master, and each direction ends separately: after
///    `shutdown`, the other end may still answer.
/// 6. Data written to standard input appears in no log, error or `Debug`: it holds passwords and
///    keys.
#[async_trait]
pub trait Shell: fmt::Debug + Send + Sync {
    /// Starts `line` under the login shell.
    ///
    /// # Errors
    /// Returns an error if the line was not started: the master was not reached, or accepts no
    /// further command.
    async fn start(&self, line: &str) -> Result<ShellProcess, ShellError>;

    /// Opens a byte stream to `address` as seen from the master (RFC 4254, section 7.2,
    /// `direct-tcpip`).
    ///
    /// # Errors
    /// Returns an error if no stream was opened within 10 s.
    async fn open_stream(
        &self,
        address: &StreamAddress,
    ) -> Result<Box<dyn Stream>, ShellStreamError>;

    /// Closes the connection, if there is one. A later call may open a new one.
    async fn close(&self);
}

/// A command running on a master.
pub struct ShellProcess {
    /// Standard input of the command.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Standard output of the command.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Standard error of the command.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Resolves when the command has ended. Awaited after both outputs were read to their end.
    pub exit: Pin<Box<dyn Future<Output = ShellExit> + Send>>,
}

impl fmt::Debug for ShellProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShellProcess")
    }
}

/// The end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShellExit {
    /// The command exited with this status.
    Status(i32),
    /// A signal ended the command.
    Signal,
    /// The connection was lost, and the end is unknown.
    Lost,
}

impl fmt::Display for ShellExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal => f.write_str("a signal"),
            Self::Lost => f.write_str("a lost connection"),
        }
    }
}

/// The error of a command that was not started.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct ShellError {
    /// The cause, and how to fix it, for an operator.
    pub reason: String,
}

impl ShellError {
    /// Creates an error with this cause.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// The reason a stream was not opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShellStreamError {
    /// The master refused: no process listens on the address, or its sshd forbids forwarding.
    #[error("refused by the master")]
    Refused,
    /// No answer came in time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The request did not reach the master.
    #[error(transparent)]
    Shell(#[from] ShellError),
}
