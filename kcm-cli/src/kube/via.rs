//! The network path to the API server.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::error::{Problem, Step};
use crate::cluster::ApiVia;
use crate::transport::{Stream, StreamAddress, StreamError, Transport};
use crate::util::files::words;

/// The origin of connections to the API server.
#[derive(Clone, Debug)]
pub enum Via {
    /// Through a master. Proves that the master reaches the server; this machine needs no route to
    /// it.
    ///
    /// The stream keeps the connection to the master open. Drop the [`ApiServer`](super::ApiServer)
    /// before you close the masters.
    Master {
        /// Name of the master, for messages.
        name: String,
        /// Transport to the master.
        transport: Arc<dyn Transport>,
    },
    /// Directly from this machine over TCP, ignoring proxy settings.
    Direct,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master { name, .. } => name,
            Self::Direct => "this machine",
        })
    }
}

impl Via {
    /// Returns the path that the cluster file chooses for queries about a master.
    pub(crate) fn of_master(chosen: ApiVia, name: &str, transport: &Arc<dyn Transport>) -> Self {
        match chosen {
            ApiVia::Master => {
                Self::Master { name: name.to_owned(), transport: Arc::clone(transport) }
            }
            ApiVia::Direct => Self::Direct,
        }
    }

    /// Opens a stream, or fails after `patience`.
    pub(super) async fn open(
        &self,
        address: &StreamAddress,
        patience: Duration,
    ) -> Result<Box<dyn Stream>, Problem> {
        let opening = async {
            match self {
                Self::Master { transport, .. } => {
                    transport.open_stream(address).await.map_err(through_master)
                }
                Self::Direct => direct(address).await,
            }
        };
        let late = Problem::TimedOut { step: Step::Connect, patience };
        timeout(patience, opening).await.unwrap_or(Err(late))
    }
}

async fn direct(address: &StreamAddress) -> Result<Box<dyn Stream>, Problem> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
    let stream = stream.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Problem::Refused,
        _ => Problem::Unknown { reason: words(&error) },
    })?;
    // A request is one write that waits for its answer, so Nagle's algorithm would only delay it.
    stream.set_nodelay(true).map_err(|error| Problem::Lost { reason: words(&error) })?;
    Ok(Box::new(stream))
}

fn through_master(error: StreamError) -> Problem {
    match error {
        StreamError::Refused { .. } => Problem::Refused,
        StreamError::TimedOut { patience, .. } => {
            Problem::TimedOut { step: Step::Connect, patience }
        }
        StreamError::Forbidden { master } => Problem::ForwardingForbidden { master },
        StreamError::Unsupported { .. } | StreamError::Transport(_) => {
            Problem::Way { reason: error.to_string() }
        }
    }
}
