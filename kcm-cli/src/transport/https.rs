//! One question over HTTPS, through a byte stream, to a server whose identity is known by other means or of no matter.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use thiserror::Error;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Stream, StreamAddress, StreamError, TransportError};
use crate::util::words::in_full;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsQuestion {
    /// The server, as seen from the master.
    pub address: StreamAddress,
    /// The path of a GET request.
    pub path: &'static str,
}

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpsError {
    /// The server was not reached.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// It was reached and gave no HTTP answer.
    #[error("{address} gives no answer over HTTPS: {reason}")]
    NoAnswer {
        /// The server.
        address: StreamAddress,
        /// Why.
        reason: String,
    },
}

impl From<TransportError> for HttpsError {
    fn from(error: TransportError) -> Self {
        Self::Stream(error.into())
    }
}

/// What a server answers, and what it shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The certificate that it shows, in DER; none where there is no TLS behind the answer.
    pub certificate: Option<Vec<u8>>,
}

/// Asks through `stream`.
pub(super) async fn ask(
    stream: Box<dyn Stream>,
    question: &HttpsQuestion,
) -> Result<HttpsAnswer, HttpsError> {
    let no_answer =
        |reason: String| HttpsError::NoAnswer { address: question.address.clone(), reason };
    match timeout(PATIENCE, exchange(stream, question)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(reason)) => Err(no_answer(reason)),
        Err(_) => Err(no_answer(format!("none within {} s", PATIENCE.as_secs()))),
    }
}

async fn shake_hands(
    stream: Box<dyn Stream>,
    address: &StreamAddress,
) -> Result<TlsStream<Box<dyn Stream>>, String> {
    let name = ServerName::try_from(address.host.clone()).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::new(config()?));
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
    // The connection does its work while the answer is waited for, and ends with it.
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

fn config() -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| in_full(&error))?;
    Ok(config
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth())
}

/// Takes every certificate, but not one whose key the server does not have.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
