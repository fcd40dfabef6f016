//! Execution of a drill: selects the next leader to end, and decides when the drill is over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use super::back::Returning;
use super::pace::{Pace, retry_period};
use super::probe::{Probe, reach};
use super::report::{DrillReport, NotPutBack, Reconciliation, Succession, Timeline};
use super::succession::{Followed, Leader};
use super::watch::{Watch, Watched};
use super::{BACK_AFTER, Begun, DrillExtent, DrillRequest, healthy};
use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::event::{DrillStep, Event};
use crate::kube::{Holder, Holding, Lease};
use crate::observed::accounts::Accounts;
use crate::observed::look_at;
use crate::ops::smoke::Seat;
use crate::rollout::{self, LeaderElection, answers_at};
use crate::transport::{Activity, Observation};

/// Maximum number of successions, as a multiple of the masters. kcm cannot always choose the next
/// leader.
const ROUNDS: usize = 4;
/// Additional wait for a service that kcm could not start, beyond its timer.
const AFTER_THE_TIMER: Duration = Duration::from_secs(5);
/// Interval between two checks of such a service.
const LOOK: Duration = Duration::from_secs(1);

/// A drill in progress.
pub(super) struct Show<'s> {
    run: Run<'s>,
    request: &'s DrillRequest,
    layout: &'s Layout,
    begun: &'s Begun,
    election: Arc<LeaderElection>,
    watch: Watch,
    retry_period: Duration,
    /// Indexes of the masters that took over.
    took_over: BTreeSet<usize>,
    report: DrillReport,
    /// Time at which the last succession was complete.
    last_end: Instant,
}

impl<'s> Show<'s> {
    pub(super) fn begin(
        run: Run<'s>,
        request: &'s DrillRequest,
        layout: &'s Layout,
        begun: &'s Begun,
        election: Arc<LeaderElection>,
    ) -> Self {
        let watched = begun.seats.iter().map(watched).collect();
        let watch = Watch::begin(&election, watched);
        let healthy: Vec<_> =
            begun.healthy.iter().filter_map(|place| begun.seats.get(*place)).collect();
        let report = DrillReport {
            at: OffsetDateTime::now_utc(),
            cluster: run.cluster.name.to_string(),
            method: request.method,
            leader: String::new(),
            masters: healthy.iter().map(|seat| seat.name.clone()).collect(),
            successions: Vec::new(),
            first_probe: None,
            trouble: None,
            not_put_back: Vec::new(),
            left_behind: Vec::new(),
            is_interrupted: false,
            timeline: Timeline::default(),
        };
        let retry_period = retry_period(healthy.into_iter().map(Seat::flags));
        Self {
            run,
            request,
            layout,
            begun,
            election,
            watch,
            retry_period,
            took_over: BTreeSet::new(),
            report,
            last_end: Instant::now(),
        }
    }

    pub(super) async fn carry_out(mut self) -> DrillReport {
        match &self.request.probe {
            None => self.go_on(None).await,
            Some(request) => match reach(self.run, request, &self.begun.seats).await {
                Err(why) => {
                    self.trouble(format!(
                        "cannot create the probe, so no leader was stopped: {why}"
                    ));
                }
                Ok(api) => {
                    let probe = match Probe::begin(&api, request).await {
                        Ok(probe) => {
                            self.go_on_if_it_works(&probe).await;
                            Some(probe)
                        }
                        Err((why, probe)) => {
                            self.trouble(format!(
                                "cannot create the probe, so no leader was stopped: {why}"
                            ));
                            probe
                        }
                    };
                    if let Some(probe) = probe {
                        self.report.left_behind.extend(probe.end().await);
                    }
                }
            },
        }
        self.look_again().await;
        self.report.is_interrupted = self.run.interrupt.is_requested();
        self.report.timeline = self.watch.end().await;
        self.report
    }

