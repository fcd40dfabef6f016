//! What an operation has planned, with everything that it was planned from.

use time::OffsetDateTime;

use crate::artifact::generation::Change;
use crate::cluster::layout::Layout;
use crate::desired::Desired;
use crate::finding::{Finding, FindingCode};
use crate::observed::accounts::Owners;
use crate::observed::{Observed, ObservedMaster};
use crate::pki::Inputs;
use crate::plan::{Plan, Step};
use crate::preflight::Examination;

/// A plan, ready to be shown, approved and executed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Prepared {
    /// The state of the masters.
    pub observed: Observed,
    /// What should be on the masters, as far as it is known before certificates are issued; `None` where files come back
    /// or are removed.
    pub desired: Option<Desired>,
    /// The difference.
    pub plan: Plan,
    /// Warnings of the checks: faults that stop no rollout and that no rollout repairs.
    pub findings: Vec<Finding>,
    pub(crate) layout: Layout,
    pub(crate) inputs: PlanInputs,
}

/// What the steps of a plan come from.
#[derive(Debug)]
pub(crate) enum PlanInputs {
    /// The cluster file, and the files on this machine that it names.
    ClusterFile(Box<FromClusterFile>),
    /// What the masters keep, or nothing: the change of each master, in the order of the cluster file.
    Masters(Vec<Change>),
}

/// The inputs of a plan from the cluster file.
#[derive(Debug)]
pub(crate) struct FromClusterFile {
    pub(crate) inputs: Inputs,
    /// The owners of files and processes on each master.
    pub(crate) owners: Vec<Owners>,
    /// What one more exchange with each master showed; empty before the checks.
    pub(crate) examined: Vec<Examination>,
    /// Whether a new certificate is issued for the key that is there.
    pub(crate) same_key: bool,
}

impl Prepared {
    /// Returns a plan that needs nothing from the cluster file but paths.
    pub(crate) fn of_masters(
        plan: Plan,
        observed: Vec<ObservedMaster>,
        layout: Layout,
        changes: Vec<Change>,
        at: OffsetDateTime,
    ) -> Self {
        Self {
            observed: Observed { at, operator: Ok(None), masters: observed },
            desired: None,
            plan,
            findings: Vec::new(),
            layout,
            inputs: PlanInputs::Masters(changes),
        }
    }

    /// Tells whether the masters differ from the cluster file, or something there is wrong or unknown. A drop-in that only
    /// adds to the unit is neither.
    #[must_use]
    pub fn is_to_do(&self) -> bool {
        let is_fault = |finding: &Finding| finding.code != FindingCode::DropIn;
        !self.plan.is_empty() || self.findings.iter().any(is_fault)
    }

    /// Returns the number of steps on all masters together.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.plan.masters.iter().map(|master| master.steps.len()).sum()
    }

    /// Returns the steps of one master.
    pub fn steps_of(&self, master: &str) -> impl Iterator<Item = &Step> {
        let plan = self.plan.masters.iter().find(move |plan| plan.name == master);
        plan.into_iter().flat_map(|plan| &plan.steps)
    }
}
