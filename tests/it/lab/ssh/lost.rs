//! Tests of a connection that is lost during an exchange. The master finishes what it has begun,
//! and starts nothing with partial input.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kcm::files::{Bytes, Mode, Owner};
use kcm::transport::{
    Batch, Commit, OpenSsh, Operation, OperationError, Progress, ShellTransport, Stage, StagedFile,
    Transport, TransportError, UnitAction,
};
use kcm_tests::lab::{LabCluster, Machine, Variant};

use super::{
    Busy, assert_says, done, exec, master, never_ran, on, probe, reaches, remote, until,
    until_async, within,
};

const FILES: [&str; 3] = ["/opt/a/one", "/etc/kcm-two", "/opt/b/three"];

fn stage(content: &[u8]) -> Operation {
    let files = FILES.iter().map(|path| StagedFile {
        target: remote(path),
        content: Bytes::new(content),
        mode: Mode::from_bits(0o600),
        owner: Owner::ROOT,
    });
    Operation::Stage(Stage { files: files.collect(), kept: vec![] })
}

fn commit() -> Operation {
    let files = FILES.iter().map(|path| remote(path)).collect();
    Operation::Commit(Commit { files, ..Commit::default() })
}

fn exists(machine: &Machine, path: &str) -> bool {
    machine.run(&["test", "-e", path]).code == 0
}

fn is_staged(machine: &Machine) -> bool {
    ["/opt/a", "/etc", "/opt/b"].iter().any(|at| exists(machine, &format!("{at}/.kcm-stage")))
}

/// Starts a call, and drops the connection once `moment` is true.
async fn lose(
    master: &Arc<ShellTransport<OpenSsh>>,
    batch: Batch,
    machine: &Machine,
    moment: impl Fn() -> bool,
) -> TransportError {
    let call = Arc::clone(master);
    let call = tokio::spawn(async move { call.call(&batch).await });
    until_async("it is under way", moment).await;
    machine.drop_connections();
    call.await.unwrap().unwrap_err()
}

#[test]
fn what_has_begun_is_ended_and_the_caller_knows_that_it_does_not_know() {
    let Some(lab) = LabCluster::up(&[Variant::new()]) else { return };
    let machine = lab.machine(0);
    let master = master(machine);
    let wait = exec(&["sh", "-c", "touch /run/begun; sleep 1"], "");
    let last = exec(&["touch", "/run/ended"], "");
    let batch = Batch::new(vec![wait, stage(b"new"), commit(), last]);
    let error = on(&master, async {
        let error = lose(&master, batch, machine, || exists(machine, "/run/begun")).await;
        // The connection is lost, and kcm does not silently open another one.
        let next = never_ran(master.call(&Batch::new(vec![probe(&[])])).await);
        assert_says(&next, &["connection"]);
        error
    });
    assert!(matches!(error, TransportError::FateUnknown { .. }), "{error:?}");
    assert_says(
        &error.to_string(),
        &["k8s-master-01", "connection was lost", "run the same command again"],
    );
    until("the script has ended", || exists(machine, "/run/ended"));
    for path in FILES {
        assert_eq!(machine.output(&["cat", path]), "new");
    }
    assert!(!is_staged(machine));
    // The same command waits for the script that still runs.
    on(&master, reaches(&master, "root"));
}

#[test]
fn who_only_looked_has_done_nothing() {
    let Some(lab) = LabCluster::up(&[Variant::new()]) else { return };
    let machine = lab.machine(0);
    let master = master(machine);
    let _other = Busy::on(machine);
    let looks = Batch::new(vec![probe(&["/opt"])]);
    on(&master, async {
        let waits = || machine.processes("flock").len() == 1;
        let error = lose(&master, looks, machine, waits).await;
        assert!(matches!(error, TransportError::NeverRan { .. }), "{error:?}");
        assert_says(&error.to_string(), &["nothing was changed", "connection was lost"]);
    });
}

#[test]
fn who_finds_an_earlier_script_at_work_is_told_so() {
    let Some(lab) = LabCluster::up(&[Variant::new()]) else { return };
    let machine = lab.machine(0);
    let master = master(machine);
    let _other = Busy::on(machine);
    on(&master, async {
        let (looks, changes) = tokio::join!(
            async { master.call(&within(4, vec![probe(&["/opt"])])).await.unwrap() },
            async { master.call(&within(4, vec![stage(b"x")])).await.unwrap() },
        );
        for replies in [looks, changes] {
            let failed = replies.failed.unwrap();
            assert_eq!((failed.index, &failed.error), (0, &OperationError::Busy));
        }
    });
    assert!(!is_staged(machine));
}

/// Returns a batch, and a function that reports whether a part of its bytes has been sent.
fn half_sent(operations: Vec<Operation>) -> (Batch, impl Fn() -> bool) {
    let half = Arc::new(AtomicBool::new(false));
    let reached = Arc::clone(&half);
    let progress = Progress::new(move |sent| {
        if sent.bytes > sent.of / 3 {
            reached.store(true, Ordering::Relaxed);
            // This delays the rest.
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let batch = Batch { progress: Some(progress), ..within(60, operations) };
    (batch, move || half.load(Ordering::Relaxed))
}

#[test]
fn half_of_the_bytes_are_as_good_as_none() {
    let Some(lab) = LabCluster::up(&[Variant::new()]) else { return };
    let machine = lab.machine(0);
    let master = master(machine);
    let big = vec![b'x'; 24 << 20];
    let content: Vec<(&str, Vec<Operation>)> = vec![
        (
            "a staged file",
            vec![stage(&big[..8 << 20]), commit(), exec(&["touch", "/run/went-on"], "")],
        ),
        // A shell would run the first half of a script.
        (
            "a program's input",
            vec![exec(&["sh", "-c", "touch /run/went-on; cat >/run/input"], big)],
        ),
    ];
    for (name, operations) in content {
        let (batch, is_half) = half_sent(operations);
        on(&master, async {
            let error = lose(&master, batch, machine, is_half).await;
            assert!(matches!(error, TransportError::FateUnknown { .. }), "{name}: {error:?}");
            // The next exchange waits for the script.
            master.close().await;
            done(&master, vec![exec(&["true"], "")]).await;
        });
        assert!(!exists(machine, "/run/went-on"), "{name}");
        assert!(!is_staged(machine) && !exists(machine, "/opt/a"), "{name}");
    }
}

#[test]
fn sshd_may_stop_while_it_is_not_needed() {
    let unit = "[Service]\nExecStart=/bin/sleep 1000\n";
    let path = "/etc/systemd/system/kube-controller-manager.service";
    let Some(lab) = LabCluster::up(&[Variant::new().file(path, unit, 0o644)]) else { return };
    let machine = lab.machine(0);
    let open = master(machine);
    on(&open, async {
        reaches(&open, "root").await;
        machine.stop_sshd();
        let restart = Operation::Unit(UnitAction::Restart { unit: super::unit() });
        done(&open, vec![restart]).await;
    });
    let late = master(machine);
    assert_says(&super::refusal(&late), &["refused", "check that sshd runs"]);
    machine.start_sshd();
    on(&late, reaches(&late, "root"));
}
