//! Tests of connections that are killed in every phase, of an sshd that stops, and of masters that
//! lose power.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use kcm::{Error, MasterResult};
use kcm_tests::lab::{Machine, Watcher};

use super::tapped::{Blow, Phase, results};
use super::{Ground, assert_says, changed, ended, line_of, plain, together, until_said};

const AGAIN: &str = "run the same command again";

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn blow(
    machine: &Machine,
    phase: Phase,
    after: Duration,
    strike: Arc<dyn Fn() + Send + Sync>,
) -> Blow {
    Blow { master: machine.name().to_owned(), phase, after, strike }
}

fn untouched(result: &MasterResult) -> bool {
    matches!(result, MasterResult::Untouched { .. })
}

/// Returns the error of a result.
fn why(result: &MasterResult) -> &str {
    match result {
        MasterResult::Failed { error }
        | MasterResult::RolledBack { error }
        | MasterResult::Untouched { error: Some(error) } => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_ssh_that_is_killed_before_the_commit_has_changed_no_master() {
    let Some(ground) = Ground::deployed(&plain(2)) else { return };
    ground.change(1);
    let unit = |ground: &Ground| ground.lab.machine(0).output(&["cat", super::UNIT_FILE]);
    let before = unit(&ground);
    let machine = ground.lab.machine(1);
    let name = machine.name();
    let watcher = Watcher::start(&ground.lab);
    for (phase, after) in [
        (Phase::Observe, millis(60)),
        (Phase::Examine, millis(0)),
        (Phase::Lock, millis(0)),
        (Phase::Stage, millis(0)),
        (Phase::Stage, millis(100)),
    ] {
        // A larger program prolongs the transfer.
        if !after.is_zero() && phase == Phase::Stage {
            let big = ground.workspace.file("big");
            ground.plane.binaries().write_controller_manager("v1.36.1", &big);
            fs::OpenOptions::new().append(true).open(&big).unwrap().set_len(128 << 20).unwrap();
            ground.write_bare(&format!(
                "install: {{binary: {}, distributeCa: true}}\n{}",
                big.display(),
                changed(1)
            ));
        }
        let ended = ground.apply_under(&blow(machine, phase, after, Ground::ssh_killer(machine)));
        match (phase, ended) {
            (Phase::Observe, Err(Error::Observe(error))) => {
                assert_says(&error.to_string(), &[name, "ssh", "no master has changed"]);
            }
            (Phase::Examine, Err(error @ Error::Preflight(_))) => {
                assert_says(&error.to_string(), &[name, "connection", "[checks-incomplete]"]);
            }
            (Phase::Lock, Err(Error::Lock(error))) => {
                assert_says(&error.to_string(), &[name, "connection", AGAIN]);
            }
            (Phase::Stage, Ok(outcome)) => {
                assert!(!outcome.has_changed_masters());
                let result = &outcome.masters[1].result;
                assert!(untouched(&outcome.masters[0].result) && untouched(result));
                assert_says(why(result), &["connection", AGAIN]);
            }
            (phase, other) => panic!("{phase:?}: {other:?}"),
        }
        for machine in ground.lab.machines() {
            assert!(!machine.output(&["cat", super::UNIT_FILE]).contains("syncs"));
        }
        assert_eq!(unit(&ground), before);
    }
    let watched = watcher.end();
    assert_eq!(watched.outages, [], "nobody was ever down");
    ground.change(1);
    ground.converges();
}

/// Kills the connection to the first of two masters in a phase that changes it. The second master
/// must not change.
fn cut_at(phase: Phase, after: Duration) {
    let Some(ground) = Ground::deployed(&plain(2)) else { return };
    ground.change(1);
    let machine = ground.lab.machine(0);
    let watcher = Watcher::start(&ground.lab);
    let blow = blow(machine, phase, after, Ground::ssh_killer(machine));
    let results = results(ground.apply_under(&blow));
    assert!(matches!(results[0], MasterResult::Failed { .. }), "{phase:?}: {results:?}");
    assert_says(why(&results[0]), &["connection", AGAIN]);
    assert_eq!(results[1], MasterResult::Untouched { error: None });
    ground.converges();
    let watched = watcher.end();
    println!("{phase:?}: down at most {:?} at a time", watched.longest());
    assert_eq!(watched.most_down, 1, "{phase:?}: {watched:?}");
}

#[test]
fn an_ssh_that_is_killed_in_the_commit_or_the_gate_stops_there_and_the_next_apply_goes_on() {
    together(vec![
        Box::new(|| cut_at(Phase::Commit, millis(250))),
        Box::new(|| cut_at(Phase::Gate, millis(1))),
        Box::new(|| cut_at(Phase::Conclude, millis(0))),
    ]);
}

/// Cuts the power of master `of` in a phase of master `at`. After power-on, the next apply finishes
/// the work.
fn power_cut(of: usize, at: usize, phase: Phase, after: Duration) {
    let Some(ground) = Ground::deployed(&plain(2)) else { return };
    let ground = Arc::new(ground);
    ground.change(1);
    let (dying, reached) = (ground.lab.machine(of), ground.lab.machine(at));
    let strike = {
        let ground = Arc::clone(&ground);
        Arc::new(move || ground.lab.machine(of).power_off())
    };
    let results = results(ground.apply_under(&blow(reached, phase, after, strike)));
    assert!(!results[of].is_good(), "{phase:?}: {results:?}");
    assert_says(why(&results[of]), &["connection", AGAIN]);
    if of == 0 {
        assert_eq!(results[1], MasterResult::Untouched { error: None });
    } else {
        assert_eq!(results[0], MasterResult::Done);
    }
    // The other master can be changed without the dead one.
    let dead = ground.kcm(&["apply"]);
    assert_eq!(dead.code, 1);
    assert_says(&dead.stderr, &[dying.name(), "--skip", "no master has changed"]);
    let others = ground.apply(&["--skip", dying.name()]);
    assert_says(line_of(&others.stdout, dying), &["skipped"]);
    dying.power_on();
    ground.converges();
}

#[test]
fn a_master_may_lose_its_power_before_in_and_after_its_commit() {
    together(vec![
        // The second master loses power while the first is committed.
        Box::new(|| power_cut(1, 0, Phase::Commit, millis(300))),
        Box::new(|| power_cut(0, 0, Phase::Commit, millis(250))),
        Box::new(|| power_cut(0, 0, Phase::Gate, millis(500))),
    ]);
}

#[test]
fn an_sshd_that_stops_keeps_out_who_comes_and_not_who_is_there() {
    let Some(ground) = Ground::deployed(&plain(2)) else { return };
    let machine = ground.lab.machine(1);
    ground.change(1);
    machine.stop_sshd();
    let ran = ground.kcm(&["apply"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert_says(
        &ran.stderr,
        &[machine.name(), "check that sshd runs", "--skip", "no master has changed"],
    );
    machine.start_sshd();

    let kcm = ground.start(&["apply"]);
    until_said(&kcm, "staged");
    machine.stop_sshd();
    let (code, printed) = ended(kcm);
    machine.start_sshd();
    assert_eq!(code, 0, "{printed}");
    ground.converges();
}
