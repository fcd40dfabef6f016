//! Carrying out a plan: lock everywhere, stage everywhere, then commit master by master.

use std::sync::Arc;

use serde::Serialize;
use tokio::task::JoinSet;

use crate::desired::{Content, Desired, DesiredMaster};
use crate::event::Event;
use crate::layout::Layout;
use crate::observe::{Observed, ObservedMaster};
use crate::plan::{MasterPlan, Plan, Step};
use crate::run::Run;
use crate::transport::{
    Attributes, Batch, Commit, LockClaim, LockError, LockGuard, Operation, OperationError, Replies,
    Reply, Stage, StagedFile, Transport, TransportError, UnitAction, Unstage,
};

/// How it ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Whether a root CA was made.
    pub created_ca: bool,
    /// What happened to the identity.
    pub identity: crate::identity::Decision,
    /// The masters, in the cluster file's order.
    pub masters: Vec<MasterOutcome>,
}

/// How it ended on one master.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MasterOutcome {
    /// Its name.
    pub name: String,
    /// What was done, or was to be done.
    pub steps: Vec<Step>,
    /// How it ended.
    #[serde(flatten)]
    pub result: MasterResult,
}

/// How it ended on one master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum MasterResult {
    /// Everything was as it should be.
    Unchanged,
    /// All steps were carried out.
    Done,
    /// Nothing changed there, because something failed there or elsewhere.
    Untouched {
        /// Why, if it failed there.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// It failed in the middle, or whether it did is unknown.
    Partial {
        /// Why, and what to do.
        error: String,
    },
}

impl Outcome {
    /// Nothing had to be done.
    #[must_use]
    pub(crate) fn unchanged(plan: &Plan) -> Self {
        Self::from(plan, plan.masters.iter().map(|_| MasterResult::Unchanged).collect())
    }

    /// It was stopped before any master changed.
    #[must_use]
    pub(crate) fn untouched(plan: &Plan) -> Self {
        let untouched = |master: &MasterPlan| match master.steps[..] {
            [] => MasterResult::Unchanged,
            _ => MasterResult::Untouched { error: None },
        };
        Self::from(plan, plan.masters.iter().map(untouched).collect())
    }

    fn from(plan: &Plan, results: Vec<MasterResult>) -> Self {
        let masters = plan.masters.iter().zip(results).map(|(plan, result)| MasterOutcome {
            name: plan.name.clone(),
            steps: plan.steps.clone(),
            result,
        });
        Self {
            created_ca: plan.creates_ca,
            identity: plan.identity.clone(),
            masters: masters.collect(),
        }
    }

    /// Whether every master is as it should be.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.masters
            .iter()
            .all(|m| matches!(m.result, MasterResult::Done | MasterResult::Unchanged))
    }

    /// Whether any master was, or may have been, changed.
    #[must_use]
    pub fn has_changed_masters(&self) -> bool {
        let mut results = self.masters.iter().map(|master| &master.result);
        results.any(|result| matches!(result, MasterResult::Done | MasterResult::Partial { .. }))
    }

    /// Whether there was nothing to do at all.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.masters.iter().all(|master| master.result == MasterResult::Unchanged)
            && !self.created_ca
            && matches!(self.identity, crate::identity::Decision::Keep { .. })
    }
}

/// A rollout that holds every master's lock.
pub(crate) struct Rollout<'a> {
    run: Run<'a>,
    _locks: Vec<Box<dyn LockGuard>>,
}

impl<'a> Rollout<'a> {
    /// Locks all masters, in the cluster file's order.
    pub(crate) async fn lock(run: Run<'a>) -> Result<Self, LockError> {
        let claim = LockClaim { owner: format!("kcm, process {}", std::process::id()) };
        let mut locks = Vec::new();
        for (_, transport) in run.fleet.masters() {
            locks.push(transport.lock(&claim).await?);
        }
        Ok(Self { run, _locks: locks })
    }

    /// Stages everywhere, then commits one master after the other; stops at the first failure.
    pub(crate) async fn carry_out(
        self,
        plan: &Plan,
        desired: &Desired,
        observed: &Observed,
        layout: &Layout,
    ) -> Outcome {
        if self.run.interrupt.is_asked() {
            return Outcome::untouched(plan);
        }
        let failed = self.stage(plan, desired).await;
        if failed.iter().any(Option::is_some) {
            let results = plan.masters.iter().zip(failed).map(|(master, error)| match error {
                None if master.steps.is_empty() => MasterResult::Unchanged,
                error => MasterResult::Untouched { error },
            });
            return Outcome::from(plan, results.collect());
        }
        if self.run.interrupt.is_asked() {
            let staged = plan.masters.iter().map(|_| Ok(Vec::new())).collect::<Vec<_>>();
            self.unstage(plan, &staged).await;
            return Outcome::untouched(plan);
        }
        let mut results = Vec::with_capacity(plan.masters.len());
        let mut stopped = false;
        let masters = plan.masters.iter().zip(&observed.masters).zip(self.run.fleet.masters());
        for ((planned, observed), (_, transport)) in masters {
            let result = if planned.steps.is_empty() {
                MasterResult::Unchanged
            } else if stopped || self.run.interrupt.is_asked() {
                MasterResult::Untouched { error: None }
            } else {
                self.commit(planned, observed, layout, &**transport).await
            };
            stopped |=
                matches!(result, MasterResult::Partial { .. } | MasterResult::Untouched { .. });
            results.push(result);
            // Lets whoever asks to stop be heard, where a transport never waits.
            tokio::task::yield_now().await;
        }
        Outcome::from(plan, results)
    }

