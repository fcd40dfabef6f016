//! Continuous observation of the Lease and of all masters' health, on one monotonic clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::report::{HealthAnswer, HealthSpan, HolderSpan, MasterTimeline, Timeline};
use crate::kube::{Holder, LeaderWatch, Lease};
use crate::rollout::{LeaderElection, health_question};
use crate::transport::{
    HttpsAnswer, HttpsError, StreamAddress, StreamError, Transport, TransportError,
};

/// Interval between two reads of the Lease, which limits the precision of a gap.
const GLANCE: Duration = Duration::from_millis(50);
/// Interval between two health requests to a master.
const PULSE: Duration = Duration::from_millis(250);

/// Maximum wait for a read that shows whether a leader released its Lease.
const GIVEN_UP: Duration = Duration::from_secs(1);
/// Time without a read of the Lease after which the leader counts as unknown.
const BLIND: Duration = Duration::from_secs(5);

/// An observation that runs until it is dropped.
pub(super) struct Watch {
    log: Arc<Log>,
    news: watch::Receiver<Option<LeaderWatch>>,
    tasks: JoinSet<()>,
}

/// A master to observe.
pub(super) struct Watched {
    pub(super) name: String,
    pub(super) transport: Arc<dyn Transport>,
    /// Address of the health endpoint, if the service listens.
    pub(super) address: Option<StreamAddress>,
}

/// A takeover of the Lease by another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) holder: Holder,
    pub(super) at: Instant,
    /// Renewal time in the Lease at the takeover.
    renewed: Option<OffsetDateTime>,
    /// Maximum by which the true takeover is earlier.
    pub(super) precision: Duration,
}

#[derive(Debug)]
struct Log {
    begun: Instant,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    lease: Vec<HolderSpan>,
    /// Longest time without a read of the Lease.
    blind: Duration,
    health: Vec<MasterTimeline>,
    /// Time at which each master's process was last known to be gone.
    gone: Vec<Option<Instant>>,
}

impl Watch {
    pub(super) fn begin(election: &Arc<LeaderElection>, masters: Vec<Watched>) -> Self {
        let health = masters.iter().map(|master| {
            let name = master.name.clone();
            MasterTimeline { name, health: Vec::new() }
        });
        let (health, gone) = (health.collect(), vec![None; masters.len()]);
        let seen = Seen { health, gone, ..Seen::default() };
        let log = Arc::new(Log { begun: Instant::now(), seen: Mutex::new(seen) });
        let (tell, news) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(watch_lease(Arc::clone(election), Arc::clone(&log), tell));
        for (place, master) in masters.into_iter().enumerate() {
            tasks.spawn(watch_health(place, master, Arc::clone(&log)));
        }
        Self { log, news, tasks }
    }

    /// Converts a time to milliseconds of the report.
    pub(super) fn milliseconds(&self, at: Instant) -> u64 {
        self.log.milliseconds(at)
    }

    /// Waits until a process other than the holder of `before` holds the Lease. Returns `None` if
    /// that does not happen until `deadline`.
    pub(super) async fn taken(&self, before: &Lease, deadline: Instant) -> Option<Taken> {
        let mut news = self.news.clone();
        let looking = async {
            loop {
                let taken =
                    news.borrow_and_update().as_ref().and_then(|it| Taken::from(before, it));
                if taken.is_some() {
                    return taken;
                }
                // The channel closes only at the end of the drill.
                news.changed().await.ok()?;
            }
        };
        timeout_at(deadline, looking).await.unwrap_or_default()
    }

    /// Returns the time at which the holder of `before` was first seen not to hold the Lease.
    ///
    /// Uses only reads that begin after this call. Returns `None` if the holder still holds the
    /// Lease, or if no such read succeeds within 1 s.
    pub(super) async fn released(&self, before: &Lease) -> Option<Instant> {
        let now = Instant::now();
        let mut news = self.news.clone();
        let looking = async {
            loop {
                let reading = news.borrow_and_update().clone();
                if let Some(reading) = reading.filter(|reading| reading.asked > now) {
                    return (reading.holder() != before.holder()).then_some(reading.former);
                }
                news.changed().await.ok()?;
            }
        };
        let (holder, at) = timeout_at(now + GIVEN_UP, looking).await.unwrap_or_default()??;
        Some(if before.holder() == Some(&holder) { at } else { now })
    }

    /// Waits until the new holder renews the Lease, and returns the time at which that was seen.
    /// Returns `None` if that does not happen until `deadline`, or if another process holds the
    /// Lease.
    pub(super) async fn renewed(&self, taken: &Taken, deadline: Instant) -> Option<Instant> {
        let mut news = self.news.clone();
        let looking = async {
            loop {
                let reading = news.borrow_and_update().clone();
                if let Some(LeaderWatch { at, lease: Some(lease), .. }) = reading {
                    if lease.holder() != Some(&taken.holder) {
                        return None;
                    }
                    if lease.renewed() != taken.renewed {
                        return Some(at);
                    }
                }
                news.changed().await.ok()?;
            }
        };
        timeout_at(deadline, looking).await.unwrap_or_default()
    }

    /// Reports whether the Lease has not been read for 5 s.
    pub(super) fn is_blind(&self) -> bool {
        self.news.borrow().as_ref().is_none_or(|last| last.at.elapsed() > BLIND)
    }

