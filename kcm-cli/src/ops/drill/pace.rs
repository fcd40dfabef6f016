//! How long what takes, by the rules of the election. Pure.
//!
//! client-go's candidate takes a Lease once it has not seen it change for its duration, counted from when it itself saw
//! the last change, or from its own first look: `LeaderElector.tryAcquireOrRenew` and `isLeaseValid`
//! (k8s.io/client-go/tools/leaderelection/leaderelection.go). Between two looks it sleeps for the retry period with up to
//! 120 % added (`JitterFactor`). A leader renews once every retry period.

use std::time::Duration;

use kcm_pki::GoDuration;
use kcm_systemd::Flags;

use super::BACK_AFTER;

/// `--leader-elect-retry-period`, if it is not said.
const RETRY_PERIOD: Duration = Duration::from_secs(2);
/// `--leader-elect-lease-duration`, if the Lease does not say it.
const LEASE_DURATION: Duration = Duration::from_secs(15);
/// For what is no sleep: requests, and looks of ours.
const ALLOWANCE: Duration = Duration::from_millis(500);
/// How much longer than promised a successor is waited for.
const BEYOND: Duration = Duration::from_secs(6);
/// How long before its timer a service is started at the latest.
const BEFORE_THE_TIMER: Duration = Duration::from_secs(2);

/// How long what takes, counted from the end of a leader's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// How long nobody may lead at most, if the Lease is left to run out: a candidate sees the last renewal one sleep
    /// late, and asks one sleep after it has run out.
    pub(super) promise: Duration,
    /// The same where the Lease is free: a candidate asks one sleep later at most.
    pub(super) promise_once_free: Duration,
    /// How long a master stays stopped for a successor where the Lease is free.
    pub(super) behind_once_free: Duration,
    /// A process that looks for the first time after this is behind everybody who was there before: for it, the Lease
    /// runs out after the promise.
    pub(super) behind: Duration,
    /// Before this nobody can lead, so whoever is to be put behind has to be by then.
    pub(super) nobody_yet: Duration,
    /// How long a successor is waited for.
    pub(super) patience: Duration,
    /// The same where the Lease was freed.
    pub(super) patience_once_free: Duration,
    /// How long a new leader may take until it renews: its renew deadline is 10 s, if nobody said otherwise.
    pub(super) renewal: Duration,
}

impl Pace {
    pub(super) fn of(lease_duration: Option<Duration>, retry_period: Duration) -> Self {
        let duration = lease_duration.unwrap_or(LEASE_DURATION);
        let sleep = retry_period.mul_f64(2.2);
        let promise = duration + 2 * sleep;
        Self {
            promise,
            promise_once_free: sleep,
            behind_once_free: (sleep + ALLOWANCE).min(BACK_AFTER.saturating_sub(BEFORE_THE_TIMER)),
            behind: (2 * sleep + ALLOWANCE).min(BACK_AFTER.saturating_sub(BEFORE_THE_TIMER)),
            nobody_yet: duration.saturating_sub(retry_period + ALLOWANCE),
            patience: promise + BEYOND,
            patience_once_free: sleep + BEYOND,
            renewal: duration.max(3 * retry_period),
        }
    }
}

/// The longest retry period among processes with these flags.
pub(super) fn retry_period(all: impl Iterator<Item = Option<Flags>>) -> Duration {
    let said = all.flatten().filter_map(|flags| {
        let said = flags.get("leader-elect-retry-period")?;
        said.parse::<GoDuration>().ok().map(GoDuration::as_duration)
    });
    // Whatever a flag says, nobody waits for hours here.
    said.max().unwrap_or(RETRY_PERIOD).min(Duration::from_secs(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_the_lease_promises_a_leader_within_24_s_and_the_old_one_is_behind_after_9() {
        let pace = Pace::of(None, RETRY_PERIOD);
        assert_eq!(pace.promise, Duration::from_millis(23_800));
        assert_eq!(pace.promise_once_free, Duration::from_millis(4400));
        assert_eq!(pace.behind, Duration::from_millis(9300));
        assert_eq!(pace.nobody_yet, Duration::from_millis(12_500));
        // The last renewal was before the end, so the first look is a whole duration before the promise runs out.
        assert!(pace.behind + LEASE_DURATION > pace.promise);
        assert!(pace.behind < pace.nobody_yet && pace.behind < BACK_AFTER);
    }

    #[test]
    fn whatever_the_flags_say_a_service_is_started_before_its_timer_does_it() {
        for (duration, retry) in [(1, 1), (15, 10), (3600, 60), (0, 0)] {
            let pace = Pace::of(Some(Duration::from_secs(duration)), Duration::from_secs(retry));
            assert!(pace.behind < BACK_AFTER, "{pace:?}");
            assert!(pace.patience > pace.promise, "{pace:?}");
        }
    }

    #[test]
    fn the_longest_retry_period_counts_and_what_is_no_duration_does_not() {
        let flags = |value: &str| Flags::from_pairs([("leader-elect-retry-period", value)]).ok();
        assert_eq!(retry_period([None, flags("x")].into_iter()), RETRY_PERIOD);
        let both = [flags("3s"), flags("1s"), flags("100h")];
        assert_eq!(retry_period(both.clone().into_iter().take(2)), Duration::from_secs(3));
        assert_eq!(retry_period(both.into_iter()), Duration::from_secs(60));
    }
}
