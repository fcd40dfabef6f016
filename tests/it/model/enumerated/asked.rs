//! The API server as one kcm process reaches it, and faults of a request.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use kcm::kube::{
    Accepted, Api, ApiError, ControlPlane, Credentials, Lease, LeaseStore, LegacyToken,
    PublishedTrust, Scripted, TokenVerification, Via,
};

use super::election::Election;
use super::line::Caller;

/// A fault of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfortune {
    /// kcm is killed before it sends the request.
    KilledBefore,
    /// kcm is killed before it receives the answer.
    KilledAfter,
    /// The server carries out the request, and the answer is lost.
    AnswerLost,
    /// The server does not receive the request, and kcm gets no answer.
    RequestLost,
    /// The server answers with status 503.
    Unavailable,
}

impl Misfortune {
    pub(super) const ALL: [Self; 5] = [
        Self::KilledBefore,
        Self::KilledAfter,
        Self::AnswerLost,
        Self::RequestLost,
        Self::Unavailable,
    ];

    fn script(self) -> Option<Scripted> {
        match self {
            Self::KilledBefore | Self::KilledAfter => None,
            Self::AnswerLost => Some(Scripted::LosesAnswer),
            Self::RequestLost => Some(Scripted::LosesRequest),
            Self::Unavailable => Some(Scripted::Fails(503)),
        }
    }
}

/// Access of one kcm process to the Lease.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) caller: Arc<Caller>,
    pub(super) election: Arc<Election>,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.election.leases.fmt(f)
    }
}

impl Asked {
    async fn ask<T>(&self, asking: impl Future<Output = T>) -> T {
        self.caller.unless_dead().await;
        let number = self.caller.requests.fetch_add(1, Ordering::Relaxed);
        let misfortune = self.caller.misfortune.filter(|(at, _)| *at == number).map(|(_, it)| it);
        if misfortune == Some(Misfortune::KilledBefore) {
            return self.caller.die().await;
        }
        self.election.leases.script(misfortune.and_then(Misfortune::script));
        let answer = asking.await;
        if misfortune == Some(Misfortune::KilledAfter) {
            return self.caller.die().await;
        }
        answer
    }
}

#[async_trait]
impl LeaseStore for Asked {
    async fn lease(&self) -> Result<Option<Lease>, ApiError> {
        self.election.look();
        self.ask(self.election.leases.lease()).await
    }

    async fn replace_lease(&self, lease: &Lease) -> Result<Lease, ApiError> {
        let write = async {
            self.election.is_written(&lease.object()["spec"]);
            self.election.leases.replace_lease(lease).await
        };
        self.ask(write).await
    }
}

#[async_trait]
impl Api for Asked {
    async fn check_identity(&self) -> Result<Accepted, ApiError> {
        self.ask(self.election.leases.check_identity()).await
    }
}

#[async_trait]
impl ControlPlane for Asked {
    async fn open(&self, _credentials: &Credentials, _via: Via) -> Result<Arc<dyn Api>, ApiError> {
        Ok(Arc::new(self.clone()))
    }

    async fn token_verification(
        &self,
        credentials: &Credentials,
        via: Via,
    ) -> Result<TokenVerification, ApiError> {
        self.ask(self.election.leases.token_verification(credentials, via)).await
    }

    async fn legacy_tokens(
        &self,
        credentials: &Credentials,
        via: Via,
    ) -> Result<Vec<LegacyToken>, ApiError> {
        self.ask(self.election.leases.legacy_tokens(credentials, via)).await
    }

    async fn published_trust(
        &self,
        credentials: &Credentials,
        via: Via,
    ) -> Result<PublishedTrust, ApiError> {
        self.ask(self.election.leases.published_trust(credentials, via)).await
    }
}
