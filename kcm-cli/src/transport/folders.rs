//! Folders on the way to kcm's files that somebody else can change.
//!
//! Root must not follow a name through a folder in which somebody else can exchange names: he would read, write, give away
//! or remove a file of that person's choice. A folder is trusted if it belongs to root, or to the user who logged in and
//! may become root without a password, and nobody else can write into it. A folder with the sticky bit may be on the way,
//! because what is in it belongs to its owner alone, but nothing of kcm's may be directly in it. Where every folder from
//! `/` on is trusted, and every link on the way, nobody else can exchange any of them while kcm works.

use serde::Serialize;

use super::OperationError;
use super::interpret::Machine;
use crate::util::files::{
    Disk, FileError, FileErrorKind, Last, Mode, NodeKind, Owner, RemotePath, Stat, walk_links,
};
use crate::util::words::command;

/// Looks for folders above paths, from `/` on, that somebody else than root and the user who logged in can change; changes
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckFolders {
    /// Files, whether or not they exist.
    pub paths: Vec<RemotePath>,
}

/// A folder, or a symbolic link to one, that somebody else can change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UntrustedFolder {
    /// Where it is.
    pub path: RemotePath,
    /// Its user and group.
    pub owner: Owner,
    /// Its permission bits.
    pub mode: Mode,
    /// It is in the hands of another user, whatever its mode.
    pub is_foreign: bool,
}

impl UntrustedFolder {
    /// Who can change it.
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
        format!("{who}, and could exchange the files that kcm reads and writes below it")
    }

    /// The command that takes it out of others' hands, if it is one of the folders above `asked`. Where a link on the master
    /// led to it, its path is the master's own words, of which no command is made.
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
        format!("run `{command}` there, after a look at what is in it")
    }

    /// The command that takes a folder of this machine out of others' hands.
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

const HELP: &str = "give that folder to root there and let nobody else write into it, after a look at what is in it";

/// Finds the folders of this machine above a file that somebody else can change.
///
/// # Errors
/// When one of them cannot be seen.
pub(crate) fn untrusted_here(path: RemotePath) -> Result<Vec<UntrustedFolder>, OperationError> {
    untrusted(&mut Disk::folder("/"), &[path])
}

/// Finds the folders above `paths` that somebody else can change, outermost first.
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

/// Adds every folder and link on the way to `folder` to `ways`, each once, and to `parents` the folder in which the first one
/// that is missing will be made.
fn follow(
    machine: &mut dyn Machine,
    folder: &RemotePath,
    ways: &mut Vec<(RemotePath, Stat)>,
    parents: &mut Vec<RemotePath>,
) -> Result<(), OperationError> {
    let bad = || {
        let detail = "a symbolic link on the way leads in circles";
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
