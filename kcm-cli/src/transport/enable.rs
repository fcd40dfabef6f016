//! Enabling a unit offline, as `systemctl --root=DIR enable` does: links, and nothing else.

use kcm_systemd::{Install, UnitFile, UnitName, enable_links};

use super::{Enablement, OperationError, unit_files};
use crate::util::files::{
    self, Effect, FileError, FileErrorKind, FileSystem, NodeKind, RemotePath,
};

/// Creates the links that the unit's `[Install]` section requests. Correct links stay as they are.
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

/// Removes the links that the unit's `[Install]` section requests, if they point to the unit.
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

/// Returns the drop-ins of a unit, in systemd's order.
pub(super) fn drop_ins(
    files: &mut dyn FileSystem,
    unit: &UnitName,
) -> Result<Vec<String>, FileError> {
    let drop_ins = unit_files::locate(files, unit)?.drop_ins;
    Ok(drop_ins.iter().map(ToString::to_string).collect())
}

/// Determines the enablement of the unit from its file and its links.
pub(super) fn enablement(
    files: &mut dyn FileSystem,
    unit: &UnitName,
    path: &RemotePath,
) -> Result<Enablement, OperationError> {
    let found = files.stat(path)?;
    let real = files::real(files, path)?;
    let target = match &real {
        Some(real) => files.stat(real)?,
        None => None,
    };
    match (found, target) {
        (None, _) => return Ok(Enablement::Absent),
        _ if real.is_some_and(|real| real.as_str() == "/dev/null") => {
            return Ok(Enablement::Masked);
        }
        (_, Some(file)) if file.kind == NodeKind::File && file.size == 0 => {
            return Ok(Enablement::Masked);
        }
        (_, Some(file)) if file.kind == NodeKind::File => {}
        _ => return Ok(Enablement::Disabled),
    }
    let links = links(files, unit, path)?;
    for (link, target) in &links {
        // Only the name of a link in a dependency folder counts: systemd starts that unit, wherever
        // the link points.
        let is_dependency = link.parent().is_some_and(|folder| {
            [".wants", ".requires", ".upholds"].iter().any(|kind| folder.as_str().ends_with(kind))
        });
        let is_right = match files.stat(link)?.map(|stat| stat.kind) {
            Some(NodeKind::Link(_)) if is_dependency => true,
            _ => is_link_to(files, link, target)?,
        };
        if !is_right {
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
    // Drop-ins add to [Install], too.
    let mut parts = Vec::new();
    for path in std::iter::once(path.clone()).chain(unit_files::locate(files, unit)?.drop_ins) {
        let real = files::real(files, &path)?.unwrap_or(path);
        if files.stat(&real)?.is_some_and(|stat| stat.kind == NodeKind::File) {
            parts.push(UnitFile::parse(&files.read(&real)?));
        }
    }
    let install = Install::of(&UnitFile::merged(parts));
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
            let detail = "exists and is not a symbolic link; move this path away";
            Err(FileError::new(link, FileErrorKind::WrongKind, detail))
        }
    }
}
