//! Snapshots of values with a leader among the fake masters: forecasts, handovers and drills.

use std::sync::Arc;

use kcm::drill::DrillExtent;
use kcm::event::DrillMethod;
use kcm::{DrillRequest, Error, Fleet, Interrupt, Network, Outcome, Run, Silent};
use kcm_tests::Workspace;

use super::Values;
use crate::fake::masters::run;
use crate::model::enumerated::election::Election;

/// Running masters, of which the first leads.
struct Led {
    values: Values,
    election: Arc<Election>,
    network: Network,
}

impl Led {
    async fn new(network: Network) -> Self {
        let values = Values::new(Workspace::new());
        values.masters.apply().await.unwrap();
        let election = Election::begin(&values.masters.fakes, 0);
        Self { values, election, network }
    }

    /// Runs a verb while the services continue to ask for the Lease.
    async fn run<T>(&self, verb: impl AsyncFnOnce(Run<'_>) -> T) -> T {
        let (cluster, interrupt) = (self.values.masters.cluster(), Interrupt::new());
        let mut fakes = self.values.masters.fakes.iter();
        let fleet = Fleet::new(&cluster, self.network, |_| Arc::new(fakes.next().unwrap().clone()));
        let fleet = fleet.with_control_plane(Arc::new(self.election.leases.clone()));
        let beat = tokio::spawn(Arc::clone(&self.election).beat());
        let done = verb(run(&cluster, &fleet, &Silent, &interrupt)).await;
        beat.abort();
        done
    }

    /// Adds the results of a verb, and the changes of the leader.
    async fn ended(
        &mut self,
        what: &str,
        verb: impl AsyncFnOnce(Run<'_>) -> Result<Outcome, Error>,
    ) {
        match self.run(verb).await {
            Ok(outcome) => {
                let results: Vec<_> = outcome.masters.iter().map(|it| &it.result).collect();
                self.values.add(&format!("{what}: results"), &results);
                self.values.add(&format!("{what}: lead"), &outcome.leadership);
            }
            Err(error) => self.values.error(what, &error),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_lead_is_handed_over() {
    let mut led = Led::new(Network::Forbidden).await;
    led.values.set_flag(4);
    let forecast = led.run(kcm::plan).await.unwrap().plan.leader_changes;
    led.values.add("forecast of a changed flag", &forecast);
    led.ended("a changed flag", kcm::apply).await;
    led.values.set_flag(9);
    led.ended("a flag that is not healthy", kcm::apply).await;
    led.ended("rollback", kcm::rollback).await;
    led.values.assert_matches("values-handover");
}

#[tokio::test(start_paused = true)]
async fn drills() {
    let mut led = Led::new(Network::Allowed).await;
    for (method, extent) in [
        (DrillMethod::Stop, DrillExtent::Once),
        (DrillMethod::Kill, DrillExtent::Once),
        (DrillMethod::Handover, DrillExtent::Once),
    ] {
        let request = DrillRequest { method, extent, even_the_last: false, probe: None };
        let report = led.run(async |run| kcm::drill(run, &request).await).await.unwrap();
        let mut report = serde_json::to_value(&report).unwrap();
        report.as_object_mut().unwrap().remove("timeline");
        led.values.add(&format!("{method:?}, {extent:?}"), &report);
    }
    led.values.assert_matches("values-drill");
}
