//! The rule that decides whether a Lease may be released. Pure.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;

use crate::kube::{Holder, Lease};
use crate::util::words::moment;

/// Greatest difference between clocks at which the times in a Lease are trusted.
pub const MAX_CLOCK_SPREAD: Duration = Duration::from_secs(10);

/// A service process that has ended. All times are by the clock of its master, as are the times
/// that it wrote into the Lease.
#[derive(Clone, Copy, Debug)]
pub struct EndedProcess<'a> {
    /// The kernel's host name when the process started, which precedes the `_` in its identity.
    pub hostname: &'a str,
    /// Start time of the process. If it is known only roughly, the latest possible time.
    pub started: OffsetDateTime,
    /// Time at which the process was first seen to be gone, its control group empty.
    pub gone: OffsetDateTime,
    /// Host names of all other masters.
    pub other_hostnames: &'a [String],
    /// Greatest possible difference between the clocks of the masters, the API server and this
    /// machine ([`ClockOffset::spread`](crate::kube::ClockOffset::spread)). `None` if unknown.
    pub clock_spread: Option<Duration>,
}

/// The decision about a Lease.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Decision {
    /// Replace the Lease with this one.
    Free(Lease),
    /// No process holds the Lease; the first candidate to try becomes the leader.
    AlreadyFree,
    /// Another host holds the Lease.
    OtherLeads(Holder),
    /// Leave the Lease to expire, because its holder may still run.
    Leave(Reason),
}

/// The reason why a Lease is left to expire.
///
/// The Lease expires after its duration of 15 s, plus the retry period of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The API server picks the leader.
    Coordinated {
        /// Strategy of the Lease.
        strategy: String,
    },
    /// Another process on this host has acquired the Lease since the service was stopped.
    Changed {
        /// Identity of that process.
        holder: Holder,
    },
    /// Another master has the same host name.
    SharedHostname,
    /// The clocks differ too much, or the difference is unknown.
    Clocks {
        /// Greatest difference, if known.
        spread: Option<Duration>,
    },
    /// The Lease was acquired before the service's process started.
    AcquiredBefore {
        /// Time of acquisition.
        acquired: OffsetDateTime,
        /// Start time of the process.
        started: OffsetDateTime,
    },
    /// The Lease was renewed after the service's process had ended.
    RenewedAfter {
        /// Time of the renewal.
        renewed: OffsetDateTime,
        /// Time at which the process was gone.
        gone: OffsetDateTime,
    },
    /// The last renewal is older than the lease duration. The Lease has expired, or another clock
    /// wrote the time.
    RanOut,
    /// Times are missing or contradict each other, as after a clock was set.
    Times,
    /// The Lease changed before each attempt to write it.
    Contended,
    /// The time limit was reached. The Lease may have been released.
    OutOfTime,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Coordinated { strategy } => {
                write!(f, "the API server selects the leader (strategy {strategy})")
            }
            Self::Changed { holder } => {
                write!(f, "another process on that host holds the Lease ({holder})")
            }
            Self::SharedHostname => f.write_str("another master has the same hostname"),
            Self::Clocks { spread: None } => f.write_str("cannot compare the clocks"),
            Self::Clocks { spread: Some(spread) } => {
                write!(f, "the clocks may differ by {} s", spread.as_secs())
            }
            Self::AcquiredBefore { acquired, started } => write!(
                f,
                "the Lease was acquired at {}, before the service's process started at {}: another process on that host holds the Lease",
                moment(*acquired),
                moment(*started)
            ),
            Self::RenewedAfter { renewed, gone } => write!(
                f,
                "the Lease was renewed at {}, after the service's process ended at {}: another process on that host holds the Lease",
                moment(*renewed),
                moment(*gone)
            ),
            Self::RanOut => {
                f.write_str("the Lease had expired, or its times come from another clock")
            }
            Self::Times => {
                f.write_str("the times in the Lease are missing or contradict each other")
            }
            Self::Contended => f.write_str("the Lease kept changing"),
            Self::OutOfTime => f.write_str("the API server did not answer in time"),
        }
    }
}

