//! Carrying out a plan: lock everywhere, stage everywhere, then commit master by master, each with its gate.

mod commit;
pub(crate) mod gate;
mod helm;
pub(crate) mod issue;
mod lead;
mod lock;
mod order;
mod outcome;
mod stage;
mod task;

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::artifact::generation::Change;
use crate::artifact::view;
use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::desired::Desired;
use crate::event::Event;
use crate::finding::Finding;
use crate::kube::{Credentials, LeadChange};
use crate::observed::ObservedMaster;
use crate::pki;
use crate::plan::{MasterPlan, Plan, Step};
use crate::preflight::{self, PreflightError};
use crate::transport::{Activity, LockError, LockGuard, StreamAddress};
use crate::util::tasks::MasterTasks;

use commit::Site;
pub use gate::{FIRST_LOOK, SETTLE};
pub(crate) use gate::{answers_at, health_question, is_healthy, listener};
use helm::Helm;
pub(crate) use helm::{STOPPING, processes};
pub(crate) use lead::{Holding, Lead, LeaseAfterStop, stranger};
pub(crate) use lock::lock;
use order::{Condition, next_masters};
pub use outcome::{LeadOutcome, MasterOutcome, MasterResult, Outcome};
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
    /// The ways to the Lease.
    pub(crate) lead: &'a Arc<Lead>,
    /// The change that each master's part is of.
    pub(crate) changes: &'a [Change],
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
        let tasks: Vec<_> = (0..work.plan.masters.len()).map(|place| task(work, place)).collect();
        let (staged, reached) = tokio::join!(
            stage::stage(run, work.plan, work.layout, &tasks, work.lead.server_version()),
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
        let (results, changes) = self.commit(work, &tasks, &reached).await;
        // Where it does not come to a commit, no secret waits for one.
        let is_untouched = |result: &MasterResult| matches!(result, MasterResult::Untouched { .. });
        let left = staged.into_iter().zip(&results).map(|(staged, result)| match staged {
            staged if is_untouched(result) => staged,
            _ => Staged::Nothing,
        });
        stage::unstage(run, &left.collect::<Vec<_>>()).await;
        let lead = self.who_leads(work, &tasks, &results, changes).await;
        Outcome { lead, ..Outcome::of(run, work.plan, results) }
    }

    /// Commits group by group, in the order of [`next_masters`]; stops at the first group that is not as it should be.
    async fn commit(
        &self,
        work: Work<'_>,
        tasks: &[Option<Task>],
        reached: &[Option<bool>],
    ) -> (Vec<MasterResult>, Vec<LeadChange>) {
        let mut results: Vec<_> = work.plan.masters.iter().map(untouched).collect();
        let mut changes = Vec::new();
        let conditions = work.observed.iter().map(Condition::of).enumerate();
        let has_task = |place: usize| tasks.get(place).is_some_and(Option::is_some);
        let mut waiting: Vec<_> = conditions.filter(|(place, _)| has_task(*place)).collect();
        while !waiting.is_empty() && !self.run.interrupt.is_asked() {
            let holding = self.holding(work, &waiting).await;
            let holder = match &holding {
                Holding::Ours(place, _) => Some(*place),
                Holding::Stranger(holder) => {
                    stop_for_stranger(&waiting, &mut results, holder);
                    break;
                }
                Holding::LeftOut(_) | Holding::Away | Holding::Unknown(_) => None,
            };
            let (mut begun, mut committing) = (Vec::new(), JoinSet::new());
            for place in next_masters(&waiting, holder) {
                if self.run.interrupt.is_asked() {
                    break;
                }
                waiting.retain(|(waiting, _)| *waiting != place);
                let task = tasks.get(place).cloned().flatten();
                let Some((task, site)) = task.zip(site(self.run, work, place, reached)) else {
                    continue;
                };
                if let Some(result) = results.get_mut(place) {
                    let error = "its transport ended without an answer; run the same command again";
                    *result = MasterResult::Failed { error: error.to_owned() };
                }
                begun.push(place);
                let helm = helm(work, place, &holding);
                committing.spawn(async move { (place, site.carry_out(task, helm).await) });
                // Lets whoever asks to stop be heard, where a transport never waits.
                tokio::task::yield_now().await;
            }
            while let Some(ended) = committing.join_next().await {
                // It panicked: its result says already that there was no answer.
                let Ok((place, (result, change))) = ended else { continue };
                tell(self.run, work.plan, place, &result);
                if let Some(change) = change {
                    self.run.events.event(&Event::LeadChanged { change: change.clone() });
                    changes.push(change);
                }
                if let Some(slot) = results.get_mut(place) {
                    *slot = result;
                }
            }
            let is_good = |place: &usize| results.get(*place).is_some_and(MasterResult::is_good);
            if !begun.iter().all(is_good) {
                break;
            }
        }
        (results, changes)
    }

    /// Who leads, if that can be seen and may cost something: where a service runs that would be restarted.
    async fn holding(&self, work: Work<'_>, waiting: &[(usize, Condition)]) -> Holding {
        let runs = |(_, condition): &(usize, Condition)| *condition != Condition::Idle;
        if work.lead.is_seen() && waiting.iter().any(runs) {
            work.lead.holding().await
        } else {
            Holding::Away
        }
    }

    /// Sees one of ours lead, once all is done.
    async fn who_leads(
        &self,
        work: Work<'_>,
        tasks: &[Option<Task>],
        results: &[MasterResult],
        changes: Vec<LeadChange>,
    ) -> Option<LeadOutcome> {
        let all_good = results.iter().all(MasterResult::is_good);
        let runs =
            |place: usize| work.observed.get(place).map(Condition::of) == Some(Condition::Running);
        let stays = |(place, task): (usize, &Option<Task>)| match task {
            Some(task) => task.gate.is_some(),
            None => runs(place),
        };
        let is_expected = all_good
            && results.iter().any(|result| *result != MasterResult::Unchanged)
            && !results.iter().any(|result| matches!(result, MasterResult::Unproven { .. }))
            && tasks.iter().enumerate().any(stays);
        if !work.lead.is_seen() || !is_expected {
            return (!changes.is_empty()).then_some(LeadOutcome {
                changes,
                leader: None,
                trouble: None,
            });
        }
        let (leader, trouble) = match work.lead.settled().await {
            Ok(leader) => (Some(leader), None),
            Err(trouble) => (None, Some(trouble)),
        };
        Some(LeadOutcome { changes, leader, trouble })
    }
}

