//! Handover of leadership: stop the leader, wait until its process is gone, release the Lease
//! unless the leader released it, and start it at once.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use super::commit::{Site, Stop};
use super::leader_election::{LeaderElection, SUCCESSION};
use super::master::MasterRollout;
use super::order::Condition;
use super::task::BACK_AFTER;
use crate::cluster::layout::Layout;
use crate::kube::{Holding, LeaderChange, Lease};
use crate::observed::processes;
use crate::transport::{Operation, OperationFailure, Reply, Settle, Settled, UnitAction};

/// Additional deadline of an exchange that stops the service. It exceeds `TimeoutStopSec=`, 90 s by
/// default.
pub(crate) const STOPPING: Duration = Duration::from_secs(100);

/// The handover of one leader, with the Lease as read just before the leader's commit.
pub(super) struct LeaderHandover {
    pub(super) election: Arc<LeaderElection>,
    pub(super) place: usize,
    pub(super) name: String,
    /// The Lease before the stop.
    pub(super) before: Lease,
    /// The invocation of the observed process: only the Lease of this process is released.
    pub(super) invocation: String,
    pub(super) started: OffsetDateTime,
    /// True if another master, or this one after its restart, can become the leader.
    pub(super) has_successor: bool,
}

/// The result of a handover on the master.
pub(super) struct HandedOver {
    pub(super) seen: Result<Option<Settled>, Stop>,
    pub(super) change: Option<LeaderChange>,
}

impl LeaderHandover {
    /// Returns the handover of the master at `place`. `None` if it is not the leader or its process
    /// was not observed.
    pub(super) fn of(
        election: &Arc<LeaderElection>,
        masters: &[MasterRollout],
        place: usize,
        holding: &Holding,
    ) -> Option<Self> {
        let Holding::Ours(holder, before) = holding else { return None };
        let master = masters.get(place).filter(|_| *holder == place)?;
        let (invocation, started) = master.process.clone()?;
        // Every running master that does not stop for good can lead next, this one included.
        let mut successors =
            masters.iter().filter(|it| it.condition == Condition::Running && !it.stops);
        Some(Self {
            election: Arc::clone(election),
            place,
            name: master.name.clone(),
            before: before.clone(),
            invocation,
            started,
            has_successor: successors.next().is_some(),
        })
    }

    /// Carries out `operations`, replacing the restart or stop of the service by a handover.
    ///
    /// Returns `None`, with nothing done, if no operation ends the service or its process has
    /// changed.
    pub(super) async fn hand_over(
        &self,
        site: &Site,
        operations: &[Operation],
    ) -> Option<HandedOver> {
        let (until_gone, afterwards) = self.split(&site.layout, operations)?;
        let since = Instant::now();
        let (replies, early) = self.stop(site, until_gone, since).await;
        let replies = match replies {
            Ok(replies) => replies,
            // The service's process is a different one from the observed process.
            Err(Stop::InTheMiddle(OperationFailure { index: 0, .. })) => return None,
            Err(stop) => return Some(HandedOver { seen: Err(stop), change: None }),
        };
        let lease = self.election.free_after_stop(self.place, &self.before, self.started, &replies);
        let left = lease.await.left();
        let is_awaited = self.has_successor && left.is_none();
        let succession = async {
            match early {
                Some(early) => Some(early),
                None if is_awaited => {
                    self.election.succession(&self.before, since, SUCCESSION).await
                }
                None => None,
            }
        };
        let (seen, next) = tokio::join!(site.send(afterwards), succession);
        let change = self.has_successor.then(|| LeaderChange {
            from: self.name.clone(),
            gap_milliseconds: next
                .as_ref()
                .map(|(_, gap)| u64::try_from(gap.as_millis()).unwrap_or(u64::MAX)),
            to: next.map(|(holder, _)| holder),
            left,
        });
        Some(HandedOver { seen, change })
    }

    /// Stops the leader. Also returns the next leader if one appears before the process is gone.
    async fn stop(
        &self,
        site: &Site,
        until_gone: Vec<Operation>,
        since: Instant,
    ) -> (Result<Vec<Reply>, Stop>, Option<(String, Duration)>) {
        let meanwhile = self.election.succession_meanwhile(&self.before, since, STOPPING);
        let stopping = site.call(until_gone, STOPPING);
        tokio::pin!(meanwhile, stopping);
        tokio::select! {
            biased;
            replies = &mut stopping => (replies, None),
            early = &mut meanwhile => (stopping.await, early),
        }
    }

    /// Splits `operations` into those until the process is gone and those after it. `None` if no
    /// operation ends the service.
    fn split(
        &self,
        layout: &Layout,
        operations: &[Operation],
    ) -> Option<(Vec<Operation>, Vec<Operation>)> {
        let ends = |operation: &Operation| {
            matches!(
                operation,
                Operation::Unit(UnitAction::Restart { .. } | UnitAction::Stop { .. })
            )
        };
        let at = operations.iter().position(ends)?;
        let (before, after) = operations.split_at_checked(at)?;
        let (end, rest) = after.split_first()?;
        let unit = layout.unit.clone();
        let stop = UnitAction::Stop { unit: unit.clone(), back_after: BACK_AFTER };
        let mut until =
            vec![Operation::Settle(Settle::now(&layout.unit, Some(self.invocation.clone())))];
        until.extend_from_slice(before);
        until.extend([Operation::Unit(stop), Operation::Probe(processes(layout))]);
        let start = matches!(end, Operation::Unit(UnitAction::Restart { .. }))
            .then_some(Operation::Unit(UnitAction::Start { unit }));
        let afterwards = start.into_iter().chain(rest.iter().cloned()).collect();
        Some((until, afterwards))
    }
}
