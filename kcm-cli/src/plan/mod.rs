//! The ordered difference between what should be and what is there. Pure, and a value: what is shown is
//! what is done.

pub(crate) mod change;
pub(crate) mod choose;
mod serving;

use kcm_pki::{Certificate, Fingerprint};
use serde::Serialize;
use similar::TextDiff;

use crate::artifact::view;
use crate::cluster::layout::Role;
use crate::desired::meaning::Held;
use crate::desired::{Artifact, Content, Desired, DesiredMaster};
use crate::kube::LeadForecast;
use crate::observed::{Observed, ObservedFile, ObservedMaster, trust};
use crate::pki::identity::Decision;
use crate::pki::serving::is_of_kcm;
use crate::transport::{Activity, Enablement, PathState};
use crate::util::files::{Mode, Owner, RemotePath};

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

impl MasterPlan {
    /// Tells whether a file of this role is written.
    pub(crate) fn writes(&self, role: Role) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step, Step::Write { role: written, .. } if *written == role))
    }

    /// Whether its service is started or restarted.
    #[must_use]
    pub fn starts(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Restart))
    }

    /// Whether it replaces the file that the kubeconfig names for certificate and key, from which a service that runs takes
    /// them up by itself.
    #[must_use]
    pub fn replaces_named_credentials(&self) -> bool {
        let is_combined = |role| role == Some(Role::Combined);
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step, Step::Write { .. }) && is_combined(step.role()))
    }
}

/// What will be done on one master.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MasterPlan {
    /// Its name.
    pub name: String,
    /// What is done, in this order; empty when everything is as it should be.
    pub steps: Vec<Step>,
}

/// One thing that is done on a master.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "step", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Step {
    /// A file is made or replaced.
    Write {
        /// What it is.
        role: Role,
        /// Where it is.
        path: RemotePath,
        /// Its permission bits.
        mode: Mode,
        /// Its owner.
        owner: Owner,
        /// What is there now.
        before: PathState,
        /// Its new content: a digest, or that it is yet to be made.
        after: Content,
        /// The size of its new content in bytes, if that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        /// The change for people, secrets as fingerprints.
        diff: String,
    },
    /// A file stays and gets another mode or owner.
    SetAttributes {
        /// What it is.
        role: Role,
        /// Where it is.
        path: RemotePath,
        /// Its permission bits.
        mode: Mode,
        /// Its owner, if it can be set.
        owner: Option<Owner>,
        /// What is there now.
        before: PathState,
    },
    /// What an interrupted run left is removed.
    RemoveLeftover {
        /// The folder.
        path: RemotePath,
    },
    /// systemd reads unit files again.
    Reload,
    /// The unit starts at boot.
    Enable,
    /// A file is what it was in an earlier generation.
    Restore {
        /// Where it is.
        path: RemotePath,
        /// Where the file of that generation is kept.
        from: RemotePath,
        /// SHA-256 of its bytes.
        digest: Fingerprint,
        /// Its permission bits.
        mode: Mode,
        /// Its owner.
        owner: Owner,
        /// What is there now.
        before: PathState,
    },
    /// A file is removed.
    Remove {
        /// Where it is.
        path: RemotePath,
        /// What is there now.
        before: PathState,
    },
    /// The unit does not start at boot any more.
    Disable,
    /// The service ends, and stays down.
    Stop,
    /// The service starts, or starts again.
    Restart,
    /// What kcm keeps there for itself is removed.
    Forget,
    /// What an earlier run put in place is proven: it has not been seen healthy since.
    Prove,
}

impl Step {
    /// The file that the step is about, if it is about a managed one.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Write { role, .. } | Self::SetAttributes { role, .. } => Some(*role),
            _ => None,
        }
    }
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

