//! A master's lock, held by a channel that is kept open.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::exchange::{self, Channel, Failure, Opening};
use super::script::Script;
use crate::transport::LockGuard;

/// The master lets go of a lock whose holder has been silent for a minute.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than any answer.
const LONGEST_ANSWER: usize = 16 * 1024;

/// Why a lock is not had.
pub(super) enum Refusal {
    /// Somebody holds it: who, and since when.
    Held(String),
    /// The question failed.
    Failed(String),
}

/// Holds a master's lock; dropping it ends the channel, and with it the lock.
#[derive(Debug)]
pub(super) struct Lock(AbortHandle);

impl LockGuard for Lock {}

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Takes the lock; `permit` is the channel's place on the connection, kept as long as the lock is.
pub(super) async fn take(
    opening: &Opening<'_>,
    script: &Script<'_>,
    permit: OwnedSemaphorePermit,
) -> Result<Lock, Refusal> {
    let mut channel = match opening.open().await {
        Ok(channel) => channel,
        Err(Failure::NeverRan(reason) | Failure::Lost(reason)) => {
            return Err(Refusal::Failed(reason));
        }
    };
    // Who ends before all is sent says why.
    let _ = exchange::send(&mut channel.stdin, script, None).await;
    let answer = timeout(PATIENCE, answer(&mut channel, &opening.command.begin)).await;
    match answer.ok().flatten().as_deref().map(|line| line.split_once(' ').unwrap_or((line, ""))) {
        Some(("held", _)) => {
            let alive = tokio::spawn(stay_alive(channel, permit));
            Ok(Lock(alive.abort_handle()))
        }
        Some(("taken", holder)) => {
            let holder = STANDARD.decode(holder).unwrap_or_default();
            Err(Refusal::Held(String::from_utf8_lossy(&holder).trim().to_owned()))
        }
        Some(("failed", said)) => {
            let words = said.rsplit(' ').next().and_then(|words| STANDARD.decode(words).ok());
            let words = words.unwrap_or_default();
            Err(Refusal::Failed(String::from_utf8_lossy(&words).into_owned()))
        }
        _ => Err(Refusal::Failed(channel.why_silent().await)),
    }
}

/// The line after `begin`; `None` if the channel ends before.
async fn answer(channel: &mut Channel, begin: &str) -> Option<String> {
    loop {
        let said = String::from_utf8_lossy(&channel.said);
        let line = said.split_once(begin).and_then(|(_, rest)| rest.trim_start().split_once('\n'));
        if let Some((line, _)) = line {
            return Some(line.to_owned());
        }
        if channel.said.len() > LONGEST_ANSWER {
            return None;
        }
        channel.stdout.read_buf(&mut channel.said).await.ok().filter(|length| *length > 0)?;
    }
}

/// Writes now and then, until nobody wants the lock any more.
async fn stay_alive(mut channel: Channel, permit: OwnedSemaphorePermit) {
    while channel.stdin.write_all(b".").await.is_ok() && channel.stdin.flush().await.is_ok() {
        tokio::time::sleep(SIGN_OF_LIFE).await;
    }
    drop(permit);
}
