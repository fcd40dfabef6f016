//! Every master's lock, for as long as a rollout goes on.

use std::sync::Arc;

use crate::fleet::Fleet;
use crate::transport::{LockClaim, LockError, LockGuard};
use crate::util::tasks::{Panicked, at_once};

/// Locks all masters: the first alone, so that of two kcm one wins, then the others at once.
pub(crate) async fn lock_all(fleet: &Fleet) -> Result<Vec<Box<dyn LockGuard>>, LockError> {
    let claim = LockClaim { owner: owner() };
    let mut masters = fleet.masters().map(|(name, transport)| (name, Arc::clone(transport)));
    let mut locks = Vec::new();
    if let Some((_, first)) = masters.next() {
        locks.push(first.lock(&claim).await?);
    }
    let (names, others): (Vec<_>, Vec<_>) = masters.unzip();
    let taken = at_once(others.iter().map(|master| master.lock(&claim))).await;
    // The first refusal in the cluster file's order is the one that is named.
    for (lock, master) in taken.into_iter().zip(names) {
        let failed = |panicked: Panicked| LockError::Failed {
            master: master.to_owned(),
            reason: panicked.to_string(),
        };
        locks.push(lock.map_err(failed)??);
    }
    Ok(locks)
}

/// Who asks, for whoever is kept out.
fn owner() -> String {
    let host = rustix::system::uname();
    let user =
        ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let user = user.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()));
    let host = host.nodename().to_string_lossy().into_owned();
    format!("{user}@{host}, kcm process {}", std::process::id())
}
