//! Requests to the control socket of a running `ssh` (OpenSSH's PROTOCOL.mux) that the `openssh`
//! crate does not offer.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openssh::Session;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;

use super::control::ControlFolder;

pub(super) const HELLO: u32 = 0x0000_0001;
pub(super) const VERSION: u32 = 4;
pub(super) const NEW_STDIO_FORWARD: u32 = 0x1000_0008;
/// Request to exit at once, even with open channels.
const TERMINATE: u32 = 0x1000_0005;
/// Request to accept no further requests, and to exit with the last channel.
const STOP_LISTENING: u32 = 0x1000_0009;
pub(super) const SESSION_OPENED: u32 = 0x8000_0006;
pub(super) const REQUEST: u32 = 1;
/// Upper bound for the length of `ssh`'s messages.
const LONGEST_MESSAGE: u32 = 64 * 1024;
/// Time limit for an `ssh` to confirm that it exits.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) enum Field<'a> {
    Number(u32),
    Text(&'a str),
}

/// Encodes a message: its length, then its fields. A text is its length and its bytes (RFC 4251,
/// section 5).
pub(super) fn message(fields: &[Field<'_>]) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut body = Vec::new();
    for field in fields {
        match field {
            Field::Number(number) => body.extend(number.to_be_bytes()),
            Field::Text(text) => {
                body.extend(length(text.as_bytes()));
                body.extend(text.as_bytes());
            }
        }
    }
    [&length(&body)[..], &body].concat()
}

/// Returns the type of the next message; reads and discards the rest of it.
pub(super) async fn answer(control: &mut UnixStream) -> io::Result<u32> {
    let length = control.read_u32().await?;
    if !(4..=LONGEST_MESSAGE).contains(&length) {
        return Err(io::Error::other("invalid message from the control socket of ssh"));
    }
    let kind = control.read_u32().await?;
    let rest = u64::from(length) - 4;
    tokio::io::copy(&mut control.take(rest), &mut tokio::io::sink()).await?;
    Ok(kind)
}

/// An `ssh` in the background, which exits when this value is dropped.
#[derive(Debug)]
pub(super) struct Running {
    session: Arc<Session>,
    socket: PathBuf,
    /// Folder of the socket; dropped last.
    _folder: Arc<ControlFolder>,
}

impl Running {
    /// Creates a handle for the `ssh` behind a control socket.
    pub(super) fn new(socket: PathBuf, folder: Arc<ControlFolder>) -> Self {
        let session = Session::resume_mux(socket.as_path().into(), None);
        Self { session: Arc::new(session), socket, _folder: folder }
    }

    /// Returns the session. A clone keeps `ssh` alive as long as a channel of it is open.
    pub(super) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    fn end(&self) -> io::Result<()> {
        let request = if Arc::strong_count(&self.session) > 1 { STOP_LISTENING } else { TERMINATE };
        let mut control = net::UnixStream::connect(&self.socket)?;
        control.set_read_timeout(Some(PATIENCE))?;
        control.set_write_timeout(Some(PATIENCE))?;
        control.write_all(&message(&[Field::Number(HELLO), Field::Number(VERSION)]))?;
        control.write_all(&message(&[Field::Number(request), Field::Number(REQUEST)]))?;
        // Wait for the greeting and the confirmation: kcm could otherwise exit before `ssh` has
        // read the requests.
        for _ in 0..2 {
            let mut length = [0; 4];
            control.read_exact(&mut length)?;
            let length = u32::from_be_bytes(length).min(LONGEST_MESSAGE);
            io::copy(&mut (&control).take(length.into()), &mut io::sink())?;
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An `ssh` that does not respond has exited, or exits after a minute of idleness.
        let _ = self.end();
    }
}
