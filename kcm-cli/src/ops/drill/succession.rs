//! One succession: the end of a leader, and everything until its service runs again.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use super::back::{Again, Returning, Started, prove};
use super::pace::Pace;
use super::probe::Probe;
use super::report::{EndOfLeadership, Reconciliation, Succession};
use super::watch::{Taken, Watch};
use super::{BACK_AFTER, DrillExtent};
use crate::context::Run;
use crate::event::{DrillMethod, DrillStep, Event};
use crate::kube::Lease;
use crate::observed::processes;
use crate::rollout::{LeaderElection, LeaseAfterStop, STOPPING};
use crate::transport::{
    Batch, Operation, OperationFailure, Reply, Settle, TransportError, UnitAction,
};

/// A leader to end, with the context of the drill.
pub(super) struct Leader<'s> {
    pub(super) run: Run<'s>,
    pub(super) method: DrillMethod,
    pub(super) extent: DrillExtent,
    pub(super) election: &'s LeaderElection,
    pub(super) watch: &'s Watch,
    pub(super) probe: Option<&'s Probe<'s>>,
    /// Number of the succession, from 1.
    pub(super) number: usize,
    pub(super) pace: Pace,
    pub(super) place: usize,
    pub(super) name: &'s str,
    pub(super) returning: Returning,
    /// The Lease before the end.
    pub(super) before: &'s Lease,
    /// The observed process: systemd's invocation ID of the service.
    pub(super) invocation: String,
    pub(super) started: OffsetDateTime,
    /// True if another master could take over.
    pub(super) has_successor: bool,
    /// True if this master took over before.
    pub(super) has_led: bool,
    /// Other masters that took over before, by name.
    pub(super) others_that_led: Vec<(String, Returning)>,
}

/// Result of a succession.
pub(super) struct Followed {
    /// The succession, or `None` if the leader was not ended.
    pub(super) succession: Option<Succession>,
    /// The takeover, if there was one.
    pub(super) taken: Option<Taken>,
    /// Masters whose service is not known to run, each with the cause.
    pub(super) down: Vec<(String, String)>,
    /// Reason that the drill cannot continue, if any.
    pub(super) trouble: Option<String>,
}

/// Start of the leaderless gap, and deadline for its end.
#[derive(Clone, Copy)]
struct End {
    at: Instant,
    how: EndOfLeadership,
    /// True if the Lease is free: kcm freed it, or its holder released it.
    is_free: bool,
    deadline: Instant,
}

/// Parts of the result after the end of a leader.
struct Came {
    left: Option<String>,
    taken: Option<Taken>,
    renewed: Option<Instant>,
    back: Back,
    probe: Option<Reconciliation>,
    trouble: Option<String>,
}

/// Result of starting the services again.
#[derive(Default)]
struct Back {
    since: Option<Instant>,
    healthy: Option<Instant>,
    restarted: Vec<String>,
    down: Vec<(String, String)>,
}