/// Whether what is there is right: the bytes, or what is as good as they are. A certificate is the same in any writing, and so
/// are unit and kubeconfig where the cluster file has them compared by meaning.
pub(crate) fn is_right(artifact: &Artifact, observed: &ObservedMaster) -> bool {
    let found = observed.files.of(artifact.role);
    match (&found.state, &artifact.content) {
        (PathState::File { digest, .. }, Content::Known(bytes)) => {
            let same = |ours: Fingerprint| certificate_in(found) == Some(ours);
            *digest == bytes.digest()
                || artifact.role == Role::CaCertificate
                    && certificate(bytes.expose()).is_some_and(same)
                || artifact.role == Role::Trust && same_certificates(bytes.expose(), found)
                || artifact.meaning.as_ref().is_some_and(|meaning| meaning.is_on(observed))
        }
        // systemd follows the link of a unit, as `systemctl link` makes it.
        (PathState::Link { .. }, Content::Known(bytes)) if artifact.role == Role::Unit => {
            let text = observed.effective.as_ref().and_then(|unit| unit.only_text());
            text.is_some_and(|text| text.as_bytes() == bytes.expose())
                || artifact.meaning.as_ref().is_some_and(|meaning| meaning.is_on(observed))
        }
        (PathState::File { .. }, Content::AsItIs) => {
            let meaning = artifact.meaning.as_ref();
            let is_on = |held: &Held| held.is_on(artifact.role, meaning, observed);
            artifact.held.as_ref().is_none_or(is_on)
        }
        _ => false,
    }
}

/// Whether a file holds these certificates, in whatever order and writing.
fn same_certificates(pem: &[u8], found: &ObservedFile) -> bool {
    let of = |pem: &[u8]| trust::fingerprints(pem);
    let theirs = found.text.as_deref().and_then(|text| of(text.as_bytes()));
    theirs.is_some() && of(pem) == theirs
}

pub(crate) fn certificate_in(found: &ObservedFile) -> Option<Fingerprint> {
    certificate(found.text.as_deref()?.as_bytes())
}

/// The only certificate of a file.
pub(crate) fn certificate(pem: &[u8]) -> Option<Fingerprint> {
    Certificate::from_pem(pem).ok().map(|certificate| certificate.fingerprint())
}

fn artifact_step(
    artifact: &Artifact,
    found: &ObservedFile,
    observed: &ObservedMaster,
) -> Option<Step> {
    let Artifact { role, ref path, mode, owner, .. } = *artifact;
    let before = found.state.clone();
    let PathState::File { mode: mode_found, owner: owner_found, .. } = before else {
        let is_link = matches!(before, PathState::Link { .. });
        return (!is_link || !is_right(artifact, observed)).then(|| write(artifact, found));
    };
    if !is_right(artifact, observed) {
        return Some(write(artifact, found));
    }
    if !is_written_by_kcm(artifact, &before) {
        return None;
    }
    let owner = observed.probe.can_set_owner.then_some(owner);
    let same_attributes = mode_found == mode && owner.is_none_or(|owner| owner == owner_found);
    (!same_attributes).then(|| Step::SetAttributes {
        role,
        path: path.clone(),
        mode,
        owner,
        before,
    })
}

/// Whether a file has the bytes that kcm writes and nobody else does: only then are mode and owner kcm's to set. Others use
/// the CA's files too, and may have put them there.
fn is_written_by_kcm(artifact: &Artifact, found: &PathState) -> bool {
    let is_cas = matches!(artifact.role, Role::CaCertificate | Role::CaKey | Role::Trust);
    match (found, &artifact.content) {
        (PathState::File { digest, .. }, Content::Known(bytes)) => {
            !is_cas && *digest == bytes.digest()
        }
        _ => false,
    }
}

fn write(artifact: &Artifact, found: &ObservedFile) -> Step {
    Step::Write {
        role: artifact.role,
        path: artifact.path.clone(),
        mode: artifact.mode,
        owner: artifact.owner,
        before: found.state.clone(),
        after: artifact.content.clone(),
        size: match &artifact.content {
            Content::Known(bytes) => Some(bytes.expose().len() as u64),
            Content::Pending | Content::AsItIs => None,
        },
        diff: diff(artifact, found),
    }
}

/// The change as a unified diff of what people may see.
fn diff(artifact: &Artifact, found: &ObservedFile) -> String {
    let before = match (&found.state, &found.text, artifact.role) {
        (PathState::File { digest, .. }, _, Role::Key | Role::CaKey) => view::key(*digest),
        (PathState::File { digest, size, .. }, _, Role::Binary) => view::binary(*size, *digest),
        (_, Some(text), Role::Certificate | Role::CaCertificate) => view::certificate(text),
        (_, Some(text), Role::Trust) => view::certificates(text),
        (PathState::File { digest, .. }, Some(text), Role::Combined | Role::Serving) => {
            view::combined(text, *digest)
        }
        (_, Some(text), Role::Kubeconfig) => view::kubeconfig(text),
        (_, Some(text), Role::Unit) => text.clone(),
        _ => String::new(),
    };
    TextDiff::from_lines(&*view::bounded(&before), artifact.view.as_str())
        .unified_diff()
        .context_radius(1)
        .to_string()
}
