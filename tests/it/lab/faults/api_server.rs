//! Tests of an API server that is down while kcm works.

use std::time::Duration;

use super::{Ground, assert_says, line_of, plain, until};

#[test]
fn without_an_api_server_all_is_put_in_place_unproven_and_healthy_by_itself_later() {
    let Some(ground) = Ground::deployed(&plain(3)) else { return };
    ground.plane.stop();
    ground.change(1);
    let ran = ground.apply(&[]);
    for machine in ground.lab.machines() {
        assert_says(
            line_of(&ran.stdout, machine),
            &[
                "applied, not verified",
                "was unavailable before the change",
                &ground.plane.address().to_string(),
            ],
        );
        assert!(machine.output(&["cat", super::UNIT_FILE]).contains("syncs=6"));
    }
    assert_says(
        &ran.stdout,
        &["Applied, not verified", "3 of them not verified as healthy", "apply again"],
    );

    // The API server is still down: a second apply is not an error either, and rolls no master
    // back.
    let again = ground.apply(&[]);
    assert_says(&again.stdout, &["3 of them not verified as healthy"]);

    ground.plane.resume();
    let is_up = || ground.lab.machines().iter().all(kcm_tests::lab::Machine::serves);
    let took = until("all serve by themselves", Duration::from_secs(20), is_up);
    println!("the API server is back: all serve after {took:?}");
    let invocations = |ground: &Ground| -> Vec<_> {
        let of = |it: &kcm_tests::lab::Machine| {
            it.output(&["systemctl", "show", "-P", "InvocationID", super::UNIT])
        };
        ground.lab.machines().iter().map(of).collect()
    };
    let before = invocations(&ground);
    let plan = ground.kcm(&["plan"]);
    assert_says(&plan.stdout, &["verify that kube-controller-manager is healthy"]);
    let proven = ground.converges();
    for machine in ground.lab.machines() {
        assert_says(line_of(&proven.stdout, machine), &["done: 1 service verified"]);
    }
    assert_eq!(invocations(&ground), before, "a proof restarts nothing");
}

#[test]
fn fresh_masters_without_an_api_server_are_furnished_unproven_and_healthy_by_themselves_later() {
    let Some(ground) = Ground::new(&plain(2)) else { return };
    ground.plane.stop();
    let ran = ground.apply(&[]);
    assert_says(&ran.stdout, &["2 of them not verified as healthy"]);
    ground.plane.resume();
    let is_up = || ground.lab.machines().iter().all(kcm_tests::lab::Machine::serves);
    until("all serve by themselves", Duration::from_secs(20), is_up);
    ground.converges();
}
