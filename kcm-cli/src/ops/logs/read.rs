//! Reading of one master's journal, which reconnects if the connection is lost.

use std::sync::Arc;
use std::time::Duration;

use kcm_systemd::UnitName;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep, timeout};

use super::{LogsQuestion, Pattern};
use crate::transport::{JournalEntry, JournalError, JournalQuestion, JournalStart, Transport};

/// First pause before a lost connection is established again; each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Maximum wait for the next entry without `follow`. The entries of the other masters wait for it.
const SILENCE: Duration = Duration::from_secs(60);
/// Maximum wait for all entries of a journal without `follow`. Counts only the time in which kcm
/// waits for this master, not delays by the reader of the output or by other masters.
const TOTAL: Duration = Duration::from_secs(10 * 60);
/// A time that does not elapse in practice.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// A message from the reader of a master's journal.
pub(super) enum News {
    /// The journal is open.
    Begun,
    /// An entry.
    Entry(JournalEntry),
    /// The connection was lost, and is being established again.
    Lost(String),
    /// The connection is established again.
    Resumed,
    /// The journal cannot be read, or not further.
    Unread(String),
}

/// Reader of one master's journal.
pub(super) struct Reading {
    transport: Arc<dyn Transport>,
    question: JournalQuestion,
    grep: Option<Pattern>,
    /// Maximum wait for the next entry.
    patience: Duration,
    /// Maximum wait for all further entries.
    left: Duration,
}

/// The reason that reading has ended.
enum End {
    /// The receiver is closed.
    Unheard,
    Journal(Option<JournalError>),
    /// No entry has arrived in time.
    Silent,
    /// The total wait was exceeded.
    Slow,
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
        let (patience, left) = if *follow { (FOREVER, FOREVER) } else { (SILENCE, TOTAL) };
        Self { transport, question, grep: grep.clone(), patience, left }
    }

    /// Sends all entries, until the journal has ended or the receiver is closed.
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
                        let reason =
                            format!("no answer from the journal for {} s", SILENCE.as_secs());
                        let _ = tell.send(News::Unread(reason)).await;
                        return;
                    }
                    End::Slow => {
                        let minutes = TOTAL.as_secs() / 60;
                        let reason = format!(
                            "reading the journal took more than {minutes} minutes and was stopped; set a later start with --since"
                        );
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
                let reason = reason.unwrap_or_else(|| "journalctl exited".to_owned());
                if tell.send(News::Lost(reason)).await.is_err() {
                    return;
                }
            }
            let now = pause.unwrap_or(FIRST_PAUSE);
            pause = Some((now * 2).min(LONGEST_PAUSE));
            // Closes the lost connection, so that the next attempt opens a new one.
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
            let asked = Instant::now();
            let entry = tokio::select! {
                entry = timeout(self.patience.min(self.left), journal.next()) => entry,
                () = tell.closed() => return End::Unheard,
            };
            self.left = self.left.saturating_sub(asked.elapsed());
            let Ok(entry) = entry else {
                return if self.left.is_zero() { End::Slow } else { End::Silent };
            };
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
    use crate::transport::Journal;
    use crate::transport::fake::Fake;

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

    /// A journal with an entry every 10 ms, without end.
    struct Drip;

    #[async_trait]
    impl Journal for Drip {
        async fn next(&mut self) -> Result<Option<JournalEntry>, JournalError> {
            sleep(Duration::from_millis(10)).await;
            let (cursor, message) = ("c".to_owned(), b"m".to_vec());
            Ok(Some(JournalEntry { cursor, microseconds: 1, message, cut: 0 }))
        }
    }

    #[tokio::test]
    async fn a_journal_that_drips_is_given_up_after_a_time_in_all_unless_it_is_followed() {
        for follow in [false, true] {
            let question = LogsQuestion { since: OffsetDateTime::UNIX_EPOCH, follow, grep: None };
            let unit = UnitName::parse("kube-controller-manager.service").unwrap();
            let mut reading = Reading::new(Arc::new(Fake::new("m1")), &unit, &question);
            assert_eq!(reading.left == TOTAL, !follow);
            reading.left = Duration::from_millis(100);
            let (tell, mut told) = mpsc::channel(1);
            let reader = tokio::spawn(async move {
                let mut count = 0;
                while told.recv().await.is_some() {
                    // Delays by a slow reader must not count.
                    sleep(Duration::from_millis(20)).await;
                    count += 1;
                }
                count
            });
            let end = reading.pass_on(&mut Drip, &tell).await;
            drop(tell);
            assert!(matches!(end, End::Slow));
            assert!((2..=10).contains(&reader.await.unwrap()));
        }
    }
}