    /// Records that the service of the master at `place` has ended, before a health request shows
    /// it.
    pub(super) fn is_gone(&self, place: usize) {
        let now = Instant::now();
        if let Some(gone) = self.log.seen().gone.get_mut(place) {
            *gone = Some(now);
        }
        self.log.health(place, now, HealthAnswer::Silent);
    }

    /// Returns the time at which the master at `place` was healthy again after its end at `gone`,
    /// if that was seen.
    pub(super) fn back(&self, place: usize, gone: Instant) -> Option<u64> {
        let gone = self.log.milliseconds(gone);
        let seen = self.log.seen();
        let health = &seen.health.get(place)?.health;
        let is_gone = |span: &HealthSpan| {
            span.answer == HealthAnswer::Silent && span.until_milliseconds >= gone
        };
        let mut after = health.iter().skip_while(|span| !is_gone(span));
        let back = after.find(|span| span.answer == HealthAnswer::Healthy)?;
        Some(back.from_milliseconds)
    }

    /// Returns the time at which the holder of this Lease was last seen to renew it.
    pub(super) fn last_renewal(&self, of: &Lease) -> Option<Instant> {
        let last = self.news.borrow();
        let (lease, at) = last.as_ref()?.renewal.as_ref()?;
        (lease.holder() == of.holder()).then_some(*at)
    }

    /// Stops the observation and returns the timeline.
    pub(super) async fn end(mut self) -> Timeline {
        self.tasks.shutdown().await;
        let end = Instant::now();
        let length = self.log.milliseconds(end);
        let last = self.news.borrow().as_ref().map(|last| last.at);
        let mut seen = self.log.seen();
        let blind = seen.blind.max(end - last.unwrap_or(self.log.begun));
        let blind = u64::try_from(blind.as_millis()).unwrap_or(u64::MAX);
        Timeline {
            length_milliseconds: length,
            blind_milliseconds: blind,
            lease: std::mem::take(&mut seen.lease),
            masters: std::mem::take(&mut seen.health),
        }
    }
}

impl Taken {
    /// Returns the takeover from the holder of `before`, if there was one.
    fn from(before: &Lease, seen: &LeaderWatch) -> Option<Self> {
        let holder = seen.holder().filter(|holder| Some(*holder) != before.holder())?;
        let precision = seen.before.map_or(GLANCE, |before| seen.since - before);
        let renewed = seen.lease.as_ref().and_then(Lease::renewed);
        Some(Self { holder: holder.clone(), at: seen.since, renewed, precision })
    }
}

impl Log {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn milliseconds(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.begun);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Adds a read of the Lease to the timeline.
    fn lease(&self, last: Option<Instant>, read: &LeaderWatch) {
        let now = self.milliseconds(read.at);
        let mut seen = self.seen();
        seen.blind = seen.blind.max(read.at - last.unwrap_or(self.begun));
        let holder = read.holder().map(ToString::to_string);
        match seen.lease.last_mut() {
            Some(last) if last.holder == holder => last.until_milliseconds = now,
            _ => seen.lease.push(HolderSpan {
                from_milliseconds: now,
                until_milliseconds: now,
                holder,
            }),
        }
    }

    fn health(&self, place: usize, asked: Instant, answer: HealthAnswer) {
        let now = self.milliseconds(Instant::now());
        let mut seen = self.seen();
        // A request from before the end of the process does not show the current health.
        if seen.gone.get(place).copied().flatten().is_some_and(|gone| asked < gone) {
            return;
        }
        let Some(master) = seen.health.get_mut(place) else { return };
        if let Some(last) = master.health.last_mut() {
            last.until_milliseconds = now;
            if last.answer == answer {
                return;
            }
        }
        master.health.push(HealthSpan { from_milliseconds: now, until_milliseconds: now, answer });
    }
}

async fn watch_lease(
    election: Arc<LeaderElection>,
    log: Arc<Log>,
    tell: watch::Sender<Option<LeaderWatch>>,
) {
    loop {
        // A failed read does not say anything about the leader.
        let asked = Instant::now();
        if let Ok(lease) = election.lease().await {
            let last = tell.borrow().clone();
            let seen = last.as_ref().map(|last| last.at);
            let read = LeaderWatch::next(last, lease, asked);
            log.lease(seen, &read);
            let _ = tell.send(Some(read));
        }
        sleep(GLANCE).await;
    }
}

async fn watch_health(place: usize, master: Watched, log: Arc<Log>) {
    let Some(address) = master.address else {
        return log.health(place, Instant::now(), HealthAnswer::Unknown);
    };
    let question = health_question(address);
    loop {
        let asked = Instant::now();
        let answer = match master.transport.insecure_https(&question).await {
            Ok(HttpsAnswer { status: 200, .. }) => HealthAnswer::Healthy,
            Ok(_) => HealthAnswer::Unhealthy,
            Err(HttpsError::Stream(
                StreamError::Forbidden { .. }
                | StreamError::Unsupported { .. }
                | StreamError::Transport(
                    TransportError::NeverRan { .. } | TransportError::FateUnknown { .. },
                ),
            )) => HealthAnswer::Unknown,
            Err(_) => HealthAnswer::Silent,
        };
        log.health(place, asked, answer);
        sleep(PULSE).await;
    }
}
