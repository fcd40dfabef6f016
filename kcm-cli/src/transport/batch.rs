//! What a transport is asked to do: typed operations, carried out together in one exchange.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kcm_systemd::UnitName;
use zeroize::Zeroizing;

use super::PathState;
use crate::files::{Bytes, Mode, Owner, RemotePath};

/// Operations for one exchange: all of them in order, or up to the first that fails.
#[derive(Clone, Debug)]
pub struct Batch {
    /// What to do, in order.
    pub operations: Vec<Operation>,
    /// How long the master may take for all of it. The master enforces it too.
    pub deadline: Duration,
    /// Who is told how many bytes have left for the master.
    pub progress: Option<Progress>,
}

/// Is told how far the bytes of a batch have got.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Sent) + Send + Sync>);

/// How far the bytes of a batch have got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Bytes of content that have left.
    pub bytes: u64,
    /// Bytes of content in the batch.
    pub of: u64,
}

impl Progress {
    /// Tells `listener`, which must not block.
    #[must_use]
    pub fn new(listener: impl Fn(Sent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    /// Passes it on.
    pub fn tell(&self, sent: Sent) {
        (self.0)(sent);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

impl Batch {
    /// Enough for small files and a slow disk; an operation that needs more says so.
    pub const DEADLINE: Duration = Duration::from_secs(60);

    /// A batch with the usual deadline.
    #[must_use]
    pub fn new(operations: Vec<Operation>) -> Self {
        Self { operations, deadline: Self::DEADLINE, progress: None }
    }
}

/// One thing to do on a master.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Operation {
    /// Looks at paths and at a unit; changes nothing.
    Probe(Probe),
    /// Reads one file; changes nothing.
    Read(Read),
    /// Writes new files beside their targets, durable and checked. No target changes.
    Stage(Stage),
    /// Takes back what a stage wrote.
    Unstage(Unstage),
    /// Gives staged files their final names, if nothing is other than expected.
    Commit(Commit),
    /// Acts on a unit.
    Unit(UnitAction),
    /// Waits until a unit has proven that it stays up.
    Settle(Settle),
    /// Runs a program: for what has no type yet.
    Exec(Exec),
}

impl Operation {
    /// The operation's name in messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Probe(_) => "probe",
            Self::Read(_) => "read",
            Self::Stage(_) => "stage",
            Self::Unstage(_) => "unstage",
            Self::Commit(_) => "commit",
            Self::Unit(_) => "unit",
            Self::Settle(_) => "settle",
            Self::Exec(_) => "exec",
        }
    }
}

/// What to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Paths, answered in this order.
    pub paths: Vec<RemotePath>,
    /// The unit whose load state, activity and enablement are asked for.
    pub unit: UnitName,
    /// The unit's file.
    pub unit_path: RemotePath,
    /// The program whose running processes are looked for, by the path of its executable.
    pub executable: RemotePath,
}

/// Which file to read, and how much of it may be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The file.
    pub path: RemotePath,
    /// What leaves the master.
    pub view: View,
}

/// How much of a file leaves the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// All of it. For public files only.
    Whole,
    /// The PEM blocks labelled `CERTIFICATE`, whole lines from `BEGIN` to `END`, and nothing else: a key in the same
    /// file stays where it is.
    Certificates,
    /// A kubeconfig's public lines, with a digest in place of every other value
    /// (see [`kcm_kubeconfig::public_view`]): no key is fetched.
    KubeconfigPublic,
}

/// Files to write beside their targets.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The files.
    pub files: Vec<StagedFile>,
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
    /// Its owner; not set where [`ProbeReply::can_set_owner`](super::ProbeReply::can_set_owner) is false.
    pub owner: Owner,
}

/// What to take back of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unstage {
    /// The targets that were staged.
    pub targets: Vec<RemotePath>,
    /// The folders that the stage made, outermost first ([`Reply::Staged`](super::Reply::Staged)); those
    /// that are not empty stay.
    pub folders: Vec<RemotePath>,
}

/// Staged files to put in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// What must still be there, or nothing is done ([`PathState::is_same_artifact`] decides).
    pub expected: Vec<(RemotePath, PathState)>,
    /// The staged files to rename into place, in order.
    pub files: Vec<RemotePath>,
    /// Files whose content is right and whose mode or owner is not.
    pub attributes: Vec<Attributes>,
    /// What an interrupted run left beside targets, to be removed.
    pub leftovers: Vec<RemotePath>,
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

/// An action on a unit, as `systemctl` knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnitAction {
    /// Makes systemd read unit files again (`daemon-reload`).
    Reload,
    /// Makes the links that the unit's `[Install]` section asks for (`enable`).
    Enable {
        /// The unit.
        unit: UnitName,
        /// Its file.
        path: RemotePath,
    },
    /// Starts the unit, or starts it again if it runs (`restart`).
    Restart {
        /// The unit.
        unit: UnitName,
    },
}

/// Waits until a unit has been active for `period`, as one invocation and without a restart in between. Fails as soon
/// as that can no longer be, with the last lines of its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// The unit.
    pub unit: UnitName,
    /// How long it must stay up.
    pub period: Duration,
}

/// A program to run.
#[derive(Clone)]
pub struct Exec {
    /// The program and its arguments: never a secret among them, others can read argv.
    pub argv: Vec<String>,
    /// What it reads on standard input: the only way for a secret.
    pub stdin: Zeroizing<Vec<u8>>,
}

/// Shows everything but standard input.
impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exec")
            .field("argv", &self.argv)
            .field("stdin", &format_args!("{} bytes", self.stdin.len()))
            .finish()
    }
}
