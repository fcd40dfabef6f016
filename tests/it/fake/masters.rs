//! Fake masters of a workspace, and runs on them.

use std::sync::Arc;

use kcm::transport::Transport;
use kcm::transport::fake::Fake;
use kcm::{
    Cluster, Error, EventSink, Fleet, Interrupt, Network, Outcome, Prepared, Run, Silent, Step,
};
use kcm_tests::{Workspace, program};
use time::OffsetDateTime;

pub(crate) const BINARY: &str = "/opt/kubernetes/bin/kube-controller-manager";
pub(crate) const CA: &str = "/opt/kubernetes/pki/ca/cert/ca.pem";
pub(crate) const CA_KEY: &str = "/opt/kubernetes/pki/ca/cert/ca-key.pem";

/// A workspace and one fake for each of its masters.
pub(crate) struct FakeCluster {
    pub(crate) workspace: Workspace,
    pub(crate) fakes: Vec<Fake>,
}

impl FakeCluster {
    /// Returns bare machines.
    pub(crate) fn of(workspace: Workspace) -> Self {
        let cluster =
            Cluster::parse(&workspace.read("kcm.yaml"), &workspace.file("kcm.yaml")).unwrap();
        let fakes = cluster.masters.iter().map(|master| Fake::new(master.name.as_str())).collect();
        Self { workspace, fakes }
    }

    /// Returns machines on which an operator installed the program and the CA.
    pub(crate) fn furnished(workspace: Workspace) -> Self {
        let masters = Self::of(workspace);
        let (ca, key) = (
            masters.workspace.read("pki/ca/cert/ca.pem"),
            masters.workspace.read("pki/ca/cert/ca-key.pem"),
        );
        for fake in &masters.fakes {
            fake.inspect(|state| {
                state.put_file(BINARY, &program(500), 0o755);
                state.put_file(CA, ca.as_bytes(), 0o644);
                state.put_file(CA_KEY, key.as_bytes(), 0o600);
            });
        }
        masters
    }

    pub(crate) async fn plan(&self) -> Result<Prepared, Error> {
        let (cluster, interrupt) = (self.cluster(), Interrupt::new());
        let fleet = self.fleet(&cluster, |fake| Arc::new(fake));
        kcm::plan(run(&cluster, &fleet, &Silent, &interrupt)).await
    }

    pub(crate) async fn status(&self) -> kcm::Status {
        let (cluster, interrupt) = (self.cluster(), Interrupt::new());
        let fleet = self.fleet(&cluster, |fake| Arc::new(fake));
        kcm::status(run(&cluster, &fleet, &Silent, &interrupt)).await.unwrap()
    }

    pub(crate) async fn apply(&self) -> Result<Outcome, Error> {
        self.apply_through(|fake| Arc::new(fake), &Silent, &Interrupt::new()).await
    }

    /// Applies through the transports that `wrap` creates.
    pub(crate) async fn apply_through(
        &self,
        wrap: impl Fn(Fake) -> Arc<dyn Transport>,
        events: &dyn EventSink,
        interrupt: &Interrupt,
    ) -> Result<Outcome, Error> {
        let cluster = self.cluster();
        let fleet = self.fleet(&cluster, wrap);
        kcm::apply(run(&cluster, &fleet, events, interrupt)).await
    }

    /// Returns the planned steps of each master, in a short form.
    pub(crate) async fn steps(&self) -> Vec<Vec<String>> {
        let prepared = self.plan().await.unwrap();
        prepared
            .plan
            .masters
            .iter()
            .map(|master| master.steps.iter().map(short).collect())
            .collect()
    }

    /// Returns the number of effects on each master since its creation.
    pub(crate) fn effects(&self) -> Vec<usize> {
        self.fakes.iter().map(|fake| fake.inspect(|state| state.effects)).collect()
    }

    pub(crate) fn cluster(&self) -> Cluster {
        Cluster::parse(&self.workspace.read("kcm.yaml"), &self.workspace.file("kcm.yaml")).unwrap()
    }

    pub(crate) fn fleet(
        &self,
        cluster: &Cluster,
        wrap: impl Fn(Fake) -> Arc<dyn Transport>,
    ) -> Fleet {
        let mut fakes = self.fakes.iter();
        Fleet::new(cluster, Network::Forbidden, |_| wrap(fakes.next().unwrap().clone()))
    }
}

pub(crate) fn run<'a>(
    cluster: &'a Cluster,
    fleet: &'a Fleet,
    events: &'a dyn EventSink,
    interrupt: &'a Interrupt,
) -> Run<'a> {
    Run::new(cluster, fleet, OffsetDateTime::now_utc(), events, interrupt)
}

fn short(step: &Step) -> String {
    let step = serde_json::to_value(step).unwrap();
    match step["role"].as_str() {
        Some(role) => format!("{} {role}", step["step"].as_str().unwrap()),
        None => step["step"].as_str().unwrap().to_owned(),
    }
}
