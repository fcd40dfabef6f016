//! The HTTPS client, built on hyper and rustls.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

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

/// A verifier that accepts every certificate whose private key the server proves to have.
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
