//! Operations that write files beside their targets, and take them back.

use kcm_pki::Fingerprint;

use crate::util::files::{Bytes, Mode, Owner, RemotePath};

/// Files to write beside their targets.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    /// New files.
    pub files: Vec<StagedFile>,
    /// Files that are on the master already, under another name.
    pub kept: Vec<KeptFile>,
}

impl Stage {
    /// The targets of all its files.
    pub fn targets(&self) -> impl Iterator<Item = &RemotePath> {
        let kept = self.kept.iter().map(|kept| &kept.target);
        self.files.iter().map(|file| &file.target).chain(kept)
    }
}

/// A file that was kept on the master, to be copied beside its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    /// Where it is kept.
    pub from: RemotePath,
    /// Where the file will be after the commit.
    pub target: RemotePath,
    /// What it must hold, or nothing is staged.
    pub digest: Fingerprint,
    /// Its permission bits.
    pub mode: Mode,
    /// Its owner; see [`StagedFile::owner`].
    pub owner: Owner,
}

/// One file to write beside its target.
#[derive(Clone, Debug)]
pub struct StagedFile {
    /// Where the file will be after the commit.
    pub target: RemotePath,
    /// Its bytes. The transport reads the file back and compares digests.
    pub content: Bytes,
    /// Its permission bits.
    pub mode: Mode,
    /// Its owner; not set where [`ProbeReply::can_set_owner`](crate::transport::ProbeReply::can_set_owner) is false.
    pub owner: Owner,
}

/// What to take back of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unstage {
    /// The targets that were staged.
    pub targets: Vec<RemotePath>,
    /// The folders that the stage made, outermost first ([`Reply::Staged`](crate::transport::Reply::Staged)); those
    /// that are not empty stay.
    pub folders: Vec<RemotePath>,
}
