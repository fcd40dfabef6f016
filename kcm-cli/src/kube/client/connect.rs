//! The connection that carries `kube`'s requests: HTTP/1.1 over TLS over any [`Via`] stream.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use kube::client::Body;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use time::OffsetDateTime;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::tls;
use crate::kube::clock;
use crate::kube::error::{Problem, Step, unsendable};
use crate::kube::via::Via;
use crate::transport::StreamAddress;

/// Time limits of connections and requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Limit for opening a connection, and again for its TLS handshake.
    pub connect: Duration,
    /// Limit for each request, from its first byte to the last byte of the answer.
    pub request: Duration,
}

impl Patience {
    /// The default: 10 s to connect, 5 s for a request.
    pub const USUAL: Self =
        Self { connect: Duration::from_secs(10), request: Duration::from_secs(5) };
}

/// The address of a server and everything needed to connect to it.
pub(super) struct Target {
    pub(super) via: Via,
    pub(super) address: StreamAddress,
    pub(super) name: ServerName<'static>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) patience: Patience,
}

/// A `tower` service that sends requests one after the other on one connection.
///
/// The first request opens the connection. Later requests reuse it while it lasts.
#[derive(Clone)]
pub(super) struct Line(Arc<Shared>);

struct Shared {
    target: Target,
    kept: Mutex<Option<SendRequest<Body>>>,
}

/// The time at which a request was sent, stored in the extensions of its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Send time by this machine's clock.
    pub(super) at: OffsetDateTime,
    /// End of the request's time limit.
    pub(super) deadline: Instant,
}

impl Line {
    pub(super) fn new(target: Target) -> Self {
        Self(Arc::new(Shared { target, kept: Mutex::new(None) }))
    }
}

impl Service<Request<Body>> for Line {
    type Response = Response<Incoming>;
    /// Always a [`Problem`]. It is boxed because `kube`'s layers require this type.
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move { Ok(shared.exchange(request).await?) })
    }
}

impl Shared {
    async fn exchange(&self, request: Request<Body>) -> Result<Response<Incoming>, Problem> {
        let mut request = self.addressed(request)?;
        let mut kept = self.kept.lock().await;
        if let Some(mut open) = kept.take()
            && timeout(self.target.patience.request, open.ready()).await.is_ok_and(|it| it.is_ok())
        {
            match self.send(&mut open, request).await {
                Ok(response) => {
                    *kept = Some(open);
                    return Ok(response);
                }
                // The server had closed the idle connection, and nothing was sent.
                Err(Failed::Unsent(back, _)) => request = *back,
                Err(Failed::Sent(problem)) => return Err(problem),
            }
        }
        let mut open = self.connect().await?;
        match self.send(&mut open, request).await {
            Ok(response) => {
                *kept = Some(open);
                Ok(response)
            }
            Err(Failed::Unsent(_, problem) | Failed::Sent(problem)) => Err(problem),
        }
    }

    async fn send(
        &self,
        open: &mut SendRequest<Body>,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, Failed> {
        let patience = self.target.patience.request;
        let sent = Sent { at: clock::now(), deadline: Instant::now() + patience };
        match timeout_at(sent.deadline, open.try_send_request(request)).await {
            Ok(Ok(mut response)) => {
                response.extensions_mut().insert(sent);
                Ok(response)
            }
            Ok(Err(mut error)) => match error.take_message() {
                Some(request) => Err(Failed::Unsent(Box::new(request), explain(error.error()))),
                None => Err(Failed::Sent(explain(error.error()))),
            },
            Err(_) => Err(Failed::Sent(Problem::TimedOut { step: Step::Answer, patience })),
        }
    }

    async fn connect(&self) -> Result<SendRequest<Body>, Problem> {
        let Target { via, address, name, tls, patience } = &self.target;
        let stream = via.open(address, patience.connect).await?;
        let handshake = TlsConnector::from(Arc::clone(tls)).connect(name.clone(), stream);
        let late = Problem::TimedOut { step: Step::Handshake, patience: patience.connect };
        let stream = timeout(patience.connect, handshake).await.map_err(|_| late)?;
        let stream = stream.map_err(|error| tls::explain(&error))?;
        let (open, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| explain(&error))?;
        // The task ends when the sender is dropped. Its errors reach the requests.
        tokio::spawn(connection);
        Ok(open)
    }

    /// Rewrites a request to origin form (RFC 9112, section 3.2.1): the URI holds the path, the
    /// header `Host` the authority.
    fn addressed(&self, mut request: Request<Body>) -> Result<Request<Body>, Problem> {
        let host = HeaderValue::from_str(&self.target.address.to_string());
        let host = host.map_err(|error| unsendable(&error))?;
        request.headers_mut().insert(HOST, host);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let path = path.parse::<Uri>().map_err(|error| unsendable(&error))?;
        *request.uri_mut() = path;
        Ok(request)
    }
}

/// The failure of a request without a response.
enum Failed {
    /// The request was not sent.
    Unsent(Box<Request<Body>>, Problem),
    /// The server may have processed the request.
    Sent(Problem),
}

/// Classifies the failure of a request.
pub(super) fn explain(error: &hyper::Error) -> Problem {
    let mut cause = error.source();
    while let Some(inner) = cause {
        // With TLS 1.3, a server verifies the client's certificate after the handshake.
        if let Some(io) = inner.downcast_ref::<io::Error>()
            && let Some(tls) = io.get_ref().and_then(|tls| tls.downcast_ref::<rustls::Error>())
            && let rustls::Error::AlertReceived(alert) = tls
        {
            return tls::explain_alert(*alert);
        }
        cause = inner.source();
    }
    let reason = crate::util::words::in_full(error);
    if error.is_parse() {
        return Problem::Garbage { what: format!("not an HTTP response ({reason})") };
    }
    Problem::Lost { reason }
}