    /// Continues the drill if the initial leader reconciles the probe. Otherwise the probe could
    /// not prove anything about its successors.
    async fn go_on_if_it_works(&mut self, probe: &Probe<'_>) {
        let tried = async {
            probe.ask(0).await?;
            let asked = Instant::now();
            Ok((asked, probe.reconciled(0, self.run.interrupt).await?))
        };
        let tried: Result<_, String> = tried.await;
        match tried {
            Ok((asked, done)) => {
                self.tell(DrillStep::Reconciled { delay_milliseconds: None });
                self.report.first_probe = Some(Reconciliation::Reconciled {
                    asked_milliseconds: self.watch.milliseconds(asked),
                    done_milliseconds: self.watch.milliseconds(done),
                    delay_milliseconds: None,
                });
                self.go_on(Some(probe)).await;
            }
            Err(_) if self.run.interrupt.is_requested() => {}
            Err(why) => {
                self.trouble(format!(
                    "the current leader does not reconcile the probe, so no leader was stopped: {why}; run `kcm smoke` for details"
                ));
                self.report.first_probe = Some(Reconciliation::Failed { why });
            }
        }
    }

    /// Ends one leader after the other until the drill is over.
    async fn go_on(&mut self, probe: Option<&Probe<'_>>) {
        let bound = match self.request.extent {
            DrillExtent::Once => 1,
            DrillExtent::All => ROUNDS * self.begun.healthy.len(),
        };
        while !self.run.interrupt.is_requested() && self.report.trouble.is_none() && !self.is_over()
        {
            if self.report.successions.len() >= bound {
                let left =
                    self.begun.healthy.iter().filter(|place| !self.took_over.contains(place));
                let left: Vec<_> = left.filter_map(|place| self.name(*place)).collect();
                let left = left.join(", ");
                return self.trouble(format!(
                    "after {bound} failovers these masters have not taken over: {left}; run the drill again (leader election chooses the successor)"
                ));
            }
            match self.next().await {
                Ok(next) => self.succeed(next, probe).await,
                Err(why) => return self.trouble(why),
            }
        }
    }

    fn is_over(&self) -> bool {
        match self.request.extent {
            DrillExtent::Once => !self.report.successions.is_empty(),
            DrillExtent::All => {
                self.begun.healthy.iter().all(|place| self.took_over.contains(place))
            }
        }
    }

    /// Selects the leader to end next, from the current state.
    async fn next(&mut self) -> Result<Next, String> {
        let (place, lease) = match self.election.holding().await {
            Holding::Ours(place, lease) if self.begun.healthy.contains(&place) => (place, lease),
            Holding::Ours(_, lease) | Holding::Excluded(lease) => {
                let holder = lease.holder().map(ToString::to_string).unwrap_or_default();
                return Err(format!("the leader {holder} does not take part in the drill"));
            }
            Holding::Unmanaged(holder) => {
                let (problem, help) = rollout::unmanaged_leader(&holder);
                return Err(format!("{problem}; {help}"));
            }
            Holding::Nobody => return Err("the Lease has no holder any more".to_owned()),
            Holding::Unknown(why) => return Err(format!("cannot determine the leader: {why}")),
        };
        let seat = self.begun.seats.get(place).ok_or("unknown master")?;
        if self.report.leader.is_empty() {
            self.report.leader.clone_from(&seat.name);
        }
        // No leader is ended while another master is unhealthy.
        let healthy = healthy(&self.begun.seats, self.layout, &self.begun.healthy).await;
        let others: Vec<_> = healthy.into_iter().filter(|other| *other != place).collect();
        if others.is_empty() && !self.request.even_the_last {
            return Err(format!("no healthy master is left to take over from {}", seat.name));
        }
        let ill: Vec<_> = self
            .begun
            .healthy
            .iter()
            .filter(|other| **other != place && !others.contains(other))
            .filter_map(|place| self.name(*place))
            .collect();
        if !ill.is_empty() {
            return Err(format!("no longer healthy: {}", ill.join(", ")));
        }
        let look = look_at(&seat.name, &*seat.transport, self.layout, &Accounts::default()).await;
        let observed = look.map_err(|error| error.to_string())?;
        let Activity::Active { invocation, since, .. } = observed.probe.unit.activity else {
            return Err(format!("{} is the leader, but its service is not running", seat.name));
        };
        Ok(Next { place, lease, invocation, started: since, has_successor: !others.is_empty() })
    }

