//! Tests of `rollback`, `remove`, and the selection of masters, on real systems.

use std::fs;

use kcm_tests::lab::{Machine, Watcher};

use super::{CA, CA_KEY, Ground, PROGRAM, UNIT, UNIT_FILE, assert_says, leftovers, line_of, plain};

fn unit(machine: &Machine) -> String {
    machine.output(&["cat", UNIT_FILE])
}

#[test]
fn a_rollback_brings_back_what_was_and_a_second_one_undoes_it() {
    let Some(ground) = Ground::deployed(&plain(2)) else { return };
    let (first, second) = (ground.lab.machine(0), ground.lab.machine(1));
    let none = ground.kcm(&["rollback"]);
    assert_eq!(none.code, 1, "{none:?}");
    assert_says(&none.stderr, &["[no-earlier-generation]", first.name(), second.name()]);
    let old = unit(first);
    ground.change(1);
    ground.apply(&[]);
    let new = unit(first);
    assert_ne!(old, new);

    let watcher = Watcher::start(&ground.lab);
    let back = ground.kcm(&["rollback"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert_says(
        &back.stderr,
        &[first.name(), "will restore the generation that was replaced at 2"],
    );
    assert_says(line_of(&back.stdout, first), &["done: 1 file restored, 1 service started"]);
    assert_eq!(unit(first), old);
    assert_says(&ground.kcm(&["plan"]).stdout, &["2 masters to change"]);

    let again = ground.kcm(&["rollback", "--master", first.name()]);
    assert_eq!(again.code, 0, "{again:?}");
    assert_says(line_of(&again.stdout, second), &["skipped"]);
    assert_eq!(unit(first), new, "the second undoes the first");
    assert!(!unit(second).contains("deployment-syncs=6"));
    assert_eq!(watcher.end().most_down, 1);
    ground.converges();
}

#[test]
fn remove_leaves_the_last_healthy_one_and_what_kcm_did_not_place() {
    let Some(ground) = Ground::deployed(&plain(2)) else { return };
    let (first, second) = (ground.lab.machine(0), ground.lab.machine(1));
    let others = "/opt/kubernetes/bin/kube-scheduler";
    fs::write(first.file(others), "another's").unwrap();
    let watcher = Watcher::start(&ground.lab);
    let ran = ground.kcm(&["remove", "--yes", "--master", first.name()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_says(line_of(&ran.stdout, second), &["nothing to do"]);
    assert!(!first.serves());
    let is_active = first.run(&["systemctl", "is-active", UNIT]);
    assert_ne!(is_active.code, 0);
    assert_eq!(first.output(&["sh", "-c", "systemctl list-unit-files kube* --no-legend; :"]), "");
    for path in [
        UNIT_FILE,
        PROGRAM,
        "/etc/systemd/system/multi-user.target.wants/kube-controller-manager.service",
        "/opt/kubernetes/kubeconfig",
        "/opt/kubernetes/pki/kube-controller-manager",
        "/opt/kubernetes/.kcm",
    ] {
        assert!(fs::symlink_metadata(first.file(path)).is_err(), "{path}");
    }
    for path in [CA, CA_KEY, others] {
        assert!(first.file(path).exists(), "{path}");
    }
    assert_eq!(leftovers(first), "");

    let all: [&[&str]; 2] =
        [&["remove", "--yes", "--master", second.name()], &["remove", "--yes", "--all"]];
    for arguments in all {
        let refused = ground.kcm(arguments);
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
        assert_says(&refused.stderr, &[second.name(), "--even-the-last", "[last-healthy]"]);
        assert!(second.serves());
    }
    let seen = watcher.end();
    assert_eq!(seen.most_down, 1, "{seen:?}");
    let ran = ground.kcm(&["remove", "--yes", "--all", "--even-the-last"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!second.serves() && second.file(CA_KEY).exists());
    for machine in [first, second] {
        ground.bring_program(machine, PROGRAM);
    }
    ground.converges();
}

#[test]
fn who_takes_part_is_chosen_and_who_does_not_is_named() {
    let Some(ground) = Ground::deployed(&plain(3)) else { return };
    let [first, second, third] = ground.lab.machines() else { panic!() };
    ground.change(1);
    let old = unit(second);
    let ran = ground.apply(&["--master", first.name()]);
    assert_says(line_of(&ran.stdout, first), &["done: 1 file written, 1 service started"]);
    for machine in [second, third] {
        assert_says(line_of(&ran.stdout, machine), &["skipped"]);
    }
    assert!(unit(first) != old && unit(third).contains("--v=2"));

    second.power_off();
    let ran = ground.kcm(&["apply"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    let skip = format!("--skip {}", second.name());
    assert_says(&ran.stderr, &["1 of 3 masters", &skip, "no master has changed"]);
    let ran = ground.apply(&["--skip", second.name()]);
    assert_says(line_of(&ran.stdout, first), &["nothing to do"]);
    assert_says(line_of(&ran.stdout, second), &["skipped"]);
    assert_says(line_of(&ran.stdout, third), &["done"]);
    second.power_on();
    ground.converges();
    for wrong in [&["apply", "--skip", "nobody"][..], &["apply", "--master", "nobody"]] {
        let ran = ground.kcm(wrong);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert_says(&ran.stderr, &["nobody"]);
    }
}
