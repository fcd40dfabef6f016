//! The operations that carry out one master's part of a plan. Pure.

use std::time::Duration;

use kcm_pki::Fingerprint;
use kcm_systemd::FlagName;

use super::gate::{self, Serving};
use crate::artifact::certificate_reload::CertificateReload;
use crate::artifact::generation::{self, Change, Former, Generation, Slot, former};
use crate::cluster::layout::{Layout, Role};
use crate::desired::{Content, DesiredMaster};
use crate::observed::ObservedMaster;
use crate::plan::change::takes_back;
use crate::plan::{MasterPlan, Step};
use crate::transport::{
    Activity, Attributes, Commit, Enablement, ExpectedUnit, KeptFile, NoteProgram, Operation,
    PathState, Settle, Stage, StagedFile, UnitAction, Unstage,
};
use crate::util::files::{Bytes, Mode, Owner, RemotePath};

/// Delay of the timer that starts a service again if kcm stopped it and then died.
pub(super) const BACK_AFTER: Duration = Duration::from_secs(20);
/// The operations of a rollout on one master.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// The files staged before the commit.
    pub(super) stage: Stage,
    /// The staged path of an uploaded program and the flags that it must accept. The program is run
    /// for this check before it is put in place.
    pub(super) trial: Option<(RemotePath, Vec<FlagName>)>,
    /// The operations of the one exchange that changes the master.
    pub(super) commit: Vec<Operation>,
    /// The address at which the gate probes the service; `None` for a commit without a gate.
    pub(super) gate: Option<Serving>,
    /// The generation kept until the gate is passed.
    pub(super) left: Option<Left>,
    /// The note on the program, written once the gate is passed.
    pub(super) note: NoteProgram,
    /// The digest of the credentials file, if a running service must reload it.
    pub(super) takes_up: Option<Fingerprint>,
}

/// The generation that a change keeps until it is verified.
#[derive(Clone, Debug)]
pub(super) struct Left {
    pub(super) generation: Generation,
    /// The commit that concludes the change once it is verified.
    pub(super) concludes: Commit,
}

/// The inputs of a task: the plan of one master and its state.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) planned: &'a MasterPlan,
    /// The desired state; `None` if the plan restores or removes files.
    pub(super) desired: Option<&'a DesiredMaster>,
    pub(super) observed: &'a ObservedMaster,
    pub(super) layout: &'a Layout,
    pub(super) change: Change,
}

impl Task {
    pub(super) fn of(facts: Facts<'_>) -> Self {
        let Facts { planned, desired, observed, layout, change } = facts;
        let mut changes = Changes::of(planned, layout);
        let is_offline = observed.probe.unit.activity == Activity::Offline;
        let serving = desired.map_or(Serving::Wherever, |desired| {
            desired.service.serving.map_or(Serving::Nowhere, Serving::At)
        });
        let gate = (changes.proves && !is_offline).then_some(serving);
        let mut stage = Stage {
            files: staged_files(planned, desired),
            kept: std::mem::take(&mut changes.kept),
        };
        let mut commit = Commit {
            expected: expected(observed, layout),
            unit: (!is_offline).then(|| ExpectedUnit {
                unit: layout.unit.clone(),
                path: layout.unit_file.clone(),
                drop_ins: observed.probe.unit.drop_ins.clone(),
                enablement: observed.probe.unit.enablement,
            }),
            attributes: std::mem::take(&mut changes.attributes),
            remove: std::mem::take(&mut changes.removed),
            leftovers: std::mem::take(&mut changes.leftovers),
            ..Commit::default()
        };
        let enablement = observed.probe.unit.enablement;
        let is_first = enablement == Enablement::Absent && observed.generations.pending.is_none();
        // Without an earlier unit and without a gate, a rollback has no target.
        let is_noted = !(changes.forgets || is_first && gate.is_none());
        let formers = std::mem::take(&mut changes.formers);
        let mut left = None;
        if is_noted && !formers.is_empty() {
            let generation = observed.generations.leaving(formers, enablement, change);
            commit.keep = observed.generations.to_keep(&generation);
            stage.files.push(note(layout, &generation));
            // The note comes first: once any file is replaced, the old files can be restored.
            commit.files.push(layout.pending.clone());
            left = Some(generation);
        } else if is_noted {
            left.clone_from(&observed.generations.pending);
        }
        commit.files.append(&mut changes.replaced);
        let left = left.map(|generation| Left {
            concludes: if takes_back(planned, observed, layout) {
                generation.drop_change(layout)
            } else {
                generation.conclude(layout)
            },
            generation,
        });
        let combined = to_take_up(planned, observed, layout);
        let is_running = matches!(observed.probe.unit.activity, Activity::Active { .. });
        let takes_up = combined.filter(|_| gate.is_some() && is_running && !changes.starts);
        let looks = takes_up.map(|_| Settle::connections(&layout.unit, None));
        let trial = stage.files.iter().find(|file| file.target == layout.executable).zip(desired);
        let trial = trial.filter(|_| !is_offline).map(|(file, desired)| {
            (crate::transport::staged(&file.target), desired.service.flags.clone())
        });
        let mut commit = operations(commit, changes, gate, left.as_ref(), layout);
        commit.extend(looks.map(Operation::Settle));
        let is_program = |file: &&KeptFile| file.target == layout.executable;
        let note = NoteProgram {
            program: layout.executable.clone(),
            note: layout.program.clone(),
            digest: trial.is_some()
                || stage.kept.iter().any(|file| is_program(&file))
                || matches!(observed.files.binary.state, PathState::File { .. }),
        };
        Self { stage, trial, commit, gate, left, note, takes_up }
    }
}