impl Leader<'_> {
    /// Ends the leader and follows the succession.
    pub(super) async fn end(&self) -> Followed {
        let (master, method) = (self.name.to_owned(), self.method);
        self.tell(DrillStep::Ends { master, method });
        let mut batch = Batch::new(self.until_gone());
        batch.deadline += STOPPING;
        let (replies, trouble) = match self.returning.transport.call(&batch).await {
            Ok(replies) => match replies.failed {
                None => (replies.done, None),
                Some(OperationFailure { index: 0, error, .. }) => {
                    let why =
                        format!("{}: cannot confirm the observed process: {error}", self.name);
                    return Followed::nothing(why);
                }
                Some(failed) => (replies.done, Some(format!("{}: {}", self.name, failed.error))),
            },
            Err(error @ TransportError::NeverRan { .. }) => {
                return Followed::nothing(error.to_string());
            }
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let gone = Instant::now();
        let is_seen = replies.iter().any(|reply| matches!(reply, Reply::Stopped { .. }));
        if is_seen {
            self.watch.is_gone(self.place);
            self.tell(DrillStep::Ended { master: self.name.to_owned() });
        }
        let lease = self.lease_after(&replies, is_seen && trouble.is_none()).await;
        let released = match lease {
            Some(LeaseAfterStop::Released) => self.watch.released(self.before).await,
            _ => None,
        };
        let is_free = matches!(lease, Some(LeaseAfterStop::Freed | LeaseAfterStop::Released));
        let (at, how) = match released {
            Some(released) => (released.min(gone), EndOfLeadership::Released),
            None if is_seen => (gone, EndOfLeadership::ProcessGone),
            None => {
                let renewed = self.watch.last_renewal(self.before);
                (renewed.unwrap_or(gone), EndOfLeadership::LastRenewal)
            }
        };
        let patience = if is_free { self.pace.patience_once_free } else { self.pace.patience };
        let end = End { at, how, is_free, deadline: gone + patience };
        let is_in_order = trouble.is_none();
        let (taken, back, probe) = tokio::join!(
            self.taken(end),
            self.back(end, is_in_order),
            self.probe(end, is_in_order)
        );
        let (taken, renewed) = taken.unzip();
        let left = lease.and_then(LeaseAfterStop::left);
        self.followed(end, Came { left, taken, renewed: renewed.flatten(), back, probe, trouble })
    }

    /// Determines the state of the Lease after the stop. Returns `None` if the Lease must expire.
    async fn lease_after(&self, replies: &[Reply], is_in_order: bool) -> Option<LeaseAfterStop> {
        match self.method {
            DrillMethod::Handover if is_in_order => {
                let free =
                    self.election.free_after_stop(self.place, self.before, self.started, replies);
                Some(free.await)
            }
            DrillMethod::Stop if is_in_order => {
                let released = self.watch.released(self.before).await;
                released.map(|_| LeaseAfterStop::Released)
            }
            _ => None,
        }
    }

    fn followed(&self, end: End, came: Came) -> Followed {
        let Came { left, taken, renewed, back, probe, trouble } = came;
        let trouble = trouble.or_else(|| self.trouble(end, taken.as_ref(), renewed, &back));
        let at = |moment: Instant| self.watch.milliseconds(moment);
        let gap = taken.as_ref().map(|taken| millis(taken.at.saturating_duration_since(end.at)));
        let succession = Succession {
            from: self.name.to_owned(),
            from_holder: self.before.holder().map(ToString::to_string).unwrap_or_default(),
            ended_milliseconds: at(end.at),
            end: end.how,
            to: None,
            to_holder: taken.as_ref().map(|taken| taken.holder.to_string()),
            led_milliseconds: taken.as_ref().map(|taken| at(taken.at)),
            renewed_milliseconds: renewed.map(at),
            gap_milliseconds: gap,
            precision_milliseconds: taken.as_ref().map(|taken| millis(taken.precision)),
            promise_milliseconds: self.promise(end).map(millis),
            left,
            probe,
            back_milliseconds: back
                .since
                .map(|since| self.watch.back(self.place, end.at).unwrap_or_else(|| at(since))),
            healthy_milliseconds: back.healthy.map(at),
            held_back: back.restarted,
        };
        Followed { succession: Some(succession), taken, down: back.down, trouble }
    }

    /// Returns the maximum expected gap. `None` if kcm freed the Lease, or if no other master could
    /// take over.
    fn promise(&self, end: End) -> Option<Duration> {
        let promise = match end.how {
            EndOfLeadership::Released => Some(self.pace.promise_once_free),
            _ if end.is_free => None,
            _ => Some(self.pace.promise),
        };
        promise.filter(|_| self.has_successor)
    }

    /// Returns the reason that the drill cannot continue, if any.
    fn trouble(
        &self,
        end: End,
        taken: Option<&Taken>,
        renewed: Option<Instant>,
        back: &Back,
    ) -> Option<String> {
        if let Some((name, why)) = back.down.first() {
            return Some(format!("{name} did not recover: {why}"));
        }
        if self.run.interrupt.is_requested() {
            return None;
        }
        match taken {
            None if self.watch.is_blind() => Some(format!(
                "cannot determine the leader after {}: the API server does not answer; run `kcm status` for details",
                self.name
            )),
            None => {
                let patience = end.deadline.saturating_duration_since(end.at).as_secs_f64();
                Some(format!("no process took over from {} within {patience:.0} s", self.name))
            }
            Some(taken) if renewed.is_none() => {
                Some(format!("{} took over but does not renew the Lease", taken.holder))
            }
            Some(_) => None,
        }
    }

    fn tell(&self, step: DrillStep) {
        self.run.events.event(&Event::Drilled { step });
    }

    /// Returns the operations that end the leader, only if its process is still the observed one.
    fn until_gone(&self) -> Vec<Operation> {
        let layout = &self.returning.layout;
        let (unit, back_after) = (layout.unit.clone(), BACK_AFTER);
        let mut operations =
            vec![Operation::Settle(Settle::now(&layout.unit, Some(self.invocation.clone())))];
        operations.push(Operation::Unit(match self.method {
            DrillMethod::Kill => UnitAction::Kill { unit, back_after },
            DrillMethod::Stop | DrillMethod::Handover => UnitAction::Stop { unit, back_after },
        }));
        if self.method == DrillMethod::Handover {
            operations.push(Operation::Probe(processes(layout)));
        }
        operations
    }

    /// Waits until another process leads, then until it renews the Lease.
    async fn taken(&self, end: End) -> Option<(Taken, Option<Instant>)> {
        let taken = self.successor(end.deadline).await?;
        let holder = taken.holder.to_string();
        let gap_milliseconds = millis(taken.at.saturating_duration_since(end.at));
        self.tell(DrillStep::Led { holder, gap_milliseconds });
        let deadline = taken.at + self.pace.renewal;
        let renewed = tokio::select! {
            biased;
            () = self.run.interrupt.asked() => None,
            renewed = self.watch.renewed(&taken, deadline) => renewed,
        };
        Some((taken, renewed))
    }

    /// Waits for another process to lead. Returns `None` at the deadline or after an interrupt.
    async fn successor(&self, deadline: Instant) -> Option<Taken> {
        tokio::select! {
            biased;
            taken = self.watch.taken(self.before, deadline) => taken,
            () = self.run.interrupt.asked() => None,
        }
    }

    /// Starts the service again, late enough for another master to take over.
    async fn back(&self, end: End, is_in_order: bool) -> Back {
        let mut back = Back::default();
        let is_left = !end.is_free && self.has_successor && is_in_order;
        if is_left {
            self.successor(end.at + self.pace.behind).await;
        } else if end.is_free && self.has_successor {
            // A process that starts at once takes a free Lease at once.
            match self.extent {
                DrillExtent::All => drop(self.successor(end.deadline).await),
                DrillExtent::Once if self.method == DrillMethod::Stop => {
                    self.successor(end.at + self.pace.behind_once_free).await;
                }
                DrillExtent::Once => {}
            }
        }
        let holds_back = is_left && !self.others_that_led.is_empty();
        let again = if self.method == DrillMethod::Kill && self.has_led && holds_back {
            Again::Restart
        } else {
            Again::Start
        };
        let started = match self.returning.run(again).await {
            Ok(started) => started,
            Err(why) => {
                back.down.push((self.name.to_owned(), why));
                return back;
            }
        };
        back.since = Some(Instant::now());
        self.tell(DrillStep::Back { master: self.name.to_owned() });
        let (name, returning) = (self.name.to_owned(), self.returning.clone());
        let mut all = vec![Started { name, returning, seen: started }];
        if holds_back {
            self.hold_back(end, &mut back, &mut all).await;
        }
        back.down.extend(prove(all, self.run.interrupt).await);
        if back.down.is_empty() {
            back.healthy = Some(Instant::now());
        }
        back
    }

    /// Restarts the masters that took over before, one after the other, while no candidate can lead
    /// yet. For their new processes, the Lease expires later than for candidates that have observed
    /// it throughout.
    async fn hold_back(&self, end: End, back: &mut Back, all: &mut Vec<Started>) {
        for (name, returning) in &self.others_that_led {
            let is_too_late = Instant::now() >= end.at + self.pace.nobody_yet;
            if is_too_late || self.run.interrupt.is_requested() {
                return;
            }
            match returning.run(Again::Restart).await {
                Ok(seen) => {
                    self.tell(DrillStep::HeldBack { master: name.clone() });
                    back.restarted.push(name.clone());
                    let (name, returning) = (name.clone(), returning.clone());
                    all.push(Started { name, returning, seen });
                }
                Err(why) => {
                    back.down.push((name.clone(), why));
                    return;
                }
            }
        }
    }

    /// Creates a Deployment during the leaderless gap, and waits until the new leader has
    /// reconciled it.
    async fn probe(&self, end: End, is_in_order: bool) -> Option<Reconciliation> {
        let probe = self.probe.filter(|_| is_in_order)?;
        if let Err(why) = probe.ask(self.number).await {
            return Some(Reconciliation::Failed { why });
        }
        let asked = Instant::now();
        let Some(taken) = self.successor(end.deadline).await else {
            let is_interrupted = self.run.interrupt.is_requested();
            let why = "no process became the leader in time".to_owned();
            return (!is_interrupted).then_some(Reconciliation::Failed { why });
        };
        Some(match probe.reconciled(self.number, self.run.interrupt).await {
            Ok(done) => {
                let delay = Some(millis(done.saturating_duration_since(taken.at.max(asked))));
                self.tell(DrillStep::Reconciled { delay_milliseconds: delay });
                Reconciliation::Reconciled {
                    asked_milliseconds: self.watch.milliseconds(asked),
                    done_milliseconds: self.watch.milliseconds(done),
                    delay_milliseconds: delay,
                }
            }
            Err(_) if self.run.interrupt.is_requested() => return None,
            Err(why) => Reconciliation::Failed { why },
        })
    }
}

impl Followed {
    /// Returns the result without a succession, with the reason.
    fn nothing(trouble: String) -> Self {
        Self { succession: None, taken: None, down: Vec::new(), trouble: Some(trouble) }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
