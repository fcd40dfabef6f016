//! What a transport is asked to do: typed operations, carried out together in one exchange.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kcm_pki::Fingerprint;
use kcm_systemd::UnitName;
use serde::Serialize;
use zeroize::Zeroizing;

use super::interpret::staged;
use super::{CheckFolders, Enablement, FindUnit, Inspect, PathState};
use crate::util::files::{Bytes, Mode, Owner, RemotePath};

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

/// What to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Paths, answered in this order.
    pub paths: Vec<RemotePath>,
    /// Those of them whose content is of no matter: big files take long to digest.
    pub unread: Vec<RemotePath>,
    /// The unit whose load state, activity and enablement are asked for.
    pub unit: UnitName,
    /// The unit's file.
    pub unit_path: RemotePath,
    /// The program whose running processes are looked for, by the path of its executable.
    pub executable: RemotePath,
    /// What was noted of that program ([`NoteProgram`]): its digest and, for an inspection in the same batch, its version
    /// are taken from there as long as the program has not changed since. A transport may leave the note unread.
    pub note: Option<RemotePath>,
    /// Accounts whose numbers are asked for, answered in this order.
    pub accounts: Vec<Account>,
}

/// A user and a group by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The user.
    pub user: String,
    /// The group, if it is not the user's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// What to look for before a service is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examine {
    /// The unit: its main process, and what its drop-ins say.
    pub unit: UnitName,
    /// A program to be asked for its version and its flags.
    pub program: Option<RemotePath>,
    /// The TCP port whose listeners are looked for.
    pub port: Option<u16>,
    /// Files that must be readable, and to whom.
    pub readable: Option<Readable>,
}

/// Files that a service reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readable {
    /// Whose rights count.
    pub by: Owner,
    /// Whether capabilities help, as they do root; by themselves they help no other user.
    pub privileged: bool,
    /// The files.
    pub paths: Vec<RemotePath>,
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
    /// A digest of the public part of the first private key of a PEM file, in hexadecimal digits; nothing where none is
    /// found, as of an encrypted key, of Ed25519, or of ECDSA without its point.
    PublicPart,
}

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
    fn written(&self) -> Vec<RemotePath> {
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
    /// Removes those links (`disable`).
    Disable {
        /// The unit.
        unit: UnitName,
        /// Its file.
        path: RemotePath,
    },
    /// Starts the unit, or starts it again if it runs (`restart`): one job of systemd, which it ends whoever dies.
    Restart {
        /// The unit.
        unit: UnitName,
    },
    /// Stops the unit and waits until its processes are gone. First arms a timer of the master's own that starts it
    /// again, unless [`Start`](Self::Start) or [`Disarm`](Self::Disarm) comes before.
    Stop {
        /// The unit.
        unit: UnitName,
        /// How long after the stop begins the timer waits.
        back_after: Duration,
    },
    /// Ends the unit's main process at once, as a crash would (SIGKILL), and waits until it is gone. Arms the timer of
    /// [`Stop`](Self::Stop) first: whether systemd starts the unit again is for its `Restart=` to say.
    Kill {
        /// The unit.
        unit: UnitName,
        /// How long after the end begins the timer waits.
        back_after: Duration,
    },
    /// Starts the unit, then disarms its timer.
    Start {
        /// The unit.
        unit: UnitName,
    },
    /// Takes back the timer: the unit is to stay down.
    Disarm {
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
    /// How long it must stay up from now on; nothing to see whether it is up.
    pub period: Duration,
    /// How much longer its main process may take until it listens for TCP somewhere; it need not.
    pub listens: Duration,
    /// Whether the connections of its main process are asked for.
    pub connections: bool,
    /// The invocation that it must be; any, if it is not said.
    pub invocation: Option<String>,
}

impl Settle {
    /// A look at how the service is now.
    pub(crate) fn now(unit: &UnitName, invocation: Option<String>) -> Self {
        let (period, listens) = (Duration::ZERO, Duration::ZERO);
        Self { unit: unit.clone(), period, listens, connections: false, invocation }
    }

    /// A look at what the service is connected to.
    pub(crate) fn connections(unit: &UnitName, invocation: Option<String>) -> Self {
        Self { connections: true, ..Self::now(unit, invocation) }
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
