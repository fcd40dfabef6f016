//! `logs`: the journals of all masters as one.
//!
//! Each master's journal is read by a task of its own, which is at most three entries ahead of what is shown. So neither
//! a journal of gigabytes nor a reader that is slow fills the memory.

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

/// How often somebody who wants it to end is heard.
const GLANCE: Duration = Duration::from_millis(100);

/// What is wanted of the journals.
#[derive(Clone, Debug)]
pub struct LogsQuestion {
    /// The earliest entries, by each master's own clock.
    pub since: OffsetDateTime,
    /// Whether to wait for what is yet to come, until it is interrupted.
    pub follow: bool,
    /// Only entries whose message has this in it.
    pub grep: Option<Pattern>,
}

/// A regular expression as the `regex` crate has it, which takes linear time whatever the text.
///
/// It is matched on this machine, never on a master: no shell and no other program sees it.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Takes it as it is written.
    ///
    /// # Errors
    /// When it is not one; the message says where.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        Regex::new(text).map(Self).map_err(|error| InvalidPattern(error.to_string()))
    }

    fn is_in(&self, entry: &JournalEntry) -> bool {
        self.0.is_match(&entry.message)
    }
}

/// A text that is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}; put a backslash before what is meant literally")]
pub struct InvalidPattern(String);

/// An entry of one master's journal.
#[derive(Clone, Copy, Debug)]
pub struct LogLine<'a> {
    /// The master's place in the cluster file, among those asked.
    pub place: usize,
    /// The master.
    pub master: &'a str,
    /// The entry. Its message can hold any bytes, also those that drive a terminal.
    pub entry: &'a JournalEntry,
}

/// Takes entries in the order of their time.
pub trait LogSink {
    /// Takes one; `Break` if no more are wanted.
    fn line(&mut self, line: LogLine<'_>) -> ControlFlow<()>;
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogsOutcome {
    /// How many masters were asked.
    pub asked: usize,
    /// Those that could not be read, or not to the end.
    pub unread: Vec<String>,
    /// Whether somebody asked it to end.
    pub interrupted: bool,
}

/// Gives `sink` the entries of kube-controller-manager's unit on all masters, merged by time.
///
/// Without `follow` they are in the order of their time, and a master for which kcm has to wait for 60 s at once, or for 10
/// minutes in total, is not read further. With `follow`, a master that is silent holds the others back for
/// 0.3 s at most, so an entry that comes later than that can stand behind later ones of others. A master that cannot be
/// reached is an [`Event::JournalUnread`], once, and the others go on; a connection that is lost in between is made
/// again, and goes on after the last entry it had.
///
/// # Errors
/// When the cluster file gives no places on the masters.
pub async fn logs(
    run: Run<'_>,
    question: &LogsQuestion,
    sink: &mut dyn LogSink,
) -> Result<LogsOutcome, Error> {
    let layout = Layout::of(&run.cluster.install).map_err(DesiredError::of_layout)?;
    // Dropped at the end, with every journal that is still open.
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
        if run.interrupt.is_asked() {
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

/// What comes next from a master that has nothing waiting; `None` in it if that master has ended.
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
