//! Read-only operations: probe, examine and read.

use kcm_systemd::UnitName;
use serde::Serialize;

use crate::util::files::{Owner, RemotePath};

/// The paths, unit, program and accounts to observe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Paths, answered in this order.
    pub paths: Vec<RemotePath>,
    /// Paths whose content is not needed: digesting big files is slow.
    pub unread: Vec<RemotePath>,
    /// The unit whose load state, activity and enablement are reported.
    pub unit: UnitName,
    /// The unit's file.
    pub unit_path: RemotePath,
    /// The program whose running processes are reported, by the path of its executable.
    pub executable: RemotePath,
    /// The note about that program ([`NoteProgram`](super::NoteProgram)). While the program is
    /// unchanged, its digest comes from the note, and so does its version for an inspection in the
    /// same batch. A transport may ignore the note.
    pub note: Option<RemotePath>,
    /// Accounts whose numeric IDs are reported, answered in this order.
    pub accounts: Vec<Account>,
}

impl Probe {
    /// Returns a probe of a unit and of the processes of a program, without paths and accounts.
    #[must_use]
    pub fn new(unit: UnitName, unit_path: RemotePath, executable: RemotePath) -> Self {
        let (paths, unread, accounts) = (Vec::new(), Vec::new(), Vec::new());
        Self { paths, unread, unit, unit_path, executable, note: None, accounts }
    }
}

/// A user and a group by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The user.
    pub user: String,
    /// The group, if it is not the user's primary group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl Account {
    /// Reports whether this is root, whose IDs are 0 on every system.
    pub(crate) fn is_root(&self) -> bool {
        self.user == "root" && self.group.as_deref().is_none_or(|group| group == "root")
    }
}

/// Checks to make before a service is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examine {
    /// The unit whose main process and drop-ins are examined.
    pub unit: UnitName,
    /// A program to query for its version and flags.
    pub program: Option<RemotePath>,
    /// The TCP port whose listeners are reported.
    pub port: Option<u16>,
    /// Files that a given user must be able to read.
    pub readable: Option<Readable>,
}

/// Files that a service reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readable {
    /// The user and group whose rights count.
    pub by: Owner,
    /// True if capabilities such as root's count; without it they help no other user.
    pub privileged: bool,
    /// The files.
    pub paths: Vec<RemotePath>,
}

/// One file to read, and how much of it may leave the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The file.
    pub path: RemotePath,
    /// The part of the file that leaves the master.
    pub view: View,
}

/// The part of a file that leaves the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The whole file. For public files only.
    Whole,
    /// The PEM blocks labelled `CERTIFICATE`, whole lines from `BEGIN` to `END`, and nothing else.
    /// A key in the same file stays on the master.
    Certificates,
    /// The public lines of a kubeconfig, with a digest in place of every other value (see
    /// [`kcm_kubeconfig::public_view`]). No key leaves the master.
    KubeconfigPublic,
    /// A digest of the public part of the first private key of a PEM file, in hexadecimal digits.
    /// Empty if none is found, as for an encrypted key, Ed25519, or ECDSA without its point.
    PublicPart,
}
