//! A Lease in memory for tests. It checks resource versions as the API server does, and fails as
//! scripted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::clock::ClockOffset;
use super::control_plane::{Accepted, Api, ControlPlane, LeaseStore};
use super::credentials::Credentials;
use super::error::{ApiError, Problem, Step};
use super::lease::{LEASE_NAME, LEASE_NAMESPACE, Lease};
use super::published_trust::PublishedTrust;
use super::token_keys::{LegacyToken, TokenVerification};
use super::via::Via;
use crate::cluster::layout;

/// A store of one Lease. Clones share the same store.
#[derive(Clone, Debug, Default)]
pub struct FakeLeases {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    lease: Option<Value>,
    version: u64,
    writes: Vec<Value>,
    script: VecDeque<Scripted>,
    tokens: TokenVerification,
    trust: PublishedTrust,
}

/// The behavior of the store for one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Scripted {
    /// The request is processed and answered.
    Answers,
    /// Another client writes this `spec` just before the request is processed.
    After(Value),
    /// The request is processed, but its answer is lost.
    LosesAnswer,
    /// The request is lost. The caller sees the same timeout as for a lost answer.
    LosesRequest,
    /// The server answers with this status code.
    Fails(u16),
}

impl FakeLeases {
    /// Creates a store without a Lease.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a `spec`, as another client would.
    pub fn put(&self, spec: &Value) {
        self.state().put(spec);
    }

    /// Removes the Lease.
    pub fn remove(&self) {
        self.state().lease = None;
    }

    /// Returns the current `spec`.
    #[must_use]
    pub fn spec(&self) -> Option<Value> {
        self.state().lease.as_ref()?.get("spec").cloned()
    }

    /// Returns the specs written through [`LeaseStore`], oldest first.
    #[must_use]
    pub fn writes(&self) -> Vec<Value> {
        self.state().writes.clone()
    }

    /// Sets the keys with which the fake verifies service account tokens; at first there are none.
    pub fn set_tokens(&self, tokens: TokenVerification) {
        self.state().tokens = tokens;
    }

    /// Sets the CA certificates that the fake publishes; at first there are none.
    pub fn set_trust(&self, trust: PublishedTrust) {
        self.state().trust = trust;
    }

    /// Scripts the next requests, one entry each. Requests after the script succeed.
    pub fn script(&self, script: impl IntoIterator<Item = Scripted>) {
        self.state().script.extend(script);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, spec: &Value) {
        self.version += 1;
        self.lease = Some(json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": LEASE_NAME, "namespace": LEASE_NAMESPACE,
                "resourceVersion": self.version.to_string(),
            },
            "spec": spec,
        }));
    }

    /// Takes the next script entry, and applies its concurrent write.
    fn next(&mut self) -> Scripted {
        let next = self.script.pop_front().unwrap_or(Scripted::Answers);
        if let Scripted::After(spec) = &next {
            self.put(spec);
        }
        next
    }

    /// Answers a request that changes nothing.
    fn answer<T>(&mut self, answer: impl FnOnce(&Self) -> T) -> Result<T, ApiError> {
        match self.next() {
            Scripted::Answers | Scripted::After(_) => Ok(answer(self)),
            Scripted::LosesAnswer | Scripted::LosesRequest => Err(failed(lost())),
            Scripted::Fails(code) => Err(failed(unavailable(code))),
        }
    }

    fn read(&self) -> Result<Option<Lease>, ApiError> {
        let lease = self.lease.clone().map(Lease::from_object).transpose();
        lease.map_err(|error| failed(Problem::Garbage { what: error.to_string() }))
    }

    fn replace(&mut self, lease: &Lease) -> Result<Lease, ApiError> {
        let conflict = |message: &str| failed(Problem::Conflict { message: message.to_owned() });
        let Some(current) = &self.lease else { return Err(conflict("the Lease was deleted")) };
        let version = current.pointer("/metadata/resourceVersion");
        if version.is_none_or(|version| version != lease.resource_version()) {
            return Err(conflict("the object has been modified"));
        }
        let spec = lease.object().get("spec").cloned().unwrap_or_default();
        self.put(&spec);
        self.writes.push(spec);
        self.read()?.ok_or_else(|| conflict("the Lease was deleted"))
    }
}

#[async_trait]
impl LeaseStore for FakeLeases {
    async fn lease(&self) -> Result<Option<Lease>, ApiError> {
        let mut state = self.state();
        match state.next() {
            Scripted::Answers | Scripted::After(_) => state.read(),
            Scripted::LosesAnswer | Scripted::LosesRequest => Err(failed(lost())),
            Scripted::Fails(code) => Err(failed(unavailable(code))),
        }
    }

    async fn replace_lease(&self, lease: &Lease) -> Result<Lease, ApiError> {
        let mut state = self.state();
        match state.next() {
            Scripted::Answers | Scripted::After(_) => state.replace(lease),
            Scripted::LosesAnswer => {
                let _ = state.replace(lease);
                Err(failed(lost()))
            }
            Scripted::LosesRequest => Err(failed(lost())),
            Scripted::Fails(code) => Err(failed(unavailable(code))),
        }
    }
}

/// Accepts every identity.
#[async_trait]
impl Api for FakeLeases {
    async fn check_identity(&self) -> Result<Accepted, ApiError> {
        let (version, user) = ("v1.36.2".to_owned(), Some(layout::USER.to_owned()));
        self.state().answer(|_| Accepted { version, clock: Some(ClockOffset::NONE), user })
    }
}

/// Returns the same store for all credentials and paths.
#[async_trait]
impl ControlPlane for FakeLeases {
    async fn open(&self, _credentials: &Credentials, _via: Via) -> Result<Arc<dyn Api>, ApiError> {
        Ok(Arc::new(self.clone()))
    }

    async fn token_verification(
        &self,
        _credentials: &Credentials,
        _via: Via,
    ) -> Result<TokenVerification, ApiError> {
        self.state().answer(|state| state.tokens.clone())
    }

    async fn legacy_tokens(
        &self,
        _credentials: &Credentials,
        _via: Via,
    ) -> Result<Vec<LegacyToken>, ApiError> {
        Ok(Vec::new())
    }

    async fn published_trust(
        &self,
        _credentials: &Credentials,
        _via: Via,
    ) -> Result<PublishedTrust, ApiError> {
        self.state().answer(|state| state.trust.clone())
    }
}

fn lost() -> Problem {
    Problem::TimedOut { step: Step::Answer, patience: Duration::from_secs(5) }
}

fn unavailable(code: u16) -> Problem {
    Problem::Unavailable { code, message: "scripted".to_owned() }
}

fn failed(problem: Problem) -> ApiError {
    ApiError { server: "https://fake:6443".into(), from: "this machine".into(), problem }
}
