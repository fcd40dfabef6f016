//! Watches from outside who leads: reads the Lease, as anybody may who has an account.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant, SystemTime};

use super::Client;

const INTERVAL: Duration = Duration::from_millis(15);

/// Reads the Lease every few milliseconds.
#[derive(Debug)]
pub struct LeaseWatcher {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<LeaseHistory>,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseHistory {
    /// Who held it, in the order in which that was seen; the first did when it began.
    pub holdings: Vec<Holding>,
    /// The longest time between two readings.
    pub blind: Duration,
}

/// From one change of the holder to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// When it was first seen.
    pub since: SystemTime,
    /// `hostname_uuid`; nobody, if it is free or there is none.
    pub holder: Option<String>,
}

impl LeaseHistory {
    /// Each that came to hold it, in order, without the one at the beginning.
    pub fn successions(&self) -> impl Iterator<Item = (&str, SystemTime)> {
        let holders = self.holdings.iter().skip(1);
        holders.filter_map(|it| Some((it.holder.as_deref()?, it.since)))
    }

    /// Who held it in the beginning.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.holdings.first()?.holder.as_deref()
    }
}

impl LeaseWatcher {
    /// Begins to watch.
    #[must_use]
    pub fn start(client: Client) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_over);
        Self { is_over, thread: spawn(move || watch(&client, &asked)) }
    }

    /// Ends it.
    #[must_use]
    pub fn end(self) -> LeaseHistory {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn watch(client: &Client, is_over: &AtomicBool) -> LeaseHistory {
    let mut history = LeaseHistory::default();
    let mut last = Instant::now();
    loop {
        let is_last = is_over.load(Ordering::Relaxed);
        // A server that is away for a moment says nothing about who leads.
        if let Ok(reply) = client.try_get(Client::LEASE) {
            let since = SystemTime::now();
            let holder = reply.body["spec"]["holderIdentity"].as_str();
            let holder = holder.filter(|it| !it.is_empty()).map(str::to_owned);
            if history.holdings.last().is_none_or(|last| last.holder != holder) {
                history.holdings.push(Holding { since, holder });
            }
            history.blind = history.blind.max(last.elapsed());
            last = Instant::now();
        }
        if is_last {
            return history;
        }
        sleep(INTERVAL);
    }
}
