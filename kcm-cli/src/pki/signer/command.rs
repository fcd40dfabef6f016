//! An external command as a signer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use async_trait::async_trait;
use kcm_pki::{CertificateChain, Usage};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::{Signer, SignerError, SigningOrder};
use crate::cluster::SignerCommand;
use crate::util::words::harmless;

/// Longest output of a command that is read, in bytes.
const LONGEST_OUTPUT: usize = 1 << 20;
/// Longest end of a command's standard error in a message, in bytes.
const LONGEST_ERROR: usize = 1000;

/// A signer that runs a command for each request.
///
/// The command reads the request (PKCS #10, PEM) on standard input, and writes the certificate,
/// followed by its intermediates (PEM), to standard output. These environment variables describe the
/// certificate, because a request contains subject and names only:
///
/// - `KCM_CERTIFICATE`: `client` or `serving`
/// - `KCM_LIFETIME_HOURS`: the requested lifetime in whole hours
/// - `KCM_USAGES`: the usages as in a cfssl signing config, separated by commas
///
/// A command that does not end in time is killed with all processes of its group.
pub struct CommandSigner {
    command: SignerCommand,
    /// Environment variables that hold a secret of kcm.
    hidden: BTreeSet<String>,
}

impl CommandSigner {
    /// Creates the signer. The environment of the command does not contain the variables `hidden`,
    /// which hold secrets of the caller.
    #[must_use]
    pub fn new(command: SignerCommand, hidden: BTreeSet<String>) -> Self {
        Self { command, hidden }
    }

    fn start(&self, order: &SigningOrder) -> Result<Group, SignerError> {
        let SignerCommand { arguments, folder, .. } = &self.command;
        let usages = &order.properties.usages;
        let use_of_it = if usages.contains(Usage::ClientAuth) { "client" } else { "serving" };
        let names: Vec<_> = usages.iter().map(Usage::name).collect();
        let hours = order.properties.lifetime.as_secs() / 3600;
        let mut command = Command::new(self.program());
        command
            .args(arguments)
            .current_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
            .env("KCM_CERTIFICATE", use_of_it)
            .env("KCM_LIFETIME_HOURS", hours.to_string())
            .env("KCM_USAGES", names.join(","))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        for name in &self.hidden {
            command.env_remove(name);
        }
        let failed = |error| SignerError::Start { program: self.command.program.clone(), error };
        command.spawn().map(Group).map_err(failed)
    }

    /// Returns the program. A path is relative to the folder of the cluster file.
    fn program(&self) -> PathBuf {
        let SignerCommand { program, folder, .. } = &self.command;
        if !program.contains('/') {
            return PathBuf::from(program);
        }
        let path = folder.join(program);
        std::path::absolute(&path).unwrap_or(path)
    }

    async fn answer(&self, group: &mut Group, request: &str) -> Result<Answer, SignerError> {
        let Group(child) = group;
        let failed = |error| SignerError::Start { program: self.command.program.clone(), error };
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let write = async {
            // A command that fails early does not read its input.
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(request.as_bytes()).await;
            }
        };
        let ((), stdout, stderr) =
            tokio::join!(write, read(stdout, LONGEST_OUTPUT), read(stderr, LONGEST_OUTPUT));
        let status = child.wait().await.map_err(failed)?;
        Ok(Answer { status, stdout, stderr: last_line(&stderr) })
    }
}

#[async_trait]
impl Signer for CommandSigner {
    async fn check(&self) -> Result<(), SignerError> {
        let program = self.program();
        let is_executable = |path: &Path| {
            path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
        };
        let is_found = if self.command.program.contains('/') {
            is_executable(&program)
        } else {
            let folders = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&folders).any(|folder| is_executable(&folder.join(&program)))
        };
        if is_found {
            return Ok(());
        }
        let error = std::io::ErrorKind::NotFound.into();
        Err(SignerError::Start { program: self.command.program.clone(), error })
    }

    async fn sign(&self, order: &SigningOrder) -> Result<CertificateChain, SignerError> {
        let (program, timeout) = (self.command.program.clone(), self.command.timeout);
        let mut group = self.start(order)?;
        let request = order.request.to_pem();
        let answer = tokio::time::timeout(timeout, self.answer(&mut group, &request)).await;
        let Ok(answer) = answer else { return Err(SignerError::Timeout { program, timeout }) };
        let Answer { status, stdout, stderr } = answer?;
        // A command that writes too much is ended by the closed pipe, so its status is not the cause.
        if stdout.len() > LONGEST_OUTPUT {
            return Err(SignerError::TooLong { program, limit: LONGEST_OUTPUT });
        }
        if !status.success() {
            return Err(SignerError::Failed { program, status: status.to_string(), stderr });
        }
        CertificateChain::from_pem(&stdout).map_err(|error| SignerError::Output {
            program,
            error,
            stderr,
        })
    }
}

/// The answer of a command.
struct Answer {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: String,
}

/// A command with the processes that it started. They are killed on drop.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // The identifier is absent once the command was waited for.
        let pid = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// Reads to the end, but at most one byte more than `limit`.
async fn read(stream: Option<impl AsyncRead + Unpin>, limit: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        let kept = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let _ = stream.take(kept).read_to_end(&mut bytes).await;
    }
    bytes
}

/// Returns the last line of a command's standard error, without characters that control a terminal.
fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    harmless(&line.chars().take(LONGEST_ERROR).collect::<String>())
}
