//! One exchange: a script and its bytes to a master, its answer back.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openssh::{Child, ChildStderr, ChildStdin, ChildStdout, Session, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use zeroize::Zeroizing;

use super::command::Command;
use super::script::Script;
use super::{Password, explain};
use crate::transport::{Progress, Sent, StreamAddress};

/// As much as one write: progress is told after each.
const PIECE: usize = 256 * 1024;
/// The most of standard error that is kept.
const MOST_WORDS: usize = 16 * 1024;
/// The longest answer that is read: every managed file in base64, and plenty besides.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;
/// How long `sudo` may take to ask.
const SUDO_PATIENCE: Duration = Duration::from_secs(20);
/// The most that is heard on either stream until `sudo` lets the script begin: what noisy rc files say, many times over.
const MOST_NOISE: usize = 256 * 1024;
/// How long a master may take to say at which address it was reached.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(10);
pub(super) const CONNECTION_LOST: &str = "the connection was lost";

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The script did not begin.
    NeverRan(String),
    /// It began, or may have.
    Lost(String),
}

/// How long a channel that sshd refuses is asked for.
const REFUSED: Duration = Duration::from_secs(2);

/// What an exchange is made of, before it begins.
pub(super) struct Opening<'a> {
    pub(super) session: &'a Arc<Session>,
    pub(super) command: &'a Command,
    pub(super) sudo_password: Option<&'a Password>,
}

impl Opening<'_> {
    /// Opens a channel whose other end waits for a script.
    pub(super) async fn open(&self) -> Result<Channel, Failure> {
        let mut child = self.spawn().await?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin().take(), child.stdout().take(), child.stderr().take())
        else {
            return Err(Failure::NeverRan("ssh gave no channel".to_owned()));
        };
        let mut channel =
            Channel { child, stdin, stdout, stderr, said: Vec::new(), words: Vec::new() };
        if let Some(ask) = &self.command.ask {
            channel.satisfy_sudo(ask, &self.command.begin, self.sudo_password).await?;
        }
        Ok(channel)
    }
}

impl Opening<'_> {
    /// sshd counts a channel that has ended until it has noticed, so one that it refuses is asked for again for a while:
    /// nothing was begun.
    async fn spawn(&self) -> Result<Child<Arc<Session>>, Failure> {
        let start = Instant::now();
        loop {
            let mut command = Arc::clone(self.session).arc_raw_command(&self.command.line);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let error = match command.spawn().await {
                Ok(child) => return Ok(child),
                Err(error) => crate::util::words::in_full(&error),
            };
            if !explain::is_refusal(&error) || start.elapsed() >= REFUSED {
                return Err(Failure::NeverRan(explain::no_channel(&error)));
            }
            tokio::time::sleep(REFUSED / 20).await;
        }
    }
}

/// A shell on a master that takes a script.
pub(super) struct Channel {
    pub(super) child: Child<Arc<Session>>,
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    stderr: ChildStderr,
    /// Standard output so far.
    pub(super) said: Vec<u8>,
    /// Standard error so far.
    words: Vec<u8>,
}

impl Channel {
    /// Sends a script and its contents; returns what the master said between `begin` and `end`.
    pub(super) async fn carry_out(
        self,
        script: &Script<'_>,
        (begin, end): (&str, &str),
        progress: Option<&Progress>,
        deadline: Duration,
    ) -> Result<String, Failure> {
        let start = Instant::now();
        let Self { child, mut stdin, mut stdout, mut stderr, mut said, mut words } = self;
        let sending = async move {
            // Whoever ends before all is sent has said why.
            let _ = send(&mut stdin, script, progress).await;
            let _ = stdin.shutdown().await;
        };
        let heard = read(&mut stdout, &mut said, LONGEST_ANSWER);
        let complained = read(&mut stderr, &mut words, MOST_WORDS);
        tokio::join!(sending, heard, complained);
        let ended = child.wait().await;
        let (said, words) = (String::from_utf8_lossy(&said), String::from_utf8_lossy(&words));
        match said.split_once(begin) {
            Some((_, said)) => match said.split_once(end) {
                Some((answer, _)) => Ok(answer.trim_start().to_owned()),
                None if said.len() >= LONGEST_ANSWER => Err(Failure::Lost(format!(
                    "it says more than the {} MiB that kcm reads",
                    LONGEST_ANSWER >> 20
                ))),
                None if start.elapsed() >= deadline => {
                    Err(Failure::Lost(explain::over_time(deadline)))
                }
                None => Err(Failure::Lost(lost(&ended, &words))),
            },
            // A login shell that gives no shell says so on either stream.
            None => Err(not_begun(&ended, &format!("{said}\n{words}"))),
        }
    }

    /// What it is made of, and what was said so far.
    pub(super) fn into_parts(
        self,
    ) -> (Child<Arc<Session>>, ChildStdin, ChildStdout, ChildStderr, Vec<u8>) {
        (self.child, self.stdin, self.stdout, self.stderr, self.said)
    }

