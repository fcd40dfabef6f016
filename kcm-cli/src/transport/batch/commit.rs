//! The operation that puts staged files in place, renames and removes files.

use kcm_systemd::UnitName;

use crate::transport::interpret::staged;
use crate::transport::{Enablement, PathState};
use crate::util::files::{Mode, Owner, RemotePath};

/// Files to put in place, in this order of the fields. By itself it expects nothing and does nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// What must still be there, or nothing is done ([`PathState::is_same_artifact`] decides).
    pub expected: Vec<(RemotePath, PathState)>,
    /// What systemd must still say of the unit, or nothing is done.
    pub unit: Option<ExpectedUnit>,
    /// Files that get a second name, so that they outlive their replacement.
    pub keep: Vec<Keep>,
    /// The staged files to rename into place.
    pub files: Vec<RemotePath>,
    /// Files to rename within their folder.
    pub renames: Vec<Rename>,
    /// Files whose content is right and whose mode or owner is not.
    pub attributes: Vec<Attributes>,
    /// Files to remove; those that are not there are no failure.
    pub remove: Vec<RemotePath>,
    /// Folders of kcm's own to remove with the files in them; those that are not there are no failure.
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

/// What systemd must say of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedUnit {
    /// The unit.
    pub unit: UnitName,
    /// Its file.
    pub path: RemotePath,
    /// Its drop-ins, in systemd's order.
    pub drop_ins: Vec<String>,
    /// Whether it starts at boot.
    pub enablement: Enablement,
}

/// A second name for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The file.
    pub path: RemotePath,
    /// Its second name: in a folder beside it, which is made, private, if it is not there; what has the name is replaced.
    pub at: RemotePath,
}

/// Another name for a file in the same folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// The old name.
    pub from: RemotePath,
    /// The new one; what has it is replaced.
    pub to: RemotePath,
}

/// Mode and owner to set on a file that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The file.
    pub path: RemotePath,
    /// Its permission bits.
    pub mode: Mode,
    /// Its owner, if it is to be changed.
    pub owner: Option<Owner>,
}
