//! The outcome of a rollout.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::master::MasterRollout;
use crate::artifact::certificate_reload::CertificateReload;
use crate::context::Run;
use crate::kube::LeaderChange;
use crate::pki::identity::Decision;
use crate::plan::{MasterPlan, Plan, Step};

/// The outcome of a rollout.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Outcome {
    /// True if a root CA was created.
    pub created_ca: bool,
    /// The decision on the client identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Decision>,
    /// The decision on the serving certificate. `None` if kube-controller-manager generates its
    /// own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<Decision>,
    /// The masters, in the order of the cluster file.
    pub masters: Vec<MasterOutcome>,
    /// Masters that were excluded from the run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// The leader, and handovers; absent if the leader was not verified and no handover took place.
    #[serde(rename = "lead", skip_serializing_if = "Option::is_none")]
    pub leadership: Option<LeadershipOutcome>,
}

/// The leader at the end of a rollout, and the handovers before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LeadershipOutcome {
    /// The handovers of leadership.
    pub changes: Vec<LeaderChange>,
    /// The holder that was seen to renew the Lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// The reason why no leader was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl LeadershipOutcome {
    fn is_good(&self) -> bool {
        self.trouble.is_none() && self.changes.iter().all(LeaderChange::is_good)
    }
}

/// The outcome of a rollout on one master.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MasterOutcome {
    /// Name of the master.
    pub name: String,
    /// The planned steps, carried out or not.
    pub steps: Vec<Step>,
    /// The result of the rollout on the master.
    #[serde(flatten)]
    pub result: MasterResult,
}

/// The result of a rollout on one master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "result", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum MasterResult {
    /// The observed state already equalled the desired state.
    Unchanged,
    /// All steps were carried out.
    Done,
    /// All steps were carried out without a restart, and the service is healthy.
    Renewed {
        /// The state of the certificate reload: whether the process uses the new credentials.
        #[serde(flatten)]
        certificate_reload: CertificateReload,
    },
    /// The master did not change: a step failed on it or on another master, or the rollout stopped.
    Untouched {
        /// The failure, if it happened on this master.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// All steps were carried out, but the health of the service could not be verified. Either kcm
    /// cannot probe it, or the master could not reach its API server before the change either.
    Unverified {
        /// The reason.
        cause: String,
    },
    /// The change failed. The previous generation was restored; if the service was restarted, it is
    /// healthy again.
    RolledBack {
        /// The failure that caused the rollback.
        error: String,
    },
    /// The rollout failed after the master had changed, or the state of the master is unknown.
    Failed {
        /// The failure and how to continue.
        error: String,
    },
}

/// The result in a few words, without its cause.
impl fmt::Display for MasterResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unchanged => "nothing to do",
            Self::Done | Self::Renewed { .. } => "done",
            Self::Untouched { .. } => "untouched",
            Self::Unverified { .. } => "applied, not verified",
            Self::RolledBack { .. } => "rolled back",
            Self::Failed { .. } => "failed",
        })
    }
}

impl MasterResult {
    /// Returns the result of a master before anything is done there.
    pub(super) fn before(planned: &MasterPlan) -> Self {
        match planned.steps[..] {
            [] => Self::Unchanged,
            _ => Self::Untouched { error: None },
        }
    }

    /// Reports whether the master has its desired state, as far as kcm can determine.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(
            self,
            Self::Unchanged | Self::Done | Self::Renewed { .. } | Self::Unverified { .. }
        )
    }
}

impl Outcome {
    /// Returns the outcome of a plan without steps.
    #[must_use]
    pub(crate) fn unchanged(run: Run<'_>, plan: &Plan) -> Self {
        Self::from_results(run, plan, plan.masters.iter().map(|_| MasterResult::Unchanged))
    }

    pub(super) fn of(
        run: Run<'_>,
        plan: &Plan,
        masters: Vec<MasterRollout>,
        leadership: Option<LeadershipOutcome>,
    ) -> Self {
        let results = masters.into_iter().map(|master| master.result);
        Self { leadership, ..Self::from_results(run, plan, results) }
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
            leadership: None,
        }
    }

    /// Reports whether every master has its desired state and, if verified, a leader exists.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.masters.iter().all(|master| master.result.is_good())
            && self.leadership.as_ref().is_none_or(LeadershipOutcome::is_good)
    }

    /// Reports whether any master changed or may have changed.
    #[must_use]
    pub fn has_changed_masters(&self) -> bool {
        let mut results = self.masters.iter().map(|master| &master.result);
        results.any(|result| {
            !matches!(result, MasterResult::Unchanged | MasterResult::Untouched { .. })
        })
    }

    /// Reports whether nothing changed: no master, no CA and no certificate.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.masters.iter().all(|master| master.result == MasterResult::Unchanged)
            && !self.created_ca
            && [&self.identity, &self.serving].into_iter().flatten().all(|it| !it.issues())
    }
}
