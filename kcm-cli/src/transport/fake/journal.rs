//! The journal of a fake, taken from its state. A followed journal waits for more, and is lost when
//! the power goes off.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::machine::{FakeState, Power};
use crate::transport::{
    Journal, JournalEntry, JournalError, JournalQuestion, JournalStart, TransportError,
};

/// Polling interval of a followed journal.
const GLANCE: Duration = Duration::from_millis(10);

struct FakeJournal {
    state: Arc<Mutex<FakeState>>,
    next: usize,
    follow: bool,
}

pub(super) fn open(
    state: &Arc<Mutex<FakeState>>,
    question: &JournalQuestion,
) -> Result<Box<dyn Journal>, JournalError> {
    let held = state.lock().unwrap_or_else(PoisonError::into_inner);
    let master = held.name.clone();
    if held.power == Power::Off {
        return Err(
            TransportError::NeverRan { master, reason: "the master is off".to_owned() }.into()
        );
    }
    let next = match &question.from {
        JournalStart::Since(time) => {
            let since = u64::try_from(time.unix_timestamp()).unwrap_or(0) * 1_000_000;
            let is_later = |entry: &JournalEntry| entry.microseconds >= since;
            held.journal.iter().position(is_later).unwrap_or(held.journal.len())
        }
        JournalStart::After(cursor) => {
            let at = held.journal.iter().position(|entry| entry.cursor == *cursor);
            let reason = || "no entry has this cursor".to_owned();
            1 + at.ok_or_else(|| JournalError::Refused { master, reason: reason() })?
        }
    };
    drop(held);
    Ok(Box::new(FakeJournal { state: Arc::clone(state), next, follow: question.follow }))
}

#[async_trait]
impl Journal for FakeJournal {
    async fn next(&mut self) -> Result<Option<JournalEntry>, JournalError> {
        loop {
            {
                let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if state.power == Power::Off {
                    let (master, reason) =
                        (state.name.clone(), "the connection was lost".to_owned());
                    return Err(JournalError::Lost { master, reason });
                }
                if let Some(entry) = state.journal.get(self.next) {
                    self.next += 1;
                    return Ok(Some(entry.clone()));
                }
            }
            if !self.follow {
                return Ok(None);
            }
            tokio::time::sleep(GLANCE).await;
        }
    }
}
