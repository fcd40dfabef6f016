//! Durations of a drill, by the rules of leader election. Pure.
//!
//! A candidate of client-go takes a Lease that it has not seen change for the Lease's duration. The
//! duration counts from its own observation of the last change, or from its first read:
//! `LeaderElector.tryAcquireOrRenew` and `isLeaseValid`
//! (k8s.io/client-go/tools/leaderelection/leaderelection.go). Between two reads it sleeps for the
//! retry period plus up to 120 % (`JitterFactor`). A leader renews once per retry period.

use std::time::Duration;

use kcm_pki::GoDuration;
use kcm_systemd::Flags;

use super::BACK_AFTER;

/// Default of `--leader-elect-retry-period`.
const RETRY_PERIOD: Duration = Duration::from_secs(2);
/// Default of `--leader-elect-lease-duration`, for a Lease without a duration.
const LEASE_DURATION: Duration = Duration::from_secs(15);
/// Allowance for requests, and for the intervals of kcm's own reads.
const ALLOWANCE: Duration = Duration::from_millis(500);
/// Additional wait for a successor, beyond the promise.
const BEYOND: Duration = Duration::from_secs(6);
/// Minimum time by which kcm starts a service before its timer does.
const BEFORE_THE_TIMER: Duration = Duration::from_secs(2);

/// Durations, counted from the end of a leader's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// Maximum leaderless gap if the Lease expires. A candidate sees the last renewal one sleep
    /// late, and takes the Lease one sleep after its expiry.
    pub(super) promise: Duration,
    /// Maximum leaderless gap if the Lease is free: a candidate reads it one sleep later at most.
    pub(super) promise_once_free: Duration,
    /// Maximum time for which a service stays stopped, to let a successor take a free Lease.
    pub(super) behind_once_free: Duration,
    /// Time after which a new process is behind all existing candidates: for it, the Lease expires
    /// later than `promise`.
    pub(super) behind: Duration,
    /// Time before which no candidate can take the Lease. Processes that must not take it are
    /// restarted by then.
    pub(super) nobody_yet: Duration,
    /// Maximum wait for a successor.
    pub(super) patience: Duration,
    /// Maximum wait for a successor if the Lease was freed.
    pub(super) patience_once_free: Duration,
    /// Maximum time until a new leader renews. The default renew deadline is 10 s.
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

/// Returns the longest retry period among processes with these flags, limited to 60 s.
pub(super) fn retry_period(all: impl Iterator<Item = Option<Flags>>) -> Duration {
    let said = all.flatten().filter_map(|flags| {
        let said = flags.get("leader-elect-retry-period")?;
        said.parse::<GoDuration>().ok().map(GoDuration::as_duration)
    });
    // The limit bounds the drill, whatever value a flag has.
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
        // A process that starts at `behind` sees the Lease expire only after `promise`.
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
