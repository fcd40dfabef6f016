//! The comparison of one file with its desired content, and the step that follows from it.

use kcm_pki::{Certificate, Fingerprint};
use similar::TextDiff;

use super::Step;
use crate::artifact::view;
use crate::cluster::layout::Role;
use crate::desired::{Artifact, Content};
use crate::observed::{ObservedFile, ObservedMaster, trust};
use crate::transport::PathState;

/// Reports whether the observed file equals the desired one, byte for byte or semantically.
///
/// CA certificates are equal in any PEM encoding. Unit and kubeconfig may be semantically equal if
/// the cluster file asks for that (`install.compare: semantic`).
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
            let reference = artifact.reference.as_ref();
            reference.is_none_or(|it| it.is_on(artifact.role, meaning, observed))
        }
        _ => false,
    }
}

/// Reports whether a file holds exactly these certificates, in any order and PEM encoding.
fn same_certificates(pem: &[u8], found: &ObservedFile) -> bool {
    let of = |pem: &[u8]| trust::fingerprints(pem);
    let theirs = found.text.as_deref().and_then(|text| of(text.as_bytes()));
    theirs.is_some() && of(pem) == theirs
}

pub(crate) fn certificate_in(found: &ObservedFile) -> Option<Fingerprint> {
    certificate(found.text.as_deref()?.as_bytes())
}

/// Returns the fingerprint of the only certificate in a file.
pub(crate) fn certificate(pem: &[u8]) -> Option<Fingerprint> {
    Certificate::from_pem(pem).ok().map(|certificate| certificate.fingerprint())
}

pub(super) fn artifact_step(
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

/// Reports whether a file has the exact bytes that only kcm writes. Only then does kcm set mode and
/// owner.
///
/// Files of the CA never count: other components use them too, and may have created them.
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

/// Returns the change as a unified diff of the redacted views.
fn diff(artifact: &Artifact, found: &ObservedFile) -> String {
    let before = match (&found.state, &found.text, artifact.role) {
        (PathState::File { digest, .. }, _, Role::Key | Role::CaKey | Role::ServiceAccountKey) => {
            view::key(*digest)
        }
        (PathState::File { digest, .. }, _, Role::ServiceAccountPublicKeys) => {
            format!("public keys, file {digest}\n")
        }
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
