//! Replies of a transport.

use std::net::SocketAddr;

use kcm_pki::Fingerprint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{FoundUnit, Inspected, OperationFailure, UntrustedFolder};
use crate::util::files::{Mode, Owner, RemotePath, Room};
use crate::util::schema::{Rfc3339, Sha256};
use crate::util::words::harmless;

/// The replies to a batch: one for every operation carried out, then the failure of the next.
#[derive(Debug)]
pub struct Replies {
    /// One reply for each operation carried out, in order.
    pub done: Vec<Reply>,
    /// The operation that failed, if one did. No later operation was started.
    pub failed: Option<OperationFailure>,
}

/// The reply to one operation.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reply {
    /// Reply to a probe.
    Probe(ProbeReply),
    /// Reply to a read: the bytes, or `None` if the path is not a regular file.
    Read(Option<Zeroizing<Vec<u8>>>),
    /// Reply to a check of folders: those that others can change.
    CheckedFolders(Vec<UntrustedFolder>),
    /// Reply to a search for a unit.
    FoundUnit(FoundUnit),
    /// Reply to an examination.
    Examined(Examined),
    /// Reply to an inspection.
    Inspected(Inspected),
    /// Reply to a stage: all files are beside their targets, durable, and have the right digest.
    Staged {
        /// The folders that were created for them, outermost first.
        made: Vec<RemotePath>,
    },
    /// Reply to an unstage: all files of the stage are gone.
    Unstaged,
    /// Reply to a commit: all files are in place and durable.
    Committed,
    /// Reply to a completed unit action.
    Unit,
    /// Reply to a stop: the processes of the unit are gone.
    Stopped {
        /// Time at which they were seen to be gone, by the master's clock.
        gone: OffsetDateTime,
    },
    /// Reply to a settle: the unit has stayed up.
    Settled(Settled),
    /// Reply to a note about a program.
    Noted,
    /// Reply to an exec: the exit status and output. A non-zero exit is a result, not an error.
    Exec(Output),
}

/// A service that has stayed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// systemd's identifier of this run (`InvocationID`).
    pub invocation: String,
    /// The main process.
    pub main_pid: u32,
    /// The TCP addresses on which that process listens; only those of IPv4 if it has any. Unknown
    /// if the processes of other users cannot be inspected.
    pub listening: Observation<Vec<SocketAddr>>,
    /// The open TCP connections of that process, if they were requested.
    pub connections: Option<Observation<Vec<Connection>>>,
}

/// A TCP connection. No two connections are equal while either is open. Inode numbers alone repeat
/// after four billion sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Connection {
    /// Local address.
    pub local: SocketAddr,
    /// Remote address.
    pub remote: SocketAddr,
    /// Inode number of the socket.
    pub inode: u64,
}

/// The result of an examination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// The master's clock, in the middle of the exchange; `None` for a folder.
    pub clock: Option<OffsetDateTime>,
    /// The output of the program, if it was requested; the reason, if the program cannot be run.
    pub program: Option<Observation<ProgramFacts>>,
    /// Listeners on the port that do not belong to the unit's main process.
    pub strangers: Observation<Vec<Listener>>,
    /// The files that cannot be read.
    pub unreadable: Observation<Vec<RemotePath>>,
}

/// The self-description of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramFacts {
    /// Output of `--version`.
    pub version: String,
    /// Output of `--help`.
    pub help: String,
}

/// A process that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The address on which it listens.
    pub address: SocketAddr,
    /// The process, if it is known.
    pub process: Option<u32>,
}

/// The exit status and output of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exit status; `None` if a signal ended the program.
    pub status: Option<i32>,
    /// Bytes written to standard output.
    pub stdout: Vec<u8>,
    /// Bytes written to standard error.
    pub stderr: Vec<u8>,
}

/// The result of a probe.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeReply {
    /// The kernel's host name; `None` for a folder.
    pub hostname: Option<String>,
    /// True if files can be given to another user.
    pub can_set_owner: bool,
    /// States of the requested paths, in order.
    pub paths: Vec<PathState>,
    /// Reports for each folder of these paths whether it can be written into.
    pub rooms: Vec<(RemotePath, Room)>,
    /// Leftovers of an interrupted run beside the requested paths.
    pub leftovers: Vec<RemotePath>,
    /// The unit.
    pub unit: UnitState,
    /// Processes that run the requested executable, the unit's own included.
    pub processes: Observation<Vec<u32>>,
    /// Numeric IDs of the requested accounts, in order; `None` for an account that does not exist.
    pub accounts: Vec<Observation<Option<Owner>>>,
}

