//! Assignment of masters to a change, so that a rollback reverts the same change everywhere. Pure.

use time::OffsetDateTime;

use crate::artifact::generation::{Change, FormerFile, former};
use crate::cluster::layout::{Layout, Role};
use crate::desired::Content;
use crate::observed::ObservedMaster;
use crate::plan::{MasterPlan, Plan, Step};
use crate::util::files::RemotePath;

/// Returns the change to which an apply belongs on each master.
///
/// It is the change that other masters already have, if this master missed it because a run was
/// interrupted or the master was excluded. Otherwise it is a new change.
pub(crate) fn of_apply(
    plan: &Plan,
    observed: &[ObservedMaster],
    layout: &Layout,
    now: OffsetDateTime,
) -> Vec<Change> {
    let masters = plan.masters.iter().zip(observed);
    let latest = masters.filter_map(|(planned, master)| {
        let generations = &master.generations;
        let stays = if takes_back(planned, master, layout) {
            generations.previous.as_ref()
        } else if planned.steps.iter().any(|step| replaced(step).is_some()) {
            None
        } else {
            generations.last()
        };
        Some(stays?.replaced_at)
    });
    let latest = latest.max();
    let began = observed.iter().map(|master| {
        let own = master.generations.previous.as_ref();
        let missed = |at: &OffsetDateTime| {
            own.is_none_or(|own| own.replaced_at < *at || own.undoes == Some(*at))
        };
        latest.filter(missed).unwrap_or(now)
    });
    began.map(|began| Change { began, undoes: None }).collect()
}

/// Reports whether the plan restores every file to its state before the pending, unverified change.
/// The pending change is then dropped.
pub(crate) fn takes_back(planned: &MasterPlan, observed: &ObservedMaster, layout: &Layout) -> bool {
    let Some(pending) = &observed.generations.pending else { return false };
    let is_noted = |path: &RemotePath| pending.files.iter().any(|noted| noted.path == *path);
    planned.steps.iter().filter_map(replaced).all(is_noted)
        && pending.files.iter().all(|noted| {
            let mut steps = planned.steps.iter();
            if let Some(step) = steps.find(|step| replaced(step) == Some(&noted.path)) {
                return brings(step) == Some(noted.file);
            }
            let mut roles = Role::ALL.into_iter();
            let role = roles.find(|role| *layout.path(*role) == noted.path);
            let is_now = role.map(|role| &observed.files.of(role).state);
            is_now.is_some_and(|now| former(&noted.path, now) == *noted)
        })
}

/// Returns the file that a step replaces or removes.
fn replaced(step: &Step) -> Option<&RemotePath> {
    match step {
        Step::Write { path, .. } | Step::Restore { path, .. } | Step::Remove { path, .. } => {
            Some(path)
        }
        _ => None,
    }
}

/// Returns the file that such a step leaves at its path, if known. The inner `None` is a removed
/// file.
#[expect(clippy::option_option, reason = "no file is not the same as not known")]
fn brings(step: &Step) -> Option<Option<FormerFile>> {
    match step {
        Step::Write { mode, owner, after: Content::Known(bytes), .. } => {
            Some(Some(FormerFile { digest: bytes.digest(), mode: *mode, owner: *owner }))
        }
        Step::Restore { digest, mode, owner, .. } => {
            Some(Some(FormerFile { digest: *digest, mode: *mode, owner: *owner }))
        }
        Step::Remove { .. } => Some(None),
        _ => None,
    }
}
