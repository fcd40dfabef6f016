//! The transport over a login shell.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::command::{self, Command};
use super::exchange::{self, Failure, Opening};
use super::script::{self, Script};
use super::{Shell, ShellStreamError, answer, journal, lock};
use crate::cluster::Sudo;
use crate::transport::{
    Batch, HttpsAnswer, HttpsError, HttpsQuestion, Journal, JournalError, JournalQuestion,
    LockClaim, LockError, LockGuard, Replies, Stream, StreamAddress, StreamError, Transport,
    TransportError, https_over,
};

/// Maximum number of processes at the same time on one connection. sshd allows ten (`MaxSessions`).
/// The rest is for other users of the connection, and for ended processes that sshd still counts.
const CHANNELS: usize = 6;
/// Additional wait after a batch's deadline. The master ends the batch first, unless the connection
/// is lost.
const GRACE: Duration = Duration::from_secs(20);

/// A password, wiped when dropped and never shown.
#[derive(Clone)]
pub struct Password(Arc<Zeroizing<String>>);

impl Password {
    /// Takes ownership of a password.
    #[must_use]
    pub fn new(password: Zeroizing<String>) -> Self {
        Self(Arc::new(password))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// A transport to a master through a login shell.
#[derive(Debug)]
pub struct ShellTransport<S> {
    master: String,
    shell: S,
    sudo: Sudo,
    sudo_password: Option<Password>,
    channels: Arc<Semaphore>,
}

impl<S: Shell> ShellTransport<S> {
    /// Creates the transport to the master behind `shell`, which messages call `master`. Starts
    /// nothing yet.
    ///
    /// `sudo` determines how the login user becomes root; [`Sudo::Password`] needs `sudo_password`.
    #[must_use]
    pub fn new(
        master: impl Into<String>,
        shell: S,
        sudo: Sudo,
        sudo_password: Option<Password>,
    ) -> Self {
        let channels = Arc::new(Semaphore::new(CHANNELS));
        Self { master: master.into(), shell, sudo, sudo_password, channels }
    }

    /// Waits for a free slot among the processes that may run at the same time.
    async fn channel(&self) -> Result<OwnedSemaphorePermit, TransportError> {
        let channel = Arc::clone(&self.channels).acquire_owned().await;
        channel.map_err(|_| self.never_ran("the connection is closed".to_owned()))
    }

    fn command(&self, deadline: Option<Duration>, script: &str) -> Result<Command, TransportError> {
        Command::new(self.sudo, deadline, script.len()).map_err(|error| self.never_ran(error))
    }

    fn opening<'a>(&'a self, command: &'a Command) -> Opening<'a> {
        Opening { shell: &self.shell, command, sudo_password: self.sudo_password.as_ref() }
    }

    fn never_ran(&self, reason: String) -> TransportError {
        TransportError::NeverRan { master: self.master.clone(), reason }
    }

    fn fate_unknown(&self, reason: String) -> TransportError {
        TransportError::FateUnknown { master: self.master.clone(), reason }
    }

    /// Finds out why a stream was refused. A port without a listener and an sshd that forbids
    /// forwarding give the same error. A stream to sshd's own port, which certainly listens,
    /// distinguishes them.
    async fn why_refused(&self, address: &StreamAddress) -> StreamError {
        let master = self.master.clone();
        let forwards = match exchange::own_address(&self.shell).await {
            Some(own) => self.shell.open_stream(&own).await.is_ok(),
            None => true,
        };
        if forwards {
            StreamError::Refused { master, address: address.clone() }
        } else {
            StreamError::Forbidden { master }
        }
    }
}

#[async_trait]
impl<S: Shell> Transport for ShellTransport<S> {
    async fn call(&self, batch: &Batch) -> Result<Replies, TransportError> {
        let _channel = self.channel().await?;
        let end = command::mark().map_err(|error| self.never_ran(error))?;
        let script = Script::of(batch, &end).map_err(|error| self.never_ran(error.to_string()))?;
        let command = self.command(Some(batch.deadline), &script.text)?;
        let opening = self.opening(&command);
        // The shell limits the time for login and for the start of a command.
        let answered = async {
            let channel = opening.open().await?;
            let marks = (command.begin.as_str(), end.as_str());
            let (progress, deadline) = (batch.progress.as_ref(), batch.deadline);
            let carried_out = channel.carry_out(&script, marks, progress, deadline);
            let late = || Failure::Lost("the master does not answer any more".to_owned());
            let said = timeout(deadline + GRACE, carried_out).await.map_err(|_| late())??;
            answer::replies(batch, &said).map_err(|garbled| Failure::Lost(garbled.to_string()))
        };
        answered.await.map_err(|failure| match failure {
            Failure::Lost(reason) if script::changes(batch) => self.fate_unknown(reason),
            Failure::NeverRan(reason) | Failure::Lost(reason) => self.never_ran(reason),
        })
    }

    async fn open_stream(&self, address: &StreamAddress) -> Result<Box<dyn Stream>, StreamError> {
        let error = match self.shell.open_stream(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        Err(match error {
            ShellStreamError::Refused => self.why_refused(address).await,
            ShellStreamError::TimedOut(patience) => {
                let (master, address) = (self.master.clone(), address.clone());
                StreamError::TimedOut { master, address, patience }
            }
            ShellStreamError::Shell(error) => self.never_ran(error.reason).into(),
        })
    }

    async fn insecure_https(&self, question: &HttpsQuestion) -> Result<HttpsAnswer, HttpsError> {
        https_over(self.open_stream(&question.address).await?, question).await
    }

    async fn lock(&self, claim: &LockClaim) -> Result<Box<dyn LockGuard>, LockError> {
        let failed = |reason: String| LockError::Failed { master: self.master.clone(), reason };
        let unreachable = |error: TransportError| failed(error.reason().to_owned());
        let permit = self.channel().await.map_err(unreachable)?;
        let script = Script::of_lock(&claim.owner).map_err(|error| failed(error.to_string()))?;
        let command = self.command(None, &script.text).map_err(unreachable)?;
        match lock::take(&self.opening(&command), &script, permit).await {
            Ok(lock) => Ok(Box::new(lock)),
            Err(lock::Refusal::Held(holder)) => {
                Err(LockError::Held { master: self.master.clone(), holder })
            }
            Err(lock::Refusal::Failed(reason)) => Err(failed(reason)),
        }
    }

    async fn journal(&self, question: &JournalQuestion) -> Result<Box<dyn Journal>, JournalError> {
        let permit = self.channel().await?;
        let script =
            Script::of_journal(question).map_err(|error| self.never_ran(error.to_string()))?;
        let command = self.command(None, &script.text)?;
        match journal::open(&self.master, &self.opening(&command), &script, permit).await {
            Ok(journal) => Ok(Box::new(journal)),
            Err(Failure::NeverRan(reason) | Failure::Lost(reason)) => {
                Err(self.never_ran(reason).into())
            }
        }
    }

    async fn close(&self) {
        self.shell.close().await;
    }
}
