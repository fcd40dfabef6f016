//! A master in memory, stricter than reality.
//!
//! [`Fake`] is a whole [`Transport`]: files that are durable only after a sync, units that must be
//! loaded before they start, programs that it must be told about. Faults can be scheduled before,
//! inside and after every operation and every single effect, and an observer sees the state after each
//! effect. kcm's own promises are tested on it, and an embedder's tests can be.
//!
//! ```
//! use kcm::transport::{Fake, Transport};
//!
//! let master = Fake::new("k8s-master-01");
//! master.inspect(|state| state.put_file("/etc/hostname", b"k8s-master-01\n", 0o644));
//! let transport: std::sync::Arc<dyn Transport> = std::sync::Arc::new(master.clone());
//! # drop(transport);
//! ```

mod fault;
mod machine;
mod memory;
mod unit;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::interpret::interpret;
use super::{
    Batch, LockClaim, LockError, LockGuard, Replies, Stream, StreamAddress, StreamError, Transport,
    TransportError,
};

pub use fault::{Fault, FaultKind, FaultPoint, When};
use machine::Exchange;
pub use machine::{FakeState, Observer, Power};

/// A master in memory. Clones are the same master.
#[derive(Clone)]
pub struct Fake {
    state: Arc<Mutex<FakeState>>,
}

impl Fake {
    /// A running machine with an empty file system, `/etc/systemd/system` and `/opt`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { state: Arc::new(Mutex::new(FakeState::new(name.into()))) }
    }

    /// A machine that does not run, as under `--root`: units can be enabled, not started.
    #[must_use]
    pub fn offline(name: impl Into<String>) -> Self {
        let fake = Self::new(name);
        fake.inspect(|state| state.offline = true);
        fake
    }

    /// Looks at the state, or prepares it.
    pub fn inspect<R>(&self, look: impl FnOnce(&mut FakeState) -> R) -> R {
        look(&mut self.state())
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
        let mut state = self.state();
        let master = state.name.clone();
        if state.power == Power::Off {
            return Err(TransportError::NeverRan { master, reason: "it is off".to_owned() });
        }
        state.exchanges += 1;
        state.exchange = Exchange::Whole;
        let replies = interpret(&mut *state, batch);
        if state.exchange == Exchange::Whole {
            Ok(replies)
        } else {
            let reason = "the connection was lost".to_owned();
            Err(TransportError::FateUnknown { master, reason })
        }
    }

    async fn open_stream(&self, _address: &StreamAddress) -> Result<Box<dyn Stream>, StreamError> {
        Err(StreamError::Unsupported {
            master: self.state().name.clone(),
            reason: "a fake has no streams".to_owned(),
        })
    }

    async fn lock(&self, claim: &LockClaim) -> Result<Box<dyn LockGuard>, LockError> {
        let mut state = self.state();
        let master = state.name.clone();
        if state.power == Power::Off {
            return Err(LockError::Failed { master, reason: "it is off".to_owned() });
        }
        if let Some(holder) = &state.lock {
            return Err(LockError::Held { master, holder: holder.clone() });
        }
        state.lock = Some(claim.owner.clone());
        Ok(Box::new(FakeLock { state: Arc::clone(&self.state) }))
    }
}

struct FakeLock {
    state: Arc<Mutex<FakeState>>,
}

impl fmt::Debug for FakeLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeLock")
    }
}

impl LockGuard for FakeLock {}

impl Drop for FakeLock {
    fn drop(&mut self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).lock = None;
    }
}
