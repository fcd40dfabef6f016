//! One master's journal, and its connection if that is lost.

use std::sync::Arc;
use std::time::Duration;

use kcm_systemd::UnitName;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep, timeout};

use super::{LogsQuestion, Pattern};
use crate::transport::{JournalEntry, JournalError, JournalQuestion, JournalStart, Transport};

/// How long to wait before a lost connection is made again: this at first, then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a journal that is not followed may take for its next entry. The entries of the other masters wait for it.
const SILENCE: Duration = Duration::from_secs(60);
/// How long all entries of a journal that is not followed may take together. Only the time counts in which kcm waits for the
/// master, not that in which the reader of kcm's output or another master is slow.
const TOTAL: Duration = Duration::from_secs(10 * 60);
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
    /// How long all further entries may take.
    left: Duration,
}

/// Why nothing more is told.
enum End {
    /// Nobody listens any more.
    Unheard,
    Journal(Option<JournalError>),
    /// It says nothing any more.
    Silent,
    /// It takes too long in total.
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
                    End::Slow => {
                        let minutes = TOTAL.as_secs() / 60;
                        let reason = format!(
                            "its journal took more than {minutes} minutes and is not read further; ask for less with --since"
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

    /// Has an entry every 10 ms, without end.
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
                    // A slow reader is not the master's fault.
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
