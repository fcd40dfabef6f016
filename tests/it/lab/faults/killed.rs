//! Tests of kcm killed at random moments.

use std::time::Duration;

use kcm_tests::lab::Watcher;

use super::{Ground, plain, together, until};

/// Duration of an apply on bare masters (`FRESH`), and of a rolling change of two masters. The
/// kills occur within it.
const FRESH: Duration = Duration::from_millis(6500);
const ROLLING: Duration = Duration::from_millis(11_500);

/// Returns a reproducible fraction for a seed (Sebastiano Vigna's `SplitMix64`).
fn fraction(seed: u64) -> f64 {
    let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let thousandths = (mixed ^ (mixed >> 31)) % 1000;
    f64::from(u16::try_from(thousandths).unwrap()) / 1000.0
}

/// Kills kcm at the moments of these seeds: first on bare masters, then in rolling changes.
fn kill_at(seeds: &[u64]) {
    let Some(ground) = Ground::new(&plain(2)) else { return };
    for (number, seed) in seeds.iter().enumerate() {
        let is_fresh = number == 0;
        ground.change(number);
        let watcher = (!is_fresh).then(|| Watcher::start(&ground.lab));
        let moment = if is_fresh { FRESH } else { ROLLING }.mul_f64(fraction(*seed));
        let kcm = ground.start(&["apply"]);
        std::thread::sleep(moment);
        let log = kcm.log();
        kcm.kill();
        let last = log.lines().last().unwrap_or("nothing said yet").to_owned();
        if !is_fresh {
            // The master finishes on its own what kcm began there.
            let is_up = || ground.lab.machines().iter().all(kcm_tests::lab::Machine::serves);
            until("everybody serves again", Duration::from_secs(25), is_up);
        }
        ground.converges();
        let seen = watcher.map(Watcher::end).unwrap_or_default();
        println!(
            "seed {seed}: killed after {moment:?} ({last}); down at most {:?}, {} at a time",
            seen.longest(),
            seen.most_down
        );
        assert!(seen.most_down <= 1, "seed {seed}: {seen:?}");
    }
}

fn kill(seeds: std::ops::RangeInclusive<u64>, labs: usize) {
    let seeds: Vec<_> = seeds.collect();
    let parts = seeds.chunks(seeds.len().div_ceil(labs)).map(<[u64]>::to_vec);
    together(
        parts
            .map(|part| -> Box<dyn FnOnce() + Send> { Box::new(move || kill_at(&part)) })
            .collect(),
    );
}

#[test]
fn killed_at_8_random_moments_the_next_apply_finishes_the_work() {
    kill(1..=8, 4);
}

#[test]
#[ignore = "30 kills take two minutes and a half"]
fn killed_at_30_random_moments_the_next_apply_finishes_the_work() {
    kill(101..=130, 5);
}
