//! The lock of a master, held by a channel that stays open.

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

/// Interval of keep-alive bytes. The master releases a lock whose holder has been silent for a
/// minute.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// Time limit for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Upper bound for the length of an answer.
const LONGEST_ANSWER: usize = 16 * 1024;

/// The reason a lock was not taken.
pub(super) enum Refusal {
    /// Another process holds the lock; the text names the holder and the start time.
    Held(String),
    /// The request failed.
    Failed(String),
}

/// A held lock of a master; dropping it closes the channel and releases the lock.
#[derive(Debug)]
pub(super) struct Lock(AbortHandle);

impl LockGuard for Lock {}

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Takes the lock. `permit` is the channel's share of the connection, kept as long as the lock.
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
    // A shell that ends before all is sent prints the reason.
    let _ = exchange::send(&mut *channel.process.stdin, script, None).await;
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

/// Returns the line after `begin`, or `None` if the channel ends before.
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
        channel
            .process
            .stdout
            .read_buf(&mut channel.said)
            .await
            .ok()
            .filter(|length| *length > 0)?;
    }
}

/// Writes keep-alive bytes until the lock is dropped or the channel breaks.
async fn stay_alive(mut channel: Channel, permit: OwnedSemaphorePermit) {
    let stdin = &mut channel.process.stdin;
    while stdin.write_all(b".").await.is_ok() && stdin.flush().await.is_ok() {
        tokio::time::sleep(SIGN_OF_LIFE).await;
    }
    drop(permit);
}
