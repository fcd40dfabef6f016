//! What a transport answers.

use std::net::SocketAddr;

use kcm_pki::Fingerprint;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{FoundUnit, Inspected, OperationFailure, UntrustedFolder};
use crate::util::files::{Mode, Owner, RemotePath, Room};
use crate::util::words::harmless;

/// The answers to a batch: one for every operation that was carried out, then why the next was not.
#[derive(Debug)]
pub struct Replies {
    /// One reply for each operation carried out, in order.
    pub done: Vec<Reply>,
    /// The operation that failed, if one did; none after it was begun.
    pub failed: Option<OperationFailure>,
}

/// The answer to one operation.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reply {
    /// To a probe.
    Probe(ProbeReply),
    /// To a read: the bytes, or `None` if there is no regular file.
    Read(Option<Zeroizing<Vec<u8>>>),
    /// To a check of folders: those that others can change.
    CheckedFolders(Vec<UntrustedFolder>),
    /// To a search for a unit.
    FoundUnit(FoundUnit),
    /// To an examination.
    Examined(Examined),
    /// To an inspection.
    Inspected(Inspected),
    /// To a stage: all files are beside their targets, durable, and have the right digest.
    Staged {
        /// The folders that had to be made for them, outermost first.
        made: Vec<RemotePath>,
    },
    /// To an unstage: nothing of the stage is left.
    Unstaged,
    /// To a commit: everything is in place and durable.
    Committed,
    /// To a unit action: done.
    Unit,
    /// To a stop: its processes are gone.
    Stopped {
        /// When that was seen, by the master's clock.
        gone: OffsetDateTime,
    },
    /// To a settle: the unit has stayed up.
    Settled(Settled),
    /// To a note of a program.
    Noted,
    /// To an exec: how it ended. A non-zero exit is a result, not an error.
    Exec(Output),
}

/// A service that has stayed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// systemd's name for this run (`InvocationID`).
    pub invocation: String,
    /// The main process.
    pub main_pid: u32,
    /// The TCP addresses on which that very process listens, those of IPv4 alone if it has any; unknown where others'
    /// processes cannot be looked into.
    pub listening: Observation<Vec<SocketAddr>>,
    /// The TCP connections of that process, of those that can carry data, if they were asked for.
    pub connections: Option<Observation<Vec<Connection>>>,
}

/// A TCP connection. No two have all of this alike while either is open; inode numbers alone come again after four
/// billion sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Connection {
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// The socket's number in the kernel.
    pub inode: u64,
}

/// What an examination saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// The master's clock, in the middle of the exchange; none in a folder.
    pub clock: Option<OffsetDateTime>,
    /// What the program said, if it was to be asked; a program that cannot be run has its reason.
    pub program: Option<Observation<ProgramFacts>>,
    /// Listeners on the port that are not of the unit's main process.
    pub strangers: Observation<Vec<Listener>>,
    /// The files that cannot be read.
    pub unreadable: Observation<Vec<RemotePath>>,
}

/// What a program says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramFacts {
    /// What it answers to `--version`.
    pub version: String,
    /// What it answers to `--help`.
    pub help: String,
}

/// Who listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// The process, if it is known.
    pub process: Option<u32>,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exit status, `None` if a signal ended it.
    pub status: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

/// What a probe saw.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeReply {
    /// The kernel's host name; unknown for a folder.
    pub hostname: Option<String>,
    /// Whether files can be given to another user.
    pub can_set_owner: bool,
    /// The paths asked for, in order.
    pub paths: Vec<PathState>,
    /// Whether the folders of these paths, each once, can be written into.
    pub rooms: Vec<(RemotePath, Room)>,
    /// What an interrupted run left beside the paths asked for.
    pub leftovers: Vec<RemotePath>,
    /// The unit.
    pub unit: UnitState,
    /// Processes that run the executable asked for, the unit's own included.
    pub processes: Observation<Vec<u32>>,
    /// The numbers of the accounts asked for, in order; none for one that does not exist.
    pub accounts: Vec<Observation<Option<Owner>>>,
}

/// An answer, or why there is none: a failed question is not a "no".
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Observation<T> {
    /// The answer.
    Known(T),
    /// Why it is not known.
    Unknown(String),
}

