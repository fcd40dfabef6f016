//! Tests of the leadership during a rolling change, as a reader of the Lease observes it.

mod steps;

use std::time::{Duration, SystemTime};

use kcm_tests::control_plane::{Binaries, LeaseWatcher};
use kcm_tests::lab::{Machine, Variant};

use super::{Ground, UNIT, plain, together, until};

/// Durations since a leader was asked to stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    /// Time until its process was gone.
    stop: Duration,
    /// Time until another process was seen to lead.
    lead: Duration,
}

impl Gap {
    pub(super) fn beyond_the_stop(self) -> Duration {
        self.lead.saturating_sub(self.stop)
    }
}

/// Returns a timestamp of the service that systemd recorded.
fn moment(machine: &Machine, property: &str) -> SystemTime {
    let unit = UNIT.replace('-', "_2d").replace('.', "_2e");
    let unit = format!("/org/freedesktop/systemd1/unit/{unit}");
    let manager = "org.freedesktop.systemd1";
    let interface = "org.freedesktop.systemd1.Unit";
    let printed = machine.output(&["busctl", "get-property", manager, &unit, interface, property]);
    let microseconds = printed.trim().strip_prefix("t ").unwrap().parse().unwrap();
    SystemTime::UNIX_EPOCH + Duration::from_micros(microseconds)
}

impl Ground {
    /// Deploys masters with the real programs, if there are any.
    pub(super) fn led(variants: &[Variant]) -> Option<Self> {
        let ground = Self::with(&Binaries::find(), variants)?;
        ground.apply(&[]);
        Some(ground)
    }

    pub(super) fn leader(&self) -> &Machine {
        let holder = self.plane.admin().holder().unwrap();
        let leads = |machine: &&Machine| holder.starts_with(&format!("{}_", machine.hostname()));
        self.lab.machines().iter().find(leads).unwrap_or_else(|| panic!("{holder} leads"))
    }

    /// Returns the gap of a rollout that changes the leader once.
    pub(super) fn gap(&self, what: &str, rollout: impl FnOnce()) -> Gap {
        let old = self.leader();
        let was = self.plane.admin().holder();
        let watcher = LeaseWatcher::start(self.plane.admin());
        rollout();
        let is_led = || {
            let holder = self.plane.admin().holder();
            holder.is_some() && holder != was
        };
        until("another process leads", Duration::from_secs(30), is_led);
        let history = watcher.end();
        assert_eq!(history.first(), was.as_deref());
        let successions: Vec<_> = history.successions().collect();
        let [(to, since)] = successions[..] else { panic!("{what}: {history:?}") };
        let stopping = moment(old, "ActiveExitTimestamp");
        let stop = moment(old, "InactiveEnterTimestamp").duration_since(stopping).unwrap();
        let gap = Gap { stop, lead: since.duration_since(stopping).unwrap() };
        println!("{what}: {} to {to}: {gap:?}; blind at most {:?}", old.name(), history.blind);
        gap
    }

    /// Changes all masters `changes` times.
    fn gaps(&self, changes: usize) -> Vec<Gap> {
        let change = |number| {
            self.change(number);
            self.gap(&format!("change {number}"), || drop(self.apply(&[])))
        };
        (1..=changes).map(change).collect()
    }

    /// Changes all masters once more, with a kcm that has no access to the Lease.
    fn gap_without_handover(&self) -> Gap {
        self.change(999);
        self.gap("without a handover", || {
            let outcome = self.apply_blindly().unwrap();
            assert!(outcome.is_done(), "{outcome:?}");
        })
    }
}

/// Minimum time until a Lease expires that is not released.
const RUN_OUT: Duration = Duration::from_secs(14);

#[test]
fn the_lead_changes_once_in_a_rollout_and_nobody_waits_for_the_lease_to_run_out() {
    // This limit allows for a busy machine.
    let soon = Duration::from_secs(5);
    let several = move || {
        let Some(ground) = Ground::led(&plain(3)) else { return };
        for gap in ground.gaps(2) {
            assert!(gap.beyond_the_stop() < soon, "{gap:?}");
        }
        let gap = ground.gap_without_handover();
        assert!(gap.lead >= RUN_OUT, "{gap:?}");
    };
    let one = move || {
        let Some(ground) = Ground::led(&plain(1)) else { return };
        for gap in ground.gaps(2) {
            assert!(gap.beyond_the_stop() < soon, "{gap:?}");
        }
    };
    together(vec![Box::new(several), Box::new(one)]);
}

#[test]
#[ignore = "20 changes of three masters take seven minutes, and their times are for a machine that does nothing else"]
fn in_20_rollouts_the_lead_changes_once_each_within_a_second() {
    let Some(ground) = Ground::led(&plain(3)) else { return };
    evaluate("three masters", &ground.gaps(20));
    let gap = ground.gap_without_handover();
    assert!(gap.lead >= RUN_OUT, "{gap:?}");
    drop(ground);
    let Some(ground) = Ground::led(&plain(1)) else { return };
    evaluate("one master", &ground.gaps(5));
    let gap = ground.gap_without_handover();
    assert!(gap.lead >= RUN_OUT, "{gap:?}");
}

/// Asserts that the gaps are far shorter than the expiry of a Lease, even on a busy machine. On an
/// idle machine, each gap is at most 1 s beyond the stop, and the median is 0.7 s.
fn evaluate(what: &str, gaps: &[Gap]) {
    let mut beyond: Vec<_> = gaps.iter().map(|gap| gap.beyond_the_stop()).collect();
    beyond.sort_unstable();
    let (median, longest) = (beyond[beyond.len() / 2], beyond[beyond.len() - 1]);
    let stop = gaps.iter().map(|gap| gap.stop).max().unwrap();
    println!(
        "{what}, {} changes: {median:?} beyond the stop in the middle, {longest:?} at most; stops took {stop:?} at most",
        gaps.len()
    );
    assert!(longest <= Duration::from_secs(5), "{beyond:?}");
    assert!(median <= Duration::from_secs(2), "{beyond:?}");
}
