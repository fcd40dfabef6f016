//! The API server as a rollout uses it, behind traits that a test can fake.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::clock::ClockOffset;
use super::credentials::Credentials;
use super::error::ApiError;
use super::lease::Lease;
use super::published_trust::PublishedTrust;
use super::token_keys::{LegacyToken, TokenVerification};
use super::via::Via;

/// Greatest clock offset that is safe. Certificates are backdated by five minutes.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// The answers of a server that accepts the identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Version of the server, such as `v1.36.2`.
    pub version: String,
    /// Offset of the server's clock, if its answer has a date.
    pub clock: Option<ClockOffset>,
    /// The user name that the server reports. `None` if the server does not report it.
    pub user: Option<String>,
}

/// A store of the Lease `kube-system/kube-controller-manager`.
///
/// The trait is object-safe, so that tests can use [`FakeLeases`](super::FakeLeases).
#[async_trait]
pub trait LeaseStore: fmt::Debug + Send + Sync {
    /// Reads the Lease. Returns `None` only if the API reports that it does not exist.
    ///
    /// # Errors
    /// The server is unreachable, refuses the request, or sends an unusable answer.
    async fn lease(&self) -> Result<Option<Lease>, ApiError>;

    /// Replaces the Lease, if its resource version is still that of `lease`. Returns the Lease as
    /// written.
    ///
    /// The request is sent once. The server may still process it after this call has timed out.
    ///
    /// # Errors
    /// [`Problem::Conflict`](super::Problem::Conflict) if the Lease has changed or was deleted;
    /// nothing was written then. After another error, [`ApiError::is_fate_unknown`] reports whether
    /// the Lease may have been written.
    async fn replace_lease(&self, lease: &Lease) -> Result<Lease, ApiError>;
}

/// All requests that a rollout sends to an API server.
#[async_trait]
pub trait Api: LeaseStore {
    /// Checks everything that a start depends on, with read-only requests.
    ///
    /// # Errors
    /// The first problem found, with its fix.
    async fn check_identity(&self) -> Result<Accepted, ApiError>;
}

/// A source of connections to API servers.
#[async_trait]
pub trait ControlPlane: fmt::Debug + Send + Sync {
    /// Creates a client for the server that `credentials` name, reached through `via`.
    ///
    /// # Errors
    /// The credentials cannot be used.
    async fn open(&self, credentials: &Credentials, via: Via) -> Result<Arc<dyn Api>, ApiError>;

    /// Queries the server that `credentials` name for the keys with which it verifies service
    /// account tokens. Creates a short-lived token, and no object.
    ///
    /// # Errors
    /// The server is unreachable, refuses a request, or sends an unusable answer.
    async fn token_verification(
        &self,
        credentials: &Credentials,
        via: Via,
    ) -> Result<TokenVerification, ApiError>;

    /// Lists the service account tokens in Secrets, without the tokens themselves.
    ///
    /// # Errors
    /// The server is unreachable, refuses a request, or sends an unusable answer.
    async fn legacy_tokens(
        &self,
        credentials: &Credentials,
        via: Via,
    ) -> Result<Vec<LegacyToken>, ApiError>;
    /// Queries the server that `credentials` name for the CA certificates that the API publishes for
    /// clients.
    ///
    /// # Errors
    /// The server is unreachable, refuses a request, or sends an unusable answer.
    async fn published_trust(
        &self,
        credentials: &Credentials,
        via: Via,
    ) -> Result<PublishedTrust, ApiError>;
}
