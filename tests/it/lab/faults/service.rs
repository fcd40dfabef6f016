//! Tests of services that misbehave.

use std::time::{Duration, Instant};

use kcm_tests::lab::{Machine, Watcher};

use super::{Ground, PROGRAM, UNIT, UNIT_FILE, assert_says, line_of, plain, put_script, together};

/// Path of the program that the script starts.
const REAL: &str = "/usr/local/lib/kube-controller-manager";

/// Returns a script that works normally unless a flag selects a fault.
fn script() -> String {
    format!(
        "#!/bin/sh
case \"$*\" in
  *--concurrent-namespace-syncs=13*) (sleep 3; kill -KILL $$) & ;;
  *--concurrent-namespace-syncs=14*) echo 'waiting for something'; exec sleep infinity ;;
  *--concurrent-namespace-syncs=15*) {REAL} \"$@\" & wait ;;
  *--concurrent-namespace-syncs=16*) echo 'no such thing'; exit 1 ;;
  *--concurrent-namespace-syncs=17*)
    journald=$(systemctl show -p MainPID --value systemd-journald)
    systemd-run --quiet --on-active=2 --timer-property=AccuracySec=100ms kill -CONT $journald
    kill -STOP $journald
    echo 'no such thing'; exit 1 ;;
esac
exec {REAL} \"$@\"
"
    )
}

fn flag(value: u32) -> String {
    format!(
        "controllerManager: {{flags: {{concurrent-namespace-syncs: {value}}}}}\ninstall: {{distributeCa: true}}\n"
    )
}

fn with_scripts(masters: usize) -> Option<Ground> {
    let ground = Ground::new(&plain(masters))?;
    for machine in ground.lab.machines() {
        ground.bring_program(machine, REAL);
        put_script(machine, PROGRAM, &script());
    }
    Some(ground)
}

fn unit(machine: &Machine) -> String {
    machine.output(&["cat", UNIT_FILE])
}

/// Asserts that a change with a misbehaving service is rolled back on the first master and reaches
/// no other.
fn taken_back(value: u32, says: &[&str]) {
    let Some(ground) = with_scripts(2) else { return };
    ground.write_bare(&flag(10));
    ground.apply(&[]);
    let before = [0, 1].map(|place| unit(ground.lab.machine(place)));
    ground.write_bare(&flag(value));
    let watcher = Watcher::start(&ground.lab);
    let start = Instant::now();
    let ran = ground.kcm(&["apply"]);
    println!("{value}: rolled back after {:?}", start.elapsed());
    let watched = watcher.end();
    println!("{value}: down {:?}, {:?} in all", watched.longest(), watched.exposure());
    assert_eq!(ran.code, 4, "{ran:?}");
    // The leader comes last.
    let is_first =
        |place: &usize| line_of(&ran.stdout, ground.lab.machine(*place)).contains("rolled back");
    let first = [0, 1].into_iter().find(is_first).unwrap_or(0);
    let (machine, other) = (ground.lab.machine(first), ground.lab.machine(1 - first));
    let line = line_of(&ran.stdout, machine);
    assert_says(line, &["rolled back"]);
    assert_says(&(ran.stderr.clone() + &ran.stdout), says);
    assert_says(line_of(&ran.stdout, other), &["untouched"]);
    assert_says(&ran.stdout, &["Partly done", "run the same command again"]);
    assert_eq!(unit(machine), before[first]);
    assert!(machine.serves(), "what was there before is");
    // An outage of a few milliseconds may remain undetected.
    assert!(watched.most_down <= 1, "{watched:?}");
    ground.is_whole();
    // Another value or the former one fixes the service.
    ground.write_bare(&flag(if value == 13 { 11 } else { 10 }));
    ground.converges();
}

#[test]
fn a_service_that_does_not_get_or_stay_healthy_is_taken_back_and_reaches_no_second_master() {
    together(vec![
        Box::new(|| taken_back(13, &["terminated by signal 9"])),
        Box::new(|| {
            taken_back(14, &["not healthy within 30 s", "does not listen", "journalctl -u"]);
        }),
        Box::new(|| taken_back(15, &["does not listen", "and another process does"])),
        Box::new(|| taken_back(16, &["exit status 1", "journal: no such thing"])),
        // journald reads the message long after the service has exited.
        Box::new(|| taken_back(17, &["exit status 1", "journal: no such thing"])),
        Box::new(never_was),
    ]);
}

/// A first deployment has no previous generation: the failure is reported, and after a fix the next
/// apply finishes.
fn never_was() {
    let Some(ground) = with_scripts(2) else { return };
    ground.write_bare(&flag(16));
    let ran = ground.kcm(&["apply"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    for machine in ground.lab.machines() {
        assert_says(line_of(&ran.stdout, machine), &["failed", "exit status 1"]);
        assert_says(&ran.stderr, &["journal: no such thing"]);
    }
    // A second apply without a change reports the failure again.
    let again = ground.kcm(&["apply"]);
    assert_eq!(again.code, 4, "{again:?}");
    ground.write_bare(&flag(11));
    ground.converges();
}

#[test]
fn a_service_that_somebody_stopped_or_broke_by_hand_is_mended_first() {
    let Some(ground) = Ground::deployed(&plain(2)) else { return };
    let (first, second) = (ground.lab.machine(0), ground.lab.machine(1));
    second.output(&["systemctl", "disable", "--now", UNIT]);
    let ran = ground.apply(&[]);
    assert_says(line_of(&ran.stdout, first), &["nothing to do"]);
    assert_says(line_of(&ran.stdout, second), &["done", "1 unit enabled", "1 service started"]);
    ground.is_whole();

    // The second master's service keeps failing, so the change goes there first.
    let break_it = format!(
        "sed -i s/--v=2/--no-such-flag/ {UNIT_FILE} && systemctl daemon-reload && systemctl restart {UNIT}"
    );
    second.output(&["sh", "-c", &break_it]);
    super::until("it fails", Duration::from_secs(10), || !second.serves());
    ground.change(1);
    let watcher = Watcher::start(&ground.lab);
    let ran = ground.apply(&[]);
    assert!(ran.stderr.find("k8s-master-02: done") < ran.stderr.find("k8s-master-01: done"));
    assert_eq!(watcher.end().most_down, 1);
    ground.converges();
}
