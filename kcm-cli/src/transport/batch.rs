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
    /// Looks for folders that others can change; changes nothing.
    CheckFolders(CheckFolders),
    /// Finds a unit's files and reads them; changes nothing.
    FindUnit(FindUnit),
    /// Looks for what would keep a service from starting; changes nothing.
    Examine(Examine),
    /// Looks at a service as it runs; changes nothing.
    Inspect(Inspect),
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
    /// Notes what takes long to find out about a program.
    NoteProgram(NoteProgram),
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

    /// Whether it can change anything on a master.
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

    /// The files that it writes, renames, gives away or removes. Before it does, a transport makes sure that nobody but
    /// root and the user who logged in can exchange them ([`CheckFolders`]).
    #[must_use]
    pub fn written(&self) -> Vec<RemotePath> {
        match self {
            // The stage folders must be ours, too.
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

/// Notes the version of a program and its digest on the master, beside size, times and inode: whoever changes the program
/// changes one of those. What is noted already and still true stays. Never fails: without the note, [`Probe`] reads the
/// whole program again. A transport for which that costs nothing may note nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteProgram {
    /// The program.
    pub program: RemotePath,
    /// The note; the folder that it is in is made.
    pub note: RemotePath,
    /// Whether the digest is noted.
    pub digest: bool,
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
