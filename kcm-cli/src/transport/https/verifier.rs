//! The one verifier of TLS servers, with aws-lc-rs.

use std::sync::Arc;

use kcm_pki::Certificate;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, OtherError,
    RootCertStore, SignatureScheme,
};

/// Verifies that a server has the private key of its certificate, and checks the certificate
/// against trusted CAs, if any are given.
#[derive(Debug)]
pub(crate) struct Verifier {
    /// The provider is explicit: rustls has no default if an embedder's build has two providers.
    provider: Arc<CryptoProvider>,
    /// The check against trusted CAs. `None` accepts every certificate.
    trust: Option<Arc<WebPkiServerVerifier>>,
}

/// A mismatch between a server and the expected one, passed through rustls as
/// [`CertificateError::Other`].
#[derive(Clone, Debug, thiserror::Error)]
#[error("not the expected server")]
pub(crate) enum Unexpected {
    /// Another CA signed the certificate. Contains the issuer, if it is known.
    Ca(Option<String>),
    /// The certificate is for other names.
    Name { expected: String, presented: Vec<String> },
}

impl Verifier {
    /// Returns a verifier that accepts every certificate.
    pub(crate) fn accepting_any() -> Self {
        Self { provider: Arc::new(aws_lc_rs::default_provider()), trust: None }
    }

    /// Returns a verifier that trusts only the CAs in `ca`, as PEM.
    ///
    /// # Errors
    /// The reason for which `ca` is unusable.
    pub(crate) fn trusting(ca: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        let any = Self::accepting_any();
        let provider = Arc::clone(&any.provider);
        let trust = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(Self { trust: Some(trust.map_err(|error| error.to_string())?), ..any })
    }

    /// Returns a client configuration with this verifier, still without a client certificate.
    ///
    /// # Errors
    /// The provider supports none of the default protocol versions.
    pub(crate) fn config(
        self,
    ) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_safe_default_protocol_versions()?;
        Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(self)))
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
        let Some(trust) = &self.trust else { return Ok(ServerCertVerified::assertion()) };
        let verified = trust.verify_server_cert(certificate, intermediates, name, ocsp, now);
        verified.map_err(|error| {
            let shown = Certificate::from_der(certificate).ok();
            match error {
                // A CA with the same name but another key appears as a bad signature.
                rustls::Error::InvalidCertificate(
                    CertificateError::UnknownIssuer | CertificateError::BadSignature,
                ) => Unexpected::Ca(shown.map(|shown| shown.issuer())).into(),
                rustls::Error::InvalidCertificate(
                    CertificateError::NotValidForName
                    | CertificateError::NotValidForNameContext { .. },
                ) => {
                    let hosts =
                        |shown: Certificate| shown.sans().iter().map(ToString::to_string).collect();
                    Unexpected::Name {
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
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl From<Unexpected> for rustls::Error {
    fn from(unexpected: Unexpected) -> Self {
        CertificateError::Other(OtherError(Arc::new(unexpected))).into()
    }
}
