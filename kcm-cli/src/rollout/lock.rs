//! Every master's lock, for as long as a rollout goes on.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::fleet::Fleet;
use crate::transport::{LockClaim, LockError, LockGuard};

/// Locks all masters: the first alone, so that of two kcm one wins, then the others at once.
pub(crate) async fn lock(fleet: &Fleet) -> Result<Vec<Box<dyn LockGuard>>, LockError> {
    let claim = LockClaim { owner: owner() };
    let mut masters = fleet.masters().map(|(_, transport)| Arc::clone(transport));
    let mut locks = Vec::new();
    if let Some(first) = masters.next() {
        locks.push(first.lock(&claim).await?);
    }
    let mut taking = JoinSet::new();
    for (place, master) in masters.enumerate() {
        let claim = claim.clone();
        taking.spawn(async move { (place, master.lock(&claim).await) });
    }
    let mut taken = taking.join_all().await;
    // The first refusal in the cluster file's order is the one that is named.
    taken.sort_by_key(|(place, _)| *place);
    for (_, lock) in taken {
        locks.push(lock?);
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
