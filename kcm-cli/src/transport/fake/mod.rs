//! A master in memory, stricter than a real one.
//!
//! [`Fake`] is a complete [`Transport`]. Files are durable only after a sync, units must be loaded
//! before they start, and programs must be declared. Faults can be scheduled before, inside and
//! after every operation and every single effect. An observer sees the state after each effect. kcm
//! tests its own contract on it, and embedders can use it for theirs.
//!
//! ```
//! use kcm::transport::fake::Fake;
//! use kcm::transport::Transport;
//!
//! let master = Fake::new("k8s-master-01");
//! master.inspect(|state| state.put_file("/etc/hostname", b"k8s-master-01\n", 0o644));
//! let transport: std::sync::Arc<dyn Transport> = std::sync::Arc::new(master.clone());
//! # drop(transport);
//! ```

mod acts;
mod fault;
mod journal;
mod machine;
mod memory;
mod service;
mod unit;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::interpret::interpret;
use super::{
    Batch, HttpsAnswer, HttpsError, HttpsQuestion, Journal, JournalError, JournalQuestion,
    LockClaim, LockError, LockGuard, Replies, Stream, StreamAddress, StreamError, Transport,
    TransportError,
};

pub use fault::{Fault, FaultKind, FaultPoint, When};
use machine::Exchange;
pub use machine::{FakeState, Observer, Power};
pub use memory::Node;
pub use service::Behaviour;

/// A master in memory. Clones share one state.
#[derive(Clone)]
pub struct Fake {
    state: Arc<Mutex<FakeState>>,
}

impl Fake {
    /// Creates a running machine with an empty file system, `/etc/systemd/system` and `/opt`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { state: Arc::new(Mutex::new(FakeState::new(name.into()))) }
    }

    /// Creates a machine that does not run, as under `--root`: units can be enabled, not started.
    #[must_use]
    pub fn offline(name: impl Into<String>) -> Self {
        let fake = Self::new(name);
        fake.inspect(|state| state.offline = true);
        fake
    }

    /// Creates another machine in the same state; see [`FakeState::fork`].
    #[must_use]
    pub fn fork(&self) -> Self {
        self.state().fork()
    }

    /// Gives access to the state, to inspect or prepare it.
    pub fn inspect<R>(&self, look: impl FnOnce(&mut FakeState) -> R) -> R {
        look(&mut self.state())
    }

    /// Carries out a batch and returns the fate of the exchange with its replies.
    fn carry_out(&self, batch: &Batch) -> (Exchange, Result<Replies, TransportError>) {
        let mut state = self.state();
        if state.power == Power::Off {
            let (master, reason) = (state.name.clone(), "the master is off".to_owned());
            return (Exchange::Whole, Err(TransportError::NeverRan { master, reason }));
        }
        state.catch_up();
        state.exchanges += 1;
        state.exchange = Exchange::Whole;
        let replies = interpret(&mut *state, batch);
        (state.exchange, Ok(replies))
    }

    fn state(&self) -> MutexGuard<'_, FakeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fake").field("name", &self.state().name).finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Fake {
    async fn call(&self, batch: &Batch) -> Result<Replies, TransportError> {
        match self.carry_out(batch) {
            (Exchange::Whole, result) => result,
            (Exchange::Unheard | Exchange::Stopped, _) => {
                let (master, reason) =
                    (self.state().name.clone(), "the connection was lost".to_owned());
                Err(TransportError::FateUnknown { master, reason })
            }
            // The caller is dead: no reply ever arrives.
            (Exchange::Orphaned, _) => std::future::pending().await,
        }
    }

    async fn insecure_https(&self, question: &HttpsQuestion) -> Result<HttpsAnswer, HttpsError> {
        let mut state = self.state();
        let master = state.name.clone();
        if state.power == Power::Off {
            let reason = "the master is off".to_owned();
            let error = TransportError::NeverRan { master, reason };
            return Err(HttpsError::Stream(error.into()));
        }
        state.catch_up();
        let address = format!("{}", question.address).parse().ok();
        let answer = address.and_then(|address| state.units.health(address));
        match answer {
            Some(status) => Ok(HttpsAnswer { status, certificate: None }),
            None if state.world.api_server && question.path != "/healthz" => {
                Ok(HttpsAnswer { status: 200, certificate: None })
            }
            None => {
                let address = question.address.clone();
                Err(HttpsError::Stream(StreamError::Refused { master, address }))
            }
        }
    }

    async fn open_stream(&self, _address: &StreamAddress) -> Result<Box<dyn Stream>, StreamError> {
        Err(StreamError::Unsupported {
            master: self.state().name.clone(),
            reason: "a fake has no streams".to_owned(),
        })
    }

    async fn journal(&self, question: &JournalQuestion) -> Result<Box<dyn Journal>, JournalError> {
        journal::open(&self.state, question)
    }

    async fn lock(&self, claim: &LockClaim) -> Result<Box<dyn LockGuard>, LockError> {
        let mut state = self.state();
        let master = state.name.clone();
        if state.power == Power::Off {
            return Err(LockError::Failed { master, reason: "the master is off".to_owned() });
        }
        if let Some(holder) = &state.lock {
            return Err(LockError::Held { master, holder: holder.clone() });
        }
        state.lock = Some(claim.owner.clone());
        state.lock_number += 1;
        Ok(Box::new(FakeLock { state: Arc::clone(&self.state), number: state.lock_number }))
    }

    async fn close(&self) {}
}

struct FakeLock {
    state: Arc<Mutex<FakeState>>,
    number: u64,
}

impl fmt::Debug for FakeLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeLock")
    }
}

impl LockGuard for FakeLock {}

impl Drop for FakeLock {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.lock_number == self.number {
            state.lock = None;
        }
    }
}
