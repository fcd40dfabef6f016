//! Tests of the leader election.

use kcm_tests::control_plane::{Client, Recorded};

use super::*;

/// Exit code of a process that SIGTERM ended.
const DIED_OF_SIGTERM: i32 = 128 + 15;

fn free(plane: &ControlPlane) {
    // The role of kube-controller-manager permits only an update, under its own identity.
    let own = plane.client(Some(&plane.authority().controller_manager()));
    until("the Lease is freed", PATIENCE, || {
        let mut lease = own.get(Client::LEASE).ok();
        lease["spec"]["holderIdentity"] = json!("");
        lease["spec"]["leaseDurationSeconds"] = json!(1);
        own.update(Client::LEASE, &lease).code == 200
    });
}

#[test]
fn one_of_two_leads_and_the_other_takes_over_when_it_is_killed() {
    let plane = control_plane();
    let (one, two) = (Candidate::new(&plane), Candidate::new(&plane));
    let one = one.start();
    let first = leader(&plane);
    let mut two = two.start();
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let (host, uuid) = first.rsplit_once('_').unwrap();
    assert_eq!((host, uuid.len()), (hostname.trim(), 36), "{first}");
    let admin = plane.admin();
    let lease = admin.lease().unwrap();
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 15);
    assert_eq!(lease["spec"]["leaseTransitions"], 0);
    // The leader renews the Lease, and the standby does not acquire it.
    let renewed = &lease["spec"]["renewTime"];
    until("it is renewed", PATIENCE, || admin.lease().unwrap()["spec"]["renewTime"] != *renewed);
    sleep(Duration::from_secs(1));
    assert_eq!(admin.holder().unwrap(), first);

    let killed = Instant::now();
    one.kill();
    until("the other leads", Duration::from_secs(30), || admin.holder().unwrap() != first);
    let gap = killed.elapsed();
    println!("taken over {gap:?} after SIGKILL");
    // The last renewal may precede the end by a retry period.
    assert!(gap > Duration::from_secs(11), "{gap:?}");
    assert_eq!(admin.lease().unwrap()["spec"]["leaseTransitions"], 1);
    assert_eq!(two.code(), None);
}

