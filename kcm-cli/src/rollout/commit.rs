//! Giving staged files their names and starting the service.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::order::order;
use super::outcome::MasterResult;
use crate::desired::{Desired, DesiredMaster};
use crate::event::Event;
use crate::layout::Layout;
use crate::observe::{Observed, ObservedMaster};
use crate::plan::{MasterPlan, Plan, Step};
use crate::run::Run;
use crate::transport::{
    Attributes, Batch, Commit, Operation, OperationError, Replies, Settle, Transport,
    TransportError, UnitAction,
};

/// How long a service must stay up after its start, as one invocation and without a restart: a wrong flag or
/// an unreadable file ends kube-controller-manager within a second.
const SETTLE: Duration = Duration::from_secs(2);

/// Commits on every master that has something to do: at once where nothing runs, then one after the other.
/// Stops at the first failure. The results are in the cluster file's order.
pub(super) async fn commit(
    run: Run<'_>,
    plan: &Plan,
    desired: &Desired,
    observed: &Observed,
    layout: &Layout,
) -> Vec<MasterResult> {
    let order = order(plan, observed);
    let commits = Commits { run, plan, desired, observed, layout };
    let mut results: Vec<_> = plan.masters.iter().map(untouched).collect();
    let groups =
        [order.at_once].into_iter().chain(order.one_by_one.into_iter().map(|one| vec![one]));
    for group in groups {
        if !commits.carry_out(&group, &mut results).await {
            break;
        }
    }
    results
}

fn untouched(planned: &MasterPlan) -> MasterResult {
    match planned.steps[..] {
        [] => MasterResult::Unchanged,
        _ => MasterResult::Untouched { error: None },
    }
}

struct Commits<'a> {
    run: Run<'a>,
    plan: &'a Plan,
    desired: &'a Desired,
    observed: &'a Observed,
    layout: &'a Layout,
}

impl Commits<'_> {
    /// Commits on all masters of `group` at once and fills in their results. Whether to go on.
    async fn carry_out(&self, group: &[usize], results: &mut [MasterResult]) -> bool {
        let mut committing = JoinSet::new();
        let mut go_on = true;
        for place in group {
            // What has ended in the meantime may say that it is better to begin no other.
            while let Some(ended) = committing.try_join_next() {
                go_on &= self.record(ended.ok(), results);
            }
            if !go_on || self.run.interrupt.is_asked() {
                go_on = false;
                break;
            }
            if let Some((transport, batch)) = self.work(*place) {
                if let Some(result) = results.get_mut(*place) {
                    let error = "its transport ended without an answer; run the same command again";
                    *result = MasterResult::Partial { error: error.to_owned() };
                }
                let place = *place;
                committing.spawn(async move { (place, done(transport.call(&batch).await)) });
            }
            // Lets whoever asks to stop be heard, where a transport never waits.
            tokio::task::yield_now().await;
        }
        while let Some(ended) = committing.join_next().await {
            go_on &= self.record(ended.ok(), results);
        }
        go_on
    }

    fn work(&self, place: usize) -> Option<(Arc<dyn Transport>, Batch)> {
        let (_, transport) = self.run.fleet.masters().nth(place)?;
        let (planned, desired) = (self.plan.masters.get(place)?, self.desired.masters.get(place)?);
        let observed = self.observed.masters.get(place)?;
        Some((Arc::clone(transport), batch(planned, desired, observed, self.layout)))
    }

    /// Takes one master's result. Whether it is as it should be.
    fn record(&self, ended: Option<(usize, MasterResult)>, results: &mut [MasterResult]) -> bool {
        let Some((place, result)) = ended else { return false };
        let is_done = result == MasterResult::Done;
        if let (Some(planned), Some(slot)) = (self.plan.masters.get(place), results.get_mut(place))
        {
            let master = planned.name.clone();
            self.run.events.event(&match &result {
                MasterResult::Partial { error }
                | MasterResult::Untouched { error: Some(error) } => {
                    Event::Failed { master, error: error.clone() }
                }
                _ => Event::Committed { master },
            });
            *slot = result;
        }
        is_done
    }
}

/// Everything that is done on one master, in one exchange.
fn batch(
    planned: &MasterPlan,
    desired: &DesiredMaster,
    observed: &ObservedMaster,
    layout: &Layout,
) -> Batch {
    let mut commit = Commit {
        // What was shown is what is done: nothing that kcm manages may have changed since.
        expected: desired
            .artifacts
            .iter()
            .map(|artifact| (artifact.path.clone(), observed.files.of(artifact.role).state.clone()))
            .collect(),
        files: Vec::new(),
        attributes: Vec::new(),
        leftovers: Vec::new(),
    };
    let (mut actions, mut deadline) = (Vec::new(), Batch::DEADLINE);
    let unit = &layout.unit;
    for step in &planned.steps {
        match step {
            Step::Write { path, .. } => commit.files.push(path.clone()),
            Step::SetAttributes { path, mode, owner, .. } => commit.attributes.push(Attributes {
                path: path.clone(),
                mode: *mode,
                owner: *owner,
            }),
            Step::RemoveLeftover { path } => commit.leftovers.push(path.clone()),
            Step::Reload => actions.push(Operation::Unit(UnitAction::Reload)),
            Step::Enable => actions.push(Operation::Unit(UnitAction::Enable {
                unit: unit.clone(),
                path: layout.unit_file.clone(),
            })),
            Step::Restart => {
                actions.push(Operation::Unit(UnitAction::Restart { unit: unit.clone() }));
                actions.push(Operation::Settle(Settle { unit: unit.clone(), period: SETTLE }));
                deadline += SETTLE;
            }
        }
    }
    let operations = [Operation::Commit(commit)].into_iter().chain(actions).collect();
    Batch { deadline, ..Batch::new(operations) }
}

/// What an answer means for the master.
fn done(called: Result<Replies, TransportError>) -> MasterResult {
    let error = match called {
        Ok(Replies { failed: None, .. }) => return MasterResult::Done,
        Ok(Replies { failed: Some(failure), .. }) => {
            let error = failure.error.to_string();
            if failure.index == 0 && matches!(failure.error, OperationError::Changed { .. }) {
                return MasterResult::Untouched { error: Some(error) };
            }
            error
        }
        Err(error @ TransportError::NeverRan { .. }) => {
            return MasterResult::Untouched { error: Some(error.to_string()) };
        }
        Err(error) => error.to_string(),
    };
    MasterResult::Partial { error }
}
