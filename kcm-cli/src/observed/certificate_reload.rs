//! Determines the certificate reload of a service from an observation of its master. Pure.

use super::ObservedMaster;
use crate::artifact::certificate_reload::{CertificateReload, Noted};
use crate::cluster::layout::Layout;
use crate::transport::{Activity, PathState};

/// Evaluates the reload from the start time of the service and the change time of the credentials
/// file.
///
/// Returns `None` if the kubeconfig names no such file or the service is not running. Returns
/// [`CertificateReload::Unknown`] if only the connections could prove a reload.
pub(crate) fn by_its_start(
    observed: &ObservedMaster,
    layout: &Layout,
) -> Option<CertificateReload> {
    let Activity::Active { since, .. } = observed.probe.unit.activity else { return None };
    if !observed.names_credentials(layout) {
        return None;
    }
    let changed = observed.files.combined.state.changed()?;
    Some(if changed <= since {
        CertificateReload::Proven
    } else {
        let reason = "kcm did not record the connections of the service when the file was replaced";
        CertificateReload::Unknown { reason: reason.to_owned() }
    })
}

/// Parses the note, if it is about the current file and the current run of the service.
pub(crate) fn noted(observed: &ObservedMaster, text: Option<&str>) -> Option<Noted> {
    let noted = Noted::parse(text?)?;
    let Activity::Active { invocation, .. } = &observed.probe.unit.activity else { return None };
    let PathState::File { digest, .. } = observed.files.combined.state else { return None };
    (noted.file == digest && noted.invocation == *invocation).then_some(noted)
}
