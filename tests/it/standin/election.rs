//! The campaign for the Lease.

use kcm_tests::control_plane::{Client, Recorded};

use super::*;

fn free(plane: &ControlPlane) {
    // Under kube-controller-manager's own identity, as an update: that is all its role allows.
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
    // It renews, and only one does.
    let renewed = &lease["spec"]["renewTime"];
    until("it is renewed", PATIENCE, || admin.lease().unwrap()["spec"]["renewTime"] != *renewed);
    sleep(Duration::from_secs(1));
    assert_eq!(admin.holder().unwrap(), first);

    let killed = Instant::now();
    one.kill();
    until("the other leads", Duration::from_secs(30), || admin.holder().unwrap() != first);
    let gap = killed.elapsed();
    println!("taken over {gap:?} after SIGKILL");
    // The last renewal may have been a retry period before the end.
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
    // Long enough for it to have asked, and to wait until it asks again.
    sleep(Duration::from_secs(1));
    assert_eq!(admin.holder().as_ref(), Some(&first));

    // Stopped in order it says so, and keeps the Lease.
    let start = Instant::now();
    assert_eq!(old.terminate(), Some(0));
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

    assert_eq!(standby.terminate(), Some(0));
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

#[test]
fn a_server_that_comes_back_in_time_costs_nobody_the_lease() {
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let mut process = candidate.start();
    let holder = leader(&plane);
    plane.kill();
    sleep(Duration::from_secs(2));
    plane.resume();
    let admin = plane.admin();
    let renewed = admin.lease().unwrap()["spec"]["renewTime"].clone();
    until("it is renewed", PATIENCE, || admin.lease().unwrap()["spec"]["renewTime"] != renewed);
    assert_eq!(admin.holder().unwrap(), holder);
    assert_eq!(process.code(), None);
}

#[test]
fn only_the_right_user_campaigns() {
    let plane = control_plane();
    let stranger =
        Candidate::with(&plane, &plane.authority().client("system:kube-scheduler-2", &[]));
    let log = stranger.fails_with(&[]);
    assert!(log.contains("is forbidden: User"), "{log}");
    // Told to go on, it asks for the Lease in vain.
    let mut process = stranger.start_with(&["--authentication-tolerate-lookup-failure=true"]);
    until("it was refused", PATIENCE, || {
        let is_refused = |request: &Recorded| request.code == 403 && request.uri == Client::LEASE;
        plane.requests().iter().any(is_refused)
    });
    assert_eq!((process.code(), plane.admin().lease()), (None, None));
    let others = Authority::new();
    let foreign = Candidate::with(&plane, &others.controller_manager());
    let log = foreign.fails_with(&[]);
    assert!(log.contains("Unauthorized") || log.contains("system:anonymous"), "{log}");
}
