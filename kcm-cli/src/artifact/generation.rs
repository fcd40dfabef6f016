//! Records the state of a master before its last change, so that the change can be rolled back.
//! Pure.
//!
//! Replaced files get a hard link in a directory beside them ([`Slot`]). A note records the former
//! state of each path. The note is named `pending` until the change is verified. One rename then
//! makes it `previous`.
//! So a pending note means that kcm has not seen the service healthy since the change. It names the
//! last generation that was healthy. Two slots exist, because the files of `previous` must stay
//! until the next change is verified.

use std::collections::BTreeSet;

use kcm_pki::Fingerprint;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::cluster::layout::Layout;
use crate::transport::{Commit, Enablement, Keep, KeptFile, PathState, Rename, Stage, UnitAction};
use crate::util::files::{Mode, Owner, RemotePath};

/// A former generation of files: the paths in which it differs from the one that replaced it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Generation {
    /// Start of the change that replaced this generation. Equal on all masters that were changed
    /// together.
    #[serde(with = "time::serde::rfc3339")]
    pub replaced_at: OffsetDateTime,
    /// Start of the change that a rollback undid. Present only if the replacing change was a
    /// rollback.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub undoes: Option<OffsetDateTime>,
    /// Slot that holds the files.
    pub slot: Slot,
    /// True if the unit was enabled.
    pub enabled: bool,
    /// Former state of each path.
    pub files: Vec<Former>,
}

/// A change, as identified in the notes of all masters that it affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Start of the change.
    pub(crate) began: OffsetDateTime,
    /// Start of the change that this rollback undoes. `None` if this is not a rollback.
    pub(crate) undoes: Option<OffsetDateTime>,
}

/// Former state of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Former {
    /// The path.
    pub path: RemotePath,
    /// The file. `None` if the path was not a regular file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FormerFile>,
}

/// A file that was replaced or removed. Its content is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct FormerFile {
    /// SHA-256 of the content.
    pub digest: Fingerprint,
    /// Permission bits.
    pub mode: Mode,
    /// Owner.
    pub owner: Owner,
}

/// One of the two directories beside each managed file that keep former files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Slot {
    /// Directory `.kcm.a`.
    A,
    /// Directory `.kcm.b`.
    B,
}

impl Slot {
    fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Returns the slot's directory beside `path`.
    pub(crate) fn folder(self, path: &RemotePath) -> RemotePath {
        path.sibling(match self {
            Self::A => ".kcm.a",
            Self::B => ".kcm.b",
        })
    }

    /// Returns the slot whose directory is at `path`.
    pub(crate) fn of_folder(path: &RemotePath) -> Option<Self> {
        [Self::A, Self::B].into_iter().find(|slot| slot.folder(path) == *path)
    }

    /// Returns the path at which the slot keeps the former file of `path`.
    #[must_use]
    pub fn place(self, path: &RemotePath) -> RemotePath {
        self.folder(path).child(path.name())
    }
}

/// The former generations that a master keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Generations {
    /// Generation before a change that is not verified yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Generation>,
    /// Generation before the last verified change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Generation>,
}

impl Generations {
    /// Returns the generation before the last change, verified or not.
    #[must_use]
    pub fn last(&self) -> Option<&Generation> {
        self.pending.as_ref().or(self.previous.as_ref())
    }

    /// Reports whether a generation uses this slot.
    pub(crate) fn name(&self, slot: Slot) -> bool {
        self.pending.iter().chain(&self.previous).any(|generation| generation.slot == slot)
    }

