//! Connection between a kcm process and its masters, with control for a test.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use kcm::transport::fake::Fake;
use kcm::transport::{
    Batch, HttpsAnswer, HttpsError, HttpsQuestion, Journal, JournalError, JournalQuestion,
    LockClaim, LockError, LockGuard, Operation, Replies, Stream, StreamAddress, StreamError,
    Transport, TransportError,
};
use tokio::sync::Notify;

use super::asked::Misfortune;

/// Modification of a batch for the master of this number.
pub(super) type Twist = fn(usize, &mut Batch);

/// One exchange with a master.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    pub(super) place: usize,
    /// Number of its first operation on that master.
    pub(super) first: usize,
    /// Name of its first operation.
    pub(super) name: &'static str,
    /// Moment right before the exchange.
    pub(super) moment: usize,
}

/// A kcm process, as its masters observe it.
#[derive(Default)]
pub(super) struct Caller {
    pub(super) is_dead: AtomicBool,
    pub(super) death: Notify,
    /// True if it dies when one of its scripts was stopped.
    pub(super) dies_with_its_script: bool,
    pub(super) twist: Option<Twist>,
    /// Moment at which it waits until `goes_on`: before it sends a batch or takes a lock.
    pub(super) waits_at: Option<usize>,
    pub(super) waits: Notify,
    pub(super) goes_on: Notify,
    /// Number of moments so far.
    pub(super) moments: AtomicUsize,
    pub(super) exchanges: Mutex<Vec<Exchange>>,
    /// Operations that failed, by master and number.
    pub(super) failed: Mutex<Vec<(usize, usize)>>,
    /// Number of effects of its batches so far.
    pub(super) effects: AtomicUsize,
    /// Number of its requests to the API server so far.
    pub(super) requests: AtomicUsize,
    /// Fault of a request, with the number of the request.
    pub(super) misfortune: Option<(usize, Misfortune)>,
}

impl Caller {
    /// Waits until the process is dead.
    pub(super) async fn death(&self) {
        self.death.notified().await;
    }

    pub(super) async fn die<T>(&self) -> T {
        self.is_dead.store(true, Ordering::Relaxed);
        self.death.notify_one();
        std::future::pending().await
    }

    /// Returns the number of a moment at which another process may act first.
    async fn moment(&self) -> usize {
        let number = self.moments.fetch_add(1, Ordering::Relaxed);
        if self.waits_at == Some(number) {
            self.waits.notify_one();
            self.goes_on.notified().await;
        }
        self.unless_dead().await;
        number
    }

    pub(super) async fn unless_dead(&self) {
        if self.is_dead.load(Ordering::Relaxed) {
            let () = std::future::pending().await;
        }
    }
}

/// Connection of one kcm process to one master.
pub(super) struct Line {
    pub(super) caller: Arc<Caller>,
    pub(super) place: usize,
    pub(super) fake: Fake,
    /// Fake that answers batches without changes, if not the master itself.
    pub(super) seen: Option<Fake>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fake.fmt(f)
    }
}

#[async_trait]
impl Transport for Line {
    async fn call(&self, batch: &Batch) -> Result<Replies, TransportError> {
        let moment = self.caller.moment().await;
        let mut batch = batch.clone();
        if let Some(twist) = self.caller.twist {
            twist(self.place, &mut batch);
        }
        if let Some(seen) = &self.seen
            && !batch.operations.iter().any(Operation::changes)
        {
            return seen.call(&batch).await;
        }
        let (first, effects) = self.fake.inspect(|state| (state.operations, state.effects));
        let name = batch.operations.first().map_or("", Operation::name);
        let exchange = Exchange { place: self.place, first, name, moment };
        self.caller.exchanges.lock().unwrap().push(exchange);
        // A fake answers at once or never; without an answer, the caller is dead.
        let mut called = std::pin::pin!(self.fake.call(&batch));
        let answer = std::future::poll_fn(|context| match called.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => Poll::Ready(None),
        });
        let answer = answer.await;
        let effects = self.fake.inspect(|state| state.effects) - effects;
        self.caller.effects.fetch_add(effects, Ordering::Relaxed);
        match answer {
            Some(Err(TransportError::FateUnknown { .. })) if self.caller.dies_with_its_script => {
                self.caller.die().await
            }
            Some(answer) => {
                let failed = answer.as_ref().ok().and_then(|replies| replies.failed.as_ref());
                let failed = failed.map(|failed| (self.place, first + failed.index));
                self.caller.failed.lock().unwrap().extend(failed);
                answer
            }
            None => self.caller.die().await,
        }
    }

    async fn open_stream(&self, address: &StreamAddress) -> Result<Box<dyn Stream>, StreamError> {
        self.fake.open_stream(address).await
    }

    async fn insecure_https(&self, question: &HttpsQuestion) -> Result<HttpsAnswer, HttpsError> {
        self.caller.unless_dead().await;
        self.fake.insecure_https(question).await
    }

    async fn journal(&self, question: &JournalQuestion) -> Result<Box<dyn Journal>, JournalError> {
        self.fake.journal(question).await
    }

    async fn lock(&self, claim: &LockClaim) -> Result<Box<dyn LockGuard>, LockError> {
        self.caller.moment().await;
        self.fake.lock(claim).await
    }

    async fn close(&self) {
        self.fake.close().await;
    }
}