/// Returns the operations that change the master, in order.
fn operations(
    mut commit: Commit,
    changes: Changes,
    gate: Option<Serving>,
    left: Option<&Left>,
    layout: &Layout,
) -> Vec<Operation> {
    let mut first = Commit::default();
    if !commit.keep.is_empty() {
        // Unreferenced kept files are removed before the same folders receive the newly kept files.
        let is_kept = |path: &RemotePath| Slot::of_folder(path).is_some();
        (first.leftovers, commit.leftovers) = commit.leftovers.into_iter().partition(is_kept);
    }
    let mut operations = Vec::new();
    if !changes.before.is_empty() || !first.leftovers.is_empty() {
        // The service is stopped only if the master still has its observed state.
        (first.expected, first.unit) = (std::mem::take(&mut commit.expected), commit.unit.take());
        operations.push(Operation::Commit(first));
        operations.extend(changes.before);
    }
    operations.push(Operation::Commit(commit));
    operations.extend(changes.after);
    if changes.starts {
        let serving = gate.unwrap_or(Serving::Wherever);
        operations.push(Operation::Settle(gate::at_first(layout, serving)));
    } else if let Some(left) = left.filter(|_| gate.is_none()) {
        operations.push(Operation::Commit(left.concludes.clone()));
    }
    if changes.forgets {
        operations.push(Operation::Commit(generation::forget(layout)));
        let folders = layout.own_folders();
        operations.push(Operation::Unstage(Unstage { targets: Vec::new(), folders }));
    }
    operations
}

/// The changes that the steps of a plan require.
#[derive(Default)]
struct Changes {
    before: Vec<Operation>,
    replaced: Vec<RemotePath>,
    kept: Vec<KeptFile>,
    attributes: Vec<Attributes>,
    removed: Vec<RemotePath>,
    leftovers: Vec<RemotePath>,
    formers: Vec<Former>,
    after: Vec<Operation>,
    /// True if the service is started or restarted.
    starts: bool,
    /// True if the service must pass the gate.
    proves: bool,
    /// True if kcm's own notes and folders are removed.
    forgets: bool,
}

impl Changes {
    fn of(planned: &MasterPlan, layout: &Layout) -> Self {
        let mut changes = Self::default();
        planned.steps.iter().for_each(|step| changes.step(step, layout));
        changes
    }

