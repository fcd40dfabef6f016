//! The Lease and everybody's health, seen again and again on one clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::report::{HealthAnswer, HealthSpan, HolderSpan, MasterTimeline, Timeline};
use crate::kube::{Holder, Lease};
use crate::rollout::{Lead, health_question};
use crate::transport::{
    HttpsAnswer, HttpsError, StreamAddress, StreamError, Transport, TransportError,
};

/// How often the Lease is looked at: what a gap is measured with.
const GLANCE: Duration = Duration::from_millis(50);
/// How often each master is asked for its health.
const PULSE: Duration = Duration::from_millis(250);

/// How long is waited for a look that tells whether a leader gave up its Lease.
const GIVEN_UP: Duration = Duration::from_secs(1);
/// After this without a look at the Lease nobody can say who leads.
const BLIND: Duration = Duration::from_secs(5);

/// Watches for as long as it is not dropped.
pub(super) struct Watch {
    log: Arc<Log>,
    news: watch::Receiver<Option<Reading>>,
    tasks: JoinSet<()>,
}

/// A master that is watched.
pub(super) struct Watched {
    pub(super) name: String,
    pub(super) transport: Arc<dyn Transport>,
    /// Where it answers for its health, if it does.
    pub(super) address: Option<StreamAddress>,
}

/// A look at the Lease.
#[derive(Clone, Debug)]
struct Reading {
    /// When it was asked for.
    asked: Instant,
    /// When it was answered.
    at: Instant,
    /// When this holder was first seen.
    since: Instant,
    /// The look before that one.
    before: Option<Instant>,
    lease: Option<Lease>,
}

/// Another process leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) holder: Holder,
    pub(super) at: Instant,
    /// The renewal with which it came.
    renewed: Option<OffsetDateTime>,
    /// How much earlier it may have been.
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
    /// When the last of those was first seen, and the look before.
    since: Option<(Instant, Option<Instant>)>,
    /// Who held the Lease before, and when it was first seen that this is over.
    over: Option<(String, Instant)>,
    last_look: Option<Instant>,
    blind: Duration,
    /// The last renewal that was seen, and by whom.
    renewal: Option<(Lease, Instant)>,
    health: Vec<MasterTimeline>,
    /// When each was last known to be gone.
    gone: Vec<Option<Instant>>,
}

impl Watch {
    pub(super) fn begin(lead: &Arc<Lead>, masters: Vec<Watched>) -> Self {
        let health = masters.iter().map(|master| {
            let name = master.name.clone();
            MasterTimeline { name, health: Vec::new() }
        });
        let (health, gone) = (health.collect(), vec![None; masters.len()]);
        let seen = Seen { health, gone, ..Seen::default() };
        let log = Arc::new(Log { begun: Instant::now(), seen: Mutex::new(seen) });
        let (tell, news) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(watch_lease(Arc::clone(lead), Arc::clone(&log), tell));
        for (place, master) in masters.into_iter().enumerate() {
            tasks.spawn(watch_health(place, master, Arc::clone(&log)));
        }
        Self { log, news, tasks }
    }

    /// A moment as the report has it.
    pub(super) fn milliseconds(&self, at: Instant) -> u64 {
        self.log.milliseconds(at)
    }

    /// Waits until a process other than `before`'s holder holds the Lease; nothing if none does until `deadline`.
    pub(super) async fn taken(&self, before: &Lease, deadline: Instant) -> Option<Taken> {
        let mut news = self.news.clone();
        let looking = async {
            loop {
                if let Some(taken) =
                    news.borrow_and_update().as_ref().and_then(|it| it.taken(before))
                {
                    return Some(taken);
                }
                // It ends only with the drill.
                news.changed().await.ok()?;
            }
        };
        timeout_at(deadline, looking).await.unwrap_or_default()
    }

    /// Whether the holder of this Lease has given it up by a look that began after now; when that was first seen. Nothing
    /// if it has not, or the Lease cannot be seen for a second.
    pub(super) async fn released(&self, before: &Lease) -> Option<Instant> {
        let now = Instant::now();
        let mut news = self.news.clone();
        let looking = async {
            loop {
                let reading = news.borrow_and_update().clone();
                if let Some(reading) = reading.filter(|reading| reading.asked > now) {
                    let holder = reading.lease.as_ref().and_then(Lease::holder);
                    return (holder != before.holder()).then_some(());
                }
                news.changed().await.ok()?;
            }
        };
        timeout_at(now + GIVEN_UP, looking).await.unwrap_or_default()?;
        let seen = self.log.seen();
        let (holder, at) = seen.over.as_ref()?;
        let is_last = before.holder().is_some_and(|before| before.as_str() == holder);
        Some(if is_last { *at } else { now })
    }

