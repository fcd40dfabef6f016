//! The CA certificates that clients on a master accept. Pure.

use std::collections::BTreeSet;

use kcm_kubeconfig::{Access, path_in_kubeconfig};
use kcm_pki::{Certificate, Fingerprint};

use crate::cluster::layout::{Layout, Role};
use crate::observed::ObservedMaster;

/// Returns the fingerprints of all certificates in a PEM file. `None` if one of them cannot be
/// parsed.
pub(crate) fn fingerprints(pem: &[u8]) -> Option<BTreeSet<Fingerprint>> {
    let all = Certificate::all_from_pem(pem).ok()?;
    Some(all.iter().map(Certificate::fingerprint).collect())
}

/// The CA certificates of a file that a kubeconfig names.
pub(crate) enum Named<'a> {
    /// The kubeconfig names no file.
    Nothing,
    /// The certificates, as PEM.
    Known(&'a str),
    /// The path of a file that was not observed.
    Unknown(String),
}

/// Finds the CA certificates in the file that a kubeconfig names for them.
pub(crate) fn named_by<'a>(
    access: &Access,
    observed: &'a ObservedMaster,
    layout: &Layout,
) -> Named<'a> {
    let Some(file) = access.authority_file() else { return Named::Nothing };
    let folder = layout.kubeconfig.parent();
    let folder = folder.as_ref().map_or("/", |it| it.as_str());
    let named = path_in_kubeconfig(folder, file);
    let is_at = |role: &Role| path_in_kubeconfig(folder, layout.path(*role).as_str()) == named;
    let role = [Role::CaCertificate, Role::Trust].into_iter().find(is_at);
    match role.and_then(|role| observed.files.of(role).text.as_deref()) {
        Some(pem) => Named::Known(pem),
        None => Named::Unknown(file.to_owned()),
    }
}

/// The CA certificates that a file on a master accepts.
pub(crate) enum Accepted {
    Nothing,
    Certificates(Vec<Certificate>),
    /// The certificates of a file that kcm did not read.
    Unknown {
        file: String,
    },
}

/// Returns the CA certificates that the kubeconfig or the trust bundle on a master accepts.
pub(crate) fn accepted(role: Role, observed: &ObservedMaster, layout: &Layout) -> Accepted {
    let read = |pem: &[u8]| {
        Certificate::all_from_pem(pem).map_or(Accepted::Nothing, Accepted::Certificates)
    };
    let file = observed.files.of(role);
    let Some(text) = file.text.as_deref() else { return Accepted::Nothing };
    if role == Role::Trust {
        return read(text.as_bytes());
    }
    // A client cannot connect with an invalid kubeconfig.
    let Ok(access) = Access::of_public_view(text) else { return Accepted::Nothing };
    if let Some(pem) = access.authority() {
        return read(pem);
    }
    match named_by(&access, observed, layout) {
        Named::Nothing => Accepted::Nothing,
        Named::Known(pem) => read(pem.as_bytes()),
        Named::Unknown(file) => Accepted::Unknown { file },
    }
}

/// Formats certificates for display: subject, end of validity and fingerprint of each.
pub(crate) fn described<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> String {
    let lines = certificates.into_iter().map(|it| {
        let end = it.not_after().date();
        format!("`{}`, valid until {end}, {}", it.subject(), it.fingerprint())
    });
    lines.collect::<Vec<_>>().join("; ")
}
