//! Carrying out a plan: lock everywhere, stage everywhere, then commit master by master, each with its gate.

mod commit;
mod gate;
mod lock;
mod order;
mod outcome;
mod stage;
mod task;

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::desired::Desired;
use crate::event::Event;
use crate::layout::Layout;
use crate::observe::ObservedMaster;
use crate::plan::{MasterPlan, Plan};
use crate::run::Run;
use crate::transport::{LockError, LockGuard, StreamAddress};
use crate::view;

use commit::Site;
pub use gate::SETTLE;
pub(crate) use gate::is_healthy;
use order::{Condition, next_masters};
pub use outcome::{MasterOutcome, MasterResult, Outcome};
use stage::Staged;
use task::{Facts, Task};

/// A rollout that holds every master's lock.
pub(crate) struct Rollout<'a> {
    run: Run<'a>,
    _locks: Vec<Box<dyn LockGuard>>,
}

/// What is carried out, and what it was made from.
#[derive(Clone, Copy)]
pub(crate) struct Work<'a> {
    pub(crate) plan: &'a Plan,
    /// What should be there; nothing where files come back or go.
    pub(crate) desired: Option<&'a Desired>,
    pub(crate) observed: &'a [ObservedMaster],
    pub(crate) layout: &'a Layout,
}

impl<'a> Rollout<'a> {
    /// Locks all masters.
    pub(crate) async fn lock(run: Run<'a>) -> Result<Self, LockError> {
        let locks = lock::lock(run.fleet).await?;
        Ok(Self { run, _locks: locks })
    }

    /// Stages everywhere, then commits master by master; stops at the first that is not as it should be.
    pub(crate) async fn carry_out(self, work: Work<'_>) -> Outcome {
        let run = self.run;
        if run.interrupt.is_asked() {
            return Outcome::untouched(run, work.plan);
        }
        let tasks: Vec<_> =
            (0..work.plan.masters.len()).map(|place| task(run, work, place)).collect();
        let (staged, reached) = tokio::join!(
            stage::stage(run, work.plan, work.layout, &tasks),
            reach_api_servers(run, work, &tasks)
        );
        let has_failed = staged.iter().any(|staged| matches!(staged, Staged::Failed { .. }));
        if has_failed || run.interrupt.is_asked() {
            stage::unstage(run, &staged).await;
            let results =
                work.plan.masters.iter().zip(staged).map(|(planned, staged)| match staged {
                    Staged::Failed { error, .. } => MasterResult::Untouched { error: Some(error) },
                    _ => untouched(planned),
                });
            return Outcome::of(run, work.plan, results.collect());
        }
        let mut results: Vec<_> = work.plan.masters.iter().map(untouched).collect();
        let mut waiting: Vec<_> =
            tasks.iter().enumerate().filter(|(_, task)| task.is_some()).collect();
        let conditions = |waiting: &[(usize, &Option<Task>)]| -> Vec<_> {
            let condition = |place| work.observed.get(place).map(Condition::of);
            let places = waiting.iter().map(|(place, _)| *place);
            places.filter_map(|place| Some((place, condition(place)?))).collect()
        };
        loop {
            let next = next_masters(&conditions(&waiting), None);
            if next.is_empty() || run.interrupt.is_asked() {
                break;
            }
            let (mut begun, mut committing) = (Vec::new(), JoinSet::new());
            for place in next {
                if run.interrupt.is_asked() {
                    break;
                }
                waiting.retain(|(waiting, _)| *waiting != place);
                let task = tasks.get(place).cloned().flatten();
                let Some((task, site)) = task.zip(site(run, work, place, &reached)) else {
                    continue;
                };
                if let Some(result) = results.get_mut(place) {
                    let error = "its transport ended without an answer; run the same command again";
                    *result = MasterResult::Failed { error: error.to_owned() };
                }
                begun.push(place);
                committing.spawn(async move { (place, site.carry_out(task).await) });
                // Lets whoever asks to stop be heard, where a transport never waits.
                tokio::task::yield_now().await;
            }
            while let Some(ended) = committing.join_next().await {
                // It panicked: its result says already that there was no answer.
                let Ok((place, result)) = ended else { continue };
                tell(run, work.plan, place, &result);
                if let Some(slot) = results.get_mut(place) {
                    *slot = result;
                }
            }
            let is_good = |place: &usize| results.get(*place).is_some_and(MasterResult::is_good);
            if !begun.iter().all(is_good) {
                break;
            }
        }
        Outcome::of(run, work.plan, results)
    }
}

fn untouched(planned: &MasterPlan) -> MasterResult {
    match planned.steps[..] {
        [] => MasterResult::Unchanged,
        _ => MasterResult::Untouched { error: None },
    }
}

/// What is done on the master at `place`, if anything is.
fn task(run: Run<'_>, work: Work<'_>, place: usize) -> Option<Task> {
    let planned = work.plan.masters.get(place).filter(|planned| !planned.steps.is_empty())?;
    Some(Task::of(Facts {
        planned,
        desired: work.desired.and_then(|desired| desired.masters.get(place)),
        observed: work.observed.get(place)?,
        layout: work.layout,
        now: run.now,
    }))
}

fn site(run: Run<'_>, work: Work<'_>, place: usize, reached: &[Option<bool>]) -> Option<Site> {
    let (_, transport) = run.fleet.masters().nth(place)?;
    let observed = work.observed.get(place)?;
    Some(Site {
        transport: Arc::clone(transport),
        layout: work.layout.clone(),
        server: server(run, observed),
        reached_api_server: reached.get(place).copied().flatten(),
    })
}

/// The API server that a master had, or is to have if it had none.
fn server(run: Run<'_>, observed: &ObservedMaster) -> StreamAddress {
    let had = observed.files.kubeconfig.text.as_deref().and_then(view::server);
    let had = had.and_then(|url| kcm_kubeconfig::ServerUrl::parse(url).ok());
    let server = had.as_ref().unwrap_or(&run.cluster.server);
    StreamAddress { host: server.host().to_owned(), port: server.port() }
}

/// Whether each master with something to prove reaches its API server now.
async fn reach_api_servers(
    run: Run<'_>,
    work: Work<'_>,
    tasks: &[Option<Task>],
) -> Vec<Option<bool>> {
    let mut asking = JoinSet::new();
    let masters = run.fleet.masters().zip(work.observed).zip(tasks).enumerate();
    for (place, (((_, transport), observed), task)) in masters {
        if task.as_ref().is_some_and(|task| task.gate.is_some()) {
            let (transport, server) = (Arc::clone(transport), server(run, observed));
            asking.spawn(
                async move { (place, gate::reaches_api_server(&*transport, &server).await) },
            );
        }
    }
    let mut reached = vec![None; tasks.len()];
    for (place, answer) in asking.join_all().await {
        if let Some(slot) = reached.get_mut(place) {
            *slot = answer;
        }
    }
    reached
}

fn tell(run: Run<'_>, plan: &Plan, place: usize, result: &MasterResult) {
    let Some(planned) = plan.masters.get(place) else { return };
    let master = planned.name.clone();
    run.events.event(&match result {
        MasterResult::Failed { error } | MasterResult::Untouched { error: Some(error) } => {
            Event::Failed { master, error: error.clone() }
        }
        MasterResult::RolledBack { error } => Event::RolledBack { master, error: error.clone() },
        MasterResult::Unproven { cause } => Event::Unproven { master, cause: cause.clone() },
        _ => Event::Committed { master },
    });
}
