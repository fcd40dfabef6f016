//! Tests of drills on fake masters: the stopped leader, its successor, and the restored state.

mod refused;
mod released;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use kcm::drill::DrillExtent;
use kcm::event::{DrillMethod, DrillStep};
use kcm::kube::Scripted;
use kcm::transport::Activity;
use kcm::transport::fake::{Behaviour, Fake, Power};
use kcm::{
    Cluster, DrillReport, DrillRequest, Error, Event, EventSink, Fleet, Interrupt, Network, Run,
};
use kcm_tests::Workspace;
use time::OffsetDateTime;

use crate::fake::masters::FakeCluster;
use crate::model::enumerated::election::Election;
use crate::offline::schemas::assert_value_is_valid;

const UNIT: &str = "kube-controller-manager.service";

/// Event sink that passes each drill step to a closure.
struct Listener<F>(F);

impl<F: Fn(&DrillStep) + Send + Sync> EventSink for Listener<F> {
    fn event(&self, event: &Event) {
        if let Event::Drilled { step } = event {
            (self.0)(step);
        }
    }
}

/// Running masters, of which the first leads.
struct Stage {
    masters: FakeCluster,
    election: Arc<Election>,
    /// True while candidates continue to ask for the Lease.
    is_asked_for: AtomicBool,
    interrupt: Interrupt,
}

fn request(method: DrillMethod, extent: DrillExtent) -> DrillRequest {
    DrillRequest { method, extent, even_the_last: false, probe: None }
}

fn is_up(fake: &Fake) -> bool {
    fake.inspect(|state| {
        state.catch_up();
        matches!(state.activity(&UNIT.parse().unwrap()), Activity::Active { .. })
    })
}

impl Stage {
    async fn set() -> Self {
        let masters = FakeCluster::furnished(Workspace::new());
        assert!(masters.apply().await.unwrap().is_done());
        let election = Election::begin(&masters.fakes, 0);
        let (is_asked_for, interrupt) = (AtomicBool::new(true), Interrupt::new());
        Self { masters, election, is_asked_for, interrupt }
    }

    fn cluster(&self) -> Cluster {
        let workspace = &self.masters.workspace;
        Cluster::parse(&workspace.read("kcm.yaml"), &workspace.file("kcm.yaml")).unwrap()
    }

    async fn drill_on(
        &self,
        network: Network,
        request: &DrillRequest,
        events: &dyn EventSink,
    ) -> Result<DrillReport, Error> {
        let cluster = self.cluster();
        let mut fakes = self.masters.fakes.iter();
        let fleet = Fleet::new(&cluster, network, |_| Arc::new(fakes.next().unwrap().clone()));
        let fleet = fleet.with_control_plane(Arc::new(self.election.leases.clone()));
        let now = OffsetDateTime::now_utc();
        let run = Run::new(&cluster, &fleet, now, events, &self.interrupt);
        let beats = async {
            loop {
                tokio::time::sleep(Duration::from_millis(500)).await;
                if self.is_asked_for.load(Ordering::Relaxed) {
                    self.election.look();
                }
            }
        };
        tokio::select! {
            drilled = kcm::drill(run, request) => drilled,
            () = beats => unreachable!(),
        }
    }

    async fn drill(&self, request: &DrillRequest) -> DrillReport {
        let report = self.drill_on(Network::Allowed, request, &kcm::Silent).await.unwrap();
        assert_value_is_valid("DrillReport", &report);
        report
    }

    /// Runs a drill like [`Stage::drill`], with a callback for every step.
    async fn drill_heard(
        &self,
        request: &DrillRequest,
        hear: impl Fn(&DrillStep) + Send + Sync,
    ) -> DrillReport {
        let report = self.drill_on(Network::Allowed, request, &Listener(hear)).await.unwrap();
        assert_value_is_valid("DrillReport", &report);
        report
    }

    /// Counts the largest number of services that are down at once from now on.
    fn count_down(&self) -> Arc<AtomicUsize> {
        let most = Arc::new(AtomicUsize::new(0));
        for (place, fake) in self.masters.fakes.iter().enumerate() {
            let all = self.masters.fakes.clone();
            let most = Arc::clone(&most);
            fake.inspect(|state| {
                state.observer = Some(Box::new(move |state, _| {
                    let unit = UNIT.parse().unwrap();
                    let own = !matches!(state.activity(&unit), Activity::Active { .. });
                    let others = all.iter().enumerate().filter(|(other, _)| *other != place);
                    let others = others.filter(|(_, fake)| !is_up(fake)).count();
                    most.fetch_max(others + usize::from(own), Ordering::Relaxed);
                }));
            });
        }
        most
    }