    /// Why it ended without a word.
    pub(super) async fn why_silent(self) -> String {
        let Self { child, stdin, mut stderr, said, mut words, .. } = self;
        drop(stdin);
        let rest = async {
            read(&mut stderr, &mut words, MOST_WORDS).await;
            child.wait().await
        };
        let Ok(ended) = tokio::time::timeout(SUDO_PATIENCE, rest).await else {
            return "it does not answer any more".to_owned();
        };
        let words = [&said[..], b"\n", &words].concat();
        match not_begun(&ended, &String::from_utf8_lossy(&words)) {
            Failure::NeverRan(reason) | Failure::Lost(reason) => reason,
        }
    }

    /// Gives `sudo` the password once if it is asked for; returns when the script can be sent. A password that is
    /// refused is not given again: three failures can lock an account.
    async fn satisfy_sudo(
        &mut self,
        ask: &str,
        begin: &str,
        password: Option<&Password>,
    ) -> Result<(), Failure> {
        let patience = tokio::time::sleep(SUDO_PATIENCE);
        tokio::pin!(patience);
        let (mut given, mut is_deaf) = (false, false);
        while count(&self.said, begin) == 0 {
            if self.said.len().max(self.words.len()) > MOST_NOISE {
                return Err(Failure::NeverRan(format!(
                    "it says more than {} KiB before it takes a script",
                    MOST_NOISE >> 10
                )));
            }
            if count(&self.words, ask) > usize::from(given) {
                let Some(password) = password.filter(|_| !given) else {
                    return Err(Failure::NeverRan(explain::wrong_password(given)));
                };
                given = true;
                let line = Zeroizing::new(format!("{}\n", password.expose()));
                // If it does not take it, it says why.
                let _ = self.stdin.write_all(line.as_bytes()).await;
            }
            let ended = tokio::select! {
                read = self.stdout.read_buf(&mut self.said) => matches!(read, Ok(0) | Err(_)),
                read = self.stderr.read_buf(&mut self.words), if !is_deaf => {
                    is_deaf = matches!(read, Ok(0) | Err(_));
                    false
                }
                () = &mut patience => return Err(Failure::NeverRan(explain::silent_sudo())),
            };
            if ended && count(&self.said, begin) == 0 {
                // It ends before all that it has said is read.
                let rest = read(&mut self.stderr, &mut self.words, MOST_WORDS);
                let _ = tokio::time::timeout(SUDO_PATIENCE, rest).await;
                let words = [&self.said[..], b"\n", &self.words].concat();
                let words = String::from_utf8_lossy(&words).replace(ask, "");
                return Err(Failure::NeverRan(explain::not_begun(None, &words)));
            }
        }
        Ok(())
    }
}

pub(super) async fn send(
    stdin: &mut ChildStdin,
    script: &Script<'_>,
    progress: Option<&Progress>,
) -> io::Result<()> {
    stdin.write_all(script.text.as_bytes()).await?;
    let of = script.contents.iter().map(|content| content.len() as u64).sum();
    let mut bytes = 0;
    for piece in script.contents.iter().flat_map(|content| content.chunks(PIECE)) {
        stdin.write_all(piece).await?;
        bytes += piece.len() as u64;
        if let Some(progress) = progress {
            progress.tell(Sent { bytes, of });
        }
    }
    stdin.flush().await
}

fn count(said: &[u8], mark: &str) -> usize {
    String::from_utf8_lossy(said).matches(mark).count()
}

pub(super) async fn read(from: &mut (impl AsyncRead + Unpin), into: &mut Vec<u8>, most: usize) {
    // A stream that breaks has ended; how the program ended tells the rest.
    let mut piece = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if let Some(read) = piece.get(..length).filter(|_| into.len() < most) {
            into.extend_from_slice(read);
        }
    }
}

fn lost(ended: &Result<ExitStatus, openssh::Error>, words: &str) -> String {
    match ended {
        Ok(status) => format!("its shell ended with {status}: {}", words.trim()),
        Err(_) => CONNECTION_LOST.to_owned(),
    }
}

fn not_begun(ended: &Result<ExitStatus, openssh::Error>, words: &str) -> Failure {
    match ended {
        Ok(status) => Failure::NeverRan(explain::not_begun(status.code(), words)),
        // How `ssh` reports exit status 127.
        Err(openssh::Error::Remote(_)) => Failure::NeverRan(explain::not_begun(Some(127), words)),
        // It may have begun, and the word of it was lost.
        Err(_) => Failure::Lost(CONNECTION_LOST.to_owned()),
    }
}

/// The address at which sshd itself took this connection, as the master knows it.
pub(super) async fn own_address(session: &Session) -> Option<StreamAddress> {
    let mut command = session.raw_command("echo kcm $SSH_CONNECTION");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let asked = async {
        let mut child = command.spawn().await.ok()?;
        let mut said = Vec::new();
        read(child.stdout().as_mut()?, &mut said, MOST_NOISE).await;
        Some(said)
    };
    let said = tokio::time::timeout(ADDRESS_PATIENCE, asked).await.ok()??;
    let said = String::from_utf8_lossy(&said);
    // After whatever a noisy rc file says: client, its port, server, its port.
    let mut words =
        said.lines().filter_map(|line| line.strip_prefix("kcm ")).next_back()?.split(' ');
    let (host, port) = (words.nth(2)?.to_owned(), words.next()?.trim().parse().ok()?);
    Some(StreamAddress { host, port })
}