    /// Ends a leader and records the result.
    async fn succeed(&mut self, next: Next, probe: Option<&Probe<'_>>) {
        let Next { place, lease, invocation, started, has_successor } = next;
        let Some(name) = self.name(place) else { return };
        let Some(returning) = self.returning(place) else { return };
        // Only a drill of all masters keeps those that took over from leading again.
        let is_for_all = self.request.extent == DrillExtent::All;
        let others = self.took_over.iter().filter(|other| is_for_all && **other != place);
        let others = others
            .filter_map(|other| Some((self.name(*other)?.to_owned(), self.returning(*other)?)));
        let leader = Leader {
            run: self.run,
            method: self.request.method,
            extent: self.request.extent,
            election: &self.election,
            watch: &self.watch,
            probe,
            number: self.report.successions.len() + 1,
            pace: Pace::of(lease.duration(), self.retry_period),
            place,
            name,
            returning,
            before: &lease,
            invocation,
            started,
            has_successor,
            has_led: self.took_over.contains(&place),
            others_that_led: others.collect(),
        };
        let Followed { succession, taken, down, trouble } = leader.end().await;
        self.last_end = Instant::now();
        let to = taken.as_ref().and_then(|taken| self.place_of(&taken.holder));
        let is_ours = to.is_some_and(|to| self.begun.healthy.contains(&to));
        if let Some(succession) = succession {
            let to = to.and_then(|to| self.name(to)).map(str::to_owned);
            self.report.successions.push(Succession { to, ..succession });
        }
        self.took_over.extend(to);
        for (master, why) in down {
            let start = format!("systemctl start {}", self.layout.unit);
            self.report.not_put_back.push(NotPutBack { master, why, start });
        }
        let trouble = trouble.or_else(|| {
            let taken = taken.filter(|_| !is_ours)?;
            Some(format!("{} took over but does not take part in the drill", taken.holder))
        });
        let trouble = trouble.or_else(|| self.failed_probe());
        if let Some(why) = trouble {
            self.trouble(why);
        }
    }

    fn failed_probe(&self) -> Option<String> {
        let last = self.report.successions.last()?;
        match &last.probe {
            Some(Reconciliation::Failed { why }) => {
                let leader = last.to.as_deref().unwrap_or("an unknown process");
                Some(format!("{leader} took over but does not reconcile the probe: {why}"))
            }
            _ => None,
        }
    }

    /// Checks the masters that kcm could not start again, because their timers may have started
    /// them.
    async fn look_again(&mut self) {
        let deadline = self.last_end + BACK_AFTER + AFTER_THE_TIMER;
        let mut down = std::mem::take(&mut self.report.not_put_back);
        while !down.is_empty() {
            let mut still = Vec::new();
            for master in down {
                let place = self.begun.seats.iter().position(|seat| seat.name == master.master);
                match place.and_then(|place| self.returning(place)) {
                    Some(returning) if returning.is_well().await => {}
                    _ => still.push(master),
                }
            }
            down = still;
            if down.is_empty() || self.run.interrupt.is_requested() || Instant::now() >= deadline {
                break;
            }
            sleep(LOOK).await;
        }
        self.report.not_put_back = down;
    }

    fn name(&self, place: usize) -> Option<&'s str> {
        self.begun.seats.get(place).map(|seat| seat.name.as_str())
    }

    fn returning(&self, place: usize) -> Option<Returning> {
        let seat = self.begun.seats.get(place)?;
        let (transport, layout) = (Arc::clone(&seat.transport), self.layout.clone());
        Some(Returning { transport, layout })
    }

    fn place_of(&self, holder: &Holder) -> Option<usize> {
        self.election.candidates().owner(holder.hostname()?)
    }

    fn tell(&self, step: DrillStep) {
        self.run.events.event(&Event::Drilled { step });
    }

    fn trouble(&mut self, why: String) {
        self.report.trouble.get_or_insert(why);
    }
}

/// A leader to end, as it was last observed.
struct Next {
    place: usize,
    lease: Lease,
    invocation: String,
    started: OffsetDateTime,
    has_successor: bool,
}

fn watched(seat: &Seat) -> Watched {
    let process =
        seat.seen.as_ref().ok().and_then(|seen| seen.inspected.as_ref()?.process.as_ref());
    let address = process.and_then(|process| match &process.listening {
        Observation::Known(listening) => answers_at(listening),
        Observation::Unknown(_) => None,
    });
    let (name, transport) = (seat.name.clone(), Arc::clone(&seat.transport));
    Watched { name, transport, address }
}