/// Decides about the Lease of a master whose service was just stopped.
///
/// `before` is the Lease as read before the stop, `now` as read after the process was gone. The
/// Lease is released only if all of these hold:
///
/// - Its holder is the same as before the stop and has the host name of the process.
/// - The Lease was acquired after the process started.
/// - The Lease was last renewed while the process ran.
///
/// The released Lease differs from `now` only in the fields that [`Lease::freed`] changes. It keeps
/// the resource version of `now`, so that a Lease that has changed since is not overwritten.
///
/// A running process believes that it leads for up to its renew deadline (10 s) after its Lease is
/// released. A candidate that acquires the Lease leads at once. So releasing the Lease of a running
/// process makes two leaders.
///
/// This function can do that in only one case: a second kube-controller-manager with the same host
/// name acquired the Lease after the service's process started. It must also not have renewed the
/// Lease since that process ended, and it renews every 2 s. **The caller must ensure that no other
/// kube-controller-manager runs on this master.**
///
/// The rules of client-go are in `LeaderElector.tryAcquireOrRenew`, `renew` and `release`
/// (k8s.io/client-go/tools/leaderelection/leaderelection.go). A Lease with a strategy follows
/// KEP-4355.
#[must_use]
pub fn decide(before: Option<&Lease>, now: Option<&Lease>, process: &EndedProcess<'_>) -> Decision {
    let Some(lease) = now else { return Decision::AlreadyFree };
    let Some(holder) = lease.holder() else { return Decision::AlreadyFree };
    if holder.hostname() != Some(process.hostname) {
        return Decision::OtherLeads(holder.clone());
    }
    if before.and_then(Lease::holder) != Some(holder) {
        return Decision::Leave(Reason::Changed { holder: holder.clone() });
    }
    match is_of(lease, process) {
        Ok(()) => Decision::Free(lease.freed(process.gone)),
        Err(reason) => Decision::Leave(reason),
    }
}

