//! Locks on all masters for the duration of a rollout.

use std::sync::Arc;

use crate::fleet::Fleet;
use crate::transport::{LockClaim, LockError, LockGuard};
use crate::util::tasks::{Panicked, at_once};

/// Locks on all masters, released in the reverse order of [`lock_all`].
///
/// The first lock may have created a folder that the others share. Only the last one to end can
/// remove that folder.
#[must_use = "the locks end when this value is dropped"]
pub(crate) struct Locks(Vec<Box<dyn LockGuard>>);

impl Drop for Locks {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}

/// Locks all masters.
///
/// Takes the first lock alone, so that exactly one of two concurrent kcm processes wins. Then takes
/// the others at once.
pub(crate) async fn lock_all(fleet: &Fleet) -> Result<Locks, LockError> {
    let claim = LockClaim { owner: owner() };
    let mut masters = fleet.masters().map(|(name, transport)| (name, Arc::clone(transport)));
    let mut locks = Locks(Vec::new());
    if let Some((_, first)) = masters.next() {
        locks.0.push(first.lock(&claim).await?);
    }
    let (names, others): (Vec<_>, Vec<_>) = masters.unzip();
    let taken = at_once(others.iter().map(|master| master.lock(&claim))).await;
    // The error names the first master, in the order of the cluster file, that refused.
    for (lock, master) in taken.into_iter().zip(names) {
        let failed = |panicked: Panicked| LockError::Failed {
            master: master.to_owned(),
            reason: panicked.to_string(),
        };
        locks.0.push(lock.map_err(failed)??);
    }
    Ok(locks)
}

/// Returns the owner recorded in the lock: user, host and process ID of this kcm.
fn owner() -> String {
    let host = rustix::system::uname();
    let user =
        ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let user = user.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()));
    let host = host.nodename().to_string_lossy().into_owned();
    format!("{user}@{host}, kcm process {}", std::process::id())
}
