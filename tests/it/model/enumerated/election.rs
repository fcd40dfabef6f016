//! Model of a leader election among the services of the fakes. It shares no code with the handover.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcm::kube::FakeLeases;
use kcm::transport::Activity;
use kcm::transport::fake::{Fake, FakeState, Power};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use super::scenario::SERVICE;

/// client-go's lease duration: the wait of a candidate after it first saw the Lease or last saw it
/// renewed.
const LEASE: Duration = Duration::from_secs(15);
/// Longest time until a candidate asks again: client-go's retry period with its full jitter.
const RETRY: Duration = Duration::from_millis(4400);
/// Interval at which the fakes are observed.
const BEAT: Duration = Duration::from_millis(500);
/// Longest permitted time without a leader while a service runs. A candidate sees the last renewal
/// one retry late, waits for the lease duration, and asks one retry later. Two beats are added.
const LEADERLESS: Duration = Duration::from_millis(4400 + 15_000 + 4400 + 1000);

/// The candidates and the leader.
#[derive(Debug)]
pub(crate) struct Election {
    fakes: Vec<Fake>,
    pub(crate) leases: FakeLeases,
    /// True if a leader that is stopped releases its Lease (KEP-5366).
    pub(crate) releases: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    candidates: Vec<Option<Candidate>>,
    /// Master and invocation of the Lease's holder, and the time of its last renewal.
    holder: Option<(usize, String)>,
    renewed: Instant,
    renew_time: OffsetDateTime,
    acquire_time: OffsetDateTime,
    free_since: Option<Instant>,
    leaderless_since: Option<Instant>,
    seen: Seen,
}

/// Observations of an election.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Number of times that a candidate acquired the Lease.
    pub(crate) acquisitions: usize,
    /// Longest time without a leader while a service ran.
    pub(crate) leaderless: Duration,
    /// Violations of the rules.
    pub(crate) violations: Vec<String>,
}

/// Process that asks for the Lease.
#[derive(Clone, Debug, PartialEq)]
struct Candidate {
    invocation: String,
    since: OffsetDateTime,
    /// Current time on its master.
    time: OffsetDateTime,
    /// Moment at which it first saw the Lease.
    first: Instant,
}

impl Election {
    /// Starts an election in which the service of the master at `leader` leads.
    pub(crate) fn begin(fakes: &[Fake], leader: usize) -> Arc<Self> {
        let now = Instant::now();
        let election = Self {
            fakes: fakes.to_vec(),
            leases: FakeLeases::new(),
            releases: AtomicBool::new(false),
            state: Mutex::new(State {
                candidates: vec![None; fakes.len()],
                holder: None,
                renewed: now,
                renew_time: OffsetDateTime::UNIX_EPOCH,
                acquire_time: OffsetDateTime::UNIX_EPOCH,
                free_since: None,
                leaderless_since: None,
                seen: Seen::default(),
            }),
        };
        let mut state = election.state.lock().unwrap();
        state.candidates = election.running(&state.candidates);
        state.acquire(leader, &election.leases);
        state.seen = Seen::default();
        drop(state);
        Arc::new(election)
    }

    /// Observes the fakes until this future is dropped.
    pub(crate) async fn beat(self: Arc<Self>) {
        loop {
            tokio::time::sleep(BEAT).await;
            self.look();
        }
    }

    /// Advances the clock by `time`.
    pub(crate) async fn pass(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            tokio::time::advance(BEAT).await;
            self.look();
        }
    }

    /// Checks the rules on all observations.
    pub(crate) fn evaluate(&self) -> Result<(), String> {
        let Seen { leaderless, mut violations, .. } = self.seen();
        if leaderless > LEADERLESS {
            violations.push(format!("nobody led for {leaderless:?} while somebody ran"));
        }
        if violations.is_empty() { Ok(()) } else { Err(violations.join("; ")) }
    }

    /// Updates all candidates to the current time.
    pub(crate) fn look(&self) {
        let mut state = self.state.lock().unwrap();
        let running = self.running(&state.candidates);
        state.candidates = running;
        self.release(&mut state);
        state.step(&self.leases);
    }

    pub(crate) fn seen(&self) -> Seen {
        let state = self.state.lock().unwrap();
        let mut seen = state.seen.clone();
        let since = state.leaderless_since.map_or(Duration::ZERO, |since| since.elapsed());
        seen.leaderless = seen.leaderless.max(since);
        seen
    }

    /// Checks a write of the Lease: it must not free the Lease of a running process.
    pub(crate) fn is_written(&self, spec: &Value) {
        self.look();
        let mut state = self.state.lock().unwrap();
        let is_freed = spec["holderIdentity"].as_str().is_none_or(str::is_empty);
        if is_freed && let Some((place, invocation)) = state.living_holder() {
            let what = format!("the Lease of {invocation} on master {place} is freed, which runs");
            state.seen.violations.push(what);
        }
    }

    /// Releases the Lease of a stopped holder. A killed holder releases nothing.
    fn release(&self, state: &mut State) {
        let Some((place, _)) = state.holder.clone() else { return };
        let is_stopped = self.fakes[place].inspect(|fake| {
            fake.power == Power::On
                && fake.activity(&SERVICE.parse().unwrap()) == Activity::Inactive
        });
        if !self.releases.load(Ordering::Relaxed) || !is_stopped {
            return;
        }
        let mut spec = self.leases.spec().unwrap();
        if spec["holderIdentity"].as_str().map(str::to_owned) == state.identity() {
            spec["holderIdentity"] = json!("");
            spec["leaseDurationSeconds"] = json!(1);
            self.leases.put(&spec);
        }
    }

    fn running(&self, known: &[Option<Candidate>]) -> Vec<Option<Candidate>> {
        let candidate = |(fake, known): (&Fake, &Option<Candidate>)| {
            fake.inspect(|state| {
                let (invocation, since) = running(state)?;
                let first = match known {
                    Some(known) if known.invocation == invocation => known.first,
                    _ => Instant::now(),
                };
                Some(Candidate { invocation, since, time: state.time(), first })
            })
        };
        self.fakes.iter().zip(known).map(candidate).collect()
    }
}

