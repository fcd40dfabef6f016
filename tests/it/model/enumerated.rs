//! Tests that interrupt a command in every way at every moment. The masters are never worse off,
//! and the same command run again finishes.

mod asked;
mod changed;
mod checker;
mod claimed;
mod cut;
pub(crate) mod election;
mod evaluate;
mod handover;
mod line;
mod mutants;
mod scenario;
mod second;
mod uncut;

use cut::{cut_everywhere, cut_master};
use scenario::Scenario;

/// Folder of the operator's pair.
const PAIR: &str = "pki/kube-controller-manager/cert";

/// Numbers of masters: of three, one is first, one is in the middle, and one is last.
const SIZES: [usize; 2] = [1, 3];

#[tokio::test(start_paused = true)]
async fn a_first_deployment_that_is_cut_is_finished_by_the_next() {
    for masters in SIZES {
        cut_everywhere(&Scenario::first_deployment(masters).await).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_flags_that_is_cut_is_finished_by_the_next() {
    for masters in SIZES {
        cut_everywhere(&Scenario::flag_change(masters).await).await;
    }
}

/// More masters differ only in the numbers before and after the interrupted one.
#[tokio::test(start_paused = true)]
async fn of_five_the_one_in_the_middle_is_cut_like_that_of_three() {
    cut_master(&Scenario::flag_change(5).await, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_cut_is_finished_by_the_next() {
    for masters in SIZES {
        cut_everywhere(&Scenario::renewal(masters).await).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_of_a_named_file_restarts_nothing_and_is_always_one_pair() {
    for masters in [1, 2] {
        let scenario = Scenario::renewal_of_a_named_file(masters).await;
        let uncut = uncut::Uncut::of(&scenario).await;
        let effects: Vec<_> = uncut.effects.iter().flatten().collect();
        assert!(effects.iter().any(|effect| effect.contains("-current.pem")), "{effects:?}");
        let restarts =
            |effect: &&&String| effect.starts_with("restart") || effect.starts_with("stop");
        assert_eq!(effects.iter().find(restarts), None);
        cut_everywhere(&scenario).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_is_cut_never_leaves_two_generations() {
    for masters in SIZES {
        cut_everywhere(&Scenario::rollback(masters).await).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_is_cut_is_finished_by_the_next() {
    for masters in SIZES {
        cut_everywhere(&Scenario::removal_of_all(masters).await).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_of_what_was_never_proven_never_leaves_two_generations() {
    for masters in SIZES {
        cut_everywhere(&Scenario::rollback_of_the_unproven(masters).await).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_cut_can_be_taken_back_everywhere() {
    for masters in SIZES {
        cut_everywhere(&Scenario::flag_change_that_is_taken_back(masters).await).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_is_cut_can_be_taken_back_everywhere() {
    for masters in SIZES {
        cut_everywhere(&Scenario::rollback_that_is_taken_back(masters).await).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_dies_with_a_change_gets_back_what_it_had() {
    for masters in SIZES {
        cut_everywhere(&Scenario::deadly_flag(masters).await).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_never_healthy_with_a_change_gets_back_what_it_had() {
    for masters in SIZES {
        cut_everywhere(&Scenario::unhealthy_flag(masters).await).await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_api_server_answers_nothing_is_proven_and_all_is_there() {
    for masters in SIZES {
        cut_everywhere(&Scenario::without_api_server(masters).await).await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_kcm_one_is_refused_or_finds_the_other_out() {
    let mut times = 0;
    for masters in [1, 3] {
        for scenario in [
            Scenario::first_deployment(masters).await,
            Scenario::flag_change(masters).await,
            Scenario::renewal(masters).await,
            Scenario::rollback(masters).await,
            Scenario::removal_of_all(masters).await,
        ] {
            times += second::at_every_exchange(&scenario).await;
            times += second::after_every_effect(&scenario).await;
        }
    }
    println!("a second kcm, {times} times");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_changes_after_the_plan_is_not_replaced() {
    for scenario in [
        Scenario::flag_change(3).await,
        Scenario::renewal(3).await,
        Scenario::rollback(3).await,
        Scenario::removal_of_all(3).await,
    ] {
        changed::before_every_commit(&scenario, None).await.unwrap();
    }
}
