//! TLS to the API server with aws-lc-rs, and the classification of its failures.

use std::io;
use std::sync::Arc;

use kcm_pki::Certificate;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, OtherError,
    RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use time::OffsetDateTime;

use crate::kube::error::Problem;
use crate::pki::Pair;

/// Builds a client configuration that trusts only `ca` and presents `pair`.
///
/// The provider is explicit: rustls has no default if an embedder's build has two providers.
pub(super) fn client(ca: &str, pair: &Pair) -> Result<ClientConfig, Problem> {
    let unusable = |what: &str, reason: String| Problem::Unusable { what: what.to_owned(), reason };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new(ca, &provider).map_err(|reason| unusable("the CA", reason))?;
    let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes());
    let chain = chain
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable("the certificate", error.to_string()))?;
    if chain.is_empty() {
        return Err(unusable("the certificate", "no certificate found".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes())
        .map_err(|error| unusable("the key", error.to_string()))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Problem::Tls { reason: error.to_string() })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(chain, key)
        .map_err(|error| unusable("the certificate with its key", error.to_string()))?;
    config.alpn_protocols = protocols();
    Ok(config)
}

/// The ALPN protocols of the connector. Without this limit, kube-apiserver would choose HTTP/2.
pub(super) fn protocols() -> Vec<Vec<u8>> {
    vec![b"http/1.1".to_vec()]
}

/// Parses the name that the server's certificate must contain.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, Problem> {
    ServerName::try_from(host.to_owned()).map_err(|error| Problem::Unusable {
        what: format!("the server's name {host:?}"),
        reason: error.to_string(),
    })
}

/// Verifies servers as rustls does, and adds details of the certificate to errors.
#[derive(Debug)]
struct Verifier(Arc<WebPkiServerVerifier>);

impl Verifier {
    fn new(ca: &str, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        builder.build().map(Self).map_err(|error| error.to_string())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judged = self.0.verify_server_cert(certificate, intermediates, name, ocsp, now);
        judged.map_err(|error| {
            let shown = Certificate::from_der(certificate).ok();
            match error {
                // A CA with the same name but another key appears as a bad signature.
                rustls::Error::InvalidCertificate(
                    CertificateError::UnknownIssuer | CertificateError::BadSignature,
                ) => Judgement::AnotherCa(shown.map(|shown| shown.issuer())).into(),
                rustls::Error::InvalidCertificate(
                    CertificateError::NotValidForName
                    | CertificateError::NotValidForNameContext { .. },
                ) => {
                    let hosts =
                        |shown: Certificate| shown.sans().iter().map(ToString::to_string).collect();
                    Judgement::AnotherName {
                        expected: name.to_str().into_owned(),
                        presented: shown.map(hosts).unwrap_or_default(),
                    }
                    .into()
                }
                error => error,
            }
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// An error with details of the certificate, passed through rustls.
#[derive(Clone, Debug, thiserror::Error)]
#[error("not the expected server")]
enum Judgement {
    AnotherCa(Option<String>),
    AnotherName { expected: String, presented: Vec<String> },
}

impl From<Judgement> for rustls::Error {
    fn from(judgement: Judgement) -> Self {
        CertificateError::Other(OtherError(Arc::new(judgement))).into()
    }
}

/// Classifies the failure of a handshake.
pub(super) fn explain(error: &io::Error) -> Problem {
    let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>())
    else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => Problem::Closed,
            _ => Problem::Tls { reason: error.to_string() },
        };
    };
    match error {
        rustls::Error::InvalidCertificate(error) => explain_certificate(error),
        rustls::Error::InvalidMessage(_) => Problem::NoTls,
        rustls::Error::AlertReceived(alert) => explain_alert(*alert),
        error => Problem::Tls { reason: error.to_string() },
    }
}

fn explain_certificate(error: &CertificateError) -> Problem {
    if let CertificateError::Other(OtherError(other)) = error
        && let Some(judgement) = other.downcast_ref::<Judgement>()
    {
        return match judgement.clone() {
            Judgement::AnotherCa(issuer) => Problem::AnotherCa { issuer },
            Judgement::AnotherName { expected, presented } => {
                Problem::AnotherName { expected, presented }
            }
        };
    }
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            Problem::AnotherCa { issuer: None }
        }
        CertificateError::NotValidForNameContext { expected, presented } => Problem::AnotherName {
            expected: expected.to_str().into_owned(),
            presented: presented.clone(),
        },
        CertificateError::ExpiredContext { time, not_after } => {
            Problem::ServerCertificateExpired { not_after: date(*not_after), now: date(*time) }
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            Problem::ServerCertificateNotYetValid {
                not_before: date(*not_before),
                now: date(*time),
            }
        }
        error => Problem::ServerCertificate { reason: error.to_string() },
    }
}

/// Classifies a TLS alert of the server.
///
/// A proxy in front of kube-apiserver may require a trusted client certificate. kube-apiserver
/// itself answers 401 instead.
pub(super) fn explain_alert(alert: AlertDescription) -> Problem {
    use AlertDescription as Alert;
    let about_certificate = matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::CertificateRequired
    );
    if about_certificate {
        let reason = format!(
            "TLS alert {alert:?}; use a valid client certificate of a CA that the server trusts"
        );
        return Problem::Unauthenticated { reason };
    }
    Problem::Tls { reason: format!("the server sent the alert {alert:?}") }
}

fn date(time: UnixTime) -> OffsetDateTime {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
