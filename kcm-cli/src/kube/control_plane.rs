//! The API server as a rollout asks it, so that a rollout can be tried without one.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::check::{Accepted, CLOCK_TOLERANCE, check_identity};
use super::connect::Patience;
use super::error::ApiError;
use super::leases::LeaseStore;
use super::server::{ApiServer, Credentials};
use super::via::Via;

/// Everything that a rollout asks an API server.
#[async_trait]
pub trait Api: LeaseStore {
    /// Asks everything that a start depends on, as [`check_identity`] does.
    ///
    /// # Errors
    /// The first thing that is wrong, with its mend.
    async fn check_identity(&self) -> Result<Accepted, ApiError>;
}

#[async_trait]
impl Api for ApiServer {
    async fn check_identity(&self) -> Result<Accepted, ApiError> {
        check_identity(self, CLOCK_TOLERANCE).await
    }
}

/// Where API servers are.
#[async_trait]
pub trait ControlPlane: fmt::Debug + Send + Sync {
    /// Prepares to ask the one that `credentials` are for, from where `via` says.
    ///
    /// # Errors
    /// When what was given cannot be used.
    async fn open(&self, credentials: &Credentials, via: Via) -> Result<Arc<dyn Api>, ApiError>;
}

/// API servers where their kubeconfigs say, for masters that are reached in a way of the embedder's own.
#[derive(Clone, Copy, Debug)]
pub struct Networked;

#[async_trait]
impl ControlPlane for Networked {
    async fn open(&self, credentials: &Credentials, via: Via) -> Result<Arc<dyn Api>, ApiError> {
        Ok(Arc::new(ApiServer::new(credentials, via, Patience::USUAL).await?))
    }
}
