//! The wait for the next leader.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Holding, Lead};
use crate::kube::Lease;

/// How long after a handover somebody must lead.
pub(in crate::rollout) const SUCCESSION: Duration = Duration::from_secs(6);
/// How long at the end somebody may take to lead, and to renew once more. A candidate sees the last renewal up to 4.4 s
/// late, waits for 15 s from then on, and asks up to 4.4 s after that (client-go's retry period with its jitter).
const ELECTION: Duration = Duration::from_secs(30);
/// How often the Lease is looked at while it is to change.
const GLANCE: Duration = Duration::from_millis(50);
/// When it is first looked at while a leader stops.
const EARLY_GLANCE: Duration = Duration::from_millis(250);
/// How often it is looked at otherwise.
const LOOK: Duration = Duration::from_millis(500);

impl Lead {
    /// As [`Lead::succession`], while the leader stops: one that releases its Lease itself (KEP-5366) may be succeeded
    /// before its process is gone. Most stops are shorter than the first look takes to come.
    pub(in crate::rollout) async fn succession_meanwhile(
        &self,
        before: &Lease,
        since: Instant,
        patience: Duration,
    ) -> Option<(String, Duration)> {
        sleep(EARLY_GLANCE).await;
        self.succession(before, since, patience).await
    }

    /// Who leads in place of `before`, and how long after `since` that was seen; `None` if nobody does within
    /// `patience`.
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

    /// Waits until one of ours is seen to renew the Lease: its identity.
    ///
    /// # Errors
    /// When nobody is, or somebody who is none of ours: in words.
    pub(crate) async fn settled(&self) -> Result<String, String> {
        let begun = Instant::now();
        let mut seen: Option<Lease> = None;
        loop {
            let trouble = match self.holding().await {
                Holding::Ours(_, lease) | Holding::LeftOut(lease) => {
                    let is_renewed = seen.as_ref().is_some_and(|seen| {
                        seen.holder() == lease.holder() && seen.renewed() != lease.renewed()
                    });
                    if is_renewed && let Some(holder) = lease.holder() {
                        return Ok(holder.to_string());
                    }
                    let holder = lease.holder().map(ToString::to_string).unwrap_or_default();
                    seen = Some(lease);
                    format!("{holder} holds the Lease and does not renew it")
                }
                Holding::Away => "nobody leads".to_owned(),
                Holding::Stranger(holder) => format!("{holder} leads, which is none of ours"),
                Holding::Unknown(why) => format!("who leads cannot be seen: {why}"),
            };
            if begun.elapsed() >= ELECTION {
                return Err(trouble);
            }
            sleep(LOOK).await;
        }
    }
}
