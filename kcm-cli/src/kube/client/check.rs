//! Checks that the API server accepts kube-controller-manager, before the service starts.

use std::time::Duration;

use super::review::Verb;
use super::server::ApiServer;
use crate::cluster::layout;
use crate::kube::control_plane::Accepted;
use crate::kube::error::{ApiError, Problem};
use crate::pki::MASTERS;

/// Checks everything that a start depends on, with four read-only requests on one connection:
///
/// - The server is reachable and is a Kubernetes API server.
/// - The server authenticates the client as `system:kube-controller-manager`.
/// - RBAC allows the client to read and replace the Lease.
/// - The clocks agree within `tolerance`.
///
/// # Errors
/// The first problem found, with its fix.
pub async fn check_identity(server: &ApiServer, tolerance: Duration) -> Result<Accepted, ApiError> {
    let version = server.version().await?;
    let user = server.who_am_i().await?;
    // `system:masters` may do everything, so the user name does not matter.
    let master =
        server.certificate().filter(|it| it.organizations().iter().any(|it| it == MASTERS));
    let is_master = |user: &str| master.and_then(|it| it.common_name()) == Some(user);
    if let Some(found) = user.as_deref().filter(|user| *user != layout::USER && !is_master(user)) {
        let (found, expected) = (found.to_owned(), layout::USER.to_owned());
        return Err(server.failed(Problem::WrongUser { found, expected }));
    }
    server.may(Verb::Get).await?;
    server.may(Verb::Update).await?;
    if let Some(offset) = version.clock.filter(|clock| clock.exceeds(tolerance)) {
        return Err(server.failed(Problem::Clock { offset, tolerance }));
    }
    Ok(Accepted { version: version.version, clock: version.clock, user })
}
