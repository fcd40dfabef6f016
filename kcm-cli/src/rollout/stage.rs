//! Staging of files beside their targets, on all masters at once, and removal of staged files.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kcm_systemd::{FlagName, KubernetesVersion};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::master::MasterRollout;
use super::outcome::MasterResult;
use super::task::Task;
use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::event::Event;
use crate::finding::Finding;
use crate::preflight;
use crate::transport::{
    Batch, Examine, Observation, Operation, ProgramFacts, Progress, Replies, Reply, Sent,
    TransportError, Unstage,
};
use crate::util::files::RemotePath;
use crate::util::tasks::at_once;

/// Size in bytes up to which an upload reports no progress.
const SMALL: u64 = 1 << 20;
/// Assumed throughput of the slowest connection, in bytes per second.
const BYTES_PER_SECOND: u64 = 1 << 20;
/// Minimum interval between progress events of one master.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// The result of staging on one master.
#[derive(Clone, Debug)]
pub(super) enum Staged {
    /// The master has no files to stage.
    Nothing,
    /// All files are staged beside their targets.
    There(Unstage),
    /// Staging failed; `there` holds the files that were staged nevertheless.
    Failed { error: String, there: Option<Unstage> },
}

impl Staged {
    pub(super) fn has_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// Stages files on all masters at once, and runs uploaded programs to check them.
pub(super) async fn stage_files(
    run: Run<'_>,
    layout: &Layout,
    masters: &mut [MasterRollout],
    server: Option<KubernetesVersion>,
) {
    let (told, mut progress) = unbounded_channel();
    let mut staging = JoinSet::new();
    let brings = |it: &Task| it.stage.targets().next().is_some();
    for master in &mut *masters {
        let Some(task) = master.task.clone().filter(brings) else { continue };
        let error = "the transport ended without a reply".to_owned();
        master.staged = Staged::Failed { error, there: None };
        let (place, name) = (master.place, master.name.clone());
        let transport = Arc::clone(&master.transport);
        let program = layout.executable.clone();
        let trial = task.trial.clone().map(|(_, flags)| Trial { program, flags, server });
        let batch = batch(&task, layout, place, &told);
        staging.spawn(
            async move { (place, staged(&name, &task, trial, transport.call(&batch).await)) },
        );
    }
    let tell = |masters: &[MasterRollout], (place, sent): (usize, Sent)| {
        if let Some(master) = masters.get(place) {
            let master = master.name.clone();
            run.events.event(&Event::Uploading { master, sent: sent.bytes, total: sent.of });
        }
    };
    loop {
        tokio::select! {
            biased;
            Some(sent) = progress.recv() => tell(masters, sent),
            ended = staging.join_next() => match ended {
                Some(Ok((place, result))) => {
                    if let Some(master) = masters.get_mut(place) {
                        master.staged = result;
                    }
                }
                // The task panicked: its state already reports a missing answer.
                Some(Err(_)) => {}
                None => break,
            },
        }
    }
    while let Ok(sent) = progress.try_recv() {
        tell(masters, sent);
    }
    for master in masters {
        conclude(run, layout, master);
    }
}

fn conclude(run: Run<'_>, layout: &Layout, rollout: &mut MasterRollout) {
    let master = rollout.name.clone();
    match &rollout.staged {
        Staged::Nothing => {}
        Staged::There(staged) => {
            let files = staged.targets.iter().filter(|path| **path != layout.pending).count();
            run.events.event(&Event::Staged { master, files });
        }
        Staged::Failed { error, .. } => {
            run.events.event(&Event::Failed { master, error: error.clone() });
            rollout.result = MasterResult::Untouched { error: Some(error.clone()) };
        }
    }
}

/// Removes staged files on the masters that can be reached.
pub(super) async fn unstage(masters: impl Iterator<Item = &MasterRollout>) {
    let staged = masters.filter_map(|master| match &master.staged {
        Staged::There(unstage) | Staged::Failed { there: Some(unstage), .. } => {
            Some((&master.transport, unstage))
        }
        Staged::Nothing | Staged::Failed { there: None, .. } => None,
    });
    // The next run finds and removes files that stay behind.
    at_once(staged.map(async |(transport, unstage)| {
        drop(transport.call(&Batch::new(vec![Operation::Unstage(unstage.clone())])).await);
    }))
    .await;
}

/// Returns the batch that stages a task's files, with a deadline extended by their size. Large
/// batches report progress.
fn batch(
    task: &Task,
    layout: &Layout,
    place: usize,
    told: &UnboundedSender<(usize, Sent)>,
) -> Batch {
    let files = task.stage.files.iter();
    let bytes: u64 = files.map(|file| file.content.expose().len() as u64).sum();
    let trial = task.trial.as_ref().map(|(program, _)| {
        Operation::Examine(Examine {
            unit: layout.unit.clone(),
            program: Some(program.clone()),
            port: None,
            readable: None,
        })
    });
    let stage = Operation::Stage(task.stage.clone());
    let mut batch = Batch::new([stage].into_iter().chain(trial).collect());
    batch.deadline += Duration::from_secs(bytes.div_ceil(BYTES_PER_SECOND));
    if bytes > SMALL {
        batch.progress = Some(progress(place, told.clone()));
    }
    batch
}

/// Forwards the first and the last progress report, and at most one per interval between them.
fn progress(place: usize, told: UnboundedSender<(usize, Sent)>) -> Progress {
    let last = Mutex::new(None::<Instant>);
    Progress::new(move |sent| {
        let now = Instant::now();
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.duration_since(last) >= PROGRESS_INTERVAL);
        if is_due || sent.bytes >= sent.of {
            *last = Some(now);
            // The receiver is gone once staging has ended.
            let _ = told.send((place, sent));
        }
    })
}

