//! A byte stream from a master to an address as seen from there, over the open connection.
//!
//! Sends the running `ssh` the same request as `ssh -W` (`MUX_C_NEW_STDIO_FWD`, OpenSSH's
//! PROTOCOL.mux). No other request reports whether the other end has answered. The drawback: once
//! the other end has sent end of file, `ssh` sends it nothing more (`FORCE input drain` in its
//! log). In the opposite case, the other end may answer for as long as it likes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use openssh::Session;
use sendfd::SendWithFd as _;
use std::os::fd::AsRawFd as _;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::mux::{
    Field, HELLO, NEW_STDIO_FORWARD, REQUEST, SESSION_OPENED, VERSION, answer, message,
};
use crate::transport::StreamAddress;

/// The reason no stream was opened.
#[derive(Debug)]
pub(super) enum ForwardError {
    /// sshd refused: no process listens on the address, or forwarding is forbidden.
    Refused,
    /// sshd did not answer in time.
    TimedOut,
    /// The local `ssh` cannot be reached.
    Lost(io::Error),
}

/// A byte stream through a master.
#[derive(Debug)]
pub(super) struct Forward {
    incoming: UnixStream,
    outgoing: UnixStream,
    /// `ssh` ends the stream when this socket is closed.
    _request: UnixStream,
    _session: Arc<Session>,
}

/// Opens a stream to `address` as seen from the master.
pub(super) async fn open(
    session: &Arc<Session>,
    address: &StreamAddress,
    patience: Duration,
) -> Result<Forward, ForwardError> {
    match timeout(patience, request(session, address)).await {
        Ok(Ok(Some(forward))) => Ok(forward),
        Ok(Ok(None)) => Err(ForwardError::Refused),
        Ok(Err(error)) => Err(ForwardError::Lost(error)),
        Err(_) => Err(ForwardError::TimedOut),
    }
}

/// Requests a stream; returns `None` if the other end or sshd refuses.
async fn request(session: &Arc<Session>, address: &StreamAddress) -> io::Result<Option<Forward>> {
    let mut control = UnixStream::connect(session.control_socket()).await?;
    control.write_all(&message(&[Field::Number(HELLO), Field::Number(VERSION)])).await?;
    if answer(&mut control).await? != HELLO {
        return Err(io::Error::other("no greeting from the control socket of ssh"));
    }
    let request = [
        Field::Number(NEW_STDIO_FORWARD),
        Field::Number(REQUEST),
        Field::Text(""),
        Field::Text(&address.host),
        Field::Number(address.port.into()),
    ];
    control.write_all(&message(&request)).await?;
    // Two pairs, so that each direction can end separately.
    let (outgoing, input) = UnixStream::pair()?;
    let (incoming, output) = UnixStream::pair()?;
    for end in [&input, &output] {
        control.writable().await?;
        control.send_with_fd(&[0], &[end.as_raw_fd()])?;
    }
    drop((input, output));
    let opened = answer(&mut control).await? == SESSION_OPENED;
    Ok(opened.then_some(Forward {
        incoming,
        outgoing,
        _request: control,
        _session: Arc::clone(session),
    }))
}

impl AsyncRead for Forward {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.incoming).poll_read(context, buffer)
    }
}

impl AsyncWrite for Forward {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.outgoing).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.outgoing).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.outgoing).poll_shutdown(context)
    }
}