    fn step(&mut self, step: &Step, layout: &Layout) {
        let (unit, path) = (layout.unit.clone(), layout.unit_file.clone());
        match step {
            Step::Write { path, before, .. } => {
                self.replaced.push(path.clone());
                self.formers.push(former(path, before));
            }
            Step::Restore { path, from, digest, mode, owner, before } => {
                let (from, target) = (from.clone(), path.clone());
                let (digest, mode, owner) = (*digest, *mode, *owner);
                self.kept.push(KeptFile { from, target, digest, mode, owner });
                self.replaced.push(path.clone());
                self.formers.push(former(path, before));
            }
            Step::SetAttributes { path, mode, owner, .. } => {
                let (path, mode, owner) = (path.clone(), *mode, *owner);
                self.attributes.push(Attributes { path, mode, owner });
            }
            Step::Remove { path, before } => {
                self.removed.push(path.clone());
                self.formers.push(former(path, before));
            }
            Step::RemoveLeftover { path } => self.leftovers.push(path.clone()),
            Step::Reload => self.unit(UnitAction::Reload),
            Step::Enable => self.unit(UnitAction::Enable { unit, path }),
            Step::Restart => {
                self.unit(UnitAction::Restart { unit });
                (self.starts, self.proves) = (true, true);
            }
            Step::Verify => self.proves = true,
            Step::Stop => {
                let back_after = BACK_AFTER;
                self.before
                    .push(Operation::Unit(UnitAction::Stop { unit: unit.clone(), back_after }));
                self.unit(UnitAction::Disarm { unit });
            }
            Step::Disable => {
                self.before.push(Operation::Unit(UnitAction::Disable { unit, path }));
            }
            Step::Forget => self.forgets = true,
        }
    }

    fn unit(&mut self, action: UnitAction) {
        self.after.push(Operation::Unit(action));
    }
}

/// Returns the digest of the credentials file that a running service must still reload. `None` if
/// the kubeconfig does not name the file.
fn to_take_up(
    planned: &MasterPlan,
    observed: &ObservedMaster,
    layout: &Layout,
) -> Option<Fingerprint> {
    if !observed.names_credentials(layout) {
        return None;
    }
    let brought = planned.steps.iter().find_map(|step| match step {
        Step::Write { path, after: Content::Known(bytes), .. } if *path == layout.combined => {
            Some(bytes.digest())
        }
        Step::Restore { path, digest, .. } if *path == layout.combined => Some(*digest),
        _ => None,
    });
    // An earlier run replaced the file, and was interrupted before it noted the connections.
    let is_open = matches!(observed.certificate_reload, Some(CertificateReload::Unknown { .. }));
    brought.or(match observed.files.combined.state {
        PathState::File { digest, .. } if is_open => Some(digest),
        _ => None,
    })
}

/// Returns the observed state that the commit requires, so that kcm executes exactly the plan
/// shown. No file of any [`Role`] and no generation note may have changed since.
fn expected(observed: &ObservedMaster, layout: &Layout) -> Vec<(RemotePath, PathState)> {
    let all = Role::ALL.iter();
    let files = all.map(|role| {
        let state = observed.files.of(*role).state.clone();
        // The change time detects a change as well as the digest does, and is cheaper.
        let state = if *role == Role::Binary { state.unread() } else { state };
        (layout.path(*role).clone(), state)
    });
    let is_note = |path: &RemotePath| [&layout.pending, &layout.previous].contains(&path);
    let notes = observed.own.iter().filter(|(path, _)| is_note(path)).cloned();
    files.chain(notes).collect()
}

/// Returns the files that a plan writes on one master.
fn staged_files(planned: &MasterPlan, desired: Option<&DesiredMaster>) -> Vec<StagedFile> {
    let is_written = |target: &RemotePath| {
        planned.steps.iter().any(|step| matches!(step, Step::Write { path, .. } if path == target))
    };
    let artifacts = desired.into_iter().flat_map(|desired| &desired.artifacts);
    let files = artifacts.filter(|artifact| is_written(&artifact.path)).filter_map(|artifact| {
        match &artifact.content {
            Content::Known(bytes) => Some(StagedFile {
                target: artifact.path.clone(),
                content: bytes.clone(),
                mode: artifact.mode,
                owner: artifact.owner,
            }),
            Content::Pending | Content::AsItIs => None,
        }
    });
    files.collect()
}

fn note(layout: &Layout, generation: &Generation) -> StagedFile {
    StagedFile {
        target: layout.pending.clone(),
        content: Bytes::new(generation.to_note()),
        mode: Mode::PRIVATE,
        owner: Owner::ROOT,
    }
}
