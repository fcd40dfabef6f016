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

/// Formats certificates for display: subject, end of validity and fingerprint of each.
pub(crate) fn described<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> String {
    let lines = certificates.into_iter().map(|it| {
        let end = it.not_after().date();
        format!("`{}`, valid until {end}, {}", it.subject(), it.fingerprint())
    });
    lines.collect::<Vec<_>>().join("; ")
}