    /// Stages on all masters at once; if one fails, takes it back on the others. `Some` is why.
    async fn stage(&self, plan: &Plan, desired: &Desired) -> Vec<Option<String>> {
        let masters = plan.masters.iter().zip(&desired.masters).zip(self.run.fleet.masters());
        let mut staging = JoinSet::new();
        let mut results = vec![Ok(Vec::new()); plan.masters.len()];
        for (place, ((planned, desired), (_, transport))) in masters.enumerate() {
            let files = staged_files(planned, desired);
            if files.is_empty() {
                continue;
            }
            let transport = Arc::clone(transport);
            let batch = Batch::new(vec![Operation::Stage(Stage { files })]);
            staging.spawn(async move { (place, made(transport.call(&batch).await)) });
        }
        let mut staged = staging.join_all().await;
        staged.sort_by_key(|(place, _)| *place);
        for (place, result) in staged {
            if let (Some(planned), Some(slot)) = (plan.masters.get(place), results.get_mut(place)) {
                let master = planned.name.clone();
                self.run.events.event(&match &result {
                    Ok(_) => Event::Staged {
                        master,
                        files: planned.steps.iter().filter_map(written).count(),
                    },
                    Err(error) => Event::Failed { master, error: error.clone() },
                });
                *slot = result;
            }
        }
        if results.iter().any(Result::is_err) {
            self.unstage(plan, &results).await;
        }
        results.into_iter().map(Result::err).collect()
    }

    /// Takes back what was staged, as far as the masters can be reached: no secret stays without need.
    async fn unstage(&self, plan: &Plan, staged: &[Result<Vec<crate::files::RemotePath>, String>]) {
        for ((planned, made), (_, transport)) in
            plan.masters.iter().zip(staged).zip(self.run.fleet.masters())
        {
            if let Ok(folders) = made {
                let targets = planned.steps.iter().filter_map(written).cloned().collect();
                let unstage = Unstage { targets, folders: folders.clone() };
                // What stays behind here is found and removed by the next run.
                let _ = transport.call(&Batch::new(vec![Operation::Unstage(unstage)])).await;
            }
        }
    }

    async fn commit(
        &self,
        planned: &MasterPlan,
        observed: &ObservedMaster,
        layout: &Layout,
        transport: &dyn Transport,
    ) -> MasterResult {
        let batch = Batch::new(commit_operations(planned, observed, layout));
        let master = planned.name.clone();
        let (event, result) = match done(transport.call(&batch).await) {
            Ok(()) => (Event::Committed { master }, MasterResult::Done),
            Err((error, changed)) => {
                let result = if changed {
                    MasterResult::Partial { error: error.clone() }
                } else {
                    MasterResult::Untouched { error: Some(error.clone()) }
                };
                (Event::Failed { master, error }, result)
            }
        };
        self.run.events.event(&event);
        result
    }
}

fn written(step: &Step) -> Option<&crate::files::RemotePath> {
    match step {
        Step::Write { path, .. } => Some(path),
        _ => None,
    }
}

fn staged_files(planned: &MasterPlan, desired: &DesiredMaster) -> Vec<StagedFile> {
    let paths: Vec<_> = planned.steps.iter().filter_map(written).collect();
    let artifacts = desired.artifacts.iter().filter(|artifact| paths.contains(&&artifact.path));
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

fn commit_operations(
    planned: &MasterPlan,
    observed: &ObservedMaster,
    layout: &Layout,
) -> Vec<Operation> {
    let files = &observed.files;
    let mut commit = Commit {
        expected: vec![
            (layout.certificate.clone(), files.certificate.state.clone()),
            (layout.key.clone(), files.key.state.clone()),
            (layout.kubeconfig.clone(), files.kubeconfig.state.clone()),
            (layout.unit_file.clone(), files.unit.state.clone()),
        ],
        files: Vec::new(),
        attributes: Vec::new(),
        leftovers: Vec::new(),
    };
    let mut actions = Vec::new();
    for step in &planned.steps {
        match step {
            Step::Write { path, .. } => commit.files.push(path.clone()),
            Step::SetAttributes { path, mode, owner, .. } => commit.attributes.push(Attributes {
                path: path.clone(),
                mode: *mode,
                owner: *owner,
            }),
            Step::RemoveLeftover { path } => commit.leftovers.push(path.clone()),
            Step::Reload => actions.push(UnitAction::Reload),
            Step::Enable => actions.push(UnitAction::Enable {
                unit: layout.unit.clone(),
                path: layout.unit_file.clone(),
            }),
            Step::Restart => actions.push(UnitAction::Restart { unit: layout.unit.clone() }),
        }
    }
    let actions = actions.into_iter().map(Operation::Unit);
    [Operation::Commit(commit)].into_iter().chain(actions).collect()
}

/// The folders that a stage made, or why it failed.
fn made(called: Result<Replies, TransportError>) -> Result<Vec<crate::files::RemotePath>, String> {
    let replies = called.map_err(|error| error.to_string())?;
    match (replies.failed, replies.done.into_iter().next()) {
        (Some(failure), _) => Err(failure.error.to_string()),
        (None, Some(Reply::Staged { made })) => Ok(made),
        (None, _) => Err("its transport did not say what it staged".to_owned()),
    }
}

/// Success, or why not and whether anything may have changed.
fn done(called: Result<Replies, TransportError>) -> Result<(), (String, bool)> {
    match called {
        Ok(Replies { failed: None, .. }) => Ok(()),
        Ok(Replies { failed: Some(failure), .. }) => {
            let nothing_changed =
                failure.index == 0 && matches!(failure.error, OperationError::Changed { .. });
            Err((failure.error.to_string(), !nothing_changed))
        }
        Err(error @ TransportError::NeverRan { .. }) => Err((error.to_string(), false)),
        Err(error) => Err((error.to_string(), true)),
    }
}
