//! Snapshots of serialised values of the library on fake masters: plans, outcomes, errors and
//! status.

mod lead;

use std::fmt::Write as _;
use std::sync::Arc;

use kcm::files::{FileErrorKind, RemotePath};
use kcm::transport::fake::{Behaviour, Fault, FaultKind, FaultPoint, Power, When};
use kcm::{Error, Fleet, From, Interrupt, Outcome, Renewal, Run, Silent};
use kcm_tests::Workspace;
use serde::Serialize;

use super::normal::normal;
use crate::fake::masters::{FakeCluster, run};
use crate::offline::schemas::assert_value_is_valid;

const UNIT: &str = "/etc/systemd/system/kube-controller-manager.service";

/// Flag with which the service starts but is not healthy.
const UNHEALTHY: &str = "--v=9";

/// Fake masters, and a record of plans and outcomes.
struct Values {
    masters: FakeCluster,
    text: String,
}

impl Values {
    fn new(workspace: Workspace) -> Self {
        let masters = FakeCluster::furnished(workspace);
        for fake in &masters.fakes {
            fake.inspect(|state| {
                state.expect_services(|files| {
                    let unit = files.read(&RemotePath::new(UNIT).unwrap()).unwrap_or_default();
                    if String::from_utf8_lossy(&unit).contains(UNHEALTHY) {
                        Behaviour::Unhealthy
                    } else {
                        Behaviour::Healthy
                    }
                });
            });
        }
        Self { masters, text: String::new() }
    }

    fn set_flag(&self, value: u32) {
        let text = self.masters.workspace.read("kcm.yaml");
        let (head, _) = text.split_once("controllerManager:").unwrap_or((&text, ""));
        let flags = format!("{head}controllerManager: {{flags: {{v: {value}}}}}\n");
        self.masters.workspace.write("kcm.yaml", flags);
    }

    fn add(&mut self, what: &str, value: &impl Serialize) {
        let json = serde_json::to_string_pretty(value).unwrap();
        writeln!(self.text, "# {what}\n{json}\n").unwrap();
    }

    /// Adds a value that is a document, and validates it.
    fn document(&mut self, what: &str, kind: &str, value: &impl Serialize) {
        assert_value_is_valid(kind, value);
        self.add(what, value);
    }

    async fn plan(&mut self, what: &str) {
        match self.masters.plan().await {
            Ok(prepared) => self.document(what, "Plan", &prepared.plan),
            Err(error) => self.error(what, &error),
        }
    }

    async fn apply(&mut self, what: &str) {
        let applied = self.masters.apply().await;
        self.outcome(what, applied);
    }

