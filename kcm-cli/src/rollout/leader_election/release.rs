//! The release of a Lease after its leader was stopped.

use std::time::Duration;

use time::OffsetDateTime;

use super::LeaderElection;
use crate::kube::handover::{EndedProcess, Handover, free_lease};
use crate::kube::{ClockOffset, Lease};
use crate::transport::{Observation, Reply};

/// Time limit for releasing the Lease. It is far shorter than the delay of the timer that starts
/// the service again.
const FREEING: Duration = Duration::from_secs(3);

/// The state of the Lease after its leader was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LeaseAfterStop {
    /// kcm released the Lease.
    Freed,
    /// The holder released the Lease itself (KEP-5366), or another process already holds it.
    Released,
    /// The Lease was left to expire, for this reason.
    Left(String),
}

impl LeaseAfterStop {
    /// Returns the reason if the Lease was left to expire.
    pub(crate) fn left(self) -> Option<String> {
        match self {
            Self::Left(why) => Some(why),
            Self::Freed | Self::Released => None,
        }
    }
}

impl LeaderElection {
    /// Returns the greatest difference between all known clocks. `None` if the clock of the master
    /// at `place` or that of its API server is unknown.
    fn clock_spread(&self, place: usize) -> Option<Duration> {
        let seat = self.seats.get(place)?;
        // One offset of the master and one of the API server.
        let known = seat.clocks.len() >= 2;
        let all = self.seats.iter().flat_map(|seat| &seat.clocks).copied();
        known.then(|| ClockOffset::spread(all))
    }

    /// Releases the Lease of the process that was stopped on the master at `place`.
    ///
    /// Does so only if `replies` show that the process has ended and that no other
    /// kube-controller-manager runs on the master.
    pub(crate) async fn free_after_stop(
        &self,
        place: usize,
        before: &Lease,
        started: OffsetDateTime,
        replies: &[Reply],
    ) -> LeaseAfterStop {
        let why = match self.freed(place, before, started, replies).await {
            Ok(Handover::Freed) => return LeaseAfterStop::Freed,
            Ok(Handover::AlreadyFree | Handover::OtherLeads(_)) => return LeaseAfterStop::Released,
            Ok(Handover::Left(reason)) => reason.to_string(),
            Err(why) => why,
        };
        // Despite the failure, a Lease with another holder, or with none, does not have to expire.
        match self.lease().await {
            Ok(now) if now.as_ref().and_then(Lease::holder) != before.holder() => {
                LeaseAfterStop::Released
            }
            _ => LeaseAfterStop::Left(why),
        }
    }

    async fn freed(
        &self,
        place: usize,
        before: &Lease,
        started: OffsetDateTime,
        replies: &[Reply],
    ) -> Result<Handover, String> {
        let gone = replies.iter().find_map(|reply| match reply {
            Reply::Stopped { gone } => Some(*gone),
            _ => None,
        });
        let others = replies.iter().find_map(|reply| match reply {
            Reply::Probe(probe) => Some(&probe.processes),
            _ => None,
        });
        match (gone, others) {
            (Some(gone), Some(Observation::Known(others))) if others.is_empty() => {
                self.free(place, before, started, gone).await
            }
            (_, Some(Observation::Known(others))) if !others.is_empty() => {
                Err("another kube-controller-manager runs on the master".to_owned())
            }
            _ => Err("cannot verify that the process ended and that no other kube-controller-manager runs on the master".to_owned()),
        }
    }

    async fn free(
        &self,
        place: usize,
        before: &Lease,
        started: OffsetDateTime,
        gone: OffsetDateTime,
    ) -> Result<Handover, String> {
        let seat = self.seats.get(place);
        let (Some(hostname), Some(api)) = (
            seat.and_then(|seat| seat.hostname.as_deref()),
            seat.and_then(|seat| seat.api.as_ref()),
        ) else {
            return Err("the host name of the master is unknown, or the API server cannot be queried through the master".to_owned());
        };
        // Otherwise a master that claims another's host name could have that master's Lease
        // released.
        if !self.candidates().is_confirmed(place) {
            return Err(format!(
                "the host name {hostname} differs from the name in the cluster file, and another master may have the same host name"
            ));
        }
        let others = self.seats.iter().enumerate().filter(|(other, _)| *other != place);
        let others: Vec<_> = others.filter_map(|(_, seat)| seat.hostname.clone()).collect();
        let process = EndedProcess {
            hostname,
            started,
            gone,
            other_hostnames: &others,
            clock_spread: self.clock_spread(place),
        };
        free_lease(&**api, Some(before), &process, FREEING).await.map_err(|error| error.to_string())
    }
}
