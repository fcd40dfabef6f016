//! Bringing files beside their targets, on all masters at once, and taking them back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::desired::{Content, Desired, DesiredMaster};
use crate::event::Event;
use crate::files::RemotePath;
use crate::plan::{MasterPlan, Plan, Step};
use crate::run::Run;
use crate::transport::{
    Batch, Operation, Progress, Replies, Reply, Sent, Stage, StagedFile, Transport, TransportError,
    Unstage,
};

/// What takes no time worth telling about.
const SMALL: u64 = 1 << 20;
/// What the slowest line that a binary is sent over carries in a second.
const BYTES_PER_SECOND: u64 = 1 << 20;
/// How often progress is told, for each master.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// What became of staging on one master.
#[derive(Clone, Debug)]
pub(super) enum Staged {
    /// There was nothing to bring.
    Nothing,
    /// Everything is beside its target.
    There(Unstage),
    /// Why nothing is.
    Failed(String),
}

/// Stages on all masters at once. The results are in the cluster file's order.
pub(super) async fn stage(run: Run<'_>, plan: &Plan, desired: &Desired) -> Vec<Staged> {
    let masters = plan.masters.iter().zip(&desired.masters).zip(run.fleet.masters());
    let (told, mut progress) = unbounded_channel();
    let mut staging = JoinSet::new();
    let mut results = vec![Staged::Nothing; plan.masters.len()];
    for (place, ((planned, desired), (_, transport))) in masters.enumerate() {
        let files = staged_files(planned, desired);
        if files.is_empty() {
            continue;
        }
        if let Some(result) = results.get_mut(place) {
            *result = Staged::Failed("its transport ended without an answer".to_owned());
        }
        let transport = Arc::clone(transport);
        let targets = files.iter().map(|file| file.target.clone()).collect();
        let batch = batch(files, place, &told);
        staging.spawn(async move { (place, staged(targets, transport.call(&batch).await)) });
    }
    let tell = |(place, sent): (usize, Sent)| {
        if let Some(planned) = plan.masters.get(place) {
            let master = planned.name.clone();
            run.events.event(&Event::Uploading { master, sent: sent.bytes, total: sent.of });
        }
    };
    loop {
        tokio::select! {
            biased;
            Some(sent) = progress.recv() => tell(sent),
            ended = staging.join_next() => match ended {
                Some(Ok((place, result))) => {
                    if let Some(slot) = results.get_mut(place) {
                        *slot = result;
                    }
                }
                // It panicked: the slot says already that there was no answer.
                Some(Err(_)) => {}
                None => break,
            },
        }
    }
    while let Ok(sent) = progress.try_recv() {
        tell(sent);
    }
    report(run, plan, &results);
    results
}

fn report(run: Run<'_>, plan: &Plan, results: &[Staged]) {
    for (planned, result) in plan.masters.iter().zip(results) {
        let master = planned.name.clone();
        match result {
            Staged::Nothing => {}
            Staged::There(staged) => {
                run.events.event(&Event::Staged { master, files: staged.targets.len() });
            }
            Staged::Failed(error) => {
                run.events.event(&Event::Failed { master, error: error.clone() });
            }
        }
    }
}

/// Takes back what was staged, as far as the masters can be reached: no secret stays without need.
pub(super) async fn unstage(run: Run<'_>, staged: &[Staged]) {
    let mut taking_back = JoinSet::new();
    for (staged, (_, transport)) in staged.iter().zip(run.fleet.masters()) {
        if let Staged::There(unstage) = staged {
            let transport: Arc<dyn Transport> = Arc::clone(transport);
            let batch = Batch::new(vec![Operation::Unstage(unstage.clone())]);
            // What stays behind here is found and removed by the next run.
            taking_back.spawn(async move { drop(transport.call(&batch).await) });
        }
    }
    while taking_back.join_next().await.is_some() {}
}

/// The files that a plan writes on one master.
fn staged_files(planned: &MasterPlan, desired: &DesiredMaster) -> Vec<StagedFile> {
    let is_written = |target: &RemotePath| {
        planned.steps.iter().any(|step| matches!(step, Step::Write { path, .. } if path == target))
    };
    let artifacts = desired.artifacts.iter().filter(|artifact| is_written(&artifact.path));
    let files = artifacts.filter_map(|artifact| match &artifact.content {
        Content::Known(bytes) => Some(StagedFile {
            target: artifact.path.clone(),
            content: bytes.clone(),
            mode: artifact.mode,
            owner: artifact.owner,
        }),
        Content::Pending | Content::AsItIs => None,
    });
    files.collect()
}

/// One stage with the time that its bytes may need; big ones tell how far they have got.
fn batch(files: Vec<StagedFile>, place: usize, told: &UnboundedSender<(usize, Sent)>) -> Batch {
    let bytes: u64 = files.iter().map(|file| file.content.expose().len() as u64).sum();
    let mut batch = Batch::new(vec![Operation::Stage(Stage { files })]);
    batch.deadline += Duration::from_secs(bytes.div_ceil(BYTES_PER_SECOND));
    if bytes > SMALL {
        batch.progress = Some(progress(place, told.clone()));
    }
    batch
}

/// Passes on the first word, the last, and between them at most one in an interval.
fn progress(place: usize, told: UnboundedSender<(usize, Sent)>) -> Progress {
    let last = Mutex::new(None::<Instant>);
    Progress::new(move |sent| {
        let now = Instant::now();
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.duration_since(last) >= PROGRESS_INTERVAL);
        if is_due || sent.bytes >= sent.of {
            *last = Some(now);
            // Nobody listens any more once the stage has ended.
            let _ = told.send((place, sent));
        }
    })
}

fn staged(targets: Vec<RemotePath>, called: Result<Replies, TransportError>) -> Staged {
    match called {
        Err(error) => Staged::Failed(error.to_string()),
        Ok(Replies { failed: Some(failure), .. }) => Staged::Failed(failure.error.to_string()),
        Ok(replies) => match replies.done.into_iter().next() {
            Some(Reply::Staged { made }) => Staged::There(Unstage { targets, folders: made }),
            _ => Staged::Failed("its transport did not say what it staged".to_owned()),
        },
    }
}