    /// Runs a verb other than `plan` and `apply`.
    async fn run(&mut self, what: &str, verb: impl AsyncFnOnce(Run<'_>) -> Result<Outcome, Error>) {
        let (cluster, interrupt) = (self.masters.cluster(), Interrupt::new());
        let fleet: Fleet = self.masters.fleet(&cluster, |fake| Arc::new(fake));
        let done = verb(run(&cluster, &fleet, &Silent, &interrupt)).await;
        self.outcome(what, done);
    }

    async fn status(&mut self, what: &str) {
        let status = self.masters.status().await;
        self.document(what, "Status", &status);
    }

    fn outcome(&mut self, what: &str, done: Result<Outcome, Error>) {
        match done {
            Ok(outcome) => self.document(what, "Outcome", &outcome),
            Err(error) => self.error(what, &error),
        }
    }

    fn error(&mut self, what: &str, error: &Error) {
        writeln!(self.text, "# {what}\n{error}").unwrap();
        self.document(&format!("{what}, for programs"), "Error", &error.document());
    }

    fn assert_matches(&self, name: &str) {
        super::assert_matches(name, &normal(&self.text, Some(self.masters.workspace.path())));
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment() {
    let mut values = Values::new(Workspace::one_master());
    values.plan("plan").await;
    values.apply("outcome").await;
    values.plan("plan afterwards").await;
    values.apply("outcome of a second apply").await;
    values.assert_matches("values-first-deployment");
}

#[tokio::test(start_paused = true)]
async fn program_and_ca_are_brought() {
    let workspace = Workspace::one_master();
    workspace.bring_everything();
    let mut values = Values::new(workspace);
    values.masters.fakes = vec![kcm::transport::fake::Fake::new("k8s-master-01")];
    values.plan("plan").await;
    values.apply("outcome").await;
    values.assert_matches("values-brought-files");
}

#[tokio::test(start_paused = true)]
async fn one_changed_flag() {
    let mut values = Values::new(Workspace::new());
    values.masters.apply().await.unwrap();
    values.set_flag(4);
    values.plan("plan").await;
    values.apply("outcome").await;
    values.assert_matches("values-one-changed-flag");
}

#[tokio::test(start_paused = true)]
async fn one_master_that_is_not_healthy_afterwards_gets_back_what_it_had() {
    let mut values = Values::new(Workspace::new());
    values.masters.apply().await.unwrap();
    values.set_flag(9);
    values.apply("outcome").await;
    values.set_flag(2);
    values.plan("plan once the flag is right").await;
    values.apply("outcome once the flag is right").await;
    values.assert_matches("values-rolled-back");
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_that_is_not_healthy() {
    let mut values = Values::new(Workspace::one_master());
    values.set_flag(9);
    values.apply("outcome").await;
    values.plan("plan afterwards").await;
    values.assert_matches("values-first-fails");
}

/// Faults of the first master: the number of the failing effect since the beginning of a change,
/// and the kind of fault.
const FAULTS: [(usize, FaultKind); 8] = [
    (0, FaultKind::Fails(FileErrorKind::Other)),
    (0, FaultKind::PowersOff),
    (5, FaultKind::FillsDisk),
    (10, FaultKind::Fails(FileErrorKind::Other)),
    (15, FaultKind::LosesConnection),
    (20, FaultKind::Fails(FileErrorKind::Other)),
    (25, FaultKind::Fails(FileErrorKind::Other)),
    (30, FaultKind::Stops),
];

#[tokio::test(start_paused = true)]
async fn one_master_fails() {
    let mut all = Values::new(Workspace::new());
    for (effect, kind) in FAULTS {
        let values = Values::new(Workspace::new());
        values.masters.apply().await.unwrap();
        values.set_flag(4);
        values.masters.fakes[0].inspect(|state| {
            let at = FaultPoint::Effect { index: state.effects + effect, when: When::Before };
            state.faults.push(Fault { at, kind });
        });
        let what = format!("effect {effect}: {kind:?}");
        match values.masters.apply().await {
            Ok(outcome) => {
                // The planned steps are the same in all of them.
                let results: Vec<_> = outcome.masters.iter().map(|it| &it.result).collect();
                all.add(&what, &results);
            }
            Err(error) => all.error(&what, &error),
        }
    }
    all.assert_matches("values-one-fails");
}

#[tokio::test(start_paused = true)]
async fn masters_that_do_not_answer_or_are_locked() {
    let mut values = Values::new(Workspace::new());
    values.masters.fakes[1].inspect(|state| state.power = Power::Off);
    values.plan("plan where one is off").await;
    values.apply("apply where one is off").await;
    values.run("rollback where one is off", kcm::rollback).await;
    values.status("status where one is off").await;
    values.masters.fakes[1].inspect(|state| state.power = Power::On);
    values.masters.fakes[2].inspect(|state| state.lock = Some("somebody".to_owned()));
    values.apply("apply where one is locked").await;
    values.assert_matches("values-unreachable");
}

#[tokio::test(start_paused = true)]
async fn no_api_server_answers() {
    let mut values = Values::new(Workspace::one_master());
    values.masters.fakes[0].inspect(|state| state.set_api_server(false));
    values.apply("outcome").await;
    values.plan("plan afterwards").await;
    values.masters.fakes[0].inspect(|state| state.set_api_server(true));
    values.apply("outcome once it answers").await;
    values.assert_matches("values-no-api-server");
}

#[tokio::test(start_paused = true)]
async fn rollback_and_back_again() {
    let mut values = Values::new(Workspace::new());
    values.run("rollback before the first deployment", kcm::rollback).await;
    values.masters.apply().await.unwrap();
    values.set_flag(4);
    values.masters.apply().await.unwrap();
    values.run("rollback", kcm::rollback).await;
    values.run("rollback of the rollback", kcm::rollback).await;
    values.assert_matches("values-rollback");
}

#[tokio::test(start_paused = true)]
async fn renewal() {
    let mut values = Values::new(Workspace::one_master());
    let forced = Renewal { force: true, ..Renewal::default() };
    values
        .run("renewal before the first deployment", async |run| kcm::renew(run, forced).await)
        .await;
    values.masters.apply().await.unwrap();
    let due = Renewal::default();
    values.run("renewal with nothing due", async |run| kcm::renew(run, due).await).await;
    values.run("renewal that is asked for", async |run| kcm::renew(run, forced).await).await;
    let same_key = Renewal { same_key: true, ..forced };
    values.run("renewal with the same key", async |run| kcm::renew(run, same_key).await).await;
    values.assert_matches("values-renewal");
}

#[tokio::test(start_paused = true)]
async fn renewal_of_credentials_that_the_kubeconfig_names() {
    let workspace = Workspace::one_master();
    workspace.edit("masters:\n", "kubeconfig: {credentials: files}\nmasters:\n");
    let mut values = Values::new(workspace);
    values.masters.apply().await.unwrap();
    let forced = Renewal { force: true, ..Renewal::default() };
    values.run("renewal", async |run| kcm::renew(run, forced).await).await;
    values.plan("plan afterwards").await;
    values.assert_matches("values-renewal-named");
}

#[tokio::test(start_paused = true)]
async fn removal() {
    let mut values = Values::new(Workspace::new());
    values.masters.apply().await.unwrap();
    let one = From::These(vec!["k8s-master-02".to_owned()]);
    values.run("removal from one", async |run| kcm::remove(run, &one).await).await;
    values.run("removal from all", async |run| kcm::remove(run, &From::All).await).await;
    let all = async |mut run: Run<'_>| {
        run.consent.remove_last = true;
        kcm::remove(run, &From::All).await
    };
    values.run("removal from all, even the last", all).await;
    values
        .run("removal where nothing is left", async |run| kcm::remove(run, &From::All).await)
        .await;
    values.assert_matches("values-removal");
}

#[tokio::test(start_paused = true)]
async fn status_of_masters_that_run() {
    let mut values = Values::new(Workspace::new());
    values.masters.apply().await.unwrap();
    values.masters.fakes[1].inspect(|state| {
        state.end_service(&"kube-controller-manager.service".parse().unwrap(), "killed");
    });
    values.masters.fakes[2].inspect(|state| state.clock_offset = time::Duration::minutes(-6));
    values.status("status").await;
    values.assert_matches("values-status");
}
