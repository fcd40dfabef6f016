//! Tests of invariant 2 from outside: at most the current master is down because of kcm.

use std::time::{Duration, Instant};

use kcm_tests::lab::{Watched, Watcher};

use super::{Ground, UNIT, changed, plain};

/// Longest duration of a restart; a service takes up to two seconds to stop.
const RESTART: Duration = Duration::from_secs(5);

fn watch(rollouts: usize) {
    let Some(ground) = Ground::deployed(&plain(3)) else { return };
    let other_version = ground.workspace.file("other");
    ground.plane.binaries().write_controller_manager("v1.35.1", &other_version);
    let begun = Instant::now();
    let mut all = Vec::new();
    for number in 1..=rollouts {
        let watcher = Watcher::start(&ground.lab);
        match number % 4 {
            // Another version includes its upload.
            3 => {
                let install = format!("install: {{binary: {}}}\n", other_version.display());
                ground.write_bare(&format!("{install}{}", changed(number - 1)));
                ground.apply(&[]);
            }
            0 => {
                let ran = ground.kcm(&["rollback"]);
                assert_eq!(ran.code, 0, "{ran:?}");
            }
            _ => {
                ground.change(number);
                ground.apply(&[]);
            }
        }
        let watched = watcher.end();
        println!(
            "rollout {number}: {} looks, blind at most {:?}; down {:?} at most, {:?} in all, {} at a time",
            watched.looks,
            watched.blind,
            watched.longest(),
            watched.exposure(),
            watched.most_down
        );
        assert_eq!(watched.most_down, 1, "rollout {number}: {watched:?}");
        all.push(watched);
    }
    report(&all, begun.elapsed());
    for machine in ground.lab.machines() {
        let restarts = machine.output(&["systemctl", "show", "-P", "NRestarts", UNIT]);
        assert_eq!(restarts.trim(), "0", "nothing ended by itself");
    }
}

fn report(all: &[Watched], took: Duration) {
    let outages: usize = all.iter().map(|watched| watched.outages.len()).sum();
    let exposure: Duration = all.iter().map(Watched::exposure).sum();
    let longest = all.iter().map(Watched::longest).max().unwrap_or_default();
    let average = exposure / u32::try_from(outages).unwrap();
    println!(
        "{} rollouts in {took:?}: {outages} outages of one master, {average:?} on average, {longest:?} at most; of two never",
        all.len()
    );
    // Each master restarts once in each rollout; an outage of less than two observations may be
    // missed.
    let restarts = 3 * all.len();
    assert!(outages <= restarts && 10 * outages >= 9 * restarts, "{outages} of {restarts}");
    assert!(longest < RESTART, "{longest:?}");
}

#[test]
fn in_4_rollouts_no_two_masters_are_ever_down_at_once() {
    watch(4);
}

#[test]
#[ignore = "20 rollouts take five minutes"]
fn in_20_rollouts_no_two_masters_are_ever_down_at_once() {
    watch(20);
}
