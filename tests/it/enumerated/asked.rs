//! The API server as one kcm asks it, and what can befall a request.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use kcm::kube::{
    Accepted, Api, ApiError, ControlPlane, Credentials, Lease, LeaseStore, Scripted, Via,
};

use super::election::Election;
use super::line::Caller;

/// What befalls one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfortune {
    /// kcm is killed before it is sent.
    KilledBefore,
    /// kcm is killed before the answer is there.
    KilledAfter,
    /// It is carried out, and the answer is lost.
    AnswerLost,
    /// It is not carried out, and nobody says so.
    RequestLost,
    /// The server cannot answer.
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

/// The way of one kcm to the Lease.
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
}
