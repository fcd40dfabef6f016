//! A transport that reports each exchange.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::{
    Batch, HttpsAnswer, HttpsError, HttpsQuestion, Journal, JournalError, JournalQuestion,
    LockClaim, LockError, LockGuard, Operation, Replies, Stream, StreamAddress, StreamError,
    Transport, TransportError,
};

/// One call of a transport. It holds names and times, and no content of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Exchange {
    /// Name of the master.
    pub master: String,
    /// The call, such as `probe, read, read` or `open a stream to 127.0.0.1:10257`.
    pub call: String,
    /// Time from the call to its answer; in JSON `tookMilliseconds`.
    #[serde(rename = "tookMilliseconds", serialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub took: Duration,
    /// True if the call failed.
    pub has_failed: bool,
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// A transport that reports each call of another transport.
pub struct Traced {
    name: String,
    inner: Arc<dyn Transport>,
    report: Arc<dyn Fn(&Exchange) + Send + Sync>,
}

impl Traced {
    /// Wraps `inner`, the transport to the master `name`.
    pub fn new(
        name: impl Into<String>,
        inner: Arc<dyn Transport>,
        report: Arc<dyn Fn(&Exchange) + Send + Sync>,
    ) -> Self {
        Self { name: name.into(), inner, report }
    }

    async fn timed<T, E>(
        &self,
        call: String,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let start = Instant::now();
        let answer = work.await;
        let (master, has_failed) = (self.name.clone(), answer.is_err());
        (self.report)(&Exchange { master, call, took: start.elapsed(), has_failed });
        answer
    }
}

impl fmt::Debug for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl Transport for Traced {
    async fn call(&self, batch: &Batch) -> Result<Replies, TransportError> {
        let names: Vec<_> = batch.operations.iter().map(Operation::name).collect();
        self.timed(names.join(", "), self.inner.call(batch)).await
    }

    async fn open_stream(&self, address: &StreamAddress) -> Result<Box<dyn Stream>, StreamError> {
        self.timed(format!("open a stream to {address}"), self.inner.open_stream(address)).await
    }

    async fn insecure_https(&self, question: &HttpsQuestion) -> Result<HttpsAnswer, HttpsError> {
        let call = format!("GET https://{}{}", question.address, question.path);
        self.timed(call, self.inner.insecure_https(question)).await
    }

    async fn lock(&self, claim: &LockClaim) -> Result<Box<dyn LockGuard>, LockError> {
        self.timed("lock".to_owned(), self.inner.lock(claim)).await
    }

    async fn journal(&self, question: &JournalQuestion) -> Result<Box<dyn Journal>, JournalError> {
        self.timed(format!("journal of {}", question.unit), self.inner.journal(question)).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::transport::Exec;
    use crate::transport::fake::Fake;

    #[tokio::test]
    async fn an_exchange_names_its_operations_and_no_secret() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let report = {
            let seen = Arc::clone(&seen);
            move |it: &Exchange| seen.lock().unwrap().push(it.clone())
        };
        let master = Traced::new("m1", Arc::new(Fake::new("m1")), Arc::new(report));
        let argv = vec!["cat".to_owned()];
        let exec = Exec { argv, stdin: b"hunter2".to_vec().into() };
        let _ = master.call(&Batch::new(vec![Operation::Exec(exec)])).await;
        let seen = seen.lock().unwrap();
        assert_eq!((seen.len(), seen[0].call.as_str(), seen[0].master.as_str()), (1, "exec", "m1"));
        assert!(!format!("{seen:?}").contains("hunter2"));
    }
}
