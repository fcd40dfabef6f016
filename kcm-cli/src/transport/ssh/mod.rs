//! A master behind `ssh`: the system's own client, with everything its users have set up for it.
//!
//! One connection is opened per master, when it is first asked something, and every exchange is a channel of it. A batch
//! becomes one script (`script`), which the master's shell carries out (`shell/`) and answers (`answer`).

mod answer;
mod command;
mod config;
mod connect;
mod control;
mod exchange;
mod explain;
mod forward;
mod journal;
mod lock;
mod login;
mod mux;
mod script;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use openssh::Session;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{
    Batch, Journal, JournalError, JournalQuestion, LockClaim, LockError, LockGuard, Replies,
    Stream, StreamAddress, StreamError, Transport, TransportError,
};
use crate::cluster::{HostAddress, Ssh};
use command::Command;
pub use connect::Connections;
use exchange::Opening;
use mux::Running;
use script::Script;

/// sshd lets ten channels into one connection (`MaxSessions`), somebody else may want one, and one that has ended counts until
/// sshd has noticed.
const CHANNELS: usize = 6;
/// How much longer than the master we wait for it: it ends its work itself, unless the connection is lost.
const GRACE: Duration = Duration::from_secs(20);
/// How long a stream may take to open.
const STREAM_PATIENCE: Duration = Duration::from_secs(10);

/// A password, wiped when dropped and never shown.
#[derive(Clone)]
pub struct Password(Arc<Zeroizing<String>>);

impl Password {
    /// Takes it over.
    #[must_use]
    pub fn new(password: Zeroizing<String>) -> Self {
        Self(Arc::new(password))
    }

    fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// A master behind `ssh`.
#[derive(Debug)]
pub struct SshMaster {
    master: String,
    address: HostAddress,
    ssh: Ssh,
    sudo_password: Option<Password>,
    connections: Connections,
    connection: Mutex<Connection>,
    channels: Arc<Semaphore>,
}

/// The connection to a master, in the course of an invocation.
#[derive(Debug)]
enum Connection {
    /// Nothing was asked yet.
    Idle,
    Open(Running),
    /// It was tried once; who asks again hears the same.
    Failed(String),
}

impl SshMaster {
    /// A master at `address`, called `master` in messages. Nothing is opened yet. `sudo_password` is what
    /// [`Sudo::Password`](crate::cluster::Sudo::Password) needs.
    #[must_use]
    pub fn new(
        master: impl Into<String>,
        address: HostAddress,
        ssh: Ssh,
        sudo_password: Option<Password>,
        connections: &Connections,
    ) -> Self {
        connections.hide(&ssh.sudo_password);
        Self {
            master: master.into(),
            address,
            ssh,
            sudo_password,
            connections: connections.clone(),
            connection: Mutex::new(Connection::Idle),
            channels: Arc::new(Semaphore::new(CHANNELS)),
        }
    }

    /// The open connection, opened now if need be.
    async fn session(&self) -> Result<Arc<Session>, TransportError> {
        let mut connection = self.connection.lock().await;
        let reason = match &*connection {
            Connection::Open(running) => return Ok(Arc::clone(running.session())),
            Connection::Failed(reason) => reason.clone(),
            Connection::Idle => match self.connections.open(&self.address, &self.ssh).await {
                Ok(running) => {
                    let session = Arc::clone(running.session());
                    *connection = Connection::Open(running);
                    return Ok(session);
                }
                Err(reason) => {
                    *connection = Connection::Failed(reason.clone());
                    reason
                }
            },
        };
        Err(self.never_ran(reason))
    }

    async fn channel(&self) -> Result<SemaphorePermit<'_>, TransportError> {
        let channel = self.channels.acquire().await;
        channel.map_err(|_| self.never_ran("the connection is closed".to_owned()))
    }

    fn command(&self, deadline: Option<Duration>, script: &str) -> Result<Command, TransportError> {
        Command::new(self.ssh.sudo, deadline, script.len()).map_err(|error| self.never_ran(error))
    }

    fn never_ran(&self, reason: String) -> TransportError {
        TransportError::NeverRan { master: self.master.clone(), reason }
    }

    fn fate_unknown(&self, reason: String) -> TransportError {
        TransportError::FateUnknown { master: self.master.clone(), reason }
    }
}

