//! Whether a service uses the credentials file that is there, as far as the master shows it. Pure.

use super::ObservedMaster;
use crate::artifact::uptake::{Noted, Uptake};
use crate::cluster::layout::Layout;
use crate::transport::{Activity, PathState};

/// Whether the service of a master uses the credentials file that is there, as far as the files and its start tell: `None`
/// where its kubeconfig names none or it does not run, and [`Uptake::Unknown`] where its connections would have to be seen.
pub(crate) fn by_its_start(observed: &ObservedMaster, layout: &Layout) -> Option<Uptake> {
    let Activity::Active { since, .. } = observed.probe.unit.activity else { return None };
    if !observed.names_credentials(layout) {
        return None;
    }
    let changed = observed.files.combined.state.changed()?;
    Some(if changed <= since {
        Uptake::Proven
    } else {
        let reason = "kcm has not noted what connections it had when the file came";
        Uptake::Unknown { reason: reason.to_owned() }
    })
}

/// The note, if it is of the file that is there and of this run.
pub(crate) fn noted(observed: &ObservedMaster, text: Option<&str>) -> Option<Noted> {
    let noted = Noted::parse(text?)?;
    let Activity::Active { invocation, .. } = &observed.probe.unit.activity else { return None };
    let PathState::File { digest, .. } = observed.files.combined.state else { return None };
    (noted.file == digest && noted.invocation == *invocation).then_some(noted)
}