    /// Asserts that all services run, and that no timer and no lock is left.
    fn is_whole(&self) {
        for fake in &self.masters.fakes {
            assert!(is_up(fake), "{fake:?}");
            fake.inspect(|state| {
                assert!(!state.is_armed(&UNIT.parse().unwrap()), "{}", state.name);
                assert_eq!(state.lock, None, "{}", state.name);
            });
        }
    }
}

fn takers(report: &DrillReport) -> Vec<&str> {
    report.successions.iter().map(|it| it.to.as_deref().unwrap_or("nobody")).collect()
}

#[tokio::test(start_paused = true)]
async fn each_takes_over_once_in_as_many_successions_as_there_are_masters_and_one_is_down_at_a_time()
 {
    for method in [DrillMethod::Stop, DrillMethod::Kill] {
        let stage = Stage::set().await;
        let most_down = stage.count_down();
        let report = stage.drill(&request(method, DrillExtent::All)).await;
        assert!(report.is_passed(), "{report:#?}");
        assert_eq!(report.leader, "k8s-master-01");
        let mut takers = takers(&report);
        assert_eq!(takers.len(), 3, "{report:#?}");
        let last = &report.successions[2];
        // One candidate had already led, so kcm restarted it to let the other one lead.
        assert_eq!(last.held_back.len(), 1, "{last:?}");
        assert!(last.held_back[0] != last.from && Some(&last.held_back[0]) != last.to.as_ref());
        takers.sort_unstable();
        assert_eq!(takers, ["k8s-master-01", "k8s-master-02", "k8s-master-03"]);
        assert_eq!(most_down.load(Ordering::Relaxed), 1);
        for succession in &report.successions {
            let gap = succession.gap_milliseconds.unwrap();
            assert!((15_000..24_500).contains(&gap), "{succession:?}");
            let back = succession.back_milliseconds.unwrap() - succession.ended_milliseconds;
            // systemd waits for 5 s; kcm waits until the service cannot overtake another candidate.
            let least = if method == DrillMethod::Kill { 4900 } else { 9000 };
            assert!((least..12_000).contains(&back), "{succession:?}");
        }
        stage.is_whole();
        stage.election.evaluate().unwrap();
        assert!(report.timeline.blind_milliseconds < 100, "{:?}", report.timeline);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handover_frees_the_lease_of_the_ended_leader_alone_and_somebody_leads_within_a_second() {
    let stage = Stage::set().await;
    let report = stage.drill(&request(DrillMethod::Handover, DrillExtent::Once)).await;
    assert!(report.is_passed(), "{report:#?}");
    let succession = &report.successions[0];
    assert!(succession.gap_milliseconds.unwrap() < 1000, "{succession:?}");
    assert_eq!((succession.promise_milliseconds, &succession.left), (None, &None));
    assert_eq!(stage.election.leases.writes().len(), 1);
    stage.is_whole();
    stage.election.evaluate().unwrap();

    // If each master must lead once, no stopped service starts before another master leads.
    let stage = Stage::set().await;
    let report = stage.drill(&request(DrillMethod::Handover, DrillExtent::All)).await;
    assert!(report.successions.iter().all(|it| it.to.as_ref() != Some(&it.from)), "{report:#?}");
    assert!(report.successions.iter().all(|it| it.gap_milliseconds.unwrap() < 6000));
    stage.is_whole();
    stage.election.evaluate().unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_never_gets_the_lead_is_named_after_so_many_tries() {
    // Once the Lease is free, the first two masters take it from each other.
    let stage = Stage::set().await;
    let report = stage.drill(&request(DrillMethod::Handover, DrillExtent::All)).await;
    assert!(!report.is_passed());
    assert_eq!(report.successions.len(), 12);
    let trouble = report.trouble.as_deref().unwrap();
    assert!(
        trouble.contains("after 12 failovers") && trouble.contains("k8s-master-03"),
        "{trouble}"
    );
    stage.is_whole();
}

#[tokio::test(start_paused = true)]
async fn if_nobody_takes_over_the_master_runs_again_long_before_that_is_certain() {
    let stage = Stage::set().await;
    let report = stage
        .drill_heard(&request(DrillMethod::Stop, DrillExtent::All), |step| {
            if matches!(step, DrillStep::Ends { .. }) {
                stage.is_asked_for.store(false, Ordering::Relaxed);
            }
        })
        .await;
    assert!(!report.is_passed() && report.is_put_back(), "{report:#?}");
    let [succession] = &report.successions[..] else { panic!("{report:#?}") };
    assert_eq!((&succession.to, succession.gap_milliseconds), (&None, None));
    assert!(succession.back_milliseconds.unwrap() - succession.ended_milliseconds < 12_000);
    let trouble = report.trouble.as_deref().unwrap();
    assert!(trouble.contains("no process took over from k8s-master-01"), "{trouble}");
    stage.is_whole();
    assert!(report.to_svg().contains("no process took over"));
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_lost_in_the_gap_is_not_taken_for_nobody_who_leads() {
    let stage = Stage::set().await;
    let report = stage
        .drill_heard(&request(DrillMethod::Stop, DrillExtent::All), |step| {
            if matches!(step, DrillStep::Ended { .. }) {
                let lost = std::iter::repeat_n(Scripted::Fails(503), 300_000);
                stage.election.leases.script(lost);
            }
        })
        .await;
    let trouble = report.trouble.as_deref().unwrap();
    assert!(
        trouble.contains("cannot determine") && !trouble.contains("no process took"),
        "{trouble}"
    );
    assert!(report.is_put_back() && !report.is_passed());
    assert!(report.timeline.blind_milliseconds > 5000, "{:?}", report.timeline);
    stage.is_whole();
}

#[tokio::test(start_paused = true)]
async fn whoever_is_asked_to_stop_in_the_gap_starts_the_master_at_once() {
    let stage = Stage::set().await;
    let begun = tokio::time::Instant::now();
    let report = stage
        .drill_heard(&request(DrillMethod::Stop, DrillExtent::All), |step| {
            if matches!(step, DrillStep::Ended { .. }) {
                stage.interrupt.ask();
            }
        })
        .await;
    assert!(report.is_interrupted && report.is_put_back() && !report.is_passed(), "{report:#?}");
    assert_eq!(report.trouble, None);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    stage.is_whole();
}

#[tokio::test(start_paused = true)]
async fn a_master_that_does_not_run_again_is_named_with_the_command_that_starts_it() {
    let stage = Stage::set().await;
    let leader = stage.masters.fakes[0].clone();
    let report = stage
        .drill_heard(&request(DrillMethod::Stop, DrillExtent::All), |step| {
            if matches!(step, DrillStep::Ends { .. }) {
                let dies = |_: &mut dyn kcm::files::FileSystem| Behaviour::Dies("no".to_owned());
                leader.inspect(|state| state.expect_services(dies));
            }
        })
        .await;
    assert_eq!(report.successions.len(), 1, "nobody else is ended: {report:#?}");
    let [down] = &report.not_put_back[..] else { panic!("{report:#?}") };
    assert_eq!(down.master, "k8s-master-01");
    assert_eq!(down.start, format!("systemctl start {UNIT}"));
    assert!(down.why.contains("does not stay active"), "{down:?}");
    assert!(report.trouble.is_some() && !report.is_passed());
}

#[tokio::test(start_paused = true)]
async fn a_master_that_is_lost_in_the_gap_is_named_and_its_timer_starts_it() {
    let stage = Stage::set().await;
    let leader = stage.masters.fakes[0].clone();
    let report = stage
        .drill_heard(&request(DrillMethod::Stop, DrillExtent::Once), |step| match step {
            DrillStep::Ended { .. } => leader.inspect(|state| {
                assert!(state.is_armed(&UNIT.parse().unwrap()));
                // The service continues to run, but its master is unreachable.
                state.power = Power::Off;
            }),
            DrillStep::Led { .. } => leader.inspect(|state| state.power = Power::On),
            _ => {}
        })
        .await;
    // The timer restarted the service while its master was unreachable.
    assert!(report.is_put_back(), "{report:#?}");
    assert_eq!(takers(&report), ["k8s-master-02"]);
    assert!(is_up(&leader));
}

#[tokio::test(start_paused = true)]
async fn a_kcm_that_is_gone_in_the_gap_leaves_nobody_down_for_more_than_20_s() {
    for method in [DrillMethod::Stop, DrillMethod::Kill, DrillMethod::Handover] {
        let stage = Stage::set().await;
        let cut = AtomicBool::new(false);
        let listener = Listener(|step: &DrillStep| {
            cut.fetch_or(matches!(step, DrillStep::Ended { .. }), Ordering::Relaxed);
        });
        let request = request(method, DrillExtent::All);
        tokio::select! {
            biased;
            _ = stage.drill_on(Network::Allowed, &request, &listener) => panic!("it went on"),
            () = async {
                while !cut.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            } => {}
        }
        stage.election.pass(Duration::from_secs(21)).await;
        for fake in &stage.masters.fakes {
            assert!(is_up(fake), "{method:?}: {fake:?}");
        }
        stage.election.pass(Duration::from_secs(25)).await;
        stage.election.evaluate().unwrap();
    }
}
