//! Tests of the same cuts with a leader, whose Lease is handed over.

use std::time::Duration;

use kcm::rotate::ca::CaStage;
use kcm::rotate::service_account_key::TokenKeyStage;
use kcm::transport::fake::Fake;

use super::cut::{befall_every_request, cut_everywhere};
use super::scenario::{Ended, SERVICE, Scenario};

/// Runs the command without a fault: it writes the Lease once, and the leader changes `changes`
/// times.
async fn is_handed_over(scenario: &Scenario, changes: usize) {
    let fakes = scenario.fork();
    let ended = scenario.run(&fakes, &scenario.verb).await;
    let election = scenario.election().unwrap();
    let freed: Vec<_> = election.leases.writes();
    assert!(freed.len() == 1 && freed[0]["holderIdentity"] == "", "{freed:?}, {ended:?}");
    assert_eq!(election.seen().acquisitions, changes, "{ended:?}");
    election.evaluate().unwrap();
    let Ended::CommandOutput(outcome) = ended else { panic!("{ended:?}") };
    let reported: Vec<_> =
        outcome.leadership.iter().flat_map(|leadership| &leadership.changes).collect();
    assert_eq!(reported.len(), changes, "{reported:?}");
    assert!(
        reported.iter().all(|change| change.to.is_some() && change.left.is_none()),
        "{reported:?}"
    );
}

async fn cut_led(scenario: &Scenario, changes: usize) {
    is_handed_over(scenario, changes).await;
    cut_everywhere(scenario).await;
    befall_every_request(scenario).await;
}

/// Checks a first master that leads and therefore comes last.
#[tokio::test(start_paused = true)]
async fn a_change_of_the_leader_that_is_cut_leaves_somebody_who_leads() {
    for masters in [1, 3] {
        cut_led(&Scenario::flag_change(masters).await.led_by(0), 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_leader_who_comes_last_anyway_leaves_somebody_who_leads() {
    cut_led(&Scenario::flag_change(3).await.led_by(2), 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_renewal_of_the_leader_that_is_cut_leaves_somebody_who_leads() {
    for masters in [1, 3] {
        cut_led(&Scenario::renewal(masters).await.led_by(0), 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_of_the_leader_that_is_cut_leaves_somebody_who_leads() {
    for masters in [1, 3] {
        cut_led(&Scenario::rollback(masters).await.led_by(0), 1).await;
    }
}

/// Cuts a stage of a replacement of the CA. One master differs from two only in what both have.
async fn cut_ca_stage(stage: CaStage) {
    let scenario = Scenario::ca_stage(2, stage).await;
    is_handed_over(&scenario, 1).await;
    cut_everywhere(&scenario).await;
}

#[tokio::test(start_paused = true)]
async fn trust_in_the_next_ca_that_is_cut_is_completed_by_the_same_command() {
    cut_ca_stage(CaStage::Trust).await;
}

#[tokio::test(start_paused = true)]
async fn certificates_of_the_next_ca_that_are_cut_are_completed_by_the_same_command() {
    cut_ca_stage(CaStage::Issue).await;
}

#[tokio::test(start_paused = true)]
async fn the_drop_of_the_former_ca_that_is_cut_is_completed_by_the_same_command() {
    cut_ca_stage(CaStage::Drop).await;
}

async fn cut_token_key_stage(stage: TokenKeyStage) {
    let scenario = Scenario::token_key_stage(2, stage).await;
    if stage == TokenKeyStage::Switch {
        is_handed_over(&scenario, 1).await;
    }
    cut_everywhere(&scenario).await;
}

#[tokio::test(start_paused = true)]
async fn an_announced_token_key_that_is_cut_is_completed_by_the_same_command() {
    cut_token_key_stage(TokenKeyStage::Announce).await;
}

#[tokio::test(start_paused = true)]
async fn another_token_key_that_is_cut_is_completed_by_the_same_command() {
    cut_token_key_stage(TokenKeyStage::Switch).await;
}

#[tokio::test(start_paused = true)]
async fn a_removal_of_the_leader_that_is_cut_leaves_somebody_who_leads() {
    let of_the_leader = Scenario::removal(3, vec!["k8s-master-01"]).await.led_by(0);
    cut_led(&of_the_leader, 1).await;
    for masters in [1, 3] {
        cut_led(&Scenario::removal_of_all(masters).await.led_by(0), 0).await;
    }
}

/// Checks that the model detects the violations for which it exists.
#[tokio::test(start_paused = true)]
async fn it_sees_the_lease_of_a_process_freed_that_runs() {
    let scenario = Scenario::flag_change(3).await.led_by(0);
    let fakes = scenario.fork();
    let election = scenario.election().unwrap();
    let freed = serde_json::json!({ "holderIdentity": "" });
    election.is_written(&serde_json::json!({ "holderIdentity": "somebody" }));
    election.evaluate().unwrap();
    end(&fakes[0]);
    election.is_written(&freed);
    election.evaluate().unwrap();

    scenario.fork();
    let election = scenario.election().unwrap();
    election.is_written(&freed);
    assert!(election.evaluate().unwrap_err().contains("which runs"));
}

#[tokio::test(start_paused = true)]
async fn it_sees_that_nobody_leads_for_too_long() {
    let scenario = Scenario::flag_change(3).await.led_by(0);
    let fakes = scenario.fork();
    let election = scenario.election().unwrap();
    end(&fakes[0]);
    election.pass(Duration::from_secs(25)).await;
    election.evaluate().unwrap();
    assert_eq!(election.seen().acquisitions, 1, "another has taken over");

    let fakes = scenario.fork();
    let election = scenario.election().unwrap();
    // The candidates that have waited long enough end, and one service always runs.
    for (fakes, then) in [(&fakes[..1], 18_000), (&fakes[1..], 5_700), (&fakes[..1], 14_000)] {
        fakes.iter().for_each(end);
        election.pass(Duration::from_millis(then)).await;
    }
    assert!(election.evaluate().unwrap_err().contains("nobody led for"));
}

fn end(fake: &Fake) {
    fake.inspect(|state| state.end_service(&SERVICE.parse().unwrap(), "killed"));
}
