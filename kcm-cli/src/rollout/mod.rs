//! Carrying out a plan: lock everywhere, stage everywhere, then commit: at once where nothing runs yet, then
//! master by master.

mod commit;
mod lock;
mod order;
mod outcome;
mod stage;

use crate::desired::Desired;
use crate::layout::Layout;
use crate::observe::Observed;
use crate::plan::Plan;
use crate::run::Run;
use crate::transport::{LockError, LockGuard};

pub use outcome::{MasterOutcome, MasterResult, Outcome};
use stage::Staged;

/// A rollout that holds every master's lock.
pub(crate) struct Rollout<'a> {
    run: Run<'a>,
    _locks: Vec<Box<dyn LockGuard>>,
}

impl<'a> Rollout<'a> {
    /// Locks all masters.
    pub(crate) async fn lock(run: Run<'a>) -> Result<Self, LockError> {
        let locks = lock::lock(run.fleet).await?;
        Ok(Self { run, _locks: locks })
    }

    /// Stages everywhere, then commits; stops at the first failure.
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
        let staged = stage::stage(self.run, plan, desired).await;
        let has_failed = staged.iter().any(|staged| matches!(staged, Staged::Failed(_)));
        if has_failed || self.run.interrupt.is_asked() {
            stage::unstage(self.run, &staged).await;
            let results = plan.masters.iter().zip(staged).map(|(planned, staged)| match staged {
                Staged::Failed(error) => MasterResult::Untouched { error: Some(error) },
                _ if planned.steps.is_empty() => MasterResult::Unchanged,
                _ => MasterResult::Untouched { error: None },
            });
            return Outcome::from(plan, results.collect());
        }
        Outcome::from(plan, commit::commit(self.run, plan, desired, observed, layout).await)
    }
}
