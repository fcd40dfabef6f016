//! The HTTPS client, built on hyper and rustls.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::verifier::Verifier;
use super::{HttpsAnswer, HttpsQuestion};
use crate::transport::{Stream, StreamAddress};
use crate::util::words::in_full;

/// Time limit for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends `question` through `stream`; an error is the reason it failed.
pub(super) async fn ask(
    stream: Box<dyn Stream>,
    question: &HttpsQuestion,
) -> Result<HttpsAnswer, String> {
    let late = || format!("timed out after {} s", PATIENCE.as_secs());
    timeout(PATIENCE, exchange(stream, question)).await.unwrap_or_else(|_| Err(late()))
}

/// Returns the certificates that the server presents; an error is the reason.
pub(super) async fn presented(
    stream: Box<dyn Stream>,
    address: &StreamAddress,
) -> Result<Vec<Vec<u8>>, String> {
    let late = || format!("no TLS handshake within {} s", PATIENCE.as_secs());
    let stream =
        timeout(PATIENCE, shake_hands(stream, address)).await.unwrap_or_else(|_| Err(late()))?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    Ok(chain.iter().map(|certificate| certificate.to_vec()).collect())
}

async fn shake_hands(
    stream: Box<dyn Stream>,
    address: &StreamAddress,
) -> Result<TlsStream<Box<dyn Stream>>, String> {
    let name = ServerName::try_from(address.host.clone()).map_err(|error| error.to_string())?;
    let config = Verifier::accepting_any().config().map_err(|error| in_full(&error))?;
    let connector = TlsConnector::from(Arc::new(config.with_no_client_auth()));
    connector.connect(name, stream).await.map_err(|error| in_full(&error))
}

async fn exchange(
    stream: Box<dyn Stream>,
    question: &HttpsQuestion,
) -> Result<HttpsAnswer, String> {
    let stream = shake_hands(stream, &question.address).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let certificate = shown.map(|it| it.to_vec());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| in_full(&error))?;
    let request = hyper::Request::get(question.path)
        .header(hyper::header::HOST, question.address.to_string())
        .body(Empty::<Bytes>::new())
        .map_err(|error| in_full(&error))?;
    // The connection makes progress only while it is polled, and it ends with the answer.
    tokio::select! {
        answer = sender.send_request(request) => {
            let status = answer.map_err(|error| in_full(&error))?.status().as_u16();
            Ok(HttpsAnswer { status, certificate })
        }
        ended = connection => Err(match ended {
            Ok(()) => "the connection was closed".to_owned(),
            Err(error) => in_full(&error),
        }),
    }
}
