//! Staging: files are written beside their targets, read back, and removed again on failure.

use std::collections::BTreeSet;

use kcm_pki::Fingerprint;

use super::Machine;
use crate::transport::{KeptFile, OperationError, STAGE_FOLDER, Stage, Unstage};
use crate::util::files::{self, Effect, FileError, FileErrorKind, Mode, NodeKind, RemotePath};

pub(super) fn stage(
    machine: &mut dyn Machine,
    stage: &Stage,
) -> Result<Vec<RemotePath>, OperationError> {
    let targets: Vec<_> = stage.targets().cloned().collect();
    let mut folders = Vec::new();
    match write_beside(machine, stage, &targets, &mut folders) {
        Ok(()) => Ok(folders),
        Err(error) => {
            // The first error is the one to report; the next run finds any leftovers.
            let _ = unstage(machine, &Unstage { targets, folders });
            Err(error)
        }
    }
}

fn write_beside(
    machine: &mut dyn Machine,
    stage: &Stage,
    targets: &[RemotePath],
    made: &mut Vec<RemotePath>,
) -> Result<(), OperationError> {
    for folder in stage_folders(targets) {
        empty_stage_folder(machine, &folder, made)?;
    }
    let owns = machine.can_set_owner();
    for file in &stage.files {
        let staged = staged(&file.target);
        let owner = owns.then_some(file.owner);
        files::write_new(machine, &staged, file.content.expose(), file.mode, owner)?;
        if Fingerprint::of(&machine.read(&staged)?) != file.content.digest() {
            return Err(OperationError::Corrupt { path: staged });
        }
    }
    for kept in &stage.kept {
        bring_back(machine, kept)?;
    }
    for path in stage_folders(targets) {
        machine.perform(Effect::SyncFolder { path: &path })?;
    }
    Ok(())
}

fn bring_back(machine: &mut dyn Machine, kept: &KeptFile) -> Result<(), OperationError> {
    let KeptFile { from, target, digest, mode, owner } = kept;
    let content = machine.read(from)?;
    if Fingerprint::of(&content) != *digest {
        return Err(OperationError::Corrupt { path: from.clone() });
    }
    let owner = machine.can_set_owner().then_some(*owner);
    Ok(files::write_new(machine, &staged(target), &content, *mode, owner)?)
}

pub(super) fn unstage(machine: &mut dyn Machine, unstage: &Unstage) -> Result<(), OperationError> {
    let mut result = Ok(());
    for folder in stage_folders(&unstage.targets) {
        result = result.and(remove_folder(machine, &folder));
    }
    for path in unstage.folders.iter().rev() {
        result = result.and(remove_if_empty(machine, path));
    }
    Ok(result?)
}

/// Creates the folder, or empties the one that an interrupted run left.
fn empty_stage_folder(
    machine: &mut dyn Machine,
    folder: &RemotePath,
    made: &mut Vec<RemotePath>,
) -> Result<(), FileError> {
    match machine.stat(folder)? {
        None => {
            if let Some(parent) = folder.parent() {
                files::make_folders_into(machine, &parent, made)?;
            }
            machine.perform(Effect::MakeFolder { path: folder, mode: Mode::PRIVATE_FOLDER })
        }
        Some(stat) if stat.kind == NodeKind::Folder => {
            machine.perform(Effect::SetMode { path: folder, mode: Mode::PRIVATE_FOLDER })?;
            remove_content(machine, folder)
        }
        Some(_) => {
            let detail = "not a directory, but kcm stages files in a directory of this name; remove the file";
            Err(FileError::new(folder, FileErrorKind::WrongKind, detail))
        }
    }
}

/// Returns the path at which a file waits for its commit.
pub(crate) fn staged(target: &RemotePath) -> RemotePath {
    target.sibling(STAGE_FOLDER).child(target.name())
}

/// Returns the stage folders beside `targets`, each once.
pub(crate) fn stage_folders(targets: &[RemotePath]) -> BTreeSet<RemotePath> {
    targets.iter().map(|target| target.sibling(STAGE_FOLDER)).collect()
}

pub(super) fn remove_folder(
    machine: &mut dyn Machine,
    folder: &RemotePath,
) -> Result<(), FileError> {
    match machine.stat(folder)?.map(|stat| stat.kind) {
        None => return Ok(()),
        Some(NodeKind::Folder) => {
            remove_content(machine, folder)?;
            machine.perform(Effect::RemoveFolder { path: folder })?;
        }
        Some(_) => machine.perform(Effect::Remove { path: folder })?,
    }
    match folder.parent() {
        Some(parent) => machine.perform(Effect::SyncFolder { path: &parent }),
        None => Ok(()),
    }
}

fn remove_if_empty(machine: &mut dyn Machine, path: &RemotePath) -> Result<(), FileError> {
    match machine.stat(path)? {
        Some(_) if machine.list(path)?.is_empty() => machine.perform(Effect::RemoveFolder { path }),
        _ => Ok(()),
    }
}

/// Removes the files in a stage folder. kcm creates no folders there; a foreign one causes an
/// error.
fn remove_content(machine: &mut dyn Machine, folder: &RemotePath) -> Result<(), FileError> {
    for name in machine.list(folder)? {
        machine.perform(Effect::Remove { path: &folder.child(&name) })?;
    }
    Ok(())
}
