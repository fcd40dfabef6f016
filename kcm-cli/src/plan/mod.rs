//! The plan: the ordered difference between the desired and the observed state. Pure.
//!
//! A plan is an immutable value: the plan that is shown is the plan that is executed.

pub(crate) mod change;
pub(crate) mod choose;
mod file;
mod plan_file;
mod serving;
mod step;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cluster::layout::{Layout, Role};
use crate::desired::{Desired, DesiredMaster};
use crate::kube::LeaderForecast;
use crate::observed::{Observed, ObservedMaster};
use crate::pki::identity::Decision;
use crate::pki::serving::is_of_kcm;
use crate::transport::{Activity, Enablement, PathState};
use crate::util::files::RemotePath;
use file::artifact_step;

pub(crate) use file::{certificate, certificate_in, is_right};
pub(crate) use plan_file::PlanFacts;
pub use plan_file::{PlanFile, PlanFileError, PlanOptions};
pub use step::{MasterPlan, Step};

/// The plan of an operation.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Plan {
    /// True if a root CA is created first.
    pub creates_ca: bool,
    /// The decision on the client identity. `None` if the plan restores or removes files; the
    /// identity is then not evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Decision>,
    /// The decision on the serving certificate. `None` if kube-controller-manager generates its
    /// own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<Decision>,
    /// The masters, in the order of the cluster file.
    pub masters: Vec<MasterPlan>,
    /// The expected changes of leadership, if running services are restarted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader_changes: Option<LeaderForecast>,
}

impl Plan {
    /// Returns the plans of all masters.
    pub(crate) fn masters(desired: &Desired, observed: &Observed) -> Vec<MasterPlan> {
        let masters = desired.masters.iter().zip(&observed.masters);
        masters.map(|(desired, observed)| Self::of_master(desired, observed)).collect()
    }

    /// Adds steps that remove the CA key from masters on which no flag names it.
    pub(crate) fn remove_ca_key(
        masters: &mut [MasterPlan],
        desired: &Desired,
        observed: &Observed,
        layout: &Layout,
    ) {
        let known = desired.masters.iter().zip(&observed.masters);
        for (planned, (desired, observed)) in masters.iter_mut().zip(known) {
            if !has_unread_ca_key(desired, observed) {
                continue;
            }
            let before = observed.files.of(Role::CaKey).state.clone();
            let remove = Step::Remove { path: layout.path(Role::CaKey).clone(), before };
            // Files change before the service.
            let is_of_service = |step: &Step| {
                matches!(step, Step::Reload | Step::Enable | Step::Restart | Step::Verify)
            };
            let place = planned.steps.iter().position(is_of_service);
            planned.steps.insert(place.unwrap_or(planned.steps.len()), remove);
            // A removal alone is verified like a change.
            if place.is_none() && observed.probe.unit.activity != Activity::Offline {
                planned.steps.push(Step::Verify);
            }
        }
    }

    /// Returns a plan that issues nothing, only restores or removes files.
    pub(crate) fn without_certificates(masters: Vec<MasterPlan>) -> Self {
        Self { creates_ca: false, identity: None, serving: None, masters, leader_changes: None }
    }

    /// Returns the plan of one master.
    pub(crate) fn of_master(desired: &DesiredMaster, observed: &ObservedMaster) -> MasterPlan {
        master_plan(desired, observed)
    }

    /// Updates the steps that write files with content that is now known. Drops the step of a file
    /// that already has this content.
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

    /// Reports whether a new certificate is issued.
    #[must_use]
    pub fn issues(&self) -> bool {
        [&self.identity, &self.serving].into_iter().flatten().any(Decision::issues)
    }

    /// Reports whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.creates_ca
            && !self.issues()
            && self.masters.iter().all(|master| master.steps.is_empty())
    }

    /// Reports whether a file of this role is written on any master.
    #[must_use]
    pub(crate) fn writes(&self, role: Role) -> bool {
        self.masters.iter().any(|master| master.writes(role))
    }
}

/// Reports whether a master has the CA key although no flag names it.
pub(crate) fn has_unread_ca_key(desired: &DesiredMaster, observed: &ObservedMaster) -> bool {
    !desired.reads.contains(&Role::CaKey)
        && matches!(observed.files.of(Role::CaKey).state, PathState::File { .. })
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
    // The service reads this file for each connection, so a new one needs no restart.
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
        steps.push(Step::Verify);
    }
    MasterPlan { name: desired.name.clone(), steps }
}

/// Returns steps that remove files with a key that kcm created and that no flag and no kubeconfig
/// names any more.
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

/// Reports whether kcm created a file with certificate and key. Either its content is what kcm
/// would write, or a generation note of kcm names the path.
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

/// Reports whether the service runs and started after the last change of the files that it reads.
///
/// The change time (ctime) counts, because a rename keeps the modification time.
pub(crate) fn is_running_what_is_there(reads: &[Role], observed: &ObservedMaster) -> bool {
    let Activity::Active { since, .. } = observed.probe.unit.activity else { return false };
    reads.iter().all(|role| match &observed.files.of(*role).state {
        // kcm does not follow links of files that it does not manage.
        PathState::Link { .. } => true,
        state => state.changed().is_some_and(|changed| changed <= since),
    })
}
