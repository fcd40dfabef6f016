//! Putting a file in place: whole or not at all, never wider than it will be, durable before it counts.

use super::{Effect, FileError, FileErrorKind, FileSystem, Mode, NodeKind, Owner, RemotePath};

/// Makes the missing folders down to `path`, durable; returns those it made, outermost first. Those that
/// exist stay as they are.
pub(crate) fn make_folders(
    files: &mut dyn FileSystem,
    path: &RemotePath,
) -> Result<Vec<RemotePath>, FileError> {
    let mut made = Vec::new();
    make_folders_into(files, path, &mut made).map(|()| made)
}

/// As [`make_folders`]; what was made is known after an error too.
pub(crate) fn make_folders_into(
    files: &mut dyn FileSystem,
    path: &RemotePath,
    made: &mut Vec<RemotePath>,
) -> Result<(), FileError> {
    match files.stat(path)?.map(|stat| stat.kind) {
        Some(NodeKind::File | NodeKind::Other) => {
            let detail = "is in the way: a folder is needed here; move it away";
            return Err(FileError::new(path, FileErrorKind::WrongKind, detail));
        }
        Some(NodeKind::Folder | NodeKind::Link(_)) => return Ok(()),
        None => {}
    }
    let parent = path.parent();
    if let Some(parent) = &parent {
        make_folders_into(files, parent, made)?;
    }
    files.perform(Effect::MakeFolder { path, mode: Mode::FOLDER })?;
    made.push(path.clone());
    match parent {
        Some(parent) => files.perform(Effect::SyncFolder { path: &parent }),
        None => Ok(()),
    }
}

/// Writes a file that does not exist yet, in a folder that does, and makes its content durable.
///
/// Until it has its owner, only the user who runs this can read it. Its name is durable only after a
/// [`Effect::SyncFolder`].
pub(crate) fn write_new(
    files: &mut dyn FileSystem,
    path: &RemotePath,
    content: &[u8],
    mode: Mode,
    owner: Option<Owner>,
) -> Result<(), FileError> {
    files.perform(Effect::Create { path })?;
    files.perform(Effect::Write { path, content })?;
    if let Some(owner) = owner {
        files.perform(Effect::SetOwner { path, owner })?;
    }
    files.perform(Effect::SetMode { path, mode })?;
    files.perform(Effect::Sync { path })
}

/// Gives a finished file its final name and makes that durable.
pub(crate) fn replace(
    files: &mut dyn FileSystem,
    from: &RemotePath,
    to: &RemotePath,
) -> Result<(), FileError> {
    files.perform(Effect::Rename { from, to })?;
    match to.parent() {
        Some(parent) => files.perform(Effect::SyncFolder { path: &parent }),
        None => Ok(()),
    }
}

/// Removes a file or link if there is one.
pub(crate) fn remove_if_present(
    files: &mut dyn FileSystem,
    path: &RemotePath,
) -> Result<(), FileError> {
    match files.stat(path)? {
        Some(_) => files.perform(Effect::Remove { path }),
        None => Ok(()),
    }
}
