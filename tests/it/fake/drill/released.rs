//! Tests of drills with leaders that release their Lease when they are stopped (KEP-5366).

use std::sync::atomic::Ordering;
use std::time::Duration;

use kcm::DrillReport;
use kcm::drill::{DrillExtent, EndOfLeadership};
use kcm::event::{DrillMethod, DrillStep};

use super::{Stage, request, takers};

/// Runs a drill with leaders that release their Lease before their process ends.
async fn drill(stage: &Stage, method: DrillMethod, extent: DrillExtent) -> DrillReport {
    let release = |step: &DrillStep| {
        if matches!(step, DrillStep::Ended { .. }) {
            stage.election.look();
        }
    };
    stage.drill_heard(&request(method, extent), release).await
}

async fn stage() -> Stage {
    let stage = Stage::set().await;
    stage.election.releases.store(true, Ordering::Relaxed);
    stage
}

#[tokio::test(start_paused = true)]
async fn a_graceful_stop_hands_over_at_once_and_promises_one_retry() {
    let stage = stage().await;
    let report = drill(&stage, DrillMethod::Stop, DrillExtent::Once).await;
    assert!(report.is_passed(), "{report:#?}");
    let succession = &report.successions[0];
    assert_eq!(succession.end, EndOfLeadership::Released);
    assert_eq!(succession.promise_milliseconds, Some(4400));
    // Candidates of this model ask as late as client-go allows, and the model advances twice a
    // second.
    assert!(succession.gap_milliseconds.unwrap() <= 5000, "{succession:?}");
    assert!(succession.to.is_some() && succession.to.as_ref() != Some(&succession.from));
    let back = succession.back_milliseconds.unwrap() - succession.ended_milliseconds;
    assert!(back < 6000, "a free Lease is not waited for: {succession:?}");
    assert_eq!((&succession.left, &succession.held_back[..]), (&None, &[][..]));
    assert_eq!(stage.election.leases.writes().len(), 0, "kcm writes nothing");
    assert!(report.to_svg().contains("released"));
    stage.is_whole();
    stage.election.evaluate().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_killed_leader_releases_nothing_and_keeps_the_long_promise() {
    let stage = stage().await;
    let report = drill(&stage, DrillMethod::Kill, DrillExtent::Once).await;
    let succession = &report.successions[0];
    assert_eq!(succession.end, EndOfLeadership::ProcessGone);
    assert!(succession.promise_milliseconds.unwrap() >= 23_800, "{succession:?}");
    assert!(succession.gap_milliseconds.unwrap() >= 15_000, "{succession:?}");
    stage.is_whole();
}

#[tokio::test(start_paused = true)]
async fn a_handover_welcomes_a_lease_that_is_free_already() {
    let stage = stage().await;
    let report = drill(&stage, DrillMethod::Handover, DrillExtent::Once).await;
    assert!(report.is_passed(), "{report:#?}");
    let succession = &report.successions[0];
    assert_eq!(succession.left, None);
    assert!(succession.gap_milliseconds.unwrap() < 1500, "{succession:?}");
    stage.is_whole();
    stage.election.evaluate().unwrap();
}

#[tokio::test(start_paused = true)]
async fn with_nobody_to_take_over_the_master_is_back_after_one_retry() {
    let stage = stage().await;
    let report = stage
        .drill_heard(&request(DrillMethod::Stop, DrillExtent::Once), |step| {
            if matches!(step, DrillStep::Ended { .. }) {
                // The leader releases its Lease, and no candidate asks for it.
                stage.election.look();
                stage.is_asked_for.store(false, Ordering::Relaxed);
            }
        })
        .await;
    let [succession] = &report.successions[..] else { panic!("{report:#?}") };
    let back = succession.back_milliseconds.unwrap() - succession.ended_milliseconds;
    assert!(Duration::from_millis(back) < Duration::from_secs(6), "{succession:?}");
    assert!(report.is_put_back());
}

#[tokio::test(start_paused = true)]
async fn all_is_drilled_with_self_release_and_no_gap_is_longer_than_promised() {
    let stage = stage().await;
    let report = drill(&stage, DrillMethod::Stop, DrillExtent::All).await;
    assert!(!takers(&report).is_empty());
    for succession in &report.successions {
        assert_eq!(succession.end, EndOfLeadership::Released, "{succession:?}");
        assert!(succession.is_as_promised(), "{succession:?}");
        assert_ne!(succession.to.as_ref(), Some(&succession.from));
    }
    stage.is_whole();
    stage.election.evaluate().unwrap();
}
