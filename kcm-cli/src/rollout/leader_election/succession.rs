//! The wait for the next leader.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::LeaderElection;
use crate::kube::{Holding, LeaderWatch, Lease};

/// Time limit after a handover within which a new leader must appear.
pub(in crate::rollout) const SUCCESSION: Duration = Duration::from_secs(6);
/// Time limit at the end of a rollout for a leader to acquire the Lease and renew it once more.
///
/// A candidate sees the last renewal up to 4.4 s late and then waits for 15 s. It retries up to 4.4
/// s after that (client-go's retry period with its jitter).
const ELECTION: Duration = Duration::from_secs(30);
/// Polling interval of the Lease during a handover.
const GLANCE: Duration = Duration::from_millis(50);
/// Delay before the first read of the Lease while a leader stops.
const EARLY_GLANCE: Duration = Duration::from_millis(250);
/// Polling interval of the Lease outside a handover.
const LOOK: Duration = Duration::from_millis(500);

impl LeaderElection {
    /// Waits as [`LeaderElection::succession`] does, while the leader stops.
    ///
    /// A leader that releases its Lease itself (KEP-5366) may have a successor before its process
    /// is gone. Most stops end before the first read, which is delayed for that reason.
    pub(in crate::rollout) async fn succession_meanwhile(
        &self,
        before: &Lease,
        since: Instant,
        patience: Duration,
    ) -> Option<(String, Duration)> {
        sleep(EARLY_GLANCE).await;
        self.succession(before, since, patience).await
    }

    /// Returns the leader that replaced the holder of `before`, and the time since `since` when it
    /// was seen. `None` if no other leader appears within `patience`.
    pub(in crate::rollout) async fn succession(
        &self,
        before: &Lease,
        since: Instant,
        patience: Duration,
    ) -> Option<(String, Duration)> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if let Ok(Some(lease)) = self.lease().await
                && let Some(holder) = lease.holder()
                && Some(holder) != before.holder()
            {
                return Some((holder.to_string(), since.elapsed()));
            }
            sleep(GLANCE).await;
        }
        None
    }

    /// Waits until a master is seen to renew the Lease. Returns its holder identity.
    ///
    /// A holder that may be an excluded master counts as a master.
    ///
    /// # Errors
    ///
    /// A description of the last observed state, if no master has renewed the Lease in time.
    pub(crate) async fn settled(&self) -> Result<String, String> {
        let begun = Instant::now();
        let mut watch: Option<LeaderWatch> = None;
        loop {
            let trouble = match self.holding().await {
                Holding::Ours(_, lease) | Holding::Excluded(lease) => {
                    let holder = lease.holder().map(ToString::to_string).unwrap_or_default();
                    let next = LeaderWatch::next(watch.take(), Some(lease), Instant::now());
                    if next.renewals > 0 {
                        return Ok(holder);
                    }
                    watch = Some(next);
                    format!("{holder} holds the Lease but does not renew the Lease")
                }
                Holding::Nobody => "no leader".to_owned(),
                Holding::Unmanaged(holder) => {
                    format!("the leader {holder} is not one of the masters")
                }
                Holding::Unknown(why) => format!("cannot determine the leader: {why}"),
            };
            if begun.elapsed() >= ELECTION {
                return Err(trouble);
            }
            sleep(LOOK).await;
        }
    }
}
