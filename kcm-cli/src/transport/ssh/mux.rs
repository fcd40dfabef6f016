//! What a running `ssh` is asked on its control socket (OpenSSH's PROTOCOL.mux), where the `openssh` crate does not.

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
/// To end at once, whatever still goes on.
const TERMINATE: u32 = 0x1000_0005;
/// To take no requests any more, and to end with the last channel.
const STOP_LISTENING: u32 = 0x1000_0009;
pub(super) const SESSION_OPENED: u32 = 0x8000_0006;
pub(super) const REQUEST: u32 = 1;
/// Longer than any message that `ssh` answers with.
const LONGEST_MESSAGE: u32 = 64 * 1024;
/// How long an `ssh` may take to answer that it ends.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) enum Field<'a> {
    Number(u32),
    Text(&'a str),
}

/// A message: its length, then its fields; a text is its length and its bytes (RFC 4251, section 5).
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

/// The type of the next message; the rest of it is read and not needed.
pub(super) async fn answer(control: &mut UnixStream) -> io::Result<u32> {
    let length = control.read_u32().await?;
    if !(4..=LONGEST_MESSAGE).contains(&length) {
        return Err(io::Error::other("ssh's control socket answers with nonsense"));
    }
    let kind = control.read_u32().await?;
    let rest = u64::from(length) - 4;
    tokio::io::copy(&mut control.take(rest), &mut tokio::io::sink()).await?;
    Ok(kind)
}

/// An `ssh` in the background, which ends when this is dropped, however that comes about.
#[derive(Debug)]
pub(super) struct Running {
    session: Arc<Session>,
    socket: PathBuf,
    /// Where the socket is: it goes last.
    _folder: Arc<ControlFolder>,
}

impl Running {
    /// The `ssh` behind a control socket.
    pub(super) fn new(socket: PathBuf, folder: Arc<ControlFolder>) -> Self {
        let session = Session::resume_mux(socket.as_path().into(), None);
        Self { session: Arc::new(session), socket, _folder: folder }
    }

    /// Whoever holds it keeps the `ssh` alive as long as a channel of theirs is open.
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
        // Its greeting, and that it is done: whoever does not wait for them may be gone before it has read.
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
        // One that cannot be asked has gone, or goes when it has been idle for a minute.
        let _ = self.end();
    }
}
