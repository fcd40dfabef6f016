//! Checks of free disk space and write access.

use std::path::Path;

use super::{Sink, Subject};
use crate::cluster::Cluster;
use crate::finding::{Finding, FindingCode};
use crate::pki::{CA_CERT, CA_KEY, IDENTITY, OperatorError, absolute};
use crate::plan::{Plan, Step};
use crate::util::files::{Disk, FileErrorKind, FileSystem as _, RemotePath, Room};

/// Bytes that must be free beyond the files themselves, for folders and concurrent writes.
const MARGIN: u64 = 64 * 1024;
/// Size assumed for a file whose content does not exist yet, in bytes.
const PENDING_SIZE: u64 = 16 * 1024;

/// Finds, on each master, the first folder that is not writable or is full.
pub(super) fn on_masters(subject: Subject<'_>, found: &mut Sink) {
    let Subject { layout, observed, plan, .. } = subject;
    let written: Vec<_> = layout.managed().chain([&layout.pending]).collect();
    let written: Vec<_> = written.into_iter().filter_map(RemotePath::parent).collect();
    for (planned, master) in plan.masters.iter().zip(&observed.masters) {
        if planned.steps.is_empty() {
            continue;
        }
        // Folders of files that are only read need not be writable.
        let mut rooms = master.probe.rooms.iter().filter(|(folder, _)| written.contains(folder));
        found.extend(rooms.find_map(|(folder, room)| {
            let sizes = planned.steps.iter().map(|step| size(step, folder));
            let needed = sizes.sum::<u64>() + MARGIN;
            let place = format!("{folder}: ");
            obstacle(Some(planned.name.clone()), &place, *room, needed)
        }));
    }
}

/// Checks the folders for keys and certificates on this machine.
pub(super) fn on_this_machine(
    cluster: &Cluster,
    plan: &Plan,
    found: &mut Sink,
) -> Result<(), OperatorError> {
    if !plan.issues() {
        return Ok(());
    }
    let mut folders = vec![(IDENTITY, cluster.pki.directory.as_path())];
    if plan.creates_ca {
        folders.extend(cluster.pki.ca_cert.parent().map(|folder| (CA_CERT, folder)));
        let key = cluster.pki.ca_key.as_deref().and_then(Path::parent);
        folders.extend(key.map(|folder| (CA_KEY, folder)));
    }
    for (what, folder) in folders {
        let path = absolute(what, folder)?;
        let place = format!("{what} {}: ", folder.display());
        match Disk::folder("/").room(&path) {
            Ok(room) => found.extend(obstacle(None, &place, room, MARGIN)),
            Err(error) => found.push(not_writable(
                None,
                &place,
                &error.detail,
                "fix the cause and run the same command again",
            )),
        }
    }
    Ok(())
}

/// Returns the bytes that a step needs in `folder`.
///
/// Small files count in every folder, because folders may share a file system. A file larger than
/// [`MARGIN`] counts only in its own folder, because they may not.
fn size(step: &Step, folder: &RemotePath) -> u64 {
    let Step::Write { path, size, .. } = step else { return 0 };
    match size.unwrap_or(PENDING_SIZE) {
        big if big > MARGIN && path.parent().as_ref() != Some(folder) => 0,
        size => size,
    }
}

fn obstacle(master: Option<String>, place: &str, room: Room, needed: u64) -> Option<Finding> {
    let (problem, help) = match room.obstacle {
        None if room.available < needed => {
            let problem = format!(
                "{place}the file system has {} KiB free, but {} KiB are required",
                room.available / 1024,
                needed.div_ceil(1024),
            );
            let help = "free some space and run the same command again".to_owned();
            let finding = Finding::general(FindingCode::DiskSpace, problem, help).into_error();
            return Some(Finding { master, ..finding });
        }
        Some(FileErrorKind::ReadOnly) => (
            "the file system is mounted read-only".to_owned(),
            "remount the file system for writing",
        ),
        Some(FileErrorKind::PermissionDenied) => (
            "cannot write files: permission denied".to_owned(),
            "run as a user with write permission, or correct the permissions",
        ),
        Some(_) => {
            ("cannot write files".to_owned(), "fix the cause and run the same command again")
        }
        None => return None,
    };
    Some(not_writable(master, place, &problem, help))
}

fn not_writable(master: Option<String>, place: &str, problem: &str, help: &str) -> Finding {
    let finding = Finding::general(FindingCode::NotWritable, format!("{place}{problem}"), help);
    Finding { master, ..finding.into_error() }
}
