//! Changing the master that leads: stop, see the process gone, free the Lease unless the leader released it, start at once.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use super::commit::{Site, Stop};
use super::lead::{Holding, Lead, SUCCESSION};
use super::master::MasterRollout;
use super::order::Condition;
use super::task::BACK_AFTER;
use crate::cluster::layout::Layout;
use crate::kube::{LeadChange, Lease};
use crate::transport::{Operation, OperationFailure, Probe, Reply, Settle, Settled, UnitAction};

/// A stop takes its time (`TimeoutStopSec=` is 90 s by default), and the timer must not be armed too early for it.
pub(crate) const STOPPING: Duration = Duration::from_secs(100);

/// The lead, as it was read just before the commit of the master that has it.
pub(super) struct Helm {
    pub(super) lead: Arc<Lead>,
    pub(super) place: usize,
    pub(super) name: String,
    /// The Lease before the stop.
    pub(super) before: Lease,
    /// The process as it was observed: only that one's Lease is freed.
    pub(super) invocation: String,
    pub(super) started: OffsetDateTime,
    /// Whether somebody is to lead afterwards.
    pub(super) has_successor: bool,
}

/// A handover that has taken place, as far as the master is concerned.
pub(super) struct HandedOver {
    pub(super) seen: Result<Option<Settled>, Stop>,
    pub(super) change: Option<LeadChange>,
}

impl Helm {
    /// Returns the handover of the master at `place`; `None` if it does not lead.
    pub(super) fn of(
        lead: &Arc<Lead>,
        masters: &[MasterRollout],
        place: usize,
        holding: &Holding,
    ) -> Option<Self> {
        let Holding::Ours(holder, before) = holding else { return None };
        let master = masters.get(place).filter(|_| *holder == place)?;
        let (invocation, started) = master.process.clone()?;
        // Whoever runs and does not stop leads next; so does this one, if it starts again.
        let mut successors =
            masters.iter().filter(|it| it.condition == Condition::Running && !it.stops);
        Some(Self {
            lead: Arc::clone(lead),
            place,
            name: master.name.clone(),
            before: before.clone(),
            invocation,
            started,
            has_successor: successors.next().is_some(),
        })
    }

    /// Carries out `operations`, which restart or stop the service, with a handover in place of that. `None` where that
    /// cannot be: nothing was done then.
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
            // It is not the process any more that was observed.
            Err(Stop::InTheMiddle(OperationFailure { index: 0, .. })) => return None,
            Err(stop) => return Some(HandedOver { seen: Err(stop), change: None }),
        };
        let lease = self.lead.free_after_stop(self.place, &self.before, self.started, &replies);
        let left = lease.await.left();
        let is_awaited = self.has_successor && left.is_none();
        let succession = async {
            match early {
                Some(early) => Some(early),
                None if is_awaited => self.lead.succession(&self.before, since, SUCCESSION).await,
                None => None,
            }
        };
        let (seen, next) = tokio::join!(site.send(afterwards), succession);
        let change = self.has_successor.then(|| LeadChange {
            from: self.name.clone(),
            gap_milliseconds: next
                .as_ref()
                .map(|(_, gap)| u64::try_from(gap.as_millis()).unwrap_or(u64::MAX)),
            to: next.map(|(holder, _)| holder),
            left,
        });
        Some(HandedOver { seen, change })
    }

    /// Stops the leader, and sees who leads before its process is gone, if anybody does.
    async fn stop(
        &self,
        site: &Site,
        until_gone: Vec<Operation>,
        since: Instant,
    ) -> (Result<Vec<Reply>, Stop>, Option<(String, Duration)>) {
        let meanwhile = self.lead.succession_meanwhile(&self.before, since, STOPPING);
        let stopping = site.call(until_gone, STOPPING);
        tokio::pin!(meanwhile, stopping);
        tokio::select! {
            biased;
            replies = &mut stopping => (replies, None),
            early = &mut meanwhile => (stopping.await, early),
        }
    }

    /// What is done until the process is gone, and what afterwards. `None` if nothing ends it.
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

/// A look at who else runs there.
pub(crate) fn processes(layout: &Layout) -> Probe {
    Probe {
        unread: Vec::new(),
        paths: Vec::new(),
        unit: layout.unit.clone(),
        unit_path: layout.unit_file.clone(),
        executable: layout.executable.clone(),
        note: None,
        accounts: Vec::new(),
    }
}
