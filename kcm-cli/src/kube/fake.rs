//! A Lease in memory, as strict as the API server about versions, and as unreliable as a test wants it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::check::Accepted;
use super::clock::ClockOffset;
use super::control_plane::{Api, ControlPlane};
use super::error::{ApiError, Problem, Step};
use super::lease::{LEASE_NAME, LEASE_NAMESPACE, Lease};
use super::leases::LeaseStore;
use super::server::Credentials;
use super::via::Via;
use crate::cluster::layout;

/// A store of one Lease. Clones are the same store.
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
}

/// What happens at the next request that is not scripted yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Scripted {
    /// It is answered.
    Answers,
    /// Somebody else has just written this specification.
    After(Value),
    /// It is carried out, and the answer is lost.
    LosesAnswer,
    /// It is not carried out, and nobody says so.
    LosesRequest,
    /// The server cannot answer.
    Fails(u16),
}

impl FakeLeases {
    /// A store without a Lease.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a specification, as another client would.
    pub fn put(&self, spec: &Value) {
        self.state().put(spec);
    }

    /// Removes the Lease.
    pub fn remove(&self) {
        self.state().lease = None;
    }

    /// The specification that is there.
    #[must_use]
    pub fn spec(&self) -> Option<Value> {
        self.state().lease.as_ref()?.get("spec").cloned()
    }

    /// The specifications that were written through [`LeaseStore`], oldest first.
    #[must_use]
    pub fn writes(&self) -> Vec<Value> {
        self.state().writes.clone()
    }

    /// Says what happens at the requests to come, one each; those after it are answered.
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

    /// What is to happen now, after what happens before it.
    fn next(&mut self) -> Scripted {
        let next = self.script.pop_front().unwrap_or(Scripted::Answers);
        if let Scripted::After(spec) = &next {
            self.put(spec);
        }
        next
    }

    fn read(&self) -> Result<Option<Lease>, ApiError> {
        let lease = self.lease.clone().map(Lease::from_object).transpose();
        lease.map_err(|error| failed(Problem::Garbage { what: error.to_string() }))
    }

    fn replace(&mut self, lease: &Lease) -> Result<Lease, ApiError> {
        let conflict = |message: &str| failed(Problem::Conflict { message: message.to_owned() });
        let Some(current) = &self.lease else { return Err(conflict("it has been deleted")) };
        let version = current.pointer("/metadata/resourceVersion");
        if version.is_none_or(|version| version != lease.resource_version()) {
            return Err(conflict("the object has been modified"));
        }
        let spec = lease.object().get("spec").cloned().unwrap_or_default();
        self.put(&spec);
        self.writes.push(spec);
        self.read()?.ok_or_else(|| conflict("it has been deleted"))
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

/// Takes every identity.
#[async_trait]
impl Api for FakeLeases {
    async fn check_identity(&self) -> Result<Accepted, ApiError> {
        let (version, user) = ("v1.36.2".to_owned(), Some(layout::USER.to_owned()));
        match self.state().next() {
            Scripted::Answers | Scripted::After(_) => {
                Ok(Accepted { version, clock: Some(ClockOffset::NONE), user })
            }
            Scripted::LosesAnswer | Scripted::LosesRequest => Err(failed(lost())),
            Scripted::Fails(code) => Err(failed(unavailable(code))),
        }
    }
}

/// One store, from wherever it is asked.
#[async_trait]
impl ControlPlane for FakeLeases {
    async fn open(&self, _credentials: &Credentials, _via: Via) -> Result<Arc<dyn Api>, ApiError> {
        Ok(Arc::new(self.clone()))
    }
}

fn lost() -> Problem {
    Problem::TimedOut { step: Step::Answer, patience: super::Patience::USUAL.request }
}

fn unavailable(code: u16) -> Problem {
    Problem::Unavailable { code, message: "scripted".to_owned() }
}

fn failed(problem: Problem) -> ApiError {
    ApiError { server: "https://fake:6443".into(), from: "here".into(), problem }
}
