//! Files that other users than owner and group can read or change, and must not. Pure.

use crate::cluster::layout::{Layout, Role};
use crate::finding::{Finding, FindingCode};
use crate::observed::ObservedMaster;
use crate::plan::Step;
use crate::util::files::{Mode, RemotePath};
use crate::util::words::command;

use super::files::is_touched;

/// The managed files that hold a key.
const KEYS: [Role; 6] = [
    Role::Key,
    Role::CaKey,
    Role::Combined,
    Role::Serving,
    Role::ServiceAccountKey,
    Role::Kubeconfig,
];
/// The managed files that every user may read, and that other users must not change.
const PUBLIC: [Role; 6] = [
    Role::CaCertificate,
    Role::Trust,
    Role::Certificate,
    Role::ServiceAccountPublicKeys,
    Role::Unit,
    Role::Binary,
];

/// Findings on files of one master that are open to all users.
pub(crate) struct Exposed {
    /// Findings that `apply` fixes.
    pub(crate) closed: Vec<Finding>,
    /// Findings that `apply` does not fix, because other components use the files too.
    pub(crate) left: Vec<Finding>,
}

/// Finds files that are open to all users. `secrets` are the files with keys that flags name;
/// `steps` are the steps that `apply` would carry out.
pub(crate) fn exposed(
    layout: &Layout,
    master: &ObservedMaster,
    secrets: &[RemotePath],
    steps: &[Step],
) -> Exposed {
    let managed = |roles: &[Role], bits: u32| -> Vec<(RemotePath, Mode)> {
        let states = roles.iter().map(|role| (layout.path(*role), &master.files.of(*role).state));
        let open = states.filter_map(|(path, state)| Some((path.clone(), state.attributes()?.0)));
        open.filter(|(_, mode)| mode.bits() & bits != 0).collect()
    };
    let others = |is_secret: bool, bits: u32| {
        let others =
            master.others.iter().filter(move |(path, _)| secrets.contains(path) == is_secret);
        let open = others.filter_map(|(path, state)| {
            Some((path.clone(), master.followed(path, state, None).0.attributes()?.0))
        });
        open.filter(move |(_, mode)| mode.bits() & bits != 0)
    };
    let keys: Vec<_> = managed(&KEYS, 0o007).into_iter().chain(others(true, 0o007)).collect();
    let public: Vec<_> = managed(&PUBLIC, 0o002).into_iter().chain(others(false, 0o002)).collect();
    let mut exposed = Exposed { closed: Vec::new(), left: Vec::new() };
    for (open, is_key) in [(keys, true), (public, false)] {
        let (ours, theirs): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|(path, _)| is_touched(steps, path));
        let help = "run `kcm apply` to correct the modes".to_owned();
        exposed.closed.extend(finding(&master.name, &ours, is_key, help));
        let help = chmod(&theirs, is_key);
        exposed.left.extend(finding(&master.name, &theirs, is_key, help));
    }
    exposed
}

/// Returns the finding for open key files at paths that a master reported.
pub(crate) fn open_keys(master: &str, open: &[(RemotePath, Mode)]) -> Option<Finding> {
    let help = "run `chmod o-rwx` on the master for each of these files";
    finding(master, open, true, help.to_owned())
}

fn finding(
    master: &str,
    open: &[(RemotePath, Mode)],
    is_key: bool,
    help: String,
) -> Option<Finding> {
    if open.is_empty() {
        return None;
    }
    let named: Vec<_> = open.iter().map(|(path, mode)| format!("{path} has mode {mode}")).collect();
    let (code, what) = if is_key {
        (FindingCode::SecretReadable, "files with keys are accessible to all users")
    } else {
        (FindingCode::FileWritable, "files are writable by all users")
    };
    Some(Finding::error(code, master, format!("{what}: {}", named.join(", ")), help))
}

fn chmod(open: &[(RemotePath, Mode)], is_key: bool) -> String {
    let mode = if is_key { "o-rwx" } else { "o-w" };
    let words = ["chmod", mode].into_iter().chain(open.iter().map(|(path, _)| path.as_str()));
    let command = command(words);
    format!(
        "run `{command}` on the master; kcm does not change the modes of these files, because other components use them too"
    )
}