#[test]
fn a_freed_lease_is_taken_by_who_asks_and_who_starts_asks_at_once() {
    let plane = control_plane();
    let candidates = [Candidate::new(&plane), Candidate::new(&plane)];
    let admin = plane.admin();
    let old = candidates[0].start();
    let first = leader(&plane);
    let standby = candidates[1].start();
    // By then the standby has asked, and waits for its next attempt.
    sleep(Duration::from_secs(1));
    assert_eq!(admin.holder().as_ref(), Some(&first));

    // SIGTERM ends the leader, which keeps the Lease.
    let start = Instant::now();
    assert_eq!(old.terminate(), Some(DIED_OF_SIGTERM));
    println!("stopped in {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(admin.holder().as_ref(), Some(&first));

    free(&plane);
    let gap = until("the standby takes it", PATIENCE, || admin.holder().is_some());
    println!("a standby took the freed Lease after {gap:?}");
    assert!(gap < Duration::from_secs(14), "{gap:?}");
    let second = admin.holder().unwrap();
    assert_ne!(second, first);
    assert_eq!(admin.lease().unwrap()["spec"]["leaseDurationSeconds"], 15);

    assert_eq!(standby.terminate(), Some(DIED_OF_SIGTERM));
    free(&plane);
    let mut again = candidates[0].start();
    let gap = until("who starts takes it", PATIENCE, || admin.holder().is_some());
    println!("a starting process took the freed Lease after {gap:?}");
    assert!(gap < Duration::from_secs(14), "{gap:?}");
    assert!(![first, second].contains(&admin.holder().unwrap()));
    assert_eq!(again.code(), None);
}

#[test]
fn who_loses_the_lease_ends_with_an_error() {
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let mut process = candidate.start();
    leader(&plane);
    let admin = plane.admin();
    until("somebody else has it", PATIENCE, || {
        let mut lease = admin.lease().unwrap();
        lease["spec"]["holderIdentity"] = json!("somebody_else");
        lease["spec"]["leaseDurationSeconds"] = json!(3600);
        admin.update(Client::LEASE, &lease).code == 200
    });
    let start = Instant::now();
    assert_eq!(process.wait(Duration::from_secs(30)), Some(1), "{}", process.log());
    println!("gave up after {:?}", start.elapsed());
    assert!(start.elapsed() > Duration::from_secs(7));
    assert!(process.log().contains("leaderelection lost"), "{}", process.log());
    assert_eq!(admin.holder().unwrap(), "somebody_else");
}

/// Returns the feature gate with which a leader releases its Lease, if the version has it.
fn self_release(plane: &ControlPlane) -> Option<Vec<String>> {
    let gate = "--feature-gates=ControllerManagerReleaseLeaderElectionLockOnExit=true";
    (plane.admin().minor() >= 36).then(|| vec![gate.to_owned()])
}

#[test]
fn with_its_gate_on_a_leader_releases_the_lease_and_exits_0() {
    let plane = control_plane();
    let Some(gate) = self_release(&plane) else { return };
    let gate: Vec<&str> = gate.iter().map(String::as_str).collect();
    let candidates = [Candidate::new(&plane), Candidate::new(&plane)];
    let admin = plane.admin();
    let old = candidates[0].start_with(&gate);
    let first = leader(&plane);
    let before = admin.lease().unwrap()["spec"].clone();
    let reported = Instant::now();
    assert_eq!(old.terminate(), Some(0));
    println!("stopped in {:?}", reported.elapsed());
    let freed = admin.lease().unwrap()["spec"].clone();
    assert_eq!((&freed["holderIdentity"], &freed["leaseDurationSeconds"]), (&json!(""), &json!(1)));
    assert_eq!(freed["leaseTransitions"], before["leaseTransitions"]);
    assert!(freed["renewTime"].as_str() >= before["renewTime"].as_str(), "{before} {freed}");

    // A standby leads within a retry; a killed leader does not release the Lease.
    let second = candidates[0].start_with(&gate);
    let third = leader(&plane);
    assert_ne!(third, first);
    let _standby = candidates[1].start_with(&gate);
    sleep(Duration::from_secs(1));
    let reported = Instant::now();
    second.send_terminate();
    let is_other = || admin.holder().is_some_and(|holder| holder != third);
    until("the standby leads", PATIENCE, is_other);
    println!("with self-release the standby led {:?} after the signal", reported.elapsed());
    assert!(reported.elapsed() < Duration::from_secs(10), "{:?}", reported.elapsed());
    assert_eq!(second.terminate(), Some(0));
}

#[test]
fn with_the_gate_on_a_standby_exits_0_and_a_killed_leader_releases_nothing() {
    let plane = control_plane();
    let Some(gate) = self_release(&plane) else { return };
    let gate: Vec<&str> = gate.iter().map(String::as_str).collect();
    let candidates = [Candidate::new(&plane), Candidate::new(&plane)];
    let leading = candidates[0].start_with(&gate);
    let holder = leader(&plane);
    let standby = candidates[1].start_with(&gate);
    sleep(Duration::from_secs(1));
    assert_eq!(standby.terminate(), Some(0));
    assert_eq!(plane.admin().holder().as_ref(), Some(&holder));
    leading.kill();
    sleep(Duration::from_secs(1));
    assert_eq!(plane.admin().holder().unwrap(), holder);
}

#[test]
fn requests_for_the_lease_say_how_long_they_wait() {
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let _process = candidate.start();
    leader(&plane);
    let wanted = format!("{}?timeout=5s", Client::LEASE);
    until("a renewal is recorded", PATIENCE, || {
        plane.requests().iter().any(|it| it.verb == "update" && it.uri == wanted)
    });
    let requests = plane.requests();
    let agent = requests.iter().find(|it| it.uri == wanted).map(|it| it.user_agent.clone());
    let agent = agent.unwrap();
    assert!(
        agent.starts_with("kube-controller-manager/v1.") && agent.ends_with("/leader-election")
    );
}

#[test]
fn an_outage_shorter_than_the_renew_deadline_costs_nobody_the_lease() {
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let mut process = candidate.start();
    let holder = leader(&plane);
    plane.freeze(Duration::from_secs(2));
    let admin = plane.admin();
    let renewed = admin.lease().unwrap()["spec"]["renewTime"].clone();
    until("it is renewed", PATIENCE, || admin.lease().unwrap()["spec"]["renewTime"] != renewed);
    assert_eq!(admin.holder().unwrap(), holder);
    assert_eq!(process.code(), None);
}

#[test]
fn a_server_that_is_killed_comes_back_when_its_leader_has_ended() {
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let mut process = candidate.start();
    let holder = leader(&plane);
    plane.kill();
    let start = Instant::now();
    plane.resume();
    println!("the server is back after {:?}", start.elapsed());
    if start.elapsed() > Duration::from_secs(10) {
        let patience = Duration::from_secs(15);
        assert_eq!(process.wait(patience), Some(1), "{}", process.log());
        assert!(process.log().contains("leaderelection lost"), "{}", process.log());
    }
    // The leader could not release the Lease in any case.
    assert_eq!(plane.admin().holder().unwrap(), holder);
}

#[test]
fn only_the_right_user_campaigns() {
    let plane = control_plane();
    let unmanaged_leader =
        Candidate::with(&plane, &plane.authority().client("system:kube-scheduler-2", &[]));
    let log = unmanaged_leader.fails_with(&[]);
    assert!(log.contains("is forbidden: User"), "{log}");
    // With this flag it continues, but cannot acquire the Lease.
    let mut process =
        unmanaged_leader.start_with(&["--authentication-tolerate-lookup-failure=true"]);
    until("it was refused", PATIENCE, || {
        let is_refused =
            |request: &Recorded| request.code == 403 && request.path() == Client::LEASE;
        plane.requests().iter().any(is_refused)
    });
    assert_eq!((process.code(), plane.admin().lease()), (None, None));
    let others = Authority::new();
    let foreign = Candidate::with(&plane, &others.controller_manager());
    let log = foreign.fails_with(&[]);
    assert!(log.contains("Unauthorized") || log.contains("system:anonymous"), "{log}");
}
