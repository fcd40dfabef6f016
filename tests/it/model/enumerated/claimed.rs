//! Tests of a master that reports another host name or a stopped service. kcm frees no Lease of a
//! running process, and no two running masters are down at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcm::transport::Activity;
use kcm::transport::fake::Fake;

use super::line::Caller;
use super::scenario::{Ended, SERVICE, Scenario, Verb};

/// The largest number of services that were down at once.
#[derive(Clone, Default)]
struct Downs(Arc<Mutex<(Vec<bool>, usize)>>);

impl Downs {
    fn watch(fakes: &[Fake]) -> Self {
        let downs = Self::default();
        downs.0.lock().unwrap().0 = vec![false; fakes.len()];
        for (place, fake) in fakes.iter().enumerate() {
            let seen = downs.clone();
            fake.inspect(|state| {
                state.observer = Some(Box::new(move |state, _| {
                    let is_up = matches!(
                        state.activity(&SERVICE.parse().unwrap()),
                        Activity::Active { .. }
                    );
                    let mut seen = seen.0.lock().unwrap();
                    seen.0[place] = !is_up;
                    let now = seen.0.iter().filter(|is_down| **is_down).count();
                    seen.1 = seen.1.max(now);
                }));
            });
        }
        downs
    }

    fn most(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

/// A false report of the first master.
enum Lie {
    /// Another host name.
    HostName(&'static str),
    /// A service that has ended.
    Down,
}

/// Runs a command while the second master leads and the first one reports `lie`. Returns how the
/// command ended.
async fn lied_to(scenario: &Scenario, lie: Lie) -> Ended {
    let fakes = scenario.fork();
    let election = scenario.election().unwrap();
    let mut masters: Vec<_> = fakes.iter().map(|fake| (fake.clone(), None)).collect();
    match lie {
        Lie::HostName(name) => fakes[0].inspect(|state| name.clone_into(&mut state.hostname)),
        Lie::Down => {
            let seen = fakes[0].fork();
            seen.inspect(|state| state.end_service(&SERVICE.parse().unwrap(), "killed"));
            masters[0].1 = Some(seen);
        }
    }
    let downs = Downs::watch(&fakes);
    let names = scenario.names();
    let mut places = 1..;
    masters.retain(|_| names.contains(&format!("k8s-master-0{}", places.next().unwrap())));
    let ended = scenario.run_seeing(Arc::new(Caller::default()), &masters, &scenario.verb).await;
    election.pass(Duration::from_secs(1)).await;
    election.evaluate().unwrap();
    assert!(downs.most() <= 1, "{} were down at once", downs.most());
    ended
}

#[tokio::test(start_paused = true)]
async fn the_host_name_of_the_leader_claimed_by_another_frees_nothing() {
    for scenario in [Scenario::rollback(3).await, Scenario::removal(3, vec!["k8s-master-01"]).await]
    {
        let scenario = scenario.led_by(1);
        let ended = lied_to(&scenario, Lie::HostName("k8s-master-02")).await;
        assert!(matches!(ended, Ended::CommandOutput(_)), "{ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_host_name_of_a_master_that_is_left_out_frees_nothing() {
    for lie in ["k8s-master-02", "k8s-master-02.example"] {
        let scenario = Scenario::rollback(3).await.led_by(1).without("k8s-master-02");
        let ended = lied_to(&scenario, Lie::HostName(lie)).await;
        assert!(matches!(ended, Ended::CommandOutput(_)), "{ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_master_that_claims_to_be_down_stops_no_second_one() {
    for scenario in [Scenario::flag_change(3).await, Scenario::rollback(3).await] {
        let scenario = scenario.led_by(1);
        lied_to(&scenario, Lie::Down).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_master_that_claims_the_leaders_name_is_refused_by_name() {
    let scenario = Scenario::flag_change(3).await.led_by(1);
    let ended = lied_to(&scenario, Lie::HostName("k8s-master-02")).await;
    let Ended::Refused(error) = ended else { panic!("{ended:?}") };
    let error = error.to_string();
    assert!(
        error.starts_with("error[hostname-duplicate]: k8s-master-01: the host name"),
        "{error}"
    );
    assert!(matches!(scenario.verb, Verb::Apply));
}
