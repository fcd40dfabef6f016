//! Tests of a master's lock: only one kcm holds it, and never one that has ended.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use kcm::transport::{
    Batch, Connections, LockClaim, LockError, LockGuard, OpenSsh, ShellTransport, Transport,
};
use kcm_tests::lab::{LabCluster, Machine, Variant};

use super::{
    assert_says, master, master_with, never_ran, on, probe, processes_with, settings, stdout_of,
    until_async,
};

/// Shared lab, with a machine for every test except the one that loses connections.
static LAB: LazyLock<Option<LabCluster>> =
    LazyLock::new(|| LabCluster::up(&vec![Variant::new(); 4]));

fn claim(owner: &str) -> LockClaim {
    LockClaim { owner: owner.to_owned() }
}

async fn take(master: &ShellTransport<OpenSsh>, owner: &str) -> Box<dyn LockGuard> {
    master.lock(&claim(owner)).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the time until a held lock is free.
async fn until_free(master: &ShellTransport<OpenSsh>) -> Duration {
    let start = Instant::now();
    loop {
        match master.lock(&claim("the next")).await {
            Ok(_) => return start.elapsed(),
            Err(LockError::Held { .. }) => {
                assert!(start.elapsed() < Duration::from_secs(30), "it is never free");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn who_comes_second_is_told_who_came_first_and_when() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(0);
    let (first, second) = (master(machine), master(machine));
    on(&first, async {
        let owner = "o'neil \"$HOME\" on %s é 集, process 7";
        let held = take(&first, owner).await;
        let error = second.lock(&claim("the second")).await.unwrap_err();
        let LockError::Held { holder, .. } = &error else { panic!("{error:?}") };
        let (who, since) = holder.split_once(", since 2").unwrap();
        assert_eq!(who, owner);
        assert!(since.len() == 22 && since.ends_with(" UTC"), "{holder}");
        assert_says(&error.to_string(), &["k8s-master-01", owner]);
        assert_eq!(error.help(), Some("wait until that process ends"));
        // The holder continues to work, and other runs may observe.
        assert_eq!(stdout_of(&first, &["id", "-un"]).await, "root");
        drop(held);
        let again = take(&second, "the second").await;
        // A second attempt reports the new holder.
        let error = first.lock(&claim(owner)).await.unwrap_err();
        assert_says(&error.to_string(), &["the second, since 2"]);
        drop(again);
        second.close().await;
    });
}

#[test]
fn of_many_who_claim_it_at_once_one_has_it() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(1);
    let masters: Vec<_> = (0..4).map(|_| master(machine)).collect();
    on(&Arc::clone(&masters[0]), async {
        for master in &masters {
            stdout_of(master, &["rm", "-rf", "/run/kcm/lock"]).await;
        }
        for _ in 0..2 {
            let (a, b, c, d) = (claim("a"), claim("b"), claim("c"), claim("d"));
            let results = tokio::join!(
                masters[0].lock(&a),
                masters[1].lock(&b),
                masters[2].lock(&c),
                masters[3].lock(&d)
            );
            let results = [results.0, results.1, results.2, results.3];
            let winner = results.iter().position(Result::is_ok).unwrap();
            for (index, result) in results.iter().enumerate().filter(|(index, _)| *index != winner)
            {
                let Err(LockError::Held { holder, .. }) = result else {
                    panic!("{index} and {winner}: {result:?}")
                };
                let winner = ["a", "b", "c", "d"][winner];
                assert!(holder.starts_with(&format!("{winner}, since ")), "{winner}: {holder}");
            }
        }
        for master in &masters {
            master.close().await;
        }
    });
}

#[test]
fn it_is_held_as_long_as_somebody_wants_it_and_free_at_once_after() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(2);
    let (first, second) = (master(machine), master(machine));
    on(&first, async {
        let held = take(&first, "first").await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(matches!(second.lock(&claim("x")).await, Err(LockError::Held { .. })));
        drop(held);
        let waited = until_free(&second).await;
        assert!(waited < Duration::from_secs(30), "{waited:?}");

        // A closed master keeps the connection while a lock is held.
        let held = take(&first, "first").await;
        first.close().await;
        assert!(matches!(second.lock(&claim("x")).await, Err(LockError::Held { .. })));
        drop(held);
        let waited = until_free(&second).await;
        assert!(waited < Duration::from_secs(30), "{waited:?}");
        second.close().await;
    });
}

#[test]
fn the_holder_writes_signs_of_life() {
    let Some(lab) = &*LAB else { return };
    let machine = lab.machine(3);
    let master = master(machine);
    on(&master, async {
        let _held = take(&master, "first").await;
        // A separate `head` process reads each heartbeat, so a new process shows that one has
        // arrived.
        let reader = || machine.processes("head").first().copied();
        until_async("it reads", || reader().is_some()).await;
        let first = reader();
        until_async("it has heard a sign of life", || {
            reader().is_some_and(|now| Some(now) != first)
        })
        .await;
        assert!(matches!(master.lock(&claim("x")).await, Err(LockError::Held { .. })));
    });
}

#[test]
fn the_lock_of_a_kcm_that_is_gone_is_free() {
    let Some(lab) = LabCluster::up(&[Variant::new()]) else { return };
    let machine: &Machine = lab.machine(0);
    // A dropped runtime closes everything, as a process does when it ends.
    let held = {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let master = master(machine);
        runtime.block_on(async { take(&master, "gone").await })
    };
    let next = master(machine);
    on(&next, async {
        let waited = until_free(&next).await;
        assert!(waited < Duration::from_secs(30), "{waited:?}");
        drop(held);

        // The test kills the ssh processes of the holder.
        let gone = master_with(machine, settings(machine), &Connections::new());
        let _held = take(&gone, "gone").await;
        let address = machine.address().to_string();
        let ours = || processes_with(&format!(" {address} "));
        until_async("two are left", || ours().len() == 2).await;
        let ours = ours();
        let newest = ours.iter().map(|(process, _)| *process).max().unwrap();
        let pid = rustix::process::Pid::from_raw(newest.try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        let waited = until_free(&next).await;
        assert!(waited < Duration::from_secs(30), "{waited:?}");
        next.close().await;

        // sshd loses the connection of the holder.
        let gone = master(machine);
        let _held = take(&gone, "gone").await;
        machine.drop_connections();
        let waited = until_free(&next).await;
        assert!(waited < Duration::from_secs(30), "{waited:?}");
    });
}

#[test]
fn an_sshd_that_takes_too_few_commands_at_once_is_named() {
    let Some(lab) = LabCluster::up(&[Variant::new().sshd("MaxSessions 1")]) else { return };
    let master = master(lab.machine(0));
    on(&master, async {
        let _held = take(&master, "first").await;
        let call = master.call(&Batch::new(vec![probe(&[])])).await;
        assert_says(&never_ran(call), &["accepts no more sessions", "MaxSessions 10"]);
    });
}