/// The handover of a master that leads.
fn helm(work: Work<'_>, place: usize, holding: &Holding) -> Option<Helm> {
    let Holding::Ours(holder, before) = holding else { return None };
    let observed = work.observed.get(place).filter(|_| *holder == place)?;
    let Activity::Active { invocation, since, .. } = &observed.probe.unit.activity else {
        return None;
    };
    // Whoever runs and does not go leads next; so does this one, if it starts again.
    let goes = |planned: &MasterPlan| planned.steps.iter().any(|step| matches!(step, Step::Stop));
    let masters = work.plan.masters.iter().zip(work.observed);
    let mut successors = masters.filter(|(planned, observed)| {
        Condition::of(observed) == Condition::Running && !goes(planned)
    });
    Some(Helm {
        lead: Arc::clone(work.lead),
        place,
        name: observed.name.clone(),
        before: before.clone(),
        invocation: invocation.clone(),
        started: *since,
        has_successor: successors.next().is_some(),
    })
}

fn stop_for_stranger(waiting: &[(usize, Condition)], results: &mut [MasterResult], holder: &str) {
    let first = waiting.first().and_then(|(place, _)| results.get_mut(*place));
    if let Some(result) = first {
        let (problem, mend) = lead::stranger(holder);
        *result = MasterResult::Untouched { error: Some(format!("{problem}; {mend}")) };
    }
}

/// The ways to the Lease where no identity is made: with the one that is here, if it is, from every master that runs.
pub(crate) async fn lead_without_new_identity(
    run: Run<'_>,
    layout: &Layout,
    observed: &[ObservedMaster],
) -> Result<Lead, PreflightError> {
    let pair = pki::pair(run.cluster)?;
    let credentials = Credentials::of_cluster(run.cluster, pair)?;
    let runs = |place: usize| observed.get(place).map(Condition::of) == Some(Condition::Running);
    let can_ask = credentials.is_some() && run.fleet.control_plane().is_some();
    // Without them no Lease is freed.
    let clocks = preflight::clocks(run, layout, |place| can_ask && runs(place)).await;
    let (lead, found) = Lead::open(run, observed, &clocks, credentials.as_ref(), runs).await;
    let warnings = found.into_iter().map(Finding::into_warning).collect();
    preflight::settle(warnings, run.cluster, run.events)?;
    Ok(lead)
}

fn untouched(planned: &MasterPlan) -> MasterResult {
    match planned.steps[..] {
        [] => MasterResult::Unchanged,
        _ => MasterResult::Untouched { error: None },
    }
}

/// What is done on the master at `place`, if anything is.
fn task(work: Work<'_>, place: usize) -> Option<Task> {
    let planned = work.plan.masters.get(place).filter(|planned| !planned.steps.is_empty())?;
    Some(Task::of(Facts {
        planned,
        desired: work.desired.and_then(|desired| desired.masters.get(place)),
        observed: work.observed.get(place)?,
        layout: work.layout,
        change: *work.changes.get(place)?,
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
    let had = had.and_then(|url| kcm_kubeconfig::ServerUrl::parse(&url).ok());
    let server = had.as_ref().unwrap_or_else(|| run.cluster.server_of(&observed.name));
    StreamAddress { host: server.host().to_owned(), port: server.port() }
}

/// Whether each master with something to prove reaches its API server now.
async fn reach_api_servers(
    run: Run<'_>,
    work: Work<'_>,
    tasks: &[Option<Task>],
) -> Vec<Option<bool>> {
    let mut asking = MasterTasks::new();
    let masters = run.fleet.masters().zip(work.observed).zip(tasks).enumerate();
    for (place, (((_, transport), observed), task)) in masters {
        if task.as_ref().is_some_and(|task| task.gate.is_some()) {
            let (transport, server) = (Arc::clone(transport), server(run, observed));
            asking
                .spawn(place, async move { gate::reaches_api_server(&*transport, &server).await });
        }
    }
    let mut reached = vec![None; tasks.len()];
    for (place, answer) in asking.join().await {
        if let Some(slot) = reached.get_mut(place) {
            // A task that panicked has no answer.
            *slot = answer.ok().flatten();
        }
    }
    reached
}

fn tell(run: Run<'_>, plan: &Plan, place: usize, result: &MasterResult) {
    let Some(planned) = plan.masters.get(place) else { return };
    let master = planned.name.clone();
    if let MasterResult::Renewed { uptake } = result {
        run.events.event(&Event::Uptake { master: master.clone(), uptake: uptake.clone() });
    }
    run.events.event(&match result {
        MasterResult::Failed { error } | MasterResult::Untouched { error: Some(error) } => {
            Event::Failed { master, error: error.clone() }
        }
        MasterResult::RolledBack { error } => Event::RolledBack { master, error: error.clone() },
        MasterResult::Unproven { cause } => Event::Unproven { master, cause: cause.clone() },
        _ => Event::Committed { master },
    });
}
