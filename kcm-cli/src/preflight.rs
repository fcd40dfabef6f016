//! What speaks against beginning, asked before anything is made or changed.

use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cluster::Cluster;
use crate::desired::{Desired, Role};
use crate::files::{Disk, FileErrorKind, FileSystem as _, RemotePath, Room};
use crate::fleet::{Fleet, Network};
use crate::layout::Layout;
use crate::observe::{Observed, ObservedMaster};
use crate::operator::{CA_CERT, CA_KEY, IDENTITY, OperatorError, absolute};
use crate::plan::{Plan, Step};
use crate::transport::{Activity, Observation, PathState};

/// How long the API server has to take a connection before it counts as silent.
const SERVER_PATIENCE: Duration = Duration::from_secs(3);
/// Bytes that must be free beyond the files themselves: folders, and what else grows meanwhile.
const MARGIN: u64 = 64 * 1024;
/// What is counted for a file whose bytes are not made yet.
const PENDING_SIZE: u64 = 16 * 1024;

/// What speaks against beginning. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PreflightError {
    /// A CA would be made beside one that is in use.
    #[error("pki.createCa: there is no CA on this machine, but {}; a second CA would cut them off: put the cluster's CA at {ca} instead", why.join(", and "))]
    CaInUse {
        /// Signs of the CA that is in use.
        why: Vec<String>,
        /// Where the certificate is expected.
        ca: String,
    },
    /// Files cannot be written.
    #[error("{place}: {reason}")]
    NoRoom {
        /// The master or this machine, and the folder.
        place: String,
        /// Why, and how to mend it.
        reason: String,
    },
    /// A service would not start for want of files that kcm does not bring.
    #[error("{}", not_there(files))]
    NotThere {
        /// Each file in words: its master, its path and what is wrong with it.
        files: Vec<String>,
    },
    /// The operator's side cannot be examined.
    #[error(transparent)]
    Operator(#[from] OperatorError),
}

/// Whether a root CA may be made: only where nothing is deployed and nothing answers.
pub(crate) async fn may_create_ca(
    cluster: &Cluster,
    fleet: &Fleet,
    observed: &Observed,
) -> Result<(), PreflightError> {
    let mut why: Vec<String> = observed.masters.iter().flat_map(signs_of_a_ca).collect();
    if observed.operator.as_ref().is_ok_and(Option::is_some) || observed.operator.is_err() {
        why.push(format!("{} holds an identity", cluster.pki.directory.display()));
    }
    if fleet.network() == Network::Allowed && server_answers(cluster).await {
        why.push(format!("{} answers", cluster.server));
    }
    if why.is_empty() {
        return Ok(());
    }
    Err(PreflightError::CaInUse { why, ca: cluster.pki.ca_cert.display().to_string() })
}

fn signs_of_a_ca(master: &ObservedMaster) -> Vec<String> {
    let files = &master.files;
    let mut signs = Vec::new();
    if files.unit.state != PathState::Absent {
        signs.push(format!("{} has a kube-controller-manager unit", master.name));
    }
    if files.ca_certificate.state != PathState::Absent {
        signs.push(format!("{} has a CA certificate", master.name));
    }
    if files.ca_key.state != PathState::Absent {
        signs.push(format!("{} has a CA key", master.name));
    }
    match &master.probe.processes {
        Observation::Known(pids) if pids.is_empty() => {}
        Observation::Known(_) => {
            signs.push(format!("{} runs kube-controller-manager", master.name));
        }
        Observation::Unknown(why) => {
            signs.push(format!(
                "whether {} runs kube-controller-manager is unknown ({why})",
                master.name
            ));
        }
    }
    signs
}

async fn server_answers(cluster: &Cluster) -> bool {
    let address = (cluster.server.host().to_owned(), cluster.server.port());
    matches!(timeout(SERVER_PATIENCE, TcpStream::connect(address)).await, Ok(Ok(_)))
}

