//! The clients of the API server and of etcd, built on `kube`, hyper and rustls.

mod check;
mod connect;
mod etcd;
mod leases;
mod objects;
mod published_trust;
mod review;
mod server;
mod tls;
mod tokens;

use std::sync::Arc;

use async_trait::async_trait;

use super::control_plane::{Accepted, Api, CLOCK_TOLERANCE, ControlPlane};
use super::credentials::Credentials;
use super::error::ApiError;
use super::published_trust::PublishedTrust;
use super::token_keys::{LegacyToken, TokenVerification};
use super::via::Via;
pub use check::check_identity;
pub use connect::Patience;
pub(crate) use etcd::Etcd;
pub(crate) use objects::Change;
pub use review::{ServerVersion, Verb};
pub use server::ApiServer;

#[async_trait]
impl Api for ApiServer {
    async fn check_identity(&self) -> Result<Accepted, ApiError> {
        check_identity(self, CLOCK_TOLERANCE).await
    }
}

/// Real API servers, reached over the network. For embedders with their own transport to the
/// masters.
#[derive(Clone, Copy, Debug)]
pub struct Networked;

#[async_trait]
impl ControlPlane for Networked {
    async fn open(&self, credentials: &Credentials, via: Via) -> Result<Arc<dyn Api>, ApiError> {
        Ok(Arc::new(ApiServer::new(credentials, via, Patience::USUAL).await?))
    }

    async fn token_verification(
        &self,
        credentials: &Credentials,
        via: Via,
    ) -> Result<TokenVerification, ApiError> {
        tokens::token_verification(credentials, via).await
    }

    async fn legacy_tokens(
        &self,
        credentials: &Credentials,
        via: Via,
    ) -> Result<Vec<LegacyToken>, ApiError> {
        tokens::legacy_tokens(credentials, via).await
    }
    async fn published_trust(
        &self,
        credentials: &Credentials,
        via: Via,
    ) -> Result<PublishedTrust, ApiError> {
        published_trust::published_trust(credentials, via).await
    }
}
