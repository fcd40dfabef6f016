//! Freeing the Lease of a leader that kcm has stopped, so that nobody waits until it runs out.
//!
//! kube-controller-manager does not give up its Lease when it ends, and candidates wait for 15 s after its last renewal. Its
//! feature gate `ControllerManagerReleaseLeaderElectionLockOnExit` (KEP-5366, alpha in 1.36 and 1.37) changes that: such a
//! Lease is found free, or held by another, and is left alone.
//! Whoever has seen the process end can do it in its stead, as client-go's own `release` does. What must never happen
//! is that the Lease of a process that still runs is freed: [`decide`] is the rule, [`free_lease`] carries it out.

mod decide;

use std::time::Duration;

use tokio::time::timeout;

use crate::kube::{ApiError, Holder, Lease, LeaseStore, Problem};

pub use decide::{Decision, EndedProcess, MAX_CLOCK_SPREAD, Reason, decide};

/// How often the Lease is read and decided on: each time that it changes in between, or that an answer is lost.
const ATTEMPTS: usize = 5;

/// How it ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Handover {
    /// The Lease was freed.
    Freed,
    /// It was free already, or there is none.
    AlreadyFree,
    /// Somebody else leads.
    OtherLeads(Holder),
    /// It is left to run out.
    Left(Reason),
}

/// Frees the Lease of a process that has ended, if it is its: reads it, [decides](decide), replaces it as read, and does
/// all that again, a few times, if it has changed meanwhile or if it is unknown whether it was replaced.
///
/// `before` is the Lease as read before the service was stopped. After `patience` it is left as it is: the service is
/// to be started again whatever became of the Lease, and every result of this function lets that be done at once. A
/// replacement that is carried out later than that does no harm: it names the version of a Lease whose holder has ended.
///
/// # Errors
/// When the Lease could not be read, or the server refused the replacement. It was not freed then, unless the error says
/// that this is unknown ([`ApiError::is_fate_unknown`]).
pub async fn free_lease(
    store: &dyn LeaseStore,
    before: Option<&Lease>,
    process: &EndedProcess<'_>,
    patience: Duration,
) -> Result<Handover, ApiError> {
    let out_of_time = Ok(Handover::Left(Reason::OutOfTime));
    timeout(patience, attempts(store, before, process)).await.unwrap_or(out_of_time)
}

async fn attempts(
    store: &dyn LeaseStore,
    before: Option<&Lease>,
    process: &EndedProcess<'_>,
) -> Result<Handover, ApiError> {
    let mut unknown = None;
    for _ in 0..ATTEMPTS {
        let now = store.lease().await?;
        let freed = match decide(before, now.as_ref(), process) {
            Decision::Free(freed) => freed,
            Decision::AlreadyFree if unknown.is_some() => return Ok(Handover::Freed),
            Decision::AlreadyFree => return Ok(Handover::AlreadyFree),
            Decision::OtherLeads(holder) => return Ok(Handover::OtherLeads(holder)),
            Decision::Leave(reason) => return Ok(Handover::Left(reason)),
        };
        match store.replace_lease(&freed).await {
            Ok(_) => return Ok(Handover::Freed),
            Err(ApiError { problem: Problem::Conflict { .. }, .. }) => {}
            Err(error) if error.is_fate_unknown() => unknown = Some(error),
            Err(error) => return Err(error),
        }
    }
    unknown.map_or(Ok(Handover::Left(Reason::Contended)), Err)
}