    /// Returns the generation that a change will leave behind.
    ///
    /// A path that the pending generation already records keeps that record. For other paths,
    /// `changed` is recorded.
    #[must_use]
    pub(crate) fn leaving(
        &self,
        changed: Vec<Former>,
        enablement: Enablement,
        change: Change,
    ) -> Generation {
        let Change { began, undoes } = change;
        let left = self.pending.clone().unwrap_or_else(|| Generation {
            replaced_at: began,
            undoes,
            slot: self.previous.as_ref().map_or(Slot::A, |previous| previous.slot.other()),
            enabled: enablement == Enablement::Enabled,
            files: Vec::new(),
        });
        let mut left = Generation { replaced_at: began, undoes, ..left };
        for former in changed {
            if !left.files.iter().any(|known| known.path == former.path) {
                left.files.push(former);
            }
        }
        left
    }

    /// Returns the files of `left` whose content is not kept yet.
    pub(crate) fn to_keep(&self, left: &Generation) -> Vec<Keep> {
        let known = |path: &RemotePath| {
            let mut known = self.pending.iter().flat_map(|pending| &pending.files);
            known.any(|former| former.path == *path)
        };
        let there = left.files.iter().filter(|former| former.file.is_some());
        let new = there.filter(|former| !known(&former.path));
        new.map(|former| Keep { path: former.path.clone(), at: left.slot.place(&former.path) })
            .collect()
    }
}

impl Generation {
    /// Parses a note.
    ///
    /// # Errors
    /// A message, if the note is not valid for this version.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// Returns the note as JSON. It contains no secret.
    #[must_use]
    pub fn to_note(&self) -> String {
        // Serialization of these types cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reports whether the unit file did not exist, as before the first deployment.
    #[must_use]
    pub fn is_before_the_first(&self, unit_file: &RemotePath) -> bool {
        self.files.iter().any(|former| former.path == *unit_file && former.file.is_none())
    }

    /// Returns the operations that restore the files after an unverified change.
    pub(crate) fn restore(&self) -> (Stage, Commit) {
        let kept: Vec<_> = self.files.iter().filter_map(|former| self.kept(former)).collect();
        let absent = self.files.iter().filter(|former| former.file.is_none());
        let commit = Commit {
            files: kept.iter().map(|kept| kept.target.clone()).collect(),
            remove: absent.map(|former| former.path.clone()).collect(),
            ..Commit::default()
        };
        (Stage { files: Vec::new(), kept }, commit)
    }

    /// Returns the commit that removes the pending note and the kept files, once everything is
    /// restored.
    pub(crate) fn drop_change(&self, layout: &Layout) -> Commit {
        let leftovers = folders(layout, self.slot);
        Commit { remove: vec![layout.pending.clone()], leftovers, ..Commit::default() }
    }

    fn kept(&self, former: &Former) -> Option<KeptFile> {
        let FormerFile { digest, mode, owner } = former.file?;
        let (from, target) = (self.slot.place(&former.path), former.path.clone());
        Some(KeptFile { from, target, digest, mode, owner })
    }

    /// Returns the action that enables or disables the unit, as it was.
    pub(crate) fn enablement(&self, layout: &Layout) -> UnitAction {
        let (unit, path) = (layout.unit.clone(), layout.unit_file.clone());
        if self.enabled {
            UnitAction::Enable { unit, path }
        } else {
            UnitAction::Disable { unit, path }
        }
    }

    /// Returns the commit that ends a verified change. This generation becomes the previous one,
    /// and the older one is removed.
    pub(crate) fn conclude(&self, layout: &Layout) -> Commit {
        if self.is_before_the_first(&layout.unit_file) {
            return forget(layout);
        }
        let rename = Rename { from: layout.pending.clone(), to: layout.previous.clone() };
        let leftovers = folders(layout, self.slot.other());
        Commit { renames: vec![rename], leftovers, ..Commit::default() }
    }
}

/// Removes all notes and all kept files.
pub(crate) fn forget(layout: &Layout) -> Commit {
    let notes = layout.pending.parent();
    let leftovers = slot_folders(layout).into_iter().chain(notes).collect();
    Commit { leftovers, ..Commit::default() }
}

/// Returns every directory in which files of former generations may be kept.
pub(crate) fn slot_folders(layout: &Layout) -> Vec<RemotePath> {
    [Slot::A, Slot::B].into_iter().flat_map(|slot| folders(layout, slot)).collect()
}

/// Returns the slot's directories beside all managed files, without duplicates.
fn folders(layout: &Layout, slot: Slot) -> Vec<RemotePath> {
    let folders: BTreeSet<_> = layout.managed().map(|path| slot.folder(path)).collect();
    folders.into_iter().collect()
}

/// Records the state of a path before it is replaced or removed, including mode and owner.
pub(crate) fn former(path: &RemotePath, before: &PathState) -> Former {
    let file = match before {
        PathState::File { digest, mode, owner, .. } => {
            Some(FormerFile { digest: *digest, mode: *mode, owner: *owner })
        }
        _ => None,
    };
    Former { path: path.clone(), file }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-25 06:00 UTC);
    const CHANGE: Change = Change { began: NOW, undoes: None };

