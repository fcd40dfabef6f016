//! The journal of a master, read through a channel that stays open.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use super::exchange::{self, Channel, Failure, Opening};
use super::script::Script;
use super::{ShellExit, ShellProcess};
use crate::transport::export::Parser;
use crate::transport::{Journal, JournalEntry, JournalError};

/// Interval of keep-alive bytes. The master stops reading after a minute of silence.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// Time limit for the master to begin, or to report why it ended.
const PATIENCE: Duration = Duration::from_secs(30);
/// Size of one read.
const PIECE: usize = 32 * 1024;
/// Maximum length of the output before the journal begins, and of standard error.
const MOST_WORDS: usize = 16 * 1024;

/// The journal of a unit, read through a channel.
pub(super) struct ShellJournal {
    master: String,
    exit: Option<Pin<Box<dyn Future<Output = ShellExit> + Send>>>,
    stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Task that drains standard error: if it filled up, standard output would never end.
    words: JoinHandle<Vec<u8>>,
    parser: Parser,
    alive: AbortHandle,
    _permit: OwnedSemaphorePermit,
}

impl Drop for ShellJournal {
    fn drop(&mut self) {
        // Aborting this task closes standard input, which ends the reading on the master.
        self.alive.abort();
        self.words.abort();
    }
}

/// Opens a journal. `permit` is the channel's share of the connection.
pub(super) async fn open(
    master: &str,
    opening: &Opening<'_>,
    script: &Script<'_>,
    permit: OwnedSemaphorePermit,
) -> Result<ShellJournal, Failure> {
    let mut channel = opening.open().await?;
    // A shell that ends before all is sent prints the reason.
    let _ = exchange::send(&mut *channel.process.stdin, script, None).await;
    match timeout(PATIENCE, begun(&mut channel, &opening.command.begin)).await {
        Ok(true) => {}
        Ok(false) => return Err(Failure::NeverRan(channel.why_silent().await)),
        Err(_) => return Err(Failure::NeverRan("the master does not answer any more".to_owned())),
    }
    let Channel { process, said, .. } = channel;
    let ShellProcess { mut stdin, stdout, mut stderr, exit } = process;
    let alive = tokio::spawn(async move {
        while stdin.write_all(b".").await.is_ok() && stdin.flush().await.is_ok() {
            tokio::time::sleep(SIGN_OF_LIFE).await;
        }
    });
    let words = tokio::spawn(async move {
        let mut words = Vec::new();
        exchange::read(&mut stderr, &mut words, MOST_WORDS).await;
        words
    });
    let begin = opening.command.begin.as_bytes();
    let after = said.windows(begin.len()).position(|window| window == begin);
    let rest = after.and_then(|at| said.get(at + begin.len() + 1..)).unwrap_or_default();
    let mut parser = Parser::new();
    parser.push(rest);
    Ok(ShellJournal {
        master: master.to_owned(),
        exit: Some(exit),
        stdout,
        words,
        parser,
        alive: alive.abort_handle(),
        _permit: permit,
    })
}

/// Waits for the whole line that marks the beginning.
async fn begun(channel: &mut Channel, begin: &str) -> bool {
    let line = format!("{begin}\n").into_bytes();
    while !channel.said.windows(line.len()).any(|window| window == line) {
        let is_noise = channel.said.len() > MOST_WORDS;
        if is_noise || !matches!(channel.process.stdout.read_buf(&mut channel.said).await, Ok(1..))
        {
            return false;
        }
    }
    true
}

#[async_trait]
impl Journal for ShellJournal {
    async fn next(&mut self) -> Result<Option<JournalEntry>, JournalError> {
        let mut piece = vec![0; PIECE];
        loop {
            match self.parser.next() {
                Ok(Some(entry)) => return Ok(Some(entry)),
                Ok(None) => {}
                Err(garbled) => return Err(self.refused(garbled.to_string())),
            }
            match self.stdout.read(&mut piece).await {
                Ok(length @ 1..) => self.parser.push(piece.get(..length).unwrap_or_default()),
                Ok(0) | Err(_) => return self.ended().await.map(|()| None),
            }
        }
    }
}

impl ShellJournal {
    fn refused(&self, reason: String) -> JournalError {
        JournalError::Refused { master: self.master.clone(), reason }
    }

    fn lost(&self) -> JournalError {
        let reason = exchange::CONNECTION_LOST.to_owned();
        JournalError::Lost { master: self.master.clone(), reason }
    }

    async fn ended(&mut self) -> Result<(), JournalError> {
        let Some(exit) = self.exit.take() else { return Ok(()) };
        self.alive.abort();
        let words = &mut self.words;
        // If standard error cannot be read, the exit status shows the reason.
        let rest = async { (words.await.unwrap_or_default(), exit.await) };
        let (words, status) = match timeout(PATIENCE, rest).await {
            Ok((_, ShellExit::Status(127))) => {
                return Err(self.refused(
                    "journalctl is not installed on the master; install systemd".to_owned(),
                ));
            }
            Ok((words, ShellExit::Status(status))) => (words, status),
            // The process was killed: the master shuts down, or another process ended it.
            Ok((_, ShellExit::Signal | ShellExit::Lost)) | Err(_) => return Err(self.lost()),
        };
        let words = crate::util::words::in_one_line(&String::from_utf8_lossy(&words));
        // journalctl prints this and still exits with 0.
        let is_closed = ["not seeing messages from other users", "insufficient permissions"];
        if is_closed.iter().any(|sign| words.contains(sign)) {
            let help = "permission denied for the login user; add this user to the group systemd-journal on the master, or set `ssh.sudo`";
            return Err(self.refused(help.to_owned()));
        }
        match status {
            0 => Ok(()),
            128.. => Err(self.lost()),
            _ if words.is_empty() => {
                Err(self.refused(format!("journalctl ended with exit status {status}")))
            }
            _ => Err(self.refused(words)),
        }
    }
}