fn running(state: &mut FakeState) -> Option<(String, OffsetDateTime)> {
    if state.power != Power::On {
        return None;
    }
    state.catch_up();
    match state.activity(&SERVICE.parse().unwrap()) {
        Activity::Active { invocation, since, .. } => Some((invocation, since)),
        _ => None,
    }
}

impl State {
    fn step(&mut self, leases: &FakeLeases) {
        let now = Instant::now();
        let identity = self.identity();
        let named =
            leases.spec().and_then(|spec| spec["holderIdentity"].as_str().map(str::to_owned));
        if named.is_none_or(|named| named.is_empty() || Some(named) != identity) {
            // Another process freed the Lease.
            self.holder = None;
            self.free_since.get_or_insert(now);
        }
        if self.living_holder().is_some() {
            self.renew(leases);
        } else if let Some(next) = self.next(now) {
            self.acquire(next, leases);
        }
        let is_led = self.living_holder().is_some();
        let somebody_runs = self.candidates.iter().any(Option::is_some);
        match self.leaderless_since {
            _ if !is_led && somebody_runs => {
                self.leaderless_since.get_or_insert(now);
            }
            Some(since) => {
                self.seen.leaderless = self.seen.leaderless.max(now - since);
                self.leaderless_since = None;
            }
            None => {}
        }
    }

    /// Returns the candidate that acquires the Lease now, as late as client-go allows. A free Lease
    /// goes to a process that starts now, or to others when they ask again. An expired Lease goes
    /// to a candidate that has seen no renewal for long enough.
    fn next(&self, now: Instant) -> Option<usize> {
        let candidates = self.candidates.iter().enumerate();
        let mut ready = candidates.filter(|(_, candidate)| {
            candidate.as_ref().is_some_and(|candidate| match self.free_since {
                Some(free) => candidate.first >= free || now >= free + RETRY,
                None => now >= (self.renewed + RETRY).max(candidate.first) + LEASE + RETRY,
            })
        });
        ready.next().map(|(place, _)| place)
    }

    fn acquire(&mut self, place: usize, leases: &FakeLeases) {
        let Some(candidate) = self.candidates[place].clone() else { return };
        self.holder = Some((place, candidate.invocation));
        self.acquire_time = candidate.since.max(candidate.time);
        self.renew_time = self.acquire_time;
        self.free_since = None;
        self.seen.acquisitions += 1;
        self.renew(leases);
    }

    fn renew(&mut self, leases: &FakeLeases) {
        let Some((place, _)) = self.living_holder() else { return };
        let time = self.candidates[place].as_ref().map(|candidate| candidate.time);
        let later = self.renew_time + time::Duration::microseconds(1);
        self.renew_time = time.map_or(later, |time| time.max(later));
        self.renewed = Instant::now();
        let text = |time: OffsetDateTime| time.format(&Rfc3339).unwrap();
        leases.put(&json!({
            "holderIdentity": self.identity().unwrap(),
            // On a fake, a second passes with every effect; a rollout has fewer than 3600 effects.
            "leaseDurationSeconds": 3600,
            "acquireTime": text(self.acquire_time),
            "renewTime": text(self.renew_time),
            "leaseTransitions": self.seen.acquisitions,
        }));
    }

    /// Returns the holder if it runs.
    fn living_holder(&self) -> Option<(usize, String)> {
        let (place, invocation) = self.holder.as_ref()?;
        let candidate = self.candidates[*place].as_ref()?;
        (candidate.invocation == *invocation).then(|| (*place, invocation.clone()))
    }

    fn identity(&self) -> Option<String> {
        let (place, invocation) = self.holder.as_ref()?;
        Some(format!("k8s-master-0{}_{invocation}", place + 1))
    }
}
