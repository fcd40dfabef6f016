//! Operations that write files beside their targets, and remove them again.

use kcm_pki::Fingerprint;

use crate::util::files::{Bytes, Mode, Owner, RemotePath};

/// Files to write beside their targets.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    /// New files.
    pub files: Vec<StagedFile>,
    /// Files that already exist on the master under another name.
    pub kept: Vec<KeptFile>,
}

impl Stage {
    /// Returns the targets of all files.
    pub fn targets(&self) -> impl Iterator<Item = &RemotePath> {
        let kept = self.kept.iter().map(|kept| &kept.target);
        self.files.iter().map(|file| &file.target).chain(kept)
    }
}

/// A file kept on the master, to be copied beside its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    /// Path of the kept file.
    pub from: RemotePath,
    /// Path of the file after the commit.
    pub target: RemotePath,
    /// Digest that the kept file must have; on a mismatch nothing is staged.
    pub digest: Fingerprint,
    /// Permission bits.
    pub mode: Mode,
    /// Owner; see [`StagedFile::owner`].
    pub owner: Owner,
}

/// One file to write beside its target.
#[derive(Clone, Debug)]
pub struct StagedFile {
    /// Path of the file after the commit.
    pub target: RemotePath,
    /// Content. The transport reads the file back and compares digests.
    pub content: Bytes,
    /// Permission bits.
    pub mode: Mode,
    /// Owner; not set where
    /// [`ProbeReply::can_set_owner`](crate::transport::ProbeReply::can_set_owner) is false.
    pub owner: Owner,
}

/// The parts of a stage to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unstage {
    /// The targets that were staged.
    pub targets: Vec<RemotePath>,
    /// The folders that the stage created, outermost first
    /// ([`Reply::Staged`](crate::transport::Reply::Staged)). Those that are not empty stay.
    pub folders: Vec<RemotePath>,
}