/// Whether every service finds the files that it reads and kcm does not bring.
pub(crate) fn check_files(
    layout: &Layout,
    desired: &Desired,
    observed: &Observed,
) -> Result<(), PreflightError> {
    let mut files = Vec::new();
    for (desired, observed) in desired.masters.iter().zip(&observed.masters) {
        if observed.probe.unit.activity == Activity::Offline {
            continue;
        }
        let is_brought =
            |role: Role| desired.artifacts.iter().any(|artifact| artifact.role == role);
        for role in desired.reads.iter().copied().filter(|role| !is_brought(*role)) {
            if let Some(fault) = fault(role, &observed.files.of(role).state) {
                files.push(format!("{}: {} {fault}", desired.name, layout.path(role)));
            }
        }
    }
    if files.is_empty() { Ok(()) } else { Err(PreflightError::NotThere { files }) }
}

/// Why a service cannot use what is there.
fn fault(role: Role, state: &PathState) -> Option<String> {
    match state {
        PathState::Absent => Some("is missing".to_owned()),
        PathState::File { mode, .. } if role == Role::Binary && mode.bits() & 0o111 == 0 => {
            Some(format!("has mode {mode}, so nobody can run it"))
        }
        // Where a link leads is systemd's and the service's to see.
        PathState::File { .. } | PathState::Link { .. } => None,
        other => Some(format!("is {}", other.describe())),
    }
}

fn not_there(files: &[String]) -> String {
    format!(
        "kube-controller-manager would not start:\n  {}\nPut the files there, or let kcm bring them: install.binary for the program, install.distributeCa for the CA's files. No master has changed.",
        files.join("\n  ")
    )
}

/// Whether everything that will be written has room and may be written.
pub(crate) fn check_room(
    cluster: &Cluster,
    observed: &Observed,
    plan: &Plan,
) -> Result<(), PreflightError> {
    for (planned, master) in plan.masters.iter().zip(&observed.masters) {
        if planned.steps.is_empty() {
            continue;
        }
        for (folder, room) in &master.probe.rooms {
            let sizes = planned.steps.iter().map(|step| size(step, folder));
            let needed = sizes.sum::<u64>() + MARGIN;
            check(&format!("{}: {folder}", planned.name), *room, needed)?;
        }
    }
    if matches!(plan.identity, crate::identity::Decision::Issue { .. }) {
        let mut folders = vec![(IDENTITY, cluster.pki.directory.as_path())];
        if plan.creates_ca {
            folders.extend(cluster.pki.ca_cert.parent().map(|folder| (CA_CERT, folder)));
            folders.extend(cluster.pki.ca_key.parent().map(|folder| (CA_KEY, folder)));
        }
        for (what, folder) in folders {
            let path = absolute(what, folder)?;
            let place = format!("{what} {}", folder.display());
            match Disk::folder("/").room(&path) {
                Ok(room) => check(&place, room, MARGIN)?,
                Err(error) => return Err(PreflightError::NoRoom { place, reason: error.detail }),
            }
        }
    }
    Ok(())
}

/// What a step needs in `folder`. Small files count wherever they go, because folders may share a file system;
/// a big one counts in its own folder only, because they may as well not.
fn size(step: &Step, folder: &RemotePath) -> u64 {
    let Step::Write { path, size, .. } = step else { return 0 };
    match size.unwrap_or(PENDING_SIZE) {
        big if big > MARGIN && path.parent().as_ref() != Some(folder) => 0,
        size => size,
    }
}

fn check(place: &str, room: Room, needed: u64) -> Result<(), PreflightError> {
    let reason = match room.obstacle {
        Some(FileErrorKind::ReadOnly) => {
            "the file system is mounted read-only; remount it for writing".to_owned()
        }
        Some(FileErrorKind::PermissionDenied) => {
            "files cannot be written there: permission denied; run as a user who may, or mend the permissions".to_owned()
        }
        Some(_) => "files cannot be written there".to_owned(),
        None if room.available < needed => format!(
            "the file system has {} KiB left and {} KiB are needed; free some space and run the same command again",
            room.available / 1024,
            needed.div_ceil(1024),
        ),
        None => return Ok(()),
    };
    Err(PreflightError::NoRoom { place: place.to_owned(), reason })
}