/// An observed value, or the reason it is unknown: a failed question is not a "no".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Observation<T> {
    /// The value.
    Known(T),
    /// The reason it is unknown.
    Unknown(String),
}

/// The state of a path on a master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum PathState {
    /// The path does not exist.
    Absent,
    /// A regular file.
    File {
        /// SHA-256 of its bytes.
        #[schemars(with = "Sha256")]
        digest: Fingerprint,
        /// Size in bytes.
        size: u64,
        /// Permission bits.
        mode: Mode,
        /// User and group.
        owner: Owner,
        /// Time at which content, mode, owner or name last changed (`ctime`).
        #[serde(with = "time::serde::rfc3339")]
        #[schemars(with = "Rfc3339")]
        changed: OffsetDateTime,
    },
    /// A regular file whose content was not requested.
    Unread {
        /// Size in bytes.
        size: u64,
        /// Permission bits.
        mode: Mode,
        /// User and group.
        owner: Owner,
        /// Time at which content, mode, owner or name last changed (`ctime`).
        #[serde(with = "time::serde::rfc3339")]
        #[schemars(with = "Rfc3339")]
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
        /// Target of the link.
        target: String,
    },
    /// A device, socket or pipe.
    Other,
}

impl PathState {
    /// Reports whether two observations are equal in content, mode and owner. Times are ignored,
    /// except where the content was not requested: then size and change time represent it.
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

    /// Returns the same state without the digest.
    #[must_use]
    pub fn unread(self) -> Self {
        match self {
            Self::File { size, mode, owner, changed, .. } => {
                Self::Unread { size, mode, owner, changed }
            }
            other => other,
        }
    }

    /// Returns the time at which a regular file last changed in content, mode, owner or name.
    #[must_use]
    pub fn changed(&self) -> Option<OffsetDateTime> {
        match self {
            Self::File { changed, .. } | Self::Unread { changed, .. } => Some(*changed),
            _ => None,
        }
    }

    /// Returns permission bits and owner of a regular file.
    #[must_use]
    pub fn attributes(&self) -> Option<(Mode, Owner)> {
        match self {
            Self::File { mode, owner, .. } | Self::Unread { mode, owner, .. } => {
                Some((*mode, *owner))
            }
            _ => None,
        }
    }

    /// Describes the state for a message.
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
            Self::Other => "a special file".to_owned(),
        }
    }
}

/// The state of a unit in systemd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnitState {
    /// Enablement at boot.
    pub enablement: Enablement,
    /// Activity of the unit.
    pub activity: Activity,
    /// True if its file differs from what systemd last read (`NeedDaemonReload`).
    pub needs_reload: bool,
    /// Drop-ins that change the unit (`DropInPaths`), in systemd's order.
    pub drop_ins: Vec<String>,
    /// Number of automatic restarts since the last start by an operator or a program (`NRestarts`).
    pub restarts: u32,
}

/// The enablement of a unit at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Enablement {
    /// The unit does not exist.
    Absent,
    /// Not all links that its `[Install]` section requests exist.
    Disabled,
    /// All links that its `[Install]` section requests exist.
    Enabled,
    /// The unit file is empty or a link to `/dev/null`: the unit cannot be started.
    Masked,
}

/// The activity of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Activity {
    /// A folder, not a running machine: no unit can run or be started.
    Offline,
    /// The unit does not run.
    Inactive,
    /// The unit runs.
    Active {
        /// systemd's identifier of this run (`InvocationID`).
        invocation: String,
        /// The main process.
        main_pid: u32,
        /// Start time.
        #[serde(with = "time::serde::rfc3339")]
        #[schemars(with = "Rfc3339")]
        since: OffsetDateTime,
    },
    /// The unit ended with an error.
    Failed {
        /// Result that systemd reports (`Result`).
        result: String,
        /// True if systemd is about to start it again automatically.
        returns: bool,
    },
}

/// Describes the state of a unit beside its file, for a message.
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
