//! Tests of the order of commits, of their content, and of rollbacks.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kcm::files::FileErrorKind;
use kcm::transport::fake::{Fake, Fault, FaultKind, FaultPoint, When};
use kcm::transport::{
    Batch, HttpsAnswer, HttpsError, HttpsQuestion, Journal, JournalError, JournalQuestion,
    LockClaim, LockError, LockGuard, Operation, Replies, Sent, Stream, StreamAddress, StreamError,
    Transport, TransportError,
};
use kcm::{Event, EventSink, Interrupt, MasterResult, Outcome, Silent};
use kcm_tests::{Workspace, program};
use tokio::sync::Barrier;

use crate::fake::masters::{BINARY, FakeCluster};

/// Function that receives each batch and its master's name before the batch runs.
type Hook = Arc<dyn Fn(&str, &Batch) + Send + Sync>;

/// A fake that passes each batch to a hook.
struct Tapped {
    fake: Fake,
    hook: Hook,
    /// Barrier at which commits wait for each other.
    meeting: Option<Arc<Barrier>>,
}

impl fmt::Debug for Tapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fake.fmt(f)
    }
}

#[async_trait]
impl Transport for Tapped {
    async fn call(&self, batch: &Batch) -> Result<Replies, TransportError> {
        let name = self.fake.inspect(|state| state.name.clone());
        (self.hook)(&name, batch);
        if let Some(meeting) = &self.meeting
            && commits(batch)
        {
            meeting.wait().await;
        }
        self.fake.call(batch).await
    }

    async fn open_stream(&self, address: &StreamAddress) -> Result<Box<dyn Stream>, StreamError> {
        self.fake.open_stream(address).await
    }

    async fn insecure_https(&self, question: &HttpsQuestion) -> Result<HttpsAnswer, HttpsError> {
        self.fake.insecure_https(question).await
    }

    async fn journal(&self, question: &JournalQuestion) -> Result<Box<dyn Journal>, JournalError> {
        self.fake.journal(question).await
    }

    async fn lock(&self, claim: &LockClaim) -> Result<Box<dyn LockGuard>, LockError> {
        self.fake.lock(claim).await
    }

    async fn close(&self) {
        self.fake.close().await;
    }
}

fn commits(batch: &Batch) -> bool {
    matches!(batch.operations[0], Operation::Commit(_))
}

/// Returns a hook with which the commit on the master of `fake` fails before it changes anything.
fn failing_at_commit(fake: &Fake) -> impl Fn(&str, &Batch) + Send + Sync + 'static {
    let fake = fake.clone();
    move |name, batch| {
        fake.inspect(|state| {
            if state.name == name && commits(batch) {
                let at = FaultPoint::Operation { index: state.operations, when: When::Before };
                let kind = FaultKind::Fails(FileErrorKind::Other);
                state.faults.push(Fault { at, kind });
            }
        });
    }
}

async fn apply_tapped(
    masters: &FakeCluster,
    meeting: Option<usize>,
    hook: impl Fn(&str, &Batch) + Send + Sync + 'static,
) -> Outcome {
    let (hook, meeting): (Hook, _) = (Arc::new(hook), meeting.map(|of| Arc::new(Barrier::new(of))));
    let wrap = |fake| -> Arc<dyn Transport> {
        Arc::new(Tapped { fake, hook: Arc::clone(&hook), meeting: meeting.clone() })
    };
    let interrupt = Interrupt::new();
    let applied = masters.apply_through(wrap, &Silent, &interrupt);
    tokio::time::timeout(Duration::from_secs(60), applied).await.unwrap().unwrap()
}

fn results(outcome: &Outcome) -> Vec<&MasterResult> {
    outcome.masters.iter().map(|master| &master.result).collect()
}

