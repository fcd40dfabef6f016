//! Tests of a kcm that dies between the stop and the start of a service, and of two concurrent
//! runs.

use std::time::Duration;

use kcm::transport::{Batch, OpenSsh, Operation, Transport as _, UnitAction};
use kcm_tests::lab::{Machine, Watcher};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    CA, Ground, PROGRAM, UNIT, UNIT_FILE, assert_says, ended, leftovers, plain, together, until,
    until_said,
};

/// Longest time for which a service may be down because kcm died.
const PROMISE: Duration = Duration::from_secs(20);
/// Time that systemd and the program need for a start.
const START: Duration = Duration::from_secs(3);

/// Stops the service as a handover does, then drops the connection for good.
fn stop_and_vanish() {
    let Some(ground) = Ground::deployed(&plain(1)) else { return };
    let machine = ground.lab.machine(0);
    let config_file = Some(ground.lab.operator().join("ssh_config"));
    let ssh = kcm::cluster::Ssh { config_file, ..Default::default() };
    let address = machine.address().to_string().parse().unwrap();
    let shell = OpenSsh::new(address, ssh, &kcm::transport::Connections::default());
    let master = shell.into_transport(machine.name(), None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let watcher = Watcher::start(&ground.lab);
    runtime.block_on(async {
        let stop = UnitAction::Stop { unit: UNIT.parse().unwrap(), back_after: PROMISE };
        let replies = master.call(&Batch::new(vec![Operation::Unit(stop)])).await.unwrap();
        assert!(replies.failed.is_none(), "{replies:?}");
    });
    assert!(!machine.serves(), "it is stopped");
    Ground::ssh_killer(machine)();
    drop((master, runtime));
    until("it serves again", PROMISE + START, || machine.serves());
    let watched = watcher.end();
    println!("stopped by a kcm that vanished: down for {:?}", watched.longest());
    assert!(watched.longest() <= PROMISE + START, "{watched:?}");
    assert_eq!(leftovers(machine), "", "the timer is gone with its work");
    let ran = ground.kcm(&["apply"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ground.converges();
}

/// Makes the stop of the service take two seconds.
fn slow_to_stop(machine: &Machine) {
    let drop_in = "[Service]\nExecStop=/bin/sleep 2\n";
    let write = format!("mkdir -p {UNIT_FILE}.d && printf '{drop_in}' >{UNIT_FILE}.d/slow.conf");
    machine.output(&["sh", "-c", &write]);
    machine.output(&["systemctl", "daemon-reload"]);
}

fn is_stopping(machine: &Machine) -> bool {
    machine.run(&["systemctl", "is-active", UNIT]).stdout.trim() == "deactivating"
}

/// Processes that are killed while `kcm remove` waits for a service to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    /// kcm; the script that it sent to a follower finishes its work.
    KcmOfFollower,
    /// kcm, which would have freed the leader's Lease and sent the remaining operations.
    KcmOfLeader,
    /// kcm and all its processes on the master.
    Everybody,
}

fn remove_killed(gone: Gone) {
    let Some(ground) = Ground::deployed(&plain(2)) else { return };
    let holder = ground.plane.admin().holder().unwrap();
    let [first, second] = ground.lab.machines() else { panic!() };
    let first_leads = holder.starts_with(first.name());
    let machine = if first_leads == (gone == Gone::KcmOfLeader) { first } else { second };
    slow_to_stop(machine);
    let watcher = Watcher::start(&ground.lab);
    let remove = ["remove", "--yes", "--master", machine.name()];
    let kcm = ground.start(&remove);
    until("the service stops", Duration::from_secs(20), || is_stopping(machine));
    if gone == Gone::Everybody {
        for process in ["sh", "bash", "sudo", "timeout", "flock"] {
            for process in machine.processes(process) {
                let process = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
                // The process may have ended with the previous one.
                let _ = kill_process(process, Signal::KILL);
            }
        }
    }
    kcm.kill();
    if gone == Gone::KcmOfFollower {
        let is_gone = || !machine.file(UNIT_FILE).exists() && !machine.file(PROGRAM).exists();
        until("it is removed", Duration::from_secs(20), is_gone);
        let ran = ground.kcm(&remove);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.starts_with("Nothing to do"), "{ran:?}");
        assert_eq!(watcher.end().most_down, 1);
    } else {
        until("it is down", Duration::from_secs(10), || !machine.serves());
        until("it serves again", PROMISE + START, || machine.serves());
        let watched = watcher.end();
        println!("{gone:?} killed in a remove: down for {:?}", watched.longest());
        assert!(watched.longest() <= PROMISE + START, "{watched:?}");
        assert_eq!(watched.most_down, 1);
        let ran = ground.kcm(&remove);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    assert_eq!(leftovers(machine), "", "no timer starts what was removed");
    assert!(!machine.file(UNIT_FILE).exists() && machine.file(CA).exists());
    ground.bring_program(machine, PROGRAM);
    // The next apply deploys the master again, despite the drop-in of another user.
    let ran = ground.converges();
    assert_says(&ran.stderr, &["slow.conf", "[drop-in]"]);
}

#[test]
fn a_service_that_kcm_stopped_starts_again_even_if_kcm_is_gone() {
    together(vec![
        Box::new(stop_and_vanish),
        Box::new(|| remove_killed(Gone::KcmOfFollower)),
        Box::new(|| remove_killed(Gone::KcmOfLeader)),
        Box::new(|| remove_killed(Gone::Everybody)),
    ]);
}

#[test]
fn of_two_kcm_at_once_one_works_and_the_other_says_who() {
    let Some(ground) = Ground::deployed(&plain(2)) else { return };
    ground.change(1);
    let first = ground.start(&["apply"]);
    until_said(&first, "staged");
    let second = ground.kcm(&["apply"]);
    assert_eq!((second.code, second.stdout.as_str()), (1, ""), "{second:?}");
    let process = format!("kcm process {}", first.id());
    assert_says(
        &second.stderr,
        &[
            "k8s-master-01",
            "another kcm process holds the lock",
            &process,
            "since 2",
            "wait until that process ends",
        ],
    );
    assert_eq!(ended(first).0, 0);

    // Both start at the same moment, and one of them is first.
    ground.change(2);
    let both = [ground.start(&["apply"]), ground.start(&["apply"])];
    let mut codes = both.map(|kcm| ended(kcm).0);
    codes.sort_unstable();
    assert_eq!(codes, [0, 1]);
    ground.converges();
}
