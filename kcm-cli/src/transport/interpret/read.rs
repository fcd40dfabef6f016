//! The state of a path, and the part of a file that leaves the master.

use kcm_pki::Fingerprint;
use zeroize::Zeroizing;

use super::Machine;
use crate::transport::{OperationError, PathState, Read, View, public_part};
use crate::util::files::{FileError, FileErrorKind, LONGEST_FILE, NodeKind, RemotePath, Stat};

/// Observes the state of one path.
pub(super) fn path_state(
    files: &mut dyn Machine,
    path: &RemotePath,
) -> Result<PathState, FileError> {
    let Some(stat) = files.stat(path)? else {
        return Ok(PathState::Absent);
    };
    Ok(match stat.kind {
        NodeKind::File => PathState::File {
            digest: Fingerprint::of(&files.read(path)?),
            size: stat.size,
            mode: stat.mode,
            owner: stat.owner,
            changed: stat.changed,
        },
        NodeKind::Folder => PathState::Folder { mode: stat.mode, owner: stat.owner },
        NodeKind::Link(target) => PathState::Link { target },
        NodeKind::Other => PathState::Other,
    })
}

pub(super) fn read(
    machine: &mut dyn Machine,
    read: &Read,
) -> Result<Option<Zeroizing<Vec<u8>>>, OperationError> {
    // Reading a pipe would block, and a link may point anywhere.
    match machine.stat(&read.path)? {
        Some(stat) if stat.kind == NodeKind::File => check_length(&read.path, &stat)?,
        _ => return Ok(None),
    }
    let content = machine.read(&read.path)?;
    Ok(Some(match read.view {
        View::Whole => content,
        View::Certificates => Zeroizing::new(certificates(&content)),
        View::KubeconfigPublic => {
            let text = Zeroizing::new(String::from_utf8_lossy(&content).into_owned());
            Zeroizing::new(public_kubeconfig(&text).into_bytes())
        }
        View::PublicPart => {
            let digest = public_part::of_key(&content).map(|digest| digest.to_hex());
            Zeroizing::new(digest.unwrap_or_default().into_bytes())
        }
    }))
}

/// Rejects a file that is too long for a unit, a kubeconfig or a certificate.
pub(crate) fn check_length(path: &RemotePath, stat: &Stat) -> Result<(), FileError> {
    if stat.size <= LONGEST_FILE {
        return Ok(());
    }
    let detail = "larger than 1 MiB and therefore not a unit, kubeconfig or certificate; inspect and move the file";
    Err(FileError::new(path, FileErrorKind::Other, detail))
}

/// Returns the part of a file that [`View::Certificates`] shows.
fn certificates(content: &[u8]) -> Vec<u8> {
    let mut inside = false;
    let mut shown = Vec::new();
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"-----BEGIN ") {
            // A truncated certificate ends here, too.
            inside = line.starts_with(b"-----BEGIN CERTIFICATE-----");
        }
        if inside {
            shown.extend_from_slice(line);
        }
        inside &= !line.starts_with(b"-----END ");
    }
    shown
}

/// Returns the part of a kubeconfig that [`View::KubeconfigPublic`] shows.
pub(crate) fn public_kubeconfig(text: &str) -> String {
    kcm_kubeconfig::public_view(text, |value| Fingerprint::of(value).to_hex())
}
