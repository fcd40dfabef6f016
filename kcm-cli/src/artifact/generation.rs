//! What a master had before its last change, so that it can be had again. Pure.
//!
//! Files that are replaced get a second name in a folder beside them ([`Slot`]), and a note says what each path was. While
//! the change is not proven the note is called `pending`; then it becomes `previous` in one rename. So a note that is
//! pending means that kcm has not seen the service healthy since, and what it names is the last generation that was.
//! There are two slots: what `previous` names stays until the next change is proven.

use std::collections::BTreeSet;

use kcm_pki::Fingerprint;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::cluster::layout::Layout;
use crate::transport::{Commit, Enablement, Keep, KeptFile, PathState, Rename, Stage, UnitAction};
use crate::util::files::{Mode, Owner, RemotePath};

/// A generation of files, as far as it differs from the one that replaced it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Generation {
    /// When the change that replaced it began. Masters that were changed together have the same moment here.
    #[serde(with = "time::serde::rfc3339")]
    pub replaced_at: OffsetDateTime,
    /// If that change was a rollback: when the change began that it took back.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub undoes: Option<OffsetDateTime>,
    /// Where its files are kept.
    pub slot: Slot,
    /// Whether the unit started at boot.
    pub enabled: bool,
    /// What the paths were.
    pub files: Vec<Former>,
}

/// A change, as the notes of all masters that it comes to name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// When it began.
    pub(crate) began: OffsetDateTime,
    /// If it is a rollback: when the change began that it takes back.
    pub(crate) undoes: Option<OffsetDateTime>,
}

/// What a path was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Former {
    /// The path.
    pub path: RemotePath,
    /// The file, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FormerFile>,
}

/// A file that was replaced or removed; its bytes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FormerFile {
    /// SHA-256 of its bytes.
    pub digest: Fingerprint,
    /// Its permission bits.
    pub mode: Mode,
    /// Its owner.
    pub owner: Owner,
}

/// One of two places beside each file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Slot {
    /// The one.
    A,
    /// The other.
    B,
}

impl Slot {
    fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The folder beside `path`.
    pub(crate) fn folder(self, path: &RemotePath) -> RemotePath {
        path.sibling(match self {
            Self::A => ".kcm.a",
            Self::B => ".kcm.b",
        })
    }

    /// Whose folder that is.
    pub(crate) fn of_folder(path: &RemotePath) -> Option<Self> {
        [Self::A, Self::B].into_iter().find(|slot| slot.folder(path) == *path)
    }

    /// Where the file that was at `path` is kept.
    #[must_use]
    pub fn place(self, path: &RemotePath) -> RemotePath {
        self.folder(path).child(path.name())
    }
}

/// The generations that a master has beside the one in place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Generations {
    /// The one before a change that is not proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Generation>,
    /// The one before the last change that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Generation>,
}

impl Generations {
    /// The one before the last change, whether that was proven or not.
    #[must_use]
    pub fn last(&self) -> Option<&Generation> {
        self.pending.as_ref().or(self.previous.as_ref())
    }

    /// Whether files of this slot are named.
    pub(crate) fn name(&self, slot: Slot) -> bool {
        self.pending.iter().chain(&self.previous).any(|generation| generation.slot == slot)
    }

    /// The generation that a change leaves behind: what the changed paths are now, unless a change that is not proven
    /// has noted already what they were before it.
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

    /// The files of `left` whose bytes are not kept yet.
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
    /// Reads a note.
    ///
    /// # Errors
    /// When it is not one of this version: in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// The note. It names no secret.
    #[must_use]
    pub fn to_note(&self) -> String {
        // Nothing in it can fail to be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Whether there was no unit: before the first deployment.
    #[must_use]
    pub fn is_before_the_first(&self, unit_file: &RemotePath) -> bool {
        self.files.iter().any(|former| former.path == *unit_file && former.file.is_none())
    }

    /// What brings its files back in place of a change that is not proven.
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

    /// What is done once everything is again as it was: the change that is not proven is forgotten.
    pub(crate) fn drop_change(&self, layout: &Layout) -> Commit {
        let leftovers = folders(layout, self.slot);
        Commit { remove: vec![layout.pending.clone()], leftovers, ..Commit::default() }
    }

    fn kept(&self, former: &Former) -> Option<KeptFile> {
        let FormerFile { digest, mode, owner } = former.file?;
        let (from, target) = (self.slot.place(&former.path), former.path.clone());
        Some(KeptFile { from, target, digest, mode, owner })
    }

    /// What makes its unit start at boot, or not, as it was.
    pub(crate) fn enablement(&self, layout: &Layout) -> UnitAction {
        let (unit, path) = (layout.unit.clone(), layout.unit_file.clone());
        if self.enabled {
            UnitAction::Enable { unit, path }
        } else {
            UnitAction::Disable { unit, path }
        }
    }

    /// What is done once the change that replaced it is proven: it is the previous one, and the one before it goes.
    pub(crate) fn conclude(&self, layout: &Layout) -> Commit {
        if self.is_before_the_first(&layout.unit_file) {
            return forget(layout);
        }
        let rename = Rename { from: layout.pending.clone(), to: layout.previous.clone() };
        let leftovers = folders(layout, self.slot.other());
        Commit { renames: vec![rename], leftovers, ..Commit::default() }
    }
}

/// Removes all notes and everything that they name.
pub(crate) fn forget(layout: &Layout) -> Commit {
    let notes = layout.pending.parent();
    let leftovers = slot_folders(layout).into_iter().chain(notes).collect();
    Commit { leftovers, ..Commit::default() }
}

/// Every folder in which files of earlier generations may be kept.
pub(crate) fn slot_folders(layout: &Layout) -> Vec<RemotePath> {
    [Slot::A, Slot::B].into_iter().flat_map(|slot| folders(layout, slot)).collect()
}

/// A slot's folders beside all managed files, each once.
fn folders(layout: &Layout, slot: Slot) -> Vec<RemotePath> {
    let folders: BTreeSet<_> = layout.managed().map(|path| slot.folder(path)).collect();
    folders.into_iter().collect()
}

/// What a path is before it is replaced or removed: it comes back as it was, mode and owner included.
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