#[tokio::test(start_paused = true)]
async fn a_start_is_followed_by_the_proof_that_it_stays() {
    let masters = FakeCluster::furnished(Workspace::new());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    apply_tapped(&masters, None, move |_, batch| {
        if commits(batch) {
            let names: Vec<_> = batch.operations.iter().map(Operation::name).collect();
            let settle = batch.operations.last().cloned();
            log.lock().unwrap().push((names, settle, batch.deadline));
        }
    })
    .await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    for (names, settle, deadline) in &*seen {
        assert_eq!(*names, ["commit", "unit", "unit", "unit", "settle"]);
        let Some(Operation::Settle(settle)) = settle else { panic!("{settle:?}") };
        assert_eq!(settle.unit.as_str(), "kube-controller-manager.service");
        assert!(settle.period < Duration::from_secs(1), "the gate looks further");
        assert_eq!(*deadline, Batch::DEADLINE + settle.period + settle.listens);
    }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_runs_all_begin_at_once() {
    // Each commit waits until all three have begun.
    let masters = FakeCluster::furnished(Workspace::new());
    assert!(apply_tapped(&masters, Some(3), |_, _| {}).await.is_done());
}

#[tokio::test(start_paused = true)]
async fn where_something_runs_it_comes_last_one_after_the_other() {
    let masters = FakeCluster::furnished(Workspace::new());
    masters.apply().await.unwrap();
    // The second master is new; services run on the others.
    let fresh = FakeCluster::furnished(Workspace::new()).fakes.remove(1);
    let ca = |path: &str| masters.workspace.read(path);
    fresh.inspect(|state| {
        state.put_file(crate::fake::masters::CA, ca("pki/ca/cert/ca.pem").as_bytes(), 0o644);
        state.put_file(
            crate::fake::masters::CA_KEY,
            ca("pki/ca/cert/ca-key.pem").as_bytes(),
            0o600,
        );
    });
    let mut masters = masters;
    masters.fakes[1] = fresh;
    masters.workspace.edit("masters:\n", "controllerManager: {flags: {v: 4}}\nmasters:\n");
    let order = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&order);
    let outcome = apply_tapped(&masters, None, move |name, batch| {
        if commits(batch) {
            log.lock().unwrap().push(name.to_owned());
        }
    })
    .await;
    assert!(outcome.is_done());
    assert_eq!(*order.lock().unwrap(), ["k8s-master-02", "k8s-master-01", "k8s-master-03"]);
    let named: Vec<_> = outcome.masters.iter().map(|master| master.name.as_str()).collect();
    assert_eq!(named, ["k8s-master-01", "k8s-master-02", "k8s-master-03"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_among_those_begun_at_once_does_not_hide_the_others() {
    let masters = FakeCluster::furnished(Workspace::new());
    let outcome = apply_tapped(&masters, Some(3), failing_at_commit(&masters.fakes[0])).await;
    let error = "the master: scheduled fault".to_owned();
    let (failed, done) = (MasterResult::Failed { error }, MasterResult::Done);
    assert_eq!(results(&outcome), [&failed, &done, &done]);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_among_those_that_run_stops_the_rest() {
    let masters = FakeCluster::furnished(Workspace::new());
    masters.apply().await.unwrap();
    masters.workspace.edit("masters:\n", "controllerManager: {flags: {v: 4}}\nmasters:\n");
    let outcome = apply_tapped(&masters, None, failing_at_commit(&masters.fakes[0])).await;
    let untouched = MasterResult::Untouched { error: None };
    assert_eq!(results(&outcome)[1..], [&untouched, &untouched]);
    assert!(masters.apply().await.unwrap().is_done());
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_after_the_stage_leaves_not_even_a_folder() {
    let masters = FakeCluster::furnished(Workspace::new());
    let trees = || -> Vec<_> {
        masters.fakes.iter().map(|fake| fake.inspect(|state| state.tree())).collect()
    };
    let before = trees();
    let interrupt = Arc::new(Interrupt::new());
    let asked = Arc::clone(&interrupt);
    let hook: Hook = Arc::new(move |_, batch| {
        if matches!(batch.operations[0], Operation::Stage(_)) {
            asked.ask();
        }
    });
    let wrap = |fake| -> Arc<dyn Transport> {
        Arc::new(Tapped { fake, hook: Arc::clone(&hook), meeting: None })
    };
    let outcome = masters.apply_through(wrap, &Silent, &interrupt).await.unwrap();
    assert_eq!(results(&outcome), [&MasterResult::Untouched { error: None }; 3]);
    assert_eq!(trees(), before);
    assert!(masters.effects().iter().all(|effects| *effects > 0), "it was staged");
}

/// Event sink that records every event.
#[derive(Default)]
struct Told(Mutex<Vec<Event>>);

impl EventSink for Told {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

#[tokio::test(start_paused = true)]
async fn a_big_upload_gets_time_and_is_told_of_now_and_then() {
    const SIZE: usize = 5 << 20;
    let workspace = Workspace::new();
    workspace.bring_everything();
    workspace.write("kube-controller-manager", program(SIZE));
    let masters = FakeCluster::of(workspace);
    let hook: Hook = Arc::new(|_, batch| {
        let Operation::Stage(stage) = &batch.operations[0] else {
            assert!(batch.progress.is_none());
            return;
        };
        let of = stage.files.iter().map(|file| file.content.expose().len() as u64).sum();
        assert_eq!(batch.deadline, Batch::DEADLINE + Duration::from_secs(6));
        let progress = batch.progress.as_ref().unwrap();
        (0..=1000).for_each(|part| progress.tell(Sent { bytes: of * part / 1000, of }));
    });
    let wrap = |fake| -> Arc<dyn Transport> {
        Arc::new(Tapped { fake, hook: Arc::clone(&hook), meeting: None })
    };
    let reported = Told::default();
    masters.apply_through(wrap, &reported, &Interrupt::new()).await.unwrap();
    let reported = reported.0.into_inner().unwrap();
    let brings = |event: &&Event| matches!(event, Event::UploadsBinary { .. });
    let brought: Vec<_> = reported.iter().filter(brings).collect();
    let [Event::UploadsBinary { path, machine: "amd64", size, .. }] = brought[..] else {
        panic!("{brought:?}")
    };
    assert_eq!((path.as_str(), *size), (BINARY, SIZE as u64));
    for name in ["k8s-master-01", "k8s-master-02", "k8s-master-03"] {
        let parts: Vec<_> = reported
            .iter()
            .filter_map(|event| match event {
                Event::Uploading { master, sent, total } if master == name => Some((*sent, *total)),
                _ => None,
            })
            .collect();
        assert!((2..10).contains(&parts.len()), "{parts:?}");
        assert!(parts.is_sorted() && parts.last().is_some_and(|(sent, total)| sent == total));
    }
}

#[tokio::test(start_paused = true)]
async fn a_small_upload_is_told_of_when_it_is_there() {
    let masters = FakeCluster::furnished(Workspace::new());
    let outcome = apply_tapped(&masters, None, |_, batch| assert!(batch.progress.is_none())).await;
    assert!(outcome.is_done());
}
