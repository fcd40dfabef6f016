//! A master's journal, on a channel that is open as long as it is read.

use std::time::Duration;

use async_trait::async_trait;
use openssh::{Child, ChildStdout, Session};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use super::exchange::{self, Channel, Failure, Opening};
use super::script::Script;
use crate::transport::export::Parser;
use crate::transport::{Journal, JournalEntry, JournalError};

/// The master ends the reading when it has heard nothing for a minute.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// How long the master may take to begin, or to say why it ended.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much is read at once.
const PIECE: usize = 32 * 1024;
/// The most that is heard before it begins, and of why it ended.
const MOST_WORDS: usize = 16 * 1024;

/// A journal behind `ssh`.
pub(super) struct SshJournal {
    master: String,
    child: Option<Child<Arc<Session>>>,
    stdout: ChildStdout,
    /// Reads standard error all the while: a master that fills it would hold back the end of standard output.
    words: JoinHandle<Vec<u8>>,
    parser: Parser,
    alive: AbortHandle,
    _permit: OwnedSemaphorePermit,
}

impl Drop for SshJournal {
    fn drop(&mut self) {
        // Its end of standard input goes with it, which ends the reading on the master.
        self.alive.abort();
        self.words.abort();
    }
}

/// Begins to read; `permit` is the channel's place on the connection.
pub(super) async fn open(
    master: &str,
    opening: &Opening<'_>,
    script: &Script<'_>,
    permit: OwnedSemaphorePermit,
) -> Result<SshJournal, Failure> {
    let mut channel = opening.open().await?;
    // Who ends before all is sent says why.
    let _ = exchange::send(&mut channel.stdin, script, None).await;
    match timeout(PATIENCE, begun(&mut channel, &opening.command.begin)).await {
        Ok(true) => {}
        Ok(false) => return Err(Failure::NeverRan(channel.why_silent().await)),
        Err(_) => return Err(Failure::NeverRan("it does not answer any more".to_owned())),
    }
    let (child, mut stdin, stdout, mut stderr, said) = channel.into_parts();
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
    Ok(SshJournal {
        master: master.to_owned(),
        child: Some(child),
        stdout,
        words,
        parser,
        alive: alive.abort_handle(),
        _permit: permit,
    })
}

/// Waits for the whole line with which it begins.
async fn begun(channel: &mut Channel, begin: &str) -> bool {
    let line = format!("{begin}\n").into_bytes();
    while !channel.said.windows(line.len()).any(|window| window == line) {
        let is_noise = channel.said.len() > MOST_WORDS;
        if is_noise || !matches!(channel.stdout.read_buf(&mut channel.said).await, Ok(1..)) {
            return false;
        }
    }
    true
}

#[async_trait]
impl Journal for SshJournal {
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

impl SshJournal {
    fn refused(&self, reason: String) -> JournalError {
        JournalError::Refused { master: self.master.clone(), reason }
    }

    fn lost(&self) -> JournalError {
        let reason = exchange::CONNECTION_LOST.to_owned();
        JournalError::Lost { master: self.master.clone(), reason }
    }

    async fn ended(&mut self) -> Result<(), JournalError> {
        let Some(child) = self.child.take() else { return Ok(()) };
        self.alive.abort();
        let words = &mut self.words;
        // What cannot be read is told by how it ended.
        let rest = async { (words.await.unwrap_or_default(), child.wait().await) };
        let (words, status) = match timeout(PATIENCE, rest).await {
            Ok((words, Ok(status))) => (words, status),
            // How `ssh` reports exit status 127.
            Ok((_, Err(openssh::Error::Remote(_)))) => {
                return Err(
                    self.refused("there is no journalctl there; install systemd".to_owned())
                );
            }
            Ok((_, Err(_))) | Err(_) => return Err(self.lost()),
        };
        let words = crate::util::words::in_one_line(&String::from_utf8_lossy(&words));
        // journalctl says so and calls it success.
        let is_closed = ["not seeing messages from other users", "insufficient permissions"];
        if is_closed.iter().any(|sign| words.contains(sign)) {
            let mend = "the user who logs in may not read it; add them to the group systemd-journal there, or set ssh.sudo";
            return Err(self.refused(mend.to_owned()));
        }
        match status.code() {
            Some(0) => Ok(()),
            // It was killed: the master goes down, or somebody there ended it.
            None | Some(128..) => Err(self.lost()),
            Some(code) if words.is_empty() => {
                Err(self.refused(format!("journalctl ended with exit code {code}")))
            }
            Some(_) => Err(self.refused(words)),
        }
    }
}
