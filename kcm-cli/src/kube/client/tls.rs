//! TLS to the API server with aws-lc-rs, and the classification of its failures.

use std::io;

use rustls::{AlertDescription, CertificateError, ClientConfig, OtherError};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use time::OffsetDateTime;

use crate::kube::error::Problem;
use crate::pki::Pair;
use crate::transport::{Unexpected, Verifier};

/// Builds a client configuration that trusts only `ca` and presents `pair`.
pub(super) fn client(ca: &str, pair: &Pair) -> Result<ClientConfig, Problem> {
    let unusable = |what: &str, reason: String| Problem::Unusable { what: what.to_owned(), reason };
    let verifier = Verifier::trusting(ca).map_err(|reason| unusable("the CA", reason))?;
    let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes());
    let chain = chain
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable("the certificate", error.to_string()))?;
    if chain.is_empty() {
        return Err(unusable("the certificate", "no certificate found".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes())
        .map_err(|error| unusable("the key", error.to_string()))?;
    let config = verifier.config().map_err(|error| Problem::Tls { reason: error.to_string() })?;
    let mut config = config
        .with_client_auth_cert(chain, key)
        .map_err(|error| unusable("the certificate with its key", error.to_string()))?;
    config.alpn_protocols = protocols();
    Ok(config)
}

/// Builds a client configuration that trusts only `ca` and presents no certificate.
pub(super) fn without_certificate(ca: &str) -> Result<ClientConfig, Problem> {
    let unusable = |reason: String| Problem::Unusable { what: "the CA".to_owned(), reason };
    let verifier = Verifier::trusting(ca).map_err(unusable)?;
    let config = verifier.config().map_err(|error| Problem::Tls { reason: error.to_string() })?;
    let mut config = config.with_no_client_auth();
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
        && let Some(unexpected) = other.downcast_ref::<Unexpected>()
    {
        return match unexpected.clone() {
            Unexpected::Ca(issuer) => Problem::AnotherCa { issuer },
            Unexpected::Name { expected, presented } => {
                Problem::AnotherName { expected, presented }
            }
        };
    }
    // A kubeconfig's connection has the verifier of `kube`.
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
