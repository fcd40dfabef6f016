//! Commit: staged files get their final names, if every expectation holds.

use std::collections::BTreeSet;

use super::Machine;
use super::read::path_state;
use super::stage::{remove_folder, stage_folders, staged};
use crate::transport::reply::describe_unit;
use crate::transport::{Commit, ExpectedUnit, Keep, OperationError};
use crate::util::files::{self, Effect, FileError, Mode};

pub(super) fn commit(machine: &mut dyn Machine, commit: &Commit) -> Result<(), OperationError> {
    for (path, expected) in &commit.expected {
        let found = path_state(machine, path)?;
        if !found.is_same_artifact(expected) {
            return Err(OperationError::Changed {
                path: path.clone(),
                expected: expected.describe(),
                found: found.describe(),
            });
        }
    }
    if let Some(expected) = &commit.unit {
        check_unit(machine, expected)?;
    }
    for keep in &commit.keep {
        self::keep(machine, keep)?;
    }
    for target in &commit.files {
        files::replace(machine, &staged(target), target)?;
    }
    for rename in &commit.renames {
        files::replace(machine, &rename.from, &rename.to)?;
    }
    for attributes in &commit.attributes {
        let path = &attributes.path;
        if let Some(owner) = attributes.owner {
            machine.perform(Effect::SetOwner { path, owner })?;
        }
        machine.perform(Effect::SetMode { path, mode: attributes.mode })?;
        machine.perform(Effect::Sync { path })?;
    }
    for path in &commit.remove {
        if machine.stat(path)?.is_some() {
            machine.perform(Effect::Remove { path })?;
            if let Some(parent) = path.parent() {
                machine.perform(Effect::SyncFolder { path: &parent })?;
            }
        }
    }
    let mut emptied: BTreeSet<_> = stage_folders(&commit.files);
    emptied.extend(commit.leftovers.iter().cloned());
    for folder in &emptied {
        remove_folder(machine, folder)?;
    }
    Ok(())
}

fn check_unit(machine: &mut dyn Machine, expected: &ExpectedUnit) -> Result<(), OperationError> {
    let found = machine.unit_state(&expected.unit, &expected.path)?;
    let was = (&expected.drop_ins, expected.enablement);
    if was == (&found.drop_ins, found.enablement) {
        return Ok(());
    }
    Err(OperationError::UnitChanged {
        unit: expected.unit.to_string(),
        expected: describe_unit(was.0, was.1),
        found: describe_unit(&found.drop_ins, found.enablement),
    })
}

/// Creates the second name and makes it durable before the first is replaced.
fn keep(machine: &mut dyn Machine, keep: &Keep) -> Result<(), FileError> {
    let Some(folder) = keep.at.parent() else { return Ok(()) };
    if machine.stat(&folder)?.is_none() {
        machine.perform(Effect::MakeFolder { path: &folder, mode: Mode::PRIVATE_FOLDER })?;
        if let Some(parent) = folder.parent() {
            machine.perform(Effect::SyncFolder { path: &parent })?;
        }
    }
    files::remove_if_present(machine, &keep.at)?;
    machine.perform(Effect::HardLink { path: &keep.at, original: &keep.path })?;
    machine.perform(Effect::SyncFolder { path: &folder })
}
