//! Detection of folders above kcm's files that other users can change.
//!
//! Root must not follow a name through a folder in which another user can replace names. Otherwise
//! it would read, write, re-own or remove a file of that user's choice. A folder is trusted if two
//! conditions hold:
//!
//! - It belongs to root, or to the login user that may become root without a password.
//! - No other user can write into it.
//!
//! A folder with the sticky bit may be on the path, because only the owner of an entry can replace
//! it. No file of kcm may be directly in it. If every folder and link from `/` on is trusted, no
//! other user can replace any of them while kcm works.

use serde::Serialize;

use super::OperationError;
use super::interpret::Machine;
use crate::util::files::{
    Disk, FileError, FileErrorKind, Last, Mode, NodeKind, Owner, RemotePath, Stat, walk_links,
};
use crate::util::words::command;

/// A search for folders above paths, from `/` on, that users other than root and the login user can
/// change. Changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckFolders {
    /// Files, whether or not they exist.
    pub paths: Vec<RemotePath>,
}

/// A folder, or a symbolic link to one, that another user can change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UntrustedFolder {
    /// Path of the folder or link.
    pub path: RemotePath,
    /// User and group.
    pub owner: Owner,
    /// Permission bits.
    pub mode: Mode,
    /// True if an untrusted user owns it, whatever its mode.
    pub is_foreign: bool,
}

impl UntrustedFolder {
    /// Describes which users can change it.
    #[must_use]
    pub fn problem(&self) -> String {
        let Self { path, owner, mode, is_foreign } = self;
        let who = if *is_foreign {
            format!("user {} owns {path}", owner.uid)
        } else if mode.bits() & 0o002 != 0 {
            format!("every user can change {path} (mode {mode})")
        } else {
            format!("group {} can change {path} (mode {mode})", owner.gid)
        };
        format!("{who}, and could replace the files that kcm reads and writes below this folder")
    }

    /// Returns the command that makes it safe, if it is one of the folders above `asked`. If a link
    /// on the master led to it, its path is untrusted input and no command is built from it.
    #[must_use]
    pub fn help<'p>(&self, mut asked: impl Iterator<Item = &'p RemotePath>) -> String {
        let path = self.path.as_str();
        let is_above = |file: &RemotePath| {
            file.as_str().strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
        };
        if !asked.any(is_above) {
            return HELP.to_owned();
        }
        let change = if self.is_foreign { "chown -h root:root" } else { "chmod go-w" };
        let words = change.split(' ').chain([path]);
        let command = command(words);
        format!("inspect the folder, then run `{command}` on the master")
    }

    /// Returns the command that makes a folder of this machine safe.
    pub(crate) fn command_here(&self, user: &str) -> String {
        let change =
            if self.is_foreign { format!("chown -h {user}") } else { "chmod go-w".to_owned() };
        command(change.split(' ').chain([self.path.as_str()]))
    }

    pub(super) fn to_error(&self) -> OperationError {
        let detail = format!("{}; {HELP}", self.problem());
        FileError::new(&self.path, FileErrorKind::Untrusted, detail).into()
    }
}

const HELP: &str =
    "inspect the folder, then make root its owner and remove write permission for other users";

/// Finds the folders of this machine above a file that another user can change.
///
/// # Errors
/// Returns an error if one of them cannot be inspected.
pub(crate) fn untrusted_here(path: RemotePath) -> Result<Vec<UntrustedFolder>, OperationError> {
    untrusted(&mut Disk::folder("/"), &[path])
}

/// Finds the folders above `paths` that another user can change, outermost first.
pub(super) fn untrusted(
    machine: &mut dyn Machine,
    paths: &[RemotePath],
) -> Result<Vec<UntrustedFolder>, OperationError> {
    let mut parents: Vec<_> = paths.iter().filter_map(RemotePath::parent).collect();
    let mut ways: Vec<(RemotePath, Stat)> = Vec::new();
    for parent in parents.clone() {
        follow(machine, &parent, &mut ways, &mut parents)?;
    }
    let foreign = |(path, stat): &(RemotePath, Stat)| {
        let Stat { mode, owner, .. } = *stat;
        let is_foreign = !machine.trusts(owner.uid);
        let is_link = matches!(stat.kind, NodeKind::Link(_));
        let is_shared = mode.bits() & 0o1000 != 0 && !parents.contains(path);
        let is_open = mode.bits() & 0o002 != 0
            || (mode.bits() & 0o020 != 0 && !machine.trusts_group(owner.gid));
        let is_untrusted = is_foreign || (is_open && !is_link && !is_shared);
        is_untrusted.then(|| UntrustedFolder { path: path.clone(), owner, mode, is_foreign })
    };
    Ok(ways.iter().filter_map(foreign).collect())
}

/// Adds every folder and link on the path to `folder` to `ways`, each once. Adds to `parents` the
/// folder in which the first missing one would be created.
fn follow(
    machine: &mut dyn Machine,
    folder: &RemotePath,
    ways: &mut Vec<(RemotePath, Stat)>,
    parents: &mut Vec<RemotePath>,
) -> Result<(), OperationError> {
    let bad = || {
        let detail =
            "cannot resolve the symbolic links in the path: too many levels, or an invalid target";
        FileError::new(folder, FileErrorKind::BadLink, detail)
    };
    let found: Result<_, FileError> = walk_links(folder.as_str(), Last::Followed, |at| {
        let at = RemotePath::new(at).map_err(|_| bad())?;
        let Some(stat) = machine.stat(&at)? else {
            parents.extend(at.parent());
            return Ok(None);
        };
        let target = match &stat.kind {
            NodeKind::Link(target) => Some(target.clone()),
            _ => None,
        };
        if !ways.iter().any(|(known, _)| *known == at) {
            ways.push((at, stat));
        }
        Ok(target)
    });
    found?.map(|_| ()).ok_or_else(|| bad().into())
}
