//! Tests with real candidates, or with their stand-ins.

use std::fs;
use std::thread::sleep;
use std::time::Instant;

use kcm::kube::Via;
use kcm::kube::handover::{Handover, Reason, free_lease};

use super::*;
use crate::lab::api::{client, control_plane};
use crate::lab::standin::{Candidate, leader};

#[test]
fn a_leader_that_is_stopped_freed_and_started_again_leaves_a_gap_of_less_than_a_retry() {
    let plane = control_plane();
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let hostname = hostname.trim();
    let candidate = Candidate::new(&plane);
    let started = OffsetDateTime::now_utc();
    let leading = candidate.start();
    let first = leader(&plane);
    let ca = plane.authority();
    run(async {
        let own = client(&plane.server(), ca, &ca.controller_manager(), Via::Direct).await;
        let before = own.lease().await.unwrap().unwrap();
        // The Lease of a running process is never freed: it was renewed after the reported end.
        let lied = EndedProcess { hostname, started, gone: started, ..process() };
        let left = free_lease(&own, Some(&before), &lied, PATIENCE).await.unwrap();
        assert!(matches!(left, Handover::Left(Reason::RenewedAfter { .. })), "{left:?}");
        // A Lease that was acquired before the reported start is not freed either.
        let gone = OffsetDateTime::now_utc();
        let lied = EndedProcess { hostname, started: gone, gone, ..process() };
        let left = free_lease(&own, Some(&before), &lied, PATIENCE).await.unwrap();
        assert!(matches!(left, Handover::Left(Reason::AcquiredBefore { .. })), "{left:?}");
        assert_eq!(plane.admin().holder().as_ref(), Some(&first));

        let stopped = Instant::now();
        assert_eq!(leading.terminate(), Some(128 + 15));
        let gone = OffsetDateTime::now_utc();
        let ended = EndedProcess { hostname, started, gone, ..process() };
        let handover = free_lease(&own, Some(&before), &ended, PATIENCE).await.unwrap();
        let freed = stopped.elapsed();
        assert_eq!(handover, Handover::Freed);
        let mut again = candidate.start();
        while plane.admin().holder().is_none() {
            assert!(stopped.elapsed() < Duration::from_secs(20), "{}", again.log());
            sleep(Duration::from_millis(5));
        }
        println!("stopped and freed after {freed:?}, led again after {:?}", stopped.elapsed());
        assert_ne!(plane.admin().holder().unwrap(), first);
        assert!(stopped.elapsed() < Duration::from_secs(10), "{:?}", stopped.elapsed());
        assert_eq!(again.code(), None);
        // A late second attempt finds the successor as the leader.
        let left = free_lease(&own, Some(&before), &ended, PATIENCE).await.unwrap();
        assert!(matches!(left, Handover::Left(Reason::Changed { .. })), "{left:?}");
    });
}
