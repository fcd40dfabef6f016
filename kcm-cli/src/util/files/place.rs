//! Atomic writes: a file appears complete, never with a wider mode than its final one, and durable.

use super::{Effect, FileError, FileErrorKind, FileSystem, Mode, NodeKind, Owner, RemotePath};

/// Creates the missing folders down to `path`, durably; returns them outermost first.
///
/// Existing folders stay unchanged.
pub(crate) fn make_folders(
    files: &mut dyn FileSystem,
    path: &RemotePath,
) -> Result<Vec<RemotePath>, FileError> {
    let mut made = Vec::new();
    make_folders_into(files, path, &mut made).map(|()| made)
}

/// Does the same as [`make_folders`], and records the created folders even after an error.
pub(crate) fn make_folders_into(
    files: &mut dyn FileSystem,
    path: &RemotePath,
    made: &mut Vec<RemotePath>,
) -> Result<(), FileError> {
    match files.stat(path)?.map(|stat| stat.kind) {
        Some(NodeKind::File | NodeKind::Other) => {
            let detail = "not a directory; move the file away";
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

/// Writes a new file in an existing folder, and makes its content durable.
///
/// Only the current user can read it until it has its owner. Its name is durable only after an
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

/// Renames a complete file to its final name, and makes the name durable.
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

/// Returns the path of the temporary file from which [`overwrite`] takes a file.
pub(crate) fn fresh(path: &RemotePath) -> RemotePath {
    path.sibling(&format!(".{}.new", path.name()))
}

/// Writes a file in an existing folder, and replaces an existing one atomically and durably.
///
/// An interrupted call leaves the old file, and may leave the file [`fresh`] beside it.
pub(crate) fn overwrite(
    files: &mut dyn FileSystem,
    path: &RemotePath,
    content: &[u8],
    mode: Mode,
    owner: Option<Owner>,
) -> Result<(), FileError> {
    let fresh = fresh(path);
    remove_if_present(files, &fresh)?;
    write_new(files, &fresh, content, mode, owner)?;
    replace(files, &fresh, path)
}

/// Removes a file or link, if it exists.
pub(crate) fn remove_if_present(
    files: &mut dyn FileSystem,
    path: &RemotePath,
) -> Result<(), FileError> {
    match files.stat(path)? {
        Some(_) => files.perform(Effect::Remove { path }),
        None => Ok(()),
    }
}
