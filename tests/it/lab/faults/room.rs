//! Tests of `/opt` as a separate, full file system.

use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use kcm::MasterResult;
use kcm_tests::lab::{Machine, Opt, Variant, Watcher};

use super::tapped::{Blow, Phase, results};
use super::{Ground, assert_says, leftovers, together};

fn opt_apart() -> Vec<Variant> {
    vec![Variant::new().opt(Opt::Sized(256 << 20)); 2]
}

fn filler(machine: &Machine) -> std::path::PathBuf {
    machine.file("/opt/everything")
}

/// Fills the file system to its last byte.
fn fill(machine: &Machine) {
    let mut rest = fs::File::create(filler(machine)).unwrap();
    while rest.write_all(&[0; 8192]).is_ok() {}
    while rest.write_all(&[0; 512]).is_ok() {}
}

/// Fills the file system of master `at` in a phase, after the preflight found enough space.
fn full_from(at: usize, phase: Phase) -> Option<(Arc<Ground>, Vec<MasterResult>)> {
    let ground = Arc::new(Ground::deployed(&opt_apart())?);
    ground.change(1);
    let strike = {
        let ground = Arc::clone(&ground);
        Arc::new(move || fill(ground.lab.machine(at)))
    };
    let master = ground.lab.machine(at).name().to_owned();
    let blow = Blow { master, phase, after: Duration::ZERO, strike };
    let results = results(ground.apply_under(&blow));
    Some((ground, results))
}

fn full_at_the_stage() {
    let Some((ground, results)) = full_from(1, Phase::Stage) else { return };
    let full = ground.lab.machine(1);
    let [MasterResult::Untouched { error: None }, MasterResult::Untouched { error: Some(why) }] =
        &results[..]
    else {
        panic!("{results:?}")
    };
    assert_says(why, &["no space left", "free some space"]);
    for machine in ground.lab.machines() {
        assert_eq!(leftovers(machine), "", "{}", machine.name());
    }
    // Before a rollout begins, the full file system is a finding.
    let ran = ground.kcm(&["apply"]);
    assert_eq!(ran.code, 1);
    assert_says(&ran.stderr, &[full.name(), "/opt", "free some space", "[disk-space]"]);
    fs::remove_file(filler(full)).unwrap();
    ground.converges();
}

fn full_at_the_commit() {
    let Some((ground, results)) = full_from(0, Phase::Commit) else { return };
    let full = ground.lab.machine(0);
    println!("full at the commit: {results:?}");
    match &results[0] {
        // A rename needs no space on this file system.
        MasterResult::Done => {}
        MasterResult::Untouched { error: Some(error) }
        | MasterResult::RolledBack { error }
        | MasterResult::Failed { error } => assert_says(error, &["space"]),
        other => panic!("{other:?}"),
    }
    assert!(full.serves());
    let watcher = Watcher::start(&ground.lab);
    fs::remove_file(filler(full)).unwrap();
    ground.converges();
    assert!(watcher.end().most_down <= 1);
}

#[test]
fn a_file_system_that_gets_full_stops_the_rollout_where_nothing_is_lost() {
    together(vec![Box::new(full_at_the_stage), Box::new(full_at_the_commit)]);
}
