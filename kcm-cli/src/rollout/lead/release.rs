//! The release of a Lease after its leader was stopped.

use std::time::Duration;

use time::OffsetDateTime;

use super::{Lead, claims};
use crate::kube::handover::{EndedProcess, Handover, free_lease};
use crate::kube::{ClockOffset, Lease};
use crate::transport::{Observation, Reply};

/// How long freeing the Lease may take: far less than the timer waits that starts the service again.
const FREEING: Duration = Duration::from_secs(3);

/// The Lease of a leader that was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LeaseAfterStop {
    /// kcm freed it.
    Freed,
    /// Its holder released it (KEP-5366), or somebody else holds it already.
    Released,
    /// It is left to run out, for this reason.
    Left(String),
}

impl LeaseAfterStop {
    /// The reason if it is left to run out.
    pub(crate) fn left(self) -> Option<String> {
        match self {
            Self::Left(why) => Some(why),
            Self::Freed | Self::Released => None,
        }
    }
}

impl Lead {
    /// The greatest difference between clocks that were seen; unknown if one was not.
    fn clock_spread(&self, place: usize) -> Option<Duration> {
        let seat = self.seats.get(place)?;
        // Its own and the server's.
        let known = seat.clocks.len() >= 2;
        let all = self.seats.iter().flat_map(|seat| &seat.clocks).copied();
        known.then(|| ClockOffset::spread(all))
    }

    /// Frees the Lease of the process that was stopped on the master at `place`, if `replies` show that it has ended and
    /// was the only one there.
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
        // Whatever kept kcm from freeing it: a Lease that this process holds no more has not to run out.
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
                Err("another kube-controller-manager runs on that master".to_owned())
            }
            _ => Err("it is not known whether its process was the only one there".to_owned()),
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
            return Err("the API server cannot be asked through it".to_owned());
        };
        // Whoever claims the host name of another could have that one's Lease freed.
        if !claims::is_confirmed(place, &self.claims(), &self.left_out) {
            return Err(format!(
                "its host name {hostname} is not its name in the cluster file, and another master may have it"
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
