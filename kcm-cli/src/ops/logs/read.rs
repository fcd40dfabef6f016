//! One master's journal, and its connection if that is lost.

use std::sync::Arc;
use std::time::Duration;

use kcm_systemd::UnitName;
use tokio::sync::mpsc::Sender;
use tokio::time::{sleep, timeout};

use super::{LogsQuestion, Pattern};
use crate::transport::{JournalEntry, JournalError, JournalQuestion, JournalStart, Transport};

/// How long to wait before a lost connection is made again: this at first, then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a journal that is not followed may take for its next entry. The entries of the other masters wait for it.
const SILENCE: Duration = Duration::from_secs(60);
/// Longer than anybody waits.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// What a master has to say.
pub(super) enum News {
    /// Its journal is open.
    Begun,
    /// An entry.
    Entry(JournalEntry),
    /// The connection was lost; it is being made again.
    Lost(String),
    /// It is there again.
    Resumed,
    /// It cannot be read, or no further.
    Unread(String),
}

/// The reading of one master's journal.
pub(super) struct Reading {
    transport: Arc<dyn Transport>,
    question: JournalQuestion,
    grep: Option<Pattern>,
    /// How long the next entry may take.
    patience: Duration,
}

/// Why nothing more is told.
enum End {
    /// Nobody listens any more.
    Unheard,
    Journal(Option<JournalError>),
    /// It says nothing any more.
    Silent,
}

impl Reading {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        unit: &UnitName,
        question: &LogsQuestion,
    ) -> Self {
        let LogsQuestion { since, follow, grep } = question;
        let from = JournalStart::Since(*since);
        let question = JournalQuestion { unit: unit.clone(), from, follow: *follow };
        let patience = if *follow { FOREVER } else { SILENCE };
        Self { transport, question, grep: grep.clone(), patience }
    }

    /// Tells everything, until the journal has ended or nobody listens.
    pub(super) async fn run(mut self, tell: Sender<News>) {
        let mut pause = None;
        loop {
            let begun = pause.is_some();
            let first = if begun { News::Resumed } else { News::Begun };
            let (was_open, error) = match self.transport.journal(&self.question).await {
                Ok(_) if tell.send(first).await.is_err() => return,
                Ok(mut journal) => match self.pass_on(&mut *journal, &tell).await {
                    End::Unheard => return,
                    End::Silent => {
                        let reason = format!("it says nothing for {} s", SILENCE.as_secs());
                        let _ = tell.send(News::Unread(reason)).await;
                        return;
                    }
                    End::Journal(error) => (true, error),
                },
                Err(error) => (false, Some(error)),
            };
            let is_final = match &error {
                None => !self.question.follow,
                Some(JournalError::Lost { .. } | JournalError::Transport(_)) => {
                    !self.question.follow || !(was_open || begun)
                }
                Some(_) => true,
            };
            let reason = error.as_ref().map(|error| error.reason().to_owned());
            if is_final {
                if let Some(reason) = reason {
                    let _ = tell.send(News::Unread(reason)).await;
                }
                return;
            }
            if was_open {
                pause = None;
                let reason = reason.unwrap_or_else(|| "its journalctl has ended".to_owned());
                if tell.send(News::Lost(reason)).await.is_err() {
                    return;
                }
            }
            let now = pause.unwrap_or(FIRST_PAUSE);
            pause = Some((now * 2).min(LONGEST_PAUSE));
            // What is lost is not asked again.
            self.transport.close().await;
            sleep(now).await;
        }
    }

    async fn pass_on(
        &mut self,
        journal: &mut dyn crate::transport::Journal,
        tell: &Sender<News>,
    ) -> End {
        loop {
            let entry = tokio::select! {
                entry = timeout(self.patience, journal.next()) => entry,
                () = tell.closed() => return End::Unheard,
            };
            let Ok(entry) = entry else { return End::Silent };
            let entry = match entry {
                Ok(Some(entry)) => entry,
                Ok(None) => return End::Journal(None),
                Err(error) => return End::Journal(Some(error)),
            };
            let cursor = entry.cursor.clone();
            let is_wanted = self.grep.as_ref().is_none_or(|pattern| pattern.is_in(&entry));
            if is_wanted && tell.send(News::Entry(entry)).await.is_err() {
                return End::Unheard;
            }
            self.question.from = JournalStart::After(cursor);
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use time::OffsetDateTime;
    use tokio::sync::mpsc;

    use super::*;
    use crate::transport::{Fake, Journal};

    struct Mute;

    #[async_trait]
    impl Journal for Mute {
        async fn next(&mut self) -> Result<Option<JournalEntry>, JournalError> {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn a_journal_that_says_nothing_is_given_up_unless_it_is_followed() {
        for follow in [false, true] {
            let question = LogsQuestion { since: OffsetDateTime::UNIX_EPOCH, follow, grep: None };
            let unit = UnitName::parse("kube-controller-manager.service").unwrap();
            let mut reading = Reading::new(Arc::new(Fake::new("m1")), &unit, &question);
            assert_eq!(reading.patience == SILENCE, !follow);
            reading.patience = Duration::from_millis(5);
            let (tell, _told) = mpsc::channel(1);
            assert!(matches!(reading.pass_on(&mut Mute, &tell).await, End::Silent));
        }
    }
}