/// The check of an uploaded program: its path, the required flags and the API server's version.
struct Trial {
    program: RemotePath,
    flags: Vec<FlagName>,
    server: Option<KubernetesVersion>,
}

impl Trial {
    /// Returns the first reason to refuse the program.
    fn evaluate(&self, master: &str, said: &Observation<ProgramFacts>) -> Option<Finding> {
        let version = match said {
            Observation::Known(facts) => preflight::program_version(&facts.version),
            Observation::Unknown(_) => None,
        };
        let found = preflight::evaluate_program(master, &self.program, said, &self.flags);
        found.into_iter().next().or_else(|| preflight::too_new(master, version, self.server))
    }
}

fn staged(
    master: &str,
    task: &Task,
    trial: Option<Trial>,
    called: Result<Replies, TransportError>,
) -> Staged {
    let replies = match called {
        Ok(replies) => replies,
        Err(error @ TransportError::NeverRan { .. }) => {
            return Staged::Failed { error: error.without_name(), there: None };
        }
        Err(error) => {
            let reason = error.reason();
            let error = format!(
                "{reason} during the upload; no existing file on the master has changed; run the same command again"
            );
            return Staged::Failed { error, there: None };
        }
    };
    let mut done = replies.done.into_iter();
    let there = match done.next() {
        Some(Reply::Staged { made }) => {
            Some(Unstage { targets: task.stage.targets().cloned().collect(), folders: made })
        }
        _ => None,
    };
    if let Some(failure) = replies.failed {
        return Staged::Failed { error: failure.error.to_string(), there };
    }
    if let (Some(trial), Some(Reply::Examined(examined))) = (trial, done.next()) {
        let said = examined.program.as_ref();
        if let Some(finding) = said.and_then(|said| trial.evaluate(master, said)) {
            let error = format!("{}; {} [{}]", finding.problem, finding.help, finding.code);
            return Staged::Failed { error, there };
        }
    }
    let silent = || Staged::Failed {
        error: "the transport did not report the staged files; this is a bug in the transport"
            .to_owned(),
        there: None,
    };
    there.map_or_else(silent, Staged::There)
}