    fn path(text: &str) -> RemotePath {
        RemotePath::new(text).unwrap()
    }

    fn file(content: &[u8]) -> PathState {
        PathState::File {
            digest: Fingerprint::of(content),
            size: 1,
            mode: Mode::PUBLIC,
            owner: Owner::ROOT,
            changed: NOW,
        }
    }

    #[test]
    fn a_note_is_read_as_it_was_written_and_nothing_else_is() {
        let changed =
            vec![former(&path("/opt/a"), &file(b"a")), former(&path("/opt/b"), &PathState::Absent)];
        let left = Generations::default().leaving(changed, Enablement::Enabled, CHANGE);
        assert_eq!(Generation::parse(&left.to_note()), Ok(left));
        for wrong in ["", "{}", "null", r#"{"slot":"c"}"#] {
            assert!(Generation::parse(wrong).is_err(), "{wrong}");
        }
        let hostile = r#"{"replacedAt":"2026-11-25T06:00:00Z","slot":"a","enabled":true,"files":[{"path":"../etc"}]}"#;
        assert!(Generation::parse(hostile).is_err(), "a path that is none");
    }

    #[test]
    fn what_was_before_the_first_of_two_unproven_changes_is_what_counts() {
        let first = Generations::default().leaving(
            vec![former(&path("/opt/a"), &file(b"old"))],
            Enablement::Disabled,
            CHANGE,
        );
        let between = Generations { pending: Some(first.clone()), previous: None };
        let changed =
            vec![former(&path("/opt/a"), &file(b"new")), former(&path("/opt/b"), &file(b"b"))];
        let later = Change { began: NOW + time::Duration::HOUR, undoes: None };
        let second = between.leaving(changed, Enablement::Enabled, later);
        assert_eq!(second.files[0], first.files[0]);
        assert_eq!((second.enabled, second.replaced_at), (false, later.began));
        let kept = between.to_keep(&second);
        let kept: Vec<_> = kept.iter().map(|keep| keep.at.as_str()).collect();
        assert_eq!(kept, ["/opt/.kcm.a/b"], "the first is kept already");
    }

    #[test]
    fn a_file_comes_back_with_the_mode_and_owner_that_it_had() {
        for mode in [0o600, 0o640, 0o644, 0o400, 0o755] {
            let mode = Mode::from_bits(mode);
            let owner = Owner { uid: 7, gid: 8 };
            let before = PathState::File {
                digest: Fingerprint::of(b"key"),
                size: 3,
                mode,
                owner,
                changed: NOW,
            };
            let former = former(&path("/opt/key"), &before).file.unwrap();
            assert_eq!((former.mode, former.owner), (mode, owner));
        }
    }

    #[test]
    fn the_slot_in_use_is_not_written_into() {
        let previous = Generations::default().leaving(Vec::new(), Enablement::Enabled, CHANGE);
        let generations = Generations { pending: None, previous: Some(previous) };
        let next = generations.leaving(Vec::new(), Enablement::Enabled, CHANGE);
        assert_eq!(next.slot, Slot::B);
    }
}
