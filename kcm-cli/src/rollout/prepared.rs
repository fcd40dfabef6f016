//! A prepared operation: the plan, and the state from which it was made.

use kcm_pki::Fingerprint;
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
use crate::transport::Activity;

/// A plan that is ready to be shown, approved and executed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Prepared {
    /// The observed state of the masters.
    pub observed: Observed,
    /// The desired state, as far as it is known before certificates are issued. `None` if the plan
    /// restores or removes files.
    pub desired: Option<Desired>,
    /// The difference between the observed and the desired state.
    pub plan: Plan,
    /// Warnings of the preflight checks: faults that do not stop a rollout and that no rollout
    /// fixes.
    pub findings: Vec<Finding>,
    pub(crate) layout: Layout,
    pub(crate) inputs: PlanInputs,
    /// The masters that return to an earlier generation, with the time at which it was replaced.
    pub(crate) restores: Vec<(String, OffsetDateTime)>,
}

/// The source of a plan's steps.
#[derive(Debug)]
pub(crate) enum PlanInputs {
    /// The cluster file, and files on this machine named in it.
    ClusterFile(Box<FromClusterFile>),
    /// Files that the masters keep, or none: the change of each master, in the order of the cluster
    /// file.
    Masters(Vec<Change>),
}

/// The inputs of a plan from the cluster file.
#[derive(Debug)]
pub(crate) struct FromClusterFile {
    pub(crate) inputs: Inputs,
    /// The owners of files and processes on each master.
    pub(crate) owners: Vec<Owners>,
    /// Results of the preflight exchange with each master; empty before the checks.
    pub(crate) examined: Vec<Examination>,
    /// True if a new certificate reuses the existing key.
    pub(crate) same_key: bool,
}

impl Prepared {
    /// Returns a prepared plan that takes only paths from the cluster file.
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
            restores: Vec::new(),
        }
    }

    /// Reports whether the masters differ from the cluster file or have findings.
    ///
    /// [`FindingCode::DropIn`] and [`FindingCode::CaKeyUnread`] do not count: both may be intended.
    #[must_use]
    pub fn needs_changes(&self) -> bool {
        let is_fault = |finding: &Finding| {
            !matches!(finding.code, FindingCode::DropIn | FindingCode::CaKeyUnread)
        };
        !self.plan.is_empty() || self.findings.iter().any(is_fault)
    }

    /// Returns the masters whose running service the plan restarts or stops.
    pub fn interrupted_masters(&self) -> impl Iterator<Item = &str> {
        let masters = self.plan.masters.iter().zip(&self.observed.masters);
        let interrupted = masters.filter(|(planned, observed)| {
            let runs = matches!(observed.probe.unit.activity, Activity::Active { .. });
            runs && planned.steps.iter().any(|step| matches!(step, Step::Restart | Step::Stop))
        });
        interrupted.map(|(planned, _)| planned.name.as_str())
    }

    /// Returns a digest of the properties and files on this machine that decide what is issued and
    /// uploaded.
    #[must_use]
    pub(crate) fn digest_of_inputs(&self) -> Fingerprint {
        let PlanInputs::ClusterFile(from) = &self.inputs else { return Fingerprint::of(b"") };
        let Inputs { request, ca, trust, serving, binary, .. } = &from.inputs;
        let serving = serving.as_ref().map(|serving| &serving.request);
        let ca = ca.present().map(|ca| ca.certificate().fingerprint());
        let binary = binary.as_ref().map(|binary| binary.bytes.digest());
        Fingerprint::of(format!("{request:?} {serving:?} {ca:?} {trust:?} {binary:?}").as_bytes())
    }

    /// Returns the total number of steps on all masters.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.plan.masters.iter().map(|master| master.steps.len()).sum()
    }
}
