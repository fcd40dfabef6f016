//! Watches the holder of the Lease through the API, independently of kcm.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant, SystemTime};

use super::Client;

const INTERVAL: Duration = Duration::from_millis(15);

/// Reads the Lease every few milliseconds in a thread.
#[derive(Debug)]
pub struct LeaseWatcher {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<LeaseHistory>,
}

/// The observed holders of the Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseHistory {
    /// Holders in the order of observation, beginning with the holder at the start.
    pub holdings: Vec<Holding>,
    /// Longest time between two successful reads.
    pub blind: Duration,
}

/// A period between two changes of the holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Time of the first read that showed the holder.
    pub since: SystemTime,
    /// Identity of the holder, `hostname_uuid`; `None` if the Lease is free or does not exist.
    pub holder: Option<String>,
}

impl LeaseHistory {
    /// Returns each new holder with the time of its first observation, in order, without the
    /// initial one.
    pub fn successions(&self) -> impl Iterator<Item = (&str, SystemTime)> {
        let holders = self.holdings.iter().skip(1);
        holders.filter_map(|it| Some((it.holder.as_deref()?, it.since)))
    }

    /// Returns the initial holder.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.holdings.first()?.holder.as_deref()
    }
}

impl LeaseWatcher {
    /// Starts to watch.
    #[must_use]
    pub fn start(client: Client) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_over);
        Self { is_over, thread: spawn(move || watch(&client, &asked)) }
    }

    /// Stops and returns the history.
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
        // A server that does not answer shows nothing about the holder.
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
