//! One exchange: sends a script and its contents to a master, and receives its answer.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

use super::command::Command;
use super::script::Script;
use super::{Password, Shell, ShellExit, ShellProcess, explain};
use crate::transport::{Progress, Sent, StreamAddress};

/// Size of one write; progress is reported after each.
const PIECE: usize = 256 * 1024;
/// Maximum of standard error that is kept.
const MOST_WORDS: usize = 16 * 1024;
/// Maximum length of an answer: every managed file in base64, with ample reserve.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;
/// Time limit for `sudo` to prompt.
const SUDO_PATIENCE: Duration = Duration::from_secs(20);
/// Maximum read from either stream until `sudo` starts the script: many times the output of noisy
/// rc files.
const MOST_NOISE: usize = 256 * 1024;
/// Time limit for a master to report the address at which it was reached.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(10);
pub(super) const CONNECTION_LOST: &str = "the connection was lost";

/// The reason an exchange failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The script did not start.
    NeverRan(String),
    /// The script started, or may have started.
    Lost(String),
}

/// The inputs of an exchange.
pub(super) struct Opening<'a> {
    pub(super) shell: &'a dyn Shell,
    pub(super) command: &'a Command,
    pub(super) sudo_password: Option<&'a Password>,
}

impl Opening<'_> {
    /// Opens a channel whose other end waits for a script.
    pub(super) async fn open(&self) -> Result<Channel, Failure> {
        let process = self.shell.start(&self.command.line).await;
        let process = process.map_err(|error| Failure::NeverRan(error.reason))?;
        let mut channel = Channel { process, said: Vec::new(), words: Vec::new() };
        if let Some(ask) = &self.command.ask {
            channel.satisfy_sudo(ask, &self.command.begin, self.sudo_password).await?;
        }
        Ok(channel)
    }
}

/// A shell on a master that is ready for a script.
pub(super) struct Channel {
    pub(super) process: ShellProcess,
    /// Standard output so far.
    pub(super) said: Vec<u8>,
    /// Standard error so far.
    words: Vec<u8>,
}

impl Channel {
    /// Sends a script and its contents; returns the output between `begin` and `end`.
    pub(super) async fn carry_out(
        self,
        script: &Script<'_>,
        (begin, end): (&str, &str),
        progress: Option<&Progress>,
        deadline: Duration,
    ) -> Result<String, Failure> {
        let start = Instant::now();
        let Self { process, mut said, mut words } = self;
        let ShellProcess { mut stdin, mut stdout, mut stderr, exit } = process;
        let sending = async move {
            // A shell that ends before all is sent has printed the reason.
            let _ = send(&mut *stdin, script, progress).await;
            let _ = stdin.shutdown().await;
        };
        let heard = read(&mut stdout, &mut said, LONGEST_ANSWER);
        let complained = read(&mut stderr, &mut words, MOST_WORDS);
        tokio::join!(sending, heard, complained);
        let exit = exit.await;
        let (said, words) = (String::from_utf8_lossy(&said), String::from_utf8_lossy(&words));
        match said.split_once(begin) {
            Some((_, said)) => match said.split_once(end) {
                Some((answer, _)) => Ok(answer.trim_start().to_owned()),
                None if said.len() >= LONGEST_ANSWER => Err(Failure::Lost(format!(
                    "the output on the master exceeds the limit of {} MiB",
                    LONGEST_ANSWER >> 20
                ))),
                None if start.elapsed() >= deadline => {
                    Err(Failure::Lost(explain::over_time(deadline)))
                }
                None => Err(Failure::Lost(lost(exit, &words))),
            },
            // A login shell that runs no command may explain that on either stream.
            None => Err(not_begun(exit, &format!("{said}\n{words}"))),
        }
    }

    /// Returns the reason the shell ended without an answer.
    pub(super) async fn why_silent(self) -> String {
        let Self { process: ShellProcess { stdin, mut stderr, exit, .. }, said, mut words } = self;
        drop(stdin);
        let rest = async {
            read(&mut stderr, &mut words, MOST_WORDS).await;
            exit.await
        };
        let Ok(exit) = tokio::time::timeout(SUDO_PATIENCE, rest).await else {
            return "the master does not answer any more".to_owned();
        };
        let words = [&said[..], b"\n", &words].concat();
        match not_begun(exit, &String::from_utf8_lossy(&words)) {
            Failure::NeverRan(reason) | Failure::Lost(reason) => reason,
        }
    }

    /// Gives `sudo` the password once if it prompts; returns when the script can be sent. A refused
    /// password is not given again: three failures can lock an account.
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
                    "the login shell on the master printed more than {} KiB before the script started",
                    MOST_NOISE >> 10
                )));
            }
            if count(&self.words, ask) > usize::from(given) {
                let Some(password) = password.filter(|_| !given) else {
                    return Err(Failure::NeverRan(explain::wrong_password(given)));
                };
                given = true;
                let line = Zeroizing::new(format!("{}\n", password.expose()));
                // If `sudo` does not accept the password, it prints the reason.
                let _ = self.process.stdin.write_all(line.as_bytes()).await;
            }
            let ended = tokio::select! {
                read = self.process.stdout.read_buf(&mut self.said) => matches!(read, Ok(0) | Err(_)),
                read = self.process.stderr.read_buf(&mut self.words), if !is_deaf => {
                    is_deaf = matches!(read, Ok(0) | Err(_));
                    false
                }
                () = &mut patience => return Err(Failure::NeverRan(explain::silent_sudo())),
            };
            if ended && count(&self.said, begin) == 0 {
                // The process may end before all its output was read.
                let rest = read(&mut self.process.stderr, &mut self.words, MOST_WORDS);
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
    stdin: &mut (dyn AsyncWrite + Send + Unpin),
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
    // A broken stream counts as ended; the exit status shows the rest.
    let mut piece = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if let Some(read) = piece.get(..length).filter(|_| into.len() < most) {
            into.extend_from_slice(read);
        }
    }
}

fn lost(exit: ShellExit, words: &str) -> String {
    match exit {
        ShellExit::Lost => CONNECTION_LOST.to_owned(),
        exit => format!("the shell on the master ended with {exit}: {}", words.trim()),
    }
}

fn not_begun(exit: ShellExit, words: &str) -> Failure {
    match exit {
        ShellExit::Status(status) => Failure::NeverRan(explain::not_begun(Some(status), words)),
        ShellExit::Signal => Failure::NeverRan(explain::not_begun(None, words)),
        // The script may have started, and its answer was lost.
        ShellExit::Lost => Failure::Lost(CONNECTION_LOST.to_owned()),
    }
}

/// Queries the address at which sshd accepted this connection, as seen from the master.
pub(super) async fn own_address(shell: &dyn Shell) -> Option<StreamAddress> {
    let asked = async {
        let mut process = shell.start("echo kcm $SSH_CONNECTION").await.ok()?;
        process.stdin.shutdown().await.ok()?;
        let mut said = Vec::new();
        read(&mut process.stdout, &mut said, MOST_NOISE).await;
        Some(said)
    };
    let said = tokio::time::timeout(ADDRESS_PATIENCE, asked).await.ok()??;
    let said = String::from_utf8_lossy(&said);
    // The last line that matches, because an rc file may print others first. It holds client,
    // client port, server, server port.
    let mut words =
        said.lines().filter_map(|line| line.strip_prefix("kcm ")).next_back()?.split(' ');
    let (host, port) = (words.nth(2)?.to_owned(), words.next()?.trim().parse().ok()?);
    Some(StreamAddress { host, port })
}
