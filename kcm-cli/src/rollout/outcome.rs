//! How a rollout ended.

use serde::Serialize;

use super::master::MasterRollout;
use crate::artifact::uptake::Uptake;
use crate::context::Run;
use crate::kube::LeadChange;
use crate::pki::identity::Decision;
use crate::plan::{MasterPlan, Plan, Step};

/// How it ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Whether a root CA was made.
    pub created_ca: bool,
    /// What happened to the identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Decision>,
    /// What happened to the certificate that is served with; nothing where kube-controller-manager makes its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<Decision>,
    /// The masters, in the cluster file's order.
    pub masters: Vec<MasterOutcome>,
    /// Masters that were left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// Who leads, if that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<LeadOutcome>,
}

/// Who leads at the end, and how that came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeadOutcome {
    /// How the lead was handed over.
    pub changes: Vec<LeadChange>,
    /// Who was seen to hold the Lease and to renew it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// Why nobody was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl LeadOutcome {
    fn is_good(&self) -> bool {
        self.trouble.is_none() && self.changes.iter().all(LeadChange::is_good)
    }
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
    /// All steps were carried out, and the service, which is healthy, was not restarted for them.
    Renewed {
        /// Whether it uses the new credentials.
        #[serde(flatten)]
        uptake: Uptake,
    },
    /// Nothing changed there, because something failed there or elsewhere.
    Untouched {
        /// Why, if it failed there.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// All steps were carried out; the service is not seen healthy, for a reason that was there before.
    Unproven {
        /// Why.
        cause: String,
    },
    /// The service was not healthy with it; what was there before is there again, and is.
    RolledBack {
        /// Why.
        error: String,
    },
    /// It failed in the middle, or whether it did is unknown.
    Failed {
        /// Why, and what to do.
        error: String,
    },
}

impl MasterResult {
    /// Returns the result of a master before anything is done there.
    pub(super) fn before(planned: &MasterPlan) -> Self {
        match planned.steps[..] {
            [] => Self::Unchanged,
            _ => Self::Untouched { error: None },
        }
    }

    /// Whether the master has what it should have, as far as that can be known.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Unchanged | Self::Done | Self::Renewed { .. } | Self::Unproven { .. })
    }
}

impl Outcome {
    /// Nothing had to be done.
    #[must_use]
    pub(crate) fn unchanged(run: Run<'_>, plan: &Plan) -> Self {
        Self::from_results(run, plan, plan.masters.iter().map(|_| MasterResult::Unchanged))
    }

    pub(super) fn of(
        run: Run<'_>,
        plan: &Plan,
        masters: Vec<MasterRollout>,
        lead: Option<LeadOutcome>,
    ) -> Self {
        let results = masters.into_iter().map(|master| master.result);
        Self { lead, ..Self::from_results(run, plan, results) }
    }

    fn from_results(
        run: Run<'_>,
        plan: &Plan,
        results: impl Iterator<Item = MasterResult>,
    ) -> Self {
        let masters = plan.masters.iter().zip(results).map(|(plan, result)| MasterOutcome {
            name: plan.name.clone(),
            steps: plan.steps.clone(),
            result,
        });
        Self {
            created_ca: plan.creates_ca,
            identity: plan.identity.clone(),
            serving: plan.serving.clone(),
            masters: masters.collect(),
            skipped: run.cluster.left_out.iter().map(ToString::to_string).collect(),
            lead: None,
        }
    }

    /// Whether every master is as it should be, and somebody leads as far as that was looked at.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.masters.iter().all(|master| master.result.is_good())
            && self.lead.as_ref().is_none_or(LeadOutcome::is_good)
    }

    /// Whether any master was, or may have been, changed.
    #[must_use]
    pub fn has_changed_masters(&self) -> bool {
        let mut results = self.masters.iter().map(|master| &master.result);
        results.any(|result| {
            !matches!(result, MasterResult::Unchanged | MasterResult::Untouched { .. })
        })
    }

    /// Whether there was nothing to do at all.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.masters.iter().all(|master| master.result == MasterResult::Unchanged)
            && !self.created_ca
            && !matches!(self.identity, Some(Decision::Issue { .. }))
            && !matches!(self.serving, Some(Decision::Issue { .. }))
    }
}
