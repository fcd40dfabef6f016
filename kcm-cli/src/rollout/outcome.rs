//! How a rollout ended.

use serde::Serialize;

use crate::identity::Decision;
use crate::plan::{MasterPlan, Plan, Step};

/// How it ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Whether a root CA was made.
    pub created_ca: bool,
    /// What happened to the identity.
    pub identity: Decision,
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

    pub(super) fn from(plan: &Plan, results: Vec<MasterResult>) -> Self {
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
            && matches!(self.identity, Decision::Keep { .. })
    }
}