/// What a path names on a master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum PathState {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// SHA-256 of its bytes.
        digest: Fingerprint,
        /// Size in bytes.
        size: u64,
        /// Permission bits.
        mode: Mode,
        /// User and group.
        owner: Owner,
        /// When content, mode, owner or name last changed (`ctime`).
        #[serde(with = "time::serde::rfc3339")]
        changed: OffsetDateTime,
    },
    /// A regular file whose content was not asked for.
    Unread {
        /// Size in bytes.
        size: u64,
        /// Permission bits.
        mode: Mode,
        /// User and group.
        owner: Owner,
        /// When content, mode, owner or name last changed (`ctime`).
        #[serde(with = "time::serde::rfc3339")]
        changed: OffsetDateTime,
    },
    /// A folder.
    Folder {
        /// Permission bits.
        mode: Mode,
        /// User and group.
        owner: Owner,
    },
    /// A symbolic link.
    Link {
        /// Where it points.
        target: String,
    },
    /// A device, socket or pipe.
    Other,
}

impl PathState {
    /// Whether two observations are of the same thing: content, mode and owner. Times do not count, except where the
    /// content was not asked for: then size and change time stand for it.
    #[must_use]
    pub fn is_same_artifact(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File { .. }, Self::Unread { .. }) => self.clone().unread() == *other,
            (Self::Unread { .. }, Self::File { .. }) => *self == other.clone().unread(),
            (
                Self::File { digest, mode, owner, .. },
                Self::File { digest: digest2, mode: mode2, owner: owner2, .. },
            ) => (digest, mode, owner) == (digest2, mode2, owner2),
            _ => self == other,
        }
    }

    /// The same without the digest.
    #[must_use]
    pub fn unread(self) -> Self {
        match self {
            Self::File { size, mode, owner, changed, .. } => {
                Self::Unread { size, mode, owner, changed }
            }
            other => other,
        }
    }

    /// When a regular file last changed: content, mode, owner or name.
    #[must_use]
    pub fn changed(&self) -> Option<OffsetDateTime> {
        match self {
            Self::File { changed, .. } | Self::Unread { changed, .. } => Some(*changed),
            _ => None,
        }
    }

    /// Permission bits and owner of a regular file.
    #[must_use]
    pub fn attributes(&self) -> Option<(Mode, Owner)> {
        match self {
            Self::File { mode, owner, .. } | Self::Unread { mode, owner, .. } => {
                Some((*mode, *owner))
            }
            _ => None,
        }
    }

    /// What it is, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Absent => "nothing".to_owned(),
            Self::File { digest, mode, owner, .. } => format!("a file {mode} {owner} {digest}"),
            Self::Unread { size, mode, owner, changed } => {
                format!("a file {mode} {owner} of {size} bytes, last changed {changed}")
            }
            Self::Folder { .. } => "a folder".to_owned(),
            Self::Link { target } => format!("a symbolic link to {}", harmless(target)),
            Self::Other => "no regular file".to_owned(),
        }
    }
}

/// What systemd knows of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnitState {
    /// Whether it starts at boot.
    pub enablement: Enablement,
    /// Whether it runs.
    pub activity: Activity,
    /// Whether its file is other than what systemd last read (`NeedDaemonReload`).
    pub needs_reload: bool,
    /// The files that change it (`DropInPaths`), in systemd's order.
    pub drop_ins: Vec<String>,
    /// How often systemd has started it again by itself since it was last started by somebody (`NRestarts`).
    pub restarts: u32,
}

/// Whether a unit starts at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Enablement {
    /// There is no such unit.
    Absent,
    /// Not all links that its `[Install]` section asks for exist.
    Disabled,
    /// All of them exist.
    Enabled,
    /// Its file is a link to `/dev/null`: nothing can start it.
    Masked,
}

/// Whether a unit runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Activity {
    /// A folder, not a running machine: nothing can run, nothing can be started.
    Offline,
    /// It does not run.
    Inactive,
    /// It runs.
    Active {
        /// systemd's name for this run (`InvocationID`).
        invocation: String,
        /// The main process.
        main_pid: u32,
        /// Since when.
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
    },
    /// It ended with an error.
    Failed {
        /// systemd's word for how (`Result`).
        result: String,
        /// Whether systemd is about to start it again by itself.
        returns: bool,
    },
}

/// What systemd says of a unit beside its file, in words.
pub(crate) fn describe_unit(drop_ins: &[String], enablement: Enablement) -> String {
    let enablement = match enablement {
        Enablement::Absent => "no such unit",
        Enablement::Disabled => "disabled",
        Enablement::Enabled => "enabled",
        Enablement::Masked => "masked",
    };
    match drop_ins {
        [] => format!("{enablement}, without drop-ins"),
        drop_ins => format!("{enablement}, with {}", drop_ins.join(" and ")),
    }
}
