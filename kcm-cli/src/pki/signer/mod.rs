//! Signers: each turns a certificate request into a certificate.
//!
//! A [`Signer`] is the CA key in a file ([`CaKeySigner`]), an external command (`CommandSigner`), or
//! an implementation of an embedder. kcm checks every answer before it stores it, so an answer
//! that differs from the request changes nothing.

mod ca_key;
mod check;
#[cfg(feature = "ssh")]
mod command;
#[cfg(feature = "testing")]
pub mod conformance;
mod error;

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use kcm_pki::{CertificateChain, CertificateRequest, CsrFile, KeyAlgorithm, PrivateKey};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::cluster::Cluster;
use crate::pki::IdentityRequest;

pub use ca_key::CaKeySigner;
pub(crate) use ca_key::{blocking, no_prompt, serial};
pub use check::UnacceptableCertificate;
pub(crate) use check::{SignedCertificate, accept};
#[cfg(feature = "ssh")]
pub use command::CommandSigner;
pub use error::SignerError;

/// A certificate to be signed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SigningOrder {
    /// The request: subject, names and key. Its signature proves that kcm has the key.
    pub request: CertificateRequest,
    /// The properties that the certificate must have.
    pub properties: IdentityRequest,
    /// Current time.
    pub now: OffsetDateTime,
}

impl SigningOrder {
    /// Creates the order of a certificate with these properties for a key.
    ///
    /// # Errors
    /// If the request cannot be signed with the key.
    pub fn new(
        properties: IdentityRequest,
        key: &PrivateKey,
        now: OffsetDateTime,
    ) -> Result<Self, SignerError> {
        let IdentityRequest { subject, hosts, key_algorithm, .. } = properties.clone();
        let csr = CsrFile { subject, hosts, key: key_algorithm, ca: None };
        let request = CertificateRequest::create(&csr, key)
            .map_err(|error| SignerError::Crypto { reason: error.to_string() })?;
        Ok(Self { request, properties, now })
    }
}

/// A signer of certificate requests.
///
/// # Contract
/// - [`sign`](Self::sign) returns the certificate for the key of the request, followed by its
///   intermediates, each issued by the next. A root at the end is allowed.
/// - The certificate has the subject, the names and the usages of the order, and is not a CA.
/// - Both methods end within a bounded time, and stop their work when their future is dropped.
/// - An error means that the signer issued no certificate, or that its certificate is unknown.
///
/// `conformance` (feature `testing`) tests an implementation.
#[async_trait]
pub trait Signer: Send + Sync {
    /// Checks that the signer can be used, without signing. A plan fails if it cannot.
    ///
    /// # Errors
    /// If it is known that [`sign`](Self::sign) would fail.
    async fn check(&self) -> Result<(), SignerError>;

    /// Signs a request.
    ///
    /// # Errors
    /// If there is no certificate.
    async fn sign(&self, order: &SigningOrder) -> Result<CertificateChain, SignerError>;
}

/// A prompt for the passphrase of the CA key; its argument is the question.
pub type PassphrasePrompt = Arc<dyn Fn(&str) -> io::Result<Zeroizing<String>> + Send + Sync>;

/// Returns the signer of the cluster file: `pki.signer`, else the key of `pki.caKey`, else one that
/// refuses, because certificates are signed by hand.
///
/// `ask` prompts for the passphrase of an encrypted key, if the cluster file names no source; `None`
/// if nobody can be asked.
#[must_use]
pub fn configured_signer(cluster: &Cluster, ask: Option<PassphrasePrompt>) -> Box<dyn Signer> {
    let pki = &cluster.pki;
    match (&pki.signer, &pki.ca_key) {
        #[cfg(feature = "ssh")]
        (Some(command), _) => {
            Box::new(CommandSigner::new(command.clone(), cluster.secret_variables.clone()))
        }
        #[cfg(not(feature = "ssh"))]
        (Some(_), _) => Box::new(Refusal::Command),
        (None, Some(_)) => Box::new(CaKeySigner::new(pki.clone(), ask)),
        (None, None) => Box::new(Refusal::ByHand),
    }
}

/// Generates a key. RSA keys take from a tenth of a second to a minute.
pub(crate) async fn new_key(algorithm: KeyAlgorithm) -> Result<PrivateKey, SignerError> {
    let generate = move || PrivateKey::generate(algorithm);
    blocking(move || generate().map_err(|error| SignerError::Crypto { reason: error.to_string() }))
        .await
}

/// A signer that signs nothing.
enum Refusal {
    ByHand,
    #[cfg(not(feature = "ssh"))]
    Command,
}

impl Refusal {
    fn refusal(&self) -> SignerError {
        match self {
            Self::ByHand => SignerError::ByHand,
            #[cfg(not(feature = "ssh"))]
            Self::Command => SignerError::NotCompiled,
        }
    }
}

#[async_trait]
impl Signer for Refusal {
    async fn check(&self) -> Result<(), SignerError> {
        Err(self.refusal())
    }

    async fn sign(&self, _: &SigningOrder) -> Result<CertificateChain, SignerError> {
        Err(self.refusal())
    }
}
