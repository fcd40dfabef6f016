//! `logs`: the journals of all masters, merged.
//!
//! One task per master reads its journal, at most three entries ahead of the output. So neither a
//! journal of gigabytes nor a slow reader fills the memory.

mod merge;
mod read;

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use regex::bytes::Regex;
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::desired::DesiredError;
use crate::error::Error;
use crate::event::Event;
use crate::transport::JournalEntry;
use merge::{Merge, Next};
use read::{News, Reading};

/// Interval between two checks for an interrupt.
const GLANCE: Duration = Duration::from_millis(100);

/// A query for the journals.
#[derive(Clone, Debug)]
pub struct LogsQuestion {
    /// Time of the earliest entries, by each master's clock.
    pub since: OffsetDateTime,
    /// Wait for new entries until an interrupt.
    pub follow: bool,
    /// Return only entries whose message matches.
    pub grep: Option<Pattern>,
}

/// A regular expression of the `regex` crate, which takes linear time for any text.
///
/// Messages are matched on this machine, never on a master: neither a shell nor another program
/// sees the pattern.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Parses a regular expression.
    ///
    /// # Errors
    /// If the text is not a regular expression. The message gives the position.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        Regex::new(text).map(Self).map_err(|error| InvalidPattern(error.to_string()))
    }

    fn is_in(&self, entry: &JournalEntry) -> bool {
        self.0.is_match(&entry.message)
    }
}

/// An error of a text that is not a regular expression.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}; escape literal characters with a backslash")]
pub struct InvalidPattern(String);

/// An entry of one master's journal.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LogLine<'a> {
    /// Index of the master in cluster file order, among the queried masters.
    pub place: usize,
    /// Name of the master.
    pub master: &'a str,
    /// The entry. Its message can contain any bytes, including terminal escape sequences.
    pub entry: &'a JournalEntry,
}

/// A receiver of entries, in order of time.
pub trait LogSink {
    /// Receives an entry. Returns `Break` if no more are wanted.
    fn line(&mut self, line: LogLine<'_>) -> ControlFlow<()>;
}

/// Result of reading the journals.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogsOutcome {
    /// Number of masters that were queried.
    pub asked: usize,
    /// Masters whose journals could not be read, or not to the end.
    pub unread: Vec<String>,
    /// True if the run was interrupted.
    pub interrupted: bool,
}

/// Passes the entries of kube-controller-manager's unit on all masters to `sink`, merged by time.
///
/// Without `follow`, entries are in order of time. A master is not read further if kcm has to wait
/// for it for 60 s at once, or for 10 minutes in total.
///
/// With `follow`, a silent master delays the others for 0.3 s at most, so a later entry of it may
/// follow newer ones. A lost connection is established again, and continues after the last entry.
///
/// A master that cannot be reached is reported once, as [`Event::JournalUnread`], and the others
/// continue.
///
/// # Errors
/// If the cluster file gives no valid paths on the masters.
pub async fn logs(
    run: Run<'_>,
    question: &LogsQuestion,
    sink: &mut dyn LogSink,
) -> Result<LogsOutcome, Error> {
    let layout = Layout::of(&run.cluster.install).map_err(DesiredError::of_layout)?;
    // Dropped at the end, which closes every journal that is still open.
    let mut tasks = JoinSet::new();
    let (mut names, mut news) = (Vec::new(), Vec::new());
    for (name, transport) in run.fleet.masters() {
        let (tell, told) = mpsc::channel(1);
        let reading = Reading::new(Arc::clone(transport), &layout.unit, question);
        tasks.spawn(reading.run(tell));
        names.push(name);
        news.push(told);
    }
    let mut outcome = LogsOutcome { asked: names.len(), unread: Vec::new(), interrupted: false };
    let mut merge = Merge::new(names.len(), question.follow, Instant::now());
    loop {
        if run.interrupt.is_requested() {
            outcome.interrupted = true;
            break;
        }
        let wait = match merge.next(Instant::now()) {
            Next::Item(place, entry) => {
                let master = names.get(place).copied().unwrap_or_default();
                if sink.line(LogLine { place, master, entry: &entry }).is_break() {
                    break;
                }
                continue;
            }
            Next::Wait(wait) => wait.map_or(GLANCE, |wait| wait.min(GLANCE)),
            Next::Done => break,
        };
        let Ok((place, told)) = tokio::time::timeout(wait, next_news(&mut news, &merge)).await
        else {
            continue;
        };
        let master = names.get(place).copied().unwrap_or_default().to_owned();
        match told {
            Some(News::Entry(entry)) => merge.put(place, entry.microseconds, entry, Instant::now()),
            Some(News::Begun) => merge.begun(place, Instant::now()),
            Some(News::Resumed) => run.events.event(&Event::JournalResumed { master }),
            Some(News::Lost(reason)) => run.events.event(&Event::JournalLost { master, reason }),
            Some(News::Unread(reason)) => {
                outcome.unread.push(master.clone());
                run.events.event(&Event::JournalUnread { master, reason });
            }
            None => merge.end(place),
        }
    }
    Ok(outcome)
}

/// Returns the next message of a master without a waiting entry, with its index. The message is
/// `None` if that master has ended.
async fn next_news(
    news: &mut [mpsc::Receiver<News>],
    merge: &Merge<JournalEntry>,
) -> (usize, Option<News>) {
    poll_fn(|context| {
        for (place, told) in news.iter_mut().enumerate() {
            if merge.wants(place)
                && let Poll::Ready(told) = told.poll_recv(context)
            {
                return Poll::Ready((place, told));
            }
        }
        Poll::Pending
    })
    .await
}
