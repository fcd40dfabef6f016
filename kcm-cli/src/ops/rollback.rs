//! `rollback`: restores the state of the masters before their last change.

use time::OffsetDateTime;

use crate::artifact::generation::{Change, Former, FormerFile, Generation, Slot};
use crate::cluster::layout::{Layout, Role};
use crate::context::Run;
use crate::desired::DesiredError;
use crate::error::Error;
use crate::finding::{Finding, FindingCode};
use crate::observed::accounts::Accounts;
use crate::observed::{ObservedMaster, look};
use crate::plan::{MasterPlan, Plan, Step, is_running_what_is_there};
use crate::preflight;
use crate::rollout::{Outcome, Prepared, execute};
use crate::transport::{Activity, Enablement, PathState};
use crate::util::files::RemotePath;

/// Reverts the last change on every master that received it, in the order and with the gate of
/// every rollout.
///
/// The current files become the previous generation, so a second rollback undoes the first. An
/// unverified change is not kept. After an interruption, the next run continues: masters that are
/// already restored stay.
///
/// # Errors
/// If it stopped before any master changed, also if an earlier generation is missing. Later
/// failures are in the [`Outcome`].
pub async fn rollback(run: Run<'_>) -> Result<Outcome, Error> {
    let prepared = plan_rollback(run).await?;
    execute(run, prepared).await
}

/// Plans the changes that [`rollback`] would make. Writes nothing.
///
/// # Errors
/// If an earlier generation is missing, or a master cannot be observed.
pub async fn plan_rollback(run: Run<'_>) -> Result<Prepared, Error> {
    let layout = Layout::of(&run.cluster.install).map_err(DesiredError::of_layout)?;
    let observed = look(run.fleet, &layout, &Accounts::default()).await?;
    let undoing = Undoing::of(&observed, run.now);
    let (mut found, mut masters, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    let mut restores = Vec::new();
    for master in &observed {
        match part(master, undoing, &layout) {
            Ok((part, change)) => {
                if let Part::Back(earlier) | Part::Unverified(earlier) = part {
                    restores.push((master.name.clone(), earlier.replaced_at));
                }
                masters.push(master_plan(master, part, &layout));
                changes.push(change);
            }
            Err(finding) => found.push(finding),
        }
    }
    preflight::settle(found, run.cluster, run.events)?;
    let plan = Plan::without_certificates(masters);
    Ok(Prepared { restores, ..Prepared::of_masters(plan, observed, layout, changes, run.now) })
}

/// The change to revert, and the start of the rollback that reverts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Undoing {
    change: OffsetDateTime,
    by: OffsetDateTime,
}

impl Undoing {
    /// Selects the last change. If that was a rollback that is not finished on all masters, selects
    /// the change that it reverts. Pure.
    fn of(observed: &[ObservedMaster], now: OffsetDateTime) -> Option<Self> {
        let last = || observed.iter().filter_map(|master| master.generations.last());
        let latest = last().max_by_key(|last| last.replaced_at)?;
        let waits = |master: &ObservedMaster| {
            let pending = master.generations.pending.as_ref();
            pending.is_some_and(|pending| pending.replaced_at == latest.replaced_at)
        };
        let unfinished = latest.undoes.filter(|undone| {
            last().any(|last| last.replaced_at == *undone) || observed.iter().any(waits)
        });
        Some(match unfinished {
            Some(change) => Self { change, by: latest.replaced_at },
            None => Self { change: latest.replaced_at, by: now },
        })
    }
}

