//! Releases the Lease of a leader that kcm has stopped, so that candidates need not wait until it
//! expires.
//!
//! kube-controller-manager does not release its Lease when it exits. Candidates wait for 15 s after
//! its last renewal.
//! The feature gate `ControllerManagerReleaseLeaderElectionLockOnExit` (KEP-5366, alpha in 1.36 and
//! 1.37) changes that. kcm then finds the Lease released, or held by another process, and leaves it
//! alone.
//!
//! A client that has seen the process exit can release the Lease for it, as client-go's own
//! `release` does. The Lease of a running process must never be released: [`decide`] is the rule,
//! and [`free_lease`] executes it.

mod decide;

use std::time::Duration;

use tokio::time::timeout;

use crate::kube::{ApiError, Holder, Lease, LeaseStore, Problem};

pub use decide::{Decision, EndedProcess, MAX_CLOCK_SPREAD, Reason, decide};

/// Maximum number of attempts. A Lease that changes in between, or a lost answer, leads to another
/// attempt.
const ATTEMPTS: usize = 5;

/// The result of a handover.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Handover {
    /// The Lease was released.
    Freed,
    /// The Lease was already released, or does not exist.
    AlreadyFree,
    /// Another process holds the Lease.
    OtherLeads(Holder),
    /// The Lease is left to expire.
    Left(Reason),
}

/// Releases the Lease of a process that has ended, if that process holds it.
///
/// The function reads the Lease, [decides](decide), and replaces it as read. It repeats this a few
/// times if the Lease changed meanwhile, or if the outcome of the write is unknown.
///
/// `before` is the Lease as read before the service was stopped. After `patience` the function
/// gives up. The caller can start the service again at once after every result. A write that the
/// server processes later is harmless: it names a resource version whose holder has ended.
///
/// # Errors
/// The Lease cannot be read, or the server refuses the write. The Lease was not released then,
/// unless [`ApiError::is_fate_unknown`] is true.
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
