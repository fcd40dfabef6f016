//! Tests of the conditions under which kcm refuses a drill.

use std::sync::atomic::Ordering;

use kcm::drill::DrillExtent;
use kcm::event::DrillMethod;
use kcm::transport::fake::Behaviour;
use kcm::{DrillRequest, Error, FindingCode, Network, PreflightError};

use super::{Stage, UNIT, is_up, request, takers};

fn code(error: &Error) -> FindingCode {
    match error {
        Error::Preflight(PreflightError::Findings { findings }) => findings[0].code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_drilled_is_refused_before_anything_changes() {
    let once = request(DrillMethod::Stop, DrillExtent::Once);
    let stage = Stage::set().await;
    let refused = stage.drill_on(Network::Forbidden, &once, &kcm::Silent).await.unwrap_err();
    assert!(refused.is_usage() && refused.to_string().contains("--root"), "{refused}");

    let refused = async |spoil: &dyn Fn(&Stage)| {
        let stage = Stage::set().await;
        spoil(&stage);
        let effects = stage.masters.effects();
        let refused = stage.drill_on(Network::Allowed, &once, &kcm::Silent).await.unwrap_err();
        assert_eq!(stage.masters.effects(), effects, "{refused}");
        (code(&refused), refused.to_string())
    };
    let unit: kcm_systemd::UnitName = UNIT.parse().unwrap();
    let end = |stage: &Stage, place: usize| {
        stage.masters.fakes[place].inspect(|state| {
            state.expect_services(|_| Behaviour::Dies("no".to_owned()));
            state.end_service(&unit, "no");
        });
    };
    let (code, text) = refused(&|stage| (1..3).for_each(|place| end(stage, place))).await;
    assert_eq!(code, FindingCode::LastHealthy);
    assert!(
        text.contains("k8s-master-01 is the only healthy master")
            && text.contains("--even-the-last"),
        "{text}"
    );
    let (code, _) = refused(&|stage| (0..3).for_each(|place| end(stage, place))).await;
    assert_eq!(code, FindingCode::LastHealthy);
    // Two masters are healthy, and the stopped third one still holds the Lease.
    let (code, text) = refused(&|stage| end(stage, 0)).await;
    assert_eq!(code, FindingCode::Unhealthy, "{text}");
    let (code, text) = refused(&|stage| {
        stage.is_asked_for.store(false, Ordering::Relaxed);
        let mut lease = stage.election.leases.spec().unwrap();
        lease["holderIdentity"] = "old-master_1".into();
        lease["renewTime"] = "2126-01-01T00:00:00.000000Z".into();
        stage.election.leases.put(&lease);
    })
    .await;
    assert_eq!(code, FindingCode::LeaderUnmanaged, "{text}");
    let (code, text) = refused(&|stage| stage.is_asked_for.store(false, Ordering::Relaxed)).await;
    assert_eq!(code, FindingCode::NoLeader, "{text}");
    assert!(text.contains("does not renew"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_last_that_is_healthy_is_ended_only_if_that_is_asked_for_and_leads_again() {
    let stage = Stage::set().await;
    let unit: kcm_systemd::UnitName = UNIT.parse().unwrap();
    for fake in &stage.masters.fakes[1..] {
        fake.inspect(|state| {
            state.expect_services(|_| Behaviour::Dies("no".to_owned()));
            state.end_service(&unit, "no");
        });
    }
    let once = request(DrillMethod::Stop, DrillExtent::Once);
    let report = stage.drill(&DrillRequest { even_the_last: true, ..once }).await;
    assert_eq!(takers(&report), ["k8s-master-01"], "{report:#?}");
    let succession = &report.successions[0];
    assert!(succession.back_milliseconds.unwrap() - succession.ended_milliseconds < 1000);
    assert!(report.is_passed(), "{report:#?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_at_work_keeps_the_drill_out() {
    let stage = Stage::set().await;
    stage.masters.fakes[1].inspect(|state| state.lock = Some("somebody".to_owned()));
    let once = request(DrillMethod::Stop, DrillExtent::Once);
    let refused = stage.drill_on(Network::Allowed, &once, &kcm::Silent).await.unwrap_err();
    assert!(refused.to_string().contains("somebody"), "{refused}");
    assert!(stage.masters.fakes.iter().all(is_up));
}
