//! Resolution of symbolic links on any file system.

use super::{FileError, FileSystem, NodeKind, RemotePath};

/// Maximum number of symbolic links in one path, as in the kernel (`MAXSYMLINKS`).
const MOST_LINKS: usize = 40;

/// The treatment of a link in the last component of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    Itself,
    Followed,
}

/// Resolves all symbolic links in `path`; if a folder represents `/`, inside that folder.
///
/// The result may not exist. Returns `None` if the links are circular or lead to an invalid path.
///
/// # Errors
/// If a link cannot be examined.
pub(crate) fn real(
    files: &mut dyn FileSystem,
    path: &RemotePath,
) -> Result<Option<RemotePath>, FileError> {
    resolve(files, path.as_str())
}

/// Returns the target of a link in `folder`, with links resolved except in the last component.
pub(crate) fn next_target(
    files: &mut dyn FileSystem,
    folder: &RemotePath,
    target: &str,
) -> Result<Option<RemotePath>, FileError> {
    let path = absolute(folder, target);
    let path = path.trim_end_matches('/');
    let Some((parent, name)) = path.rsplit_once('/') else { return Ok(None) };
    if matches!(name, "" | "." | "..") {
        return resolve(files, path);
    }
    let parent = resolve(files, if parent.is_empty() { "/" } else { parent })?;
    Ok(parent.and_then(|parent| parent.join(name).ok()))
}

fn absolute(folder: &RemotePath, target: &str) -> String {
    if target.starts_with('/') { target.to_owned() } else { format!("{folder}/{target}") }
}

fn resolve(files: &mut dyn FileSystem, path: &str) -> Result<Option<RemotePath>, FileError> {
    let found = walk(path, Last::Followed, |at| -> Result<_, Option<FileError>> {
        let at = RemotePath::new(at).map_err(|_| None)?;
        Ok(match files.stat(&at).map_err(Some)?.map(|stat| stat.kind) {
            Some(NodeKind::Link(target)) => Some(target),
            _ => None,
        })
    });
    match found {
        Ok(path) => Ok(path.and_then(|path| RemotePath::new(path).ok())),
        Err(error) => error.map_or(Ok(None), Err),
    }
}

/// Resolves the symbolic links in `path` and returns an absolute path.
///
/// `target_of` reads the link at an absolute path, or returns `None` if the path is not a link.
/// Absolute targets start at `/`. Returns `None` for more links than the kernel follows.
pub(crate) fn walk<E>(
    path: &str,
    last: Last,
    mut target_of: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Option<String>, E> {
    let mut resolved: Vec<String> = Vec::new();
    let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let mut links = 0;
    while let Some(name) = todo.pop() {
        match name.as_str() {
            "" | "." => continue,
            ".." => {
                resolved.pop();
                continue;
            }
            _ => resolved.push(name),
        }
        if todo.is_empty() && last == Last::Itself {
            break;
        }
        let Some(target) = target_of(&format!("/{}", resolved.join("/")))? else { continue };
        links += 1;
        if links > MOST_LINKS {
            return Ok(None);
        }
        resolved.pop();
        if target.starts_with('/') {
            resolved.clear();
        }
        todo.extend(target.split('/').rev().map(str::to_owned));
    }
    Ok(Some(format!("/{}", resolved.join("/"))))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::util::files::Disk;

    #[test]
    fn links_are_resolved_inside_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("usr/lib/systemd")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        symlink("usr/lib", root.join("lib")).unwrap();
        symlink("/lib/systemd/x", root.join("etc/a")).unwrap();
        symlink("../../../etc/a", root.join("etc/b")).unwrap();
        symlink("loop", root.join("etc/loop")).unwrap();
        let mut disk = Disk::machine(root);
        let mut of = |path: &str| {
            let found = real(&mut disk, &RemotePath::new(path).unwrap()).unwrap();
            found.map(|path| path.to_string())
        };
        assert_eq!(of("/lib/systemd").as_deref(), Some("/usr/lib/systemd"));
        assert_eq!(of("/etc/a").as_deref(), Some("/usr/lib/systemd/x"));
        assert_eq!(of("/etc/b").as_deref(), Some("/usr/lib/systemd/x"));
        assert_eq!(of("/etc/none/x").as_deref(), Some("/etc/none/x"));
        assert_eq!(of("/etc/loop"), None);
        let etc = RemotePath::new("/etc").unwrap();
        let next = next_target(&mut disk, &etc, "/lib/../etc/b").unwrap().unwrap();
        assert_eq!(next.as_str(), "/usr/etc/b");
        let next = next_target(&mut disk, &etc, "../etc/a").unwrap().unwrap();
        assert_eq!(next.as_str(), "/etc/a");
    }
}