/// The part of one master in a rollback.
#[derive(Clone, Copy)]
enum Part<'o> {
    /// The master returns to this generation.
    Back(&'o Generation),
    /// An unverified change is reverted to this generation.
    Unverified(&'o Generation),
    /// An interrupted rollback continues, with the generation to restore if the master keeps it.
    GoesOn(Option<&'o Generation>),
    /// The change never reached the master, or is already reverted.
    Stays,
}

/// Determines the part of one master. Pure.
fn part<'o>(
    observed: &'o ObservedMaster,
    undoing: Option<Undoing>,
    layout: &Layout,
) -> Result<(Part<'o>, Change), Finding> {
    let nothing = |problem: &str, help: &str| {
        Finding::error(FindingCode::NoEarlierGeneration, &observed.name, problem, help)
    };
    let generations = &observed.generations;
    let Some(Undoing { change, by }) = undoing.filter(|_| observed.notes.is_empty()) else {
        return Err(nothing(
            "no earlier generation is available",
            "to undo a first deployment, run `kcm remove`; to change a setting, correct the cluster file and run `kcm apply`",
        ));
    };
    let back = Change { began: by, undoes: Some(change) };
    let Some(last) = generations.last() else { return Ok((Part::Stays, back)) };
    let is_pending = generations.pending.is_some();
    if last.replaced_at == change && last.is_before_the_first(&layout.unit_file) {
        return Err(nothing(
            "kube-controller-manager was not installed before the last change",
            "run `kcm remove` to remove kube-controller-manager from the master",
        ));
    }
    let as_it_is = Change { began: last.replaced_at, undoes: last.undoes };
    Ok(if last.replaced_at == change && is_pending {
        (Part::Unverified(last), as_it_is)
    } else if last.replaced_at == change {
        (Part::Back(last), back)
    } else if last.replaced_at == by && is_pending {
        let target = generations.previous.as_ref();
        (Part::GoesOn(target.filter(|target| target.replaced_at == change)), as_it_is)
    } else {
        (Part::Stays, back)
    })
}

/// Returns the steps on one master. Pure.
fn master_plan(observed: &ObservedMaster, part: Part<'_>, layout: &Layout) -> MasterPlan {
    let name = observed.name.clone();
    let (earlier, is_unproven) = match part {
        Part::Stays => {
            // An unverified change needs its leftovers, and this rollback does not revert it.
            let leftovers = observed.leftovers().filter(|_| observed.generations.pending.is_none());
            let steps = leftovers.cloned().map(|path| Step::RemoveLeftover { path });
            return MasterPlan { name, steps: steps.collect() };
        }
        Part::Back(earlier) => (Some(earlier), false),
        Part::Unverified(earlier) => (Some(earlier), true),
        Part::GoesOn(earlier) => (earlier, true),
    };
    let restored = earlier.into_iter().flat_map(|earlier| {
        let steps = earlier.files.iter();
        steps.filter_map(|former| step(former, earlier.slot, observed, layout))
    });
    let mut steps: Vec<_> = restored.collect();
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
    let reload = runs && (touches(&layout.unit_file) || unit.needs_reload);
    let there = Role::ALL.into_iter();
    let there = there.filter(|role| observed.files.of(*role).state != PathState::Absent);
    // A running service rereads the files that the kubeconfig names.
    let is_named = observed.names_credentials(layout) && !touches(&layout.kubeconfig);
    let is_reread = |path: &RemotePath| {
        is_named && [&layout.certificate, &layout.key, &layout.combined].contains(&path)
    };
    let there = there.filter(|role| !is_reread(layout.path(*role)));
    let is_current = is_running_what_is_there(&there.collect::<Vec<_>>(), observed);
    let is_active = matches!(unit.activity, Activity::Active { .. });
    let is_in_place = is_active
        && steps.iter().all(|step| matches!(step, Step::Restore { path, .. } if is_reread(path)));
    let has_changes = !steps.is_empty();
    let restart = runs && (has_changes && !is_in_place || is_unproven && !is_current);
    steps.extend(observed.leftovers().cloned().map(|path| Step::RemoveLeftover { path }));
    if reload {
        steps.push(Step::Reload);
    }
    if earlier.is_some_and(|earlier| earlier.enabled) && unit.enablement != Enablement::Enabled {
        steps.push(Step::Enable);
    }
    if restart {
        steps.push(Step::Restart);
    } else if is_unproven || runs && has_changes {
        steps.push(Step::Verify);
    }
    MasterPlan { name, steps }
}

/// Returns the step that restores a path, or `None` if the path is unchanged.
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
