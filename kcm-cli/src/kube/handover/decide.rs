//! Whether a Lease may be freed. Pure.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;

use crate::kube::{Holder, Lease};
use crate::util::words::moment;

/// The greatest difference between clocks with which the times in a Lease are relied on.
pub const MAX_CLOCK_SPREAD: Duration = Duration::from_secs(10);

/// A service's process that has ended, and what is known of it. All times are by its own master's clock, as are those
/// that it wrote into the Lease.
#[derive(Clone, Copy, Debug)]
pub struct EndedProcess<'a> {
    /// The hostname as the kernel had it when the process started: the process put it before the `_`.
    pub hostname: &'a str,
    /// When it started; where that is known only roughly, the latest moment at which it can have.
    pub started: OffsetDateTime,
    /// When it was first seen to be gone, its control group empty.
    pub gone: OffsetDateTime,
    /// The hostnames of all other masters.
    pub other_hostnames: &'a [String],
    /// The greatest difference there may be between the clocks of the masters, of the API server and of this machine
    /// ([`ClockOffset::spread`](crate::kube::ClockOffset::spread)); `None` if it is not known.
    pub clock_spread: Option<Duration>,
}

/// What is to be done with a Lease.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It is to be replaced by this one.
    Free(Lease),
    /// Nobody holds it: whoever asks first leads.
    AlreadyFree,
    /// Somebody else holds it.
    OtherLeads(Holder),
    /// It is left to run out, because it is not certain that its holder has ended.
    Leave(Reason),
}

/// Why a Lease is left to run out, which it does within its duration: 15 s and what a candidate sleeps.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The API server picks the leader.
    Coordinated {
        /// By this strategy.
        strategy: String,
    },
    /// Another process of this host got it since the service was stopped.
    Changed {
        /// That one.
        holder: Holder,
    },
    /// Another master has the same hostname.
    SharedHostname,
    /// The clocks differ too much, or it is not known how much.
    Clocks {
        /// The greatest difference, if it is known.
        spread: Option<Duration>,
    },
    /// A process of this host got it before the service's process began.
    AcquiredBefore {
        /// When it was acquired.
        acquired: OffsetDateTime,
        /// When the process started.
        started: OffsetDateTime,
    },
    /// It was renewed after the service's process had ended.
    RenewedAfter {
        /// When it was renewed.
        renewed: OffsetDateTime,
        /// When the process was gone.
        gone: OffsetDateTime,
    },
    /// It was not renewed for longer than it lasts: it has run out, or another clock wrote the time.
    RanOut,
    /// Times are missing or contradict each other, as after a clock was set.
    Times,
    /// It changed again each time that it was to be written.
    Contended,
    /// There was no time to find out; it may be free.
    OutOfTime,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Coordinated { strategy } => {
                write!(f, "the API server itself picks the leader (strategy {strategy})")
            }
            Self::Changed { holder } => {
                write!(f, "another process of that host holds it ({holder})")
            }
            Self::SharedHostname => f.write_str("another master has the same hostname"),
            Self::Clocks { spread: None } => f.write_str("the clocks could not be compared"),
            Self::Clocks { spread: Some(spread) } => {
                write!(f, "the clocks may be {} s apart", spread.as_secs())
            }
            Self::AcquiredBefore { acquired, started } => write!(
                f,
                "its holder got it at {}, before the service's process started at {}: another process of that host holds it",
                moment(*acquired),
                moment(*started)
            ),
            Self::RenewedAfter { renewed, gone } => write!(
                f,
                "it was renewed at {}, after the service's process was gone at {}: another process of that host holds it",
                moment(*renewed),
                moment(*gone)
            ),
            Self::RanOut => f.write_str("it had run out, or another clock wrote it"),
            Self::Times => f.write_str("its times contradict each other"),
            Self::Contended => f.write_str("it kept changing"),
            Self::OutOfTime => f.write_str("the API server did not answer in time"),
        }
    }
}

/// Decides what is to be done with the Lease of a master whose service was just stopped.
///
/// `before` is the Lease as it was read before the stop, `now` as it is after the process was gone. It is to be freed
/// only if its holder is who it was before the stop and is that process: the hostname is its, it was acquired after the
/// process started and renewed last while it ran. The new object is the old one but for what
/// [`Lease::freed`] changes, with the resource version of `now`, so that a Lease that has changed since is not written.
///
/// A process that runs keeps believing that it leads for up to its renew deadline (10 s) after its Lease was freed, and
/// whoever takes it leads at once: to free a living process's Lease makes two leaders. The one way in which this
/// function can be made to is a second kube-controller-manager with this very hostname that got the Lease after the
/// service's process started and has not renewed it yet (it does every 2 s) since that ended. **The caller sees to it
/// that no other kube-controller-manager runs on this master.**
///
/// client-go's rules are those of `LeaderElector.tryAcquireOrRenew`, `renew` and `release`
/// (k8s.io/client-go/tools/leaderelection/leaderelection.go); a Lease with a strategy is KEP 4355's.
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

/// Whether a Lease that a process of this host holds is that of this process.
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
    // No allowance for clocks: the process wrote these times by the clock that tells when it started and ended. A
    // process elsewhere whose clock is behind fails the first and the last, one whose clock is ahead the second.
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
        // Hostnames are compared whole.
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
        // Another process of this host, or nobody, held it before the stop.
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