    /// Waits until whoever took the Lease renews it: when that was seen; nothing if it is not until `deadline`, or
    /// somebody else holds it by then.
    pub(super) async fn renewed(&self, taken: &Taken, deadline: Instant) -> Option<Instant> {
        let mut news = self.news.clone();
        let looking = async {
            loop {
                let reading = news.borrow_and_update().clone();
                if let Some(Reading { at, lease: Some(lease), .. }) = reading {
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

    /// Whether the Lease is not to be seen just now.
    pub(super) fn is_blind(&self) -> bool {
        self.log.seen().last_look.is_none_or(|last| last.elapsed() > BLIND)
    }

    /// Enters that the service of the master at `place` has ended: that is known before anybody asks for its health.
    pub(super) fn is_gone(&self, place: usize) {
        let now = Instant::now();
        if let Some(gone) = self.log.seen().gone.get_mut(place) {
            *gone = Some(now);
        }
        self.log.health(place, now, HealthAnswer::Silent);
    }

    /// When the master at `place`, which was gone at `gone`, was healthy again; nothing if that was not seen.
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

    /// When the holder of this Lease was last seen to renew it.
    pub(super) fn last_renewal(&self, of: &Lease) -> Option<Instant> {
        let seen = self.log.seen();
        let (lease, at) = seen.renewal.as_ref()?;
        (lease.holder() == of.holder()).then_some(*at)
    }

    /// Ends it.
    pub(super) async fn end(mut self) -> Timeline {
        self.tasks.shutdown().await;
        let end = Instant::now();
        let length = self.log.milliseconds(end);
        let mut seen = self.log.seen();
        let blind = seen.blind.max(end - seen.last_look.unwrap_or(self.log.begun));
        let blind = u64::try_from(blind.as_millis()).unwrap_or(u64::MAX);
        Timeline {
            length_milliseconds: length,
            blind_milliseconds: blind,
            lease: std::mem::take(&mut seen.lease),
            masters: std::mem::take(&mut seen.health),
        }
    }
}

impl Reading {
    fn taken(&self, from: &Lease) -> Option<Taken> {
        let holder =
            self.lease.as_ref()?.holder().filter(|holder| Some(*holder) != from.holder())?;
        let precision = self.before.map_or(GLANCE, |before| self.since - before);
        let renewed = self.lease.as_ref().and_then(Lease::renewed);
        Some(Taken { holder: holder.clone(), at: self.since, renewed, precision })
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

    fn lease(&self, lease: Option<Lease>, asked: Instant) -> Reading {
        let at = Instant::now();
        let now = self.milliseconds(at);
        let mut seen = self.seen();
        let before = seen.last_look.replace(at);
        seen.blind = seen.blind.max(at - before.unwrap_or(self.begun));
        let holder = lease.as_ref().and_then(|lease| lease.holder()).map(ToString::to_string);
        match seen.lease.last_mut() {
            Some(last) if last.holder == holder => last.until_milliseconds = now,
            last => {
                let over = last.and_then(|last| last.holder.clone());
                seen.over = over.map(|holder| (holder, at)).or(seen.over.take());
                seen.since = Some((at, before));
                seen.lease.push(HolderSpan {
                    from_milliseconds: now,
                    until_milliseconds: now,
                    holder,
                });
            }
        }
        if let Some(lease) = &lease {
            let is_news = seen.renewal.as_ref().is_none_or(|(last, _)| {
                (last.holder(), last.renewed()) != (lease.holder(), lease.renewed())
            });
            if is_news {
                seen.renewal = Some((lease.clone(), at));
            }
        }
        let (since, before) = seen.since.unwrap_or((at, before));
        Reading { asked, at, since, before, lease }
    }

    fn health(&self, place: usize, asked: Instant, answer: HealthAnswer) {
        let now = self.milliseconds(Instant::now());
        let mut seen = self.seen();
        // What was asked before it ended says nothing of now.
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

async fn watch_lease(lead: Arc<Lead>, log: Arc<Log>, tell: watch::Sender<Option<Reading>>) {
    loop {
        // A server that is away for a moment says nothing about who leads.
        let asked = Instant::now();
        if let Ok(lease) = lead.lease().await {
            let _ = tell.send(Some(log.lease(lease, asked)));
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
