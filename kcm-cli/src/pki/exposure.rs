//! Checks private keys on this machine that other users can read or replace. Changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::OperatorError;
use crate::transport::{UntrustedFolder, untrusted_here};
use crate::util::files::{FileError, FileErrorKind, Mode, RemotePath};
use crate::util::words::command;

/// Returns warnings about a key file that kcm reads.
pub(crate) fn of_key(what: &'static str, path: &Path) -> Vec<String> {
    let mode = fs::metadata(path).map(|found| Mode::from_bits(found.permissions().mode()));
    let Ok(mode) = mode else { return Vec::new() };
    let mut warnings = Vec::new();
    if mode.bits() & 0o077 != 0 {
        let shown = path.display().to_string();
        let chmod = command(["chmod", "600", &shown]);
        warnings.push(format!(
            "{what} {shown} has mode {mode}, which gives other users access; run `{chmod}`"
        ));
    }
    warnings.extend(above(path).iter().map(|folder| format!("{what}: {}", described(folder))));
    warnings
}

/// Rejects a key path below a directory that another user can change.
pub(crate) fn check(what: &'static str, path: &Path) -> Result<(), OperatorError> {
    match above(path).first() {
        None => Ok(()),
        Some(folder) => {
            let error = FileError {
                path: path.display().to_string(),
                kind: FileErrorKind::Untrusted,
                detail: described(folder),
            };
            Err(OperatorError::File { what, error })
        }
    }
}

/// Returns the directories and links above a file that another user can change.
///
/// Directories that cannot be inspected are ignored. The read or write of the file reports them.
fn above(path: &Path) -> Vec<UntrustedFolder> {
    let named = std::path::absolute(path).ok();
    let named = named.and_then(|path| RemotePath::new(path.to_str()?).ok());
    named.and_then(|path| untrusted_here(path).ok()).unwrap_or_default()
}

fn described(folder: &UntrustedFolder) -> String {
    let user = rustix::process::geteuid().as_raw().to_string();
    format!("{}; run `{}`, or use another folder", folder.problem(), folder.command_here(&user))
}
