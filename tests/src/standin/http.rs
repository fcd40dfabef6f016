//! An HTTP/1.1 server over TLS, which both stand-ins use.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls_pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::log;

/// The client of a connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// Certificates that the client presented, its own first. They are not verified yet.
    pub(super) chain: Arc<Vec<CertificateDer<'static>>>,
}

/// A complete body, or a stream of pieces.
#[derive(Debug)]
pub(super) enum Content {
    Whole(Full<Bytes>),
    Stream(mpsc::Receiver<Bytes>),
}

impl Content {
    pub(super) fn new(text: impl Into<Bytes>) -> Self {
        Self::Whole(Full::new(text.into()))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(full) => Pin::new(full).poll_frame(context),
            Self::Stream(pieces) => {
                pieces.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(full) => full.size_hint(),
            Self::Stream(_) => hyper::body::SizeHint::default(),
        }
    }
}

/// Serves until the task is dropped.
pub(super) async fn serve<H, F>(listener: TcpListener, tls: TlsAcceptor, handle: H)
where
    H: Fn(Peer, Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Content>> + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let (tls, handle) = (tls.clone(), handle.clone());
                tokio::spawn(async move {
                    if let Err(error) = connection(stream, address, tls, handle).await {
                        log::line('I', &format!("http: {address}: {error}"));
                    }
                });
            }
            Err(error) => log::line('E', &format!("http: accept: {error}")),
        }
    }
}

async fn connection<H, F>(
    stream: TcpStream,
    address: SocketAddr,
    tls: TlsAcceptor,
    handle: H,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
where
    H: Fn(Peer, Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Content>> + Send + 'static,
{
    stream.set_nodelay(true)?;
    let stream = tls.accept(stream).await.map_err(|error| format!("TLS handshake: {error}"))?;
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let chain = shown.iter().map(|certificate| certificate.clone().into_owned()).collect();
    let peer = Peer { address, chain: Arc::new(chain) };
    let service = service_fn(move |request| {
        let response = handle(peer.clone(), request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    // A client that closes its half of the connection has gone away.
    http.timer(TokioTimer::new()).half_close(false);
    http.serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}
