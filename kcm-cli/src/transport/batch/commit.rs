//! The operation that puts staged files in place, renames and removes files.

use kcm_systemd::UnitName;

use crate::transport::interpret::staged;
use crate::transport::{Enablement, PathState};
use crate::util::files::{Mode, Owner, RemotePath};

/// Files to put in place, in the order of the fields. The default has no expectations and does
/// nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// Expected states of paths ([`PathState::is_same_artifact`] decides). On a mismatch nothing is
    /// done.
    pub expected: Vec<(RemotePath, PathState)>,
    /// Expected state of the unit in systemd. On a mismatch nothing is done.
    pub unit: Option<ExpectedUnit>,
    /// Files that get a second name, so that they outlive their replacement.
    pub keep: Vec<Keep>,
    /// Targets whose staged files are renamed into place.
    pub files: Vec<RemotePath>,
    /// Files to rename within their folder.
    pub renames: Vec<Rename>,
    /// Files whose content is right but whose mode or owner is wrong.
    pub attributes: Vec<Attributes>,
    /// Files to remove; a missing one is not an error.
    pub remove: Vec<RemotePath>,
    /// Folders of kcm to remove with the files in them; a missing one is not an error.
    pub leftovers: Vec<RemotePath>,
}

impl Commit {
    pub(super) fn written(&self) -> Vec<RemotePath> {
        let Self { keep, files, renames, attributes, remove, leftovers, .. } = self;
        let kept = keep.iter().flat_map(|keep| [keep.path.clone(), keep.at.clone()]);
        let renamed = renames.iter().flat_map(|it| [it.from.clone(), it.to.clone()]);
        let others = attributes.iter().map(|it| &it.path).chain(remove).cloned();
        let left = leftovers.iter().map(|folder| folder.child("x"));
        files.iter().map(staged).chain(kept).chain(renamed).chain(others).chain(left).collect()
    }
}

/// The expected state of a unit in systemd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedUnit {
    /// The unit.
    pub unit: UnitName,
    /// Path of the unit file.
    pub path: RemotePath,
    /// Drop-ins, in systemd's order.
    pub drop_ins: Vec<String>,
    /// Enablement at boot.
    pub enablement: Enablement,
}

/// A second name for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The file.
    pub path: RemotePath,
    /// The second name, in a folder beside the file. The folder is created private if it is
    /// missing; an existing file with this name is replaced.
    pub at: RemotePath,
}

/// Another name for a file in the same folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// The old name.
    pub from: RemotePath,
    /// The new name; an existing file with this name is replaced.
    pub to: RemotePath,
}

/// Mode and owner to set on a file that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The file.
    pub path: RemotePath,
    /// Permission bits.
    pub mode: Mode,
    /// Owner, if it must change.
    pub owner: Option<Owner>,
}
