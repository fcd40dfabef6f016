//! What is told beside the plan and its outcome.

use crate::cluster::layout::{Layout, Role};
use crate::event::{Event, EventSink};
use crate::observed::Observed;
use crate::pki::{Binary, Inputs};
use crate::plan::Plan;
use crate::transport::Activity;

pub(super) fn of_binary(plan: &Plan, inputs: &Inputs, layout: &Layout, events: &dyn EventSink) {
    if let Some(Binary { bytes, machine }) = &inputs.binary
        && plan.writes(Role::Binary)
    {
        events.event(&Event::BringsBinary {
            path: layout.executable.clone(),
            machine,
            size: bytes.expose().len() as u64,
            digest: bytes.digest(),
        });
    }
}

/// What is not news is not told: most services were started after their files came.
pub(super) fn of_uptake(observed: &Observed, events: &dyn EventSink) {
    for master in &observed.masters {
        let Activity::Active { since, .. } = master.probe.unit.activity else { continue };
        let changed = master.files.combined.state.changed();
        if let Some(uptake) = master.uptake.clone().filter(|_| changed > Some(since)) {
            events.event(&Event::Uptake { master: master.name.clone(), uptake });
        }
    }
}

pub(super) fn of_owners(observed: &Observed, events: &dyn EventSink) {
    if observed.masters.iter().any(|master| !master.probe.can_set_owner) {
        let text = "files belong to you, not to root:root, because only root can give files away; pack them with owner root, or run as root";
        events.event(&Event::Warning { text: text.to_owned() });
    }
}
