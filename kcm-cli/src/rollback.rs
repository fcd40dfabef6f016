//! `rollback`: back to what a master had before its last change.

use std::sync::Arc;

use crate::accounts::Accounts;
use crate::desired::{DesiredError, Role};
use crate::error::Error;
use crate::event::Event;
use crate::files::RemotePath;
use crate::finding::{Finding, FindingCode};
use crate::generation::{Former, FormerFile, Generation, Slot};
use crate::layout::Layout;
use crate::observe::{ObservedMaster, look};
use crate::plan::{MasterPlan, Plan, Step};
use crate::preflight;
use crate::rollout::{Outcome, Rollout, Work, lead_without_new_identity};
use crate::run::Run;
use crate::transport::{Activity, Enablement, PathState};

/// Brings back what every master had before its last change, in the order and with the gate of every rollout. What is
/// there now becomes the earlier generation, so that a second rollback undoes the first; of a change that was never
/// proven nothing is kept.
///
/// # Errors
/// When it stopped before any master changed: also when one has no earlier generation. What happens from then on is in
/// the [`Outcome`].
pub async fn rollback(run: Run<'_>) -> Result<Outcome, Error> {
    let layout = Layout::below(&run.cluster.install.root)
        .map_err(|reason| DesiredError::Layout { reason })?;
    let observed = look(run.fleet, &layout, &Accounts::default()).await?;
    let (mut found, mut masters) = (Vec::new(), Vec::new());
    for master in &observed {
        match master_plan(master, &layout) {
            Ok((planned, earlier)) => {
                let (master, replaced_at) = (planned.name.clone(), earlier.replaced_at);
                run.events.event(&Event::GoesBack { master, replaced_at });
                masters.push(planned);
            }
            Err(finding) => found.push(finding),
        }
    }
    preflight::settle(found, run.cluster, run.events)?;
    let plan = Plan { creates_ca: false, identity: None, lead_changes: None, masters };
    if plan.is_empty() {
        return Ok(Outcome::unchanged(run, &plan));
    }
    let rollout = Rollout::lock(run).await?;
    let lead = Arc::new(lead_without_new_identity(run, &observed).await?);
    let work =
        Work { plan: &plan, desired: None, observed: &observed, layout: &layout, lead: &lead };
    Ok(rollout.carry_out(work).await)
}

/// What brings one master back, and to which generation. Pure.
fn master_plan<'o>(
    observed: &'o ObservedMaster,
    layout: &Layout,
) -> Result<(MasterPlan, &'o Generation), Finding> {
    let name = observed.name.clone();
    let nothing = |problem: &str, mend: &str| {
        Finding::error(FindingCode::NothingEarlier, &observed.name, problem, mend)
    };
    let generations = &observed.generations;
    let Some(earlier) = generations.pending.as_ref().or(generations.previous.as_ref()) else {
        return Err(nothing(
            "kcm has kept no earlier generation there",
            "leave it out with --skip, or mend the cluster file and apply it",
        ));
    };
    if earlier.is_before_the_first(&layout.unit_file) {
        return Err(nothing(
            "before its last change there was nothing there",
            "`kcm remove` takes kube-controller-manager off it",
        ));
    }
    let mut steps: Vec<_> = earlier
        .files
        .iter()
        .filter_map(|former| step(former, earlier.slot, observed, layout))
        .collect();
    let touches = |path: &RemotePath| {
        steps.iter().any(|step| match step {
            Step::Restore { path: touched, .. } | Step::Remove { path: touched, .. } => {
                touched == path
            }
            _ => false,
        })
    };
    let unit = &observed.probe.unit;
    let runs = unit.activity != Activity::Offline;
    let (reload, restart) =
        (runs && (touches(&layout.unit_file) || unit.needs_reload), !steps.is_empty());
    if generations.pending.is_some() {
        let slots = layout.managed().map(|path| earlier.slot.folder(path));
        let slots: std::collections::BTreeSet<_> = slots.collect();
        steps.extend(slots.into_iter().map(|path| Step::RemoveLeftover { path }));
        steps.push(Step::Remove { path: layout.pending.clone(), before: PathState::Absent });
    }
    if reload {
        steps.push(Step::Reload);
    }
    if earlier.enabled && unit.enablement != Enablement::Enabled {
        steps.push(Step::Enable);
    }
    if runs && restart {
        steps.push(Step::Restart);
    }
    Ok((MasterPlan { name, steps }, earlier))
}

/// What makes a path again what it was; nothing if it is.
fn step(former: &Former, slot: Slot, observed: &ObservedMaster, layout: &Layout) -> Option<Step> {
    let role = Role::ALL.into_iter().find(|role| *layout.path(*role) == former.path)?;
    let (path, before) = (former.path.clone(), observed.files.of(role).state.clone());
    match (former.file, &before) {
        (None, PathState::Absent) => None,
        (None, _) => Some(Step::Remove { path, before }),
        (Some(file), PathState::File { digest, mode, owner, .. })
            if (file.digest, file.mode, file.owner) == (*digest, *mode, *owner) =>
        {
            None
        }
        (Some(FormerFile { digest, mode, owner }), _) => {
            let from = slot.place(&path);
            Some(Step::Restore { path, from, digest, mode, owner, before })
        }
    }
}
