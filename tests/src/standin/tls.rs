//! TLS on aws-lc-rs: server configurations, trust anchors, and certificates from files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

/// The cryptography provider of all connections.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Parses all certificates of a PEM text, which must contain at least one.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err("data does not contain any valid RSA or ECDSA certificates".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads all certificates of a PEM file, which must contain at least one.
pub(super) fn certificates_of(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read(path)?;
    certificates(&pem).map_err(|error| format!("{}: {error}", path.display()))
}

/// Parses the private key of a PEM text.
pub(super) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| format!("private key: {error}"))
}

/// Reads a file; the error is worded as in Go.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("open {}: {error}", path.display()))
}

/// Parses a certificate and its key, which must match.
pub(super) fn certified_key(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, String> {
    let (certificates, key) = (certificates(certificate)?, private_key(key)?);
    CertifiedKey::from_der(certificates, key, &provider())
        .map_err(|error| format!("private key does not match public key: {error}"))
}

/// Returns a store that trusts these certificates.
pub(super) fn roots(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}

/// Builds a server's configuration.
///
/// With `client_cas`, the server requests a client certificate, as kube-apiserver does. It accepts
/// any certificate whose key the client has. The authentication of each request verifies the
/// certificate.
pub(super) fn server(
    certificate: Arc<dyn ResolvesServerCert>,
    client_cas: Option<&[CertificateDer<'static>]>,
) -> Result<ServerConfig, String> {
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = match client_cas {
        Some(cas) => config.with_client_cert_verifier(Arc::new(AnyClient::new(cas)?)),
        None => config.with_no_client_auth(),
    };
    let mut config = config.with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Accepts any client certificate whose key the client has.
#[derive(Debug)]
struct AnyClient {
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyClient {
    fn new(cas: &[CertificateDer<'static>]) -> Result<Self, String> {
        // Needed only for the CA names, by which clients choose a certificate.
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots(cas)?), provider())
                .build()
                .map_err(|error| error.to_string())?;
        let hints = verifier.root_hint_subjects().to_vec();
        Ok(Self { hints, algorithms: provider().signature_verification_algorithms })
    }
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A server's certificate, which can be replaced while the server runs.
#[derive(Debug)]
pub(super) struct Served {
    current: Mutex<Arc<CertifiedKey>>,
    files: Option<(PathBuf, PathBuf)>,
    read: Mutex<(Vec<u8>, Vec<u8>)>,
}

impl Served {
    /// Loads a pair from files.
    pub(super) fn from_files(certificate: &Path, key: &Path) -> Result<Self, String> {
        let contents = (read(certificate)?, read(key)?);
        let current = certified_key(&contents.0, &contents.1)?;
        let files = Some((certificate.to_owned(), key.to_owned()));
        Ok(Self { current: Mutex::new(Arc::new(current)), files, read: Mutex::new(contents) })
    }

    /// Creates a self-signed pair like client-go: for `localhost` and 127.0.0.1, and for 365 days.
    pub(super) fn self_signed() -> Result<Self, String> {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let now = time::OffsetDateTime::now_utc();
        let mut params = rcgen::CertificateParams::new(names).map_err(|error| error.to_string())?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        let name = format!("localhost@{}", now.unix_timestamp());
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.not_before = now - time::Duration::HOUR;
        params.not_after = now + time::Duration::days(365);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let key = rcgen::KeyPair::generate().map_err(|error| error.to_string())?;
        let certificate = params.self_signed(&key).map_err(|error| error.to_string())?;
        let pem = (certificate.pem(), key.serialize_pem());
        let current = certified_key(pem.0.as_bytes(), pem.1.as_bytes())?;
        let current = Mutex::new(Arc::new(current));
        Ok(Self { current, files: None, read: Mutex::default() })
    }

    /// Reads the files again; returns whether the pair changed. A pair that does not match is an
    /// error and is not used.
    pub(super) fn refresh(&self) -> Result<bool, String> {
        let Some((certificate, key)) = &self.files else { return Ok(false) };
        let contents = (read(certificate)?, read(key)?);
        if *self.read.lock().unwrap() == contents {
            return Ok(false);
        }
        let current = certified_key(&contents.0, &contents.1)?;
        *self.current.lock().unwrap() = Arc::new(current);
        *self.read.lock().unwrap() = contents;
        Ok(true)
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.lock().unwrap().clone())
    }
}
