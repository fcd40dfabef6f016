//! Changing the master that leads: stop, see the process gone, free the Lease, start at once.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use super::commit::{Site, Stop};
use super::gate;
use super::lead::{Lead, LeadChange, SUCCESSION};
use super::task::BACK_AFTER;
use crate::api::Lease;
use crate::layout::Layout;
use crate::transport::{Operation, OperationFailure, Probe, Settled, UnitAction};

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
    /// Carries out `operations`, which restart or stop the service, with a handover in place of that. `None` where that
    /// cannot be: nothing was done then.
    pub(super) async fn hand_over(
        &self,
        site: &Site,
        operations: &[Operation],
    ) -> Option<HandedOver> {
        let (until_gone, afterwards) = self.split(&site.layout, operations)?;
        let since = Instant::now();
        let replies = match site.call(until_gone, STOPPING).await {
            Ok(replies) => replies,
            // It is not the process any more that was observed.
            Err(Stop::InTheMiddle(OperationFailure { index: 0, .. })) => return None,
            Err(stop) => return Some(HandedOver { seen: Err(stop), change: None }),
        };
        let left =
            self.lead.free_after_stop(self.place, &self.before, self.started, &replies).await;
        let is_awaited = self.has_successor && left.is_none();
        let succession = async {
            if is_awaited {
                self.lead.succession(&self.before, since, SUCCESSION).await
            } else {
                None
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
        let mut until = vec![Operation::Settle(gate::now(layout, Some(self.invocation.clone())))];
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
