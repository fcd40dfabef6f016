//! The login shell of a master through the system's `ssh` client, with the user's own
//! configuration.
//!
//! One connection is opened per master, when the first command is started. Every command and stream
//! is a channel of it.

mod config;
mod connect;
mod control;
mod explain;
mod forward;
mod login;
mod mux;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use openssh::{Session, Stdio};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::shell::{
    Password, Shell, ShellError, ShellExit, ShellProcess, ShellStreamError, ShellTransport,
};
use super::{Stream, StreamAddress};
use crate::cluster::{HostAddress, Ssh};
pub use connect::Connections;
use forward::ForwardError;
use mux::Running;

/// Time limit for the start of a command.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);
/// Time limit for the opening of a stream.
const STREAM_PATIENCE: Duration = Duration::from_secs(10);
/// Time during which a refused channel is requested again.
const REFUSED: Duration = Duration::from_secs(2);

/// The login shell of a master behind the system's `ssh`.
#[derive(Debug)]
pub struct OpenSsh {
    address: HostAddress,
    ssh: Ssh,
    connections: Connections,
    connection: Mutex<Connection>,
}

/// The state of the connection to a master during an invocation.
#[derive(Debug)]
enum Connection {
    Idle,
    Open(Running),
    /// The only attempt failed, for this reason. It is not repeated.
    Failed(String),
}

impl OpenSsh {
    /// Creates the login shell at `address`. Opens nothing yet.
    #[must_use]
    pub fn new(address: HostAddress, ssh: Ssh, connections: &Connections) -> Self {
        connections.hide(ssh.sudo_password.variable());
        let connection = Mutex::new(Connection::Idle);
        Self { address, ssh, connections: connections.clone(), connection }
    }

    /// Creates the transport over this login shell, with the settings of `ssh.sudo`. Messages call
    /// the master `master`.
    #[must_use]
    pub fn into_transport(
        self,
        master: impl Into<String>,
        sudo_password: Option<Password>,
    ) -> ShellTransport<Self> {
        let sudo = self.ssh.sudo;
        ShellTransport::new(master, self, sudo, sudo_password)
    }

    /// Returns the open connection; opens it if necessary.
    async fn session(&self) -> Result<Arc<Session>, ShellError> {
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
        Err(ShellError { reason })
    }
}

#[async_trait]
impl Shell for OpenSsh {
    /// Starts a command. sshd counts an ended channel until it notices the end. A refused channel
    /// is therefore requested again for a while: no command was started.
    async fn start(&self, line: &str) -> Result<ShellProcess, ShellError> {
        let session = self.session().await?;
        let start = Instant::now();
        loop {
            let mut command = Arc::clone(&session).arc_raw_command(line);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let error = match timeout(COMMAND_PATIENCE, command.spawn()).await {
                Ok(Ok(child)) => return process(child),
                Ok(Err(error)) => crate::util::words::in_full(&error),
                Err(_) => "the master does not answer any more".to_owned(),
            };
            if !explain::is_refusal(&error) || start.elapsed() >= REFUSED {
                return Err(ShellError::new(explain::no_channel(&error)));
            }
            tokio::time::sleep(REFUSED / 20).await;
        }
    }

    async fn open_stream(
        &self,
        address: &StreamAddress,
    ) -> Result<Box<dyn Stream>, ShellStreamError> {
        let session = self.session().await?;
        match forward::open(&session, address, STREAM_PATIENCE).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(ForwardError::Refused) => Err(ShellStreamError::Refused),
            Err(ForwardError::TimedOut) => Err(ShellStreamError::TimedOut(STREAM_PATIENCE)),
            Err(ForwardError::Lost(error)) => {
                Err(ShellError::new(format!("cannot open a stream: {error}")).into())
            }
        }
    }

    async fn close(&self) {
        // A lock or stream that is still held ends the connection when it is dropped.
        *self.connection.lock().await = Connection::Idle;
    }
}

fn process(mut child: openssh::Child<Arc<Session>>) -> Result<ShellProcess, ShellError> {
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin().take(), child.stdout().take(), child.stderr().take())
    else {
        return Err(ShellError::new("ssh opened no channel"));
    };
    let exit = async move {
        match child.wait().await {
            Ok(status) => status.code().map_or(ShellExit::Signal, ShellExit::Status),
            // The crate reports exit status 127 in this form.
            Err(openssh::Error::Remote(_)) => ShellExit::Status(127),
            Err(_) => ShellExit::Lost,
        }
    };
    let (stdin, stdout, stderr) = (Box::new(stdin), Box::new(stdout), Box::new(stderr));
    Ok(ShellProcess { stdin, stdout, stderr, exit: Box::pin(exit) })
}
