//! Read-only operations: probe, examine and read.

use kcm_systemd::UnitName;
use serde::Serialize;

use crate::util::files::{Owner, RemotePath};

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
    /// What was noted of that program ([`NoteProgram`](super::NoteProgram)): its digest and, for an inspection in the same batch, its version
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
