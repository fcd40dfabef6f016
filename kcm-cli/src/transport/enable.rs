//! Enabling a unit offline, as `systemctl --root=DIR enable` does: links, and nothing else.

use kcm_systemd::{Install, UnitFile, UnitName, enable_links};

use super::{DropIn, Enablement, OperationError};
use crate::files::{self, Effect, FileError, FileErrorKind, FileSystem, NodeKind, RemotePath};

/// How the names of drop-ins end; systemd takes no other case.
const DROP_IN: &str = ".conf";

/// Makes the links that the unit's `[Install]` section asks for. Links that are right stay as they are.
pub(super) fn enable(
    files: &mut dyn FileSystem,
    unit: &UnitName,
    path: &RemotePath,
) -> Result<(), OperationError> {
    for (link, target) in links(files, unit, path)? {
        if is_link_to(files, &link, &target)? {
            continue;
        }
        if let Some(folder) = link.parent() {
            files::make_folders(files, &folder)?;
        }
        // A link with another target is replaced in one step.
        let fresh = link.sibling(&format!(".kcm-{}", link.name()));
        files::remove_if_present(files, &fresh)?;
        files.perform(Effect::Link { path: &fresh, target: &target })?;
        files::replace(files, &fresh, &link)?;
    }
    Ok(())
}

/// Removes the links that the unit's `[Install]` section asks for, those that are its own.
pub(super) fn disable(
    files: &mut dyn FileSystem,
    unit: &UnitName,
    path: &RemotePath,
) -> Result<(), OperationError> {
    if files.stat(path)?.is_none() {
        return Ok(());
    }
    for (link, target) in links(files, unit, path)? {
        if !is_link_to(files, &link, &target)? {
            continue;
        }
        files.perform(Effect::Remove { path: &link })?;
        if let Some(folder) = link.parent() {
            files.perform(Effect::SyncFolder { path: &folder })?;
        }
    }
    Ok(())
}

/// The files that change a unit, as far as they are in the folder of the unit's own file.
pub(super) fn drop_ins(
    files: &mut dyn FileSystem,
    path: &RemotePath,
) -> Result<Vec<String>, FileError> {
    let folder = path.sibling(&format!("{}.d", path.name()));
    if files.stat(&folder)?.is_none() {
        return Ok(Vec::new());
    }
    let names = files.list(&folder)?.into_iter().filter(|name| name.ends_with(DROP_IN));
    Ok(names.map(|name| folder.child(&name).to_string()).collect())
}

/// The names of the directives in a unit's drop-ins.
pub(super) fn directives(
    files: &mut dyn FileSystem,
    path: &RemotePath,
) -> Result<Vec<DropIn>, FileError> {
    let mut found = Vec::new();
    for path in drop_ins(files, path)? {
        let at = RemotePath::new(path.as_str()).map_err(|error| FileError {
            path: error.path,
            kind: FileErrorKind::Other,
            detail: error.reason.to_owned(),
        })?;
        let file = UnitFile::parse(&files.read(&at)?);
        let directives = file.entries.iter().map(|entry| entry.key.clone()).collect();
        found.push(DropIn { path, directives });
    }
    Ok(found)
}

/// Whether the unit is enabled, from its file and its links.
pub(super) fn enablement(
    files: &mut dyn FileSystem,
    unit: &UnitName,
    path: &RemotePath,
) -> Result<Enablement, OperationError> {
    match files.stat(path)?.map(|stat| stat.kind) {
        None => return Ok(Enablement::Absent),
        Some(NodeKind::Link(target)) if target == "/dev/null" => return Ok(Enablement::Masked),
        Some(NodeKind::File) => {}
        Some(_) => return Ok(Enablement::Disabled),
    }
    let links = links(files, unit, path)?;
    for (link, target) in &links {
        if !is_link_to(files, link, target)? {
            return Ok(Enablement::Disabled);
        }
    }
    Ok(if links.is_empty() { Enablement::Disabled } else { Enablement::Enabled })
}

fn links(
    files: &mut dyn FileSystem,
    unit: &UnitName,
    path: &RemotePath,
) -> Result<Vec<(RemotePath, String)>, OperationError> {
    let content = files.read(path)?;
    let install = Install::of(&UnitFile::parse(&content));
    let unusable = |reason: String| OperationError::Unit { unit: unit.to_string(), reason };
    enable_links(unit, path.as_str(), &install)
        .map_err(|error| unusable(error.to_string()))?
        .into_iter()
        .map(|link| {
            let at = RemotePath::new(link.path).map_err(|error| unusable(error.to_string()))?;
            Ok((at, link.target))
        })
        .collect()
}

fn is_link_to(
    files: &mut dyn FileSystem,
    link: &RemotePath,
    target: &str,
) -> Result<bool, FileError> {
    match files.stat(link)?.map(|stat| stat.kind) {
        None => Ok(false),
        Some(NodeKind::Link(found)) => Ok(found == target),
        Some(_) => {
            let detail = "is in the way: a symbolic link is needed here; move it away";
            Err(FileError::new(link, FileErrorKind::WrongKind, detail))
        }
    }
}
