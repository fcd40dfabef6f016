//! Whether the API server will have kube-controller-manager, before it is started.

use std::time::Duration;

use super::clock::ClockOffset;
use super::error::{ApiError, Problem};
use super::review::Verb;
use super::server::ApiServer;
use crate::cluster::layout;
use crate::pki::MASTERS;

/// A difference of clocks that is still safe: certificates are issued five minutes back.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// What a server said that will have the identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its version, such as `v1.36.2`.
    pub version: String,
    /// Its clock against ours, if it says the time.
    pub clock: Option<ClockOffset>,
    /// The user that it takes us for, if it says so.
    pub user: Option<String>,
}

/// Asks everything that a start depends on: that the server is there and is the right one, that it knows us as
/// `system:kube-controller-manager`, that we may read and replace the Lease, and that the clocks agree to `tolerance`.
/// Four requests on one connection; nothing is written.
///
/// # Errors
/// The first thing that is wrong, with its mend.
pub async fn check_identity(server: &ApiServer, tolerance: Duration) -> Result<Accepted, ApiError> {
    let version = server.version().await?;
    let user = server.who_am_i().await?;
    // Of those who may do everything, the name is of no matter.
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