/// Checks that a Lease held by this host is held by this process.
fn is_of(lease: &Lease, process: &EndedProcess<'_>) -> Result<(), Reason> {
    if let Some(strategy) = lease.strategy() {
        return Err(Reason::Coordinated { strategy: strategy.to_owned() });
    }
    if process.other_hostnames.iter().any(|other| other == process.hostname) {
        return Err(Reason::SharedHostname);
    }
    let spread = process.clock_spread;
    if spread.is_none_or(|spread| spread > MAX_CLOCK_SPREAD) {
        return Err(Reason::Clocks { spread });
    }
    let (Some(acquired), Some(renewed), Some(duration)) =
        (lease.acquired(), lease.renewed(), lease.duration())
    else {
        return Err(Reason::Times);
    };
    let EndedProcess { started, gone, .. } = *process;
    if started > gone || acquired > renewed {
        return Err(Reason::Times);
    }
    // No tolerance for clock offsets: the same clock dates the Lease, the start and the end.
    // Another process whose clock is behind fails the first or last check, one ahead the second.
    if acquired < started {
        return Err(Reason::AcquiredBefore { acquired, started });
    }
    if renewed > gone {
        return Err(Reason::RenewedAfter { renewed, gone });
    }
    if gone - renewed > duration {
        return Err(Reason::RanOut);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::macros::datetime;

    use super::*;

    const STARTED: OffsetDateTime = datetime!(2026-11-23 06:00 UTC);
    const GONE: OffsetDateTime = datetime!(2026-11-23 07:00 UTC);

    fn spec() -> Value {
        json!({
            "holderIdentity": "k8s-master-01_a", "leaseDurationSeconds": 15, "leaseTransitions": 3,
            "acquireTime": "2026-11-23T06:00:00.300000Z", "renewTime": "2026-11-23T06:59:58.900000Z",
        })
    }

    fn lease(spec: &Value) -> Lease {
        let metadata = json!({"resourceVersion": "7"});
        Lease::from_object(json!({"kind": "Lease", "metadata": metadata, "spec": spec})).unwrap()
    }

    fn with(field: &str, value: Value) -> Lease {
        let mut spec = spec();
        spec[field] = value;
        lease(&spec)
    }

    fn process(others: &[String]) -> EndedProcess<'_> {
        EndedProcess {
            hostname: "k8s-master-01",
            started: STARTED,
            gone: GONE,
            other_hostnames: others,
            clock_spread: Some(Duration::from_secs(2)),
        }
    }

    fn decided(before: &Lease, now: &Lease) -> Decision {
        decide(Some(before), Some(now), &process(&[]))
    }

    #[test]
    fn the_ended_leaders_own_lease_is_freed_as_read() {
        let (before, now) = (lease(&spec()), with("renewTime", json!("2026-11-23T07:00:00Z")));
        let Decision::Free(freed) = decided(&before, &now) else { panic!() };
        assert_eq!(freed, now.freed(GONE));
        assert_eq!(freed.resource_version(), "7");
    }

    #[test]
    fn a_lease_that_nobody_holds_needs_nothing() {
        let before = lease(&spec());
        assert_eq!(decided(&before, &with("holderIdentity", json!(""))), Decision::AlreadyFree);
        assert_eq!(decide(Some(&before), None, &process(&[])), Decision::AlreadyFree);
        assert_eq!(decide(None, None, &process(&[])), Decision::AlreadyFree);
    }

    #[test]
    fn another_leader_is_left_alone() {
        let other = with("holderIdentity", json!("k8s-master-02_b"));
        for before in [&lease(&spec()), &other] {
            let Decision::OtherLeads(holder) = decided(before, &other) else { panic!() };
            assert_eq!(holder.as_str(), "k8s-master-02_b");
        }
        // Host names are compared as a whole.
        for name in ["k8s-master-011_a", "xk8s-master-01_a", "k8s-master-01", "K8S-master-01_a"] {
            let other = with("holderIdentity", json!(name));
            assert!(matches!(decided(&other, &other), Decision::OtherLeads(_)), "{name}");
        }
    }

    #[test]
    fn whatever_leaves_a_doubt_leaves_the_lease() {
        let left = |before: Option<&Lease>, now: &Lease, process: &EndedProcess<'_>| match decide(
            before,
            Some(now),
            process,
        ) {
            Decision::Leave(reason) => reason,
            other => panic!("{other:?}"),
        };
        let ours = lease(&spec());
        let same = |now: &Lease| left(Some(now), now, &process(&[]));
        // Before the stop, another process of this host or no process held the Lease.
        let other = with("holderIdentity", json!("k8s-master-01_b"));
        for before in [Some(&other), Some(&with("holderIdentity", json!(""))), None] {
            assert!(matches!(left(before, &ours, &process(&[])), Reason::Changed { .. }));
        }
        let coordinated = with("strategy", json!("OldestEmulationVersion"));
        assert!(matches!(same(&coordinated), Reason::Coordinated { .. }));
        let others = ["k8s-master-02".to_owned(), "k8s-master-01".to_owned()];
        assert_eq!(left(Some(&ours), &ours, &process(&others)), Reason::SharedHostname);

        let early = with("acquireTime", json!("2026-11-23T05:59:59.999999Z"));
        assert!(matches!(same(&early), Reason::AcquiredBefore { .. }));
        let late = with("renewTime", json!("2026-11-23T07:00:00.000001Z"));
        assert!(matches!(same(&late), Reason::RenewedAfter { .. }));
        let stale = with("renewTime", json!("2026-11-23T06:59:44Z"));
        assert_eq!(same(&stale), Reason::RanOut);
        for field in ["acquireTime", "renewTime", "leaseDurationSeconds"] {
            assert_eq!(same(&with(field, Value::Null)), Reason::Times, "{field}");
        }
        assert_eq!(same(&with("acquireTime", json!("2026-11-23T06:59:59Z"))), Reason::Times);
        let backwards = EndedProcess { started: GONE, gone: STARTED, ..process(&[]) };
        assert_eq!(left(Some(&ours), &ours, &backwards), Reason::Times);
        for clock_spread in [None, Some(Duration::from_secs(120))] {
            let apart = EndedProcess { clock_spread, ..process(&[]) };
            assert_eq!(left(Some(&ours), &ours, &apart), Reason::Clocks { spread: clock_spread });
        }
    }

    #[test]
    fn a_clock_two_minutes_off_where_the_lease_was_written_frees_nothing() {
        let minutes = time::Duration::minutes(2);
        for shift in [minutes, -minutes] {
            let there =
                EndedProcess { started: STARTED + shift, gone: GONE + shift, ..process(&[]) };
            let ours = lease(&spec());
            let decision = decide(Some(&ours), Some(&ours), &there);
            assert!(matches!(decision, Decision::Leave(_)), "{shift}: {decision:?}");
        }
    }
}
