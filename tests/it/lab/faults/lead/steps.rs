//! Tests of kcm killed or cut off at each step of a handover: a new leader exists as soon as an
//! abandoned Lease expires.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kcm_tests::control_plane::{LeaseWatcher, Process};
use kcm_tests::ignored_test;
use kcm_tests::lab::{Machine, Watcher};
use rustix::process::{Signal, getpid, kill_process};

use super::super::tapped::{Blow, Phase, address, apply_under, kill_ssh_to, shown};
use super::{Ground, moment, plain, together, until};

/// Longest time until client-go acquires a Lease that is not freed. A standby sees the last renewal
/// up to 4.4 s late, waits for 15 s, and asks up to 4.4 s later; 18 s on average.
const RUNS_OUT: Duration = Duration::from_millis(4400 + 15_000 + 4400);
/// Longest time until the service runs again, regardless of kcm, including its start.
const BACK: Duration = Duration::from_secs(20 + 3);
/// Timeout that exceeds both.
const PATIENCE: Duration = Duration::from_secs(40);

/// Steps of a handover, with a delay in milliseconds after the beginning of each.
const STEPS: [(Phase, u64); 7] = [
    (Phase::Stop, 0),
    (Phase::Stop, 30),
    (Phase::Free, 0),
    (Phase::Free, 2),
    (Phase::Start, 0),
    (Phase::Start, 30),
    (Phase::Gate, 0),
];

/// Faults of kcm.
const STRIKES: [&str; 2] = ["killed", "cut off"];

/// Environment variables of a separate process: the step, the fault, the leader and the folder.
const STEP: &str = "KCM_TEST_STEP";
const STRIKE: &str = "KCM_TEST_STRIKE";
const LEADER: &str = "KCM_TEST_LEADER";
const FOLDER: &str = "KCM_TEST_FOLDER";

fn strike_at(cases: &[(usize, &str)]) {
    let Some(ground) = Ground::led(&plain(2)) else { return };
    for (number, (step, strike)) in cases.iter().enumerate() {
        ground.change(1 + number);
        struck(&ground, *step, strike);
        ground.converges();
    }
}

fn struck(ground: &Ground, step: usize, strike: &str) {
    let (phase, after) = STEPS[step];
    let what = format!("{strike} at {phase:?}, after {after} ms");
    let (leader, was) = (ground.leader(), ground.plane.admin().holder());
    let watchers = (LeaseWatcher::start(ground.plane.admin()), Watcher::start(&ground.lab));
    let begun = SystemTime::now();
    let mut command = ignored_test(module_path!(), "a_kcm_that_is_struck");
    command.env(STEP, step.to_string()).env(STRIKE, strike);
    command.env(LEADER, leader.name()).env(FOLDER, ground.workspace.path());
    let log = ground.workspace.file(&format!("struck-{step}-{}", strike.replace(' ', "-")));
    let mut kcm = Process::start_command(command, &log);
    let code = kcm.wait(Duration::from_secs(120));
    println!("{what}: {}", kcm.log());
    if strike == "cut off" {
        assert_eq!(code, Some(0), "{what}");
        assert!(kcm.log().contains("run the same command again"), "{what}");
    } else {
        assert_eq!(code, Some(128 + 9), "{what}");
    }
    // A script on its way may still stop the service.
    std::thread::sleep(Duration::from_secs(3));
    let stopping = moment(leader, "ActiveExitTimestamp");
    let was_stopped = stopping > begun;
    if was_stopped {
        until("another process leads", PATIENCE, || {
            let holder = ground.plane.admin().holder();
            holder.is_some() && holder != was
        });
    }
    let all_serve = || ground.lab.machines().iter().all(Machine::serves);
    until("everybody serves", PATIENCE, all_serve);
    let (history, seen) = (watchers.0.end(), watchers.1.end());
    let mut successions = history.successions();
    if was_stopped {
        let (to, since) = successions.next().unwrap();
        let gap = since.duration_since(stopping).unwrap();
        println!("{what}: {to} leads {gap:?} after the stop; down for {:?}", seen.longest());
        assert!(gap <= RUNS_OUT + Duration::from_secs(10), "{what}: {gap:?}");
    } else {
        println!("{what}: the leader was not stopped");
        assert_eq!(successions.next(), None, "{what}");
    }
    assert!(seen.longest() <= BACK, "{what}: {seen:?}");
    assert!(seen.most_down <= 1, "{what}: {seen:?}");
}

#[test]
fn struck_at_each_step_of_a_handover_somebody_leads_when_a_lease_has_run_out_at_the_latest() {
    let labs = (0..4_usize).map(|lab| -> Box<dyn FnOnce() + Send> {
        let all = (0..STEPS.len()).flat_map(|step| STRIKES.map(|strike| (step, strike)));
        let cases: Vec<_> = all.skip(lab).step_by(4).collect();
        Box::new(move || strike_at(&cases))
    });
    together(labs.collect());
}

#[test]
#[ignore = "it is a process of the test before this one"]
fn a_kcm_that_is_struck() {
    let Ok(step) = env::var(STEP) else { return };
    let [strike, leader, folder] = [STRIKE, LEADER, FOLDER].map(|name| env::var(name).unwrap());
    let (phase, after) = STEPS[step.parse::<usize>().unwrap()];
    let folder = Path::new(&folder);
    let address = address(folder, &leader);
    let strike: Arc<dyn Fn() + Send + Sync> = if strike == "killed" {
        Arc::new(|| kill_process(getpid(), Signal::KILL).unwrap())
    } else {
        Arc::new(move || kill_ssh_to(&address))
    };
    let after = Duration::from_millis(after);
    let blow = Blow { master: leader.clone(), phase, after, strike };
    println!("{}", shown(&apply_under(folder, &[leader], &blow)));
}
