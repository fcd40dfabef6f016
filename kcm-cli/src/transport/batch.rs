//! Batches of typed operations, carried out together in one exchange.

mod commit;
mod probe;
mod stage;
mod unit;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::interpret::staged;
use super::{CheckFolders, FindUnit, Inspect};
use crate::util::files::RemotePath;

pub use commit::{Attributes, Commit, ExpectedUnit, Keep, Rename};
pub use probe::{Account, Examine, Probe, Read, Readable, View};
pub use stage::{KeptFile, Stage, StagedFile, Unstage};
pub use unit::{Settle, UnitAction};

/// Operations for one exchange: all of them in order, or up to the first that fails.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Operations, in order.
    pub operations: Vec<Operation>,
    /// Time limit on the master for the whole batch. The master enforces it too.
    pub deadline: Duration,
    /// Listener for the number of bytes sent to the master.
    pub progress: Option<Progress>,
}

/// A listener for the upload progress of a batch.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Sent) + Send + Sync>);

/// The upload progress of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Bytes of content sent so far.
    pub bytes: u64,
    /// Bytes of content in the batch.
    pub of: u64,
}

impl Progress {
    /// Creates a progress listener. `listener` must not block.
    #[must_use]
    pub fn new(listener: impl Fn(Sent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    /// Reports progress to the listener.
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
    /// Default deadline: enough for small files and a slow disk. A batch may set a longer one.
    pub const DEADLINE: Duration = Duration::from_secs(60);

    /// Creates a batch with the default deadline.
    #[must_use]
    pub fn new(operations: Vec<Operation>) -> Self {
        Self { operations, deadline: Self::DEADLINE, progress: None }
    }
}

/// One operation on a master.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Operation {
    /// Observes paths and a unit; changes nothing.
    Probe(Probe),
    /// Reads one file; changes nothing.
    Read(Read),
    /// Finds folders that others can change; changes nothing.
    CheckFolders(CheckFolders),
    /// Finds a unit's files and reads them; changes nothing.
    FindUnit(FindUnit),
    /// Finds obstacles to the start of a service; changes nothing.
    Examine(Examine),
    /// Observes a running service; changes nothing.
    Inspect(Inspect),
    /// Writes new files beside their targets, durable and verified. No target changes.
    Stage(Stage),
    /// Removes what a stage wrote.
    Unstage(Unstage),
    /// Gives staged files their final names if every expectation holds.
    Commit(Commit),
    /// Performs an action on a unit.
    Unit(UnitAction),
    /// Waits until a unit has stayed up for a period.
    Settle(Settle),
    /// Records facts about a program that are slow to determine.
    NoteProgram(NoteProgram),
    /// Runs a program, for tasks without a typed operation.
    Exec(Exec),
}

impl Operation {
    /// Returns the name of the operation in messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Probe(_) => "probe",
            Self::Read(_) => "read",
            Self::CheckFolders(_) => "check folders",
            Self::FindUnit(_) => "find unit",
            Self::Examine(_) => "examine",
            Self::Inspect(_) => "inspect",
            Self::Stage(_) => "stage",
            Self::Unstage(_) => "unstage",
            Self::Commit(_) => "commit",
            Self::Unit(_) => "unit",
            Self::Settle(_) => "settle",
            Self::NoteProgram(_) => "noteProgram",
            Self::Exec(_) => "exec",
        }
    }

    /// Reports whether the operation can change anything on a master.
    #[must_use]
    pub const fn changes(&self) -> bool {
        !matches!(
            self,
            Self::Probe(_)
                | Self::Read(_)
                | Self::CheckFolders(_)
                | Self::FindUnit(_)
                | Self::Examine(_)
                | Self::Inspect(_)
        )
    }

    /// Returns the files that the operation writes, renames, re-owns or removes. Before it starts,
    /// a transport verifies that only root and the login user can replace them ([`CheckFolders`]).
    #[must_use]
    pub fn written(&self) -> Vec<RemotePath> {
        match self {
            // The stage folders must be trusted, too.
            Self::Stage(stage) => {
                let kept = stage.kept.iter().map(|kept| kept.from.clone());
                stage.targets().map(staged).chain(kept).collect()
            }
            Self::Unstage(Unstage { targets, folders }) => {
                targets.iter().map(staged).chain(folders.iter().cloned()).collect()
            }
            Self::Commit(commit) => commit.written(),
            Self::NoteProgram(NoteProgram { program, note, .. }) => {
                vec![program.clone(), note.clone()]
            }
            _ => Vec::new(),
        }
    }
}

/// Records the version and digest of a program on the master, with its size, times and inode. A
/// change of the program changes one of those. A note that is still valid stays. Never fails:
/// without the note, [`Probe`] reads the whole program again. A transport that reads programs at no
/// cost may skip the note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteProgram {
    /// The program.
    pub program: RemotePath,
    /// The note; its folder is created.
    pub note: RemotePath,
    /// True if the digest is recorded.
    pub digest: bool,
}

/// A program to run.
#[derive(Clone)]
pub struct Exec {
    /// The program and its arguments. Never put a secret here: other users can read argv.
    pub argv: Vec<String>,
    /// Standard input of the program; the only channel for a secret.
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