#[async_trait]
impl Transport for SshMaster {
    async fn call(&self, batch: &Batch) -> Result<Replies, TransportError> {
        let session = self.session().await?;
        let _channel = self.channel().await?;
        let end = command::mark().map_err(|error| self.never_ran(error))?;
        let script = Script::of(batch, &end).map_err(|error| self.never_ran(error.to_string()))?;
        let command = self.command(Some(batch.deadline), &script.text)?;
        let opening = Opening {
            session: &session,
            command: &command,
            sudo_password: self.sudo_password.as_ref(),
        };
        let carried_out = async {
            let channel = opening.open().await?;
            let marks = (command.begin.as_str(), end.as_str());
            channel.carry_out(&script, marks, batch.progress.as_ref(), batch.deadline).await
        };
        let failure = match timeout(batch.deadline + GRACE, carried_out).await {
            Ok(Ok(said)) => match answer::replies(batch, &said) {
                Ok(replies) => return Ok(replies),
                Err(garbled) => exchange::Failure::Lost(garbled.to_string()),
            },
            Ok(Err(failure)) => failure,
            Err(_) => exchange::Failure::Lost("it does not answer any more".to_owned()),
        };
        Err(match failure {
            exchange::Failure::Lost(reason) if script::changes(batch) => self.fate_unknown(reason),
            exchange::Failure::NeverRan(reason) | exchange::Failure::Lost(reason) => {
                self.never_ran(reason)
            }
        })
    }

    async fn open_stream(&self, address: &StreamAddress) -> Result<Box<dyn Stream>, StreamError> {
        let session = self.session().await?;
        let master = || self.master.clone();
        let opened = forward::open(&session, address, STREAM_PATIENCE).await;
        let error = match opened {
            Ok(stream) => return Ok(Box::new(stream)),
            Err(forward::ForwardError::TimedOut) => {
                let (address, patience) = (address.clone(), STREAM_PATIENCE);
                return Err(StreamError::TimedOut { master: master(), address, patience });
            }
            Err(forward::ForwardError::Refused) => self.why_refused(&session, address).await,
            Err(forward::ForwardError::Lost(error)) => {
                self.never_ran(format!("no stream can be opened: {error}")).into()
            }
        };
        Err(error)
    }

    async fn lock(&self, claim: &LockClaim) -> Result<Box<dyn LockGuard>, LockError> {
        let failed = |reason: String| LockError::Failed { master: self.master.clone(), reason };
        let unreachable = |error: TransportError| match error {
            TransportError::NeverRan { reason, .. }
            | TransportError::FateUnknown { reason, .. } => failed(reason),
        };
        let session = self.session().await.map_err(unreachable)?;
        let permit = Arc::clone(&self.channels).acquire_owned().await;
        let permit = permit.map_err(|_| failed("the connection is closed".to_owned()))?;
        let script = Script::of_lock(&claim.owner).map_err(|error| failed(error.to_string()))?;
        let command = self.command(None, &script.text).map_err(unreachable)?;
        let opening = Opening {
            session: &session,
            command: &command,
            sudo_password: self.sudo_password.as_ref(),
        };
        match lock::take(&opening, &script, permit).await {
            Ok(lock) => Ok(Box::new(lock)),
            Err(lock::Refusal::Held(holder)) => {
                Err(LockError::Held { master: self.master.clone(), holder })
            }
            Err(lock::Refusal::Failed(reason)) => Err(failed(reason)),
        }
    }

    async fn journal(&self, question: &JournalQuestion) -> Result<Box<dyn Journal>, JournalError> {
        let session = self.session().await?;
        let permit = Arc::clone(&self.channels).acquire_owned().await;
        let permit = permit.map_err(|_| self.never_ran("the connection is closed".to_owned()))?;
        let script =
            Script::of_journal(question).map_err(|error| self.never_ran(error.to_string()))?;
        let command = self.command(None, &script.text)?;
        let opening = Opening {
            session: &session,
            command: &command,
            sudo_password: self.sudo_password.as_ref(),
        };
        match journal::open(&self.master, &opening, &script, permit).await {
            Ok(journal) => Ok(Box::new(journal)),
            Err(exchange::Failure::NeverRan(reason) | exchange::Failure::Lost(reason)) => {
                Err(self.never_ran(reason).into())
            }
        }
    }

    async fn close(&self) {
        // Somebody who still holds a lock or stream ends the connection later, by letting go.
        *self.connection.lock().await = Connection::Idle;
    }
}

impl SshMaster {
    /// A port on which nobody listens and an sshd that forwards nothing look the same. So asks for something that
    /// certainly listens: sshd itself.
    async fn why_refused(&self, session: &Arc<Session>, address: &StreamAddress) -> StreamError {
        let master = self.master.clone();
        let control = match exchange::own_address(session).await {
            Some(own) => forward::open(session, &own, STREAM_PATIENCE).await.is_ok(),
            None => true,
        };
        if control {
            StreamError::Refused { master, address: address.clone() }
        } else {
            StreamError::Forbidden { master }
        }
    }
}
