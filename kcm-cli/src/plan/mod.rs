//! The ordered difference between what should be and what is there. Pure, and a value: what is shown is
//! what is done.

pub(crate) mod change;
pub(crate) mod choose;
mod file;
mod serving;
mod step;

use serde::Serialize;

use crate::cluster::layout::Role;
use crate::desired::{Desired, DesiredMaster};
use crate::kube::LeadForecast;
use crate::observed::{Observed, ObservedMaster};
use crate::pki::identity::Decision;
use crate::pki::serving::is_of_kcm;
use crate::transport::{Activity, Enablement, PathState};
use crate::util::files::RemotePath;
use file::artifact_step;

pub(crate) use file::{certificate, certificate_in, is_right};
pub use step::{MasterPlan, Step};

/// What will be done.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Whether a root CA is made first.
    pub creates_ca: bool,
    /// What happens to the identity; nothing, and it is not judged, where files come back or go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Decision>,
    /// What happens to the certificate that is served with; nothing where kube-controller-manager makes its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<Decision>,
    /// The masters, in the cluster file's order.
    pub masters: Vec<MasterPlan>,
    /// What it does to the lead, if services that run are restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_changes: Option<LeadForecast>,
}

impl Plan {
    /// The masters' part.
    pub(crate) fn masters(desired: &Desired, observed: &Observed) -> Vec<MasterPlan> {
        let masters = desired.masters.iter().zip(&observed.masters);
        masters.map(|(desired, observed)| Self::of_master(desired, observed)).collect()
    }

    /// A plan that issues nothing: files come back or are removed.
    pub(crate) fn without_certificates(masters: Vec<MasterPlan>) -> Self {
        Self { creates_ca: false, identity: None, serving: None, masters, lead_changes: None }
    }

    /// One master's part.
    pub(crate) fn of_master(desired: &DesiredMaster, observed: &ObservedMaster) -> MasterPlan {
        master_plan(desired, observed)
    }

    /// Puts content that is known by now into the steps that write files. A file that has it already is not written.
    pub(crate) fn refresh(&mut self, desired: &Desired, observed: &Observed) {
        let masters = self.masters.iter_mut().zip(&desired.masters).zip(&observed.masters);
        for ((planned, desired), observed) in masters {
            let refreshed = |step: Step| {
                let Step::Write { role, .. } = step else { return Some(step) };
                let artifact = desired.artifacts.iter().find(|artifact| artifact.role == role)?;
                artifact_step(artifact, observed.files.of(role), observed)
            };
            planned.steps = planned.steps.drain(..).filter_map(refreshed).collect();
        }
    }

    /// Whether a new certificate is issued.
    #[must_use]
    pub fn issues(&self) -> bool {
        let issues = |decision: &Option<Decision>| matches!(decision, Some(Decision::Issue { .. }));
        issues(&self.identity) || issues(&self.serving)
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.creates_ca
            && !self.issues()
            && self.masters.iter().all(|master| master.steps.is_empty())
    }

    /// Whether the CA key that is there is needed: to sign, or to distribute it. One that is made is at hand.
    #[must_use]
    pub(crate) fn needs_ca_key(&self) -> bool {
        !self.creates_ca && (self.issues() || self.writes(Role::CaKey))
    }

    /// Whether a file of this role is written on any master.
    #[must_use]
    pub(crate) fn writes(&self, role: Role) -> bool {
        self.masters.iter().any(|master| master.writes(role))
    }
}

fn master_plan(desired: &DesiredMaster, observed: &ObservedMaster) -> MasterPlan {
    let mut steps = Vec::new();
    for artifact in &desired.artifacts {
        let found = observed.files.of(artifact.role);
        steps.extend(artifact_step(artifact, found, observed));
    }
    let touches = |role: &Role| steps.iter().any(|step| step.role() == Some(*role));
    let unit = &observed.probe.unit;
    let runs_nothing = unit.activity == Activity::Offline;
    let reload = !runs_nothing && (touches(&Role::Unit) || unit.needs_reload);
    let restart = !runs_nothing
        && (desired.reads.iter().any(touches)
            || !is_running_what_is_there(&desired.reads, observed));
    // The service reads it when it connects, not when it starts.
    let renews = !runs_nothing && touches(&Role::Combined);
    steps.extend(unnamed(desired, observed));
    let leftovers = observed.leftovers().cloned();
    steps.extend(leftovers.map(|path| Step::RemoveLeftover { path }));
    if reload {
        steps.push(Step::Reload);
    }
    if unit.enablement != Enablement::Enabled {
        steps.push(Step::Enable);
    }
    if restart {
        steps.push(Step::Restart);
    } else if renews || observed.generations.pending.is_some() {
        steps.push(Step::Prove);
    }
    MasterPlan { name: desired.name.clone(), steps }
}

/// A file with a key that kcm has put there does not stay where nothing names it any more.
fn unnamed(desired: &DesiredMaster, observed: &ObservedMaster) -> Vec<Step> {
    let files = [(Role::Combined, &desired.combined), (Role::Serving, &desired.serving)];
    let left = files.into_iter().filter_map(|(role, path)| {
        let before = &observed.files.of(role).state;
        let is_wanted = desired.artifacts.iter().any(|artifact| artifact.role == role)
            || desired.service.files.contains(path);
        (!is_wanted && before.attributes().is_some() && is_kcms(role, path, observed))
            .then(|| Step::Remove { path: path.clone(), before: before.clone() })
    });
    left.collect()
}

/// Whether kcm has put a file with certificate and key there: it holds what kcm would have put into it, or kcm has noted
/// what was there before.
fn is_kcms(role: Role, path: &RemotePath, observed: &ObservedMaster) -> bool {
    let generations = &observed.generations;
    let mut noted = generations.pending.iter().chain(&generations.previous);
    let found = observed.files.of(role);
    let is_like_kcms = match role {
        Role::Combined => {
            let held = found.leaf();
            held.is_some() && held == observed.files.certificate.leaf()
        }
        _ => found.text.as_deref().is_some_and(is_of_kcm),
    };
    is_like_kcms || noted.any(|note| note.files.iter().any(|former| former.path == *path))
}

/// Whether the service runs and started after the files that it reads got there. A rename keeps a file's
/// modification time, so it is the change time that counts.
pub(crate) fn is_running_what_is_there(reads: &[Role], observed: &ObservedMaster) -> bool {
    let Activity::Active { since, .. } = observed.probe.unit.activity else { return false };
    reads.iter().all(|role| match &observed.files.of(*role).state {
        // Where a file that kcm does not manage really is, is not looked at.
        PathState::Link { .. } => true,
        state => state.changed().is_some_and(|changed| changed <= since),
    })
}
